"""A Prometheus that was given what a spec generates, and pods of its gateways: what the end-to-end tests play on.

A minute is shortened to two seconds: the spec's intervals, and nothing else, are changed.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
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
from operator_discovery import Pod, prometheus_config

from tollbook.gen import names, oracle
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Request
from tollbook.gen.pipeline import build
from tollbook.gen.spec import Spec

SCRAPE_INTERVAL = SCRAPE_TIMEOUT = Duration.parse("1s")
STEP = SETTLE = Duration.parse("2s")
DEADLINE_SECONDS = 90

Start = Callable[..., Any]


def hurried(spec: Spec) -> Spec:
    scraping = replace(spec.prometheus, scrape_interval=SCRAPE_INTERVAL, scrape_timeout=SCRAPE_TIMEOUT)
    return replace(spec, prometheus=replace(scraping, step=STEP, settle=SETTLE))


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

        def watched() -> bool:
            return len(self.pods) <= len(self.targets()) == self.values(f"count(up offset {STEP} == 1)").get(())

        until("every pod is scraped", watched, lambda: [target["lastError"] for target in self.targets()])

    def targets(self) -> list[dict[str, Any]]:
        targets: list[dict[str, Any]] = self.server.get("/api/v1/targets", state="active")["activeTargets"]
        return targets

    def wait_until_counted(self) -> None:
        """Until what the pods served has reached every figure: all their scrapers see it, the ledger looks at that when
        it has settled, and after it the groups that read what it recorded."""
        seen = max(pod.wait_for_scrape() for pod in self.pods) + SCRAPE_INTERVAL.seconds
        until("the gateways are counted", lambda: self.counted_at() >= seen + SETTLE.seconds)
        counted = self.counted_at()
        until("the figures are read", lambda: min(self.evaluated_at()) >= counted + STEP.seconds)

    def counted_at(self) -> float:
        """The instant that the ledger's last evaluation looked at, by what is recorded last in it."""
        newest = self.values(f"max(timestamp({names.gateway_cost(STEP)}))")
        return newest.get((), 0)

    def evaluated_at(self) -> list[float]:
        """When each group was last evaluated: less than a step after the instant that it looked at."""
        return [instant(group["lastEvaluation"]) for group in self.groups()]


def instant(text: str) -> float:
    """Unix seconds; Prometheus writes nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


def until(what: str, holds: Callable[[], bool], seen: Callable[[], object] = str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} seconds: {what} {seen()}"
        time.sleep(0.1)


@contextmanager
def staged(
    spec: Spec, pods: Iterable[GatewayPod], start: Start, folder: Path, also_applied: Iterable[Any] = ()
) -> Iterator[Stage]:
    outputs = build(spec)
    (folder / names.RULES_FILE).write_text(outputs[names.RULES_FILE])
    applied = [*yaml.safe_load_all(outputs[names.MONITORING_FILE]), *also_applied]
    with running(pods) as alive:
        in_kubernetes = [pod for pod in alive if pod.gateway.namespace]
        listed = [Pod(pod.gateway.name, pod.gateway.namespace, pod.name, pod.address) for pod in in_kubernetes]
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
