"""Follows the exchanges that pass filters: those that are there, then each that comes, also over a lost connection.

The live feed tells that an exchange has been indexed; whether it passes, the API says: filters have one meaning. What
came while the feed was away is asked for when it is back. Called by `recorder list --follow`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import click
import msgspec

from commands.api_client import ApiClient, Values
from commands.live_events import CALL, CONNECTED, DISCONNECTED
from commands.pages import PAGE_MAX, newest
from commands.plain_text import plain
from ingest_server.index.summary import ExchangeSummary

SEEN_MAX = 10_000
OVERLAP = timedelta(minutes=10)  # what began so long before the newest may have ended after it


class Follower:
    def __init__(self, api: ApiClient, values: Values) -> None:
        """`values`: without `until`."""
        self._api = api
        self._values = values
        self._seen: dict[tuple[str, bool], None] = {}  # id, and whether it had ended; the oldest first
        self._latest: str | None = None

    def follow(self, limit: int) -> Iterator[list[ExchangeSummary]]:
        """First the newest `limit`, oldest first; then, without end, what comes."""
        for event in self._api.live():
            if event.name == CONNECTED:
                yield self._fresh(list(self._unseen_pages(limit))[::-1])
            elif event.name == DISCONNECTED:
                click.echo(f"{plain(event.fields['problem'])}: trying again", err=True)
            elif event.name == CALL:
                summary = msgspec.convert(event.fields, ExchangeSummary)
                fresh = self._fresh(self._at(summary) if self._values else [summary])
                if fresh:
                    yield fresh

    def _unseen_pages(self, limit: int) -> Iterator[ExchangeSummary]:
        if self._latest is None:
            return newest(self._api, self._values, limit)
        since = datetime.fromisoformat(self._latest) - OVERLAP
        return newest(self._api, self._between(since), SEEN_MAX)

    def _at(self, summary: ExchangeSummary) -> list[ExchangeSummary]:
        """The one that began then, if it passes."""
        began = datetime.fromisoformat(summary.started_at)
        found = newest(self._api, self._between(began, began + timedelta(microseconds=1)), PAGE_MAX)
        return [each for each in found if each.id == summary.id]

    def _between(self, since: datetime, until: datetime | None = None) -> Values:
        others = [(name, value) for name, value in self._values if name != "since"]
        return [*others, ("since", since.isoformat()), *([("until", until.isoformat())] if until is not None else [])]

    def _fresh(self, summaries: list[ExchangeSummary]) -> list[ExchangeSummary]:
        fresh = [each for each in summaries if _key(each) not in self._seen]
        self._seen |= {_key(each): None for each in fresh}
        for key in list(self._seen)[:-SEEN_MAX]:
            del self._seen[key]
        self._latest = max([self._latest or "", *(each.started_at for each in summaries)]) or None
        return fresh


def _key(summary: ExchangeSummary) -> tuple[str, bool]:
    return summary.id, summary.completed or summary.error is not None
