"""Every error in a configuration file comes at once, in exact words, with its line."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from commands.config_file import ConfigError, load_config
from commands.config_schema import Config

UPSTREAM = '"http://127.0.0.1:1234/"'


def errors_of(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    Path("config.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ or {})
    assert str(caught.value) == "\n".join(caught.value.messages)
    return caught.value.messages


WRONG = {
    # syntax
    "a tab": (
        "server:\n\thost: x",
        ["2: while scanning for the next token found character '\\t' that cannot start any token"],
    ),
    "an open brace": (
        "a: 1\nserver: {port: 1\n",
        ["3: while parsing a flow mapping expected ',' or '}', but got '<stream end>'"],
    ),
    "a control character": ("a: 1\nb: \x07", ["2: character U+0007 is not allowed"]),
    "two documents": ("a: 1\n---\nb: 1", ["2: expected a single document in the stream but found another document"]),
    "an alias": ("server: &s {}\ningest: *s", ["2: aliases (*name) are not supported"]),
    "a tag": ("server: {port: !!int 1}", ["1: server.port: tags (!name) are not supported"]),
    "a complex key": ("server:\n  ? [a]\n  : 1", ["1: server: the key in line 2 is not plain text"]),
    "deep nesting": ("[" * 5000, ["1: nested too deeply"]),
    "no mapping": ("just text", ["1: expected keys with values, got 'just text'"]),
    "a key twice": (
        "server:\n  port: 1\n  port: 2\nserver: {}",
        ["1: server: given twice, in lines 1 and 4", "2: server.port: given twice, in lines 2 and 3"],
    ),
    # variables
    "unset variables": (
        "server:\n  port: ${PORT}\ningest:\n  log_dir: ${A}/${B}",
        [
            "2: server.port: variable PORT is not set; set it, or give a default: ${PORT:-default}",
            "4: ingest.log_dir: variable A is not set; set it, or give a default: ${A:-default}",
            "4: ingest.log_dir: variable B is not set; set it, or give a default: ${B:-default}",
        ],
    ),
    "a malformed reference": (
        "ingest:\n  log_dir: ${A-b}",
        ["2: ingest.log_dir: a '${' here begins neither ${NAME} nor ${NAME:-default}; $${ stands for a plain ${"],
    ),
    "an unset variable in a route": (
        "routes:\n  a:\n    pattern: /a/\n    destination: ${URL}",
        ["4: routes.a.destination: variable URL is not set; set it, or give a default: ${URL:-default}"],
    ),
    # keys
    "unknown keys": (
        (
            f"severs: 1\nserver:\n  prot: 1\nroutes:\n  a: {{pattern: /a/, destination: {UPSTREAM}, log: false}}\n"
            f"  b: {{pattern: /b/, destination: {UPSTREAM}, timeouts: {{idle: ~}}}}"
        ),
        [
            "1: severs: unknown key; the nearest known one is 'server'",
            "3: server.prot: unknown key; the nearest known one is 'port'",
            "5: routes.a.log: unknown key; the nearest known one is 'logging'",
            "6: routes.b.timeouts.idle: unknown key; the nearest known one is 'idle_s'",
        ],
    ),
    "an unknown key that is like none": (
        "keys: {me: not-shown-not-shown}\ningest:\n  retention: {days: 30}",
        [
            (
                "1: keys: unknown key; known here: server, logging, ingest, capture, verify_ssl, timeouts, "
                "http_client, limits, prices, observers, export, routes"
            ),
            "3: ingest.retention.days: unknown key; known here: max_age, max_bytes, keep",
        ],
    ),
    "missing keys": (
        "routes:\n  a: {pattern: /a/}\n  b:\n    destination:",
        [
            "2: routes.a.destination: is missing",
            "3: routes.b.pattern: is missing",
            "4: routes.b.destination: is missing",
        ],
    ),
    "a route without anything": ("routes:\n  a:\n", ["2: routes.a: expected keys with values, got nothing"]),
    "a route's name": (
        f"routes:\n  a b: {{pattern: /a/, destination: {UPSTREAM}}}",
        ["2: routes.a b: a route's name holds letters, digits, '.', '_' and '-' only"],
    ),
    # types
    "values of a wrong type": (
        (
            "server: []\nlogging: {console: 7, format: xml}\ningest:\n  port: x\n  log_dir: [a]\nroutes: 1\n"
            "timeouts: {idle_s: long, connect_s: inf}"
        ),
        [
            "1: server: expected keys with values, got a list",
            "2: logging.console: expected true or false, got '7'",
            "2: logging.format: expected 'text' or 'json', got 'xml'",
            "4: ingest.port: expected a whole number, got 'x'",
            "5: ingest.log_dir: expected text, got a list",
            "6: routes: expected keys with values, got '1'",
            "7: timeouts.connect_s: expected a number, got 'inf'",
            "7: timeouts.idle_s: expected a number, got 'long'",
        ],
    ),
    "retention": (
        "ingest:\n  retention:\n    max_age: 1 month\n    max_bytes: 0\n    keep: [everything]\n    max_ag: 1d",
        [
            "3: ingest.retention.max_age: expected a duration such as 30d, 12h, 45m or 90s, got '1 month'",
            "4: ingest.retention.max_bytes: must be more than 0, got '0'",
            "5: ingest.retention.keep[0]: expected 'errors', got 'everything'",
            "6: ingest.retention.max_ag: unknown key; the nearest known one is 'max_age'",
        ],
    ),
    "prices, observers and spans": (
        (
            "prices:\n  a: {output: 1}\n  b: {input: -1}\n  c: {input: 1, outputs: 2}\nobservers: ['x.y']\n"
            "export:\n  otlp:\n    headers: {authorization: [not-shown]}\n    contents: true"
        ),
        [
            "2: prices.a.input: is missing",
            "3: prices.b.input: must be at least 0, got '-1'",
            "4: prices.c.outputs: unknown key; the nearest known one is 'output'",
            "5: observers[0]: expected a class such as package.module:Class, got 'x.y'",
            "7: export.otlp.endpoint: is missing",
            "8: export.otlp.headers.authorization: expected text",
            "9: export.otlp.contents: unknown key; the nearest known one is 'content'",
        ],
    ),
    "limits": (
        (
            'server: {port: 65536, grace_s: -1}\ningest: {port: -1, log_dir: ""}\ntimeouts: {idle_s: 0}\n'
            "capture: {journal_bytes_max: 0}\nlimits: {target_bytes: 7999, head_fields: 0, head_bytes: none, heads: 1}"
        ),
        [
            "1: server.port: must be at most 65535, got '65536'",
            "1: server.grace_s: must be at least 0, got '-1'",
            "2: ingest.port: must be at least 0, got '-1'",
            "2: ingest.log_dir: expected text, got ''",
            "3: timeouts.idle_s: must be more than 0, got '0'",
            "4: capture.journal_bytes_max: must be more than 0, got '0'",
            "5: limits.head_bytes: expected a size such as 2GiB, 500MB or a number of bytes, got 'none'",
            "5: limits.target_bytes: must be at least 8000, got '7999'",
            "5: limits.head_fields: must be more than 0, got '0'",
            "5: limits.heads: unknown key; the nearest known one is 'head_bytes'",
        ],
    ),
    "sizes and redact": (
        "capture:\n  journal_bytes_max: 2 gigs\n  redact: [x]\n",
        [
            "2: capture.journal_bytes_max: expected a size such as 2GiB, 500MB or a number of bytes, got '2 gigs'",
            "3: capture.redact: expected default, or [] to record secrets as they are, got a list",
        ],
    ),
    "hosts and the not-found path": (
        "server:\n  host: localhost:5601\n  not_found: /404\ningest:\n  host: a b",
        [
            "2: server.host: expected a host name or an address, without a port or brackets, got 'localhost:5601'",
            "3: server.not_found: expected a path that starts and ends with '/', got '/404'",
            "5: ingest.host: expected a host name or an address, got 'a b'",
        ],
    ),
    "dynamic ports": (
        'server:\n  dynamic_ports:\n    - 0\n    - "9010-9000"\n    - 70000\n    - x\n    - ~\n    - "1-2"',
        [
            f'{line}: server.dynamic_ports[{line - 3}]: expected a port such as 8000, or a range such as "9000-9010", '
            f"got {value}"
            for line, value in ((3, "'0'"), (4, "'9010-9000'"), (5, "'70000'"), (6, "'x'"), (7, "nothing"))
        ],
    ),
    "a single dynamic port": ("server: {dynamic_ports: 80}", ["1: server.dynamic_ports: expected a list, got '80'"]),
    # URLs
    "destinations": (
        "routes:\n"
        + "".join(
            f'  r{index}:\n    pattern: /{index}/\n    destination: "{url}"\n'
            for index, url in enumerate(
                [
                    "ftp://h/",
                    "http:///x",
                    "http://u:secret@h/",
                    "http://h/?q",
                    "http://h/#f",
                    "http://h:0/",
                    "http://a b/",
                ]
            )
        ),
        [
            '4: routes.r0.destination: "ftp://h/" must begin with http:// or https:// and a host',
            '7: routes.r1.destination: "http:///x" must begin with http:// or https:// and a host',
            (
                "10: routes.r2.destination: it holds a user name or password; leave them out, clients send "
                "credentials in their headers"
            ),
            (
                '13: routes.r3.destination: "http://h/?q" holds a query or a fragment; leave it out, the client\'s '
                "query is passed on"
            ),
            (
                '16: routes.r4.destination: "http://h/#f" holds a query or a fragment; leave it out, the client\'s '
                "query is passed on"
            ),
            '19: routes.r5.destination: "http://h:0/": port 0 cannot be reached',
            "22: routes.r6.destination: a URL must not hold spaces or control characters",
        ],
    ),
    "the ingest server's URL": (
        "logging: {server_url: localhost}",
        ['1: logging.server_url: "localhost" must begin with http:// or https:// and a host'],
    ),
    # own ports
    "own ports": (
        (
            'server: {port: 81, dynamic_ports: [8000, "79-82", 8080]}\nroutes:\n'
            '  a: {pattern: /a/, destination: "http://[::1]:81/"}\n'
            '  b: {pattern: /b/, destination: "http://127.1:8080/"}\n'
            '  c: {pattern: /c/, destination: "http://x.localhost:81/"}\n'
            '  d: {pattern: /d/, destination: "http://[::ffff:127.0.0.1]:81/"}\n'
            '  e: {pattern: /e/, destination: "http://other:81/"}\n'
        ),
        [
            "1: server.dynamic_ports[1]: port 81 is the recorder's own port (server.port)",
            "1: server.dynamic_ports[2]: port 8080 is the ingest server's own port (ingest.port)",
            "3: routes.a.destination: port 81 is the recorder's own port (server.port)",
            "4: routes.b.destination: port 8080 is the ingest server's own port (ingest.port)",
            "5: routes.c.destination: port 81 is the recorder's own port (server.port)",
            "6: routes.d.destination: port 81 is the recorder's own port (server.port)",
        ],
    ),
    "own host and default port": (
        (
            "server: {host: My.Lan, port: 443}\nlogging: {server_url: 'http://localhost:82'}\nroutes:\n"
            "  a: {pattern: /a/, destination: 'https://my.lan/'}\n"
            "  b: {pattern: /b/, destination: 'http://localhost:82/'}"
        ),
        [
            "4: routes.a.destination: port 443 is the recorder's own port (server.port)",
            "5: routes.b.destination: port 82 is the ingest server's own port (logging.server_url)",
        ],
    ),
    "one port for both": (
        "server: {port: 81}\ningest: {port: 81}",
        ["2: ingest.port: port 81 is the recorder's own port (server.port)"],
    ),
    "the journal among the recordings": (
        "capture: {journal_dir: logs/j}",
        ["1: capture.journal_dir: must be outside ingest.log_dir: it holds the key behind redacted secrets"],
    ),
    "the vault and its key among the recordings": (
        "capture:\n  vault: true\n  vault_file: logs/v\n  vault_key_file: logs/keys/k",
        [
            "3: capture.vault_file: must be outside ingest.log_dir: it holds secrets",
            "4: capture.vault_key_file: must be outside ingest.log_dir: it holds the vault's key",
        ],
    ),
    "the vault beside its key": (
        "capture:\n  vault: true\n  vault_file: v\n  vault_key_file: ./k",
        [
            (
                "4: capture.vault_key_file: must be in another folder than capture.vault_file: who copies that one "
                "would have both"
            )
        ],
    ),
    # patterns
    "a wrong pattern beside a wrong destination": (
        "routes:\n  a:\n    pattern: /a/{x}/\n    destination: h\n  b: {pattern: v1, destination: http://h/}",
        [
            ('3: routes.a.pattern: the wildcard "{x}" is not supported; end the pattern with "/" to take all below it'),
            '4: routes.a.destination: "h" must begin with http:// or https:// and a host',
            ('5: routes.b.pattern: it has no "/"; a pattern is "[METHOD ][HOST]/[PATH]", for example "/lmstudio/"'),
        ],
    ),
    "conflicting patterns, and an error elsewhere": (
        (
            f"routes:\n  a:\n    destination: {UPSTREAM}\n    pattern: /x/\n"
            f"  b: {{pattern: /x/, destination: {UPSTREAM}}}\n"
            f"  c: {{pattern: 'GET /health', destination: {UPSTREAM}, logging: maybe}}"
        ),
        [
            "6: routes.c.logging: expected true or false, got 'maybe'",
            (
                '4: routes.a: pattern "/x/" matches the same requests as "/x/" (config.yaml:5: routes.b): change '
                "or remove one of them"
            ),
            (
                '6: routes.c: pattern "GET /health" matches the same requests as "GET /health" (the recorder\'s own '
                "endpoint): change or remove one of them"
            ),
        ],
    ),
    # keys: none is ever shown
    "unusable keys": (
        (
            "server:\n  keys:\n    a: too-short-by-1\n    b: with a space inside it\n    c: sha256:12\n"
            "    d: {key: x}\n    e:\n    f g: x-key-of-16-chars\n"
        ),
        [
            ("3: server.keys.a: a key has at least 16 characters; `recorder hash-key --generate` makes a good one"),
            "4: server.keys.b: a key holds visible ASCII characters only: it travels in a header",
            "5: server.keys.c: the hash of a key is sha256: and 64 hex digits, as `recorder hash-key` prints it",
            "6: server.keys.d: expected text",
            "7: server.keys.e: expected text",
            "8: server.keys.f g: a key's name holds letters, digits, '.', '_' and '-' only",
        ],
    ),
    "a key in the place of keys": (
        (
            "server:\n  keys: a-secret-of-16-chars\ningest:\n  keys: [a-secret]\n  link_keys: a-secret\n"
            "capture: {link_key: [a]}"
        ),
        [
            "2: server.keys: expected keys with values",
            "4: ingest.keys: expected keys with values",
            "5: ingest.link_keys: expected keys with values",
            "6: capture.link_key: expected text",
        ],
    ),
    "an unset variable for a key": (
        "ingest: {keys: {a: '${NO_KEY}'}}",
        ["1: ingest.keys.a: variable NO_KEY is not set; set it, or give a default: ${NO_KEY:-default}"],
    ),
    "a hash for the link key": (
        f"capture: {{link_key: 'sha256:{'0' * 64}'}}",
        [
            (
                "1: capture.link_key: expected the key itself, which the recorder has to send; its hash is for "
                "ingest.link_keys"
            )
        ],
    ),
    # proxies
    "a proxy's URL never shows": (
        "http_client: {proxy_url: 'ftp://u:secret@h'}",
        [
            "1: http_client.proxy_url: expected a URL that starts with http://, https://, socks5:// or socks5h://",
        ],
    ),
    "a proxy with a malformed port": (
        "http_client: {proxy_url: 'http://u:secret/@h'}",
        ["1: http_client.proxy_url: not a URL: its host or port is malformed"],
    ),
    "a proxy that is the recorder": (
        "http_client:\n  proxy_url: http://127.0.0.1:5601",
        ["2: http_client.proxy_url: the proxy is the recorder itself (server.host, server.port)"],
    ),
}


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize("case", WRONG)
def test_every_error_comes_at_once_with_its_line(case: str) -> None:
    text, messages = WRONG[case]
    assert errors_of(text) == [f"config.yaml:{message}" for message in messages]


@pytest.mark.parametrize(
    "server", ["a-secret-of-16-chars", {"keys": "a-secret-of-16-chars"}, {"keys": {"a": ["a-secret"]}}]
)
def test_no_text_form_of_a_validation_error_shows_what_was_given(server: object) -> None:
    """Should one ever reach a traceback."""
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"server": server})
    assert "a-secret" not in f"{caught.value!s}{caught.value!r}"


@pytest.mark.usefixtures("config_folder")
def test_a_wrong_proxy_in_the_environment_names_its_variable() -> None:
    environ = {"http_proxy": "localhost:5601", "ALL_PROXY": "gopher://u:secret@h"}
    assert errors_of("http_client:\n  proxy_from_environment: true\n", environ) == [
        (
            "config.yaml:2: http_client.proxy_from_environment: http_proxy: the proxy is the recorder itself "
            "(server.host, server.port)"
        ),
        (
            "config.yaml:2: http_client.proxy_from_environment: ALL_PROXY: expected a URL that starts with http://, "
            "https://, socks5:// or socks5h://"
        ),
    ]


def test_a_dotenv_that_is_no_text_is_an_error(config_folder: Path) -> None:
    (config_folder / ".env").write_bytes(b"A=\xff\n")
    assert errors_of("") == [".env: not UTF-8 text"]
