"""More cached tokens than the input that should include them: counted as they are, never below zero, and told."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import build_info, tokens, up
from promtool_cases import Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook import rules
from tollbook.rules import misread

ALERT = "LLMCachedTokensExceedInput"
RECORD = "agentgateway:misread_tokens:increase1m"

Expected = tuple[dict[str, str], ...]


def told(count: int, pod: str = "gw-1", **labels: str) -> dict[str, str]:
    own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt", **labels}
    return {
        "severity": "warning",
        "pod": pod,
        "instance": f"{pod}:15020",
        **own,
        "annotation:summary": (
            "An AI gateway reports more cached tokens than input tokens, which its version rules out."
        ),
        "annotation:description": (
            f"Target {pod}:15020 of gateway {own['gateway']}, provider {own['gen_ai_system']}, model {own['model']}: "
            f"{count} cached tokens of the last 1h exceed the input tokens that should include them. These minutes are "
            "counted as if input excluded them, so nothing is billed below zero; minutes in which both kinds of "
            "requests mix may be billed too low. Known cause: agentgateway reports input without cached tokens for "
            "requests in Messages format that it converts to an OpenAI-compatible provider and that do not stream. "
            "Other cause: a custom provider that reports as Anthropic does, for which the model needs format: "
            "anthropic in the spec."
        ),
    }


# ---- The alert by its record -----------------------------------------------------------------------------------------


def recorded(pod: str = "gw-1", **labels: str) -> str:
    own = {
        "job": "monitoring/agentgateway-cost",
        "instance": f"{pod}:15020",
        "pod": pod,
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "model": "gpt",
        "usage_format": "openai",
        "token_semantics": "1.5",
        **labels,
    }
    return notation(RECORD, **own)


def case(name: str, series: dict[str, str], *alerts: tuple[str, str, Expected], spec: str = "") -> Case:
    return Case(name, rule_file(*misread.build(spec_of(spec))), series, alerts=alerts, scraped_every="1m")


def test_misread_tokens_are_told_after_five_minutes_and_for_an_hour(promtool: Path) -> None:
    series = {
        recorded(): "_x5 6000 stale _x4 100 stale",
        recorded(request_model="gpt", response_model="gpt-x"): "_x5 1 stale",
        recorded("other-1", gateway="ai/other"): "0x100",
    }
    moments = (
        ("9m", ()),
        ("10m", (told(6001),)),
        ("11m", (told(6101),)),
        ("64m", (told(6101),)),
        ("65m", (told(100),)),
        ("71m", ()),
    )
    alerts = ((ALERT, at, expected) for at, expected in moments)
    assert failures(promtool, case("misread", series, *alerts)) == {}


def test_each_pod_model_and_cluster_is_told_by_itself(promtool: Path) -> None:
    series = {
        recorded(cluster="eu"): "1x60",
        recorded(cluster="us"): "2x60",
        recorded("gw-2", cluster="us"): "3x60",
        recorded(model="mini", cluster="us"): "4x60",
        recorded(gen_ai_system="azure", cluster="us"): "5x60",
    }
    expected = (
        told(6, cluster="eu"),
        told(12, cluster="us"),
        told(18, "gw-2", cluster="us"),
        told(24, model="mini", cluster="us"),
        told(30, gen_ai_system="azure", cluster="us"),
    )
    apart = case("apart", series, (ALERT, "5m", expected), spec="prometheus: {keep_labels: [cluster]}")
    assert failures(promtool, apart) == {}


# ---- From the counters -----------------------------------------------------------------------------------------------

# Input, read from the cache, written to it -> what is told.
USED = {
    "all input was cached": ((6_000, 6_000, 0), ()),
    "all input was cached, some of it anew": ((6_000, 4_000, 2_000), ()),
    "one token more than the input": ((6_000, 6_001, 0), (told(6_001),)),
    "one token more with those written": ((6_000, 4_000, 2_001), (told(6_001),)),
    "no input at all": ((0, 6_000, 0), (told(6_000),)),
    "nothing is cached": ((6_000, 0, 0), ()),
}


@pytest.mark.parametrize("name", USED)
def test_from_the_first_cached_token_that_the_input_cannot_include(name: str, promtool: Path) -> None:
    """The use is counted in the second minute. Beside it a gateway all of whose input was cached, which may be."""
    spec = spec_of("gateways: [{name: gw, namespace: ai}, {name: other, namespace: ai}]")
    facts = (group for family in rules.FACTS for group in rules.groups_of(family, spec))
    text = rule_file(*facts, rules.ledger_group(spec), *misread.build(spec))
    amounts, expected = USED[name]
    series = {up(): "1x200", up("other-1", gateway="ai/other"): "1x200", build_info(): "1x200"}
    for token_type, amount in zip(("input", "input_cache_read", "input_cache_write"), amounts, strict=True):
        series[tokens(token_type=token_type)] = f"_x3 {amount}x200"
    for token_type in ("input", "input_cache_read"):
        series[tokens("other-1", token_type=token_type, gateway="ai/other")] = "_x3 9000x200"
    alerts = ((ALERT, "6m", ()), (ALERT, "7m", expected), (ALERT, "61m", expected), (ALERT, "62m", ()))
    assert failures(promtool, Case(name, text, series, alerts=alerts)) == {}


def test_a_release_whose_input_excludes_the_cache_is_not_misread(promtool: Path) -> None:
    """Anthropic's models before 1.5: any number of cached tokens is right."""
    spec = spec_of("""
        gateways: [{name: gw, namespace: ai, version: "1.4"}]
        models: [{provider: anthropic, name: claude, prices: [{input: 3, output: 15}]}]
    """)
    facts = (group for family in rules.FACTS for group in rules.groups_of(family, spec))
    text = rule_file(*facts, rules.ledger_group(spec), *misread.build(spec))
    model = {"gen_ai_system": "anthropic", "gen_ai_request_model": "claude", "gen_ai_response_model": "claude"}
    series = {
        up(): "1x200",
        build_info(tag="v1.4.1"): "1x200",
        tokens(token_type="input", **model): "_x3 10x200",
        tokens(token_type="input_cache_read", **model): "_x3 9000x200",
    }
    assert failures(promtool, Case("excluded", text, series, alerts=((ALERT, "20m", ()),))) == {}
