"""What Prometheus scraped of one gateway: which series count, and from when on they can be relied on."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.promql import Expr, Selector, eq, over_time, series
from tollbook.gen.spec import Gateway, Monitor, Spec


def scraped(gateway: Gateway, metric: str) -> Selector:
    """The metric as the one job scraped it that counts for this gateway."""
    matchers = [eq(names.JOB, gateway.job)]
    if gateway.monitor is Monitor.SERVICE:
        # The job bears the Service's name, without a namespace.
        matchers.append(eq(names.NAMESPACE, gateway.namespace))
    if gateway.monitor is Monitor.NONE and metric not in (names.UP, names.BUILD_INFO):
        # A job of the user's own may scrape other gateways too.
        matchers.append(eq(names.GATEWAY, gateway.id))
    return series(metric, *matchers)


def settled(spec: Spec, counter: Selector) -> Expr:
    """The last value within the step. A range, because a pod that ended inside the step counts up to its end."""
    return over_time("last", counter, spec.prometheus.step, spec.prometheus.settle)


def existing(spec: Spec, counter: Selector) -> Expr:
    """One for each series that was there within the step, whatever it counted."""
    return over_time("present", counter, spec.prometheus.step, spec.prometheus.settle)
