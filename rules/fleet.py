"""The targets of one gateway. Unlike its counters, what they show of themselves (`up`, the build) names no gateway."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.promql import Expr, Selector, both, either, eq, one_of, over_time, series
from tollbook.gen.spec import Gateway, Monitor, Spec
from tollbook.rules.ledger import REMEMBERED
from tollbook.rules.scrapes import scraped


def of_targets(gateway: Gateway, metric: str) -> Selector:
    """A metric that every target has, as the one job scraped it that counts for this gateway."""
    if gateway.monitor is not Monitor.NONE:
        return series(metric, *scraped(gateway, names.UP).matchers)
    return _of_own_job(gateway, metric, "", gateway.name)


def targets(spec: Spec, gateway: Gateway) -> Expr:
    """`up` of each. In a job of the user's own, one that does not bear the gateway's name must have shown itself to be
    agentgateway: such a job may scrape whatever runs in the cluster."""
    if gateway.monitor is not Monitor.NONE:
        return of_targets(gateway, names.UP).now()
    known = over_time("last", of_targets(gateway, names.BUILD_INFO), REMEMBERED)
    return either(
        _of_own_job(gateway, names.UP, gateway.name).now(),
        both(
            _of_own_job(gateway, names.UP, "").now(),
            known,
            on=(*spec.prometheus.keep_labels, names.JOB, names.INSTANCE),
        ),
    )


def _of_own_job(gateway: Gateway, metric: str, *called: str) -> Selector:
    """Of a job of the user's own, which may scrape other gateways too, and may or may not say whose pod a target is."""
    return series(
        metric,
        eq(names.JOB, gateway.job),
        one_of(names.NAMESPACE, ["", gateway.namespace]),
        one_of(names.GATEWAY_NAME_TARGET_LABEL, called),
    )
