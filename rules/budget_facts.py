"""What the spec says of budgets, as series: their dollars, the label values that they count, and what watches them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product

from tollbook.gen import alert_names, names
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import number
from tollbook.gen.spec import Budget, Override, Spec
from tollbook.rules.facts import group, packed, packed_values

Labels = Mapping[str, str]

#: Of the label `watch`, beside the speeds of burning.
FORECAST = "forecast"


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    if not spec.budgets:
        return ()
    rules = (*_amounts(spec), *_scopes(spec), *_thresholds(spec), *_watches(spec), *_names(spec))
    return (group(spec, "facts.budgets", "budget facts", rules),)


def matches(budget: Budget) -> str:
    """The labels by which it counts, as in the label of that name."""
    return ",".join(budget.counts_by)


# ---- Facts -----------------------------------------------------------------------------------------------------------


def _amounts(spec: Spec) -> Iterator[Recording]:
    rows = ((_kind(budget), own, stated.amount) for budget in spec.budgets for own, stated in _stated(budget))
    return packed_values(spec, names.BUDGET_AMOUNT, rows, "USD of each period, as the spec says.")


def _scopes(spec: Spec) -> Iterator[Recording]:
    """Of budgets that name what they count. What the others count is found among what is spent."""
    rows = (
        (
            {**_kind(budget), **_matches(budget)},
            {names.BUDGET: budget.name, **dict(zip(budget.match, of, strict=True))},
        )
        for budget in spec.budgets
        if budget.is_exact
        for of in product(*budget.match.values())
    )
    return packed(spec, names.BUDGET_SCOPE, rows, "What each budget counts.")


def _thresholds(spec: Spec) -> Iterator[Recording]:
    rows = (
        (
            {**_kind(budget), names.THRESHOLD: number(at.percent), names.SEVERITY: at.severity},
            {**own, **_routed(spec, alert_names.BUDGET, stated)},
            at.percent / Decimal(100),
        )
        for budget in spec.budgets
        for own, stated in _stated(budget)
        for at in stated.thresholds
    )
    return packed_values(spec, names.BUDGET_THRESHOLD_RATIO, rows, "At which shares of a budget an alert is raised.")


def _watches(spec: Spec) -> Iterator[Recording]:
    rows = (
        (
            {**_kind(budget), names.WATCH: watch, names.SEVERITY: severity},
            {
                **own,
                **_routed(spec, alert_names.BUDGET_FORECAST if watch == FORECAST else alert_names.BUDGET_BURN, stated),
            },
        )
        for budget in spec.budgets
        for own, stated in _stated(budget)
        for watch, severity in _watched(budget)
    )
    return packed(spec, names.BUDGET_WATCH, rows, "Which budgets are watched for their forecast and for burning.")


def _names(spec: Spec) -> Iterator[Recording]:
    rows = (
        ({names.ATTRIBUTION: entry.label}, {entry.label: value})
        for entry in spec.attribution
        for value in named(spec, entry.label)
    )
    return packed(spec, names.BUDGET_NAMED, rows, "Who is named by a budget is never summed as other.")


def named(spec: Spec, label: str) -> tuple[str, ...]:
    """Values of the label that any budget names."""
    return tuple(dict.fromkeys(value for budget in spec.budgets for value in budget.named(label)))


def _watched(budget: Budget) -> Iterator[tuple[str, str]]:
    if budget.forecast is not None:
        yield FORECAST, budget.forecast
    yield from ((speed.value, severity) for speed, severity in budget.burn.items())


def routing_labels(spec: Spec) -> tuple[str, ...]:
    """The labels of the user's own that any budget has."""
    of_budgets = (label for budget in spec.budgets for label in budget.labels)
    of_overrides = (label for budget in spec.budgets for each in budget.overrides for label in each.labels)
    return tuple(dict.fromkeys([*of_budgets, *of_overrides]))


def _routed(spec: Spec, alert: str, stated: Budget | Override) -> Labels:
    """The labels to route one of its alerts by. What any budget sets is a label of series, which one of the rule would
    overwrite: so the others bear what `alerts` sets for all."""
    of_all = spec.alerts.labels_of(alert)
    return {**{label: of_all[label] for label in routing_labels(spec) if label in of_all}, **stated.labels}


# ---- Labels ----------------------------------------------------------------------------------------------------------


def _kind(budget: Budget) -> Labels:
    return {names.PERIOD: str(budget.period), **({names.PER: budget.per} if budget.per else {})}


def _matches(budget: Budget) -> Labels:
    return {names.MATCHES: matches(budget)} if budget.match else {}


def _stated(budget: Budget) -> Iterator[tuple[Labels, Budget | Override]]:
    """The budget, and after it those of single values that the spec sets apart."""
    own = {names.BUDGET: budget.name}
    yield own, budget
    for override in budget.overrides:
        yield {**own, budget.per: override.value}, override
