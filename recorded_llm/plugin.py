"""The pytest plugin: what a test says to LLMs is recorded once, and answered from the recording ever after.

    @pytest.mark.recording("capital")            which recording, in `recordings/` beside the test's file
    def test_it(recorded_llm): ...               `recorded_llm.url("openai")` is the base URL; the variables that SDKs
                                                 read are set to such URLs as well
    pytest --recording=MODE                      when recordings are made: MODES

pytest imports this module at every start, so it imports the rest only for a test that wants a recording.
docs/testing.md is its guide.
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from recorded_llm.session import RecordedLlm, Wanted

MODES: Final = ("once", "none", "new_episodes", "all")
FOLDER: Final = "recordings"
_NO_NAME: Final = re.compile(r"[^\w.-]+")  # what does not belong into a folder's name

_SESSION: Final = pytest.StashKey["RecordedLlm"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("recorded_llm", "recordings of calls to LLMs").addoption(
        "--recording",
        choices=MODES,
        default="once",
        help="When recordings are made. once (the default): where there is none yet; none: never, a test without one "
        "fails; new_episodes: of each request that no recording answers; all: anew, in the place of what there is.",
    )


def pytest_configure(config: pytest.Config) -> None:
    text = (
        "recording(name, *, upstreams={}, ignore=()): answer the test's calls to LLMs from the recording of that name, "
        "or record them; upstreams: base URLs by route; ignore: JSON paths in requests that may differ."
    )
    config.addinivalue_line("markers", text)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test with the mark needs no fixture beside it."""
    names = getattr(item, "fixturenames", None)
    if names is not None and item.get_closest_marker("recording") and "recorded_llm" not in names:
        names.append("recorded_llm")


@pytest.fixture
def recorded_llm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator["RecordedLlm"]:
    """Base URLs whose answers come from the test's recording, or go into it."""
    from recorded_llm.session import RecordedLlmError, recorded  # noqa: PLC0415 only where a test wants it

    work = tmp_path_factory.mktemp("recorded_llm")
    try:
        wanted = _wanted(request.node)
        with recorded(wanted, request.config.getoption("--recording"), work) as session:
            for name, value in session.variables.items():
                monkeypatch.setenv(name, value)
            request.node.stash[_SESSION] = session
            yield session
    except RecordedLlmError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that asked what no recording answers fails, whatever it made of that; the reason is in its report."""
    report = yield
    session = item.stash.get(_SESSION, None)
    if session is None or call.when != "call":
        return report
    problem = session.end_of_test(is_passed=report.passed)
    if problem and report.passed:
        report.outcome, report.longrepr = "failed", problem
    elif problem:
        report.sections.append(("recorded_llm", problem))
    return report


def _wanted(item: pytest.Item) -> "Wanted":
    """What the test's mark asks for; without a name the test's own."""
    from recorded_llm.session import RecordedLlmError, Wanted  # noqa: PLC0415 only where a test wants it

    mark = item.get_closest_marker("recording")
    try:
        name, upstreams, ignore = _recording(*mark.args, **mark.kwargs) if mark is not None else _recording()
    except TypeError as error:
        text = str(error).replace("_recording()", "pytest.mark.recording")
        raise RecordedLlmError(f"{text}; its form is recording(name, *, upstreams={{}}, ignore=())") from None
    name = name or f"{item.path.stem}/{_NO_NAME.sub('-', item.name).strip('-')}"
    return Wanted(name, item.path.parent / FOLDER, upstreams, ignore)


def _recording(
    name: str = "", *, upstreams: Mapping[str, str] | None = None, ignore: str | Sequence[str] = ()
) -> tuple[str, Mapping[str, str], Sequence[str]]:
    """The mark's arguments. Raises TypeError."""
    if not isinstance(name, str):
        raise TypeError(f"pytest.mark.recording got the name {name!r}, which is no text")
    return name, upstreams or {}, [ignore] if isinstance(ignore, str) else ignore
