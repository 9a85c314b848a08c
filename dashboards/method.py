"""How the figures are made and how wrong they can be, in words: the last panel, for who doubts what stands above it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tollbook.dashboards.style import text
from tollbook.gen.gateways import reports_usd
from tollbook.gen.spec import Spec


def in_words(spec: Spec) -> Any:
    return text(
        "How these figures are made",
        "The method, its limits, and what to compare with.",
        "\n\n".join((_made(spec), _wrong(spec))),
    )


def _made(spec: Spec) -> str:
    settings = spec.prometheus
    return f"""\
### How a dollar gets here
- Every {settings.step}, the rules compare each token counter of each gateway pod with the {settings.step} before, and \
write down what was added. Sums of these records give every figure, so restarts, new pods and short outages of \
Prometheus neither lose nor repeat what was counted.
- What was added is kept by the hour, too (`:of_hour`, and `:hour_to_date` of the hour that is not over): panels that \
name a record of each {settings.step} add up its hours, which is the same sum for less reading.
- Each record is priced once, at the price of that moment. A later price never changes it.
- Each token is in one type only: cached input is not in `input` as well.
- Days, weeks and months begin in the time zone {settings.timezone}; weeks on Monday.
- {_price_ages(spec)}"""


def _price_ages(spec: Spec) -> str:
    """Of the prices that hold last of each model, as far as the spec tells."""
    dates = sorted(model.prices[-1].checked for model in spec.models if model.prices[-1].checked)
    if not dates:
        return "When the prices were last compared with their sources, the spec does not tell."
    span = f"on {dates[0]}" if dates[0] == dates[-1] else f"between {dates[0]} and {dates[-1]}"
    return f"The prices of {len(dates)} of {len(spec.models)} models were last compared with their sources {span}."


def _wrong(spec: Spec) -> str:
    listed = "\n".join(f"- {point}" for point in _limits(spec))
    return f"### How wrong it can be\n{listed}\n\nThe invoice is the truth: compare with it once a month."


def _limits(spec: Spec) -> Iterator[str]:
    settings = spec.prometheus
    yield f"Late: figures are complete within about {settings.step * 3 + settings.settle} after the tokens were used."
    yield (
        "Never seen: what a pod counts between its last scrape and its end, at most the traffic of "
        f"{settings.scrape_interval}; and everything in an outage of Prometheus longer than {settings.gap}."
    )
    yield (
        "Of all that any scrape saw, simulated fleets with deploys, scaling, crashes and outages lost at most 0.3 "
        "percent of all tokens in total, and never showed more than the truth."
    )
    tiered = [model.name for model in spec.models if model.prices[-1].tiers]
    silent = [gateway.id for gateway in spec.gateways if not reports_usd(gateway)]
    if tiered and silent:
        yield (
            f"Too low for long contexts at {len(silent)} of {len(spec.gateways)} gateways, which do not count dollars "
            f"themselves: {len(tiered)} of {len(spec.models)} models cost more per token in long requests (such as "
            f"{tiered[0]}), and sums of tokens do not tell how long a request was. *Long contexts* has the bounds."
        )
    yield "Not known: discounts, batch and priority tiers, taxes, and anything that is not billed by the token."
    yield f"Prometheus keeps {settings.retention}: a longer time range shows less than was spent."
