"""One pass that makes plain data of a grafanalib dashboard, in the shapes that Grafana 11 to 13 write themselves.

grafanalib 0.7.1 is its last release and speaks the Grafana of 2018 to 2022: it writes keys that Grafana dropped, nulls
for everything unset, and lacks keys that came later. Grafana would mend some of that when it loads the file, by
migrations that guess; here it is mended once, in the open. tests/dashboard/test_normalise.py has a test for each fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

#: Grafana runs its migrations from this number up. Of the later ones none touches anything that is emitted here.
SCHEMA_VERSION = 41

#: The version whose shapes the panels have. Without one Grafana takes stat and bar gauge panels for those of 6.1.
PLUGIN_VERSION = "11.6.0"

DASHBOARD_LEGACY = frozenset({"gnetId", "hideControls", "rows", "sharedCrosshair", "style"})
PANEL_LEGACY = frozenset(
    {"cacheTimeout", "columns", "editable", "error", "fontSize", "height", "hideTimeOverride", "minSpan", "span"}
)
TARGET_LEGACY = frozenset({"intervalFactor", "metric", "query", "step", "target"})
VARIABLE_LEGACY = frozenset({"auto", "auto_count", "auto_min", "tagsQuery", "tagValuesQuery", "useTags"})

#: What a panel has only for the sake of its queries.
QUERYING = frozenset({"datasource", "targets", "transformations"})

#: All that a row is; grafanalib gives it the queries and field options of a panel.
ROW_KEYS = frozenset({"collapsed", "gridPos", "id", "panels", "title", "type"})


def clean(dashboard: Any) -> Json:
    """`dashboard` is grafanalib's object; the result is new, shares nothing with it, and json.dumps takes it."""
    data: Json = _without(_plain(dashboard), DASHBOARD_LEGACY)
    data["panels"] = [_row(panel) if panel["type"] == "row" else _panel(panel) for panel in data["panels"]]
    data["templating"] = {"list": [_without(variable, VARIABLE_LEGACY) for variable in data["templating"]["list"]]}
    added = {
        "__elements": {},
        "__requires": _requirements(data["panels"]),
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "preload": False,
        "schemaVersion": SCHEMA_VERSION,
    }
    cleaned: Json = _settled(data | added)
    return cleaned


def _plain(value: Any) -> Any:
    """grafanalib nests its objects anywhere and leaves it to the JSON encoder to unfold them."""
    if hasattr(value, "to_json_data"):
        return _plain(value.to_json_data())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _panel(panel: Json) -> Json:
    panel = _without(panel, PANEL_LEGACY) | {"pluginVersion": PLUGIN_VERSION}
    if panel["type"] == "text":
        return _without(panel, QUERYING) | {"fieldConfig": {"defaults": {}, "overrides": []}}
    panel["fieldConfig"] = {"overrides": []} | panel["fieldConfig"]
    panel["targets"] = [_without(target, TARGET_LEGACY) for target in panel["targets"]]
    options = panel["options"]
    if "legend" in options:
        options["legend"] = _legend(options["legend"])
    if "tooltip" in options:
        options["tooltip"] = {"sort": "none"} | options["tooltip"]
    return panel


def _legend(legend: Json) -> Json:
    """Whether a legend is shown was once one of its modes."""
    if legend["displayMode"] == "hidden":
        return legend | {"displayMode": "list", "showLegend": False}
    return {"showLegend": True} | legend


def _row(row: Json) -> Json:
    return {key: value for key, value in row.items() if key in ROW_KEYS}


def _requirements(panels: Iterable[Json]) -> list[Json]:
    """What Grafana names missing when a dashboard is imported into an installation that lacks it."""
    types = sorted({panel["type"] for panel in panels if panel["type"] != "row"})
    return [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "11.0.0"},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in types),
    ]


def _without(data: Json, keys: frozenset[str]) -> Json:
    return {key: value for key, value in data.items() if key not in keys}


def _settled(value: Any) -> Any:
    """Without nulls, and in the order of its keys, as Grafana exports dashboards: what did not change does not move."""
    if isinstance(value, list):
        return [_settled(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_threshold = value.keys() == {"color", "value"}  # null is minus infinity there, and must stay
    return {key: _settled(item) for key, item in sorted(value.items()) if item is not None or is_threshold}
