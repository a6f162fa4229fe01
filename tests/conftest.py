"""What holds of every test.

How long an example of a property takes says nothing on a machine that others use too. And Ctrl-C reaches the processes
that tests start, also where a shell runs the tests in the background: they would inherit that it is ignored.
"""

import signal

from hypothesis import settings

pytest_plugins = ["pytester"]  # for tests of the pytest plugin

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
signal.signal(signal.SIGINT, signal.default_int_handler)
