"""What is recorded and alerted on. To add a family, add its file and its place in one of the two tuples below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

from tollbook.gen import names
from tollbook.gen.annotations import literal
from tollbook.gen.model import Alert, Rule, RuleGroup
from tollbook.gen.spec import Spec
from tollbook.rules import (
    attribution,
    budgets,
    calendar,
    cost,
    evaluation,
    figures,
    horizon,
    hours,
    ledger,
    naming,
    pace,
    prices,
    reconciliation,
    reported,
    requests,
    targets,
    tiers,
    tokens,
    totals,
    unpriced,
    usage,
    versions,
)

#: Each gives the rules of one gateway. They run in this order, at one instant, in the gateway's own group.
GATEWAY_FAMILIES = (
    *(naming.rules, ledger.rules, tokens.rules, cost.rules, reported.rules, tiers.rules),
    *(requests.rules, hours.rules, figures.rules, reconciliation.rules, calendar.rules),
)

#: Each has groups of its own (`build`). They run at other instants than the gateways', so they read these over ranges.
BEFORE_GATEWAYS: tuple[ModuleType, ...] = (prices,)
AFTER_GATEWAYS: tuple[ModuleType, ...] = (
    *(totals, budgets, pace, reconciliation, attribution),
    *(targets, versions, usage, unpriced, evaluation, horizon),  # when the figures cannot be trusted
)


#: An object holds a group whole, so those after the gateways, whose rules do not add up across evaluations and may
#: move, are kept small: laid out, so many characters of expressions and texts are up to twice as many.
RULES_PER_GROUP = 200
CHARACTERS_PER_GROUP = 80_000


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    groups = [group for family in BEFORE_GATEWAYS for group in groups_of(family, spec)]
    groups.append(_ledger_group(spec))
    groups += [part for family in AFTER_GATEWAYS for group in groups_of(family, spec) for part in _parts(group)]
    return tuple(groups)


def groups_of(family: ModuleType, spec: Spec) -> list[RuleGroup]:
    """Those of one family, each of whose alerts names its runbook: docs/runbooks has a page for a family."""
    page = f"{spec.runbooks}/{family.__name__.rpartition('.')[2]}.md"
    groups: tuple[RuleGroup, ...] = family.build(spec)
    return [replace(group, rules=tuple(_with_runbook(rule, page) for rule in group.rules)) for group in groups]


def _with_runbook(rule: Rule, page: str) -> Rule:
    if not isinstance(rule, Alert):
        return rule
    return replace(rule, annotations={**rule.annotations, "runbook_url": literal(f"{page}#{rule.alert.lower()}")})


def _ledger_group(spec: Spec) -> RuleGroup:
    rules = tuple(rule for family in GATEWAY_FAMILIES for rule in family(spec))
    return RuleGroup(f"{names.GROUP_PREFIX}.ledger", spec.prometheus.step, rules, home="ledger")


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
