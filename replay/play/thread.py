"""The player for programs that are not asynchronous: in a thread of its own, for as long as the block runs.

    with playing(library, PlaySettings(port=0, speed=INSTANT)) as player:
        client = OpenAI(base_url=player.url + "/openai/v1")

`player.hits` and `player.misses` may be read meanwhile.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from replay.play.library import Library
from replay.play.server import Player, Told
from replay.play.settings import PlaySettings


@contextmanager
def playing(library: Library, settings: PlaySettings, tell: Callable[[Told], None] | None = None) -> Iterator[Player]:
    """Raises what Player.start does. `tell` is called in the player's thread."""
    stage = _Stage(library, settings, tell)
    thread = threading.Thread(target=stage.run, name="player", daemon=True)
    thread.start()
    try:
        stage.started.wait()
        if stage.problem is not None:
            raise stage.problem
        assert stage.player is not None
        yield stage.player
    finally:
        stage.stop()
        thread.join()


class _Stage:
    def __init__(self, library: Library, settings: PlaySettings, tell: Callable[[Told], None] | None) -> None:
        self.started = threading.Event()
        self.player: Player | None = None
        self.problem: Exception | None = None
        self._library = library
        self._settings = settings
        self._tell = tell
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._play())

    def stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def _play(self) -> None:
        player = Player(self._library, self._settings, tell=self._tell)
        try:
            await player.start()
        except (OSError, ValueError) as error:
            self.problem = error
            return
        finally:
            self.player = player
            self.started.set()
        await self._ended.wait()
        await player.stop()
