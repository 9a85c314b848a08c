"""The whole way with real programs: gateways' own text over HTTP, a real Prometheus that scrapes them as out/monitoring.yaml
says, loads out/rules.yaml, and is asked what the article asks; the oracle knows what it must answer.

A minute is shortened to two seconds: the spec's intervals, and nothing else, are not those of tollbook.yaml.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway_pods import GatewayPod, running
from operator_discovery import GATEWAY_CLASS_LABEL, Pod, prometheus_config
from spec_builders import spec_of

from tollbook.gen import names, oracle
from tollbook.gen.durations import Duration
from tollbook.gen.load import load
from tollbook.gen.oracle import Request
from tollbook.gen.pipeline import build
from tollbook.gen.spec import Spec

ROOT = Path(__file__).resolve().parent.parent
SCRAPE_INTERVAL = SCRAPE_TIMEOUT = Duration.parse("1s")
STEP = SETTLE = Duration.parse("2s")
DEADLINE_SECONDS = 90

Start = Callable[..., Any]


# ---- The stage ---------------------------------------------------------------------------------------------------


def hurried(spec: Spec) -> Spec:
    intervals = {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_TIMEOUT, "step": STEP, "settle": SETTLE}
    return replace(spec, prometheus=replace(spec.prometheus, **intervals))


@dataclass(frozen=True)
class Stage:
    """A Prometheus that was given what `spec` generates, and the pods that it finds."""

    spec: Spec
    server: Any
    pods: list[GatewayPod]
    folder: Path

    def value(self, query: str) -> float:
        """The one sample that the article's commands would show."""
        (sample,) = self.server.get("/api/v1/query", query=query)["result"]
        _, text = sample["value"]
        return float(text)

    def values(self, query: str, *by: str) -> dict[tuple[str, ...], float]:
        result = self.server.get("/api/v1/query", query=query)["result"]
        found = {tuple(each["metric"].get(name, "") for name in by): float(each["value"][1]) for each in result}
        assert len(found) == len(result), f"{query}: samples that {by} do not tell apart"
        return found

    def groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.server.get("/api/v1/rules")["groups"]
        return groups

    def wait_until_watched(self) -> None:
        """Until what is used from now on is seen to be new: the step before it has a scrape of every target."""
        pods = f"count(count by (pod) (up offset {STEP} == 1))"
        until("every pod is scraped", lambda: self.values(pods) == {(): len(self.pods)})

    def wait_until_counted(self) -> None:
        """Until what the pods served has reached every figure: all their scrapers see it, the gateways' groups look at
        that when it has settled, and after them the groups that read what those recorded."""
        seen = max(pod.wait_for_scrape() for pod in self.pods) + SCRAPE_INTERVAL.seconds
        self._wait_for_evaluation(after=seen + (SETTLE + STEP).seconds)
        self._wait_for_evaluation(after=time.time() + STEP.seconds)

    def _wait_for_evaluation(self, after: float) -> None:
        def evaluated() -> bool:
            return all(instant(group["lastEvaluation"]) > after for group in self.groups())

        until("every group is evaluated", evaluated)


def instant(text: str) -> float:
    """Unix seconds; Prometheus writes nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


def until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} seconds: {what}"
        time.sleep(0.1)


@contextmanager
def staged(
    spec: Spec, pods: Iterable[GatewayPod], start: Start, folder: Path, also_applied: Iterable[Any] = ()
) -> Iterator[Stage]:
    outputs = build(spec)
    (folder / names.RULES_FILE).write_text(outputs[names.RULES_FILE])
    applied = [*yaml.safe_load_all(outputs[names.MONITORING_FILE]), *also_applied]
    with running(pods) as alive:
        listed = [Pod(pod.gateway.name, pod.gateway.namespace, pod.name, pod.address) for pod in alive]
        config = prometheus_config(applied, listed, names.RULES_FILE, str(STEP))
        server = start(json.dumps(config))
        yield Stage(spec, server, alive, folder)


def assert_in_good_health(stage: Stage) -> None:
    """Every rule was evaluated without an error, and Prometheus had no reason to warn of anything."""
    rules = [rule for group in stage.groups() for rule in group["rules"]]
    unhealthy = [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
    assert unhealthy == []
    assert [rule["name"] for rule in rules if rule.get("lastError")] == []
    log = (stage.folder / "prometheus.log").read_text()
    assert re.findall(r"(?im)^.*\blevel=(?:warn|error)\b.*$", log) == []


def assert_on_time(stage: Stage) -> None:
    """Otherwise the machine, not the rules, lost something."""
    with urllib.request.urlopen(f"{stage.server.url}/metrics", timeout=60) as answer:
        metrics = answer.read().decode()
    missed = re.findall(r"(?m)^prometheus_rule_group_iterations_missed_total\{.*\} (\S+)$", metrics)
    assert set(missed) == {"0"}, "this machine is too busy: Prometheus left out evaluations"


def close_to(expected: Decimal) -> Any:
    """Prometheus adds floats."""
    return pytest.approx(float(expected), rel=1e-9, abs=1e-15)


def usd(spec: Spec, requests: Iterable[Request]) -> Decimal:
    return sum(oracle.dollars(spec, requests).values(), Decimal())


# ---- The article -----------------------------------------------------------------------------------------------------

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

        everything = sum(used.values(), [])
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


# ---- Every kind of monitor, and everything that befalls a pod ---------------------------------------------------------

MIXED = """
gateways:
  - {name: edge, namespace: ai}
  - {name: inner, namespace: ai, version: "1.4", monitor: ServiceMonitor}
  - {name: old, namespace: agentgateway-system, version: "0.11", monitor: none, job: agentgateway-system/agentgateway-proxy}
  - {name: new, namespace: agentgateway-system, monitor: none, job: agentgateway-system/agentgateway-proxy}
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
  - {name: red, usd: 10, period: 24h, match: {team: red}, alert_at: {50: warning, 100: critical}}
"""

#: The chart's own, applied with a selector that is too wide: it scrapes every pod once more.
CHARTS_MONITOR = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PodMonitor",
    "metadata": {"name": "agentgateway-proxy", "namespace": "agentgateway-system"},
    "spec": {
        "namespaceSelector": {"any": True},
        "selector": {"matchLabels": {GATEWAY_CLASS_LABEL: "agentgateway"}},
        "podMetricsEndpoints": [
            {"port": "metrics", "path": "/metrics", "interval": str(SCRAPE_INTERVAL), "scrapeTimeout": str(SCRAPE_TIMEOUT)}
        ],
    },
}

CELL = (names.GATEWAY, names.PROVIDER, names.MODEL, names.TOKEN_TYPE, "team")


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

    def serve(pod: GatewayPod, provider: str, model: str, answered: str = "", team: str = "blue", **tokens: int) -> None:
        request = Request(pod.gateway, provider, model, answered or model, **tokens, labels={"team": team})
        pod.serve(request)
        used.append(request)

    with staged(spec, pods, prometheus_server, tmp_path, [CHARTS_MONITOR]) as stage:
        stage.wait_until_watched()
        serve(reset, "openai", "gpt", "gpt-2026-01-01", input=4_000, output=5_000, cache_read=6_000)
        serve(restarted, "openai", "gpt", input=100, output=200)
        serve(unreachable, "anthropic", "claude", names.UNKNOWN, "red", input=7, output=9, cache_read=8, cache_write=30_000)
        serve(crashed, "anthropic", "claude", input=40, output=90_000, cache_write=2)
        serve(steady, "ollama", "llama", input=123, output=456)
        serve(steady, "openai", "gpt", team="red", output=1)
        stage.wait_until_counted()
        assert_all_counted(stage, used)

        restarted.restart()
        unreachable.cut_off()
        crashed.cut_off()
        stage.wait_until_counted()
        assert_all_counted(stage, used)

        reset.restart()
        serve(reset, "openai", "gpt", "gpt-2026-01-01", input=1_000, output=2_000)
        serve(restarted, "openai", "gpt", input=10_000, output=20_000)
        serve(unreachable, "anthropic", "claude", names.UNKNOWN, "red", input=1, output=1)
        unreachable.reconnect()
        crashed.restart()
        serve(crashed, "anthropic", "claude", input=1, output=80_000, cache_write=1)
        crashed.reconnect()
        serve(steady, "openai", "mystery", "mystery-2026", input=50, output=10)
        stage.wait_until_counted()
        assert_all_counted(stage, used)

        assert stage.values(names.COST_BY_GATEWAY, "gateway")[idle.id,] == 0
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
    """Description -> summary, of all alerts there are."""
    alerts = stage.server.get("/api/v1/alerts")["alerts"]
    assert {alert["state"] for alert in alerts} <= {"firing"}
    return {alert["annotations"]["description"]: alert["annotations"]["summary"] for alert in alerts}


MIXED_ALERTS = {
    "Gateway agentgateway-system/old used 60 tokens in the last hour of provider openai, request model mystery, "
    "response model mystery-2026. Add the model, or this name as an alias, to models in the spec.": (
        "LLM tokens are used that have no price, so spend is understated."
    ),
    "Budget red: 6.00 of 10 USD spent in the last 1d, at or over 50 percent.": (
        "LLM spend has reached a threshold of its budget."
    ),
}


# ---- Prometheus itself restarts ------------------------------------------------------------------------------------------


def test_a_restart_of_prometheus_loses_a_step_and_the_settling_at_most(prometheus_server: Start, tmp_path: Path) -> None:
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
            traffic.wait_for(more=20)
            again = replace(stage, server=prometheus_server((tmp_path / "prometheus.yml").read_text()))
            begun = time.time()
            again.wait_until_counted()
        again.wait_until_counted()

        lost = traffic.total() - again.value(f"sum(sum_over_time({names.tokens(STEP)}[1h]))")
        longest = (STEP + SETTLE + SCRAPE_INTERVAL).seconds
        assert 0 <= lost <= traffic.total(ended) - traffic.total(asked - longest)
        assert traffic.total(begun) - traffic.total(ended) > 0
        assert_on_time(again)
        assert_in_good_health(again)


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
