"""Our dollars against the gateway's own: silence where both agree or it counts none, else an alert on the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promtool_cases import Case, failures, rule_file
from spec_builders import counter, notation, spec_of, up, usd_counter

from tollbook import rules
from tollbook.gen.spec import Spec
from tollbook.rules import reconciliation

DIFFERENCE = "agentgateway:cost_usd:minus_reported1h"
ALERT = "LLMCostDisagreesWithGateway"
MODELS = """
models:
  - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
  - {provider: openai, name: long, prices: [{input: 1, output: 10, tiers: [{context_over: 1000, output: 20}]}]}
"""
WATCHED = "1x200"


def rules_of(spec: Spec) -> str:
    facts = (group for family in rules.FACTS for group in rules.groups_of(family, spec))
    return rule_file(*facts, rules.ledger_group(spec), *reconciliation.build(spec))


def told(usd: str, here: str, reported: str, model: str = "gpt", **labels: str) -> dict[str, str]:
    gateway = labels.get("gateway", "ai/gw")
    return {
        "gateway": gateway,
        "gen_ai_system": "openai",
        "model": model,
        "severity": "warning",
        **labels,
        "annotation:summary": "Recorded LLM spend is not what the gateway itself counts.",
        "annotation:description": (
            f"Gateway {gateway}, provider openai, model {model}: in the last hour the dollars recorded here less the "
            f"gateway's own are {usd}, more than 2 percent of them. Likely causes, in order: (1) tokens are meant "
            "otherwise: cached ones are counted twice or left out, because the gateway reports them wrong "
            "(LLMCachedTokensExceedInput), the model's format in the spec is not its provider's, or the pods run a "
            "build of which the spec says another version (LLMGatewayVersionUnknown); (2) one side knows a condition "
            "that the other does not: a tier for long contexts, a service tier; (3) the model's prices in the spec "
            "and in the gateway's catalog differ, or are only in one of them. Compare the gateway's log of one request "
            "with the provider's invoice, then the prices.\n"
            f"- counted here: {here} USD\n"
            f"- counted by the gateway: {reported} USD"
        ),
    }


def used(tokens: int, usd: str, model: str = "gpt", **labels: str) -> dict[str, str]:
    """Output at ten dollars a million, and what the gateway counts for it."""
    of_model = {"gen_ai_request_model": model, "gen_ai_response_model": model, **labels}
    series = {counter("output", **of_model): f"_x3 {tokens}x200"}
    return series | ({usd_counter(**of_model): f"_x3 {usd}x200"} if usd else {})


#: Name -> the series, and what is told of them after a quarter of an hour.
CASES: dict[str, tuple[Mapping[str, str], tuple[Mapping[str, str], ...]]] = {
    "equal": (used(1_000_000, "10"), ()),
    "the gateway counts no dollars": (used(1_000_000, ""), ()),
    "nothing is used": (used(0, "0"), ()),
    # 2 percent of 9.81 are 0.1962; of 9.80 they are 0.196
    "just within two percent": (used(1_000_000, "9.81"), ()),
    "just over two percent": (used(1_000_000, "9.8"), (told("0.20", "10.00", "9.80"),)),
    "just within two percent below": (used(1_000_000, "10.2"), ()),
    "just over two percent below": (used(1_000_000, "10.21"), (told("-0.21", "10.00", "10.21"),)),
    "less than a cent": (used(900, "0"), ()),
    "more than a cent": (used(1_100, "0"), (told("0.01", "0.01", "0.00"),)),
    "the gateway's catalog has a price of zero": (used(1_000_000, "0"), (told("10.00", "10.00", "0.00"),)),
    "the gateway bills twice as much": (used(1_000_000, "20"), (told("-10.00", "10.00", "20.00"),)),
    "only the gateway has a price": (used(1_000_000, "5", "new"), (told("-5.00", "0.00", "5.00", "new"),)),
    "the model is told, and only that": (
        {**used(1_000_000, "10"), **used(1_000_000, "8", "long"), **used(1_000_000, "", "new")},
        (told("2.00", "10.00", "8.00", "long"),),
    ),
    "a long context that both count": (
        {
            counter("input", gen_ai_request_model="long", gen_ai_response_model="long"): "_x3 1001x200",
            counter("output", gen_ai_request_model="long", gen_ai_response_model="long"): "_x3 1000000x200",
            usd_counter(gen_ai_request_model="long", gen_ai_response_model="long"): "_x3 20.001001x200",
        },
        (),
    ),
    "two that make up for each other": (
        {**used(1_000_000, "11", route="a"), **used(1_000_000, "9", route="b")},
        (),
    ),
    # A million tokens before, and half a million while the gateway counts
    "a gateway that is given its catalog within the hour": (
        {counter("output"): "_x3 1000000x9 1500000x200", usd_counter(): "_x13 5x200"},
        (),
    ),
}


def case_of(name: str, at: str, expected: tuple[Mapping[str, str], ...]) -> Case:
    series, _ = CASES[name]
    return Case(f"{name} {at}", rules_of(spec_of(MODELS)), {up(): WATCHED, **series}, alerts=((ALERT, at, expected),))


def test_an_alert_tells_by_how_much_the_two_disagree(promtool: Path) -> None:
    """The use is counted in the second minute; the alert waits for a quarter of an hour."""
    cases = [
        case_of(name, "24m" if "within the hour" in name else "17m", firing) for name, (_, firing) in CASES.items()
    ]
    assert failures(promtool, *cases) == {}


def test_the_alert_waits_and_ends_an_hour_later(promtool: Path) -> None:
    firing = CASES["just over two percent"][1]
    moments = (("16m", ()), ("17m", firing), ("61m", firing), ("62m", ()))
    case = Case(
        "moments",
        rules_of(spec_of(MODELS)),
        {up(): WATCHED, **used(1_000_000, "9.8")},
        alerts=tuple((ALERT, at, expected) for at, expected in moments),
    )
    assert failures(promtool, case) == {}


def test_gateways_and_clusters_are_told_apart(promtool: Path) -> None:
    """One agrees, one does not, in one of its clusters; and of one that counts no dollars nothing is said."""
    spec = spec_of(f"""
prometheus: {{keep_labels: [cluster]}}
attribution: [{{label: team, expression: apiKey.team}}]
gateways:
  - {{name: gw, namespace: ai, monitor: none, job: proxies}}
  - {{name: other, namespace: ai, monitor: none, job: proxies}}
  - {{name: old, namespace: ai, monitor: none, job: proxies, version: "1.3"}}
{MODELS}""")
    series = {up(job="proxies", cluster=cluster): WATCHED for cluster in ("eu", "us")}
    for gateway, cluster, usd in (("gw", "eu", "10"), ("gw", "us", "10"), ("other", "eu", "10"), ("other", "us", "7")):
        labels = {"job": "proxies", "gateway": f"ai/{gateway}", "cluster": cluster, "team": "a"}
        series |= used(1_000_000, usd, **labels)
    series |= used(1_000_000, "", job="proxies", gateway="ai/old", cluster="eu")
    expected = (told("3.00", "10.00", "7.00", gateway="ai/other", cluster="us"),)
    difference = {
        notation("", gateway=gateway, gen_ai_system="openai", model="gpt", cluster=cluster): usd
        for gateway, cluster, usd in (
            ("ai/gw", "eu", 0),
            ("ai/gw", "us", 0),
            ("ai/other", "eu", 0),
            ("ai/other", "us", 3),
        )
    }
    samples = ((f"round({DIFFERENCE}, 0.001)", "17m", difference),)
    case = Case("apart", rules_of(spec), series, samples, alerts=((ALERT, "17m", expected),))
    assert failures(promtool, case) == {}
