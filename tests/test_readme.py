"""README.md: its commands, its paths and its map are those of the tree."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from cli import COMMANDS, recorder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TEXTS = [README, *((ROOT / name).read_text("utf-8") for name in ("CHANGELOG.md", "CONTRIBUTING.md"))]
ROOMS = ("traffic", "recorder", "ingest_server", "replay", "commands", "recorded_llm")


def _code_lines() -> list[str]:
    """Of fenced blocks, without comments, and of `inline code`."""
    fence = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    blocks = [line.partition("#")[0] for text in TEXTS for block in fence.findall(text) for line in block.splitlines()]
    return blocks + [code for text in TEXTS for code in re.findall(r"`([^`\n]+)`", fence.sub("", text))]


def _places() -> list[str]:
    section = README.partition("\n## The map\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the sources are not a git checkout, so nothing says which files belong to them")
    return listed.stdout.split("\0")[:-1]


def test_every_recorder_command_and_option_that_the_texts_mention_exists() -> None:
    found = [match for line in _code_lines() for match in re.findall(r"(?<![\w.])recorder ([a-z][a-z-]*)(.*)", line)]
    assert {name for name, _ in found} == set(COMMANDS)
    for name, rest in found:
        command = recorder.get_command(click.Context(recorder), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest.partition(" -- ")[0])) <= known


def test_the_table_of_commands_lists_each_of_them_once() -> None:
    section = README.partition("\n## Commands\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `recorder ([a-z-]+)", section, re.MULTILINE)) == sorted(COMMANDS)


def test_every_make_target_that_the_texts_mention_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    found = {name for line in _code_lines() for name in re.findall(r"(?<!\w)make ([a-z]+)", line)}
    assert {"run", "test"} <= found <= targets


def test_every_place_of_the_map_exists_and_folders_end_with_a_slash() -> None:
    assert [place for place in _places() if not (ROOT / place).exists()] == []
    assert [place for place in _places() if (ROOT / place).is_dir() != place.endswith("/")] == []


def test_everything_at_the_top_and_every_package_of_a_room_is_in_the_map() -> None:
    top = {name.partition("/")[0] + ("/" if "/" in name else "") for name in _tracked()}
    packages = {
        f"{file.parent.relative_to(ROOT).as_posix()}/" for room in ROOMS for file in (ROOT / room).rglob("__init__.py")
    }
    assert sorted((top | packages) - set(_places()) - {"README.md"}) == []
    assert len(_places()) == len(set(_places()))


@pytest.mark.parametrize(
    "file", ["README.md", *sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").rglob("*.md"))]
)
def test_links_and_paths_in_a_document_lead_to_something(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / file).parent / link).exists()] == []
    rooted = re.findall(r"`((?:recorder|ingest_server|traffic|replay|commands|tests|deploy|docs)/[\w./]+)`", text)
    assert [path for path in rooted if not (ROOT / path).exists()] == []
