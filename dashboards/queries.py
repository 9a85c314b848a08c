"""What the panels ask Prometheus, one noun a question. Nothing here knows a panel.

How dollars add up. The ledger writes one record a step, so any span of time is the sum of the records in it, each
exactly once: `sum_over_time` over the raw records, never over samples of a sliding window. A sliding hour sampled
every minute counts each dollar sixty times, and sampled every two hours skips every other one.

- A total over the dashboard's range is `sum_over_time(record[$__range])`: exact at both ends, at any zoom.
- A bar is `sum_over_time(record[$__interval] offset -$__interval)`. The points of a graph lie `$__interval` apart, so
  the windows meet without gap or overlap and the bars add up to the total. The negative offset stamps a bar with its
  start, so that the running hour is a growing bar and not one that appears when the hour is over.

The sliding hour (`increase1h`) would read less, but measured on 30 days it is only about twice as fast, because
Prometheus decodes every chunk in between either way, and it loses an hour where Prometheus was down on the hour.
"""

from __future__ import annotations

from collections.abc import Sequence

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.placeholders import INTERVAL, RANGE, chosen
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    both,
    call,
    either,
    eq,
    one_of,
    over_time,
    scalar,
    series,
    sum_by,
    total,
    vector,
)
from tollbook.gen.spec import Spec

#: Rows in a ranking: more bars than this cannot be read.
RANKED = 10

FIVE_MINUTES = 5


def ledger_labels(spec: Spec) -> tuple[str, ...]:
    """Where, through which gateway, what, and who: the labels of every dollar, in the order of the filters."""
    keep = spec.prometheus.keep_labels
    return (*keep, names.GATEWAY, names.PROVIDER, names.MODEL, *(entry.label for entry in spec.attribution))


def _filtered(spec: Spec, metric: str, *labels: str) -> Selector:
    """Narrowed by the dashboard's filters on these labels, and on the keep labels, which every record has."""
    return series(metric, *(chosen(label) for label in (*spec.prometheus.keep_labels, *labels)))


def _ledger(spec: Spec, metric: str) -> Selector:
    return series(metric, *(chosen(label) for label in ledger_labels(spec)))


def ledger_narrowed_by(spec: Spec, labels: Sequence[str]) -> Expr:
    """Every series of the ledger that the filters on these labels let through, also those that cost nothing."""
    return series(names.tokens(spec.prometheus.step), *(chosen(label) for label in labels)).now()


def _cost(spec: Spec) -> Selector:
    return _ledger(spec, names.cost(spec.prometheus.step))


def _tokens(spec: Spec) -> Selector:
    return _ledger(spec, names.tokens(spec.prometheus.step))


def _unpriced(spec: Spec) -> Selector:
    return _filtered(spec, names.unpriced_tokens(spec.prometheus.step), names.GATEWAY, names.PROVIDER)


def _in_range(records: Selector) -> Expr:
    return over_time("sum", records, RANGE)


def _per_bar(records: Selector) -> Expr:
    return over_time("sum", records, INTERVAL, offset=-INTERVAL)


def _or_zero(spec: Spec, expr: Expr) -> Expr:
    """Zero where nothing was used, nothing at all where the ledger is not written: the two must look different."""
    watched = _filtered(spec, names.gateway_cost(spec.prometheus.step), names.GATEWAY)
    return either(expr, binary(scalar(0), "*", total(watched.now())))


def _ranked(expr: Expr) -> Expr:
    return call("sort_desc", call("topk", str(RANKED), expr))


# ---- Dollars -----------------------------------------------------------------------------------------------


def spend_to_date(spec: Spec, record: str) -> Expr:
    return _or_zero(spec, total(_ledger(spec, record).now()))


def spend_of_last_hour(spec: Spec) -> Expr:
    return _or_zero(spec, total(_ledger(spec, names.COST_1H).now()))


def spend_in_range(spec: Spec) -> Expr:
    return _or_zero(spec, total(_in_range(_cost(spec))))


def spend_in_range_by(spec: Spec, label: str) -> Expr:
    return _ranked(sum_by([label], _in_range(_cost(spec))))


def spend_in_range_by_everything(spec: Spec) -> Expr:
    return sum_by(ledger_labels(spec), _in_range(_cost(spec)))


def spend_per_bar_by(spec: Spec, label: str) -> Expr:
    return sum_by([label], _per_bar(_cost(spec)))


def rolling_spend(spec: Spec, record: str) -> Expr:
    """Of the whole fleet: these records have no label of a gateway or a model to filter by."""
    return total(_filtered(spec, record).now())


def rolling_hour_by_gateway(spec: Spec) -> Expr:
    return sum_by([names.GATEWAY], _filtered(spec, names.COST_BY_GATEWAY, names.GATEWAY).now())


# ---- Budgets -------------------------------------------------------------------------------------------------


def budget_limits() -> Expr:
    return sum_by([names.BUDGET], series(names.BUDGET_LIMIT).now())


def budget_spent() -> Expr:
    return sum_by([names.BUDGET], series(names.BUDGET_SPENT).now())


def budget_left() -> Expr:
    return binary(budget_limits(), "-", budget_spent())


def budget_shares() -> Expr:
    return binary(budget_spent(), "/", budget_limits())


# ---- Tokens --------------------------------------------------------------------------------------------------


def recent_tokens(spec: Spec, record: str) -> Expr:
    """Of the last five minutes: `record` is one of the by-gateway records."""
    return total(_filtered(spec, record, names.GATEWAY).now())


def tokens_per_minute(spec: Spec, record: str) -> Expr:
    return binary(recent_tokens(spec, record), "/", scalar(FIVE_MINUTES))


def tokens_in_range(spec: Spec) -> Expr:
    return _or_zero(spec, total(_in_range(_tokens(spec))))


def tokens_per_bar_by(spec: Spec, label: str) -> Expr:
    return sum_by([label], _per_bar(_tokens(spec)))


def cache_share_in_range(spec: Spec) -> Expr:
    read, prompt = _prompt_tokens(spec)
    return _share((), _in_range(read), _in_range(prompt))


def cache_share_per_bar_by(spec: Spec, label: str) -> Expr:
    read, prompt = _prompt_tokens(spec)
    return _share((label,), _per_bar(read), _per_bar(prompt))


def _prompt_tokens(spec: Spec) -> tuple[Selector, Selector]:
    """What was read from a cache, and every token that went into a model."""
    tokens = _tokens(spec)
    read = tokens.where(eq(names.TOKEN_TYPE, names.CACHE_READ))
    return read, tokens.where(one_of(names.TOKEN_TYPE, names.PROMPT_TYPES))


def _share(by: Sequence[str], part: Expr, whole: Expr) -> Expr:
    """Zero where there is no part, nothing where there is no whole."""
    known_part = either(sum_by(by, part), binary(scalar(0), "*", sum_by(by, whole)))
    return binary(known_part, "/", binary(sum_by(by, whole), ">", scalar(0)))


# ---- Trust ---------------------------------------------------------------------------------------------------


def unpriced_in_range(spec: Spec) -> Expr:
    return _or_zero(spec, total(_in_range(_unpriced(spec))))


def unpriced_in_range_by_name(spec: Spec) -> Expr:
    by = (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
    return sum_by(by, _in_range(_unpriced(spec)))


def least_in_range_by_model(spec: Spec) -> Expr:
    """Of models whose long contexts cost more: as if none had been long."""
    return _by_model_in_range(spec, names.cost_low(spec.prometheus.step))


def most_in_range_by_model(spec: Spec) -> Expr:
    return _by_model_in_range(spec, names.cost_high(spec.prometheus.step))


def counted_in_range_by_model(spec: Spec) -> Expr:
    """What the figures hold, of the models that have bounds."""
    counted = sum_by([names.PROVIDER, names.MODEL], _in_range(_cost(spec)))
    return both(counted, least_in_range_by_model(spec))


def reported_in_range(spec: Spec) -> Expr:
    """Dollars by the gateways' own counters."""
    return _by_gateway_and_model(_in_range(_ledger(spec, names.reported_usd(spec.prometheus.step))))


def counted_where_reported(spec: Spec) -> Expr:
    return both(_by_gateway_and_model(_in_range(_cost(spec))), reported_in_range(spec))


def not_as_reported(spec: Spec) -> Expr:
    return binary(counted_where_reported(spec), "-", reported_in_range(spec))


def _by_model_in_range(spec: Spec, record: str) -> Expr:
    return sum_by([names.PROVIDER, names.MODEL], _in_range(_ledger(spec, record)))


def _by_gateway_and_model(dollars: Expr) -> Expr:
    return sum_by([names.GATEWAY, names.PROVIDER, names.MODEL], dollars)


def prices(token_type: str) -> Expr:
    """In USD per 1,000,000 tokens; all names of one model share one price."""
    price = series(names.PRICE, chosen(names.PROVIDER), chosen(names.MODEL), eq(names.TOKEN_TYPE, token_type))
    return aggregate("max", price.now(), (names.PROVIDER, names.MODEL))


def gateways_watched(spec: Spec) -> Expr:
    watched = _filtered(spec, names.gateway_cost(spec.prometheus.step))
    return either(aggregate("count", aggregate("group", watched.now(), (names.GATEWAY,))), vector(0))


def seconds_since_last_record(spec: Spec) -> Expr:
    newest = call("timestamp", _filtered(spec, names.gateway_cost(spec.prometheus.step), names.GATEWAY).now())
    return binary(call("time"), "-", aggregate("max", newest))


def bar_width_floor(step: Duration) -> str:
    """The narrowest bar: at least one record each, and a length that Grafana passes on as it is.

    Grafana cuts `$__interval` down to whole numbers of its largest unit, so a floor of 90s would be sent as 1m while
    the points stay 90s apart: a third of the dollars would fall between the bars.
    """
    whole = (Duration.parse(text) for text in ("1m", "2m", "5m", "10m", "15m", "30m", "1h"))
    return next(str(length) for length in whole if length >= step)
