"""Whether the gateway can tell who spends: alerts where it names nobody, and where it names too many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promtool_cases import Case, failures, rule_file
from spec_builders import counter, spec_of, up

from tollbook import rules
from tollbook.gen.spec import Spec
from tollbook.rules import attribution

UNATTRIBUTED = "LLMSpendUnattributed"
OVER_LIMIT = "LLMAttributionOverLimit"
TEAMS = "attribution: [{label: team, expression: apiKey.team, limit: 2}]"
WATCHED = "1x200"


def rules_of(spec: Spec) -> str:
    facts = (group for family in rules.FACTS for group in rules.groups_of(family, spec))
    return rule_file(*facts, rules.ledger_group(spec), *attribution.build(spec))


def used(team: str, tokens: int, **labels: str) -> dict[str, str]:
    """Output at ten dollars a million."""
    return {counter("output", **{"team": team, **labels}): f"_x3 {tokens}x200"}


def unattributed(percent: int, label: str = "team", gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    return {
        "gateway": gateway,
        "attribution": label,
        "severity": "warning",
        **labels,
        "annotation:summary": "A large part of LLM spend bears nobody's name.",
        "annotation:description": (
            f"Gateway {gateway}: {percent} percent of the dollars of the last hour have no {label}, or unknown; more "
            f"than 10 are told. Check that the gateway's policy sets the metric label {label}, that its expression "
            "gives text, and that clients send what it reads."
        ),
    }


def over_limit(
    values: int, limit: int = 2, label: str = "team", gateway: str = "ai/gw", **labels: str
) -> dict[str, str]:
    return {
        "gateway": gateway,
        "attribution": label,
        "severity": "warning",
        **labels,
        "annotation:summary": "An attribution label has more values than its limit, so some are summed as other.",
        "annotation:description": (
            f"Gateway {gateway} shows {values} values of {label}; the spec keeps {limit} apart, those that use the "
            "most. The others stand under other, and every total is complete. Raise the limit, or find the client "
            "that makes up names."
        ),
    }


Alerts = tuple[Mapping[str, str], ...]
#: Name -> the series, the alerts on spend without a name and those on too many names.
CASES: dict[str, tuple[Mapping[str, str], Alerts, Alerts]] = {
    "everybody has a name": ({**used("a", 9000), **used("b", 1)}, (), ()),
    "nobody uses anything": ({}, (), ()),
    "nobody has a name": ({**used("unknown", 9000)}, (unattributed(100),), ()),
    "the label is missing": ({**used("", 9000)}, (unattributed(100),), ()),
    "both ways of having none": (
        {**used("a", 100_000), **used("", 6_000), **used("unknown", 6_000)},
        (unattributed(11),),
        (),
    ),
    "just a tenth": ({**used("a", 9_000_000), **used("unknown", 999_999)}, (), ()),
    "just over a tenth": ({**used("a", 9_000_000), **used("unknown", 1_000_100)}, (unattributed(10),), ()),
    "all of it, but not a cent": ({**used("unknown", 999)}, (), ()),
    "all of it, and over a cent": ({**used("unknown", 1001)}, (unattributed(100),), ()),
    "those without a price count for nothing": (
        {**used("a", 9000), **used("", 9000, gen_ai_request_model="new", gen_ai_response_model="new")},
        (),
        (),
    ),
    "as many as the limit": ({**used("a", 1), **used("b", 1), **used("", 0), **used("unknown", 0)}, (), ()),
    "one more than the limit": ({**used("a", 1), **used("b", 1), **used("c", 0)}, (), (over_limit(3),)),
    "a name on two routes is one": ({**used("a", 1), **used("b", 1, route="x"), **used("b", 1, route="y")}, (), ()),
    "those summed as others have names": (
        {**used("a", 9_000), **used("b", 9_000), **used("c", 8_000), **used("d", 8_000)},
        (),
        (over_limit(4),),
    ),
}


def case_of(name: str, at: str, spec: Spec | None = None) -> Case:
    series, nobody, many = CASES[name]
    alerts = ((UNATTRIBUTED, at, nobody), (OVER_LIMIT, at, many))
    return Case(name, rules_of(spec or spec_of(TEAMS)), {up(): WATCHED, **series}, alerts=alerts)


def test_alerts_tell_of_spend_without_a_name_and_of_too_many_names(promtool: Path) -> None:
    assert failures(promtool, *(case_of(name, "18m") for name in CASES)) == {}


def test_an_owner_whom_a_target_hides_is_counted_under_the_metric_s_own_name(promtool: Path) -> None:
    """Three teams behind one target that bears a team itself: those are booked, and so they are what is over."""
    series = {up(team="platform"): WATCHED}
    for team in ("a", "b", "c"):
        series |= used("platform", 9_000, exported_team=team)
    moments = ((OVER_LIMIT, "16m", ()), (OVER_LIMIT, "17m", (over_limit(3),)))
    assert failures(promtool, Case("hidden", rules_of(spec_of(TEAMS)), series, alerts=moments)) == {}


def test_both_alerts_wait_for_a_quarter_of_an_hour(promtool: Path) -> None:
    """Values are seen at the second minute's end, dollars are counted by then as well."""
    series = {up(): WATCHED, **used("unknown", 9_000), **used("a", 1), **used("b", 1), **used("c", 1)}
    nobody, many = (unattributed(100),), (over_limit(3),)
    moments = (
        (UNATTRIBUTED, "16m", ()),
        (UNATTRIBUTED, "17m", nobody),
        (UNATTRIBUTED, "61m", nobody),
        (UNATTRIBUTED, "62m", ()),
        (OVER_LIMIT, "16m", ()),
        (OVER_LIMIT, "17m", many),
    )
    case = Case("moments", rules_of(spec_of(TEAMS)), series, alerts=moments)
    assert failures(promtool, case) == {}


def test_each_label_gateway_and_cluster_is_told_apart(promtool: Path) -> None:
    spec = spec_of("""
        prometheus: {keep_labels: [cluster]}
        gateways:
          - {name: gw, namespace: ai, monitor: none, job: proxies}
          - {name: other, namespace: ai, monitor: none, job: proxies}
        attribution:
          - {label: team, expression: apiKey.team, limit: 1}
          - {label: agent, expression: request.agent, limit: 2}
    """)
    rows = [
        ("gw", "eu", "a", "x", 9_000),
        ("gw", "us", "b", "x", 9_000),
        ("gw", "us", "b", "y", 9_000),
        ("gw", "us", "b", "z", 9_000),
        ("other", "eu", "a", "x", 9_000),
        ("other", "eu", "unknown", "x", 3_000),
        ("other", "us", "a", "x", 9_000),
        ("other", "us", "b", "", 9_000),
    ]
    series = {up(job="proxies", cluster=cluster): WATCHED for cluster in ("eu", "us")}
    for gateway, cluster, team, agent, tokens in rows:
        series |= used(team, tokens, job="proxies", gateway=f"ai/{gateway}", cluster=cluster, agent=agent)
    nobody = (
        unattributed(25, gateway="ai/other", cluster="eu"),
        unattributed(50, "agent", gateway="ai/other", cluster="us"),
    )
    many = (
        over_limit(3, 2, "agent", cluster="us"),
        over_limit(2, 1, gateway="ai/other", cluster="us"),
    )
    alerts = ((UNATTRIBUTED, "18m", nobody), (OVER_LIMIT, "18m", many))
    assert failures(promtool, Case("apart", rules_of(spec), series, alerts=alerts)) == {}


def test_without_attribution_there_is_no_alert() -> None:
    assert attribution.build(spec_of()) == ()
