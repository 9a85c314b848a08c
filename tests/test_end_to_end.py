"""The whole way with real programs: the gateways' own text over HTTP, a real Prometheus that scrapes them as
out/monitoring.yaml says, loads out/rules.yaml and is asked what the article asks. The oracle knows what it must answer.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from gateway_pods import GatewayPod
from operator_discovery import GATEWAY_CLASS_LABEL
from spec_builders import spec_of
from stage import (
    SCRAPE_INTERVAL,
    SETTLE,
    STEP,
    Stage,
    Start,
    assert_in_good_health,
    assert_on_time,
    close_to,
    hurried,
    staged,
    until,
    usd,
)

from tollbook.gen import names, oracle
from tollbook.gen.load import load
from tollbook.gen.oracle import Request
from tollbook.gen.spec import Spec

ROOT = Path(__file__).resolve().parent.parent


# ---- The article ------------------------------------------------------------------------------------------------

BY_GATEWAY = (names.INPUT_TOKENS_BY_GATEWAY, names.OUTPUT_TOKENS_BY_GATEWAY, names.COST_BY_GATEWAY)
IDLE = {(f"kgateway-system/agentgateway{number}",): 0 for number in (1, 2, 3)}


def test_the_articles_commands_answer(prometheus_server: Start, tmp_path: Path) -> None:
    spec = hurried(load((ROOT / "tollbook.yaml").read_text(), "tollbook.yaml").spec)
    pods = [GatewayPod(gateway, f"{gateway.name}-7d4b9c-x2x1z") for gateway in spec.gateways]
    with staged(spec, pods, prometheus_server, tmp_path) as stage:
        stage.wait_until_watched()
        until("idle gateways cost nothing", lambda: all(stage.values(name, "gateway") == IDLE for name in BY_GATEWAY))

        used = {pod.gateway.id: article_requests(pod, number) for number, pod in enumerate(pods)}
        for pod in pods:
            pod.serve(*used[pod.gateway.id])
        stage.wait_until_counted()

        everything = [request for requests in used.values() for request in requests]
        assert stage.value(names.INPUT_TOKENS_TOTAL) == prompt_tokens(everything)
        assert stage.value(names.OUTPUT_TOKENS_TOTAL) == sum(request.output for request in everything)
        for record in (names.COST_HOURLY, names.COST_DAILY, names.COST_WEEKLY, names.COST_MONTHLY):
            assert stage.value(record) == close_to(usd(spec, everything))
        cost = {(gateway,): close_to(usd(spec, requests)) for gateway, requests in used.items()}
        assert stage.values(names.COST_BY_GATEWAY, "gateway") == cost
        assert_on_time(stage)
        assert_in_good_health(stage)


def article_requests(pod: GatewayPod, count: int) -> list[Request]:
    """As in the article: the answer bears the dated name of the model that was asked for. The first gateway is idle."""
    wanted, answered = "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"
    plain = Request(pod.gateway, "anthropic", wanted, answered, input=41, output=317)
    return [plain, replace(plain, cache_read=2048, cache_write=1024)] * count


def prompt_tokens(requests: Iterable[Request]) -> int:
    return sum(request.input + request.cache_read + request.cache_write for request in requests)


# ---- Every kind of monitor, and everything that befalls a pod --------------------------------------------------

MIXED = """
gateways:
  - {name: edge, namespace: ai}
  - {name: inner, namespace: ai, version: "1.4", monitor: ServiceMonitor}
  - {name: old, namespace: agw, version: "0.11", monitor: none, job: agw/agentgateway-proxy}
  - {name: new, namespace: agw, monitor: none, job: agw/agentgateway-proxy}
  - {name: idle, namespace: ai, monitor: ServiceMonitor}
models:
  - provider: openai
    name: gpt
    aliases: [gpt-2026-01-01]
    prices: [{input: 1, output: 10, cache_read: 0.1, cache_write: 100}]
  - provider: anthropic
    name: claude
    prices: [{input: 2, output: 20, cache_read: 0.2, cache_write: 200}]
  - {provider: ollama, name: llama, free: true}
attribution: [{label: team, expression: apiKey.team}]
budgets:
  - {name: red, amount: 10, period: 24h, match: {team: red}, alert_at: {50: warning, 100: critical}}
"""

#: The chart's own, applied with a selector that is too wide: it scrapes every pod once more.
CHARTS_MONITOR = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PodMonitor",
    "metadata": {"name": "agentgateway-proxy", "namespace": "agw"},
    "spec": {
        "namespaceSelector": {"any": True},
        "selector": {"matchLabels": {GATEWAY_CLASS_LABEL: "agentgateway"}},
        "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "1s", "scrapeTimeout": "1s"}],
    },
}

Model = tuple[str, str]
GPT, CLAUDE, LLAMA = ("openai", "gpt"), ("anthropic", "claude"), ("ollama", "llama")
MYSTERY = ("openai", "mystery")

CELL = (names.GATEWAY, names.PROVIDER, names.MODEL, names.TOKEN_TYPE, "team")


@pytest.mark.slow
def test_nothing_is_lost_or_counted_twice(prometheus_server: Start, tmp_path: Path) -> None:
    spec = hurried(spec_of(MIXED))
    edge, inner, old, new, idle = spec.gateways
    pods = [
        reset := GatewayPod(edge, "edge-reset"),
        restarted := GatewayPod(edge, "edge-restarted"),
        unreachable := GatewayPod(inner, "inner-unreachable"),
        crashed := GatewayPod(new, "new-crashed"),
        steady := GatewayPod(old, "old-steady"),
        GatewayPod(idle, "idle"),
    ]
    used: list[Request] = []

    def serve(pod: GatewayPod, model: Model, answered: str = "", team: str = "blue", **tokens: int) -> None:
        provider, name = model
        labels = {"team": team}
        request = Request(pod.gateway, provider, name, answered or name, labels=labels, **tokens)
        pod.serve(request)
        used.append(request)

    with staged(spec, pods, prometheus_server, tmp_path, [CHARTS_MONITOR]) as stage:
        stage.wait_until_watched()
        serve(reset, GPT, "gpt-2026-01-01", input=4_000, output=5_000, cache_read=6_000)
        serve(restarted, GPT, input=100, output=200)
        serve(unreachable, CLAUDE, names.UNKNOWN, "red", input=7, output=9, cache_read=8, cache_write=30_000)
        serve(crashed, CLAUDE, input=40, output=90_000, cache_write=2)
        serve(steady, LLAMA, input=123, output=456)
        serve(steady, GPT, team="red", output=1)
        stage.wait_until_counted()
        assert_all_counted(stage, used)

        restarted.restart()
        unreachable.cut_off()
        crashed.cut_off()
        stage.wait_until_counted()
        assert_all_counted(stage, used)

        reset.restart()
        serve(reset, GPT, "gpt-2026-01-01", input=1_000, output=2_000)
        serve(restarted, GPT, input=10_000, output=20_000)
        serve(unreachable, CLAUDE, names.UNKNOWN, "red", input=1, output=1)
        unreachable.reconnect()
        crashed.restart()
        serve(crashed, CLAUDE, input=1, output=80_000, cache_write=1)
        crashed.reconnect()
        serve(steady, MYSTERY, "mystery-2026", input=50, output=10)
        stage.wait_until_counted()
        assert_all_counted(stage, used)

        assert stage.values(names.COST_BY_GATEWAY, "gateway")[idle.id,] == 0
        unpriced = f"sum_over_time({names.unpriced_tokens(STEP)}[1h])"
        assert stage.values(unpriced, names.GATEWAY, names.RESPONSE_MODEL, names.TOKEN_TYPE) == MIXED_UNPRICED
        assert firing(stage) == MIXED_ALERTS
        assert_on_time(stage)
        assert_in_good_health(stage)


def assert_all_counted(stage: Stage, used: list[Request]) -> None:
    def ever(record: str) -> dict[tuple[str, ...], float]:
        return stage.values(f"sum by ({', '.join(CELL)}) (sum_over_time({record}[1h])) > 0", *CELL)

    expected = {
        (cell.gateway, cell.provider, cell.model, cell.token_type, *dict(cell.labels).values()): close_to(dollars)
        for cell, dollars in oracle.dollars(stage.spec, used).items()
        if dollars
    }
    assert ever(names.cost(STEP)) == expected
    assert ever(names.tokens(STEP)) == tokens_used(stage.spec, used)
    assert stage.value(names.INPUT_TOKENS_TOTAL) == prompt_tokens(used)
    assert stage.value(names.COST_DAILY) == close_to(usd(stage.spec, used))


def tokens_used(spec: Spec, used: Iterable[Request]) -> dict[tuple[str, ...], int]:
    counts: Counter[tuple[str, ...]] = Counter()
    for request in used:
        for token_type, count in request.tokens.items():
            model = oracle.shown_model(spec, request)
            counts[request.gateway.id, request.provider, model, token_type, request.labels["team"]] += count
    return dict(+counts)


def firing(stage: Stage) -> dict[str, str]:
    """How the description begins -> summary, of the alerts expected here; others wait longer than this test lasts."""
    alerts = [alert for alert in stage.server.get("/api/v1/alerts")["alerts"] if alert["state"] == "firing"]
    told = {alert["annotations"]["description"]: alert["annotations"]["summary"] for alert in alerts}
    return {
        begins: summary
        for begins in MIXED_ALERTS
        for description, summary in told.items()
        if description.startswith(begins)
    }


MIXED_UNPRICED = {("agw/old", "mystery-2026", "input"): 50, ("agw/old", "mystery-2026", "output"): 10}
MIXED_ALERTS = {
    "Gateway agw/old used 60 tokens in the last hour of provider openai, request model mystery, "
    "response model mystery-2026. Add the model, or this name as an alias, to models in the spec.": (
        "LLM tokens are used that have no price, so spend is understated."
    ),
    "Budget red: 6.00 of 10.00 USD spent in the last 1d, at or over 50 percent.": (
        "LLM spend has reached a threshold of its budget."
    ),
}


# ---- Prometheus itself restarts --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_restart_of_prometheus_loses_a_step_and_its_settling(prometheus_server: Start, tmp_path: Path) -> None:
    """At most: what it had not looked at when it stopped. What is used while it is away is billed when it is back."""
    spec = hurried(spec_of())
    pod = GatewayPod(spec.gateways[0], "gw")
    traffic = Traffic(pod)
    with staged(spec, [pod], prometheus_server, tmp_path) as stage:
        stage.wait_until_watched()
        with traffic:
            stage.wait_until_counted()
            asked = time.time()
            stage.server.stop()
            ended = time.time()
            traffic.wait_for(more=40)
            again = replace(stage, server=prometheus_server((tmp_path / "prometheus.yml").read_text()))
            back = pod.wait_for_scrape()
            again.wait_until_counted()
        again.wait_until_counted()

        used, counted = traffic.total(), again.value(f"sum(sum_over_time({names.tokens(STEP)}[1h]))")
        not_looked_at = traffic.total(ended) - traffic.total(asked - (STEP + SETTLE + SCRAPE_INTERVAL).seconds)
        assert used - not_looked_at <= counted <= used
        assert not_looked_at < traffic.total(back) - traffic.total(ended), "the outage was too short to tell"
        for record in (names.cost(STEP), names.gateway_cost(STEP), names.cost_of_day(STEP)):
            assert again.value(f"sum(sum_over_time({record}[1h]))") == close_to(Decimal(counted) * USD_PER_TOKEN)
        assert_on_time(again)
        assert_in_good_health(again)


#: What `spec_of` states for the output of its model.
USD_PER_TOKEN = Decimal(10) / 1_000_000


class Traffic:
    """A request every tenth of a second, and when each was served."""

    def __init__(self, pod: GatewayPod) -> None:
        self._pod = pod
        self._served: list[tuple[float, int]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def total(self, until: float = float("inf")) -> int:
        return sum(tokens for second, tokens in list(self._served) if second <= until)

    def wait_for(self, more: int) -> None:
        wanted = len(self._served) + more
        until("there is traffic", lambda: len(self._served) >= wanted)

    def _run(self) -> None:
        while not self._end.wait(0.1):
            self._pod.serve(Request(self._pod.gateway, "openai", "gpt", "gpt", output=1_000))
            self._served.append((time.time(), 1_000))

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
