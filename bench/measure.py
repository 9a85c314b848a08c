"""What each way of counting makes of a day, beside the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench import billing, reference, rulebook
from bench.editions import TODAY, Edition
from bench.replay import replay
from bench.rulebook import Group
from bench.simulation import Cell, Day
from bench.target import END, TRILLION
from bench.traffic import MODELS, RARE
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.promql_reading import metrics_of
from tollbook.gen.promtool import Promtool
from tollbook.gen.spec import Spec

STEP = Duration.parse("1m")
METERED, TOKENS, COST = names.metered_tokens(STEP), names.tokens(STEP), names.cost(STEP)

#: The usual ways of counting, as the tables name them.
ONE_WINDOW = "`increase()` over all the time"
FIVE_MINUTES = "`increase()` over 5m, added up"
ONE_MINUTE = "`increase()` over 1m, added up"
DIFFERENCES = "differences, births counted blindly"

_CANONICAL = {model.request_name: model.name for model in MODELS}


@dataclass(frozen=True)
class Outcome:
    """What one way of counting made of one day, by cell."""

    counted: Mapping[Cell, float]
    truth: Mapping[Cell, float]

    @property
    def total(self) -> float:
        return _error(self.counted, self.truth, list(self.truth))

    @property
    def rare_model(self) -> float:
        return _error(self.counted, self.truth, [cell for cell in self.truth if cell.model == RARE.name])

    @property
    def cells(self) -> dict[Cell, float]:
        return {cell: _error(self.counted, self.truth, [cell]) for cell, value in self.truth.items() if value}

    @property
    def worst(self) -> float:
        return max(self.cells.values(), key=abs)


def _error(counted: Mapping[Cell, float], truth: Mapping[Cell, float], cells: Sequence[Cell]) -> float:
    return sum(counted.get(cell, 0) for cell in cells) / sum(truth[cell] for cell in cells) - 1


@dataclass(frozen=True)
class Bill:
    """The ledger's figures of a day. All are of what was observable."""

    metered: Outcome
    """Tokens in the gateways' own meaning of the types: what the counters rose by."""
    billable: Outcome
    dollars: Outcome


def groups_for(spec: Spec, wanted: Iterable[str], given: Iterable[str] = ()) -> list[Group]:
    """As generated, without the rules that these records and alerts do not need, if some records are given."""
    return needed(rulebook.groups(spec), wanted, given)


def needed(groups: Iterable[Group], wanted: Iterable[str], given: Iterable[str] = ()) -> list[Group]:
    groups = list(groups)
    reads: dict[str, set[str]] = defaultdict(set)
    for rule in (rule for group in groups for rule in group["rules"]):
        reads[_name(rule)] |= metrics_of(rule["expr"])
    kept, waiting = set[str](), set(wanted)
    while waiting:
        kept |= waiting
        waiting = set[str]().union(*(reads[name] for name in waiting)) & reads.keys() - kept - {*given}
    trimmed = ({**group, "rules": [rule for rule in group["rules"] if _name(rule) in kept]} for group in groups)
    return [group for group in trimmed if group["rules"]]


def _name(rule: Mapping[str, str]) -> str:
    return rule["record"] if "record" in rule else rule["alert"]


def bill(promtool: Promtool, day: Day, edition: Edition = TODAY, prices_last: bool = False) -> Bill:
    """`prices_last`: the gateways' rules run before those that record prices. Prometheus, too, draws their moments."""
    records = (METERED, TOKENS, COST)
    questions = {record: _recorded(record, day) for record in records}
    groups = needed(edition.groups(billing.text(day.fleet), day.fleet.new_rates), records)
    day = replace(day, series=edition.scraped(day.series))
    counted = _counted(promtool, day, questions, reversed(groups) if prices_last else groups)
    return Bill(
        Outcome(counted[METERED], day.metered.observable),
        Outcome(counted[TOKENS], day.billable.observable),
        Outcome(counted[COST], dollars(day)),
    )


def dollars(day: Day) -> dict[Cell, float]:
    """The truth."""
    return {cell: trillionths / TRILLION for cell, trillionths in day.trillionths.observable.items()}


def usual_ways(promtool: Promtool, day: Day) -> dict[str, Outcome]:
    """What is recorded every step is added up; increase() over 5m has each token in five records."""
    records = {
        FIVE_MINUTES: ("reference:tokens:increase5m", reference.tokens("5m"), 5),
        ONE_MINUTE: ("reference:tokens:increase1m", reference.tokens("1m"), 1),
        DIFFERENCES: ("reference:tokens:difference1m", reference.differences(), 1),
    }
    group = {"name": "reference", "rules": [{"record": name, "expr": expr} for name, expr, _ in records.values()]}
    questions = {way: [f"{q} / {times}" for q in _recorded(name, day)] for way, (name, _, times) in records.items()}
    counted = _counted(promtool, day, {ONE_WINDOW: [reference.tokens(f"{END}s")], **questions}, [group])
    return {way: Outcome(cells, day.metered.observable) for way, cells in counted.items()}


def daily_rule_error(promtool: Promtool, day: Day) -> float:
    """Of the article's `agentgateway:cost_usd:total_daily`, in dollars."""
    question = reference.total_usd("24h")
    [(_, usd)] = replay(promtool, [], day.series, [question])[question]
    return usd / sum(dollars(day).values()) - 1


def _counted(
    promtool: Promtool, day: Day, questions: Mapping[str, Sequence[str]], groups: Iterable[Group] = ()
) -> dict[str, dict[Cell, float]]:
    """What the answers to each list of questions add up to."""
    answers = replay(promtool, groups, day.series, [question for asked in questions.values() for question in asked])
    counted: dict[str, dict[Cell, float]] = {name: defaultdict(float) for name in questions}
    for name, asked in questions.items():
        for labels, value in (sample for question in asked for sample in answers[question]):
            model = labels.get(names.MODEL) or _CANONICAL[labels[names.REQUEST_MODEL]]
            counted[name][Cell(labels[names.GATEWAY], labels[names.PROVIDER], model, labels[names.TOKEN_TYPE])] += value
    return counted


def _recorded(record: str, day: Day) -> list[str]:
    """The sum over time in each stretch between outages: promtool goes on evaluating in them."""
    step, idle = STEP.seconds, (*day.fleet.outages, *day.fleet.paused)
    steps = [at for at in range(step, END + 1, step) if not any(at in span for span in idle)]
    firsts = [at for at in steps if at - step not in steps]
    lasts = [at for at in steps if at + step not in steps]
    return [f"sum_over_time({record}[{last - first + 1}s] @ {last})" for first, last in zip(firsts, lasts, strict=True)]
