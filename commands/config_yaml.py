"""YAML text to plain values that know their line.

Owns the syntax of the configuration file, not its meaning:

- A scalar becomes text, or None where it is empty, `null` or `~`; YAML's own guesses (`off` a boolean, `1e3` text,
  `2026-09-13` a date) never apply. What a text means is up to commands/config_schema.py.
- `${NAME}` and `${NAME:-default}` are expanded in scalars, not in keys; what a variable holds is never read as YAML.
  `$${` stands for a plain `${`. As in a shell, `:-` also replaces an empty value.
- Duplicate keys, tags and aliases are refused.

Called by commands/config_file.py alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

Location: TypeAlias = tuple[str | int, ...]  # ("routes", "lmstudio", "destination"), ("server", "dynamic_ports", 1)
Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"
Finding: TypeAlias = tuple[Location, str]  # where, and what is wrong there

_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_NULLS = {"", "~", "null", "Null", "NULL"}
_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})?")


class YamlError(Exception):
    """The text is not YAML that this loader reads; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    value: Value
    lines: dict[Location, int]  # of each key and list entry, from 1
    findings: list[Finding]  # the value at such a location is None

    def line(self, location: Location) -> int:
        """The line of the location, or of the nearest thing around it that the file holds."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read_document(text: str, environ: Mapping[str, str]) -> Document:
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(line, f"character U+{ord(text[error.position]):04X} is not allowed") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(mark.line + 1 if mark else 1, what) from None
    except RecursionError:
        raise YamlError(1, "nested too deeply") from None
    reading = _Reading(environ)
    value = None if root is None else reading.value(root, ())
    return Document(value, reading.lines, reading.findings)


class _Loader(yaml.BaseLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # the stubs leave it open
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not supported", problem_mark=mark)
        return super().compose_node(parent, index)


@dataclass(slots=True)
class _Reading:
    environ: Mapping[str, str]
    lines: dict[Location, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def value(self, node: yaml.Node, at: Location) -> Value:
        self.lines.setdefault(at, node.start_mark.line + 1)
        if node.tag not in _PLAIN_TAGS:
            self.findings.append((at, "tags (!name) are not supported"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(entry, (*at, index)) for index, entry in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self.scalar(node, at)

    def mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.findings.append((at, f"the key in line {line} is not plain text"))
                continue
            key = key_node.value
            here = (*at, key)
            if key in values:
                self.findings.append((here, f"given twice, in lines {self.lines[here]} and {line}"))
                continue
            self.lines[here] = line
            values[key] = self.value(value_node, here)
        return values

    def scalar(self, node: yaml.ScalarNode, at: Location) -> str | None:
        text, problems = _expand(node.value, self.environ)
        if problems:
            self.findings.extend((at, problem) for problem in problems)
            return None
        return None if node.style is None and text in _NULLS else text


def _expand(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    problems: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        name, default = match.groups()
        if match[0] == "$${":
            return "${"
        if name is None:
            problems.append("a '${' here begins neither ${NAME} nor ${NAME:-default}; $${ stands for a plain ${")
            return ""
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            problems.append(f"variable {name} is not set; set it, or give a default: ${{{name}:-default}}")
        return environ.get(name, "")

    return _REFERENCE.sub(replacement, text), problems
