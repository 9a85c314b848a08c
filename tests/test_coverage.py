"""What the figures do not cover is told: tokens without a price, and gateways that nobody scrapes."""

from __future__ import annotations

from pathlib import Path

import pytest
from promtool_cases import Case, failures, rule_file
from spec_builders import notation, spec_of, up

from tollbook.rules import coverage

UNPRICED, ABSENT = "LLMTokensUnpriced", "LLMGatewayNotScraped"
TOKENS = "agentgateway:unpriced_tokens:increase1m"


def coverage_rules(text: str = "") -> str:
    return rule_file(*coverage.build(spec_of(text)))


# ---- Tokens without a price ------------------------------------------------------------------------------------------


def unpriced(request: str, response: str, token_type: str = "output", **labels: str) -> str:
    own = {
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "gen_ai_request_model": request,
        "gen_ai_response_model": response,
        "gen_ai_token_type": token_type,
        **labels,
    }
    return notation(TOKENS, **own)


def told(tokens: int, request: str, response: str, **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "gen_ai_request_model": request,
        "gen_ai_response_model": response,
        **labels,
        "annotation:summary": "LLM tokens are used that have no price, so spend is understated.",
        "annotation:description": (
            f"Gateway ai/gw used {tokens} tokens in the last hour of provider openai, request model {request}, "
            f"response model {response}. Add the model, or this name as an alias, to models in the spec."
        ),
    }


def test_tokens_without_a_price_are_told_by_name_for_an_hour(promtool: Path) -> None:
    case = Case(
        "unpriced",
        coverage_rules(),
        {
            unpriced("new", "new-2027"): "_ 700 stale",
            unpriced("new", "new-2027", "input"): "_ 3000000 stale",
            unpriced("other", "unknown"): "_ _ 1 stale",
        },
        alerts=(
            (UNPRICED, "0m", ()),
            (UNPRICED, "1m", (told(3_000_700, "new", "new-2027"),)),
            (UNPRICED, "2m", (told(3_000_700, "new", "new-2027"), told(1, "other", "unknown"))),
            (UNPRICED, "60m", (told(3_000_700, "new", "new-2027"), told(1, "other", "unknown"))),
            (UNPRICED, "61m", (told(1, "other", "unknown"),)),
            (UNPRICED, "62m", ()),
        ),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_clusters_without_a_price_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    series = {unpriced("new", "new", cluster=cluster): f"_ {tokens}" for cluster, tokens in (("eu", 3), ("us", 40))}
    expected = (told(3, "new", "new", cluster="eu"), told(40, "new", "new", cluster="us"))
    case = Case(
        "clusters",
        coverage_rules("prometheus: {keep_labels: [cluster]}"),
        series,
        alerts=((UNPRICED, "1m", expected),),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


# ---- Gateways that nobody scrapes ------------------------------------------------------------------------------------


def lost(gateway: str, job: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": gateway,
        "annotation:summary": "No pod of an AI gateway is scraped, so its spend is not seen.",
        "annotation:description": (
            f"Prometheus has scraped no pod of gateway {gateway} for 10m (job {job}). "
            "Check that the gateway runs, that its monitor exists and that Prometheus selects it."
        ),
    }


GONE = lost("ai/gw", "monitoring/ai-gw")

# Minute by minute: what `up` of the pods is, and the first minute at which the alert fires.
LIVES: dict[str, tuple[dict[str, str], int]] = {
    "a gateway that was never seen": ({}, 10),
    "its only pod ends": ({up(): "1x4 stale"}, 15),
    "its only pod cannot be scraped": ({up(): "1x4 0x60"}, 15),
    "the last of its pods ends": ({up("a"): "1x4 stale", up("b"): "1x20 stale"}, 31),
    "another job scrapes its pods": ({up(job="chart"): "1x60"}, 10),
    "the outage begins again after a success": ({up(): "0x8 1 0x60"}, 20),
}


@pytest.mark.parametrize("name", LIVES)
def test_a_gateway_that_is_not_scraped_for_ten_minutes_is_told(name: str, promtool: Path) -> None:
    series, minute = LIVES[name]
    alerts = ((ABSENT, f"{minute - 1}m", ()), (ABSENT, f"{minute}m", (GONE,)), (ABSENT, f"{minute + 9}m", (GONE,)))
    assert failures(promtool, Case(name, coverage_rules(), series, alerts=alerts, scraped_every="1m")) == {}


def test_a_gateway_with_one_living_pod_is_scraped(promtool: Path) -> None:
    case = Case(
        "one of two",
        coverage_rules(),
        {up("a"): "1x4 0x60", up("b"): "1x60"},
        alerts=tuple((ABSENT, at, ()) for at in ("0m", "20m", "50m")),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_the_alert_ends_when_the_gateway_is_back(promtool: Path) -> None:
    case = Case(
        "back",
        coverage_rules(),
        {up(): "1x4 0x20 1x40"},
        alerts=((ABSENT, "20m", (GONE,)), (ABSENT, "26m", ())),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_each_gateway_has_an_alert_of_its_own(promtool: Path) -> None:
    """Of a ServiceMonitor the job is the Service's name, and the namespace tells namesakes apart."""
    spec = """
        gateways:
          - {name: gw, namespace: ai, monitor: ServiceMonitor}
          - {name: other, namespace: ai}
          - {name: third, namespace: ai, monitor: none, job: proxies}
    """
    case = Case(
        "three",
        coverage_rules(spec),
        {up(job="gw-metrics", namespace="elsewhere"): "1x60", up(job="monitoring/ai-other"): "1x60"},
        alerts=((ABSENT, "20m", (lost("ai/gw", "gw-metrics"), lost("ai/third", "proxies"))),),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}
