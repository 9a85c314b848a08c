"""What is recorded and alerted on. To add a family, add its file and its place in one of the two tuples below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tollbook.gen import names
from tollbook.gen.model import RuleGroup
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules import budgets, calendar, cost, coverage, ledger, prices, tokens, totals

#: Each gives the rules of one gateway. They run in this order, at one instant, in the gateway's own group.
GATEWAY_FAMILIES = (ledger.rules, tokens.rules, cost.rules, calendar.rules)

#: Each gives groups of its own. They run at other instants than the gateways', so they read these over ranges.
BEFORE_GATEWAYS = (prices.build,)
AFTER_GATEWAYS = (totals.build, budgets.build, coverage.build)


#: An object holds a group whole, so those after the gateways, whose rules do not add up across evaluations and may
#: move, are kept small: none holds more than some 140,000 characters with the longest rules that there are.
RULES_PER_GROUP = 200


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    groups = [group for family in BEFORE_GATEWAYS for group in family(spec)]
    groups += [_gateway_group(spec, gateway) for gateway in spec.gateways]
    groups += [part for family in AFTER_GATEWAYS for group in family(spec) for part in _parts(group)]
    return tuple(groups)


def _gateway_group(spec: Spec, gateway: Gateway) -> RuleGroup:
    rules = tuple(rule for family in GATEWAY_FAMILIES for rule in family(spec, gateway))
    name = f"{names.GROUP_PREFIX}.gateway.{gateway.slug}"
    return RuleGroup(name, spec.prometheus.step, rules, home=f"gateway-{gateway.slug}")


def _parts(group: RuleGroup) -> Iterator[RuleGroup]:
    for start in range(0, len(group.rules), RULES_PER_GROUP):
        number = start // RULES_PER_GROUP + 1
        name = group.name if number == 1 else f"{group.name}.{number}"
        yield replace(group, name=name, rules=group.rules[start : start + RULES_PER_GROUP])
