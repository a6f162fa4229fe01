"""One recorded exchange, asked of another model: by the `model` of its JSON body, or in its path where the API has it
there, as Gemini's and Bedrock's. Pure. Called by `recorder fork`.
"""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from replay.json_path import parse
from replay.masks import read_json
from replay.preparation import Preparation, Prepared
from replay.replay_error import ReplayError
from traffic.capture.exchange import RecordedExchange
from traffic.capture.recording import read_recording

_IN_PATH: Final = re.compile(rb"(/models?/)[^/:?\s]+(?=[:/])")
_HEAD_END: Final = b"\r\n\r\n"


def prepare_for(model: str, preparation: Preparation, exchange: RecordedExchange) -> Prepared:
    """Raises ReplayError. Other edits of the preparation hold as well; the model goes last."""
    try:
        document = read_json(read_recording(exchange.request).content)
    except ValueError:
        document = None
    if isinstance(document, dict) and "model" in document:
        edits = replace(preparation.edits, sets=(*preparation.edits.sets, (parse("model"), model)))
        return replace(preparation, edits=edits).prepare(exchange)
    head, end, body = exchange.request.partition(_HEAD_END)
    named = quote(model, safe="").encode()
    head, count = _IN_PATH.subn(lambda match: match[1] + named, head)
    if not count:
        raise ReplayError("the recorded request names no model, neither in a JSON body nor in its path")
    return preparation.prepare(exchange._replace(request=head + end + body))
