"""Configurations as tests write them: into config.yaml of the current folder, which the fixture config_folder makes."""

from collections.abc import Mapping
from pathlib import Path

from commands.config_file import Configuration, load_config

ROUTE = 'routes: {a: {pattern: /a/, destination: "http://127.0.0.1:1234/"}}\n'
NO_ROUTES = "routes: there are none: every request is answered with 404"
PLAIN, LINK = "a-key-of-24-characters-x", "the-link-key-of-a-recorder"


def load(text: str, environ: Mapping[str, str] | None = None) -> Configuration:
    Path("config.yaml").write_text(text, "utf-8")
    return load_config(None, environ or {})
