"""Walks the pages of exchanges that the API answers. Called by the commands that list them."""

from collections.abc import Iterator

from commands.api_client import ApiClient, Values
from ingest_server.index.summary import ExchangeSummary

PAGE_MAX = 1_000


def newest(api: ApiClient, values: Values, limit: int) -> Iterator[ExchangeSummary]:
    """At most `limit`."""
    cursor: str | None = None
    while limit > 0:
        page = api.exchanges(values, min(limit, PAGE_MAX), cursor)
        yield from page.exchanges
        limit -= len(page.exchanges)
        cursor = page.next
        if cursor is None:
            return
