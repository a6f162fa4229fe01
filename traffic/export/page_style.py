"""The style sheet and the one script of a bundle's pages, and the policy that allows these two and nothing else.

The script is the same whatever was recorded: nothing of a recording gets into a script or a style. Called by page.py.
"""

from base64 import b64encode
from hashlib import sha256
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --faint: #8881; --quiet: light-dark(#666, #999);
  --user: light-dark(#0b57a4, #7db8f0); --assistant: light-dark(#1a7f37, #6cc486);
  --tool: light-dark(#9a6700, #d8a83d); --system: light-dark(#8250df, #b794f6); --bad: light-dark(#b3261e, #ff8a80); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 60rem; }
body.list { max-width: 90rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p.quiet, .quiet { color: var(--quiet); margin: 0 0 .25rem; }
.bad { color: var(--bad); }
pre, .text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
pre { font: 13px/1.45 ui-monospace, monospace; background: var(--faint); padding: .6rem .8rem; border-radius: 6px;
  max-height: 40rem; overflow: auto; }
details { margin: .35rem 0; }
summary { cursor: pointer; }
section.message { border-left: 3px solid var(--line); padding: .1rem 0 .1rem .9rem; margin: 1rem 0; }
section.message > h3 { font-size: .85rem; margin: 0 0 .25rem; }
section.user { border-color: var(--user); } section.user > h3 { color: var(--user); }
section.assistant { border-color: var(--assistant); } section.assistant > h3 { color: var(--assistant); }
section.tool { border-color: var(--tool); } section.tool > h3 { color: var(--tool); }
section.system { border-color: var(--system); } section.system > h3 { color: var(--system); }
.name { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
svg { width: 100%; height: 28px; background: var(--faint); border-radius: 4px; fill: var(--assistant); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: .85rem; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.when { white-space: nowrap; }
td.what { max-width: 20rem; overflow-wrap: anywhere; }
td.said { min-width: 12rem; max-width: 26rem; }
td.said div { overflow: hidden; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
  overflow-wrap: anywhere; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem .6rem; margin: .75rem 0; }
"""
SCRIPT: Final = """
const field = document.querySelector("input");
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());
const shown = document.querySelector("output");
field.hidden = false;
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\\s+/);
  let count = 0;
  rows.forEach((row, at) => {
    row.hidden = !words.every((word) => texts[at].includes(word));
    count += row.hidden ? 0 : 1;
  });
  shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
});
"""


def _allowed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_allowed(STYLE)}; script-src {_allowed(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'"
)
