"""grafanalib's classes, with what this project needs and the last release lacks. The only module that imports it.

Only these panel classes are used. grafanalib's GaugePanel, Heatmap and PieChart have faults of their own, which are
not mended: the schema of the dashboard refuses their types.

How the data source gets in. `__inputs` makes Grafana's Import dialog ask for a Prometheus; the answer replaces
`${DS_PROMETHEUS}`. That placeholder stands in one place only: as the current value of the variable `datasource`, to
which every panel and variable refers. So the imported dashboard opens on the chosen data source and can be switched
later. Read in Grafana's source: the server's importer (up to 12) replaces the placeholder in every string, the
browser's importer (13) in panels, query variables and the current value of data source variables. Where nobody
imports, as with a provisioned file, no data source bears the placeholder's name and Grafana takes the first Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grafanalib.core as grafanalib

from tollbook.dashboards.normalise import Json
from tollbook.gen.placeholders import DATASOURCE_VARIABLE, GROUP_VARIABLE, filter_name

DATASOURCE_INPUT = "DS_PROMETHEUS"
DATASOURCE = {"type": "prometheus", "uid": f"${{{DATASOURCE_VARIABLE}}}"}

#: Grafana's word for "every value", in a variable's current value.
ALL = "$__all"

#: Records come once a step, so a faster refresh would show nothing new.
REFRESH_INTERVALS = ["1m", "5m", "15m", "30m", "1h"]

#: One number from a series: the last one.
LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


class Query(grafanalib.Target):
    """A Prometheus query; `instant` asks for the end of the time range only."""

    def to_json_data(self) -> Json:
        added = {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "exemplar": False,
            "interval": self.interval or None,
            "legendFormat": self.legendFormat or None,
            "range": not self.instant,
        }
        target: Json = super().to_json_data()
        return target | added


class Stat(grafanalib.Stat):
    def to_json_data(self) -> Json:
        panel: Json = super().to_json_data()
        panel["options"] |= {
            "percentChangeColorMode": "standard",
            "reduceOptions": LAST,
            "showPercentChange": False,
            "wideLayout": True,
        }
        return panel


class TimeSeries(grafanalib.TimeSeries):
    def to_json_data(self) -> Json:
        panel: Json = super().to_json_data()
        # grafanalib writes a base of the logarithm for linear scales too.
        panel["fieldConfig"]["defaults"]["custom"]["scaleDistribution"] = {"type": "linear"}
        return panel


class BarGauge(grafanalib.Panel):
    """grafanalib's own writes the options of Grafana 6. What the numbers look like comes in by `extraJson`."""

    def to_json_data(self) -> Any:
        options = {
            "displayMode": "gradient",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "maxVizHeight": 60,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": LAST,
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        }
        return self.panel_json({"type": "bargauge", "options": options})


class Table(grafanalib.Panel):
    """grafanalib's own puts colours and mappings where Grafana ignores them, and cell modes under their old name.

    What the columns look like and how they are sorted comes in by `extraJson`.
    """

    def to_json_data(self) -> Any:
        defaults = {
            "color": {"mode": "thresholds"},
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
            "mappings": [],
        }
        options = {"cellHeight": "sm", "showHeader": True}
        return self.panel_json({"type": "table", "fieldConfig": {"defaults": defaults}, "options": options})


class Text(grafanalib.Text):
    pass


class Row(grafanalib.RowPanel):
    """A heading; the panels that follow are under it because of their place in the grid."""


class Variable(grafanalib.Template):
    """`more` are the keys that grafanalib has no argument for."""

    def __init__(self, more: Json, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.more = more

    def to_json_data(self) -> Json:
        variable: Json = super().to_json_data()
        return variable | {"skipUrlSync": False} | self.more


class Dashboard(grafanalib.Dashboard):
    def to_json_data(self) -> Json:
        whole: Json = super().to_json_data()
        # Weeks are counted from Monday in the records, so Grafana's "this week" must be the same week.
        return whole | {"weekStart": "monday"}


def datasource_variable() -> Variable:
    placeholder = f"${{{DATASOURCE_INPUT}}}"
    more = {
        "current": {"selected": True, "text": placeholder, "value": placeholder},
        "description": "The Prometheus that evaluates the generated rules.",
    }
    return Variable(
        more, name=DATASOURCE_VARIABLE, label="Data source", type="datasource", query="prometheus", regex=""
    )


def filter_variable(label: str, title: str, selector: str) -> Variable:
    """Several values of a label, or all of them; `selector` is the series that offer the values.

    All is `.*`, not a list of the values seen: it also keeps series that lack the label.
    """
    values = f"label_values({selector}, {label})"
    more = {
        "current": {"selected": True, "text": ["All"], "value": [ALL]},
        "definition": values,
        "description": f"Values of the label {label} in the ledger within the time range.",
    }
    return Variable(
        more,
        name=filter_name(label),
        label=title,
        query={"qryType": 1, "query": values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        dataSource=DATASOURCE,
        includeAll=True,
        allValue=".*",
        multi=True,
        refresh=grafanalib.REFRESH_ON_TIME_RANGE_CHANGE,
        regex="",
    )


def group_variable(labels: Mapping[str, str]) -> Variable:
    """One label of several, each under what it is called."""
    options = [{"selected": False, "text": title, "value": label} for label, title in labels.items()]
    first = {"selected": True} | {key: options[0][key] for key in ("text", "value")}
    more = {
        "current": first,
        "description": "How the panels that say so split what was spent.",
        "options": [first, *options[1:]],
        "query": ", ".join(f"{title} : {label}" for label, title in labels.items()),
        "multi": False,
    }
    return Variable(more, name=GROUP_VARIABLE, label="Group by", type="custom", query="", regex="")


def link(title: str, to: str) -> Json:
    """An address opens beside the dashboard; a panel's title stands for that panel, until all have their numbers."""
    return {"title": title, "type": "link", "url": to, "targetBlank": "://" in to}


def corner_link(title: str, url: str, tooltip: str) -> Json:
    """At the top right of the dashboard."""
    own = {"asDropdown": False, "icon": "doc", "includeVars": False, "keepTime": False, "tags": [], "tooltip": tooltip}
    return link(title, url) | own


def annotation(name: str, title: str, text: str, tags: Sequence[str], expr: str) -> Json:
    """A mark in every graph wherever the expression has a sample."""
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": expr,
        "hide": False,
        "iconColor": "purple",
        "name": name,
        "step": "60s",
        "tagKeys": ",".join(tags),
        "textFormat": text,
        "titleFormat": title,
        "useValueForTime": False,
    }


def dashboard(
    panels: Iterable[Any],
    variables: Iterable[Any],
    annotations: Iterable[Json],
    links: Iterable[Json],
    *,
    title: str,
    uid: str,
    tags: Sequence[str],
    description: str,
    timezone: str,
) -> Any:
    """The frame that every dashboard has, its panels numbered in reading order."""
    asked = grafanalib.DataSourceInput(
        name=DATASOURCE_INPUT,
        label="Prometheus",
        pluginId="prometheus",
        pluginName="Prometheus",
        description="The Prometheus that evaluates the generated rules",
    )
    unnumbered = Dashboard(
        title=title,
        uid=uid,
        tags=list(tags),
        description=description,
        timezone="utc" if timezone == "UTC" else timezone,
        inputs=[asked],
        panels=list(panels),
        annotations=grafanalib.Annotations(list=list(annotations)),
        links=list(links),
        templating=grafanalib.Templating(list=list(variables)),
        time=grafanalib.Time("now-24h", "now"),
        timePicker=grafanalib.TimePicker(refreshIntervals=REFRESH_INTERVALS, timeOptions=None),
        refresh="1m",
        graphTooltip=grafanalib.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        version=1,
    )
    return unnumbered.auto_panel_ids()
