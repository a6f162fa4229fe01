"""The configuration loader: what the file says is what the servers get, and every error comes at once with its line."""

import re
from pathlib import Path

import pytest
import yaml

from commands.config_file import BUILT_IN, ConfigError, built_in_text, load_config
from ingest_server.settings import IndexSettings, Otlp, Retention
from recorder.settings import Capture, Console, Limits, OutboundProxy, RecorderSettings, Route, Timeouts
from tests.commands.configured import LINK, NO_ROUTES, PLAIN, ROUTE, load
from traffic.capture.vault import Vault
from traffic.http1.limits import MessageLimits
from traffic.keys import Key, hash_key

ROOT = Path(__file__).parents[2]

SHIPPED = """
server:   {host: localhost, port: 5601, not_found: "/404/", dynamic_ports: []}
logging:  {console: true, format: text, server_url: "http://localhost:8080", default: true}
ingest:   {host: localhost, port: 8080, log_dir: logs, layout: flat}
capture:  {redact: default, journal_dir: .journal, journal_bytes_max: 2GiB, when_full: drop, durability: batched,
           fsync: off, on_failure: fail_open}
verify_ssl: true
routes:
  openrouter: {pattern: "/openrouter/", destination: "https://openrouter.ai/api/v1/"}
  openai:     {pattern: "/openai/", destination: "https://api.openai.com/v1/"}
  anthropic:  {pattern: "/anthropic/", destination: "https://api.anthropic.com/"}
  gemini:     {pattern: "/gemini/", destination: "https://generativelanguage.googleapis.com/"}
  lmstudio:   {pattern: "/lmstudio/", destination: "http://127.0.0.1:1234/"}
  ollama:     {pattern: "/ollama/", destination: "http://127.0.0.1:11434/"}
  quiet:      {pattern: "/quiet/", destination: "http://127.0.0.1:1234/", logging: false}
"""
# --- finding the file ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("config_folder")
def test_the_option_goes_before_the_variable_which_goes_before_the_current_folder() -> None:
    for name, port in (("a.yaml", 1), ("b.yaml", 2), ("config.yaml", 3)):
        Path(name).write_text(f"server: {{port: {port}}}")
    by_option = load_config(Path("a.yaml"), {"CONFIG_PATH": "b.yaml"})
    by_variable = load_config(None, {"CONFIG_PATH": "b.yaml"})
    by_default = load_config(None, {"CONFIG_PATH": ""})
    assert [it.recorder.port for it in (by_option, by_variable, by_default)] == [1, 2, 3]
    assert [it.path for it in (by_option, by_variable, by_default)] == [
        Path("a.yaml"),
        Path("b.yaml"),
        Path("config.yaml"),
    ]


@pytest.mark.usefixtures("config_folder")
def test_without_a_file_the_built_in_defaults_apply_and_a_message_says_so() -> None:
    found = load_config(None, {})
    assert found.path is None
    assert found.warnings == [
        "there is no config.yaml here, so the built-in defaults apply; `recorder init` writes them to a file"
    ]
    assert [route.name for route in found.recorder.routes][-2:] == ["ollama", "quiet"]
    assert re.fullmatch(rf"{BUILT_IN}:\d+", found.recorder.routes[0].where)


@pytest.mark.usefixtures("config_folder")
def test_a_file_that_cannot_be_read_is_one_clear_error() -> None:
    Path("folder").mkdir()
    Path("latin.yaml").write_bytes(b"server:\n  host: caf\xe9\n")
    cases: list[tuple[Path | None, dict[str, str], str]] = [
        (Path("no.yaml"), {}, "no.yaml: no such file; `recorder init no.yaml` writes one"),
        (None, {"CONFIG_PATH": "no.yaml"}, "no.yaml: no such file; CONFIG_PATH names it"),
        (Path("folder"), {}, "folder: Is a directory"),
        (Path("latin.yaml"), {}, "latin.yaml:2: not UTF-8 text"),
    ]
    for path, environ, message in cases:
        with pytest.raises(ConfigError) as caught:
            load_config(path, environ)
        assert caught.value.messages == [message]


# --- the shipped file ---------------------------------------------------------------------------------------------


def test_the_shipped_file_names_these_routes_and_values() -> None:
    assert yaml.safe_load(built_in_text()) == yaml.safe_load(SHIPPED)


def test_the_shipped_file_is_the_built_in_default_and_loads_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = load_config(None, {})
    assert found.warnings == []
    assert (ROOT / "config.yaml").read_text("utf-8") == built_in_text()


@pytest.mark.usefixtures("config_folder")
def test_leaving_a_section_out_means_what_the_shipped_file_says() -> None:
    shipped = load(built_in_text())
    bare = load(SHIPPED[SHIPPED.index("routes:") :])
    assert [(route.name, route.pattern, route.destination, route.log) for route in bare.recorder.routes] == [
        (route.name, route.pattern, route.destination, route.log) for route in shipped.recorder.routes
    ]
    empty = load("")
    assert empty.ingest == shipped.ingest
    assert empty.recorder == RecorderSettings(routes=(), forbidden_ports=frozenset({8080}))
    assert empty.recorder == load("routes:\nserver: ~\n").recorder
    assert empty.warnings == [f"config.yaml:1: {NO_ROUTES}"]


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("config_folder")
def test_every_key_reaches_the_settings() -> None:
    found = load("""\
server: {host: "::1", port: 0, not_found: /none/, dynamic_ports: [11434, "9000-9010"], via: yes, grace_s: 2.5}
logging: {console: false, format: json, server_url: "http://other:81/in", default: false}
ingest: {host: 0.0.0.0, port: 81, log_dir: /var/rec, layout: daily}
capture: {redact: [], journal_dir: j, journal_bytes_max: 500MB, when_full: block, durability: write_ahead,
  fsync: interval, on_failure: fail_closed}
verify_ssl: false
timeouts: {connect_s: 3, idle_s: 4}
http_client: {proxy_url: "socks5h://user:pw@proxy:1080"}
limits: {connections: 1, connections_per_client: 2, upstream_connections: 3, idle_upstream_connections: 4,
  name_lookups: 5, client_idle_s: 6, head_read_s: 7, exchange_s: 8, upstream_keep_alive_s: 9, linger_s: 10,
  head_bytes: 11KB, target_bytes: 12KB, head_fields: 13, chunk_line_bytes: 14, trailer_bytes: 15,
  interim_responses: 16, early_bytes: 17, replay_bytes: 18, drain_bytes: 19, abandoned_bytes: 20, queue_bytes: 21,
  plans: 22}
routes:
  a:
    destination: http://127.0.0.1:1234
    pattern: GET example.com/a/
  b: {pattern: /b/, destination: "https://b.example/v1", logging: true, verify_ssl: true, timeouts: {idle_s: 5},
    preserve_host: true, on_client_disconnect: drain, provider: openrouter}
""")
    proxy = "socks5h://user:pw@proxy:1080"
    assert found.recorder == RecorderSettings(
        host="::1",
        port=0,
        not_found="/none/",
        dynamic_ports=(range(11434, 11435), range(9000, 9011)),
        forbidden_ports=frozenset({81}),
        via=True,
        log_unmatched=False,
        default_timeouts=Timeouts(3, 4),
        routes=(
            Route(
                name="a",
                pattern="GET example.com/a/",
                destination="http://127.0.0.1:1234",
                log=False,
                verify_ssl=False,
                timeouts=Timeouts(3, 4),
                where="config.yaml:17",
            ),
            Route(
                name="b",
                pattern="/b/",
                destination="https://b.example/v1",
                timeouts=Timeouts(3, 5),
                preserve_host=True,
                on_client_disconnect="drain",
                provider="openrouter",
                where="config.yaml:18",
            ),
        ),
        proxy=OutboundProxy(proxy, proxy),
        console=Console(enabled=False, format="json"),
        capture=Capture(
            server_url="http://other:81/in",
            journal_dir=Path("j"),
            journal_bytes_max=500_000_000,
            when_full="block",
            durability="write_ahead",
            fsync="interval",
            on_failure="fail_closed",
            redact=False,
        ),
        limits=Limits(
            connections=1,
            connections_per_client=2,
            upstream_connections=3,
            idle_upstream_connections=4,
            name_lookups=5,
            client_idle_s=6,
            head_read_s=7,
            exchange_s=8,
            upstream_keep_alive_s=9,
            linger_s=10,
            message=MessageLimits(11_000, 13, 12_000, 14, 15),
            interim_responses=16,
            early_bytes=17,
            replay_bytes=18,
            drain_bytes=19,
            abandoned_bytes=20,
            queue_bytes=21,
            plans=22,
        ),
        grace_s=2.5,
    )
    ingest = found.ingest
    assert (ingest.host, ingest.port, ingest.layout, ingest.redact) == ("0.0.0.0", 81, "daily", False)
    assert (ingest.log_dir, ingest.key_dir) == (Path("/var/rec"), Path("j"))


@pytest.mark.usefixtures("config_folder")
def test_relative_paths_are_relative_to_the_file() -> None:
    Path("etc").mkdir()
    Path("etc/rec.yaml").write_text("ingest: {log_dir: ../logs}\n")
    found = load_config(Path("etc/rec.yaml"), {})
    assert found.ingest.log_dir == Path("etc/../logs")
    assert found.recorder.capture.journal_dir == Path("etc/.journal")


@pytest.mark.usefixtures("config_folder")
def test_retention_reaches_the_settings() -> None:
    found = load("ingest: {retention: {max_age: 30d, max_bytes: 50GiB, keep: [errors]}}").ingest.retention
    assert found == Retention(max_age_s=30 * 86400, max_bytes=50 * 1024**3, keep_errors=True)
    assert load("ingest: {}").ingest.retention == Retention()


@pytest.mark.usefixtures("config_folder")
def test_what_is_made_of_recordings_reaches_the_settings() -> None:
    found = load("""\
logging: {metrics: true}
ingest: {index: false}
prices:
  a: {input: 0.5}
  org/b:1: {input: 1, output: 2.5, cached_input: 0, cache_write: 3}
observers: ["a.b:C"]
export: {otlp: {endpoint: "https://spans.example/in", headers: {authorization: "Bearer ${K}"}, content: true}}
""", {"K": "secret-of-the-spans"})  # fmt: skip
    assert found.ingest.index == IndexSettings(
        enabled=False,
        prices={"a": {"input": 0.5}, "org/b:1": {"input": 1, "output": 2.5, "cached_input": 0, "cache_write": 3}},
        observers=("a.b:C",),
        print_calls=True,
        otlp=Otlp("https://spans.example/in", {"authorization": "Bearer secret-of-the-spans"}, content=True),
    )
    assert "secret-of-the-spans" not in repr(found)
    assert load("").ingest.index == IndexSettings()


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize(("text", "count_s"), [("90s", 90), ("45 m", 2700), ("12h", 43_200), ("30d", 2_592_000)])
def test_durations(text: str, count_s: float) -> None:
    assert load(f"ingest: {{retention: {{max_age: {text}}}}}").ingest.retention.max_age_s == count_s


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize(
    ("text", "count"), [("4096", 4096), ("7B", 7), ("1KB", 1000), ("3 MiB", 3 * 1024**2), ("1TiB", 1024**4)]
)
def test_sizes(text: str, count: int) -> None:
    assert load(f"capture: {{journal_bytes_max: {text}}}").recorder.capture.journal_bytes_max == count


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize("text", ["off", '"off"', "${FSYNC:-off}"])
def test_fsync_off_is_a_word_not_a_boolean(text: str) -> None:
    assert load(f"capture:\n  fsync: {text}\n").recorder.capture.fsync == "off"


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize(
    ("written", "environ", "directory"),
    [
        ("${DIR}", {"DIR": "x"}, "x"),
        ("a${DIR}b${DIR}", {"DIR": "x"}, "axbx"),
        ("'${DIR:-y}'", {}, "y"),
        ("${DIR:-y}", {"DIR": ""}, "y"),
        ("${DIR:-y}", {"DIR": "x"}, "x"),
        ("a$${DIR}", {"DIR": "x"}, "a${DIR}"),
        ("$DIR", {"DIR": "x"}, "$DIR"),
        ("${DIR}", {"DIR": "${HOME}: [x] # y"}, "${HOME}: [x] # y"),
        ("${DIR:-}", {}, "logs"),
    ],
)
def test_variables_are_expanded_and_what_they_hold_is_never_read_as_yaml(
    written: str, environ: dict[str, str], directory: str
) -> None:
    assert load(f"ingest:\n  log_dir: {written}\n", environ).ingest.log_dir == Path(directory)


@pytest.mark.usefixtures("config_folder")
def test_a_number_may_come_from_a_variable() -> None:
    assert load("server:\n  port: ${PORT}\n", {"PORT": "81"}).recorder.port == 81


def test_dotenv_beside_the_file_adds_variables_and_the_environment_goes_before_it(config_folder: Path) -> None:
    (config_folder / "sub").mkdir()
    (config_folder / "sub" / ".env").write_text("A=1\nB='2 ${A}'\nC\n")
    (config_folder / ".env").write_text("A=wrong")
    Path("sub/c.yaml").write_text("ingest:\n  log_dir: ${A}-${B}-${C:-none}\n")
    assert load_config(Path("sub/c.yaml"), {"A": "real"}).ingest.log_dir == Path("sub/real-2 ${A}-none")


@pytest.mark.usefixtures("config_folder")
def test_a_port_of_zero_is_nobodys_own() -> None:
    load(f"server: {{port: 0, dynamic_ports: [5601]}}\ningest: {{port: 0}}\n{ROUTE}")


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("config_folder")
def test_keys_are_hashed_at_once_and_the_recorders_link_key_counts_on_both_sides() -> None:
    text = (
        "server: {keys: {laptop: '${A}', ci: '${B}'}, allowed_hosts: [rec.example]}\n"
        "ingest: {keys: {me: '${A}'}, link_keys: {other: '${B}'}, allowed_hosts: [logs.example, '::2']}\n"
        "capture: {link_key: '${C}'}\n"
    )
    found = load(text + ROUTE, {"A": PLAIN, "B": hash_key("x" * 16), "C": LINK})
    recorder, ingest = found.recorder, found.ingest
    assert recorder.keys == (Key.parse("laptop", PLAIN), Key.parse("ci", "x" * 16))
    assert recorder.capture.link_key == LINK
    assert ingest.keys == (Key.parse("me", PLAIN),)
    assert ingest.link_keys == (Key.parse("other", "x" * 16), Key.parse("capture.link_key", LINK))
    assert (recorder.allowed_hosts, ingest.allowed_hosts) == (("rec.example",), ("logs.example", "::2"))
    assert PLAIN not in repr(found)
    assert LINK not in repr(found)


@pytest.mark.usefixtures("config_folder")
def test_a_routes_key_is_known_to_replays_alone_and_shown_by_nothing() -> None:
    text = "routes:\n" + "".join(
        f'  {name}: {{pattern: /{name}/, destination: "https://h/", key: "{key}"}}\n'
        for name, key in (("a", "${A}"), ("b", "${B:-}"))
    )
    found = load(text, {"A": PLAIN})
    assert found.route_keys == {"a": PLAIN}
    assert PLAIN not in repr(found)
    with pytest.raises(ConfigError) as caught:
        load(text, {"A": "a secret with spaces"})
    assert caught.value.messages == [
        "config.yaml:2: routes.a.key: expected visible ASCII characters without spaces, as keys have"
    ]
    with pytest.raises(ConfigError) as caught:
        load("routes: {a: {pattern: /a/, destination: 'http://h', key: [sk-secret]}}")
    assert caught.value.messages == ["config.yaml:1: routes.a.key: expected text"]


# --- proxies ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize(
    ("section", "environ", "expected"),
    [
        ("{}", {"HTTP_PROXY": "http://p:1"}, OutboundProxy()),
        ("{proxy_from_environment: true}", {"NO_PROXY": "x"}, OutboundProxy()),
        ("{proxy_from_environment: true}", {"HTTP_PROXY": "http://p:1"}, OutboundProxy("http://p:1")),
        ("{proxy_from_environment: true}", {"https_proxy": "p:1"}, OutboundProxy(None, "http://p:1")),
        (
            "{proxy_from_environment: true}",
            {"HTTP_PROXY": "http://p:1", "http_proxy": "http://q:1", "all_proxy": "socks5://s", "no_proxy": "a,.b"},
            OutboundProxy("http://q:1", "socks5://s", "a,.b"),
        ),
        (
            "{proxy_url: 'https://p:1', proxy_from_environment: true}",
            {"ALL_PROXY": "http://q:1", "NO_PROXY": "*"},
            OutboundProxy("https://p:1", "https://p:1", "*"),
        ),
    ],
)
def test_the_outbound_proxy(section: str, environ: dict[str, str], expected: OutboundProxy) -> None:
    assert load(f"http_client: {section}\n{ROUTE}", environ).recorder.proxy == expected


@pytest.mark.usefixtures("config_folder")
def test_the_vault_is_off_unless_it_is_asked_for_and_its_place_is_known_in_any_case() -> None:
    default = Vault(
        Path("~/.local/state/llm-flight-recorder/vault.sqlite").expanduser(),
        Path("~/.config/llm-flight-recorder/vault.key").expanduser(),
    )
    found = load(ROUTE)
    assert (found.recorder.capture.vault, found.vault) == (None, default)
    assert load(f"capture: {{vault: true}}\n{ROUTE}").recorder.capture.vault == default
    assert load(f"capture: {{vault: true, redact: []}}\n{ROUTE}").recorder.capture.vault is None
    found = load(f"capture: {{vault: true, vault_file: v/vault, vault_key_file: /k/key}}\n{ROUTE}")
    assert found.recorder.capture.vault == found.vault == Vault(Path("v/vault"), Path("/k/key"))
