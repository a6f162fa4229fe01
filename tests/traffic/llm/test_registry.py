"""Dialects that an installed package registers decode; broken ones are told and left out. The package is a folder with
its dist-info on sys.path, and its module is the example of docs/decoders.md, as it stands there.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.traffic.llm.example import Example, raw
from traffic.llm.decode import Decoded, Decoder
from traffic.llm.dialects import BUILT_IN
from traffic.llm.registry import Registry, find_dialects

DOCUMENT = (Path(__file__).parents[3] / "docs/decoders.md").read_text("utf-8")
ASKED = {"model": "acme-1", "ask": "Capital of France?", "stream": True, "talk_id": "t1"}


def block(language: str) -> str:
    """The document's one block of code in that language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    (found,) = [text for name, text in blocks if name == language]
    return str(found)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where packages are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("acme"):
            del sys.modules[name]


def install(packages: Path, source: str, entry_points: str = block("toml")) -> None:
    (packages / "acme_dialect.py").write_text(source)
    info = packages / "llm_acme-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points.replace("project.entry-points.", "").replace('"', ""))
    importlib.invalidate_caches()


def found(warnings: list[str]) -> Registry:
    return find_dialects(warnings.append)


def decode(registry: Registry, answer: bytes, content_type: str = "text/event-stream") -> Decoded:
    decoded = Decoder(registry.dialects).decode(raw(Example("/acme/v2/talk", ASKED, answer, content_type)))
    assert decoded is not None
    return decoded


def test_without_any_package_the_built_in_dialects_decode() -> None:
    warnings: list[str] = []
    assert found(warnings) == Registry(BUILT_IN, ())
    assert warnings == []


def test_the_document_lists_each_built_in_dialect_in_their_order() -> None:
    assert re.findall(r"^\| `([a-z_.]+)`", DOCUMENT, re.MULTILINE) == [dialect.name for dialect in BUILT_IN]


def test_the_example_of_the_document_decodes_as_the_document_says(packages: Path) -> None:
    install(packages, block("python"))
    warnings: list[str] = []
    registry = found(warnings)
    assert (registry.registered, registry.dialects[1:], warnings) == (("acme of llm-acme 1.0",), BUILT_IN, [])
    call = json.loads(msgspec.json.encode(decode(registry, block("").encode()).call))
    expected = json.loads(block("json"))
    assert {name: call[name] for name in expected} == expected
    assert (call["session"], call["session_source"], call["problems"]) == ("t1", "talk_id", [])


def test_the_example_of_the_document_reads_whole_cut_and_wrong_answers(packages: Path) -> None:
    install(packages, block("python"))
    registry = found([])
    whole = decode(registry, b'{"reply": "Paris.", "read": 7, "ended": "stop"}', "application/json").call
    assert (whole.output[0].text, whole.usage.input_tokens, whole.usage.output_tokens) == ("Paris.", 7, None)
    assert not whole.truncated
    stream = block("").encode()
    for length in range(len(stream)):
        cut = decode(registry, stream[:length]).call
        assert "Paris.".startswith(cut.output[0].text if cut.output else "")
        assert cut.truncated or cut.finish_reason == "stop"
    wrong = decode(registry, b'{"error": "no such model"}', "application/json").call
    assert (wrong.error is not None, wrong.truncated, wrong.output) == (True, False, ())
    assert wrong.error is not None
    assert wrong.error.message == "no such model"


CLASS = """
from traffic.llm.dialect import Asked
class AcmeTalk:
    name, operation, framing = "acme.talk", "chat", "sse"
    def matches(self, request): return "ask" in (request.document or {})
    def asked(self, request): return None
    def answered(self, document): return None
    def stream(self): return None
"""
LEFT_OUT = "the dialect acme of llm-acme 1.0 is left out: acme_dialect:AcmeTalk "
MEND = "; update or uninstall llm-acme"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import acme_parts", "cannot be loaded: ModuleNotFoundError: No module named 'acme_parts'"),
        ("AcmeTalk = 1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("", "cannot be loaded: AttributeError: module 'acme_dialect' has no attribute 'AcmeTalk'"),
        ("class AcmeTalk:\n    def __init__(self): raise OSError('no')", "cannot be loaded: OSError: no"),
        ("AcmeTalk = object()", "is no dialect: its name is no text"),
        (CLASS.replace('"sse"', '"xml"'), "is no dialect: its framing is 'xml', not one of sse, ndjson"),
        (CLASS.replace("def stream", "def flow"), "is no dialect: it has no stream()"),
    ],
)
def test_what_cannot_decode_is_named_and_left_out(packages: Path, source: str, problem: str) -> None:
    install(packages, source)
    warnings: list[str] = []
    assert found(warnings) == Registry(BUILT_IN, ())
    assert warnings == [LEFT_OUT + problem + MEND]


def test_one_that_fails_to_look_at_a_request_is_named_once_and_not_asked_again(packages: Path) -> None:
    install(packages, CLASS.replace('return "ask"', 'raise OSError("secret") or "ask"'))
    warnings: list[str] = []
    decoder = Decoder(found(warnings).dialects)
    for _ in range(2):
        assert decoder.decode(raw(Example("/acme/v2/talk", ASKED, b"{}"))) is None
    assert warnings == ["the dialect acme of llm-acme 1.0 is left out from now on: matches() raised OSError"]
    assert decoder.decode(raw(Example("/api/generate", {"model": "tiny"}, b"{}"))) is not None


@pytest.mark.parametrize(
    ("changes", "answer", "content_type", "problems"),
    [
        (
            {},
            b"{}",
            "application/json",
            (
                "the request cannot be decoded: acme.talk: asked() gave NoneType, not Asked",
                "the response cannot be decoded: acme.talk: answered() gave NoneType, not Answered",
            ),
        ),
        (
            {"return None": "raise KeyboardError if 0 else OSError('secret')"},
            b"data: {}\n\n",
            "text/event-stream",
            (
                "the request cannot be decoded: acme.talk: asked() raised OSError",
                "the response cannot be decoded: acme.talk: stream() raised OSError",
            ),
        ),
        (
            {"asked(self, request): return None": "asked(self, request): return Asked()"},
            b"data: {}\n\n",
            "text/event-stream",
            (
                "an event cannot be decoded: a stream of acme.talk: feed() raised AttributeError",
                "the response cannot be decoded: a stream of acme.talk: answered() raised AttributeError",
            ),
        ),
    ],
)
def test_errors_of_a_registered_dialect_are_problems_of_the_call(
    packages: Path, changes: dict[str, str], answer: bytes, content_type: str, problems: Any
) -> None:
    source = CLASS
    for old, new in changes.items():
        source = source.replace(old, new)
    install(packages, source)
    warnings: list[str] = []
    call = decode(found(warnings), answer, content_type).call
    assert (call.problems, warnings) == (problems, [])
    assert (call.dialect, call.truncated, call.output) == ("acme.talk", True, ())
