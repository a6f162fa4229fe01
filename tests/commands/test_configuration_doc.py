"""docs/configuration.md has every key, with the default that the code has."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from commands.config_schema import Config, RouteSection

ROOT = Path(__file__).parents[2]


def documented_defaults(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each key with the default that docs/configuration.md has to give."""
    for name, info in model.model_fields.items():
        key = prefix + name
        if key == "routes":
            yield from documented_defaults(RouteSection, "routes.NAME.")
        elif isinstance(info.default, BaseModel):
            yield from documented_defaults(type(info.default), f"{key}.")
        elif info.is_required():
            yield key, "required"
        else:
            yield key, _written(key, info.default)


def _written(key: str, default: object) -> str:
    inherited = key if key in ("routes.NAME.provider", "routes.NAME.key") else key.removeprefix("routes.NAME.")
    names: dict[object, str] = {True: "true", False: "false", (): "[]", 2 * 1024**3: "2GiB"}
    names |= {count * 1024: f"{count}KiB" for count in (4, 16, 64)}
    names |= {count * 1024**2: f"{count}MiB" for count in (1, 32, 64)}
    if default == {}:
        return "`{}`"
    if default is None:
        return "none" if inherited == key else f"`{'logging.default' if inherited == 'logging' else inherited}`"
    return f"`{names.get(default) or (f'{default:g}' if isinstance(default, float) else default)}`"


def test_the_documentation_has_every_key_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([a-zA-Z_.]+)` \| .+? \| (.+?) \|", (ROOT / "docs/configuration.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(rows) == sorted(documented_defaults(Config))
