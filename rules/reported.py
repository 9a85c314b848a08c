"""The gateway's own dollars, through the same ledger as tokens: it knows each request, so also its long contexts."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.model import Recording
from tollbook.gen.promql import series, sum_by, sum_of_steps
from tollbook.gen.spec import Spec
from tollbook.rules import naming, shown
from tollbook.rules.ledger import NOTE, Increment, identity
from tollbook.rules.scrapes import scraped

HOUR = Duration.parse("1h")


def rules(spec: Spec) -> tuple[Recording, ...]:
    """Nothing for a gateway that does not count dollars."""
    if not any(map(reports_usd, spec.gateways)):
        return ()
    step, labels = spec.prometheus.step, {}
    counter = scraped(spec, names.REPORTED_USD)
    increments = Increment(spec, counter, scraped(spec, names.UP)).expr()
    metered = series(names.metered_usd(step))
    reported = series(names.reported_usd(step))
    by_name = naming.named(metered)
    return (
        Recording(metered.metric, shown.summed(spec, identity(spec), increments, counter), labels, NOTE),
        Recording(
            reported.metric,
            sum_by((names.GATEWAY, names.PROVIDER, names.MODEL, *spec.spend_labels), by_name),
            labels,
            "The gateway's own dollars, at the prices of its own catalog, under the models' names.",
        ),
        Recording(names.REPORTED_1H, sum_of_steps(reported, HOUR), labels, "The same, of the last hour."),
    )
