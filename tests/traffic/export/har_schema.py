"""HAR 1.2 as its specification says it (http://www.softwareishard.com/blog/har-12-spec/), as a JSON Schema: which
fields an object must have, which it may, of what type, and that those of one's own begin with an underscore.
"""

from typing import Any, Final

TEXT: Final = {"type": "string"}
MILLISECONDS: Final = {"type": "number", "minimum": 0}
MILLISECONDS_OR_NONE: Final = {"type": "number", "minimum": -1}
BYTES: Final = {"type": "integer", "minimum": -1}
MOMENT: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}


def fields(needed: dict[str, Any], possible: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(needed),
        "properties": {**needed, **(possible or {}), "comment": TEXT},
        "patternProperties": {"^_": True},
        "additionalProperties": False,
    }


def listed(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


RECORD: Final = fields({"name": TEXT, "value": TEXT})
COOKIE: Final = fields(
    {"name": TEXT, "value": TEXT},
    {"path": TEXT, "domain": TEXT, "expires": MOMENT, "httpOnly": {"type": "boolean"}, "secure": {"type": "boolean"}},
)
POST_DATA: Final = {
    **fields({"mimeType": TEXT}, {"text": TEXT, "params": listed(fields({"name": TEXT}))}),
    "oneOf": [{"required": ["text"]}, {"required": ["params"]}],
}
MESSAGE: Final = {
    "httpVersion": TEXT,
    "cookies": listed(COOKIE),
    "headers": listed(RECORD),
    "headersSize": BYTES,
    "bodySize": BYTES,
}
REQUEST: Final = fields(
    {**MESSAGE, "method": TEXT, "url": {"type": "string", "pattern": "^[a-z]+://"}, "queryString": listed(RECORD)},
    {"postData": POST_DATA},
)
CONTENT: Final = fields(
    {"size": {"type": "integer", "minimum": 0}, "mimeType": TEXT},
    {"compression": {"type": "integer"}, "text": TEXT, "encoding": TEXT},
)
RESPONSE: Final = fields(
    {
        **MESSAGE,
        "status": {"type": "integer", "minimum": 0, "maximum": 599},
        "statusText": TEXT,
        "content": CONTENT,
        "redirectURL": TEXT,
    }
)
TIMINGS: Final = fields(
    {"send": MILLISECONDS, "wait": MILLISECONDS, "receive": MILLISECONDS},
    dict.fromkeys(("blocked", "dns", "connect", "ssl"), MILLISECONDS_OR_NONE),
)
ENTRY: Final = fields(
    {
        "startedDateTime": MOMENT,
        "time": MILLISECONDS,
        "request": REQUEST,
        "response": RESPONSE,
        "cache": fields({}, {"beforeRequest": True, "afterRequest": True}),
        "timings": TIMINGS,
    },
    {"pageref": TEXT, "serverIPAddress": TEXT, "connection": TEXT},
)
NAMED: Final = fields({"name": TEXT, "version": TEXT})
LOG: Final = fields(
    {"version": {"const": "1.2"}, "creator": NAMED, "entries": listed(ENTRY)}, {"browser": NAMED, "pages": listed({})}
)
HAR: Final = fields({"log": LOG})
