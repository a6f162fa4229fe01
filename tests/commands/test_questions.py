"""list, show, search, stats and sessions over real recordings: a running ingest server answers as its folder does."""

import json
from collections.abc import Iterator

import pytest

from tests.commands.recordings import DEMO_EXCHANGES, SOURCES, Recordings, recorded

ANSWER = "Every byte of this answer is recorded."


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    with recorded(tmp_path_factory.mktemp("recordings")) as found:
        yield found


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--json"],
        ["list", "--status", "4xx"],
        ["list", "--error", "any", "--route", "openai"],
        ["list", "-n", "2"],
        ["show", "last"],
        ["show", "last~1"],
        ["show", "last~3", "--raw"],
        ["show", "last~3", "--headers"],
        ["show", "last~3", "--events"],
        ["show", "last~3", "--json"],
        ["search", "byte"],
        ["search", '"every byte" rec*', "--json"],
        ["stats"],
        ["stats", "--by", "route", "--json"],
        ["sessions"],
        ["sessions", "--json"],
        ["show", "ffffffff"],
        ["list", "--model", "none"],
    ],
    ids=" ".join,
)
def test_a_server_and_its_folder_give_the_same_answers(recordings: Recordings, command: list[str]) -> None:
    by_server, by_folder = (recordings.ask(source, *command) for source in SOURCES)
    assert by_folder.out == by_server.out
    assert by_folder.code == by_server.code
    assert by_folder.err.replace(str(recordings.log_dir), recordings.url) == by_server.err


@pytest.mark.parametrize("source", SOURCES)
def test_list_has_a_line_per_exchange_the_newest_first(recordings: Recordings, source: str) -> None:
    found = recordings.ask(source, "list")
    assert (found.code, found.err, len(found.lines)) == (0, "", 1 + DEMO_EXCHANGES)
    assert found.lines[0].split() == [
        "time", "(UTC)", "id", "route", "model", "status", "took", "first", "in", "out", "cost", "prompt",
    ]  # fmt: skip
    assert [line.split()[2:5] for line in found.lines[1:]] == [
        ["openai", "cut", "200:upstream_reset"],
        ["openai", "busy", "429"],
        ["ollama", "demo", "200"],
        ["anthropic", "demo", "200"],
        ["openai", "demo", "200"],
        ["openai", "demo", "200"],
    ]
    assert {line.partition("What")[2] for line in found.lines[1:]} == {" do you record?"}


@pytest.mark.parametrize("source", SOURCES)
def test_filters_choose_and_json_is_what_the_api_answers(recordings: Recordings, source: str) -> None:
    busy = recordings.ask(source, "list", "--json", "--status", "4xx").objects
    assert [each["call"]["model"] for each in busy] == ["busy"]
    many = recordings.ask(source, "list", "--json", "--min-tokens", "17", "--route", "openai").objects
    assert [(each["route"], each["call"]["usage"]["output_tokens"]) for each in many] == [("openai", 8)] * 2


def test_show_prints_a_conversation_and_its_figures(recordings: Recordings) -> None:
    exchange = recordings.ask("folder", "list", "--json", "--route", "anthropic").objects[0]
    found = recordings.ask("folder", "show", exchange["id"][:8])
    assert (found.code, found.err) == (0, "")
    when = exchange["started_at"].replace("T", " ").replace("Z", " UTC")
    assert found.lines[:2] == [f"{exchange['id']}  {when}", f"POST {exchange['url']}  200"]
    assert found.lines[2:-1] == [
        "model demo, anthropic.messages, streamed",
        "route anthropic",
        "parameters max_tokens=64",
        "",
        "user",
        "  What do you record?",
        "",
        "assistant",
        f"  {ANSWER}",
        "",
    ]
    assert found.lines[-1].startswith("finish end_turn · 9 in + 8 out tokens (reported) · cost unknown · ")


def test_show_says_what_went_wrong(recordings: Recordings) -> None:
    cut = recordings.ask("folder", "show", "last")
    assert cut.lines[-6:-1] == [
        "  Every byte of this",
        "",
        "this exchange is incomplete: upstream_reset in response_body, by upstream: the upstream closed its connection",
        "the answer lacks its end",
        "the body is cut: its last chunk is missing",
    ]
    busy = recordings.ask("folder", "show", "last~1")
    assert busy.lines[-2] == (
        "the provider's error (requests, rate_limit_exceeded): Rate limit reached, try again in 20 s."
    )


def test_raw_is_the_request_and_the_response_byte_for_byte(recordings: Recordings) -> None:
    exchange = recordings.ask("folder", "list", "--json", "-n", "1").objects[0]
    files = sorted(recordings.log_dir.glob(f"*_{exchange['id'][:8]}_*.bin"))
    assert recordings.ask("folder", "show", "last", "--raw").out.encode() == b"".join(
        file.read_bytes() for file in files
    ).replace(b"\r\n", b"\n")  # as the test reads text


def test_events_have_the_times_at_which_they_arrived(recordings: Recordings) -> None:
    lines = recordings.ask("folder", "show", "last~3", "--events").lines
    events = [line for line in lines if " ms " in line]
    assert len(events) == 13
    assert events[0].split()[3] == "message_start"
    at = [float(line.split()[0]) for line in events]
    assert at == sorted(at)
    assert at[-1] > 100
    plain = recordings.ask("folder", "show", "last~5", "--events")
    assert plain.lines[-1] == "its answer is no stream of events"


def test_headers_are_the_heads_alone(recordings: Recordings) -> None:
    found = recordings.ask("folder", "show", "last~3", "--headers").out
    assert "\nPOST /v1/messages HTTP/1.1\n" in found
    assert "\nHTTP/1.1 200 OK\nContent-Type: text/event-stream\n" in found
    assert "What do you record?" not in found


def test_show_json_is_one_object_with_the_metadata_and_the_call(recordings: Recordings) -> None:
    shown = json.loads(recordings.ask("folder", "show", "last~3", "--json").out)
    assert shown["call"]["output"][0]["parts"] == [{"type": "text", "text": ANSWER}]
    assert shown["metadata"]["id"] == shown["id"]


def test_search_marks_what_it_found(recordings: Recordings) -> None:
    found = recordings.ask("folder", "search", "recorded", "-n", "1")
    assert found.lines[1] == "  Every byte of this answer is «recorded»."


def test_stats_sum_up_by_model_and_by_day(recordings: Recordings) -> None:
    found = recordings.ask("folder", "stats").lines
    assert found[0].split()[:6] == ["model", "exchanges", "errors", "in", "cached", "out"]
    assert [line.split()[:6] for line in found[1:5]] == [
        ["demo", "4", "0", "36", "0", "32"],
        ["busy", "1", "1", "0", "0", "0"],
        ["cut", "1", "1", "0", "0", "0"],
        ["all", "6", "2", "36", "0", "32"],
    ]
    assert found[6].split()[0] == "day"


def test_sessions_lead_to_their_trees(recordings: Recordings) -> None:
    sessions = recordings.ask("folder", "sessions", "--json").objects
    assert sum(each["exchanges"] for each in sessions) == DEMO_EXCHANGES
    found = recordings.ask("folder", "sessions", sessions[0]["session"])
    assert (found.code, found.err) == (0, "")
    assert found.lines[0] == sessions[0]["session"]
    assert found.lines[-1].endswith("What do you record?")


@pytest.mark.parametrize("source", SOURCES)
def test_a_wrong_id_and_what_matches_nothing_get_a_helpful_line(recordings: Recordings, source: str) -> None:
    wrong = recordings.ask(source, "show", "ffffffff")
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.startswith("Error: ffffffff: no exchange's id begins so")
    far = recordings.ask(source, "show", "last~99")
    assert (far.code, far.err) == (1, f"Error: last~99: only {DEMO_EXCHANGES} exchanges are recorded\n")
    name = recordings.url if source == "server" else str(recordings.log_dir)
    for arguments, line in (
        (["list", "--model", "none"], f"no exchange passes these filters in {name}\n"),
        (["search", "nobodysaidthis"], f"no exchange in {name} has all of these words\n"),
        (["stats", "--model", "none"], f"no exchange passes these filters in {name}\n"),
        (["sessions", "--model", "none"], f"no session passes these filters in {name}\n"),
    ):
        found = recordings.ask(source, *arguments)
        assert (found.code, found.out, found.err) == (0, "", line)


def test_a_wrong_value_of_a_filter_is_a_usage_error(recordings: Recordings) -> None:
    found = recordings.ask("folder", "list", "--status", "9xx")
    assert (found.code, found.out) == (2, "")
    assert found.err.splitlines()[-1] == (
        "Error: Invalid value for '--status': expected a status, as 404, or a class of them, as 4xx, got '9xx'"
    )
    nothing = recordings.ask("folder", "search", "")
    assert (nothing.code, nothing.err.splitlines()[-1]) == (
        2,
        "Error: Invalid value for 'TEXT': expected 1 to 1,000 characters, got ''",
    )
