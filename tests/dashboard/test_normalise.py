"""What grafanalib 0.7.1 gets wrong for Grafana 11 to 13: each fault is shown in its own output, and gone from ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grafanalib.core as grafanalib
import pytest
from grafanalib._gen import DashboardEncoder

from tollbook.dashboards.normalise import clean
from tollbook.gen.dashboard_checks import problems

Json = dict[str, Any]

#: grafanalib as it comes, used as its documentation shows.
PLACE = grafanalib.GridPos(h=8, w=24, x=0, y=0)
TARGETS = [grafanalib.Target(expr="up", refId="A")]
STOCK_PANELS = {
    "row": grafanalib.RowPanel(title="row", gridPos=PLACE),
    "stat": grafanalib.Stat(title="stat", targets=TARGETS, gridPos=PLACE),
    "timeseries": grafanalib.TimeSeries(
        title="timeseries", targets=TARGETS, gridPos=PLACE, thresholds=[grafanalib.Threshold("green", 0, 0.0)]
    ),
    "bargauge": grafanalib.BarGauge(title="bargauge", targets=TARGETS, gridPos=PLACE),
    "table": grafanalib.Table(title="table", targets=TARGETS, gridPos=PLACE),
    "text": grafanalib.Text(title="text", content="words", gridPos=PLACE),
}
STOCK_VARIABLES = [
    grafanalib.Template(name="datasource", type="datasource", query="prometheus"),
    grafanalib.Template(name="gateway", query="label_values(up, gateway)", includeAll=True, multi=True),
]


def stock_dashboard(*panels: Any) -> Any:
    variables = grafanalib.Templating(list=STOCK_VARIABLES)
    return grafanalib.Dashboard(title="stock", panels=list(panels), templating=variables).auto_panel_ids()


@pytest.fixture
def stock() -> Json:
    written = json.dumps(stock_dashboard(*STOCK_PANELS.values()), cls=DashboardEncoder)
    dashboard: Json = json.loads(written)
    return dashboard


# ---- The faults ----------------------------------------------------------------------------------------------------


def of_type(kind: str, dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] == kind]


def targets(dashboard: Json) -> list[Json]:
    return [target for panel in dashboard["panels"] for target in panel.get("targets", ())]


def steps(dashboard: Json) -> list[Any]:
    return [
        panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for panel in dashboard["panels"]
        if "thresholds" in panel.get("fieldConfig", {}).get("defaults", {})
    ]


def nulls(value: Any, path: str = "") -> Iterator[str]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        is_threshold = key == "value" and isinstance(value, dict) and value.keys() == {"color", "value"}
        if item is None and not is_threshold:
            yield f"{path}/{key}"
        yield from nulls(item, f"{path}/{key}")


def has_keys(things: list[Json], *keys: str) -> bool:
    return any(key in thing for thing in things for key in keys)


def lacks_keys(things: list[Json], *keys: str) -> bool:
    return any(key not in thing for thing in things for key in keys)


def variables(dashboard: Json) -> list[Json]:
    found: list[Json] = dashboard["templating"]["list"]
    return found


FAULTS: dict[str, Callable[[Json], bool]] = {
    "a schema version that makes Grafana run thirty migrations": lambda d: d["schemaVersion"] < 41,
    "keys of the dashboard that Grafana dropped": lambda d: has_keys(
        [d], "gnetId", "hideControls", "rows", "sharedCrosshair", "style"
    ),
    "keys of the dashboard that came later are missing": lambda d: lacks_keys(
        [d], "__elements", "__requires", "fiscalYearStartMonth", "liveNow", "preload", "weekStart"
    ),
    "a database id that is null": lambda d: "id" in d,
    "nulls for everything unset": lambda d: any(nulls(d)),
    "panels without the version of their shape": lambda d: lacks_keys(
        [panel for panel in d["panels"] if panel["type"] != "row"], "pluginVersion"
    ),
    "keys of panels that Grafana dropped": lambda d: has_keys(
        d["panels"], "cacheTimeout", "editable", "error", "height", "minSpan", "span", "columns", "fontSize"
    ),
    "a hundred points whatever the width": lambda d: any(panel.get("maxDataPoints") == 100 for panel in d["panels"]),
    "rows that have queries and fields": lambda d: has_keys(of_type("row", d), "fieldConfig", "targets"),
    "texts that have queries": lambda d: has_keys(of_type("text", d), "datasource", "targets", "transformations"),
    "keys of queries that Grafana dropped": lambda d: has_keys(targets(d), "metric", "query", "step", "target"),
    "half the resolution": lambda d: has_keys(targets(d), "intervalFactor"),
    "queries that do not say that they want a range": lambda d: lacks_keys(targets(d), "range"),
    "queries without a data source": lambda d: any(not target.get("datasource") for target in targets(d)),
    "a base threshold that is the word null": lambda d: '"value": "null"' in json.dumps(d),
    "thresholds that are a text": lambda d: "" in steps(d),
    "thresholds with keys of old graphs": lambda d: has_keys(
        [step for listed in steps(d) for step in listed], "index", "line", "op", "yaxis"
    ),
    "stat: the word none where there is no data": lambda d: any(
        panel["fieldConfig"]["defaults"]["noValue"] == "none" for panel in of_type("stat", d)
    ),
    "stat: the mean of the range": lambda d: any(
        panel["options"]["reduceOptions"]["calcs"] == ["mean"] for panel in of_type("stat", d)
    ),
    "stat: options that came later are missing": lambda d: lacks_keys(
        [panel["options"] for panel in of_type("stat", d)], "wideLayout", "showPercentChange", "percentChangeColorMode"
    ),
    "bar gauge: options of Grafana 6": lambda d: has_keys(
        [panel["options"] for panel in of_type("bargauge", d)], "fieldOptions"
    ),
    "table: colours and mappings where Grafana ignores them": lambda d: has_keys(
        of_type("table", d), "color", "mappings"
    ),
    "table: cell modes under their old name": lambda d: has_keys(
        [panel["fieldConfig"]["defaults"]["custom"] for panel in of_type("table", d)], "displayMode"
    ),
    "legends that do not say whether they are shown": lambda d: lacks_keys(
        [panel["options"]["legend"] for panel in of_type("timeseries", d)], "showLegend"
    ),
    "fields without overrides": lambda d: lacks_keys(
        [panel["fieldConfig"] for panel in d["panels"] if panel["type"] != "row"], "overrides"
    ),
    "a base of the logarithm for linear scales": lambda d: any(
        "log" in panel["fieldConfig"]["defaults"]["custom"]["scaleDistribution"] for panel in of_type("timeseries", d)
    ),
    "keys of variables that Grafana dropped": lambda d: has_keys(
        variables(d), "auto", "auto_count", "auto_min", "tagsQuery", "tagValuesQuery", "useTags"
    ),
    "variables with tags": lambda d: has_keys([variable["current"] for variable in variables(d)], "tags"),
    "keys of variables that came later are missing": lambda d: lacks_keys(variables(d), "description", "skipUrlSync"),
    "query variables without a definition": lambda d: lacks_keys(
        [variable for variable in variables(d) if variable["type"] == "query"], "definition"
    ),
    "a data source variable that stands on null": lambda d: variables(d)[0]["current"]["value"] is None,
}


@pytest.mark.parametrize("has_fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_of_grafanalib_is_mended(stock: Json, full: Json, has_fault: Callable[[Json], bool]) -> None:
    assert has_fault(stock)
    assert not has_fault(full)


# ---- The pass itself -------------------------------------------------------------------------------------------------


def test_a_hidden_legend_is_a_list_that_is_not_shown() -> None:
    panel = grafanalib.TimeSeries(targets=TARGETS, legendDisplayMode="hidden")
    legend = clean(stock_dashboard(panel))["panels"][0]["options"]["legend"]
    assert legend == {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False}


def test_a_tooltip_without_an_order_gets_one() -> None:
    panel = grafanalib.PieChartv2(targets=TARGETS)
    assert clean(stock_dashboard(panel))["panels"][0]["options"]["tooltip"] == {"mode": "single", "sort": "none"}


def test_a_base_threshold_keeps_its_null() -> None:
    panel = grafanalib.TimeSeries(targets=TARGETS, thresholds=[{"color": "green", "value": None}])
    defaults = clean(stock_dashboard(panel))["panels"][0]["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"] == [{"color": "green", "value": None}]
    assert "decimals" not in defaults


def test_keys_stand_in_their_order_wherever_they_were_set() -> None:
    def keys(value: Any) -> Iterator[list[str]]:
        if isinstance(value, dict):
            yield list(value)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from keys(item)

    assert all(found == sorted(found) for found in keys(clean(stock_dashboard(STOCK_PANELS["timeseries"]))))


def test_the_result_shares_nothing_with_what_it_was_made_of() -> None:
    shared = {"displayMode": "table"}
    panels = [grafanalib.TimeSeries(targets=TARGETS, extraJson={"options": {"legend": shared}}) for _ in range(2)]
    first, second = clean(stock_dashboard(*panels))["panels"]
    first["options"]["legend"]["displayMode"] = "list"
    assert second["options"]["legend"]["displayMode"] == shared["displayMode"] == "table"


def as_json(panel: Any) -> Json:
    written: Json = json.loads(json.dumps(panel, cls=DashboardEncoder))
    return written


REFUSED = {
    "a stat that was only cleaned": clean(stock_dashboard(STOCK_PANELS["stat"]))["panels"][0],
    "a bar gauge that was only cleaned": clean(stock_dashboard(STOCK_PANELS["bargauge"]))["panels"][0],
    "a table that was only cleaned": clean(stock_dashboard(STOCK_PANELS["table"]))["panels"][0],
    "a gauge": as_json(grafanalib.GaugePanel(title="gauge")),
    "a heatmap": as_json(grafanalib.Heatmap(title="heatmap")),
    "a pie chart": as_json(grafanalib.PieChartv2(title="piechart")),
    "a graph of Grafana 7": as_json(grafanalib.Graph(title="graph")),
}


@pytest.mark.parametrize("panel", REFUSED.values(), ids=REFUSED.keys())
def test_what_nobody_mended_is_refused_by_the_schema(full: Json, panel: Json) -> None:
    full["panels"].append(panel)
    assert any(f"panel '{panel['title']}'" in str(problem) for problem in problems(full, set()))
