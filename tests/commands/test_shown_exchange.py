"""commands/shown_exchange.py: the lines above an exchange."""

from commands.shown_exchange import ShownExchange, ShownMetadata, heading

ID, ORIGINAL = "f4375076-d895-4665-a2ab-71e60856f7a4", "1e0f7a3c-0000-4000-8000-5a6b7c8d9e0f"


def test_a_replay_tells_which_exchange_it_repeats() -> None:
    shown = ShownExchange(
        id=ID,
        started_at="2026-09-13T02:11:09.123456Z",
        route="openai",
        key=None,
        method="POST",
        url="http://localhost:5601/openai/v1/x",
        status=200,
        completed=True,
        duration_ms=1.0,
        session=None,
        parent=None,
        call=None,
        metadata=ShownMetadata(replay_of=ORIGINAL),
    )
    assert [line.text.plain for line in heading(shown)] == [
        f"{ID}  2026-09-13 02:11:09.123456 UTC",
        "POST http://localhost:5601/openai/v1/x  200",
        "route openai",
        f"repeats {ORIGINAL}",
    ]
