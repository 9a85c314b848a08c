"""What the panels of traffic ask: requests of the ledger, and the rest of the gateways' own counters and histograms.

Of each gateway only the job that the ledger counts is read: a second monitor on the same pods doubles nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from tollbook.dashboards.queries import ledger
from tollbook.dashboards.sums import per_bar
from tollbook.gen import names
from tollbook.gen.placeholders import RATE_INTERVAL, chosen
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
    series,
    sum_by,
)
from tollbook.gen.spec import Monitor, Spec

#: HTTP statuses of answers that failed, for whichever reason.
FAILED = "[45].."


def counted(spec: Spec, metric: str) -> Iterator[Selector]:
    """What the jobs scraped that the ledger counts, in as few selectors as there can be."""
    own = [gateway.job for gateway in spec.gateways if gateway.monitor is not Monitor.NONE]
    if own:
        yield series(metric, one_of(names.JOB, own))
    shared: dict[str, list[str]] = {}
    for gateway in spec.gateways:
        if gateway.monitor is Monitor.NONE:
            shared.setdefault(gateway.job, []).append(gateway.id)
    for job, gateways in shared.items():
        of_gateways = [] if metric == names.UP else [one_of(names.GATEWAY, gateways)]
        yield series(metric, one_of(names.JOB, [job]), *of_gateways)


def _counted(spec: Spec, metric: str, labels: tuple[str, ...], of: Callable[[Selector], Expr]) -> Expr:
    """`of` each of these selectors, narrowed by the filters on these labels and on the keep labels."""
    narrowed = [chosen(label) for label in (*spec.prometheus.keep_labels, *labels)]
    return either(*(of(selector.where(*narrowed)) for selector in counted(spec, metric)))


# ---- Graphs --------------------------------------------------------------------------------------------------


def _filters(spec: Spec) -> tuple[str, ...]:
    """All but the model's, whose names here are the metrics' own."""
    return (names.GATEWAY, names.PROVIDER, *(entry.label for entry in spec.attribution))


def _rate(records: Selector) -> Expr:
    return call("rate", records.range(RATE_INTERVAL))


def answer_rate_by_status(spec: Spec) -> Expr:
    """Of all that the gateways serve."""
    return sum_by([names.STATUS], _counted(spec, names.REQUESTS, (names.GATEWAY,), _rate))


def failed_share_by_gateway(spec: Spec) -> Expr:
    def failed(records: Selector) -> Expr:
        return _rate(records.where(matches(names.STATUS, FAILED)))

    by = (names.GATEWAY,)
    whole = sum_by(by, _counted(spec, names.REQUESTS, by, _rate))
    part = either(sum_by(by, _counted(spec, names.REQUESTS, by, failed)), binary(scalar(0), "*", whole))
    return binary(part, "/", binary(whole, ">", scalar(0)))


def duration_quantile(spec: Spec, quantile: Decimal) -> Expr:
    return _quantile(spec, names.LLM_DURATION_BUCKETS, quantile, ())


def quantile_by_model(spec: Spec, buckets: str, quantile: Decimal) -> Expr:
    return _quantile(spec, buckets, quantile, (names.REQUEST_MODEL,))


def _quantile(spec: Spec, buckets: str, quantile: Decimal, by: tuple[str, ...]) -> Expr:
    rates = sum_by((names.BUCKET_BOUND, *by), _counted(spec, buckets, _filters(spec), _rate))
    # Without requests a quantile is no number, and a graph is not told so.
    return binary(call("histogram_quantile", number(quantile), rates), ">=", scalar(0))


# ---- Totals --------------------------------------------------------------------------------------------------


def requests(spec: Spec) -> Selector:
    """Through the ledger, under the models' names, so that dollars can be divided by them."""
    return ledger(spec, names.requests(spec.prometheus.step))


def requests_per_bar_by(spec: Spec, label: str) -> Expr:
    return sum_by([label], per_bar(requests(spec)))
