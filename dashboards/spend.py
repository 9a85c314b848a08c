"""The row of spend: who spent what within the dashboard's time range, as totals, over time, and in full."""

from __future__ import annotations

from typing import Any

from tollbook.dashboards import queries_spend as queries
from tollbook.dashboards.grid import Line, Row, in_lines
from tollbook.dashboards.queries import GROUP, WITHOUT, ledger_labels
from tollbook.dashboards.style import (
    COUNT,
    SHARE,
    USD,
    USD_ON_AXIS,
    USD_ROUND,
    About,
    Column,
    bars,
    ranking,
    stat,
    table,
)
from tollbook.dashboards.sums import bar_width_floor
from tollbook.dashboards.wording import CHOSEN_GROUP, panel, runbook, title_of
from tollbook.gen import names
from tollbook.gen.spec import Spec

CHECK_SPLIT = (
    "the parts add up to *Selected time range*. A model that is missing, or at zero, has no price: look at *Unpriced "
    "share*. `unknown` means that the gateway could not tell."
)
CHECK_BARS = (
    "the bars add up to *Selected time range*; the first one may begin a little before the range. Nothing before the "
    "rules were loaded is known, and nothing older than Prometheus keeps."
)

#: So many labels of who spent have a ranking of their own: what Kubernetes holds in one object has an end, and so has
#: the patience of readers. *Top spenders* splits by any.
RANKED_LABELS = 8

TOP_SPENDERS = f"Top spenders by {CHOSEN_GROUP}"


def row(spec: Spec) -> Row:
    labels = (names.GATEWAY, names.MODEL, names.TOKEN_TYPE, *spec.spend_labels[:RANKED_LABELS])
    rankings = [selected_range(spec), saved(spec), *(by_label(spec, label) for label in labels)]
    return Row(
        "Spend in the selected time range",
        [
            Line(10, [over_time(spec)]),
            Line(9, [top_spenders(spec)]),
            *in_lines(8, rankings, widest=5),
            Line(9, [everything(spec)]),
        ],
    )


def selected_range(spec: Spec) -> Any:
    about = About(
        "Dollars spent within the time range at the top right, at list price. It is exact to the accounting step.",
        [names.cost(spec.prometheus.step)],
        "a range that reaches further back than the rules have been loaded, or than Prometheus keeps, shows less. One "
        "that begins or ends while Prometheus did not run may be off by what an hour cost.",
    )
    return stat("Selected time range", about, queries.spend_in_range(spec), USD)


def saved(spec: Spec) -> Any:
    about = About(
        "What the tokens that were read from a cache within the time range would have cost more as plain input, at "
        "the prices in force at its end. What providers charge for writing into a cache is not taken off.",
        [names.tokens(spec.prometheus.step), names.PRICE],
        "zero means that nothing was read from a cache, or that the spec has no `cache_read` price for the model.",
    )
    return stat("Saved by caching", about, queries.saved_in_range(spec), USD)


def by_label(spec: Spec, label: str) -> Any:
    title = title_of(label)
    shows = f"The {queries.RANKED} largest by {title}, in dollars within the time range. {_explained(label)}".rstrip()
    about = About(shows, [names.cost(spec.prometheus.step)], CHECK_SPLIT)
    return ranking(f"Spend by {title}", about, queries.spend_in_range_by(spec, label), f"{{{{{label}}}}}", USD)


def _explained(label: str) -> str:
    if label == names.TOKEN_TYPE:
        return "Each token is in one type only: `input` is without what was read from or written to a cache."
    return ""


def over_time(spec: Spec) -> Any:
    about = About(
        "Dollars bar by bar, split as *Group by* at the top says; the width of a bar follows the time range. Marks in "
        f"the graph are changes of prices. `{WITHOUT}` are dollars that do not bear the label.",
        [names.cost(spec.prometheus.step)],
        CHECK_BARS,
        [panel(TOP_SPENDERS)],
    )
    expr, narrowest = queries.spend_per_bar_by_group(spec), bar_width_floor(spec.prometheus.step)
    return bars(f"Spend over time by {CHOSEN_GROUP}", about, expr, f"{{{{{GROUP}}}}}", USD_ON_AXIS, narrowest)


def top_spenders(spec: Spec) -> Any:
    step = spec.prometheus.step
    about = About(
        "Who spent most within the time range, split as *Group by* at the top says, what they got for it, how much of "
        "their input came from a cache, and what that saved. Requests are those that a provider answered, well or not.",
        [names.cost(step), names.tokens(step), names.PRICE, names.requests(step)],
        f"{CHECK_SPLIT} To see whose spend is nobody's, group by the label and look for `{WITHOUT}` and `unknown`.",
        [runbook(spec, "attribution")],
    )
    exprs = (
        queries.spend_by_group(spec),
        queries.share_by_group(spec),
        queries.tokens_by_group(spec),
        queries.requests_by_group(spec),
        queries.usd_per_request_by_group(spec),
        queries.usd_per_mtok_by_group(spec),
        queries.cache_share_by_group(spec),
        queries.saved_by_group(spec),
    )
    columns = (
        Column(GROUP, "Who"),
        Column("Value #A", "USD", USD_ROUND),
        Column("Value #B", "Share", SHARE),
        Column("Value #C", "Tokens", COUNT),
        Column("Value #D", "Requests", COUNT),
        Column("Value #E", "USD a request", USD),
        Column("Value #F", "USD per 1M tokens", USD_ROUND),
        Column("Value #G", "Read from cache", SHARE),
        Column("Value #H", "Saved by caching", USD_ROUND),
    )
    return table(TOP_SPENDERS, about, exprs, columns, sort="USD")


def everything(spec: Spec) -> Any:
    labels = ledger_labels(spec)
    about = About(
        "Every combination that spent anything within the time range, the dearest first. Click a column head to sort.",
        [names.cost(spec.prometheus.step)],
        CHECK_SPLIT,
    )
    columns = [*(Column(label, title_of(label).capitalize()) for label in labels), Column("Value", "USD", USD)]
    return table("Who spent what", about, [queries.spend_in_range_by_everything(spec)], columns, sort="USD")
