"""recorded_llm/: when a recording is made, when it answers, and what a test hears that asks for something else."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorded_llm.conftest import RunTests, Upstream, recorded_files

ROOT = Path(__file__).parents[2]
ASK = '''
import json, os, pytest, unittest, urllib.error, urllib.request

def ask(url, *words, **more):
    """What a client with that base URL is answered, per word."""
    answers = []
    for word in words:
        body = {"model": "m", "messages": [{"role": "user", "content": word}], **more}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-very-secret"}
        request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request) as answer:
                answers.append(json.load(answer)["choices"][0]["message"]["content"])
        except urllib.error.HTTPError as error:
            error.close()  # else its socket outlives the test
            raise
    return answers

def ask_and_ignore(*arguments):
    try:
        ask(*arguments)
    except urllib.error.HTTPError:
        pass

WORDS = os.environ.get("WORDS", "Hi").split()
'''
SIMPLE = """
@pytest.mark.recording("chat")
def test_it(recorded_llm):
    ask(recorded_llm.url("openai"), *WORDS)
"""


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.fixture
def tests(pytester: pytest.Pytester) -> Path:
    """A project with one test; where its recordings are."""
    pytester.makepyfile(test_it=ASK + SIMPLE)
    return pytester.path / "recordings"


def section(result: pytest.RunResult) -> str:
    """What the plugin had to say in the failure's report."""
    return re.sub(r"[0-9a-f]{8} of [0-9: -]{19}", "ID of TIME", result.stdout.str().partition("- recorded_llm -")[2])


def test_the_first_run_records_and_the_next_plays(tests: Path, run_tests: RunTests, upstream: Upstream) -> None:
    run_tests().assert_outcomes(passed=1)
    files = recorded_files(tests)
    assert [file.name[32:] for file in files] == ["_metadata.json", "_request.bin", "_response.bin"]
    assert {file.parent for file in files} == {tests / "chat"}
    run_tests().assert_outcomes(passed=1)
    assert len(upstream.asked) == 1


@pytest.mark.usefixtures("tests")
def test_a_miss_fails_the_test_and_explains_itself(
    run_tests: RunTests, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tests().assert_outcomes(passed=1)
    monkeypatch.setenv("WORDS", "Bye")
    result = run_tests()
    result.assert_outcomes(failed=1)
    assert section(result).splitlines()[1:4] == [
        (
            "no recording answers POST /openai/chat/completions: the nearest, ID of TIME, differs at "
            'messages[0].content ("Bye" here, "Hi" recorded). It is played with --ignore \'messages[0].content\''
        ),
        "For this test that is @pytest.mark.recording('chat', ignore=['messages[0].content']).",
        "The recording is recordings/chat: --recording=new_episodes adds to it, --recording=all makes it anew.",
    ]
    assert len(upstream.asked) == 1


@pytest.mark.usefixtures("tests")
def test_a_miss_that_the_test_has_swallowed_fails_it_as_well(
    run_tests: RunTests, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(test_it=ASK + SIMPLE.replace("ask(", "ask_and_ignore("))
    run_tests().assert_outcomes(passed=1)
    monkeypatch.setenv("WORDS", "Hi Bye")
    result = run_tests()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no recording answers POST /openai/chat/completions: the nearest, *"])


@pytest.mark.usefixtures("tests")
def test_what_may_differ_is_said_by_the_mark(
    run_tests: RunTests, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tests().assert_outcomes(passed=1)
    pytester.makepyfile(test_it=ASK + SIMPLE.replace('"chat"', '"chat", ignore=["messages[0].content"]'))
    monkeypatch.setenv("WORDS", "Bye")
    run_tests("--recording=none").assert_outcomes(passed=1)


@pytest.mark.usefixtures("tests")
def test_the_same_request_is_answered_as_often_as_it_was_recorded(
    run_tests: RunTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDS", "Hi Hi")
    run_tests().assert_outcomes(passed=1)
    run_tests().assert_outcomes(passed=1)
    monkeypatch.setenv("WORDS", "Hi Hi Hi")
    result = run_tests()
    result.assert_outcomes(failed=1)
    assert section(result).splitlines()[1] == (
        "no recording answers POST /openai/chat/completions: all 2 recordings of it were played already"
    )


def test_none_never_records(tests: Path, run_tests: RunTests, upstream: Upstream) -> None:
    result = run_tests("--recording=none")
    result.assert_outcomes(failed=1)
    assert section(result).splitlines()[1:3] == [
        "no recording answers POST /openai/chat/completions: there are no recordings",
        "There is no recording recordings/chat: --recording=once makes it.",
    ]
    assert upstream.asked == []
    assert not tests.exists()


def test_new_episodes_adds_what_is_missing_and_keeps_the_rest(
    tests: Path, run_tests: RunTests, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tests("--recording=new_episodes").assert_outcomes(passed=1)
    before = {file: file.read_bytes() for file in recorded_files(tests)}
    monkeypatch.setenv("WORDS", "Hi Bye")
    run_tests("--recording=new_episodes").assert_outcomes(passed=1)
    after = {file: file.read_bytes() for file in recorded_files(tests)}
    assert (len(before), len(after)) == (3, 6)
    assert before.items() <= after.items()
    run_tests("--recording=none").assert_outcomes(passed=1)
    assert [each["messages"][0]["content"] for each in upstream.asked] == ["Hi", "Bye"]


def test_all_makes_the_recording_anew_and_leaves_other_files_alone(
    tests: Path, run_tests: RunTests, upstream: Upstream
) -> None:
    run_tests().assert_outcomes(passed=1)
    before = recorded_files(tests)
    (tests / "chat" / "notes.txt").write_text("mine")
    run_tests("--recording=all").assert_outcomes(passed=1)
    after = recorded_files(tests)
    assert len(upstream.asked) == 2
    assert (len(after), after[-1].name) == (4, "notes.txt")
    assert not set(before) & set(after)


def test_a_test_that_fails_leaves_no_recording_and_the_old_one_as_it_was(
    tests: Path, run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ASK + SIMPLE + "    assert 0\n")
    result = run_tests()
    result.assert_outcomes(failed=1)
    assert section(result).splitlines()[1] == (
        "Nothing of this is kept as a recording, because the test has not passed."
    )
    assert not tests.exists()
    pytester.makepyfile(test_it=ASK + SIMPLE)
    run_tests().assert_outcomes(passed=1)
    before = recorded_files(tests)
    pytester.makepyfile(test_it=ASK + SIMPLE + "    assert 0\n")
    run_tests("--recording=all").assert_outcomes(failed=1)
    assert recorded_files(tests) == before


@pytest.mark.usefixtures("tests")
def test_an_upstream_that_cannot_be_recorded_is_named(run_tests: RunTests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    result = run_tests()
    result.assert_outcomes(failed=1)
    assert section(result).splitlines()[1] == (
        "openai could not be recorded: upstream_refused: 127.0.0.1:1 refused the connection: is the server running?"
    )


def test_without_a_name_each_test_has_a_recording_of_its_own(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=ASK
        + """
@pytest.mark.recording
@pytest.mark.parametrize("word", ["Hi", "to/../be"])
def test_marked(word):
    ask(os.environ["OPENAI_BASE_URL"], word)

class TestGroup:
    def test_fixture(self, recorded_llm):
        ask(recorded_llm.url(), "Hi")

class TestCase(unittest.TestCase):
    @pytest.mark.recording
    def test_unit(self):
        ask(os.environ["OPENAI_BASE_URL"], "Hi")
"""
    )
    run_tests().assert_outcomes(passed=4)
    folder = pytester.path / "recordings" / "test_it"
    assert sorted(path.name for path in folder.iterdir()) == [
        "test_fixture",
        "test_marked-Hi",
        "test_marked-to-..-be",
        "test_unit",
    ]
    run_tests("--recording=none").assert_outcomes(passed=4)


def test_clients_find_base_urls_and_keys_in_their_variables_while_the_test_runs(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM", f"{upstream.url}/v1")
    pytester.makepyfile(
        test_it=ASK
        + """
@pytest.mark.recording("chat")
def test_it(recorded_llm):
    found = {name: os.environ[name] for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL",
                                                 "GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST")}
    assert list(found.values()) == [recorded_llm.url(name) for name in ("openai", "openai", "anthropic", "gemini",
                                                                        "ollama")]
    assert os.environ.get("OPENAI_API_KEY") == (None if recorded_llm.is_recording else "recorded")
    assert recorded_llm.folder.parts[-2:] == ("recordings", "chat")
    ask(found["OPENAI_BASE_URL"], "Hi")

def test_later():
    assert os.environ["OPENAI_BASE_URL"] == os.environ["UPSTREAM"]
    assert "OPENAI_API_KEY" not in os.environ
"""
    )
    run_tests(key=None).assert_outcomes(passed=2)
    run_tests(key=None).assert_outcomes(passed=2)


def test_upstreams_of_the_mark_go_before_those_of_the_environment(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    pytester.makepyfile(
        test_it=ASK
        + f"""
@pytest.mark.recording("chat", upstreams={{"openai": "{upstream.url}/v1", "mine": "{upstream.url}/mine"}})
def test_it(recorded_llm):
    ask(recorded_llm.url("openai"), "Hi")
    ask(recorded_llm.url("mine"), "Hi")
"""
    )
    run_tests().assert_outcomes(passed=1)
    assert len(upstream.asked) == 2
    run_tests().assert_outcomes(passed=1)


MISTAKES = [
    ('"../chat"', "a recording's name is a path below recordings/: '../chat'"),
    (
        '"chat", upstream=1',
        (
            "pytest.mark.recording got an unexpected keyword argument 'upstream'; its form is recording(name, *, "
            "upstreams={}, ignore=())"
        ),
    ),
    ('"chat", upstreams={"openai": "h"}', "an upstream's base URL is none: *"),
    ('"chat", ignore=["a["]', "ignore: 'a[[]' is no JSON path*"),
    ('"chat", ignore="a["', "ignore: 'a[[]' is no JSON path*"),
    (
        "3",
        (
            "pytest.mark.recording got the name 3, which is no text; its form is recording(name, *, upstreams={}, "
            "ignore=())"
        ),
    ),
]


@pytest.mark.parametrize(("arguments", "text"), MISTAKES)
def test_a_mistake_in_the_mark_is_told_in_a_line(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: str, text: str
) -> None:
    pytester.makepyfile(test_it=ASK + SIMPLE.replace('"chat"', arguments))
    result = run_tests()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([text])
    result.stdout.no_fnmatch_line("During handling of *")


def test_an_unknown_route_is_told_with_those_that_there_are(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ASK + SIMPLE.replace('url("openai")', 'url("oepnai")'))
    result = run_tests()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "*there is no upstream 'oepnai', but openai, anthropic, gemini, openrouter, ollama, lmstudio; "
                '@pytest.mark.recording(..., upstreams={"oepnai": URL}) adds it'
            )
        ]
    )


def test_the_plugin_imports_nothing_but_itself_until_a_test_wants_it() -> None:
    """It is loaded at each start of pytest, also in projects that have modules of such names."""
    program = (
        "import sys, pytest; before = set(sys.modules); import recorded_llm.plugin; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "['recorded_llm']\n"


def test_a_recording_that_lacks_an_exchange_is_not_kept(
    tests: Path, run_tests: RunTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recorder.capture.tap import Ledger

    monkeypatch.setattr(Ledger, "lost", 1)
    result = run_tests()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["nothing is kept as a recording: of 2 exchanges 1 were stored whole; the log has *"])
    assert not tests.exists()
