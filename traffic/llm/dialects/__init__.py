"""One file per dialect. `BUILT_IN` is the ordered list of them: the first that matches a request decodes it."""

from traffic.llm.dialect import Dialect

BUILT_IN: tuple[Dialect, ...] = ()
