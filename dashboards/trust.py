"""The last row: what the figures do not cover, which prices they use, how old they are, and how wrong they can be.

Its two warning lights, unpriced tokens and missing gateways, stand in the first row, beside the figures they spoil.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tollbook.dashboards import queries
from tollbook.dashboards.style import (
    COUNT,
    GREEN,
    ORANGE,
    RED,
    SECONDS,
    USD_ROUND,
    About,
    Column,
    Line,
    Row,
    Steps,
    stat,
    table,
    text,
)
from tollbook.gen import names
from tollbook.gen.gateways import REPORTS_USD_SINCE
from tollbook.gen.spec import Spec

CHECK_UNPRICED = (
    "add the model to `models` in the spec, or the name as an alias of a model that is there; declare it `free: true` "
    "if it costs nothing. What was used before stays unpriced: dollars are never changed afterwards."
)


def row(spec: Spec) -> Row:
    compared = [panel for panel in (long_contexts(spec), against_gateways(spec)) if panel]
    return Row(
        "How far to trust these figures",
        [
            Line(9, [unpriced_by_name(spec), prices(), age(spec)], widths=(10, 10, 4)),
            *([Line(8, compared)] if compared else []),
            Line(9, [method(spec)]),
        ],
    )


def gateways_watched(spec: Spec) -> Any:
    expected = len(spec.gateways)
    about = About(
        f"How many of the {expected} gateways in the spec have a pod that Prometheus scrapes. Red when one is missing: "
        "what it spends is not in any figure here.",
        [names.gateway_cost(spec.prometheus.step)],
        "check that the gateway runs, that its monitor exists, and that Prometheus selects the monitor's labels.",
    )
    expr = queries.gateways_watched(spec)
    return stat(f"Gateways watched, of {expected}", about, expr, COUNT, Steps(RED, {expected: GREEN}))


def age(spec: Spec) -> Any:
    step = spec.prometheus.step
    about = About(
        f"How long ago the ledger was last written. It is written every {step}, so the age swings between zero and "
        f"{step}; orange means that a turn was missed.",
        [names.gateway_cost(step)],
        "no data means over five minutes: see the alerts on rule evaluation of Prometheus itself.",
    )
    steps = Steps(GREEN, {2 * step.seconds: ORANGE})
    return stat("Age of the newest figure", about, queries.seconds_since_last_record(spec), SECONDS, steps)


def unpriced(spec: Spec) -> Any:
    about = About(
        "Tokens within the time range whose model has no price. They cost nothing here, so every figure of dollars is "
        "too low while this is not zero.",
        [names.unpriced_tokens(spec.prometheus.step)],
        CHECK_UNPRICED,
    )
    return stat("Unpriced tokens", about, queries.unpriced_in_range(spec), COUNT, Steps(GREEN, {1: RED}))


def unpriced_by_name(spec: Spec) -> Any:
    about = About(
        "The names under which models without a price were used within the time range: asked for, and answered by. "
        "Empty is good.",
        [names.unpriced_tokens(spec.prometheus.step)],
        CHECK_UNPRICED,
    )
    columns = (
        Column(names.GATEWAY, "Gateway"),
        Column(names.PROVIDER, "Provider"),
        Column(names.REQUEST_MODEL, "Request model"),
        Column(names.RESPONSE_MODEL, "Response model"),
        Column("Value", "Tokens", COUNT),
    )
    return table("Unpriced tokens by name", about, [queries.unpriced_in_range_by_name(spec)], columns, sort="Tokens")


def long_contexts(spec: Spec) -> Any:
    """None where no model has prices for long contexts."""
    if not any(model.has_tiers for model in spec.models):
        return None
    step = spec.prometheus.step
    about = About(
        "Models whose long contexts cost more, within the time range: the least and the most that their tokens can "
        "have cost, and what the figures here hold. That is exact where the gateway counts dollars itself, the least "
        "where it does not.",
        [names.cost_low(step), names.cost_high(step), names.cost(step)],
        "give gateways of 1.4 and later a price catalog: then *Counted* has the surcharges.",
    )
    exprs = (
        queries.least_in_range_by_model(spec),
        queries.counted_in_range_by_model(spec),
        queries.most_in_range_by_model(spec),
    )
    columns = (
        Column(names.PROVIDER, "Provider"),
        Column(names.MODEL, "Model"),
        Column("Value #A", "At least", USD_ROUND),
        Column("Value #B", "Counted", USD_ROUND),
        Column("Value #C", "At most", USD_ROUND),
    )
    return table("Long contexts", about, exprs, columns, sort="At most")


def against_gateways(spec: Spec) -> Any:
    """None where no gateway counts dollars itself."""
    if not any(gateway.version >= REPORTS_USD_SINCE for gateway in spec.gateways):
        return None
    step = spec.prometheus.step
    about = About(
        "Dollars within the time range where the gateway counts them too, at the prices of its own catalog: ours, the "
        "gateway's, and the difference. Empty means that no gateway has a catalog.",
        [names.cost(step), names.reported_usd(step)],
        "compare the model's prices in the spec with those in the gateway's catalog.",
    )
    exprs = (queries.counted_where_reported(spec), queries.reported_in_range(spec), queries.not_as_reported(spec))
    columns = (
        Column(names.GATEWAY, "Gateway"),
        Column(names.PROVIDER, "Provider"),
        Column(names.MODEL, "Model"),
        Column("Value #A", "Ours", USD_ROUND),
        Column("Value #B", "The gateway's", USD_ROUND),
        Column("Value #C", "Difference", USD_ROUND),
    )
    return table("Compared with the gateways' own dollars", about, exprs, columns, sort="Ours")


def prices() -> Any:
    about = About(
        "Dollars per 1,000,000 tokens that the next step will be priced at.",
        [names.PRICE],
        "change `prices` in the spec: append an entry with the date from which it holds, and generate again.",
    )
    exprs = [queries.prices(token_type) for token_type in names.TOKEN_TYPES]
    columns = (
        Column(names.PROVIDER, "Provider"),
        Column(names.MODEL, "Model"),
        Column("Value #A", "Input", USD_ROUND),
        Column("Value #B", "Output", USD_ROUND),
        Column("Value #C", "Cache read", USD_ROUND),
        Column("Value #D", "Cache write", USD_ROUND),
    )
    return table("Prices in use", about, exprs, columns, sort="Output")


def method(spec: Spec) -> Any:
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
- Each record is priced once, at the price of that moment. A later price never changes it.
- Each token is in one type only: cached input is not in `input` as well.
- Days, weeks and months begin in the time zone {settings.timezone}; weeks on Monday."""


def _wrong(spec: Spec) -> str:
    listed = "\n".join(f"- {point}" for point in _limits(spec))
    return f"### How wrong it can be\n{listed}\n\nThe invoice is the truth: compare with it once a month."


def _limits(spec: Spec) -> Iterator[str]:
    settings = spec.prometheus
    yield f"Late: a figure is complete about {settings.step + settings.settle} after the tokens were used."
    yield (
        "Never seen: what a pod counts between its last scrape and its end, at most the traffic of "
        f"{settings.scrape_interval}; and everything in an outage of Prometheus longer than {settings.gap}."
    )
    yield (
        "Of all that any scrape saw, simulated fleets with deploys, scaling, crashes and outages lost at most 0.3 "
        "percent of all tokens in total, and never showed more than the truth."
    )
    tiered = [model.name for model in spec.models if model.prices[-1].tiers]
    silent = [gateway.id for gateway in spec.gateways if gateway.version < REPORTS_USD_SINCE]
    if tiered and silent:
        yield (
            f"Too low for long contexts at {len(silent)} of {len(spec.gateways)} gateways, which do not count dollars "
            f"themselves: {len(tiered)} of {len(spec.models)} models cost more per token in long requests (such as "
            f"{tiered[0]}), and sums of tokens do not tell how long a request was. *Long contexts* has the bounds."
        )
    yield "Not known: discounts, batch and priority tiers, taxes, and anything that is not billed by the token."
    yield f"Prometheus keeps {settings.retention}: a longer time range shows less than was spent."
