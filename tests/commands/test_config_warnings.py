"""What is likely a mistake in a configuration, but none that stops it, is a warning with its line."""

import pytest

from tests.commands.configured import LINK, NO_ROUTES, PLAIN, ROUTE, load


def one_route(pattern: str, destination: str, more: str = "") -> str:
    return f'routes:\n  a: {{pattern: "{pattern}", destination: "{destination}"{more}}}\n'


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (one_route("/a/", "http://h/"), []),
        (one_route("/a/{$}", "http://h/"), []),
        (
            one_route("/a", "http://h/"),
            ["2: routes.a.pattern: without a trailing slash it matches no path below it; /a/ would"],
        ),
        (
            one_route("POST ollama/v1/", "https://h/"),
            [("2: routes.a.pattern: it matches requests to the host ollama only; a path begins with '/': /ollama/v1/")],
        ),
        (one_route("llm.example/", "https://h/"), []),
        (one_route("localhost/a/", "https://h/"), []),
        (one_route("/a/", "https://openrouter.ai/api/v1/"), []),
        (one_route("/", "https://openrouter.ai/"), []),
        (one_route("/openai/", "https://api.openai.com/v2/"), []),
        (
            one_route("/a/", "https://openrouter.ai/"),
            [
                (
                    "2: routes.a.destination: the API of openrouter.ai is below /api/v1, which is missing here; "
                    "https://openrouter.ai/api/v1/ has it"
                )
            ],
        ),
        (
            one_route("/v1/", "https://API.openai.com"),
            [
                (
                    "2: routes.a.destination: the API of api.openai.com is below /v1, which is missing here; "
                    "https://API.openai.com/v1/ has it"
                )
            ],
        ),
        (
            one_route("/a/", "https://h/", ", verify_ssl: false"),
            ["2: routes.a.verify_ssl: this upstream's certificate is not checked"],
        ),
        (f"verify_ssl: false\n{ROUTE}", ["1: verify_ssl: certificates of upstreams are not checked"]),
        (
            f"capture: {{vault: true, redact: []}}\n{ROUTE}",
            ["1: capture.vault: it keeps nothing: capture.redact is [], so that nothing is replaced"],
        ),
        (
            f"ingest: {{port: 81}}\n{ROUTE}",
            ["1: logging.server_url: recordings are sent to port 8080 of this machine, but ingest.port is 81"],
        ),
        (f"ingest: {{port: 81}}\nlogging: {{server_url: 'http://other:80'}}\n{ROUTE}", []),
        (
            f"capture: {{link_key: {LINK}}}\nlogging: {{server_url: 'http://other'}}\n{ROUTE}",
            ["1: capture.link_key: it travels unencrypted; let logging.server_url begin with https://"],
        ),
        (f"capture: {{link_key: {LINK}}}\nlogging: {{server_url: 'https://other'}}\n{ROUTE}", []),
        (f"capture: {{link_key: {LINK}}}\n{ROUTE}", []),
        (f"capture: {{link_key: {LINK}}}\ningest: {{keys: {{a: {PLAIN}}}}}\n{ROUTE}", []),
        (
            f"ingest: {{keys: {{a: {PLAIN}}}}}\n{ROUTE}",
            [
                (
                    "1: capture.link_key: there is none, but the ingest server asks for keys: what is recorded would "
                    "wait in the journal"
                )
            ],
        ),
        (f"ingest: {{keys: {{a: {PLAIN}}}}}\nlogging: {{server_url: 'http://other'}}\n{ROUTE}", []),
        (
            f"ingest: {{retention: {{keep: [errors]}}}}\n{ROUTE}",
            ["1: ingest.retention.keep: nothing is deleted by itself: there is neither max_age nor max_bytes"],
        ),
        (f"ingest: {{retention: {{keep: [errors], max_age: 1d}}}}\n{ROUTE}", []),
        (
            (
                "logging: {metrics: true}\ningest: {index: false}\nprices: {a: {input: 1}}\nobservers: ['a:B']\n"
                f"export:\n  otlp: {{endpoint: 'http://h'}}\n{ROUTE}"
            ),
            [
                f"{place}: it has no effect: ingest.index is false, so that no recording is decoded"
                for place in ("1: logging.metrics", "3: prices", "4: observers", "6: export.otlp")
            ],
        ),
        (
            f"export: {{otlp: {{endpoint: 'http://h', headers: {{a: b}}}}}}\n{ROUTE}",
            ["1: export.otlp.headers: they travel unencrypted; let export.otlp.endpoint begin with https://"],
        ),
        (f"export: {{otlp: {{endpoint: 'https://h', headers: {{a: b}}}}}}\n{ROUTE}", []),
        (f"export: {{otlp: {{endpoint: 'http://localhost:1', headers: {{a: b}}}}}}\n{ROUTE}", []),
        ("server: {dynamic_ports: [8000]}", []),
        ("server: {port: 1}", [f"1: {NO_ROUTES}"]),
    ],
)
def test_likely_mistakes_are_warnings(text: str, warnings: list[str]) -> None:
    assert load(text).warnings == [f"config.yaml:{warning}" for warning in warnings]
