"""`recorder check` and `recorder init`, as a user runs them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from commands.check import check_command
from commands.config_file import built_in_text
from commands.init import init_command

SHIPPED = """\
config      config.yaml
recorder    listens on http://localhost:5601
ingest      listens on http://localhost:8080
recordings  go to http://localhost:8080, which stores them in logs (flat)
journal     .journal, at most 2GiB, then drop
secrets     are redacted
index       logs/.ingest/index.sqlite
routes
  /openrouter/  -> https://openrouter.ai/api/v1/ [log]
  /openai/      -> https://api.openai.com/v1/ [log]
  /anthropic/   -> https://api.anthropic.com/ [log]
  /gemini/      -> https://generativelanguage.googleapis.com/ [log]
  /lmstudio/    -> http://127.0.0.1:1234/ [log]
  /ollama/      -> http://127.0.0.1:11434/ [log]
  /quiet/       -> http://127.0.0.1:1234/ [no-log]
  anything else -> 404 [log]
"""

EVERYTHING = """\
server: {host: "::1", port: 0, dynamic_ports: [11434, "9000-9010"]}
logging: {default: false, metrics: true, server_url: "http://store:8080"}
capture: {redact: [], journal_bytes_max: 500MB, when_full: block}
http_client: {proxy_url: "http://user:secret@proxy:3128"}
prices: {m: {input: 1}, n: {input: 2}}
observers: ["a.b:C"]
export: {otlp: {endpoint: "https://spans.example", headers: {authorization: "secret"}}}
routes: {a: {pattern: /a, destination: "http://127.0.0.1:1234/"}}
"""

EVERYTHING_DONE = """\
config      config.yaml
recorder    listens on http://[::1]:<a free port>
ingest      listens on http://localhost:8080
recordings  go to http://store:8080, which stores them in logs (flat)
journal     .journal, at most 500000000 bytes, then block
secrets     are recorded as they are
index       logs/.ingest/index.sqlite
prices      of m, n; the built-in ones of all other models
observers   a.b:C
calls       are told on stdout, a line of JSON each
spans       go to https://spans.example, without prompts and answers
proxies     http:// through http://proxy:3128, https:// through http://proxy:3128, except .lan
routes
  /a             -> http://127.0.0.1:1234/ [no-log]
  /proxy/<port>/ -> http://127.0.0.1:<port>/ for port 11434, 9000-9010 [no-log]
  anything else  -> 404 [no-log]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONFIG_PATH", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", ".lan")
    return tmp_path


def check(*arguments: str) -> Result:
    return CliRunner().invoke(check_command, arguments)


def init(*arguments: str) -> Result:
    return CliRunner().invoke(init_command, arguments)


def test_check_prints_what_the_shipped_file_does_and_exits_0() -> None:
    Path("config.yaml").write_text(built_in_text(), "utf-8")
    result = check()
    assert (result.exit_code, result.stdout, result.stderr) == (0, SHIPPED, "")


def test_check_without_a_file_says_that_the_defaults_apply() -> None:
    result = check()
    assert result.exit_code == 0
    assert result.stdout == SHIPPED.replace("config.yaml", "built-in config.yaml", 1)
    assert result.stderr == (
        "warning: there is no config.yaml here, so the built-in defaults apply; `recorder init` writes them to a file\n"
    )


def test_check_shows_everything_but_passwords_and_warns_on_stderr() -> None:
    Path("config.yaml").write_text(EVERYTHING)
    result = check()
    assert (result.exit_code, result.stdout) == (0, EVERYTHING_DONE)
    assert result.stderr == (
        "warning: config.yaml:8: routes.a.pattern: without a trailing slash it matches no path below it; /a/ would\n"
    )


def test_check_tells_where_secrets_are_kept() -> None:
    Path("config.yaml").write_text("capture: {vault: true, vault_file: v/vault, vault_key_file: k/key}\n")
    assert "\nvault       keeps them in v/vault, sealed with the key in k/key\n" in check().stdout


def test_check_prints_every_error_on_stderr_and_exits_2() -> None:
    Path("other.yaml").write_text("server:\n  prot: 1\n  port: x\n")
    result = check("--config", "other.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "other.yaml:2: server.prot: unknown key; the nearest known one is 'port'\n"
        "other.yaml:3: server.port: expected a whole number, got 'x'\n"
    )


def test_check_touches_nothing(folder: Path) -> None:
    check()
    assert list(folder.iterdir()) == []


def test_init_writes_the_commented_file_that_check_accepts() -> None:
    result = init()
    assert (result.exit_code, result.output) == (
        0,
        "wrote config.yaml; `recorder check --config config.yaml` shows what it does\n",
    )
    assert Path("config.yaml").read_text("utf-8") == built_in_text()
    assert check().stdout == SHIPPED


def test_init_overwrites_only_with_force() -> None:
    Path("mine.yaml").write_text("mine")
    result = init("mine.yaml")
    assert (result.exit_code, result.stderr) == (1, "Error: mine.yaml exists already; --force overwrites it\n")
    assert Path("mine.yaml").read_text() == "mine"
    assert init("mine.yaml", "--force").exit_code == 0
    assert Path("mine.yaml").read_text("utf-8") == built_in_text()


def test_init_names_a_folder_that_is_not_there() -> None:
    result = init("no/config.yaml")
    assert (result.exit_code, result.stderr) == (1, "Error: no/config.yaml: No such file or directory\n")
