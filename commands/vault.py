"""`recorder vault`: which redacted secrets are kept here, and which are to go. Shows no secret."""

from datetime import UTC, datetime
from pathlib import Path

import click

from commands.columns import Column, Rows, stdout_console, terminal_width
from commands.command_group import examples
from commands.config_option import config_option, load_or_exit
from commands.figures import moment
from commands.plain_text import plain
from traffic.capture import names
from traffic.capture.vault import KeptSecret, Vault, VaultError


@click.group("vault", epilog=examples("recorder vault list", "recorder vault forget '[secret:1a2b3c4d]'"))
def vault_command() -> None:
    """Look after the secrets that capture.vault keeps for replays.

    The recorder keeps them encrypted, each for the host that it was sent to. No command shows one.
    """


@vault_command.command("list", epilog=examples("recorder vault list"))
@config_option
def list_command(config_path: Path | None) -> None:
    """List what is kept: placeholders, where they went and when. The one used last comes first."""
    configuration = load_or_exit(config_path, quiet=True)
    vault = configuration.vault
    try:
        kept = vault.kept()
    except VaultError as error:
        raise click.ClickException(plain(str(error))) from None
    if not kept:
        is_off = configuration.recorder.capture.vault is None
        hint = "; capture.vault: true makes the recorder keep secrets" if is_off else ""
        click.echo(f"the vault {plain(str(vault.file))} is empty{hint}", err=True)
        return
    console = stdout_console()
    rows = Rows(_columns(datetime.now(UTC)), kept, terminal_width(console))
    console.print(rows.title())
    for secret in kept:
        console.print(rows.row(secret))


@vault_command.command(
    "forget",
    epilog=examples("recorder vault forget 1a2b3c4d        as in [secret:1a2b3c4d]", "recorder vault forget --all"),
)
@click.argument("placeholders", metavar="[PLACEHOLDER]...", nargs=-1)
@click.option("--all", "forgets_all", is_flag=True, help="Forget every secret.")
@config_option
def forget_command(placeholders: tuple[str, ...], config_path: Path | None, *, forgets_all: bool) -> None:
    """Delete secrets for good.

    One that passes a recorder with capture.vault again is kept again.
    """
    if forgets_all == bool(placeholders):
        raise click.UsageError("name the placeholders to forget, or give --all")
    vault = load_or_exit(config_path, quiet=True).vault
    try:
        count = vault.forget(None if forgets_all else _known(vault, placeholders))
    except VaultError as error:
        raise click.ClickException(plain(str(error))) from None
    click.echo(f"{count} forgotten" if count else "the vault was empty")


def _known(vault: Vault, given: tuple[str, ...]) -> list[str]:
    """With or without brackets. One that is not kept is a mistake, and nothing is forgotten then."""
    placeholders = [each if each.startswith("[") else f"[secret:{each}]" for each in given]
    unknown = sorted(set(placeholders) - {secret.placeholder for secret in vault.kept()})
    if unknown:
        raise VaultError(f"{', '.join(unknown)}: not in the vault {vault.file}; `recorder vault list` shows what is")
    return placeholders


def _columns(now: datetime) -> list[Column]:
    def times(title: str, field: str, gives_way: int) -> Column:
        def iso(secret: KeptSecret) -> str:
            return names.iso(getattr(secret, field) * 1_000_000_000)

        return Column(title, lambda it: moment(iso(it), now), iso, gives_way=gives_way, style=lambda _: "dim")

    return [
        Column("placeholder", lambda it: it.placeholder, style=lambda _: "cyan"),
        Column("sent to", lambda it: it.origin, width_max=48),
        Column("found in", lambda it: it.found_in.removeprefix("request."), lambda it: it.found_in, gives_way=1),
        times("first (UTC)", "first_seen_s", 2),
        times("last (UTC)", "last_seen_s", 0),
    ]
