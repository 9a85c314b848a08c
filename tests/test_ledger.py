"""What a counter rose by, step by step: every piece of the ledger's formula is taken away once, and a case must notice.

Scrapes come every 30 s, the rules run every minute. A case sums all that was ever recorded, so that what is billed
twice or not at all shows, wherever it happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from promtool_cases import Case, fact_groups, failures, ledger_of, rule_file, unmet
from spec_builders import counter, spec_of, up

from tollbook.gen.model import Rule, RuleGroup
from tollbook.gen.promql import Expr
from tollbook.gen.spec import Spec
from tollbook.rules import booking, ledger, prices

METERED = "agentgateway:metered_tokens:increase1m"
BILLED = f"sum(sum_over_time({METERED}[2h]))"

ONE_GATEWAY = "prometheus: {gap: 10m}"
TWO_CLUSTERS = "prometheus: {keep_labels: [cluster]}"
SHARED_JOB = """
    gateways:
      - {name: gw, namespace: ai, monitor: none, job: proxies}
      - {name: other, namespace: ai, monitor: none, job: proxies}
"""
WATCHED = "1x80"  # forty minutes


def of_pod(pod: str, series: str) -> str:
    """As the operator labels it, with the name of the pod beside its address."""
    return series.replace("{", f'{{pod="{pod}",', 1)


# Name -> the spec, the tokens that are to be billed, and the values of the series, one each half minute.
LIVES: dict[str, tuple[str, int, Mapping[str, str]]] = {
    "the first installation bills nothing of what was used before it": (
        ONE_GATEWAY,
        50,
        {up(): "_x9 " + WATCHED, counter(): "_x9 5000000x30 5000050x50"},
    ),
    "a series born on a watched target is billed with its first value": (
        ONE_GATEWAY,
        1000,
        {up(): WATCHED, counter(): "_x10 1000x60"},
    ),
    "a counter that falls has begun at zero again": (
        ONE_GATEWAY,
        4000 + 700,
        {up(): WATCHED, counter(): "_x10 4000x9 700x60"},
    ),
    "a counter that falls has begun at zero again also where `up` is not kept, but of a birth nothing is known": (
        ONE_GATEWAY,
        700,
        {counter(): "_x10 4000x9 700x60"},
    ),
    "a process that restarts has begun at zero, also where it soon stands higher": (
        ONE_GATEWAY,
        3000 + 3500,
        {up(): WATCHED, counter(): "_x10 3000x9 stale _x3 3500x60"},
    ),
    "an unreachable target is billed for the meantime, once, when it is back": (
        ONE_GATEWAY,
        1000 + 800,
        {up(): "1x20 0x9 1x60", counter(): "_x5 1000x15 stale _x9 1800x60"},
    ),
    "an unreachable target that restarted in the meantime is billed from zero": (
        ONE_GATEWAY,
        1000 + 300,
        {up(): "1x20 0x9 1x60", counter(): "_x5 1000x15 stale _x9 300x60"},
    ),
    "a target unreachable for longer than the gap is not billed for the meantime": (
        ONE_GATEWAY,
        1000 + 30,
        {up(): "1x19 0x30 1x60", counter(): "_x5 1000x14 stale _x30 9000x9 9030x50"},
    ),
    "what is used while Prometheus is down is billed once, when it is back": (
        ONE_GATEWAY,
        1000 + 800,
        {up(): "1x19 _x16 1x60", counter(): "_x5 1000x14 _x16 1800x60"},
    ),
    "what is used while Prometheus is down for longer than the gap is not billed": (
        ONE_GATEWAY,
        1000 + 30,
        {up(): "1x19 _x30 1x60", counter(): "_x5 1000x14 _x30 9000x9 9030x60"},
    ),
    "a series born while Prometheus was down is billed with its first value": (
        ONE_GATEWAY,
        1800,
        {up(): "1x19 _x14 1x60", counter(): "_x34 1800x60"},
    ),
    "a pod that joins a watched fleet is billed from zero": (
        ONE_GATEWAY,
        900,
        {up("old"): WATCHED, up("new"): "_x36 1x60", counter(pod="new"): "_x36 900x60"},
    ),
    "a pod that could not be reached when monitoring began is not billed for its past": (
        ONE_GATEWAY,
        7,
        {up("old"): WATCHED, up("late"): "_x2 0x20 1x60", counter(pod="late"): "_x23 5000000x9 5000007x60"},
    ),
    "a pod is new until its container listens": (
        ONE_GATEWAY,
        900,
        {up("old"): WATCHED, up("new"): "_x36 0x5 1x60", counter(pod="new"): "_x42 900x60"},
    ),
    "a pod that was no target for a while is not new when it comes back": (
        ONE_GATEWAY,
        1000 + 30,
        {
            up("old"): "1x100",
            up("back"): "1x20 stale _x50 1x60",
            counter(pod="back"): "_x5 1000x14 stale _x51 9000x9 9030x50",
        },
    ),
    "a series that goes on under another label of its target is not born again": (
        ONE_GATEWAY,
        1000 + 100,
        {
            up(): WATCHED,
            counter(container="agent-gateway"): "_x10 1000x9 stale",
            counter(container="agentgateway"): "_x20 1000x10 1100x60",
        },
    ),
    "a target that is given another label while it runs is not billed for its past": (
        ONE_GATEWAY,
        1000 + 100,
        {
            up(): "1x19 stale",
            up(zone="a"): "_x20 1x60",
            counter(): "_x10 1000x9 stale",
            counter(zone="a"): "_x20 1000x10 1100x60",
        },
    ),
    "another pod at the address of one that ended is billed from zero": (
        ONE_GATEWAY,
        1000 + 900,
        {
            of_pod("x", up("address")): "1x19 stale",
            of_pod("y", up("address")): "_x20 1x60",
            of_pod("x", counter(pod="address")): "_x10 1000x9 stale",
            of_pod("y", counter(pod="address")): "_x20 900x60",
        },
    ),
    "what a process counted just before it restarts is billed too": (
        ONE_GATEWAY,
        4000 + 600 + 700,
        {up(): WATCHED, counter(): "_x4 4000x3 4600 700x60"},
    ),
    "a pod that appears before the fleet was watched for five minutes is not billed for its past": (
        ONE_GATEWAY,
        5,
        {up("old"): WATCHED, up("new"): "_x8 1x60", counter(pod="new"): "_x8 900x20 905x50"},
    ),
    "a pod that ends is billed up to its last scrape": (
        ONE_GATEWAY,
        1000 + 600,
        {up(): "1x20 stale", counter(): "_x5 1000x14 1600 stale"},
    ),
    "a second job on the same pods changes nothing": (
        ONE_GATEWAY,
        1000 + 100,
        {
            up(): WATCHED,
            counter(): "_x10 1000x9 1100x60",
            up(job="chart"): WATCHED,
            counter(job="chart"): "_x11 1000x9 1100x60",
        },
    ),
    "whatever a counted job shows is billed, also a gateway that the spec does not name": (
        ONE_GATEWAY,
        1000 + 7000,
        {
            up(): WATCHED,
            counter(): "_x10 1000x60",
            up("new", gateway="lab/new"): WATCHED,
            counter(pod="new", gateway="lab/new"): "_x10 7000x60",
        },
    ),
    "a gateway that joins ours later is not billed for its past": (
        ONE_GATEWAY,
        1000 + 4,
        {
            up(): WATCHED,
            counter(): "_x10 1000x60",
            up("new", gateway="ai/new"): "_x36 1x60",
            counter(pod="new", gateway="ai/new"): "_x36 7000000x20 7000004x30",
        },
    ),
    "gateways that share a job are billed once each, and one that comes later not for its past": (
        SHARED_JOB,
        1000 + 4,
        {
            up(job="proxies"): WATCHED,
            counter(job="proxies"): "_x10 1000x60",
            up("other", job="proxies"): "_x60 1x60",
            counter(pod="other", job="proxies", gateway="ai/other"): "_x60 7000000x20 7000004x30",
        },
    ),
    "a pod that joins a gateway in somebody else's job is billed from zero, whosever else comes": (
        SHARED_JOB,
        1000 + 900,
        {
            up(job="proxies"): WATCHED,
            counter(job="proxies"): "_x10 1000x60",
            up("new", job="proxies"): "_x46 1x60",
            counter(pod="new", job="proxies"): "_x46 900x60",
        },
    ),
    "a cluster that comes later is not billed for its past": (
        TWO_CLUSTERS,
        1000,
        {
            up(cluster="a"): WATCHED,
            counter(cluster="a"): "_x10 1000x60",
            up(cluster="b"): "_x46 1x60",
            counter(cluster="b"): "_x46 7000000x60",
        },
    ),
    "of two clusters that use one address, one is reached while the other is not": (
        TWO_CLUSTERS,
        1000 + 100 + 1000 + 800,
        {
            up(cluster="a"): WATCHED,
            counter(cluster="a"): "_x10 1000x9 1100x60",
            up(cluster="b"): "1x20 0x9 1x60",
            counter(cluster="b"): "_x5 1000x15 stale _x9 1800x60",
        },
    ),
}


def ledger_rules(spec: Spec) -> list[RuleGroup]:
    return [*fact_groups(spec), ledger_of(spec, (prices.rules, booking.rules, ledger.rules))]


def life(name: str, rules: str = "") -> Case:
    spec_text, billed, series = LIVES[name]
    return Case(name, rules or rule_file(*ledger_rules(spec_of(spec_text))), series, ((BILLED, "50m", {"": billed}),))


@cache
def verdicts(promtool: Path) -> dict[str, str]:
    return failures(promtool, *map(life, LIVES))


@pytest.mark.parametrize("name", LIVES)
def test_the_ledger_bills_exactly_what_was_used(name: str, promtool: Path) -> None:
    assert verdicts(promtool).get(name, "") == ""


def test_increments_stand_under_their_pod_half_a_minute_after_their_minute(promtool: Path) -> None:
    """An idle series rises by zero, and labels that the spec does not name are folded together."""
    spec = spec_of("""
        prometheus: {keep_labels: [cluster]}
        attribution: [{label: team, expression: apiKey.team}]
    """)
    labels = {"team": "search", "cluster": "a", "route": "ai/openai"}
    pods = [
        f'{METERED}{{gateway="ai/gw",job="monitoring/agentgateway-cost",instance="{pod}",gen_ai_system="openai",model="gpt",'
        'gen_ai_token_type="output",token_semantics="1.5",usage_format="openai",booked_team="search",cluster="a"}'
        for pod in ("one", "two")
    ]
    risen = {"3m": (100, 7), "4m": (0, 0), "5m": (50, 0), "6m": (25, 25), "7m": (0, 0)}
    case = Case(
        "one counter on two pods",
        rule_file(*ledger_rules(spec)),
        {
            up("one", cluster="a"): "1x20",
            up("two", cluster="a"): "1x20",
            counter(pod="one", **labels): "_x4 100x3 150x1 175x9",
            counter(pod="two", **labels): "_x4 7x5 32x9",
        },
        tuple((METERED, at, dict(zip(pods, tokens, strict=True))) for at, tokens in risen.items()),
    )
    assert failures(promtool, case) == {}


# ---- Every piece is needed ---------------------------------------------------------------------------------------

JOB = '{job="monitoring/agentgateway-cost"}'
X = f"agentgateway_gen_ai_client_token_usage_sum{JOB}"
UP = f"up{JOB}"
NOTHING = "last_over_time(nothing[1m])"

# The piece's text, what stands there instead, and the life that is then billed wrongly.
MUTANTS = {
    "the last value is one within the step": (
        f"last_over_time({X}[1m] offset 30s)",
        f"({X} offset 30s)",
        "a pod that ends is billed up to its last scrape",
    ),
    "the step is as long as the rules' interval": (
        "[1m] offset 30s",
        "[3m] offset 30s",
        "a process that restarts has begun at zero, also where it soon stands higher",
    ),
    "the step's two ends settle equally": (
        "[1m] offset 30s",
        "[1m]",
        "a series born on a watched target is billed with its first value",
    ),
    "the value before is none where the series had ended": (
        f"({X} offset 1m30s or",
        f"(last_over_time({X}[10m] offset 1m30s) or",
        "a process that restarts has begun at zero, also where it soon stands higher",
    ),
    "the value before is carried over an outage": (
        f"last_over_time({X}[10m] offset 1m30s)",
        NOTHING,
        "what is used while Prometheus is down is billed once, when it is back",
    ),
    "the value before is carried while a target is unreachable": (
        f"last_over_time({X}[10m] offset 1m30s)",
        NOTHING,
        "an unreachable target is billed for the meantime, once, when it is back",
    ),
    "no value is carried where the target was scraped without the series": (
        f"({UP} offset 1m30s == 1)",
        f"({UP} offset 1m30s == 2)",
        "a process that restarts has begun at zero, also where it soon stands higher",
    ),
    "no value is carried for longer than the gap": (
        f"last_over_time({X}[10m] offset 1m30s)",
        f"last_over_time({X}[1h] offset 1m30s)",
        "what is used while Prometheus is down for longer than the gap is not billed",
    ),
    "a fall is no negative rise": (
        "0) + (",
        "-1e9) + (",
        "an unreachable target that restarted in the meantime is billed from zero",
    ),
    "a fall counts up to the new value": (
        " < bool ",
        " < bool 0 * ",
        "a counter that falls has begun at zero again also where `up` is not kept, but of a birth nothing is known",
    ),
    "a value that stands still is no fall": (
        " < bool ",
        " <= bool ",
        "the first installation bills nothing of what was used before it",
    ),
    "a fall counts what came before it within the step": (
        "max_over_time(agent",
        "last_over_time(agent",
        "what a process counted just before it restarts is billed too",
    ),
    "a birth is that of the series, not of a label of its target": (
        f"or ignoring ({', '.join(ledger.PASSING_LABELS)})",
        "or",
        "a series that goes on under another label of its target is not born again",
    ),
    "a birth begins at zero": (
        "[1m] offset 30s) * 0)",
        "[1m] offset 30s) * 1)",
        "a series born on a watched target is billed with its first value",
    ),
    "a birth is one on a target that may bear": (
        " and on (job, instance) last_over_time(agentgateway:target:may_bear[1ms])",
        "",
        "the first installation bills nothing of what was used before it",
    ),
    "a birth is not that of its target's labels": (
        "and on (job, instance, pod)",
        "and on (job, instance, pod) nothing and on (job)",
        "a target that is given another label while it runs is not billed for its past",
    ),
    "a target is one pod's": (
        "and on (job, instance, pod)",
        "and on (job, instance)",
        "another pod at the address of one that ended is billed from zero",
    ),
    "a birth on a target seen within the gap": (
        f"max_over_time({UP}[10m] offset 1m30s)",
        NOTHING,
        "a series born on a watched target is billed with its first value",
    ),
    "a birth during an outage": (
        f"max_over_time({UP}[10m] offset 1m30s)",
        f"{UP} offset 1m30s",
        "a series born while Prometheus was down is billed with its first value",
    ),
    "seen means scraped with success": (
        f"max_over_time({UP}[10m] offset 1m30s) == 1",
        f"max_over_time({UP}[10m] offset 1m30s) < 2",
        "a target unreachable for longer than the gap is not billed for the meantime",
    ),
    "a pod that joins": (
        f"present_over_time({UP}[1m] offset 30s)",
        NOTHING,
        "a pod that joins a watched fleet is billed from zero",
    ),
    "a pod that joins was not known": (
        f" unless on (job, instance) present_over_time({UP}[1d] offset 11m30s)",
        "",
        "a target unreachable for longer than the gap is not billed for the meantime",
    ),
    "a pod that joins may take its time to listen": (
        f"present_over_time({UP}[1d] offset 11m30s)",
        f"present_over_time({UP}[1d] offset 1m30s)",
        "a pod is new until its container listens",
    ),
    "a pod that was known is remembered": (
        "[1d]",
        "[10m]",
        "a pod that was no target for a while is not new when it comes back",
    ),
    "a pod joins a fleet": (
        " and on (job, gateway) present_over_time",
        " or on (job, gateway) present_over_time",
        "the first installation bills nothing of what was used before it",
    ),
    "a fleet is watched for five minutes": (
        "offset 16m30s",
        "offset 11m30s",
        "a pod that could not be reached when monitoring began is not billed for its past",
    ),
    "a fleet is that of one gateway": (
        "and on (job, gateway)",
        "and on (job)",
        "a gateway that joins ours later is not billed for its past",
    ),
    "a fleet in somebody else's job is that of one gateway": (
        "and on (job, gateway) present_over_time(agentgateway:usage:seen",
        "and on (job) present_over_time(agentgateway:usage:seen",
        "gateways that share a job are billed once each, and one that comes later not for its past",
    ),
    "a pod joins a fleet in somebody else's job": (
        "present_over_time(agentgateway:usage:seen",
        "present_over_time(nothing:usage:seen",
        "a pod that joins a gateway in somebody else's job is billed from zero, whosever else comes",
    ),
    "a fleet is that of one cluster": (
        "and on (cluster, job, gateway)",
        "and on (job, gateway)",
        "a cluster that comes later is not billed for its past",
    ),
    "a birth is on the target of one cluster": (
        "and on (cluster, job, instance) last_over_time(agentgateway:target:may_bear",
        "and on (job, instance) last_over_time(agentgateway:target:may_bear",
        "a cluster that comes later is not billed for its past",
    ),
    "a value is carried for the target of one cluster": (
        "unless on (cluster, job, instance) (up",
        "unless on (job, instance) (up",
        "of two clusters that use one address, one is reached while the other is not",
    ),
    "one job": (JOB, "", "a second job on the same pods changes nothing"),
}


def mutated(rule: Rule, piece: str, instead: str) -> Rule:
    return replace(rule, expr=Expr(rule.expr.text.replace(piece, instead)))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_a_piece_of_the_formula_somebody_is_billed_wrongly(mutant: str, promtool: Path) -> None:
    piece, instead, victim = MUTANTS[mutant]
    *facts, right = ledger_rules(spec_of(LIVES[victim][0]))
    wrong = replace(right, rules=tuple(mutated(rule, piece, instead) for rule in right.rules))
    assert wrong != right, "the formula no longer has this piece"
    assert unmet(promtool, life(victim, rule_file(*facts, wrong))) == {victim}
