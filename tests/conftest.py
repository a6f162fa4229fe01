"""What holds of every test: how long an example of a property takes says nothing on a machine that others use too."""

from hypothesis import settings

pytest_plugins = ["pytester"]  # for tests of the pytest plugin

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
