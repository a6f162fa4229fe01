"""traffic/export/page.py: what was recorded is on the page, and nothing of it acts there."""

import html.parser
import shutil
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.traffic.export.made import chat, export, numbered, plain
from tests.traffic.export.stored import VARIED
from tests.traffic.llm.example import Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.export.page_style import POLICY, SCRIPT, STYLE

HOSTILE = (
    "\"'></title></style><script>document.title='pwned'</script><img src=x onerror=document.title='pwned'>\u202e\0"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pages(*recorded: RecordedExchange) -> dict[str, str]:
    with zipfile.ZipFile(BytesIO(export("bundle", *recorded)[0])) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")}


class _Page(html.parser.HTMLParser):
    """Text, tags and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "rect"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open[-1] if self._open else "", []).append(data)

    @property
    def text(self) -> str:
        return "".join(text for texts in self.texts.values() for text in texts)


ALL = (
    *VARIED,
    plain(20),
    chat(21, "Plan me three days", "With pleasure", "And what should I pack?", "An umbrella", system="You plan trips"),
    chat(22, HOSTILE, HOSTILE, model=HOSTILE, route=HOSTILE, url=HOSTILE),
    numbered(
        23, raw(Example("/" + HOSTILE.replace(" ", "").replace("\u202e\0", ""), None, HOSTILE.encode(), "text/html"))
    ),
)


def test_every_page_is_well_formed_and_holds_one_style_at_most_one_script_and_nothing_from_elsewhere() -> None:
    found = pages(*ALL)
    assert len(found) == len(ALL) + 1
    for name, source in found.items():
        page = _Page(source)
        scripts = [SCRIPT] if name == "index.html" else []
        assert (page.texts["style"], page.texts.get("script", [])) == ([STYLE], scripts)
        assert [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "base", "form", "link")] == []
        names = {attribute for _, attributes in page.tags for attribute in attributes}
        assert not any(attribute.startswith("on") for attribute in names)
        assert not names & {"src", "style", "srcset"}
        assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in [given for _, given in page.tags]


def test_links_lead_to_files_of_the_bundle() -> None:
    with zipfile.ZipFile(BytesIO(export("bundle", *ALL)[0])) as archive:
        names = set(archive.namelist())
    linked = set()
    for name, source in pages(*ALL).items():
        links = [given["href"] or "" for tag, given in _Page(source).tags if tag == "a"]
        linked |= {link.removeprefix("../") if name != "index.html" else link for link in links}
    assert linked == names


def test_a_call_is_shown_as_its_conversation_with_figures_heads_and_times() -> None:
    (page,) = (page for name, page in pages(*ALL).items() if "00000015" in name)
    text = _Page(page).text
    for shown in (
        "You plan trips",
        "Plan me three days",
        "An umbrella",
        "1,000 in + 100 out",
        "$0.0035",
        "finish: stop",
    ):
        assert shown in text, shown
    assert "Content-Type: application/json" in text
    assert '"role": "user"' in text, "the body, indented"
    assert page.count("<rect") > 3


def test_hostile_text_is_text() -> None:
    (source,) = (page for name, page in pages(*ALL).items() if "00000016" in name)
    text = _Page(source).text
    assert HOSTILE.replace("\u202e\0", "\\u202e\u2400") in text
    assert "\u202e" not in source
    assert "\0" not in source


def test_what_was_cut_says_so() -> None:
    (page,) = (page for name, page in pages(*ALL).items() if "00000003" in name)
    assert "incomplete: upstream_reset in response_body, by upstream: reset" in _Page(page).text


def test_a_long_answer_is_cut_on_the_page() -> None:
    (page,) = (page for name, page in pages(chat(1, "Hi", "x" * 300_000)).items() if name != "index.html")
    assert "… and more, which the files hold" in page
    assert "x" * 200_000 in page
    assert "x" * 200_001 not in page


def test_the_list_has_a_row_for_each_exchange() -> None:
    index = pages(*ALL)["index.html"]
    assert index.count("<tr>") == len(ALL) + 1
    assert "And what should I pack?" in index
    assert "10 in all" in _Page(index).text


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_in_a_browser_the_search_works_and_nothing_of_a_recording_runs(tmp_path: Path) -> None:
    """The page's policy is what allows the one script: the field that it unhides shows that it ran."""
    with zipfile.ZipFile(BytesIO(export("bundle", *ALL)[0])) as archive:
        archive.extractall(tmp_path)
    for page in (tmp_path / "index.html", *(tmp_path / "pages").glob("*_0000001[67].html")):
        assert CHROMIUM is not None
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=1000", "--dump-dom"]
        options.append(f"--user-data-dir={tmp_path / 'profile'}")
        done = subprocess.run([CHROMIUM, *options, page.as_uri()], capture_output=True, timeout=60, check=True)
        dom = done.stdout.decode()
        assert "pwned</title>" not in dom
        assert "</html>" in dom
        if page.name == "index.html":
            assert '<input type="search"' in dom
