"""What is recorded and alerted on. To add a family, add its file and its place in one of the two tuples below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType

from tollbook.gen import names
from tollbook.gen.annotations import literal
from tollbook.gen.model import Alert, Rule, RuleGroup
from tollbook.gen.spec import Spec
from tollbook.rules import (
    attribution,
    booking,
    budget_facts,
    budgets,
    calendar,
    contradictions,
    cost,
    evaluation,
    facts,
    horizon,
    hours,
    integrity,
    lateness,
    ledger,
    misread,
    pace,
    prices,
    reconciliation,
    reported,
    requests,
    settings,
    spikes,
    targets,
    tiers,
    tokens,
    totals,
    unlisted,
    unpriced,
    usage,
    versions,
)

#: From scraped counters to dollars. They run in this order, at one instant, in one group for all gateways.
LEDGER = (
    *(prices.rules, booking.rules, ledger.rules, tokens.rules, cost.rules),
    *(reported.rules, requests.rules, tiers.rules, reconciliation.rules, calendar.rules, totals.rules),
)

#: What the spec says, as series.
FACTS: tuple[ModuleType, ...] = (facts, prices, budget_facts)

#: Each has groups of its own (`build`), which read the ledger over ranges: a ruler may move, delay and cut them.
READERS: tuple[ModuleType, ...] = (
    *(totals, calendar, hours, budgets, pace, reconciliation, attribution),
    *(spikes, contradictions, lateness, integrity),
    *(
        targets,
        unlisted,
        misread,
        versions,
        usage,
        unpriced,
        evaluation,
        horizon,
    ),  # when the figures are not to be trusted
)

#: Mimir's ruler accepts no more in a group.
RULES_PER_GROUP = 20

#: An object holds a group whole: laid out, so many characters of expressions and texts are up to twice as many.
CHARACTERS_PER_GROUP = 80_000


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    return (*_groups(FACTS, spec), ledger_group(spec), *_groups(READERS, spec))


def _groups(families: Iterable[ModuleType], spec: Spec) -> Iterator[RuleGroup]:
    return (part for family in families for group in groups_of(family, spec) for part in _parts(group))


def ledger_group(spec: Spec) -> RuleGroup:
    rules = tuple(rule for family in LEDGER for rule in family(spec))
    return RuleGroup(f"{names.GROUP_PREFIX}.ledger", spec.prometheus.step, rules, home="ledger")


def groups_of(family: ModuleType, spec: Spec) -> list[RuleGroup]:
    """Those of one family, with its alerts as the spec wants them. Each alert names its runbook: docs/runbooks has a
    page for a family."""
    page = f"{spec.runbooks}/{family.__name__.rpartition('.')[2]}.md"
    groups: tuple[RuleGroup, ...] = family.build(spec)
    of_groups = ((group, settings.applied(spec, group.rules)) for group in groups)
    return [
        replace(group, rules=tuple(_with_runbook(rule, page) for rule in rules)) for group, rules in of_groups if rules
    ]


def _with_runbook(rule: Rule, page: str) -> Rule:
    if not isinstance(rule, Alert):
        return rule
    return replace(rule, annotations={**rule.annotations, "runbook_url": literal(f"{page}#{rule.alert.lower()}")})


def _parts(group: RuleGroup) -> Iterator[RuleGroup]:
    start, number = 0, 1
    while start < len(group.rules):
        part = tuple(_as_many_as_fit(group.rules[start : start + RULES_PER_GROUP]))
        yield replace(group, name=group.name if number == 1 else f"{group.name}.{number}", rules=part)
        start, number = start + len(part), number + 1


def _as_many_as_fit(rules: tuple[Rule, ...]) -> Iterator[Rule]:
    room = CHARACTERS_PER_GROUP
    for number, rule in enumerate(rules):
        room -= len(rule.expr.text) + sum(map(len, rule.annotations.values() if isinstance(rule, Alert) else ()))
        if room < 0 and number:
            return
        yield rule
