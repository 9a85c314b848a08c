"""What was sent and what it cost, worked out from the requests alone: a price times a count, in Decimal."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from servers.scraping import SCRAPE_SECONDS, SETTLE_SECONDS, STEP_SECONDS

from tollbook.gen.oracle import Request

if TYPE_CHECKING:
    from gateway_pods import GatewayPod
    from servers.programs import Api

PROVIDER, MODEL = "openai", "gpt"

#: USD for a million tokens.
PRICE = {"input": Decimal("2.5"), "output": Decimal(10), "cache_read": Decimal("1.25")}
MODELS = f"models: [{{provider: {PROVIDER}, name: {MODEL}, prices: [{{input: 2.5, output: 10, cache_read: 1.25}}]}}]"

#: In two scrapes, whenever the first one begins, every server has seen what was served before.
SEEN_WITHIN = 2 * SCRAPE_SECONDS + 1
#: After which every rule of Prometheus, in whatever order its groups run, has seen what was scraped.
COUNTED_WITHIN = SEEN_WITHIN + SETTLE_SECONDS + 2 * STEP_SECONDS
WATCHED_WITHIN = 90

Cell = tuple[str, str]


class Book:
    """Of the requests that were sent, by gateway as figures should call it, and cluster."""

    def __init__(self) -> None:
        self.dollars: dict[Cell, Decimal] = defaultdict(Decimal)
        self.tokens: dict[Cell, int] = defaultdict(int)

    def serve(self, pod: GatewayPod, gateway: str, cluster: str = "", **tokens: int) -> None:
        pod.serve(request(pod, **tokens))
        millionths = sum((PRICE[kind] * count for kind, count in tokens.items()), Decimal())
        self.dollars[gateway, cluster] += millionths / 1_000_000
        self.tokens[gateway, cluster] += sum(tokens.values())

    def of(self, gateway: str) -> dict[Cell, Any]:
        """Dollars, as floats add up."""
        return {cell: close_to(usd) for cell, usd in self.dollars.items() if cell[0] == gateway}


def summed(record: str, step: int = STEP_SECONDS) -> str:
    """What a record of each step holds since the servers began, by gateway and cluster."""
    return f"sum by (gateway, cluster) (sum_over_time(agentgateway:{record}:increase{step}s[1h])) > 0"


def request(pod: GatewayPod, **tokens: int) -> Request:
    return Request(pod.gateway, PROVIDER, MODEL, MODEL, labels={}, **tokens)


def dollars(api: Api, gateway: str) -> dict[Cell, float]:
    found = api.values(summed("cost_usd"), "gateway", "cluster")
    return {(name, cluster): usd for (name, cluster), usd in found.items() if name == gateway}


def alerted(api: Api, alertname: str) -> set[str]:
    """The gateways that the alert names, or named, whether it waits yet or fires."""
    query = f'count by (gateway) (present_over_time(ALERTS{{alertname="{alertname}"}}[1h]))'
    return {gateway for (gateway,) in api.values(query, "gateway")}


def close_to(usd: Decimal) -> Any:
    return pytest.approx(float(usd), rel=1e-9)


def wait_until_watched(api: Api, targets: int, step: int = STEP_SECONDS) -> None:
    """Until prices stand, and what is used from now on is seen to be new: each target was scraped a step before."""
    watched = f"count(up offset {step + SETTLE_SECONDS}s == 1)"
    priced = "count(last_over_time(agentgateway:price_usd_per_mtok[5m]))"
    until(f"{targets} targets are scraped", lambda: api.value(watched) == targets, WATCHED_WITHIN)
    until("there are prices", lambda: api.value(priced) > 0, WATCHED_WITHIN)


def until(what: str, holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(0.5)
