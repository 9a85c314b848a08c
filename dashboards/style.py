"""House style: panels named by what they measure. No record and no query is named here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

import attr

from tollbook.dashboards import grafana
from tollbook.dashboards.normalise import Json
from tollbook.gen.placeholders import layout
from tollbook.gen.promql import Expr

#: At most about this many bars: an hour each over a day, six hours over a week, a day over a month.
BARS = 28

#: As far back as panels of raw series go while the time range is relative, as "the last 90 days" is.
RECENT = "6h"

GREEN, YELLOW, ORANGE, RED, NEUTRAL = "green", "yellow", "orange", "red", "text"
BY_NAME = "palette-classic-by-name"  # one thing has one colour in every panel


@dataclass(frozen=True)
class Unit:
    id: str
    decimals: int


#: Four decimals: one request costs fractions of a cent, and with two a first test would read $0.00. A prefix, for
#: Grafana's own unit of dollars makes $12.35K of an amount that is to be put beside an invoice.
USD = Unit("prefix:$", 4)
USD_ON_AXIS = Unit("currencyUSD", 4)
#: To the cent.
USD_ROUND = Unit("prefix:$", 2)
#: Of a million tokens; some cost less than a cent.
USD_PRICE = Unit("prefix:$", 5)
COUNT = Unit("locale", 0)
COUNT_ON_AXIS = Unit("short", 1)
SHARE = Unit("percentunit", 1)
#: Of what should be nothing at all.
SMALL_SHARE = Unit("percentunit", 2)
SECONDS = Unit("s", 0)
LATENCY = Unit("s", 3)
PER_SECOND = Unit("reqps", 2)
#: In milliseconds since 1970.
MOMENT = Unit("dateTimeAsIso", 0)


@dataclass(frozen=True)
class Link:
    """In the corner of a panel; `to` is an address, or the title of another panel of the dashboard."""

    title: str
    to: str

    def to_json_data(self) -> Json:
        return grafana.link(self.title, self.to)


@dataclass(frozen=True)
class About:
    """What hides behind a panel's small i."""

    shows: str
    reads: Sequence[str]
    """Records, or metrics of the gateways and of Prometheus."""
    if_wrong: str
    links: Sequence[Link] = ()

    def __str__(self) -> str:
        records = ", ".join(f"`{record}`" for record in self.reads)
        return f"{self.shows}\n\n**Reads** {records}\n\n**If it looks wrong:** {self.if_wrong}"


@dataclass(frozen=True)
class Steps:
    """Colours from a value upwards."""

    base: str = NEUTRAL
    above: Mapping[float, str] = field(default_factory=dict)

    def to_json_data(self) -> list[Json]:
        steps: list[Json] = [{"color": self.base, "value": None}]
        return steps + [{"color": color, "value": _number(value)} for value, color in sorted(self.above.items())]


PLAIN = Steps()


def _number(value: float) -> float:
    """1, not 1.0."""
    return int(value) if value == int(value) else value


@dataclass(frozen=True)
class Column:
    """A column of a table: a label by its name, or the number that the query of this letter gives."""

    source: str
    title: str
    unit: Unit | None = None


# ---- Panels ------------------------------------------------------------------------------------------------


def stat(
    title: str,
    about: About,
    expr: Expr,
    unit: Unit,
    steps: Steps = PLAIN,
    legend: str = "",
    absent: str = "no data",
) -> Any:
    """One number, asked for the end of the time range. From a graph's last point it would be up to hours old. With a
    legend each number bears its name."""
    return grafana.Stat(
        **_named(title, about),
        targets=_queries([(legend, expr)], instant=True),
        textMode="value_and_name" if legend else "auto",
        thresholds=steps.to_json_data(),
        color={"mode": "thresholds"},
        colorMode="value",
        graphMode="none",
        format=unit.id,
        decimals=unit.decimals,
        noValue=absent,
        reduceCalc="lastNotNull",
    )


def ranking(title: str, about: About, expr: Expr, legend: str, unit: Unit) -> Any:
    """Who has most, from the top down."""
    return grafana.BarGauge(
        **_named(title, about),
        targets=_queries([(legend, expr)], instant=True),
        thresholds=PLAIN.to_json_data(),
        extraJson=_numbers(unit, color=BY_NAME),
    )


def gauges(title: str, about: About, expr: Expr, legend: str, steps: Mapping[str, Steps]) -> Any:
    """Shares of a whole; `steps` colours each by its own thresholds, by the name that the legend shows."""
    numbers = _numbers(SHARE, color="thresholds", maximum=1)
    numbers["fieldConfig"]["overrides"] = [
        _override(name, thresholds={"mode": "absolute", "steps": own.to_json_data()}) for name, own in steps.items()
    ]
    return grafana.BarGauge(
        **_named(title, about),
        targets=_queries([(legend, expr)], instant=True),
        thresholds=PLAIN.to_json_data(),
        extraJson=numbers,
    )


def bars(title: str, about: About, expr: Expr, legend: str, unit: Unit, narrowest: str) -> Any:
    """Amounts per span of time, stacked. They add up to the total of the time range, which the legend shows."""
    return grafana.TimeSeries(
        **_named(title, about) | {"maxDataPoints": BARS},
        **_graph(unit, legend_calcs=["sum"]),
        targets=_queries([(legend, expr)]),
        drawStyle="bars",
        barAlignment=1,  # the query stamps a bar with its start, so it is drawn to the right of that
        fillOpacity=80,
        lineWidth=0,
        stacking={"group": "A", "mode": "normal"},
        thresholds=PLAIN.to_json_data(),
        interval=narrowest,
    )


def lines(
    title: str,
    about: About,
    exprs: Mapping[str, Expr],
    unit: Unit,
    narrowest: str,
    limit: float | None = None,
    lowest: int | None = 0,
) -> Any:
    """Levels over time, each under its legend; `limit` draws a dashed line, and without `lowest` some are negative."""
    return grafana.TimeSeries(
        **_named(title, about),
        **_graph(unit, legend_calcs=["lastNotNull", "max"]) | {"valueMin": lowest},
        targets=_queries(exprs.items()),
        fillOpacity=10,
        lineWidth=2,
        showPoints="never",
        stacking={"group": "A", "mode": "none"},
        thresholds=Steps(above={} if limit is None else {limit: RED}).to_json_data(),
        thresholdsStyleMode="off" if limit is None else "dashed",
        interval=narrowest,
    )


def span_lines(title: str, about: About, exprs: Mapping[str, Expr], unit: Unit, narrowest: str) -> Any:
    """Of what is worked out for spans of time, as wide as bars are."""
    return attr.evolve(lines(title, about, exprs, unit, narrowest), maxDataPoints=BARS)


def recent_lines(title: str, about: About, exprs: Mapping[str, Expr], unit: Unit, narrowest: str) -> Any:
    """Of raw series, which are too many to read for long: of a relative time range only the last hours."""
    return attr.evolve(lines(title, about, exprs, unit, narrowest), timeFrom=RECENT)


def table(title: str, about: About, exprs: Sequence[Expr], columns: Sequence[Column], sort: str) -> Any:
    """Rows of several queries meet by their labels; the largest value of the column titled `sort` comes first."""
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {column.source: position for position, column in enumerate(columns)},
        "renameByName": {column.source: column.title for column in columns},
    }
    merge = [{"id": "merge", "options": {}}] if len(exprs) > 1 else []
    looks = [
        _override(column.title, unit=column.unit.id, decimals=column.unit.decimals) for column in columns if column.unit
    ]
    return grafana.Table(
        **_named(title, about),
        targets=_queries((("", expr) for expr in exprs), instant=True, format_="table"),
        thresholds=PLAIN.to_json_data(),
        transformations=[*merge, {"id": "organize", "options": organize}],
        extraJson={
            "fieldConfig": {"overrides": looks},
            "options": {"sortBy": [{"desc": True, "displayName": sort}]},
        },
    )


def text(title: str, shows: str, content: str) -> Any:
    return grafana.Text(title=title, description=shows, content=content, maxDataPoints=None)


def _named(title: str, about: About) -> Json:
    # Left to itself, grafanalib asks for 100 points whatever the width of the panel.
    return {
        "title": title,
        "description": str(about),
        "dataSource": grafana.DATASOURCE,
        "links": list(about.links),
        "maxDataPoints": None,
    }


def _numbers(unit: Unit, color: str, maximum: int | None = None) -> Json:
    defaults = {
        "color": {"mode": color},
        "decimals": unit.decimals,
        "mappings": [],
        "max": maximum,
        "min": 0,
        "unit": unit.id,
    }
    return {"fieldConfig": {"defaults": defaults}}


def _graph(unit: Unit, legend_calcs: list[str]) -> Json:
    return {
        "unit": unit.id,
        "valueDecimals": unit.decimals,
        "valueMin": 0,
        "colorMode": BY_NAME,
        "legendDisplayMode": "table",
        "legendCalcs": legend_calcs,
        "tooltipMode": "multi",
        "tooltipSort": "desc",
    }


def _queries(asked: Iterable[tuple[str, Expr]], instant: bool = False, format_: str = "time_series") -> list[Any]:
    """One query for each legend and expression, lettered from A."""
    return [
        grafana.Query(refId=letter, expr=layout(expr), legendFormat=legend, instant=instant, format=format_)
        for letter, (legend, expr) in zip(ascii_uppercase, asked, strict=False)
    ]


def _override(name: str, **properties: Any) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }
