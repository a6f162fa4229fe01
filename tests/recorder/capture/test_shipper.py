"""recorder/capture/shipper.py against a server that speaks its protocol: every byte arrives once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from recorder.capture import journal as journal_module
from recorder.capture import shipper as shipper_module
from recorder.capture.journal import Journal, JournalFolder
from recorder.capture.shipper import Shipper
from recorder.settings import Capture
from tests.e2e.scripted import ScriptedUpstream
from traffic.capture.frames import FrameDecoder, Kind, encode_frame
from traffic.capture.status import HEADER, RecorderStatus, decode


class Store:
    """Keeps each journal's bytes from the first offset that it got, and asks for what it lacks."""

    def __init__(self) -> None:
        self.journals: dict[str, bytearray] = {}
        self.starts: dict[str, int] = {}
        self.calls: list[tuple[str, int, int, int]] = []  # journal, offset, oldest held, bytes of the body
        self.order: list[str] = []
        self.told: list[RecorderStatus | None] = []
        self.authorizations: list[str | None] = []
        self.answers: list[web.Response] = []  # to give in place of its own
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.keep_alive_s = 60.0

    @property
    def connections(self) -> int:
        assert self._runner is not None
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_put("/base/v1/journals/{journal}/{offset}", self._put)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=self.keep_alive_s)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def capture(self) -> Capture:
        return Capture(server_url=f"http://127.0.0.1:{self.port}/base/")

    async def _put(self, request: web.Request) -> web.Response:
        name, offset = request.match_info["journal"], int(request.match_info["offset"])
        oldest = int(request.headers["X-Journal-Oldest"])
        body = await request.read()
        self.calls.append((name, offset, oldest, len(body)))
        self.authorizations.append(request.headers.get("Authorization"))
        self.told.append(decode(request.headers.get(HEADER, "")))
        if self.answers:
            return self.answers.pop(0)
        if name not in self.journals:
            self.journals[name], self.starts[name] = bytearray(), oldest
            self.order.append(name)
        held = self.journals[name]
        following = self.starts[name] + len(held)
        if offset != following and not (offset == oldest > following):
            return web.json_response({"next": following, "stored": following}, status=409)
        held += body
        return web.json_response({"next": following + len(body), "stored": following + len(body)})

    def numbers(self, journal: Journal) -> list[int]:
        return [frame.number for frame in FrameDecoder().feed(bytes(self.journals.get(journal.id, b"")))]

    def closing_reason(self, journal: Journal) -> str | None:
        frames = list(FrameDecoder().feed(bytes(self.journals.get(journal.id, b""))))
        return bytes(frames[-1].payload).decode() if frames and frames[-1].kind == Kind.CLOSED else None


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = Store()
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[JournalFolder]:
    folder = JournalFolder(tmp_path / "journals")
    yield folder
    folder.close()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 100)
    monkeypatch.setattr(shipper_module, "IDLE_WAIT_S", 0.05)
    monkeypatch.setattr(shipper_module, "BACKOFF_S_MAX", 0.05)


def fill(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.append(encode_frame(Kind.REQUEST, number, 0, 0, [b"x" * 30]))  # 63 bytes: two to a segment


def crash(journal: Journal) -> None:
    """The process is gone; its files stay as they are."""
    assert journal._file is not None
    journal._file.close()


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 the shipper's thread tells nobody what it has done
            await asyncio.sleep(0.005)


async def stop(shipper: Shipper, deadline_s: float = 5.0) -> None:
    await asyncio.get_running_loop().run_in_executor(None, shipper.stop, deadline_s)


async def test_a_journal_is_shipped_as_it_grows_and_deleted_when_it_is_closed(
    store: Store, folder: JournalFolder
) -> None:
    """The first question carries no body; acknowledged segments leave the disk; stop() drains."""
    journal = folder.new()
    fill(journal, 1, 2, 3)
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    await until(lambda: store.numbers(journal) == [1, 2, 3])
    assert store.calls[0] == (journal.id, 0, 0, 0)
    fill(journal, 4, 5)
    await until(lambda: store.numbers(journal) == [1, 2, 3, 4, 5])
    await until(lambda: journal.oldest == 252)
    fill(journal, 6)
    journal.close("shutdown")
    await stop(shipper)
    assert store.numbers(journal) == [1, 2, 3, 4, 5, 6, 0]
    assert store.closing_reason(journal) == "shutdown"
    assert not (folder.root / journal.id).exists()
    assert shipper.last_contact_s is not None
    assert shipper.failure is None


async def test_a_mismatch_is_resumed_where_the_server_stands(store: Store, folder: JournalFolder) -> None:
    journal = folder.new()
    fill(journal, 1, 2, 3)
    store.starts[journal.id] = 0
    store.journals[journal.id] = bytearray(b"".join(encode_frame(Kind.REQUEST, 1, 0, 0, [b"x" * 30])))
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    await until(lambda: store.numbers(journal) == [1, 2, 3])
    assert [call[1] for call in store.calls] == [0, 63, 126]
    journal.close("shutdown")
    await stop(shipper)
    assert store.closing_reason(journal) == "shutdown"


async def test_a_server_that_lost_its_store_gets_what_is_still_there(store: Store, folder: JournalFolder) -> None:
    """X-Journal-Oldest tells it that nothing before can come any more."""
    journal = folder.new()
    shipper = Shipper(store.capture, journal, [])
    fill(journal, 1, 2, 3, 4, 5)
    shipper.start()
    await until(lambda: store.numbers(journal) == [1, 2, 3, 4, 5])
    store.journals[journal.id], store.starts[journal.id] = bytearray(), 0
    calls = len(store.calls)
    fill(journal, 6)
    await until(lambda: store.numbers(journal)[-1:] == [6])
    assert store.numbers(journal) == [5, 6]
    assert store.calls[calls][1:3] == (315, 252)
    assert store.calls[calls + 1][1:3] == (252, 252)
    journal.close("shutdown")
    await stop(shipper)


async def test_a_server_that_goes_away_is_tried_until_it_is_back(
    store: Store, folder: JournalFolder, caplog: pytest.LogCaptureFixture
) -> None:
    journal = folder.new()
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    fill(journal, 1)
    await until(lambda: store.numbers(journal) == [1])
    await store.stop()
    fill(journal, 2, 3)
    await until(lambda: shipper.failure is not None and "ConnectionRefusedError" in shipper.failure)
    assert journal.end == 189
    await store.start()
    await until(lambda: store.numbers(journal) == [1, 2, 3])
    await until(lambda: shipper.failure is None)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1, "an outage is told once, however often it is tried"
    assert warnings[0].startswith(f"the ingest server at {store.capture.server_url} takes no recordings (")
    assert warnings[0].endswith("); they wait in the journal")
    journal.close("shutdown")
    await stop(shipper)
    assert store.closing_reason(journal) == "shutdown"


NO_INGEST_SERVERS = [
    (200, "<html>", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
    (200, "{}", "KeyError: 'next'"),
    (200, "[]", "TypeError: list indices must be integers or slices, not str"),
    (404, "not here\n", "it answered 404: not here"),
    (503, "disk full", "it answered 503: disk full"),
]


@pytest.mark.parametrize(("status", "text", "problem"), NO_INGEST_SERVERS)
async def test_an_answer_that_is_none_is_a_failure_and_tried_again(
    store: Store, folder: JournalFolder, caplog: pytest.LogCaptureFixture, status: int, text: str, problem: str
) -> None:
    """Another program may listen on that port for a while."""
    store.answers = [web.Response(status=status, text=text)]
    journal = folder.new()
    fill(journal, 1)
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    await until(lambda: store.numbers(journal) == [1])
    expected = (
        f"the ingest server at {store.capture.server_url} takes no recordings ({problem}); they wait in the journal"
    )
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [expected]
    journal.close("shutdown")
    await stop(shipper)


REFUSALS = [
    (None, "a link key is asked for, and capture.link_key is not set"),
    ("the-link-key-of-this", "capture.link_key is refused"),
]


@pytest.mark.parametrize(("link_key", "problem"), REFUSALS)
async def test_a_refused_link_key_is_told_once_and_nothing_is_lost(
    store: Store, folder: JournalFolder, caplog: pytest.LogCaptureFixture, link_key: str | None, problem: str
) -> None:
    """Also where another failure came before it."""
    store.answers = [web.Response(status=500), *(web.Response(status=401, text="no\n") for _ in range(3))]
    journal = folder.new()
    fill(journal, 1, 2, 3)
    shipper = Shipper(replace(store.capture, link_key=link_key), journal, [])
    shipper.start()
    await until(lambda: len(store.answers) <= 1)
    await until(lambda: shipper.failure == f"{problem}: no")
    assert journal.oldest == 0
    await until(lambda: store.numbers(journal) == [1, 2, 3])
    url = store.capture.server_url
    assert caplog.messages[1:] == [
        f"{problem}: the ingest server at {url} answered: no; recordings wait in the journal"
    ]
    assert set(store.authorizations) == {None if link_key is None else f"Bearer {link_key}"}
    journal.close("shutdown")
    await stop(shipper)
    assert shipper.failure is None


async def test_journals_left_behind_come_first_and_say_that_the_recorder_crashed(
    store: Store, folder: JournalFolder
) -> None:
    """Also one with a torn tail, one that never held a byte, and one that was closed but not shipped."""
    torn, empty, closed, live = (folder.new() for _ in range(4))
    fill(torn, 1, 2, 3)
    crash(torn)
    last = folder.root / torn.id / f"{126:020d}.seg"
    last.write_bytes(last.read_bytes()[:-1])
    fill(closed, 7)
    closed.close("shutdown")
    fill(live, 9)
    left = [Journal(folder.root / journal.id) for journal in (torn, empty, closed)]
    shipper = Shipper(store.capture, live, left)
    assert shipper.left_behind_bytes > 0
    shipper.start()
    await until(lambda: store.numbers(live) == [9])
    assert store.order == [torn.id, empty.id, closed.id, live.id]
    assert [store.numbers(journal) for journal in (torn, empty, closed)] == [[1, 2, 0, 0], [0], [7, 0]]
    reasons = [store.closing_reason(journal) for journal in (torn, empty, closed)]
    assert reasons == ["recorder_crash", "recorder_crash", "shutdown"]
    assert [path.name for path in folder.root.iterdir() if path.is_dir()] == [live.id]
    assert (shipper.waiting_journals, shipper.left_behind_bytes) == ([], 0)
    live.close("shutdown")
    await stop(shipper)


async def test_a_journal_that_lost_its_tail_is_closed_where_the_server_stands(
    store: Store, folder: JournalFolder
) -> None:
    """The power failed: the server has three frames, this side one. Nothing is sent twice, and the journal ends."""
    lost, live = folder.new(), folder.new()
    fill(lost, 1, 2, 3)
    crash(lost)
    path = folder.root / lost.id
    store.starts[lost.id] = 0
    store.journals[lost.id] = bytearray(b"".join(file.read_bytes() for file in sorted(path.glob("*.seg"))))
    (path / f"{126:020d}.seg").unlink()
    (path / f"{0:020d}.seg").write_bytes((path / f"{0:020d}.seg").read_bytes()[:70])
    shipper = Shipper(store.capture, live, [Journal(path)])
    shipper.start()
    await until(lambda: not path.exists())
    assert store.numbers(lost) == [1, 2, 3, 0]
    assert store.closing_reason(lost) == "recorder_crash"
    live.close("shutdown")
    await stop(shipper)


async def test_stop_gives_up_on_a_server_that_does_not_answer(store: Store, folder: JournalFolder) -> None:
    """Its journal stays for the next start."""
    await store.stop()
    journal = folder.new()
    fill(journal, 1)
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    await until(lambda: shipper.failure is not None)
    journal.close("shutdown")
    began = asyncio.get_running_loop().time()
    await stop(shipper, 60.0)
    assert asyncio.get_running_loop().time() - began < 5
    assert (folder.root / journal.id).exists()


async def test_stop_returns_once_an_open_journal_is_shipped(store: Store, folder: JournalFolder) -> None:
    """It stays open where its last frames could not be written: the next start will close it."""
    journal = folder.new()
    fill(journal, 1)
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    await until(lambda: store.numbers(journal) == [1])
    began = asyncio.get_running_loop().time()
    await stop(shipper, 60.0)
    assert asyncio.get_running_loop().time() - began < 5
    assert (folder.root / journal.id).exists()
    journal.close("recorder_crash")


async def test_a_stop_waits_no_longer_than_its_deadline_for_an_answer_that_does_not_come(
    folder: JournalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not stored stays in the journal."""
    monkeypatch.setattr(shipper_module, "REPLY_TIMEOUT_S", 3600.0)
    async with ScriptedUpstream() as silent:
        journal = folder.new()
        fill(journal, 1)
        shipper = Shipper(Capture(server_url=f"http://127.0.0.1:{silent.port}"), journal, [])
        shipper.start()
        await (await silent.accept()).read_until(b"\r\n\r\n")
        journal.close("shutdown")
        async with asyncio.timeout(10):
            await asyncio.to_thread(shipper.stop, 0.05)
    assert journal.unstored_bytes == journal.end


async def test_a_connection_that_the_server_has_closed_unused_is_replaced_without_a_word(
    store: Store, folder: JournalFolder, caplog: pytest.LogCaptureFixture
) -> None:
    store.keep_alive_s = 0.5  # not the pause between two batches
    await store.stop()
    await store.start()
    journal = folder.new()
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    for number in (1, 2):
        fill(journal, number)
        await until(lambda number=number: store.numbers(journal) == list(range(1, number + 1)))  # type: ignore[misc]
        await until(lambda: store.connections == 0)
    assert (shipper.failure, caplog.messages) == (None, [])
    await asyncio.to_thread(shipper.stop, 5)
    journal.close("shutdown")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"line one\r\n\x1b[31mline two\n", "line one ?[31mline two"),
        (b"x" * 500, "x" * 200 + "…"),
        (b"y" * 1_000_000, "y" * 200 + "…"),
    ],
)
async def test_of_an_answer_that_is_not_understood_the_beginning_is_told(
    store: Store, folder: JournalFolder, caplog: pytest.LogCaptureFixture, body: bytes, shown: str
) -> None:
    store.answers = [web.Response(status=500, body=body)]
    journal = folder.new()
    fill(journal, 1)
    shipper = Shipper(store.capture, journal, [])
    shipper.start()
    await until(lambda: store.numbers(journal) == [1])
    journal.close("shutdown")
    await asyncio.to_thread(shipper.stop, 5)
    url = store.capture.server_url
    assert caplog.messages == [
        f"the ingest server at {url} takes no recordings (it answered 500: {shown}); they wait in the journal"
    ]


async def test_the_recorders_status_goes_with_each_put_also_where_there_is_nothing_to_ship(
    store: Store, folder: JournalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper_module, "TELL_INTERVAL_S", 0.01)
    live = folder.new()
    shipper = Shipper(store.capture, live, [])
    told = [RecorderStatus("host:5601", 1, "0.1.0", "now", live.id, begun=number) for number in range(100)]
    waiting = iter(told)
    shipper.status = lambda: next(waiting)
    shipper.start()
    await until(lambda: len(store.told) >= 3)
    fill(live, 1)
    await until(lambda: store.numbers(live) == [1])
    live.close("shutdown")
    await stop(shipper)
    assert store.told == told[: len(store.told)]
    assert store.calls[2] == (live.id, 0, 0, 0)
