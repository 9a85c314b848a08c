"""Tests of the alerts on a budget's pace: silent a step before they must fire, then firing with exact texts and labels.

promtool evaluates all rules at every step, and these alerts wait. So budgets that do not count each other's requests
are tried together, and a forecast that fired in another budget's test has no test of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise, product

from tollbook.gen import names, traffic
from tollbook.gen.annotations import Rows
from tollbook.gen.model import Alert
from tollbook.gen.oracle import Cell, Request
from tollbook.gen.pacing import FORECAST_HOLD, KNOWN_AT_LEAST, LOOK_BACK, BurnRow, burn_rows
from tollbook.gen.promtest import Case, Firing, absent, constant, expect_alerts, input_series, values
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.gen.spending import FLOAT_NOISE, Spending, ends_in_half_a_cent, remaining_seconds
from tollbook.gen.testgen_budgets import around, budget_rule, model_for, request_for, stride, usd_per_token
from tollbook.gen.traffic import BORN, is_counted

#: How often amounts are moved until floats and decimals tell the same of all that is shown.
_NUDGES = range(8)


@dataclass(frozen=True)
class Climb:
    """A counter that shows these amounts, one a step."""

    request: Request
    amounts: tuple[int, ...]
    born: int = BORN

    def requests(self) -> list[tuple[int, Request]]:
        """What was used between two scrapes, with the step of the second."""
        risen = enumerate((after - before for before, after in pairwise((0, *self.amounts))), start=self.born)
        return [(step, replace(self.request, output=tokens)) for step, tokens in risen]


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    yield from _forecasts(spec, alerts)
    for bundle in _bundles(spec, [budget for budget in spec.budgets if burn_rows(budget)]):
        yield from _burn(spec, alerts, bundle)


def _bundles(spec: Spec, budgets: Iterable[Budget]) -> list[list[tuple[Budget, Request]]]:
    """Each with a request of its own that the others in its bundle do not count."""
    bundles: list[list[tuple[Budget, Request]]] = []
    for budget in budgets:
        model = model_for(spec, budget)
        if model is None:
            continue
        request = request_for(spec, budget, model)
        bundle = next((bundle for bundle in bundles if _fits(spec, bundle, budget, request)), None)
        if bundle is None:
            bundles.append(bundle := [])
        bundle.append((budget, request))
    return bundles


def _fits(spec: Spec, bundle: Sequence[tuple[Budget, Request]], budget: Budget, request: Request) -> bool:
    requests = [request, *(other for _, other in bundle)]
    is_apart = not any(
        is_counted(other, _cell(request)) or is_counted(budget, _cell(theirs)) for other, theirs in bundle
    )
    # Values beyond a label's limit are summed as one.
    limits = {entry.label: entry.limit for entry in spec.attribution}
    return is_apart and all(len({one.labels[label] for one in requests}) <= limit for label, limit in limits.items())


def _cell(request: Request) -> Cell:
    labels = tuple(sorted(request.labels.items()))
    return Cell(request.gateway.id, request.provider, request.request_model, names.OUTPUT, labels)


def _case(spec: Spec, title: str, climbs: Sequence[Climb], alerts: Sequence[dict[str, object]]) -> Case:
    end = max(climb.born + len(climb.amounts) for climb in climbs)
    gateways = {climb.request.gateway.id: climb.request.gateway for climb in climbs}.values()
    watched = [traffic.up(spec, gateway, scraped=constant(1, end)) for gateway in gateways]
    pods = [
        traffic.counter(spec, climb.request, names.OUTPUT, values(absent(climb.born), *map(str, climb.amounts)))
        for climb in climbs
    ]
    return Case(title, spec.prometheus.step, (*watched, *pods), alerts=tuple(alerts))


def _usd_per_token(spec: Spec, budget: Budget) -> Decimal:
    model = model_for(spec, budget)
    if model is None:
        raise ValueError(f"nothing that budget {budget.name} counts has a price")
    return usd_per_token(model)


# ---- Forecasts -------------------------------------------------------------------------------------------------------


def _forecasts(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    untried = [budget for budget in spec.budgets if budget.forecast is not None]
    while bundles := _bundles(spec, untried):
        bundle = bundles[0]
        fired = {budget.name for budget, _ in bundle}
        found = _forecast(spec, alerts, bundle)
        if found is not None:
            case, also_fired = found
            fired |= also_fired
            yield case
        untried = [budget for budget in untried if budget.name not in fired]


def _forecast(
    spec: Spec, alerts: Sequence[Alert], bundle: Sequence[tuple[Budget, Request]]
) -> tuple[Case, set[str]] | None:
    """Each request is made once, in a ledger that is an hour old, and is the budget's pace for half an hour."""
    born, fires_at = _forecast_steps(spec)
    for nudge in _NUDGES:
        tried = (
            _within_limit(spec, budget, request, (born, fires_at), nudge * number)
            for number, (budget, request) in enumerate(bundle, start=1)
        )
        climbs = [climb for climb in tried if climb]
        spending = Spending.of(spec, (request for climb in climbs for request in climb.requests()), _known_before(spec))
        firing = _forecasts_over(spec, alerts, spending, fires_at)
        if climbs and firing is not None:
            title = f"budget {', '.join(budget.name for budget, _ in bundle)}: the forecast is over the limit"
            silent = expect_alerts(names.ALERT_BUDGET_FORECAST, traffic.instant(spec, fires_at - 1), [])
            told = expect_alerts(names.ALERT_BUDGET_FORECAST, traffic.instant(spec, fires_at), firing)
            case = _in_an_old_ledger(spec, title, climbs, fires_at + 1, [silent, told])
            return case, {series[names.BUDGET] for _, series, *_ in firing}
    return None


def _known_before(spec: Spec) -> int:
    """So many steps that with the first one the ledger is as old as a forecast needs."""
    return traffic.steps_in(spec, KNOWN_AT_LEAST) - 1


def _in_an_old_ledger(
    spec: Spec, title: str, climbs: Sequence[Climb], end: int, alerts: Sequence[dict[str, object]]
) -> Case:
    """For how long it was kept is put in, as recorded besides: promtool evaluates all rules at every step, and an hour
    of steps takes it seconds."""
    gateways = {climb.request.gateway.id: climb.request.gateway for climb in climbs}.values()
    series_in = [traffic.up(spec, gateway, scraped=constant(1, end)) for gateway in gateways]
    for climb in climbs:
        (tokens,) = climb.amounts
        seen = values(absent(climb.born), constant(tokens, end - climb.born))
        series_in.append(traffic.counter(spec, climb.request, names.OUTPUT, seen))
    step = spec.prometheus.step.seconds
    windows = dict.fromkeys(LOOK_BACK[budget.period] for budget in spec.budgets if isinstance(budget.period, Period))
    watched = dict.fromkeys(gateway.id for gateway in (*spec.gateways, *gateways))
    for gateway_id, window in product(watched, windows):
        labels = {names.GATEWAY: gateway_id, "ledger": "older"}
        known = f"{(_known_before(spec) + 1) * step}+{step}x{end}"
        series_in.append(input_series(names.ledger_seconds(window), labels, known))
    return Case(title, spec.prometheus.step, tuple(series_in), alerts=tuple(alerts))


def _forecast_steps(spec: Spec) -> tuple[int, int]:
    """When the requests are made, and when the alerts fire that they set off: no midnight lies between."""
    step, zone = spec.prometheus.step.seconds, spec.prometheus.timezone
    born = BORN
    while True:
        fires_at = traffic.counted(spec, born) + traffic.steps_in(spec, FORECAST_HOLD)
        counted = traffic.counted(spec, born) * step
        if remaining_seconds(zone, Period.DAY, counted) > fires_at * step - counted:
            return born, fires_at
        born += remaining_seconds(zone, Period.DAY, counted) // step + 1


def _within_limit(spec: Spec, budget: Budget, request: Request, steps: tuple[int, int], nudge: int) -> Climb | None:
    """An amount that is below the limit and whose forecast is over it, where there is one."""
    born, fires_at = steps
    token_usd = _usd_per_token(spec, budget)
    one_dollar = Spending(spec, ((traffic.counted(spec, born), _cell(request), Decimal(1)),), _known_before(spec))
    if not isinstance(budget.period, Period):
        return None
    least = budget.usd / one_dollar.forecast(budget, budget.period, fires_at)
    aimed = int((least * budget.usd).sqrt() / token_usd)
    tokens = aimed + nudge * stride(aimed, token_usd)
    climb = Climb(request, (tokens,), born)
    return climb if least < tokens * token_usd < budget.usd else None


def _forecasts_over(spec: Spec, alerts: Sequence[Alert], spending: Spending, now: int) -> list[Firing] | None:
    """The forecast of what was spent at once falls from then on: one that is over the limit now was so all along."""
    firing: list[Firing] = []
    for budget in spec.budgets:
        if budget.forecast is None or not isinstance(budget.period, Period):
            continue
        forecast, spent = spending.forecast(budget, budget.period, now), spending.to_date(budget, now)
        rows = spending.spenders(budget, now, LOOK_BACK[budget.period])
        if _is_near(budget.usd, forecast, spent) or _is_unclear(forecast, rows):
            return None
        if spending.is_forecast_over(budget, budget.period, now):
            rule = budget_rule(alerts, names.ALERT_BUDGET_FORECAST, budget, {})
            firing.append((rule, {names.BUDGET: budget.name}, forecast, rows))
    return firing


# ---- Burn ------------------------------------------------------------------------------------------------------------


def _burn(spec: Spec, alerts: Sequence[Alert], bundle: Sequence[tuple[Budget, Request]]) -> Iterator[Case]:
    """Each counter rises to just below the share of an alert, then over it, and goes on until the alert fires."""
    budgets = [budget for budget, _ in bundle]
    fires_at = sorted({step for budget in budgets for step in _burn_steps(spec, budget)})
    moments = sorted({step - early for step in fires_at for early in (1, 0)})
    for nudge, drip in product(_NUDGES, _NUDGES):
        climbs = [
            _over_each_share(spec, budget, request, nudge * number, drip * number)
            for number, (budget, request) in enumerate(bundle, start=1)
        ]
        spending = Spending.of(spec, (request for climb in climbs for request in climb.requests()))
        told = [(now, fires) for now in moments if (fires := _burning(spec, alerts, spending, now)) is not None]
        if len(told) == len(moments):
            expected = [
                expect_alerts(names.ALERT_BUDGET_BURN, traffic.instant(spec, now), firing) for now, firing in told
            ]
            yield _case(spec, f"budget {', '.join(budget.name for budget in budgets)}: burns", climbs, expected)
            return


def _rows(budget: Budget) -> list[BurnRow]:
    return sorted(burn_rows(budget), key=lambda row: row.percent)


def _burn_steps(spec: Spec, budget: Budget) -> list[int]:
    """When each of its alerts fires: its share is passed at every second step, and then it waits."""
    passed = [traffic.counted(spec, BORN + 2 * number + 1) for number, _ in enumerate(_rows(budget))]
    return [step + traffic.steps_in(spec, row.hold) for step, row in zip(passed, _rows(budget), strict=True)]


def _over_each_share(spec: Spec, budget: Budget, request: Request, nudge: int, drip_nudge: int) -> Climb:
    token_usd, step = _usd_per_token(spec, budget), spec.prometheus.step.milliseconds
    amounts: list[int] = []
    drip = 0
    for row in _rows(budget):
        share = budget.usd * row.percent / 100 / token_usd
        below, over = around(share)
        amounts += [below, over + nudge * stride(over, token_usd)]
        # At twice the pace, so that the short windows stay over theirs.
        even = 2 * share * step / row.long.milliseconds
        drip = max(drip, int(even.to_integral_value(ROUND_CEILING)))
    drip += drip_nudge * stride(drip, token_usd)
    goes_on = max(_burn_steps(spec, budget)) - traffic.counted(spec, BORN) + 1 - len(amounts)
    return Climb(request, (*amounts, *(amounts[-1] + drip * number for number in range(1, goes_on + 1))))


def _burning(spec: Spec, alerts: Sequence[Alert], spending: Spending, now: int) -> list[Firing] | None:
    firing: list[Firing] = []
    for budget in spec.budgets:
        for row in burn_rows(budget):
            steps = range(now - traffic.steps_in(spec, row.hold), now + 1)
            spent, rows = spending.within(budget, row.long, now), spending.spenders(budget, now, row.long)
            if _is_unclear(spent, rows) or any(_is_near_share(spending, budget, row, step) for step in steps):
                return None
            if all(spending.burns(budget, row, step) for step in steps):
                rule = budget_rule(alerts, names.ALERT_BUDGET_BURN, budget, {names.BURN: row.speed.value})
                firing.append((rule, {names.BUDGET: budget.name}, spent, rows))
    return firing


def _is_near_share(spending: Spending, budget: Budget, row: BurnRow, now: int) -> bool:
    lately = spending.within(budget, row.short, now) * row.shorts_in_long
    return _is_near(budget.usd * row.percent / 100, spending.within(budget, row.long, now), lately)


# ---- Where floats and decimals might differ --------------------------------------------------------------------------


def _is_near(boundary: Decimal, *amounts: Decimal) -> bool:
    return any(abs(usd - boundary) <= boundary * FLOAT_NOISE for usd in amounts)


def _is_unclear(shown: Decimal, rows: Rows) -> bool:
    """Half a cent might be rounded up or down, and of two who spent the same either might come first."""
    amounts = [usd for _, usd in rows]
    return any(map(ends_in_half_a_cent, (shown, *amounts))) or len(set(amounts)) < len(amounts)
