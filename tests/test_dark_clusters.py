"""A gateway in two clusters, one of which goes dark in some way while the other lives on: that one is told, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import lookups, reported, requests, streamed, tokens
from lives import chats, scraped
from promtool_cases import NOTHING, Case, all_rules, failures
from spec_builders import notation, spec_of

SPEC = "prometheus: {keep_labels: [cluster]}"
EU, US = {"cluster": "eu"}, {"cluster": "us"}
GROUP = "/etc/prometheus/rules/rulefiles-0/monitoring-agentgateway-cost-totals-5d1c.yaml;tollbook.totals"
MODEL = {"gen_ai_system": "openai", "gen_ai_request_model": "gpt"}

FROZEN = {
    **scraped(**EU),
    requests(**EU): "100x30 100+1x100",
    **{reported("gw-1", each, **EU): "100x140" for each in ("input", "output")},
    **{tokens("gw-1", each, **EU): "90000x140" for each in ("input", "output")},
    lookups("NoCatalog", **EU): "100x30 100+1x100",
}

#: Way to go dark -> what eu shows, from minute 30 on; the alert, its labels, and the minute at which it fires.
WAYS: dict[str, tuple[dict[str, str], str, dict[str, str], int]] = {
    "its pods vanish": (
        {**scraped(values="1x29 stale", **EU), **chats("0+1x29 stale", **EU)},
        "LLMGatewayNotScraped",
        {"job": "monitoring/agentgateway-cost", "severity": "warning"},
        40,
    ),
    "its pods cannot be scraped": (
        {**scraped(values="1x29 0x100", **EU), **chats("0+1x29 stale", **EU)},
        "LLMGatewayNotScraped",
        {"job": "monitoring/agentgateway-cost", "severity": "warning"},
        40,
    ),
    "it exports no sums": (
        {**scraped(**EU), lookups("NoCatalog", **EU): "0x29 1+1x100"},
        "LLMTokenSumsMissing",
        {"severity": "critical"},
        40,
    ),
    "its counters are frozen": (FROZEN, "LLMTokenCountersFrozen", {"severity": "warning"}, 56),
    "its streams report no usage": (
        {
            **scraped(**EU),
            **chats(**EU),
            **{metric(route="b", **EU): "0x29 1+1x100" for metric in (requests, streamed)},
        },
        "LLMRequestsWithoutUsage",
        {**MODEL, "severity": "warning"},
        43,
    ),
    "its rules fail": (
        {
            **scraped(**EU),
            **chats(**EU),
            notation("prometheus_rule_evaluation_failures_total", rule_group=GROUP, **EU): "0x29 1x100",
            notation("prometheus_rule_evaluation_failures_total", rule_group=GROUP, **US): "0x140",
        },
        "LLMCostRulesFailing",
        {"rule_group": GROUP, "severity": "critical"},
        30,
    ),
    "its rules are left out": (
        {
            **scraped(**EU),
            **chats(**EU),
            notation("prometheus_rule_group_iterations_missed_total", rule_group=GROUP, **EU): "0x29 1x100",
            notation("prometheus_rule_group_iterations_missed_total", rule_group=GROUP, **US): "0x140",
        },
        "LLMCostRulesMissed",
        {"rule_group": GROUP, "severity": "warning"},
        30,
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_cluster_that_goes_dark_is_told_and_nothing_else(name: str, promtool: Path) -> None:
    """Silent one minute before."""
    eu, alert, labels, minute = WAYS[name]
    whose = {} if "rule_group" in labels else {"gateway": "ai/gw"}
    fired = notation("ALERTS", alertname=alert, alertstate="firing", **EU, **whose, **labels)
    firing = 'ALERTS{alertstate="firing"}'
    samples = ((firing, f"{minute - 1}m", NOTHING), (firing, f"{minute}m", {fired: 1}))
    series = {**scraped(**US), **chats(**US), **eu}
    case = Case(name, all_rules(spec_of(SPEC)), series, samples, scraped_every="1m")
    assert failures(promtool, case) == {}
