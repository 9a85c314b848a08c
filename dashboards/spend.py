"""The second row: who spent what within the dashboard's time range, as totals, over time, and in full."""

from __future__ import annotations

from typing import Any

from tollbook.dashboards import queries
from tollbook.dashboards.style import USD, About, Column, Line, Row, bars, in_lines, ranking, stat, table
from tollbook.gen import names
from tollbook.gen.spec import Spec

#: How a label is called in titles and column heads; any other is a label of the user's own and keeps its name.
TITLES = {
    names.GATEWAY: "gateway",
    names.PROVIDER: "provider",
    names.MODEL: "model",
    names.TOKEN_TYPE: "token type",
}

CHECK_SPLIT = (
    "the parts add up to *Selected time range*. A model that is missing, or at zero, has no price: look at *Unpriced "
    "tokens*. `unknown` means that the gateway could not tell."
)
CHECK_BARS = (
    "the bars add up to *Selected time range*; the first one may begin a little before the range. Nothing before the "
    "rules were loaded is known, and nothing older than Prometheus keeps."
)


def row(spec: Spec) -> Row:
    labels = (names.GATEWAY, names.MODEL, names.TOKEN_TYPE, *spec.spend_labels)
    rankings = in_lines(8, [selected_range(spec), *(by_label(spec, label) for label in labels)], widest=4)
    over_time = in_lines(9, [per_bar_by_label(spec, label) for label in labels], widest=2)
    return Row("Spend in the selected time range", [*rankings, *over_time, Line(9, [everything(spec)])])


def selected_range(spec: Spec) -> Any:
    about = About(
        "Dollars spent within the time range at the top right, at list price. It is exact to the accounting step.",
        [names.cost(spec.prometheus.step)],
        "a range that reaches further back than the rules have been loaded, or than Prometheus keeps, shows less.",
    )
    return stat("Selected time range", about, queries.spend_in_range(spec), USD)


def by_label(spec: Spec, label: str) -> Any:
    title = title_of(label)
    shows = f"The {queries.RANKED} largest by {title}, in dollars within the time range. {_explained(label)}".rstrip()
    about = About(shows, [names.cost(spec.prometheus.step)], CHECK_SPLIT)
    return ranking(f"Spend by {title}", about, queries.spend_in_range_by(spec, label), f"{{{{{label}}}}}", USD)


def per_bar_by_label(spec: Spec, label: str) -> Any:
    title = title_of(label)
    shows = f"Dollars by {title}, bar by bar; the width of a bar follows the time range. {_explained(label)}".rstrip()
    about = About(shows, [names.cost(spec.prometheus.step)], CHECK_BARS)
    expr = queries.spend_per_bar_by(spec, label)
    narrowest = queries.bar_width_floor(spec.prometheus.step)
    return bars(f"Spend over time by {title}", about, expr, f"{{{{{label}}}}}", USD, narrowest)


def everything(spec: Spec) -> Any:
    labels = queries.ledger_labels(spec)
    about = About(
        "Every combination that spent anything within the time range, the dearest first. Click a column head to sort.",
        [names.cost(spec.prometheus.step)],
        CHECK_SPLIT,
    )
    columns = [*(Column(label, title_of(label).capitalize()) for label in labels), Column("Value", "USD", USD)]
    return table("Who spent what", about, [queries.spend_in_range_by_everything(spec)], columns, sort="USD")


def title_of(label: str) -> str:
    return TITLES.get(label, label)


def _explained(label: str) -> str:
    if label == names.TOKEN_TYPE:
        return "Each token is in one type only: `input` is without what was read from or written to a cache."
    return ""
