"""LLM requests, through the same ledger as tokens: how many there were of each model, also of those without a price.

Counted is what a provider answered, whatever it answered: a request that failed, or that reported no usage, is one too.
The counter is that of the histogram of durations: one for each request, while tokens are counted once for each type.
"""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.promql import series, sum_by
from tollbook.gen.spec import Spec
from tollbook.rules import naming, shown
from tollbook.rules.ledger import NOTE, Increment, identity
from tollbook.rules.scrapes import scraped


def rules(spec: Spec) -> tuple[Recording, ...]:
    step, labels = spec.prometheus.step, {}
    counter = scraped(spec, names.LLM_REQUESTS)
    increments = Increment(spec, counter, scraped(spec, names.UP)).expr()
    metered = series(names.metered_requests(step))
    summed = shown.summed(spec, identity(spec), increments, counter, without_tokens=True)
    return (
        Recording(metered.metric, summed, labels, NOTE),
        Recording(
            names.requests(step),
            sum_by((names.GATEWAY, names.PROVIDER, names.MODEL, *spec.spend_labels), naming.named(metered)),
            labels,
            "LLM requests that a provider answered, well or not, under the models' names.",
        ),
    )
