"""Budgets: what may be spent, what was spent and by whom, and an alert at each threshold.

The rules are the same for any number of budgets: each reads facts, and its series bear the label `budget`, and of a
budget for each value of a label that label too. Only budgets whose values are found among what is spent (`per`, and
`match` with `*`) have a term of their own, which finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, listed, own, row_value, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, Rule, RuleGroup
from tollbook.gen.pacing import windows
from tollbook.gen.promql import (
    Expr,
    Matcher,
    Selector,
    aggregate,
    binary,
    both,
    either,
    eq,
    globs,
    labelled,
    none_of,
    number,
    scalar,
    series,
    sum_by,
    sum_of_parts,
    sum_of_steps,
    unless,
)
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.rules.budget_facts import matches, routing_labels
from tollbook.rules.calendar import spent_in
from tollbook.rules.facts import TERMS_PER_RULE
from tollbook.rules.selectors import facts
from tollbook.rules.spenders import top_spenders, word_for

PERIOD_WORDS = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month"}

#: Longer windows are read hour by hour: a month has 43,200 minutes.
_BY_STEPS = Duration.parse("24h")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    if not spec.budgets:
        return ()
    rules: list[Rule] = [*_counted(spec), *_found(spec), _limits(spec), _spent(spec), _thresholds(spec)]
    rules += [_alert(spec, shape) for shape in shapes(spec)]
    return (RuleGroup(f"{names.GROUP_PREFIX}.budgets", spec.prometheus.step, tuple(rules), home="budgets"),)


@dataclass(frozen=True)
class Shape:
    """Budgets that differ in names, dollars and values only: one rule holds for all of them."""

    period: Period | Duration
    per: str
    """Empty: they have no such label."""

    @property
    def by(self) -> tuple[str, ...]:
        """What a budget is told apart by."""
        return (names.BUDGET, *([self.per] if self.per else []))

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        return eq(names.PERIOD, str(self.period)), eq(names.PER, self.per)

    @property
    def labels(self) -> dict[str, str]:
        """Of its records and alerts."""
        return {names.PERIOD: str(self.period), **({names.PER: self.per} if self.per else {})}

    def of(self, spec: Spec) -> list[Budget]:
        return [budget for budget in spec.budgets if (budget.period, budget.per) == (self.period, self.per)]


def shapes(spec: Spec) -> list[Shape]:
    return list(dict.fromkeys(Shape(budget.period, budget.per) for budget in spec.budgets))


def recorded(record: str, shape: Shape) -> Expr:
    """One series for each budget of the shape: of what another ruler records too, one."""
    return aggregate("max", series(record, *shape.matchers).now(), shape.by)


def limit(shape: Shape) -> Expr:
    return recorded(names.BUDGET_LIMIT, shape)


# ---- Dollars ---------------------------------------------------------------------------------------------------------


def _counted(spec: Spec) -> Iterator[Recording]:
    """A rule for each period and window, whose series are as many as the values that budgets match by."""
    wanted: dict[Period | Duration, dict[str, tuple[str, ...]]] = {}
    for budget in spec.budgets:
        for window in (budget.period, *windows(budget)):
            wanted.setdefault(window, {})[matches(budget)] = budget.counts_by
    for window, label_sets in wanted.items():
        sums = (_by_labels(_dollars(spec, window, by), matched) for matched, by in label_sets.items())
        labels = {names.WINDOW: str(window)}
        yield Recording(names.BUDGET_COUNTED, either(*sums), labels, f"Dollars {_when(window)}, as budgets count them.")


def _by_labels(dollars: Expr, matched: str) -> Expr:
    return labelled(dollars, names.MATCHES, matched) if matched else dollars


def _dollars(spec: Spec, window: Period | Duration, by: Sequence[str]) -> Expr:
    if isinstance(window, Period):
        return sum_by(by, spent_in(spec, window))
    if window <= _BY_STEPS:
        return sum_by(by, sum_of_steps(series(names.cost_of_day(spec.prometheus.step)), window))
    cost = names.cost(spec.prometheus.step)
    hours, to_date = series(names.of_hour(cost)), series(names.hour_to_date(cost))
    earlier = binary(scalar(-1), "*", sum_by(by, to_date.now(window)))
    return sum_of_parts(sum_by(by, sum_of_steps(hours, window)), sum_by(by, to_date.now()), earlier)


def _found(spec: Spec) -> Iterator[Recording]:
    terms = [_values(budget) for budget in spec.budgets if not budget.is_exact]
    for start in range(0, len(terms), TERMS_PER_RULE):
        note = "What each budget counts whose values are found among what is spent."
        labels = {names.SPEC: spec.id, names.PACK: f"found-{start}"}
        yield Recording(names.BUDGET_SCOPE, either(*terms[start : start + TERMS_PER_RULE]), labels, note)


def _values(budget: Budget) -> Expr:
    counted = series(names.BUDGET_COUNTED, eq(names.WINDOW, str(budget.period)), eq(names.MATCHES, matches(budget)))
    found = counted.where(*(globs(label, values) for label, values in budget.match.items()))
    if budget.per:
        found = found.where(none_of(budget.per, names.NOBODY))
    scope = aggregate("group", found.now(), (names.MATCHES, *budget.counts_by))
    for name, text in ((names.PERIOD, str(budget.period)), (names.PER, budget.per), (names.BUDGET, budget.name)):
        scope = labelled(scope, name, text) if text else scope
    return scope


def counted_by(spec: Spec) -> tuple[str, ...]:
    """All labels by which any budget counts."""
    return tuple(dict.fromkeys(label for budget in spec.budgets for label in budget.counts_by))


def dollars_of(spec: Spec, shape: Shape, window: Period | Duration) -> Expr:
    """What each budget counts of the window; nothing of those of which nothing was spent."""
    on = (names.MATCHES, *counted_by(spec))
    scope = aggregate("group", facts(spec, names.BUDGET_SCOPE, *shape.matchers).now(), (names.BUDGET, *on))
    dollars = aggregate("max", series(names.BUDGET_COUNTED, eq(names.WINDOW, str(window))).now(), on)
    return sum_by(shape.by, binary(scope, "*", dollars, on=on, group_left=()))


# ---- Records ---------------------------------------------------------------------------------------------------------


def _limits(spec: Spec) -> Recording:
    note = "Dollars that may be spent in a period."
    return Recording(
        names.BUDGET_LIMIT, either(*(kind_of(shape, _limit(spec, shape)) for shape in shapes(spec))), note=note
    )


def _limit(spec: Spec, shape: Shape) -> Expr:
    amounts = facts(spec, names.BUDGET_AMOUNT, *shape.matchers)
    if not shape.per:
        return aggregate("max", amounts.now(), shape.by)
    set_apart = aggregate("max", amounts.where(none_of(shape.per, [""])).now(), shape.by)
    of_all = aggregate("max", amounts.where(eq(shape.per, "")).now(), (names.BUDGET,))
    found = aggregate("group", facts(spec, names.BUDGET_SCOPE, *shape.matchers).now(), shape.by)
    return either(set_apart, binary(found, "*", of_all, on=(names.BUDGET,), group_left=()))


def _spent(spec: Spec) -> Recording:
    """Zero where nothing was spent, for a budget without a series could never fire; and nothing after an outage until
    this period's dollars are known again."""
    terms = []
    for shape in shapes(spec):
        zero = binary(scalar(0), "*", limit(shape))
        if isinstance(shape.period, Period):
            zero = both(zero, series(names.CALENDAR).now(), on=())
        terms.append(kind_of(shape, either(dollars_of(spec, shape, shape.period), zero)))
    return Recording(names.BUDGET_SPENT, either(*terms), note="Dollars that were spent in the current period.")


def _thresholds(spec: Spec) -> Recording:
    terms = (kind_of(shape, term) for shape in shapes(spec) for term in _dollars_at(spec, shape))
    return Recording(names.BUDGET_THRESHOLD, either(*terms), note="Dollars at which an alert is raised.")


def _dollars_at(spec: Spec, shape: Shape) -> Iterator[Expr]:
    ratios = facts(spec, names.BUDGET_THRESHOLD_RATIO, *shape.matchers)
    told = (names.THRESHOLD, names.SEVERITY, *routing_labels(spec))
    # With `per` each percentage is a term, for a join wants one fact for all values.
    parts = [ratios.where(eq(names.THRESHOLD, number(each))) for each in _percents(shape.of(spec))]
    for part in parts if shape.per else [ratios]:
        yield binary(of_each(shape, part, told, ratios), "*", limit(shape), on=shape.by, group_left=())


def _percents(budgets: Iterable[Budget]) -> list[Decimal]:
    return sorted({at.percent for budget in budgets for at in budget.all_thresholds})


def of_each(shape: Shape, stated: Selector, told: Sequence[str], any_stated: Selector) -> Expr:
    """What is stated of each budget, with its labels: of its own value, else of all values. `any_stated`: the facts by
    which a value is set apart."""
    if not shape.per:
        return aggregate("max", stated.now(), (*shape.by, *told))
    is_own, is_of_all = none_of(shape.per, [""]), eq(shape.per, "")
    own = aggregate("max", stated.where(is_own).now(), (*shape.by, *told))
    of_all = aggregate("max", stated.where(is_of_all).now(), (names.BUDGET, *told))
    others = unless(limit(shape), any_stated.where(is_own).now(), on=shape.by)
    return either(own, binary(binary(scalar(0), "*", others), "+", of_all, on=(names.BUDGET,), group_left=told))


def kind_of(shape: Shape, expr: Expr) -> Expr:
    for name, text in shape.labels.items():
        expr = labelled(expr, name, text)
    return expr


# ---- The alert -------------------------------------------------------------------------------------------------------


def _alert(spec: Spec, shape: Shape) -> Alert:
    """The value is what was spent; severity and the labels to route by come from the threshold."""
    at = series(names.BUDGET_THRESHOLD, *shape.matchers).now()
    spent = recorded(names.BUDGET_SPENT, shape)
    reached = binary(binary(binary(scalar(0), "*", at), "+", spent, on=shape.by, group_left=()), ">=", at)
    return Alert(
        alert=alert_names.BUDGET,
        expr=reached,
        hold=Duration(0),
        labels=shape.labels,
        annotations={
            "summary": "LLM spend has reached a threshold of its budget.",
            "description": (
                f"{subject(shape)}: {value(decimals=2)} of {limit_in_words(shape)} USD spent {_when(shape.period)}, at "
                f"or over {label(names.THRESHOLD)} percent. If this is not meant, stop or limit those who spend; if it "
                f"is, raise amount in the spec. Top spenders:{spenders(spec, shape, shape.period)}"
            ),
        },
    )


def _when(window: Period | Duration) -> str:
    return PERIOD_WORDS[window] if isinstance(window, Period) else f"in the last {window}"


# ---- How the alerts of budgets speak ---------------------------------------------------------------------------------


def subject(shape: Shape) -> str:
    of = f" of {word_for(shape.per)} {label(shape.per)}" if shape.per else ""
    return f"Budget {label(names.BUDGET)}{of}"


def limit_in_words(shape: Shape) -> str:
    of_this = (own(label) for label in shape.by)
    return listed(aggregate("max", series(names.BUDGET_LIMIT, *shape.matchers, *of_this).now()), row_value(decimals=2))


def spenders(spec: Spec, shape: Shape, window: Period | Duration) -> str:
    """The list of those who spent most of it, as the end of a text."""
    dollars = _by_spender(spec, window)
    scope = Selector(names.BUDGET_SCOPE, (eq(names.SPEC, spec.id), *shape.matchers, *map(own, shape.by)))
    label_sets = dict.fromkeys(budget.counts_by for budget in shape.of(spec))
    counted = either(*(both(dollars, scope.where(eq(names.MATCHES, ",".join(by))).now(), on=by) for by in label_sets))
    labels = (names.GATEWAY, names.PROVIDER, names.MODEL, *(entry.label for entry in spec.attribution))
    return top_spenders(counted, labels)


def _by_spender(spec: Spec, window: Period | Duration) -> Expr:
    if isinstance(window, Period):
        return spent_in(spec, window)
    if window <= _BY_STEPS:
        return sum_of_steps(series(names.cost_of_day(spec.prometheus.step)), window)
    return sum_of_steps(series(names.of_hour(names.cost(spec.prometheus.step))), window)
