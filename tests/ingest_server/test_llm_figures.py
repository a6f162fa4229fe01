"""The `llm_proxy_*` metrics: what calls add up to, with bounded labels; and what the Grafana dashboard asks for."""

import json
import re
from pathlib import Path

from prometheus_client.core import Metric

from ingest_server.index.call_sums import CallCounter
from ingest_server.index.summary import ExchangeSummary
from ingest_server.ledger import Ledger
from ingest_server.llm_figures import NAMES_MAX, WINDOW_S, LlmFigures
from ingest_server.metrics import Metrics
from ingest_server.tally import Tally
from tests.ingest_server.index.summaries import call, summary
from traffic.capture.status import RecorderStatus
from traffic.llm.call import ProviderError

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana-dashboard.json"


def figures_of(*exchanges: ExchangeSummary) -> LlmFigures:
    counter, figures = CallCounter(), LlmFigures()
    for exchange in exchanges:
        counter.add(exchange)
    figures.add(counter.take(), 1000.0)
    return figures


def samples(figures: LlmFigures, now_s: float = 1000.0) -> dict[str, float]:
    found: list[Metric] = list(figures.collect(3, now_s))
    return {
        f"{sample.name}{{{','.join(f'{key}={value}' for key, value in sample.labels.items())}}}": sample.value
        for metric in found
        for sample in metric.samples
    }


def test_calls_add_up_per_provider_model_and_status() -> None:
    failed = summary(status=500, call=call(cost_usd=None, ttft_ms=None))
    figures = figures_of(summary(), summary(), failed, summary(call=None))
    found = samples(figures)
    both = "provider=openai,model=gpt-4o"
    assert found[f"llm_proxy_requests_total{{{both},status=200}}"] == 2
    assert found[f"llm_proxy_requests_total{{{both},status=500}}"] == 1
    assert found[f"llm_proxy_tokens_total{{{both},type=prompt}}"] == 36
    assert found[f"llm_proxy_tokens_total{{{both},type=completion}}"] == 102
    assert found[f"llm_proxy_tokens_total{{{both},type=total}}"] == 138
    assert found[f"llm_proxy_cost_usd_total{{{both}}}"] == 0.5
    assert found[f"llm_proxy_request_duration_seconds_bucket{{{both},le=1.0}}"] == 0
    assert found[f"llm_proxy_request_duration_seconds_bucket{{{both},le=2.5}}"] == 3
    assert found[f"llm_proxy_request_duration_seconds_sum{{{both}}}"] == 6
    assert found[f"llm_proxy_time_to_first_token_seconds_count{{{both}}}"] == 2
    assert found["llm_proxy_active_requests{}"] == 3
    assert found["llm_proxy_provider_latency_seconds{provider=openai}"] == 2
    assert round(found["llm_proxy_provider_health{provider=openai}"], 3) == 0.667


def test_a_client_that_leaves_says_nothing_of_its_providers_health() -> None:
    left = summary(status=None, completed=False, error="client_disconnect")
    refused = summary(status=None, completed=False, error="upstream_refused")
    found = samples(figures_of(left, refused))
    assert found["llm_proxy_provider_health{provider=openai}"] == 0.5
    assert found["llm_proxy_requests_total{provider=openai,model=gpt-4o,status=500}"] == 2


def test_a_stream_that_its_provider_ended_with_an_error_counts_as_that_error() -> None:
    found = samples(figures_of(summary(call=call(error=ProviderError("overloaded_error", None, "m")))))
    assert found["llm_proxy_requests_total{provider=openai,model=gpt-4o,status=529}"] == 1
    assert found["llm_proxy_provider_health{provider=openai}"] == 0


def test_health_and_latency_are_those_of_the_last_minutes() -> None:
    figures = figures_of(summary())
    assert "llm_proxy_provider_health{provider=openai}" in samples(figures, 1000 + WINDOW_S)
    assert "llm_proxy_provider_health{provider=openai}" not in samples(figures, 1020 + WINDOW_S)


def test_labels_are_bounded_whatever_clients_call_their_models() -> None:
    exchanges = [summary(call=call(model=f"m{number}", provider=f"p{number}")) for number in range(NAMES_MAX + 50)]
    found = [name for name in samples(figures_of(*exchanges)) if name.startswith("llm_proxy_requests_total")]
    assert len(found) == NAMES_MAX + 1
    assert samples(figures_of(*exchanges))["llm_proxy_requests_total{provider=other,model=other,status=200}"] == 50


def test_the_grafana_dashboard_joins_sums_alone() -> None:
    """Prometheus joins series of the same labels: a sum, which has none, goes with another sum only."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    joined = [side for text in expressions for side in re.split(r" [+/] ", text) if side != text]
    assert len(joined) == 4
    assert all(side.lstrip("(").startswith("sum(") for side in joined)


def test_the_grafana_dashboard_asks_for_metrics_that_there_are() -> None:
    ledger = Ledger()
    ledger.hear("j", RecorderStatus("r", 1, "1", "2026-09-13T02:11:09.123456Z", "j", dropped={}), 1)
    text = Metrics(Tally(), ledger, figures_of(summary())).text().decode()
    known = set(re.findall(r"^([a-z_]+)(?:\{| )", text, re.MULTILINE)) | set(re.findall(r"# TYPE (\S+)", text))
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [each["query"]["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    asked = {name for text in expressions for name in re.findall(r"\b(?:llm_proxy|recorder)_[a-z_]+", text)}
    assert len(asked) > 10
    assert asked - known == set()
