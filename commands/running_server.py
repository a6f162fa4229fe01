"""Has the configured ingest server look at its folder, where others than itself have added or deleted recordings.

Called by the commands that change a folder of recordings.
"""

from pathlib import Path

from commands.api_client import ApiClient, AskError
from commands.source import Source


def has_looked(config_path: Path | None) -> bool:
    """It has begun to; False: it cannot be asked. Its next start finds everything as well."""
    try:
        server = Source(config_path, None, None, None).find()
        if not isinstance(server, ApiClient):
            return False
        server.reindex([("decoder_changed", "true")])
    except AskError:
        return False
    return True
