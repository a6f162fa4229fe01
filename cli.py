"""The `recorder` command: `recorder …` when installed, `python cli.py …` from a checkout.

Only the list of commands and what they share; each command lives in commands/ and is imported when it is used.
"""

import sys

import click

from commands.command_group import CommandGroup, examples
from commands.diagnostics import LEVELS, set_up_diagnostics

COMMANDS = {
    "up": "commands.up:up_command",
    "run": "commands.run:run_command",
    "demo": "commands.demo:demo_command",
    "status": "commands.status:status_command",
    "list": "commands.list:list_command",
    "show": "commands.show:show_command",
    "search": "commands.search:search_command",
    "tail": "commands.tail:tail_command",
    "stats": "commands.stats:stats_command",
    "sessions": "commands.sessions:sessions_command",
    "replay": "commands.replay:replay_command",
    "fork": "commands.fork:fork_command",
    "diff": "commands.diff:diff_command",
    "play": "commands.play:play_command",
    "export": "commands.export:export_command",
    "reindex": "commands.reindex:reindex_command",
    "import": "commands.import_recordings:import_command",
    "verify": "commands.verify:verify_command",
    "prune": "commands.prune:prune_command",
    "vault": "commands.vault:vault_command",
    "check": "commands.check:check_command",
    "init": "commands.init:init_command",
    "hash-key": "commands.hash_key:hash_key_command",
    "proxy": "commands.services:proxy_command",
    "ingest": "commands.services:ingest_command",
}


@click.group(
    "recorder",
    epilog=examples(
        "recorder demo                          see it work: no key and no LLM needed",
        "recorder init                          write a commented config.yaml",
        "recorder up                            start; then point a client at the URLs it prints",
        "recorder run -- python my_script.py    record one command's traffic",
        "recorder list                          what is recorded",
        "recorder show last                     the newest exchange, as a person reads it",
    ),
    cls=CommandGroup,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    envvar="RECORDER_LOG",
    default="warning",
    show_default=True,
    show_envvar=True,
    help="How much to tell on stderr.",
)
@click.version_option(package_name="llm-flight-recorder", prog_name="recorder")
@click.pass_context
def recorder(context: click.Context, log_level: str) -> None:
    """Record every byte between LLM clients and their upstreams."""
    set_up_diagnostics(context, log_level)


def main() -> None:
    """The entry point of the installed command."""
    sys.exit(recorder.main(prog_name="recorder", standalone_mode=True))


if __name__ == "__main__":
    main()
