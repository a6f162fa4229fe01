"""commands/text_diff.py: what changed in a text, word by word."""

import pytest

from commands.text_diff import changed_words

LONG = "word " * 100


@pytest.mark.parametrize(
    ("a", "b", "lines"),
    [
        ("It is Paris.", "It is Lyon.", ["It is [-Paris-]{+Lyon+}."]),
        ("It is Paris.", "It is Paris, France.", ["It is Paris{+, France+}."]),
        ("", "new", ["{+new+}"]),
        ("old", "", ["[-old-]"]),
        ("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\nfive\n6", ["…", "4", "[-5-]{+five+}", "6"]),
        ("1\n2\n3\n4\n5\n6", "one\n2\n3\n4\n5\nsix", ["[-1-]{+one+}", "2", "…", "5", "[-6-]{+six+}"]),
        ("1\n2", "1", ["1", "[-2-]"]),
        (f"{LONG}a b", f"{LONG}a c", [f"… {LONG[-58:]}a [-b-]{{+c+}}"]),
        ("x\r\n", "x\n", ["[-'x\\r\\n'-]", "{+'x\\n'+}"]),
        ("a\x1b[31m", "b\x1b[31m", ["[-a-]{+b+}\\x1b[31m"]),
    ],
)
def test_what_changed_is_marked_where_it_stands(a: str, b: str, lines: list[str]) -> None:
    assert [line.plain.replace(" … ", "… ").lstrip() for line in changed_words(a, b)] == lines


def test_texts_that_are_too_long_to_compare_by_words_are_shown_as_removed_and_added() -> None:
    a, b = "a b " * 1_500, "c d " * 1_500
    assert [line.plain for line in changed_words(a, b)] == [f"[-{a}-]{{+{b}+}}"]
