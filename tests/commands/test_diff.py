"""`recorder diff`: what it prints, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cli import recorder
from commands import verdict
from commands.diff import diff_command
from tests.replay.stored import store
from tests.traffic.llm.example import Example

PATHS = "a path is like model, messages[-1].content, choices[*].message or ..id"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "The capital of France?"}]}


def example(content: str = "It is Paris.", status: int = 200, **fields: Any) -> Example:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": len(content), "total_tokens": 12 + len(content)}
    said = {"id": content, "created": 1, "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage, **fields}
    return Example("/v1/chat/completions", ASKED, json.dumps(said).encode(), status=status)


@pytest.fixture
def recordings(tmp_path: Path) -> list[str]:
    examples = [example(), example(), example("It is Lyon."), example(annotations=[{"n": 1}], seed=1)]
    return [str(store(tmp_path, number, each)) for number, each in enumerate(examples)]


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(diff_command, arguments)


def test_the_same_answer_of_another_time_is_the_same(recordings: list[str]) -> None:
    result = diff(*recordings[:2])
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        result.stdout.splitlines()
        == [
            "A  00000000-8b1c-4e5f-9a2b-3c4d5e6f7a8b  2026-09-13 02:00:00 UTC",
            "   POST http://127.0.0.1:8080/llm/v1/chat/completions",
            "B  00000001-8b1c-4e5f-9a2b-3c4d5e6f7a8b  2026-09-13 02:00:01 UTC",
            "   POST http://127.0.0.1:8080/llm/v1/chat/completions",
            "",
            "               A                  B",
            "status         200                200",
            "model          gpt-4o             gpt-4o",
            "served by      gpt-4o-2024-08-06  gpt-4o-2024-08-06",
            "finish reason  stop               stop",
            "tokens in      12                 12",
            "tokens out     12                 12",
            "total          4.0ms              4.0ms",
            "",
            "the same",
        ]
        or "cost           $" in result.stdout
    )


def test_a_word_that_changed_is_shown_where_it_stands_and_the_exit_code_is_1(recordings: list[str]) -> None:
    result = diff(recordings[0], recordings[2])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-5:] == [
        "answer:text",
        '  - "It is Paris."',
        '  + "It is Lyon."',
        "",
        "1 difference matters",
    ]
    assert diff(recordings[0], recordings[2], "--ignore", "answer:text").exit_code == 0


def test_differences_in_fields_name_the_option_that_passes_over_them(recordings: list[str]) -> None:
    result = diff(recordings[1], recordings[3])
    assert result.stdout.splitlines()[-8:] == [
        "",
        "response:annotations",
        '  + [{"n": 1}]',
        "",
        "response:seed",
        "  + 1",
        "",
        "2 differences matter",
    ]


def test_json_tells_all_of_it_to_programs(recordings: list[str]) -> None:
    result = diff(recordings[0], recordings[2], "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["same"] is False
    assert (found["a"]["output_tokens"], found["b"]["output_tokens"]) == (12, 11)
    assert found["differences"] == [
        {
            "section": "answer",
            "path": "text",
            "kind": "changed",
            "a": "It is Paris.",
            "b": "It is Lyon.",
            "matters": True,
            "ignore": "answer:text",
        }
    ]


def test_what_was_asked_may_differ_where_answers_alone_are_compared(tmp_path: Path, recordings: list[str]) -> None:
    other = example()._replace(asked={**ASKED, "temperature": 0})
    stem = str(store(tmp_path / "other", 9, other))
    assert diff(recordings[0], stem).exit_code == 1
    result = diff(recordings[0], stem, "--answers")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-4:] == [
        "request:temperature  (does not matter)",
        "  + 0",
        "",
        "the same, as far as it matters",
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "two exchanges are compared, and none was given: recorder diff last~1 last"),
        (["0"], "two exchanges are compared, and one was given: recorder diff last~1 last"),
        (["0", "1", "2"], "two exchanges are compared, and more were given: recorder diff last~1 last"),
        (["--learn", "0"], "--learn takes two or more recordings of one request: recorder diff --learn last~1 last"),
        (["0", "/no/file"], "/no/file: no such file, and no recording whose files begin so"),
        (["0", "1", "--ignore", "@/no/file"], "Invalid value for '--ignore': /no/file: No such file or directory"),
        (
            ["0", "1", "--ignore", "a["],
            f"Invalid value for '--ignore': 'a[' is no JSON path: unexpected end of query; {PATHS}",
        ),
    ],
)
def test_trouble_is_exit_code_2(recordings: list[str], arguments: list[str], problem: str) -> None:
    result = diff(*(recordings[int(each)] if each.isdigit() else each for each in arguments))
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: {problem}"
    assert result.stdout == ""


def test_a_recording_that_was_damaged_is_trouble(recordings: list[str]) -> None:
    Path(f"{recordings[1]}_metadata.json").write_text("{")
    result = diff(*recordings[:2])
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"Error: {recordings[1]}_metadata.json is no metadata of a recording: Input data was truncated\n"
    )


def test_what_varies_between_recordings_is_learned_as_options_and_as_a_file(tmp_path: Path) -> None:
    stems = [
        str(store(tmp_path, number, example(fingerprints=[number], tags=[0] * number, nonce=number)))
        for number in range(3)
    ]
    result = diff("--learn", *stems)
    assert result.exit_code == 0
    assert result.stderr == "3 recordings: 3 paths vary\n"
    lines = [line for line in result.stdout.splitlines() if not line.startswith("cost ")]  # a price may change
    assert lines == [
        "--ignore 'response:fingerprints[*]'",
        "--ignore response:nonce",
        "--ignore response:tags",
    ]
    masks = tmp_path / "masks.txt"
    masks.write_text(f"# of our gateway\n\n{result.stdout}")
    assert diff(stems[0], stems[2]).exit_code == 1
    assert diff(stems[0], stems[2], "--ignore", f"@{masks}").exit_code == 0
    again = diff("--learn", *stems, "--ignore", f"@{masks}")
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr == "3 recordings: nothing varies that is not passed over already\n"


def test_words_that_vary_are_learned_with_a_remark(recordings: list[str]) -> None:
    result = diff("--learn", recordings[0], recordings[2])
    assert (result.exit_code, result.stdout) == (0, "--ignore answer:text\n")
    assert result.stderr == (
        "2 recordings: 1 path varies; the answer's words are among them: "
        "without that line, `recorder diff` goes on to compare them\n"
    )


def test_recordings_that_ended_differently_teach_nothing(tmp_path: Path, recordings: list[str]) -> None:
    failed = str(store(tmp_path / "failed", 9, example(status=500)))
    result = diff("--learn", recordings[0], failed)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: no mask helps with status: 200 and 500; give recordings of one request that ended alike"
    )


def test_on_a_terminal_of_80_columns_no_line_is_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Console] = []

    def console() -> Console:
        shown.append(Console(width=80, force_terminal=True, color_system=None, soft_wrap=True, record=True))
        return shown[0]

    monkeypatch.setattr(verdict, "stdout_console", console)
    words = "a long answer, word by word, " * 20
    stems = [str(store(tmp_path, n, example(f"{words}{n} {words}", model="m" * 60))) for n in range(2)]
    assert diff(*stems).exit_code == 1
    lines = shown[0].export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("[-0-]{+1+}" in line for line in lines)


def test_the_command_is_part_of_the_program() -> None:
    command = recorder.get_command(click.Context(recorder), "diff")
    assert command is diff_command
