"""The gateway's own dollars, through the same ledger as tokens: it knows each request, so also its long contexts."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.spec import Spec
from tollbook.rules import booking
from tollbook.rules.ledger import metered
from tollbook.rules.selectors import scraped


def rules(spec: Spec) -> tuple[Recording, ...]:
    by = (names.MODEL, *spec.prometheus.keep_labels)
    dollars = booking.in_figures(spec, metered(spec, scraped(spec, names.REPORTED_USD), by))
    note = "The gateway's own dollars, at the prices of its own catalog."
    return (Recording(names.reported_usd(spec.prometheus.step), dollars, note=note),)
