"""What Prometheus scraped of one gateway: which series count, and from when on they can be relied on."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.promql import Expr, Selector, call, one_of, over_time, quote, series
from tollbook.gen.spec import Spec


def scraped(spec: Spec, metric: str) -> Selector:
    """The metric as the jobs scraped it that count."""
    return series(metric, one_of(names.JOB, [gateway.job for gateway in spec.gateways]))


def settled(spec: Spec, counter: Selector) -> Expr:
    """The last value within the step. A range, because a pod that ended inside the step counts up to its end."""
    return over_time("last", counter, spec.prometheus.step, spec.prometheus.settle)


def existing(spec: Spec, counter: Selector) -> Expr:
    """One for each series that was there within the step, whatever it counted."""
    return over_time("present", counter, spec.prometheus.step, spec.prometheus.settle)


def of_gateways(expr: Expr) -> Expr:
    """With the label `gateway`, as the metrics of LLM requests bear it."""
    labels = (quote(names.GATEWAY), quote("/"), quote(names.NAMESPACE), quote(names.GATEWAY_NAME_TARGET_LABEL))
    return call("label_join", expr, *labels)


def targets(spec: Spec) -> Expr:
    """`up` of each."""
    return of_gateways(scraped(spec, names.UP).now())
