"""The gateway's own dollars, through the same ledger as tokens: it knows each request, so also its long contexts."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.model import Recording
from tollbook.gen.promql import eq, series, sum_by, sum_of_steps
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules import naming, shown
from tollbook.rules.ledger import NOTE, Increment, identity
from tollbook.rules.scrapes import scraped

HOUR = Duration.parse("1h")


def rules(spec: Spec, gateway: Gateway) -> tuple[Recording, ...]:
    """Nothing for a gateway that does not count dollars."""
    if not reports_usd(gateway):
        return ()
    step, labels = spec.prometheus.step, {names.GATEWAY: gateway.id}
    own = eq(names.GATEWAY, gateway.id)
    counter = scraped(gateway, names.REPORTED_USD)
    increments = Increment(spec, counter, scraped(gateway, names.UP)).expr()
    metered = series(names.metered_usd(step), own)
    reported = series(names.reported_usd(step), own)
    by_name = naming.named(gateway, metered)
    return (
        Recording(metered.metric, shown.summed(spec, gateway, identity(spec), increments, counter), labels, NOTE),
        Recording(
            reported.metric,
            sum_by((names.PROVIDER, names.MODEL, *spec.spend_labels), by_name),
            labels,
            "The gateway's own dollars, at the prices of its own catalog, under the models' names.",
        ),
        Recording(names.REPORTED_1H, sum_of_steps(reported, HOUR), labels, "The same, of the last hour."),
    )
