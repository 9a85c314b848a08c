"""Lives of gateways that want for nothing, played to all rules at once: no alert may fire that is not true of them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from gateway_series import build_info, failed, lookups, of_requests, reported, requests, tokens, up
from lives import MINUTES, chats, scraped
from promtool_cases import NOTHING, Case, Samples, all_rules, failures
from spec_builders import spec_of

from tollbook.gen.model import Alert
from tollbook.rules import evaluation, misread, reconciliation, targets, unpriced, usage, versions

SPEC = """
models:
  - {provider: openai, name: gpt, aliases: [gpt-2024], prices: [{input: 1, output: 10, cache_read: 0.1}]}
  - {provider: openai, name: embed, prices: [{input: 1, output: 0}]}
  - {provider: ollama, name: local, free: true}
budgets:
  - {name: all, amount: 1000, period: day}
"""


def without_tokens(rate: int, status: str = "Exact", **labels: str) -> dict[str, str]:
    """So many requests a minute whose answers name no model and report no usage; each is looked up."""
    values = f"0+{rate}x{MINUTES}"
    return {failed(**labels): values, lookups(status, **{"gen_ai_response_model": "unknown", **labels}): values}


EMBED = {"gen_ai_request_model": "embed", "gen_ai_response_model": "embed"}
LOCAL = {"gen_ai_system": "ollama", "gen_ai_request_model": "local", "gen_ai_response_model": "local"}
RERANK = {"gen_ai_system": "cohere", "gen_ai_request_model": "rerank-v3.5"}
GROWS = f"0+20x{MINUTES}"

EMBEDDINGS = {
    requests(**EMBED): GROWS,
    reported("gw-1", "input", **EMBED): GROWS,
    tokens("gw-1", "input", **EMBED): f"0+2000x{MINUTES}",
    lookups("Exact", **EMBED): GROWS,
    of_requests("agentgateway_gen_ai_client_cost_usd_total", **EMBED): f"0+0.002x{MINUTES}",
}
FREE = {
    requests(**LOCAL): GROWS,
    **{reported("gw-1", token_type, **LOCAL): GROWS for token_type in ("input", "output")},
    **{tokens("gw-1", token_type, **LOCAL): f"0+9000x{MINUTES}" for token_type in ("input", "output")},
    lookups("Missing", **LOCAL): GROWS,
}
ROLLOUT = {
    up("old"): "1x90 0x2 stale",
    build_info("old", tag="v1.5.0"): "1x90 stale",
    **chats("9000+2x90 stale", "old"),
    up("new"): "_x85 0x3 1x160",
    build_info("new", tag="v1.5.1"): "_x89 1x160",
    **chats("_x91 2+2x150", "new"),
}
NIGHT = "0+3x40 123x160 123+3x40"

#: Life -> its series, and what is told of it, which is true.
LIVES: dict[str, tuple[dict[str, str], Samples]] = {
    "chats beside all that follows": (
        {
            **scraped(),
            **chats(),
            **without_tokens(60),
            **EMBEDDINGS,
            **without_tokens(30, "Missing", **RERANK),
            **FREE,
        },
        NOTHING,
    ),
    "clients that only count tokens": ({**scraped(), **without_tokens(60)}, NOTHING),
    "embeddings": ({**scraped(), **EMBEDDINGS}, NOTHING),
    "a reranker": ({**scraped(), **without_tokens(30, "Missing", **RERANK)}, NOTHING),
    "a free model that the gateway's catalog lacks": ({**scraped(), **FREE, lookups("Exact"): GROWS}, NOTHING),
    "an idle night": ({**scraped(), **chats(NIGHT)}, NOTHING),
    "a gateway that was never asked anything": (scraped(), NOTHING),
    "a rollout": (ROLLOUT, NOTHING),
    "a nightly build": (
        {**scraped("0.0.0-alpha.75b4e6ce6"), **chats()},
        {'{alertname="LLMGatewayVersionUnknown",severity="info"}': 1},
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_nothing_false_is_told_of_a_healthy_gateway(name: str, promtool: Path) -> None:
    """At no moment of four hours."""
    series, told = LIVES[name]
    fired = f'count by (alertname, severity) (count_over_time(ALERTS{{alertstate="firing"}}[{MINUTES}m]))'
    samples = ((fired, f"{MINUTES - 5}m", told),)
    case = Case(name, all_rules(spec_of(SPEC)), series, samples, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_these_lives_are_counted(promtool: Path) -> None:
    """Silence would prove nothing of lives that no rule sees."""
    series = {**scraped(), **chats(), **EMBEDDINGS, **FREE, **without_tokens(60)}
    tokens_of = {'{model="gpt"}': 60_000, '{model="embed"}': 120_000, '{model="local"}': 1_080_000}
    counted = "sum by (model) (sum_over_time(agentgateway:tokens:increase1m[59m59s999ms])) > 0"
    samples = ((counted, "120m", tokens_of),)
    case = Case("counted", all_rules(spec_of(SPEC)), series, samples, scraped_every="1m")
    assert failures(promtool, case) == {}


@pytest.mark.parametrize("family", [targets, usage, unpriced, evaluation, reconciliation, versions, misread])
def test_no_label_of_a_series_is_overwritten(family: ModuleType) -> None:
    """An alert's own label wins over that of its series: but for the severity, all labels are the series'."""
    alerts = [rule for group in family.build(spec_of(SPEC)) for rule in group.rules if isinstance(rule, Alert)]
    assert {label for alert in alerts for label in alert.labels} == {"severity"}
