"""What an outage of rules leaves of dollars that were recorded: all of them. And in which order groups may be
evaluated: in any, for whoever reads the ledger from a group of its own.

promtool evaluates without a pause. So every rule here records only while the series `running` is there.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from promtool_cases import Case, Samples, failures, rule_file
from spec_builders import build_info, counter, notation, spec_of, up

from tollbook import rules
from tollbook.gen.model import Recording, Rule, RuleGroup
from tollbook.gen.promql import Expr
from tollbook.gen.spec import Spec

MONTH, SPENT = "agentgateway:cost_usd:month_to_date", "agentgateway:budget_usd:spent"

SPEC = """
    budgets: [{name: all, amount: 5000, period: month}, {name: gpt, amount: 5000, period: month, match: {model: gpt}}]
"""
#: 100,000 tokens of output a minute cost a dollar a minute, and each is counted a minute later. The last minute before
#: an outage, in the second day.
LAST = 119
OF_GPT = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt"}


def paused(group: RuleGroup) -> RuleGroup:
    return replace(group, rules=tuple(while_running(rule) for rule in group.rules))


def while_running(rule: Rule) -> Rule:
    return replace(rule, expr=Expr(f"({rule.expr}) and on () running")) if isinstance(rule, Recording) else rule


def budgets_first(spec: Spec) -> Iterable[RuleGroup]:
    """As a ruler is free to do: budgets before the calendar whose totals they read."""
    for family in rules.FACTS:
        yield from rules.groups_of(family, spec)
    yield rules.ledger_group(spec)
    for family in (rules.budgets, rules.calendar):
        yield from rules.groups_of(family, spec)


# ---- Outages ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    minutes: int
    scraped: bool
    """Whether scrapes go on, as where a ruler of its own is away."""
    of_month: Mapping[int, int]
    """Minutes after the last evaluation before it -> dollars of the month, which were 118 then."""
    silent: int = 0
    """Evaluations after it in which a budget says nothing: it remembers an hour."""


OUTAGES = {
    "20 minutes of rules": Outage(20, True, {21: 119, 22: 120, 81: 179}),
    "20 minutes of Prometheus, whose use is billed at once": Outage(20, False, {21: 118, 22: 139, 81: 198}),
    "3 hours of rules": Outage(180, True, {181: 119, 182: 120, 241: 179}, silent=1),
    "3 hours of Prometheus, whose use is lost": Outage(180, False, {181: 118, 182: 118, 183: 119, 241: 177}, silent=1),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_dents_neither_the_month_nor_its_budgets(
    name: str, promtool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that is evaluated before the calendar tells what that knew a minute before. The spec's zone is 23 hours
    ahead: promtool's second day begins after an hour."""
    monkeypatch.setattr(rules.calendar, "utc_offset_changes", lambda _: (82_800, ()))
    outage = OUTAGES[name]
    back, last = LAST + outage.minutes + 1, LAST + outage.minutes + 61
    tokens, reached = f"0+100000x{last}", f"1x{last}"
    if not outage.scraped:
        tokens = f"0+100000x{LAST} _x{outage.minutes} {back * 100_000}+100000x60"
        reached = f"1x{LAST} _x{outage.minutes} 1x60"
    series = {up(): reached, counter(): tokens, "running": f"1x{LAST} stale _x{outage.minutes - 1} 1x60"}
    month, budgets = (
        notation(MONTH, **OF_GPT),
        [notation(SPENT, budget=each, period="month") for each in ("all", "gpt")],
    )
    after = {LAST + minutes: usd for minutes, usd in outage.of_month.items()}
    samples: list[tuple[str, str, Samples]] = [
        (MONTH, f"{at}m", {month: usd}) for at, usd in {LAST: 118, **after}.items()
    ]
    samples += [(SPENT, f"{at + 1}m", dict.fromkeys(budgets, usd)) for at, usd in after.items() if at < last]
    each = {notation("", budget=name, period="month"): 0 for name in ("all", "gpt")}
    known = dict.fromkeys(each, 61 - outage.silent)
    samples += [
        (f"resets({MONTH}[1d])", f"{last}m", {notation("", **OF_GPT): 0}),
        (f"resets({SPENT}[1d])", f"{last}m", each),
        (f"count_over_time({SPENT}[{outage.minutes + 60}m59s])", f"{last}m", known),
    ]
    text = rule_file(*(paused(group) for group in budgets_first(spec_of(SPEC))))
    assert failures(promtool, Case(name, text, series, tuple(samples), scraped_every="1m")) == {}


# ---- The order of groups ---------------------------------------------------------------------------------------------

FLEET = """
    gateways: [{name: gw, namespace: ai}, {name: gone, namespace: ai}]
    attribution: [{label: team, expression: apiKey.team, limit: 1}]
    budgets:
      - {name: day, amount: 50, period: day, alert_at: {100: critical}}
      - {name: rolling, amount: 1000, period: 1d, burn: {}}
"""
#: They read records of their own group.
CHAINS = (rules.totals, rules.calendar, rules.hours, rules.reconciliation)

#: 99 dollars in the second to the hundredth minute, of which budgets know 80 within the three hours before minute 200.
RECORDS: dict[str, Samples] = {
    "agentgateway:budget_usd:limit": {'{budget="day"}': 50, '{budget="rolling"}': 1000},
    SPENT: {'{budget="day"}': 99, '{budget="rolling"}': 99},
    "agentgateway:budget_usd:increase3h": {'{budget="day"}': 80},
    "agentgateway:budget_usd:increase1d": {'{budget="day"}': 99},
    "agentgateway:cost_usd:total_daily": {"{}": 99},
}
FIRING = {
    notation("", alertname=alert, **labels): 1
    for alert, labels in (
        ("LLMBudgetThresholdReached", {"budget": "day"}),
        ("LLMGatewayNotScraped", {"gateway": "ai/gone"}),
        ("LLMGatewayUnlisted", {"gateway": "ai/new"}),
        ("LLMGatewayVersionDiffers", {"gateway": "ai/gw"}),
        ("LLMTokensUnpriced", {"gateway": "ai/new"}),
        ("LLMUnpricedShareHigh", {"gateway": "ai/new"}),
        ("LLMAttributionOverLimit", {"gateway": "ai/gw"}),
    )
}


def cut(spec: Spec) -> list[RuleGroup]:
    """Each rule in a group of its own, where it reads nothing of its group."""
    groups = [group for family in (*rules.FACTS, *CHAINS) for group in rules.groups_of(family, spec)]
    readers = (family for family in rules.READERS if family not in CHAINS)
    single = [(group, rule) for family in readers for group in rules.groups_of(family, spec) for rule in group.rules]
    singles = (replace(group, name=f"{group.name} {n}", rules=(rule,)) for n, (group, rule) in enumerate(single))
    return [*groups, rules.ledger_group(spec), *singles]


@pytest.mark.parametrize("order", ["as built", "reversed", "shuffled", "shuffled otherwise"])
def test_groups_may_be_cut_and_evaluated_in_any_order(order: str, promtool: Path) -> None:
    groups = cut(spec_of(FLEET))
    if order == "reversed":
        groups.reverse()
    elif order != "as built":
        random.Random(order).shuffle(groups)
    new = {"gateway": "ai/new", "gen_ai_request_model": "new", "gen_ai_response_model": "new"}
    series = {
        up(): "1x300",
        up("new", gateway="ai/new"): "1x300",
        build_info("v1.4.1"): "1x300",
        counter(team="a"): "0+100000x99 9900000x200",
        counter(team="b"): "0x300",
        counter("output", "new", team="a", **new): "0+1000x300",
    }
    # Where paces come before what budgets count, they are those of a minute before: a dollar more lies in the window.
    late = {"agentgateway:budget_usd:increase3h": {'{budget="day"}': 81}} if order == "reversed" else {}
    told = RECORDS | late
    samples = [(f"sum by (budget) ({record})", "200m", expected) for record, expected in told.items()]
    firing = "group by (alertname, gateway, budget) (ALERTS{alertstate='firing'})"
    case = Case(order, rule_file(*groups), series, (*samples, (firing, "200m", FIRING)), scraped_every="1m")
    assert failures(promtool, case) == {}
