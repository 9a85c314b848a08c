"""What the panels of trust ask: what the figures do not cover, and what there is to compare them with."""

from __future__ import annotations

from tollbook.dashboards.queries import cost, filtered, ledger, or_zero, share
from tollbook.dashboards.queries_traffic import counted
from tollbook.dashboards.sums import in_range, steps_in_range
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.placeholders import RANGE, chosen
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    both,
    call,
    copy_label,
    either,
    eq,
    matches,
    regex_literal,
    series,
    sum_by,
    total,
    vector,
)
from tollbook.gen.spec import Spec

#: For so long a new price is told from the one before: longer than points of an annotation lie apart over 90 days,
#: which are two hours on a window of less than 1,440 pixels.
_TOLD_FOR = Duration.parse("3h")

#: The label that tells pods apart on a graph: their gateway, or else their job.
WHOSE = "gateway_or_job"

#: Prometheus names a group after its file.
_OUR_GROUPS = f".*;{regex_literal(names.GROUP_PREFIX + '.')}.*"


# ---- Prices --------------------------------------------------------------------------------------------------


def _unpriced(spec: Spec) -> Selector:
    return filtered(spec, names.unpriced_tokens(spec.prometheus.step), names.GATEWAY, names.PROVIDER)


def unpriced_share_in_range(spec: Spec) -> Expr:
    """Of tokens, whatever their model, as those without a price have none to filter by."""
    whole = filtered(spec, names.tokens(spec.prometheus.step), names.GATEWAY, names.PROVIDER)
    return or_zero(spec, share((), steps_in_range(_unpriced(spec)), in_range(whole)))


def unpriced_in_range_by_name(spec: Spec) -> Expr:
    by = (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
    return sum_by(by, steps_in_range(_unpriced(spec)))


def prices(token_type: str) -> Expr:
    """In USD per 1,000,000 tokens; of two specs that name one model the dearer, as in the ledger."""
    return _highest(_price(token_type).now())


def price_changes() -> Expr:
    """How many prices of a model changed within the three hours before."""
    by = (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)
    now, before = (aggregate("max", _price().now(ago), by) for ago in (None, _TOLD_FOR))
    return aggregate("count", binary(now, "!=", before), (names.PROVIDER, names.MODEL))


def _price(token_type: str | None = None) -> Selector:
    of_type = [eq(names.TOKEN_TYPE, token_type)] if token_type else []
    return series(names.PRICE, chosen(names.PROVIDER), chosen(names.MODEL), *of_type)


def _highest(price: Expr) -> Expr:
    return aggregate("max", price, (names.PROVIDER, names.MODEL))


# ---- Long contexts -------------------------------------------------------------------------------------------


def least_in_range_by_model(spec: Spec) -> Expr:
    """Of models whose long contexts cost more: as if none had been long."""
    return _by_model_in_range(spec, names.cost_low(spec.prometheus.step))


def most_in_range_by_model(spec: Spec) -> Expr:
    return _by_model_in_range(spec, names.cost_high(spec.prometheus.step))


def counted_in_range_by_model(spec: Spec) -> Expr:
    """What the figures hold, of the models that have bounds."""
    dollars = sum_by([names.PROVIDER, names.MODEL], in_range(cost(spec)))
    return both(dollars, least_in_range_by_model(spec))


def _by_model_in_range(spec: Spec, record: str) -> Expr:
    return sum_by([names.PROVIDER, names.MODEL], steps_in_range(ledger(spec, record)))


# ---- The gateways' own dollars -------------------------------------------------------------------------------


def reported_in_range(spec: Spec) -> Expr:
    """Dollars by the gateways' own counters."""
    return _by_gateway_and_model(in_range(ledger(spec, names.reported_usd(spec.prometheus.step))))


def counted_where_reported(spec: Spec) -> Expr:
    return both(_by_gateway_and_model(in_range(cost(spec))), reported_in_range(spec))


def not_as_reported(spec: Spec) -> Expr:
    return binary(_by_gateway_and_model(in_range(cost(spec))), "-", reported_in_range(spec))


def hourly_difference(spec: Spec) -> Expr:
    """Of the hour before each point: ours less the gateways' own."""
    record = filtered(spec, names.RECONCILIATION, names.GATEWAY, names.PROVIDER, names.MODEL)
    return _by_gateway_and_model(record.now())


def _by_gateway_and_model(dollars: Expr) -> Expr:
    return sum_by([names.GATEWAY, names.PROVIDER, names.MODEL], dollars)


# ---- Scrapes and rules ---------------------------------------------------------------------------------------


def gateways_watched(spec: Spec) -> Expr:
    """Of those that the spec names, or, where it names none, of all."""
    watched = filtered(spec, names.gateway_cost(spec.prometheus.step)).now()
    if spec.gateways:
        watched = both(watched, series(names.GATEWAY_INFO, eq(names.SPEC, spec.id)).now(), on=(names.GATEWAY,))
    return either(aggregate("count", aggregate("group", watched, (names.GATEWAY,))), vector(0))


def seconds_since_last_record(spec: Spec) -> Expr:
    newest = call("timestamp", filtered(spec, names.gateway_cost(spec.prometheus.step), names.GATEWAY).now())
    return binary(call("time"), "-", aggregate("max", newest))


def pods_up_by_gateway(spec: Spec) -> Expr:
    """Targets of somebody else's jobs do not say whose they are, and stand under their job."""
    named = copy_label(copy_label(_pods(spec), WHOSE, names.JOB), WHOSE, names.GATEWAY)
    return sum_by([WHOSE], named)


def pods_down(spec: Spec) -> Expr:
    """Known to Prometheus, and not answering it."""
    return binary(aggregate("count", _pods(spec)), "-", total(_pods(spec)))


def _pods(spec: Spec) -> Expr:
    return counted(spec, names.UP).now()


def rule_failures_in_range(spec: Spec) -> Expr:
    return _risen(spec, names.RULE_FAILURES)


def rule_runs_missed_in_range(spec: Spec) -> Expr:
    return _risen(spec, names.RULE_GROUPS_MISSED)


def _risen(spec: Spec, counter: str) -> Expr:
    """Of two replicas that run the same rules the worse one is told."""
    of_ours = filtered(spec, counter).where(matches(names.RULE_GROUP, _OUR_GROUPS))
    by = (*spec.prometheus.keep_labels, names.RULE_GROUP)
    return total(aggregate("max", call("increase", of_ours.range(RANGE)), by))
