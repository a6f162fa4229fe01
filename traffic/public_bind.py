"""No service listens for other machines without keys, unless its settings insist. Pure: addresses come in looked up.

Called by both services before they listen, and by the commands that start them or tell what they would do.
"""

from collections.abc import Iterable
from typing import Protocol

from .hosts import is_loopback
from .keys import Key


class PublicBindError(ValueError):
    """The settings would let anyone in who reaches the machine."""


class Listening(Protocol):
    """What the settings of both services have."""

    @property
    def host(self) -> str: ...
    @property
    def keys(self) -> tuple[Key, ...]: ...
    @property
    def insecure_public_bind(self) -> bool: ...


def check_bind(section: str, settings: Listening, addresses: Iterable[str]) -> str | None:
    """What to warn of, where it is allowed nevertheless; raises PublicBindError where it is not.

    `addresses` are those of `settings.host`; `section` is the configuration's: "server" or "ingest".
    """
    if settings.keys or all(map(is_loopback, addresses)):
        return None
    problem = f"{section}.host: other machines reach {settings.host or 'all addresses'}, and {section}.keys is empty"
    if settings.insecure_public_bind:
        return f"{problem}: whoever reaches it is let in (--insecure-public-bind)"
    raise PublicBindError(
        f"{problem}: set {section}.keys (`recorder hash-key --generate` makes a key), or set {section}.host to "
        "localhost; --insecure-public-bind starts it nevertheless"
    )
