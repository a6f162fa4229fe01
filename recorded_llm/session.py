"""One test's recording: whether it is made or played, the URLs that stand for the upstreams, and what is kept.

    --recording     there is a recording                 there is none
    once            it answers                           it is made
    none            it answers                           every request fails
    new_episodes    it answers what it can; the rest goes to the upstream, and is added
    all             it is made anew                      it is made

A recording is kept where the test has passed. Until then all happens in a temporary folder. Called by plugin.py.
"""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recorded_llm.upstreams import UPSTREAMS, base_urls
from replay.json_path import JsonPathError
from replay.masks import Masks
from replay.play.library import Library
from replay.play.server import Player
from replay.play.settings import INSTANT, PlaySettings
from replay.play.thread import playing
from traffic.capture import names

if TYPE_CHECKING:
    from recorder.server import Recorder

HOST: Final = "127.0.0.1"
_NO_KEY: Final = "recorded"  # what a client without a key of its own gets while it cannot reach anyone


class RecordedLlmError(Exception):
    """What is wrong with a test's wishes; the text is for people."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a test asks for."""

    name: str
    parent: Path  # the folder of the recordings
    upstreams: Mapping[str, str]  # base URLs by route
    ignore: Sequence[str]  # JSON paths, as `--ignore` takes them

    @property
    def folder(self) -> Path:
        path = Path(self.name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise RecordedLlmError(f"a recording's name is a path below {self.parent.name}/: {self.name!r}")
        return self.parent / path

    @property
    def masks(self) -> Masks:
        try:
            return Masks(self.ignore)
        except JsonPathError as error:
            raise RecordedLlmError(f"ignore: {error}") from None


class RecordedLlm:
    """What the fixture gives a test."""

    def __init__(self, wanted: Wanted, recorder: "Recorder | None", player: Player | None) -> None:
        """One of the two at least."""
        answers = player or recorder
        assert answers is not None
        self.folder = wanted.folder
        self.is_recording = recorder is not None  # requests may reach the upstreams
        self.keeps = False  # what was recorded
        self._wanted = wanted
        self._url = f"http://{HOST}:{answers.port}"
        self._recorder = recorder
        self._player = player
        self._routes = {**UPSTREAMS, **wanted.upstreams}

    def url(self, route: str = "openai") -> str:
        """What a client takes as its base URL, in the place of that upstream's."""
        if route not in self._routes:
            known = ", ".join(self._routes)
            text = f"there is no upstream {route!r}, but {known}"
            raise RecordedLlmError(f'{text}; @pytest.mark.recording(..., upstreams={{"{route}": URL}}) adds it')
        return f"{self._url}/{route}"

    @property
    def variables(self) -> dict[str, str]:
        """Those in which SDKs look for base URLs; and for keys, where no key is needed and there is none."""
        found = {variable: self.url(name) for name, each in UPSTREAMS.items() for variable in each.variables}
        if not self.is_recording:
            keys = (each.key for each in UPSTREAMS.values() if each.key)
            found |= {key: _NO_KEY for key in keys if not os.environ.get(key)}
        return found

    def end_of_test(self, *, is_passed: bool) -> str:
        """What its report has to say; empty: nothing."""
        misses = list(self._player.misses) if self._player is not None else []
        self.keeps = is_passed and not misses
        told = [miss.text for miss in misses]
        ignore = list(dict.fromkeys(path for miss in misses for path in miss.ignore))
        if ignore:
            told.append(f"For this test that is @pytest.mark.recording({self._wanted.name!r}, ignore={ignore!r}).")
        if misses and _files(self.folder):
            what = "--recording=new_episodes adds to it, --recording=all makes it anew"
            told.append(f"The recording is {_shown(self.folder)}: {what}.")
        elif misses:
            told.append(f"There is no recording {_shown(self.folder)}: --recording=once makes it.")
        elif self._recorder is not None and not is_passed:
            told += [f"{route} could not be recorded: {text}" for route, text in self._recorder.upstream_errors.items()]
            told.append("Nothing of this is kept as a recording, because the test has not passed.")
        return "\n".join(told)


@contextmanager
def recorded(wanted: Wanted, mode: str, work: Path) -> Iterator[RecordedLlm]:
    """`mode`: one of plugin.MODES. Raises RecordedLlmError."""
    folder, log_dir, masks = wanted.folder, work / "logs", wanted.masks
    log_dir.mkdir()
    plays = mode in ("none", "new_episodes") or (mode == "once" and bool(_files(folder)))
    records = not plays or mode == "new_episodes"
    with ExitStack() as services:
        recorder = services.enter_context(_recording(wanted, work)) if records else None
        player = None
        if plays:
            for file in _files(folder):
                shutil.copyfile(file, log_dir / file.name)
            player = services.enter_context(_playing(masks, log_dir, recorder))
        session = RecordedLlm(wanted, recorder, player)
        yield session
    if recorder is not None and session.keeps:
        old = 0 if player is None else _count(folder)
        _check_is_whole(recorder, _count(log_dir) - old)
        _keep(log_dir, folder, replaces=player is None)


@contextmanager
def _recording(wanted: Wanted, work: Path) -> Iterator["Recorder"]:
    from recorded_llm.recorder_thread import recording  # noqa: PLC0415 the services, which playing does without

    urls = base_urls(wanted.upstreams, os.environ)
    with ExitStack() as services:
        try:
            recorder = services.enter_context(recording(urls, work / "logs", work / "journal"))
        except ValueError as error:
            raise RecordedLlmError(f"an upstream's base URL is none: {error}") from None
        yield recorder


@contextmanager
def _playing(masks: Masks, log_dir: Path, recorder: "Recorder | None") -> Iterator[Player]:
    library = Library(log_dir)
    library.refresh()
    settings = PlaySettings(
        host=HOST,
        port=0,
        speed=INSTANT,
        repeat="never",
        masks=masks,
        forward_to=None if recorder is None else (HOST, recorder.port),
        is_growing=recorder is not None,
    )
    with playing(library, settings) as player:
        yield player


def _check_is_whole(recorder: "Recorder", stored: int) -> None:
    """A recording that lacks an exchange is none."""
    exchanges = recorder.ledger.begun + recorder.ledger.lost
    if stored != exchanges:
        text = f"of {exchanges} exchanges {stored} were stored whole"
        raise RecordedLlmError(f"nothing is kept as a recording: {text}; the log has the reason. Run the test again.")


def _keep(log_dir: Path, folder: Path, *, replaces: bool) -> None:
    """Whole at every moment, as far as a folder can be: the new files lie beside it before the old ones go."""
    files = _files(log_dir)
    if not files:
        return
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, new / file.name)
    folder.mkdir(exist_ok=True)
    for file in _files(folder) if replaces else ():
        file.unlink()
    for file in new.iterdir():
        file.replace(folder / file.name)
    new.rmdir()


def _files(folder: Path) -> list[Path]:
    """Those of recordings."""
    return sorted(path for path in folder.glob("*") if names.split(path.name) is not None)


def _count(folder: Path) -> int:
    """Of the exchanges in it."""
    return sum(file.name.endswith(names.METADATA) for file in _files(folder))


def _shown(folder: Path) -> str:
    try:
        return shlex.quote(str(folder.relative_to(Path.cwd())))
    except ValueError:
        return str(folder)
