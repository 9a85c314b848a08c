"""What the panels of traffic ask: requests of the ledger, and the rest of the gateways' own counters and histograms.

Only the jobs that the ledger counts are read: a second monitor on the same pods doubles nothing here.
"""

from __future__ import annotations

from decimal import Decimal

from tollbook.dashboards.queries import filtered, ledger
from tollbook.dashboards.sums import per_bar
from tollbook.gen import names
from tollbook.gen.placeholders import RATE_INTERVAL
from tollbook.gen.promql import (
    Expr,
    Selector,
    binary,
    call,
    either,
    matches,
    number,
    one_of,
    scalar,
    sum_by,
)
from tollbook.gen.spec import Spec

#: HTTP statuses of answers that failed, for whichever reason.
FAILED = "[45].."


def counted(spec: Spec, metric: str, *labels: str) -> Selector:
    """What the jobs scraped that the ledger counts, narrowed by the filters on these labels and on the keep labels."""
    return filtered(spec, metric, *labels).where(one_of(names.JOB, spec.jobs))


# ---- Graphs --------------------------------------------------------------------------------------------------


def _filters(spec: Spec) -> tuple[str, ...]:
    """All but the model's, whose names here are the metrics' own."""
    return (names.GATEWAY, names.PROVIDER, *(entry.label for entry in spec.attribution))


def _rate(records: Selector) -> Expr:
    return call("rate", records.range(RATE_INTERVAL))


def answer_rate_by_status(spec: Spec) -> Expr:
    """Of all that the gateways serve."""
    return sum_by([names.STATUS], _rate(counted(spec, names.REQUESTS, names.GATEWAY)))


def failed_share_by_gateway(spec: Spec) -> Expr:
    by, answers = (names.GATEWAY,), counted(spec, names.REQUESTS, names.GATEWAY)
    whole = sum_by(by, _rate(answers))
    failed = sum_by(by, _rate(answers.where(matches(names.STATUS, FAILED))))
    part = either(failed, binary(scalar(0), "*", whole))
    return binary(part, "/", binary(whole, ">", scalar(0)))


def duration_quantile(spec: Spec, quantile: Decimal) -> Expr:
    return _quantile(spec, names.LLM_DURATION_BUCKETS, quantile, ())


def quantile_by_model(spec: Spec, buckets: str, quantile: Decimal) -> Expr:
    return _quantile(spec, buckets, quantile, (names.REQUEST_MODEL,))


def _quantile(spec: Spec, buckets: str, quantile: Decimal, by: tuple[str, ...]) -> Expr:
    rates = sum_by((names.BUCKET_BOUND, *by), _rate(counted(spec, buckets, *_filters(spec))))
    # Without requests a quantile is no number, and a graph is not told so.
    return binary(call("histogram_quantile", number(quantile), rates), ">=", scalar(0))


# ---- Totals --------------------------------------------------------------------------------------------------


def requests(spec: Spec) -> Selector:
    """Through the ledger, under the models' names, so that dollars can be divided by them."""
    return ledger(spec, names.requests(spec.prometheus.step))


def requests_per_bar_by(spec: Spec, label: str) -> Expr:
    return sum_by([label], per_bar(requests(spec), spec.prometheus.step))
