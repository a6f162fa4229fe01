"""`recorder ARGUMENTS` with faults inside: errors that nobody expected, in whose words everything is quoted.

Any request to the recorder whose target holds `/broken/`, and `/metrics` of the ingest server, meet one.
"""

from aiohttp import web

from cli import main
from ingest_server.app import App
from recorder.relay.plan import Planner

_plan = Planner._plan


def _broken_plan(self: Planner, method: str, host: bytes | None, target: bytes) -> object:
    if b"/broken/" in target:
        raise RuntimeError(f"nobody expected {target!r}") from ValueError(f"or {host!r} {target!r}")
    return _plan(self, method, host, target)


async def _broken_metrics(_self: App, request: web.Request) -> web.Response:
    raise RuntimeError(f"nobody expected {request.headers!r}")


if __name__ == "__main__":
    Planner._plan = _broken_plan  # type: ignore[assignment,method-assign] # a fault is put in
    App._show_metrics = _broken_metrics  # type: ignore[assignment,method-assign] # a fault is put in
    main()
