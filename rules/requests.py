"""LLM requests, through the same ledger as tokens: how many there were of each model, also of those without a price.

Counted is what a provider answered, whatever it answered: a request that failed, or that reported no usage, is one too.
The counter is that of the histogram of durations: one for each request, while tokens are counted once for each type.
"""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.promql import eq, series, sum_by
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules import naming, shown
from tollbook.rules.ledger import NOTE, Increment, identity
from tollbook.rules.scrapes import scraped


def rules(spec: Spec, gateway: Gateway) -> tuple[Recording, ...]:
    step, labels = spec.prometheus.step, {names.GATEWAY: gateway.id}
    counter = scraped(gateway, names.LLM_REQUESTS)
    increments = Increment(spec, counter, scraped(gateway, names.UP)).expr()
    metered = series(names.metered_requests(step), eq(names.GATEWAY, gateway.id))
    summed = shown.summed(spec, gateway, identity(spec), increments, counter, without_tokens=True)
    return (
        Recording(metered.metric, summed, labels, NOTE),
        Recording(
            names.requests(step),
            sum_by((names.PROVIDER, names.MODEL, *spec.spend_labels), naming.named(gateway, metered)),
            labels,
            "LLM requests that a provider answered, well or not, under the models' names.",
        ),
    )
