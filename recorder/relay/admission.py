"""Who may use the recorder: the key that a request brings, and the page that asks for one of the recorder's own.

Pure. Takes a Plan, which was decided without a look at credentials and is kept for other requests, and gives this
request's own: with the key's name and the lines that hold it, or with an answer that refuses. Called by the exchange.
"""

import msgspec

from recorder.routing.routes import Own
from recorder.settings import RecorderSettings
from traffic.capture.events import ExchangeError
from traffic.hosts import OwnNames
from traffic.http1.head import RequestHead
from traffic.keys import KeyRing

from .plan import Answer, Plan

KEY_FIELDS = (b"x-recorder-key", b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
_BEARER = b"bearer "
_HOW = (
    "send one as `x-recorder-key: KEY`, and the provider's own key travels beside it; or send it in that key's place "
    "(Authorization: Bearer, x-api-key, api-key, x-goog-api-key)"
)


def admit(plan: Plan, head: RequestHead, keys: KeyRing) -> Plan:
    """Every line that may hold a key is looked at: one that does never goes upstream."""
    if plan.action is Own.HEALTH:
        return plan
    places = [place for name in KEY_FIELDS for place in head.places(name)]
    matched = {place: name for place in places if (name := keys.match(_credential(head, place))) is not None}
    if matched:
        return msgspec.structs.replace(plan, key=next(iter(matched.values())), key_places=frozenset(matched))
    problem = "what was sent is no key of this recorder" if places else "this recorder asks for a key"
    detail = f"{problem} (server.keys): {_HOW}"
    error = ExchangeError("unauthorized", "request_head", "client", detail)
    return _refused(plan, Answer(401, detail, error, field=b"WWW-Authenticate: Bearer", reads_on=False))


def check_caller(plan: Plan, head: RequestHead, settings: RecorderSettings) -> Plan:
    """For a page of the recorder's own: the name that it is called by (DNS rebinding), the page that asks (CSRF)."""
    host, origin = head.value(b"host"), head.value(b"origin")
    if host is not None and not OwnNames(settings.host, settings.allowed_hosts).accepts(host.decode("latin-1")):
        text = "this Host is not the recorder's: ask for localhost or its address, or set server.allowed_hosts"
        return _refused(plan, Answer(403, text))
    if origin is not None and origin.lower().partition(b"://")[2] != (host or b"").lower():
        return _refused(plan, Answer(403, "the recorder's own pages are not for pages of another origin"))
    return plan


def _credential(head: RequestHead, place: int) -> bytes:
    name, value = head.field(place)
    if name.lower() != b"authorization":
        return value
    return value[len(_BEARER) :].lstrip() if value[: len(_BEARER)].lower() == _BEARER else b""


def _refused(plan: Plan, answer: Answer) -> Plan:
    """Nothing goes upstream; what is recorded has the client's target."""
    recorded_target = plan.path.encode("latin-1")
    return msgspec.structs.replace(plan, action=answer, upstream_url=None, recorded_target=recorded_target)
