"""Why a query has no answer, in words for the person who asked.

    QueryError
    ├── NoIndexError        there is none (yet), or it cannot be read
    ├── TooSlowError        the query took too long and was interrupted
    └── NotFoundError       no exchange or session is meant by what was given, or several are

FilterError and a wrong cursor, which never reach the index, are filters.FilterError.
"""


class QueryError(Exception):
    pass


class NoIndexError(QueryError):
    pass


class TooSlowError(QueryError):
    pass


class NotFoundError(QueryError):
    """`candidates`: ids that may have been meant."""

    def __init__(self, problem: str, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.candidates = candidates
