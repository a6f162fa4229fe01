"""Opens the files of recordings that the index names. Runs in a thread; called by the endpoints of one exchange.

Only what is called as a recording, lies where recordings lie and is a regular file is opened; no link is followed.
"""

import os
from typing import BinaryIO

from ingest_server import files
from ingest_server.answers import AnswerError
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.llm.decode import BODY_BYTES_MAX


class Recordings:
    def __init__(self, root: str) -> None:
        """`root`: log_dir, with a separator at its end."""
        self._root = root

    def open(self, stem: str, part: str) -> tuple[BinaryIO, int]:
        """One of names.PARTS, and its size. Raises AnswerError."""
        if not names.is_stem(stem):
            raise AnswerError(404, "the index names a file that is none of a recording: `recorder reindex` repairs it")
        day = os.path.dirname(stem)  # noqa: PTH120 (text paths, as in files.py)
        if day and os.path.islink(self._root + day):  # noqa: PTH114
            raise AnswerError(404, f"{day} is a link, and no link is followed here")
        try:
            file = files.open_regular(self._root + stem + part)
        except FileNotFoundError:
            text = "the recording is gone: ingest.retention or `recorder prune` has deleted it"
            raise AnswerError(404, text) from None
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is no regular file"
            raise AnswerError(404, f"{stem}{part} cannot be read: {why}") from None
        return file, os.fstat(file.fileno()).st_size

    def raw(self, stem: str) -> tuple[RecordedExchange, bytes]:
        """All that can be decoded, and the metadata as it is stored. Raises AnswerError."""
        facts, stored = self.metadata(stem)
        return RecordedExchange(facts, self._start(stem, names.REQUEST), self._start(stem, names.RESPONSE)), stored

    def metadata(self, stem: str) -> tuple[Metadata, bytes]:
        """Read, and as it is stored. Raises AnswerError."""
        stored = self.read(stem, names.METADATA, metadata.BYTES_MAX)
        try:
            return metadata.decode(stored), stored
        except (ValueError, RecursionError) as error:
            text = f"the recording's metadata is damaged: {error} (`recorder verify` tells more)"
            raise AnswerError(404, text) from None

    def read(self, stem: str, part: str, bytes_max: int) -> bytes:
        """All of it. Raises AnswerError, also where it is longer."""
        file, size = self.open(stem, part)
        with file:
            if size > bytes_max:
                what = "metadata" if part == names.METADATA else part.removeprefix("_").removesuffix(".bin")
                text = (
                    f"the {what} has {size:,} bytes, and at most {bytes_max:,} are decoded: ask for it as it is stored"
                )
                raise AnswerError(413, text)
            return file.read(bytes_max)

    def _start(self, stem: str, part: str) -> bytes:
        """As much as is decoded of a file, and a little more: so that it shows as cut."""
        file, _ = self.open(stem, part)
        with file:
            return file.read(BODY_BYTES_MAX + 1)
