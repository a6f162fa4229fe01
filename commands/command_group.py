"""The click group behind `recorder`: it imports a command's module when the command is used, and not before.

So `recorder proxy` does not wait for what only other commands need. Ctrl-C ends any command with exit code 130.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class CommandGroup(click.Group):
    """`commands_at` maps each command's name to "module:attribute", in the order in which help lists them."""

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        place = self._commands_at.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Click turns Ctrl-C into `Aborted!` and 1; exit codes promise 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def examples(*lines: str) -> str:
    """For the end of a command's help; click leaves the line breaks alone."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
