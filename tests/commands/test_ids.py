"""An id may be abbreviated as git does, and what that leaves open is told."""

from pathlib import Path

from tests.commands.conftest import free_ports
from tests.commands.recordings import Recordings, hand_in, serving

ONE, OTHER = "abcd0000-1111-4111-8111-111111111111", "abcd1111-1111-4111-8111-111111111111"


def test_an_id_that_is_too_short_names_those_that_it_may_mean(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "config.yaml").write_text(f"ingest: {{port: {port}}}\nroutes: {{}}\n")
    recordings = Recordings(tmp_path, port)
    with serving(tmp_path):
        hand_in(port, "gpt-4o", "one", ONE)
        hand_in(port, "gpt-4o", "other", OTHER)
        recordings.until(2)
        found = recordings.ask("server", "show", "abcd")
        assert (found.code, found.out) == (1, "")
        lines = found.err.splitlines()
        assert lines[0] == "Error: abcd: several exchanges' ids begin so"
        assert [line.split()[0] for line in lines[1:]] == [ONE, OTHER]
        assert recordings.ask("server", "show", "ABCD0").lines[0].split()[0] == ONE
        assert recordings.ask("server", "show", "last~1").lines[0].split()[0] == ONE
        unknown = recordings.ask("server", "show", "zzzz")
        assert (unknown.code, unknown.out) == (1, "")
        assert unknown.err == (
            "Error: zzzz: No such file or directory; an ID has 4 to 32 hex digits, or is last or last~2\n"
        )
