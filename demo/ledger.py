"""What the rules would have recorded of each minute, worked out from the oracle's bills in plain Decimal arithmetic.

The ledger itself is written minute by minute where something was used. Figures that are made of it are sampled every
five minutes, which is as far as Prometheus looks back for a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TypeVar

from demo.billing import Bill, Labels
from demo.dated import at_prices_of, local_day
from demo.fleet import DAY, HOUR, MINUTE
from demo.windows import Figures, Hours, SinceBegin, Window, counted, total
from tollbook import rules
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import stated_semantics
from tollbook.gen.model import Recording
from tollbook.gen.pacing import LOOK_BACK, windows
from tollbook.gen.promql import quote
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.gen.timezones import zone
from tollbook.gen.traffic import budget_labels

#: How far apart the figures are that are made of the ledger.
SAMPLED_SECONDS = 300

#: Name and labels as text, value.
Sample = tuple[str, Decimal | int]
F = TypeVar("F", Decimal, int)

PERIODS = (names.DAY, names.WEEK, names.MONTH)
EPOCH = date(1970, 1, 1).toordinal()


class Ledger:
    def __init__(self, spec: Spec, with_idle: bool = False) -> None:
        """With entries of zero for what is idle, as the rules write them."""
        self._spec, self._step, self._with_idle = spec, spec.prometheus.step, with_idle
        self._known: dict[str, dict[Labels, int]] = {}
        recordings = [rule for group in rules.build(spec) for rule in group.rules if isinstance(rule, Recording)]
        self._recorded = {rule.record for rule in recordings}
        self._reported_hour, self._difference_hour = Window(HOUR), Window(HOUR)
        self._recent_tokens = Window(5 * MINUTE)
        self._to_date = {period: SinceBegin() for period in Period}
        self._sliding = {seconds: Window(seconds) for seconds in _window_seconds(spec)}
        self._by_hour: dict[str, Hours] = defaultdict(Hours)
        self._prices_of_day: dict[date, tuple[Sample, ...]] = {}
        self._begin = self._end = self._put_down = 0

    def minute(self, end: int, bill: Bill) -> Iterator[Sample]:
        """The entries of the minute that ends there."""
        self._begin, self._end = self._begin or end - MINUTE, end
        dated, step = self._dated(), self._step
        sold, difference = self._also_idle("sold", bill.sold), _difference(bill)
        self._add(bill, difference)
        yield from self._over_hours()
        yield from self._kept_by_hour(names.tokens(step), self._also_idle("tokens", bill.tokens))
        yield from self._kept_by_hour(names.cost(step), self._also_idle("usd", bill.usd))
        yield from _samples(names.cost_of_day(step), {_with(labels, dated): usd for labels, usd in sold.items()})
        yield from self._kept_by_hour(names.reported_usd(step), self._also_idle("reported", bill.reported))
        yield from self._kept_by_hour(names.requests(step), self._also_idle("requests", bill.requests))
        yield from _samples(names.minus_reported(step), difference)
        yield from _samples(names.cost_low(step), bill.low)
        yield from _samples(names.cost_high(step), bill.high)
        yield from _samples(names.unpriced_tokens(step), bill.unpriced)
        for gateway in self._spec.gateways:
            yield series(names.gateway_cost(step), _of_gateway(gateway.id)), total(bill.sold, gateway=gateway.id)
        yield series(names.CALENDAR, dated), 1

    def _over_hours(self) -> Iterator[Sample]:
        """The hour that ended a step ago or earlier, where it is not put down yet."""
        hour = (self._recorded_at - self._step.seconds) // HOUR * HOUR
        if hour > self._put_down:
            self._put_down = hour
            yield series(names.HOUR_PUT_DOWN, ()), hour
            for ledger, hours in self._by_hour.items():
                yield from _samples(names.of_hour(ledger), hours.put_down(hour))

    def _kept_by_hour(self, ledger: str, entries: Mapping[Labels, F | int]) -> Iterator[Sample]:
        """The entries, and what the open hour holds before them: it is summed up to the last full step."""
        yield from _samples(names.hour_to_date(ledger), self._by_hour[ledger].open)
        yield from _samples(ledger, entries)
        self._by_hour[ledger].add(self._recorded_at, entries)

    @property
    def _recorded_at(self) -> int:
        """When the rules run that record the minute."""
        return self._end + self._spec.prometheus.settle.seconds

    def _also_idle(self, what: str, figures: Mapping[Labels, F]) -> Mapping[Labels, F | int]:
        if not self._with_idle:
            return figures
        known = self._known.setdefault(what, {})
        known.update(dict.fromkeys(figures, 0))
        return {**known, **figures}

    def _add(self, bill: Bill, difference: Figures) -> None:
        self._reported_hour.add(self._end, bill.reported)
        self._difference_hour.add(self._end, difference)
        self._recent_tokens.add(self._end, {labels: Decimal(count) for labels, count in bill.tokens.items()})
        for window in self._sliding.values():
            window.add(self._end, bill.sold)
        day, week, month = self._calendar()
        for period, now in ((Period.DAY, day), (Period.WEEK, week), (Period.MONTH, month)):
            self._to_date[period].add(now, bill.sold)

    @property
    def _timezone(self) -> str:
        return self._spec.prometheus.timezone

    def _calendar(self) -> tuple[int, int, int]:
        """As the records' labels have it: days since 1970, weeks that begin on Monday, the month's number."""
        day = local_day(self._end - MINUTE, self._timezone)
        days = day.toordinal() - EPOCH
        return days, (days + 3) // 7, day.month

    def _dated(self) -> Labels:
        return tuple((name, str(value)) for name, value in zip(PERIODS, self._calendar(), strict=True))

    def figures(self) -> Iterator[Sample]:
        """What is made of the entries up to now; where no rule records it, it is left out."""
        made = (*self._hours(), *self._tokens(), *self._rolling(), *self._periods(), *self._budgets(), *self._prices())
        yield from ((text, value) for text, value in made if text.partition("{")[0] in self._recorded)

    def _hours(self) -> Iterator[Sample]:
        yield from _samples(names.REPORTED_1H, self._reported_hour.sums)
        yield from _samples(names.RECONCILIATION, self._difference_hour.sums)
        hour = self._sliding[HOUR].sums
        by_gateway = {_of_gateway(gateway.id): total(hour, gateway=gateway.id) for gateway in self._spec.gateways}
        yield from _samples(names.COST_BY_GATEWAY, by_gateway)
        yield names.COST_HOURLY, total(hour)

    def _tokens(self) -> Iterator[Sample]:
        recent = self._recent_tokens.sums
        kinds = (
            (names.INPUT_TOKENS_BY_GATEWAY, names.INPUT_TOKENS_TOTAL, names.PROMPT_TYPES),
            (names.OUTPUT_TOKENS_BY_GATEWAY, names.OUTPUT_TOKENS_TOTAL, (names.OUTPUT,)),
        )
        for by_gateway, fleet, types in kinds:
            of_types = {labels: count for labels, count in recent.items() if dict(labels)[names.TOKEN_TYPE] in types}
            for gateway in self._spec.gateways:
                yield series(by_gateway, _of_gateway(gateway.id)), total(of_types, gateway=gateway.id)
            yield fleet, total(of_types)

    def _rolling(self) -> Iterator[Sample]:
        yield names.COST_DAILY, total(self._sliding[DAY].sums)
        yield names.COST_WEEKLY, total(self._sliding[7 * DAY].sums)
        yield names.COST_MONTHLY, total(self._sliding[30 * DAY].sums)

    def _periods(self) -> Iterator[Sample]:
        day, week, month = self._dated()
        for period, total_, to_date, dated in (
            (Period.DAY, names.DAY_TOTAL, names.DAY_TO_DATE, (day, week, month)),
            (Period.WEEK, names.WEEK_TOTAL, names.WEEK_TO_DATE, (week,)),
            (Period.MONTH, names.MONTH_TOTAL, names.MONTH_TO_DATE, (month,)),
        ):
            sums = self._to_date[period].sums
            yield from _samples(total_, {_with(labels, dated): usd for labels, usd in sums.items()})
            yield from _samples(to_date, sums)

    def _budgets(self) -> Iterator[Sample]:
        for window in set(LOOK_BACK.values()):
            known = min(window.seconds, self._end - self._begin)
            for gateway in self._spec.gateways:
                yield series(names.ledger_seconds(window), _of_gateway(gateway.id)), known
        for period in Period:
            yield series(names.PERIOD_REMAINING, ((names.PERIOD, period.value),)), self._remaining(period)
        for budget in self._spec.budgets:
            yield from self._budget(budget)

    def _budget(self, budget: Budget) -> Iterator[Sample]:
        spent = counted(budget, self._spent(budget.period))
        lately = {window: counted(budget, self._sliding[window.seconds].sums) for window in windows(budget)}
        limits = (
            {"": budget.amount}
            if not budget.per
            else {value: budget.amount for value in spent if value not in names.NOBODY}
        )
        limits |= {override.value: override.amount for override in budget.overrides}
        for value, limit in limits.items():
            own = tuple(budget_labels(budget, value).items())
            usd = spent.get(value, Decimal())
            yield series(names.BUDGET_LIMIT, own), limit
            yield series(names.BUDGET_SPENT, own), usd
            for window, sums in lately.items():
                yield series(names.budget_increase(window), own), sums.get(value, Decimal())
            if isinstance(budget.period, Period):
                of_late = lately[LOOK_BACK[budget.period]].get(value, Decimal())
                yield series(names.BUDGET_FORECAST, own), self._forecast(usd, of_late, budget.period)

    def _spent(self, period: Period | Duration) -> Figures:
        return self._to_date[period].sums if isinstance(period, Period) else self._sliding[period.seconds].sums

    def _forecast(self, spent: Decimal, lately: Decimal, period: Period) -> Decimal:
        known = min(LOOK_BACK[period].seconds, self._end - self._begin)
        return spent + lately / known * self._remaining(period)

    def _remaining(self, period: Period) -> int:
        """Seconds until it ends, where no clock changes."""
        day = local_day(self._end - MINUTE, self._timezone)
        days = {
            Period.DAY: 1,
            Period.WEEK: 7 - day.weekday(),
            Period.MONTH: ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - day).days,
        }[period]
        local = datetime.fromtimestamp(self._end - MINUTE, zone(self._timezone))
        return days * DAY - (local.hour * HOUR + local.minute * MINUTE + MINUTE)

    def _prices(self) -> tuple[Sample, ...]:
        day = local_day(self._end - MINUTE, self._timezone)
        if day not in self._prices_of_day:
            self._prices_of_day[day] = tuple(_facts(at_prices_of(self._spec, day)))
        return self._prices_of_day[day]


def _window_seconds(spec: Spec) -> set[int]:
    """Of all windows that slide: the fleet's, the budgets' own, and those over which a budget's pace is taken."""
    rolling = {budget.period.seconds for budget in spec.budgets if isinstance(budget.period, Duration)}
    paces = {window.seconds for budget in spec.budgets for window in windows(budget)}
    return {HOUR, DAY, 7 * DAY, 30 * DAY, *rolling, *paces}


def _facts(spec: Spec) -> Iterator[Sample]:
    """What the spec says: prices, names and gateways."""
    own = ((names.SPEC, spec.id),)
    for model in spec.models:
        price = model.prices[0]
        sold_as = _with(own, ((names.PROVIDER, model.provider), (names.MODEL, model.name)))
        for token_type in names.TOKEN_TYPES:
            of_type = _with(sold_as, ((names.TOKEN_TYPE, token_type),))
            tiers = (price.rates, *(tier.rates for tier in price.tiers))
            base, *_ = figures = [getattr(rates, token_type.removeprefix("input_")) for rates in tiers]
            yield series(names.PRICE, of_type), base
            if model.has_tiers:
                yield series(names.PRICE_HIGH, of_type), max(figures)
        if price.tiers:
            yield series(names.LONG_CONTEXT_OVER, sold_as), min(tier.context_over for tier in price.tiers)
        for alias in model.aliases:
            yield series(names.MODEL_ALIAS, _with(sold_as, ((names.RESPONSE_MODEL, alias),))), 1
    for gateway in spec.gateways:
        stated = ((names.JOB, gateway.job), (names.VERSION, ".".join(map(str, gateway.version))))
        semantics = ((names.SEMANTICS, stated_semantics(gateway).name),)
        yield series(names.GATEWAY_INFO, (*own, *_of_gateway(gateway.id), *stated, *semantics)), 1


def _difference(bill: Bill) -> Figures:
    """Ours less the gateway's own, where it counts dollars."""
    by = (names.GATEWAY, names.PROVIDER, names.MODEL)
    ours, theirs = _by(bill.sold, by), _by(bill.reported, by)
    return {labels: ours.get(labels, Decimal()) - usd for labels, usd in theirs.items()}


def _by(figures: Figures, names_kept: tuple[str, ...]) -> Figures:
    sums: dict[Labels, Decimal] = {}
    for labels, figure in figures.items():
        kept = tuple(pair for pair in labels if pair[0] in names_kept)
        sums[kept] = sums.get(kept, Decimal()) + figure
    return sums


def _with(labels: Labels, more: Labels) -> Labels:
    return (*labels, *more)


def _of_gateway(gateway: str) -> Labels:
    return ((names.GATEWAY, gateway),)


def _samples(
    name: str, figures: Mapping[Labels, Decimal] | Mapping[Labels, int] | Mapping[Labels, Decimal | int]
) -> Iterator[Sample]:
    for labels, figure in figures.items():
        yield series(name, labels), figure


@cache
def series(name: str, labels: Labels) -> str:
    return f"{name}{{{','.join(f'{label}={quote(value)}' for label, value in labels)}}}"
