"""What the rules would have recorded of each minute, worked out from the oracle's bills in plain Decimal arithmetic.

The ledger itself is written minute by minute where something was used. Figures that are made of it are sampled every
five minutes, which is as far as Prometheus looks back for a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import product
from typing import TypeVar

from demo.billing import Bill, Labels
from demo.dated import at_prices_of, local_day
from demo.fleet import DAY, HOUR, MINUTE
from demo.windows import Figures, Hours, SinceBegin, Window, total
from tollbook import rules
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.model import Recording
from tollbook.gen.promql import quote
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.gen.timezones import zone

#: How far apart the figures are that are made of the ledger.
SAMPLED_SECONDS = 300

#: Name and labels as text, value.
Sample = tuple[str, Decimal | int]
F = TypeVar("F", Decimal, int)

#: The pace that a forecast takes for the rest of a period is that of the last so many seconds.
LOOK_BACK = {Period.DAY: DAY, Period.WEEK: 7 * DAY, Period.MONTH: 7 * DAY}
PERIODS = (names.DAY, names.WEEK, names.MONTH)
EPOCH = date(1970, 1, 1).toordinal()


class Ledger:
    def __init__(self, spec: Spec, with_idle: bool = False) -> None:
        """With entries of zero for what is idle, as the rules write them."""
        self._spec, self._step, self._with_idle = spec, spec.prometheus.step, with_idle
        self._known: dict[str, dict[Labels, int]] = {}
        recordings = [rule for group in rules.build(spec) for rule in group.rules if isinstance(rule, Recording)]
        self._recorded = {rule.record for rule in recordings}
        self._paces = _paces(recordings)
        self._hour_by_type, self._reported_hour = Window(HOUR), Window(HOUR)
        self._recent_tokens = Window(5 * MINUTE)
        self._to_date = {period: SinceBegin() for period in Period}
        self._sliding = {seconds: Window(seconds) for seconds in _window_seconds(spec, self._paces)}
        self._by_hour: dict[str, Hours] = defaultdict(Hours)
        self._prices_of_day: dict[date, tuple[Sample, ...]] = {}
        self._begin = self._end = 0

    def minute(self, end: int, bill: Bill) -> Iterator[Sample]:
        """The entries of the minute that ends there."""
        self._begin, self._end = self._begin or end - MINUTE, end
        self._add(bill)
        dated, step = self._dated(), self._step
        sold = self._also_idle("sold", bill.sold)
        yield from self._kept_by_hour(names.tokens(step), self._also_idle("tokens", bill.tokens))
        yield from self._kept_by_hour(names.cost(step), self._also_idle("usd", bill.usd))
        yield from _samples(names.cost_of_day(step), {_with(labels, dated): usd for labels, usd in sold.items()})
        yield from self._kept_by_hour(names.reported_usd(step), self._also_idle("reported", bill.reported))
        yield from self._kept_by_hour(names.requests(step), self._also_idle("requests", bill.requests))
        yield from _samples(names.cost_low(step), bill.low)
        yield from _samples(names.cost_high(step), bill.high)
        yield from _samples(names.unpriced_tokens(step), bill.unpriced)
        for gateway in self._spec.gateways:
            yield series(names.gateway_cost(step), _of_gateway(gateway.id)), total(bill.sold, gateway=gateway.id)
            yield series(names.CALENDAR, _with(_of_gateway(gateway.id), dated)), 1
            yield series(names.HOUR_BEGIN, _of_gateway(gateway.id)), self._hour * HOUR

    def _kept_by_hour(self, ledger: str, entries: Mapping[Labels, F | int]) -> Iterator[Sample]:
        """The entries, what the open hour holds with them, and the hour before where it is over."""
        hours = self._by_hour[ledger]
        over = hours.add(self._hour, entries)
        yield from _samples(ledger, entries)
        yield from _samples(names.of_hour(ledger), over)
        yield from _samples(names.hour_to_date(ledger), hours.open)

    @property
    def _hour(self) -> int:
        """In which the rules run that record the minute."""
        return (self._end + self._spec.prometheus.settle.seconds) // HOUR

    def _also_idle(self, what: str, figures: Mapping[Labels, F]) -> Mapping[Labels, F | int]:
        if not self._with_idle:
            return figures
        known = self._known.setdefault(what, {})
        known.update(dict.fromkeys(figures, 0))
        return {**known, **figures}

    def _add(self, bill: Bill) -> None:
        self._hour_by_type.add(self._end, bill.usd)
        self._reported_hour.add(self._end, bill.reported)
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
        hour, reported = self._hour_by_type.sums, self._reported_hour.sums
        yield from _samples(names.COST_1H, hour)
        yield from _samples(names.REPORTED_1H, reported)
        yield from _samples(names.RECONCILIATION, self._difference(hour, reported))
        by_gateway = {_of_gateway(gateway.id): total(hour, gateway=gateway.id) for gateway in self._spec.gateways}
        yield from _samples(names.COST_BY_GATEWAY, by_gateway)
        yield names.COST_HOURLY, total(hour)

    def _difference(self, hour: Figures, reported: Figures) -> Figures:
        """Ours less the gateway's own, where it counts dollars."""
        by = (names.GATEWAY, names.PROVIDER, names.MODEL)
        ours, theirs = _by(hour, by), _by(reported, by)
        counting = {gateway.id for gateway in self._spec.gateways if reports_usd(gateway)}
        return {
            labels: usd - theirs.get(labels, Decimal())
            for labels, usd in ours.items()
            if dict(labels)[names.GATEWAY] in counting
        }

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
        dated = self._dated()
        today = self._to_date[Period.DAY].sums
        yield from _samples(names.DAY_TOTAL, {_with(labels, dated): usd for labels, usd in today.items()})
        yield from _samples(names.DAY_TO_DATE, today)
        yield from _samples(names.WEEK_TO_DATE, self._to_date[Period.WEEK].sums)
        yield from _samples(names.MONTH_TO_DATE, self._to_date[Period.MONTH].sums)

    def _budgets(self) -> Iterator[Sample]:
        for seconds in set(LOOK_BACK.values()):
            known = min(seconds, self._end - self._begin)
            for gateway in self._spec.gateways:
                yield series(names.ledger_seconds(Duration(seconds * 1000)), _of_gateway(gateway.id)), known
        for period in Period:
            yield series(names.PERIOD_REMAINING, ((names.PERIOD, period.value),)), self._remaining(period)
        for budget in self._spec.budgets:
            own = ((names.BUDGET, budget.name),)
            yield series(names.BUDGET_LIMIT, own), budget.usd
            yield series(names.BUDGET_SPENT, own), self._spent(budget)
            for record, seconds in self._paces.get(budget.name, {}).items():
                yield series(record, own), total(self._sliding[seconds].sums, **budget.match)
            if isinstance(budget.period, Period):
                yield series(names.BUDGET_FORECAST, own), self._forecast(budget, budget.period)

    def _spent(self, budget: Budget) -> Decimal:
        if isinstance(budget.period, Period):
            return total(self._to_date[budget.period].sums, **budget.match)
        return total(self._sliding[budget.period.milliseconds // 1000].sums, **budget.match)

    def _forecast(self, budget: Budget, period: Period) -> Decimal:
        known = min(LOOK_BACK[period], self._end - self._begin)
        lately = total(self._sliding[LOOK_BACK[period]].sums, **budget.match)
        return self._spent(budget) + lately / known * self._remaining(period)

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
            self._prices_of_day[day] = tuple(_prices_in_force(at_prices_of(self._spec, day)))
        return self._prices_of_day[day]


def _paces(recordings: Iterable[Recording]) -> dict[str, dict[str, int]]:
    """By budget, the records of what was spent of it within windows that slide, and how many seconds these last."""
    prefix = names.budget_increase(Duration(0)).removesuffix(str(Duration(0)))
    paces: dict[str, dict[str, int]] = {}
    for rule in recordings:
        if rule.record.startswith(prefix):
            window = Duration.parse(rule.record.removeprefix(prefix))
            paces.setdefault(rule.labels[names.BUDGET], {})[rule.record] = window.seconds
    return paces


def _window_seconds(spec: Spec, paces: Mapping[str, Mapping[str, int]]) -> set[int]:
    """Of all windows that slide: the fleet's, the budgets' own, and those over which a budget's pace is taken."""
    rolling = {budget.period.seconds for budget in spec.budgets if isinstance(budget.period, Duration)}
    return {DAY, 7 * DAY, 30 * DAY, *rolling, *LOOK_BACK.values(), *(s for own in paces.values() for s in own.values())}


def _prices_in_force(spec: Spec) -> Iterator[Sample]:
    for model in spec.models:
        price = model.prices[0]
        sold_as = ((names.PROVIDER, model.provider), (names.MODEL, model.name))
        for token_type in names.TOKEN_TYPES:
            of_type = _with(sold_as, ((names.TOKEN_TYPE, token_type),))
            tiers = (price.rates, *(tier.rates for tier in price.tiers))
            base, *_ = figures = [getattr(rates, token_type.removeprefix("input_")) for rates in tiers]
            for name in model.metric_names:
                yield series(names.PRICE, _with(of_type, ((names.RESPONSE_MODEL, name),))), base
            if model.has_tiers:
                yield series(names.PRICE_HIGH, of_type), max(figures)
        for name, gateway in product(model.metric_names, spec.gateways):
            of_name = ((names.RESPONSE_MODEL, name), (names.GATEWAY, gateway.id))
            yield series(names.MODEL_NAMES, _with(sold_as, of_name)), 1
        if price.tiers:
            yield series(names.LONG_CONTEXT_OVER, sold_as), min(tier.context_over for tier in price.tiers)


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
