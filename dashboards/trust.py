"""The last row: what the figures do not cover, which prices they use, what they agree with, and how wrong they can be.

Its warning lights, unpriced tokens, missing gateways and old figures, stand in the first row, beside what they spoil.
"""

from __future__ import annotations

from typing import Any

from tollbook.dashboards import method
from tollbook.dashboards import queries_trust as queries
from tollbook.dashboards.grid import Line, Row
from tollbook.dashboards.style import (
    COUNT,
    GREEN,
    ORANGE,
    RED,
    SECONDS,
    SMALL_SHARE,
    USD_ON_AXIS,
    USD_PRICE,
    USD_ROUND,
    About,
    Column,
    Steps,
    lines,
    stat,
    table,
)
from tollbook.dashboards.sums import bar_width_floor
from tollbook.dashboards.wording import panel, runbook
from tollbook.gen import names
from tollbook.gen.gateways import reports_usd
from tollbook.gen.spec import Spec

CHECK_UNPRICED = (
    "add the model to `models` in the spec, or the name as an alias of a model that is there; declare it `free: true` "
    "if it costs nothing. What was used before stays unpriced: dollars are never changed afterwards."
)


#: From this share on the dollars are no longer usable, and an alert says so.
UNPRICED_TOO_MUCH = 0.05
#: The least that is worth a look.
UNPRICED_SOME = 0.0001


def row(spec: Spec) -> Row:
    compared = [panel for panel in (against_gateways(spec), hourly_difference(spec), long_contexts(spec)) if panel]
    return Row(
        "How far to trust these figures",
        [
            Line(9, [unpriced_by_name(spec), prices()]),
            *([Line(9, compared)] if compared else []),
            Line(
                8, [pods_up(spec), pods_down(spec), rule_failures(spec), rule_runs_missed(spec)], widths=(12, 4, 4, 4)
            ),
            Line(11, [method.in_words(spec)]),
        ],
    )


# ---- Lights of the first row -----------------------------------------------------------------------------------


def gateways_watched(spec: Spec) -> Any:
    """Of those that the spec names; where it names none, of those that it selects and that are there."""
    expected = len(spec.gateways)
    if not expected:
        return gateways_found(spec)
    about = About(
        f"How many of the {expected} gateways in the spec have a pod that Prometheus scrapes. Red when one is missing: "
        "what it spends is not in any figure here.",
        [names.gateway_cost(spec.prometheus.step), names.GATEWAY_INFO],
        "check that the gateway runs, that its monitor exists, and that Prometheus selects the monitor's labels.",
        [runbook(spec, "targets"), panel("Pods scraped")],
    )
    expr = queries.gateways_watched(spec)
    return stat(f"Gateways watched, of {expected}", about, expr, COUNT, Steps(RED, {expected: GREEN}))


def gateways_found(spec: Spec) -> Any:
    about = About(
        "How many gateways have a pod that Prometheus scrapes, of however many the spec selects. Red when there is "
        "none: then nothing that is spent is in any figure here.",
        [names.gateway_cost(spec.prometheus.step)],
        "check that a gateway matches the spec, that the monitor exists, and that Prometheus selects its labels.",
        [runbook(spec, "targets"), panel("Pods scraped")],
    )
    return stat("Gateways watched", about, queries.gateways_watched(spec), COUNT, Steps(RED, {1: GREEN}))


def age(spec: Spec) -> Any:
    step = spec.prometheus.step
    about = About(
        f"How long ago the ledger was last written. It is written every {step}, so the age swings between zero and "
        f"{step}; orange means that a turn was missed.",
        [names.gateway_cost(step)],
        "no data means over five minutes: look at *Rule failures*, and whether Prometheus itself runs.",
        [runbook(spec, "evaluation"), panel("Rule failures")],
    )
    steps = Steps(GREEN, {2 * step.seconds: ORANGE})
    return stat("Age of the newest figure", about, queries.seconds_since_last_record(spec), SECONDS, steps)


def unpriced_share(spec: Spec) -> Any:
    about = About(
        "How many of all tokens within the time range have no price. They cost nothing here, so every figure of "
        "dollars is too low while this is not zero. Orange from 0.01 % on, red from 5 %. The filters on model and on "
        "who spent do not narrow it.",
        [names.unpriced_tokens(spec.prometheus.step), names.tokens(spec.prometheus.step)],
        CHECK_UNPRICED,
        [panel("Unpriced tokens by name"), runbook(spec, "unpriced")],
    )
    steps = Steps(GREEN, {UNPRICED_SOME: ORANGE, UNPRICED_TOO_MUCH: RED})
    return stat("Unpriced share", about, queries.unpriced_share_in_range(spec), SMALL_SHARE, steps)


# ---- Prices ----------------------------------------------------------------------------------------------------


def unpriced_by_name(spec: Spec) -> Any:
    about = About(
        "The names under which models without a price were used within the time range: asked for, and answered by. "
        "Empty is good.",
        [names.unpriced_tokens(spec.prometheus.step)],
        CHECK_UNPRICED,
        [runbook(spec, "unpriced")],
    )
    columns = (
        Column(names.GATEWAY, "Gateway"),
        Column(names.PROVIDER, "Provider"),
        Column(names.REQUEST_MODEL, "Request model"),
        Column(names.RESPONSE_MODEL, "Response model"),
        Column("Value", "Tokens", COUNT),
    )
    return table("Unpriced tokens by name", about, [queries.unpriced_in_range_by_name(spec)], columns, sort="Tokens")


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
        Column("Value #A", "Input", USD_PRICE),
        Column("Value #B", "Output", USD_PRICE),
        Column("Value #C", "Cache read", USD_PRICE),
        Column("Value #D", "Cache write", USD_PRICE),
    )
    return table("Prices in use", about, exprs, columns, sort="Output")


# ---- What there is to compare with ------------------------------------------------------------------------------


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
    if not reported(spec):
        return None
    step = spec.prometheus.step
    about = About(
        "Dollars within the time range where the gateway counts them too, at the prices of its own catalog: ours, the "
        "gateway's, and the difference. Empty means that no gateway has a catalog.",
        [names.cost(step), names.reported_usd(step)],
        "compare the model's prices in the spec with those in the gateway's catalog.",
        [runbook(spec, "reconciliation")],
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


def hourly_difference(spec: Spec) -> Any:
    """None where no gateway counts dollars itself."""
    if not reported(spec):
        return None
    about = About(
        "Our dollars of the hour before each point less the gateway's own, by gateway, provider and model. At zero "
        "they agree; below it we count less.",
        [names.RECONCILIATION],
        "a step up or down is a price that changed on one side only. Empty means that no gateway has a catalog.",
        [runbook(spec, "reconciliation")],
    )
    labels = (names.GATEWAY, names.PROVIDER, names.MODEL)
    exprs = {" ".join(f"{{{{{label}}}}}" for label in labels): queries.hourly_difference(spec)}
    narrowest = bar_width_floor(spec.prometheus.step)
    return lines("Difference hour by hour", about, exprs, USD_ON_AXIS, narrowest, lowest=None)


def reported(spec: Spec) -> bool:
    return any(reports_usd(gateway) for gateway in spec.gateways)


# ---- Scrapes and rules -----------------------------------------------------------------------------------------


def pods_up(spec: Spec) -> Any:
    about = About(
        "How many pods Prometheus scrapes of each gateway that is counted here; by job where targets do not say whose "
        "they are.",
        [names.UP],
        "a line that ends is a gateway whose spend is not seen from there on: see the runbook.",
        [runbook(spec, "targets")],
    )
    exprs = {f"{{{{{queries.WHOSE}}}}}": queries.pods_up_by_gateway(spec)}
    return lines("Pods scraped", about, exprs, COUNT, bar_width_floor(spec.prometheus.step))


def pods_down(spec: Spec) -> Any:
    about = About(
        "Pods of the gateways that Prometheus knows of and cannot scrape. What they count is seen when they answer "
        f"again, if that is within {spec.prometheus.gap}.",
        [names.UP],
        "see Prometheus' page Status > Targets for the reason.",
        [runbook(spec, "targets")],
    )
    return stat("Pods not answering", about, queries.pods_down(spec), COUNT, Steps(GREEN, {1: ORANGE}))


def rule_failures(spec: Spec) -> Any:
    about = About(
        "Evaluations of these rules that failed within the time range. What they should have recorded is in no figure.",
        [names.RULE_FAILURES],
        "the error stands on Prometheus' page Status > Rules. *not watched* means that Prometheus is not among its "
        "own targets.",
        [runbook(spec, "evaluation")],
    )
    expr = queries.rule_failures_in_range(spec)
    return stat("Rule failures", about, expr, COUNT, Steps(GREEN, {1: RED}), absent="not watched")


def rule_runs_missed(spec: Spec) -> Any:
    about = About(
        "Evaluations of these rules that were left out within the time range, because those before took too long. "
        "What they should have recorded is in no figure.",
        [names.RULE_GROUPS_MISSED],
        "give Prometheus more processor time, or raise `prometheus.step` in the spec.",
        [runbook(spec, "evaluation")],
    )
    expr = queries.rule_runs_missed_in_range(spec)
    return stat("Rule runs missed", about, expr, COUNT, Steps(GREEN, {1: ORANGE}), absent="not watched")
