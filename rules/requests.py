"""LLM requests, through the same ledger as tokens: how many there were of each model, also of those without a price.

Counted is what a provider answered, whatever it answered: a request that failed, or that reported no usage, is one too.
The counter is that of the histogram of durations: one for each request, while tokens are counted once for each type.
"""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.spec import Spec
from tollbook.rules import booking
from tollbook.rules.ledger import metered
from tollbook.rules.selectors import scraped


def rules(spec: Spec) -> tuple[Recording, ...]:
    by = (names.MODEL, *spec.prometheus.keep_labels)
    requests = booking.in_figures(spec, metered(spec, scraped(spec, names.LLM_REQUESTS), by))
    return (
        Recording(
            names.requests(spec.prometheus.step), requests, note="LLM requests that a provider answered, well or not."
        ),
    )
