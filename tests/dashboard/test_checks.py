"""The generator's own judge of dashboards: silent about good ones, and it names what is wrong with each broken one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tollbook.gen import names
from tollbook.gen.dashboard_checks import problems
from tollbook.gen.reading import packaged_schema

Json = dict[str, Any]
Break = Callable[[Json], Any]


def test_every_good_spec_gives_a_dashboard_without_problems(good: Json, good_records: frozenset[str]) -> None:
    assert problems(good, good_records) == []


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(packaged_schema("dashboard"))


def test_every_object_of_the_schema_is_closed() -> None:
    """Or says what its other keys hold: otherwise a misspelt key would pass."""
    assert list(open_objects(packaged_schema("dashboard"), "#")) == []


def open_objects(schema: Any, path: str) -> list[str]:
    if isinstance(schema, list):
        return [found for position, item in enumerate(schema) for found in open_objects(item, f"{path}/{position}")]
    if not isinstance(schema, dict):
        return []
    closed = {"additionalProperties", "maxProperties", "allOf", "const"} & schema.keys()
    is_open = schema.get("type") == "object" and not closed and path != "#/$defs/transformation/properties/options"
    nested = [found for key, value in schema.items() for found in open_objects(value, f"{path}/{key}")]
    return [path, *nested] if is_open else nested


def panel(dashboard: Json, title: str) -> Json:
    found: Json = next(panel for panel in dashboard["panels"] if panel["title"] == title)
    return found


def variable(dashboard: Json, name: str) -> Json:
    found: Json = next(variable for variable in dashboard["templating"]["list"] if variable["name"] == name)
    return found


def query(dashboard: Json, title: str) -> Json:
    first: Json = panel(dashboard, title)["targets"][0]
    return first


def defaults(dashboard: Json, title: str) -> Json:
    found: Json = panel(dashboard, title)["fieldConfig"]["defaults"]
    return found


UNEXPECTED = " is not what Grafana expects here"

SHAPE: dict[str, tuple[Break, str]] = {
    "unknown key of the dashboard": (
        lambda d: d.update(stile="dark"),
        "dashboard: unknown key 'stile' (did you mean 'title'?)",
    ),
    "missing schema version": (
        lambda d: d.pop("schemaVersion"),
        "dashboard: the key 'schemaVersion' is missing",
    ),
    "no question for a data source": (
        lambda d: d["__inputs"].clear(),
        "dashboard __inputs: '[]'" + UNEXPECTED,
    ),
    "unknown panel type": (
        lambda d: panel(d, "Today").update(type="stats"),
        "panel 'Today' type: '\"stats\"'" + UNEXPECTED,
    ),
    "unknown key of a panel": (
        lambda d: panel(d, "Today").update(intervall="1m"),
        "panel 'Today': unknown key 'intervall'",
    ),
    "unknown option": (
        lambda d: panel(d, "Today")["options"].update(graphMod="area"),
        "panel 'Today' options: unknown key 'graphMod' (did you mean 'graphMode'?)",
    ),
    "option of another panel type": (
        lambda d: panel(d, "Today")["options"].update(displayMode="lcd"),
        "panel 'Today' options: unknown key 'displayMode'",
    ),
    "bad value of an option": (
        lambda d: panel(d, "Today")["options"].update(graphMode="line"),
        "panel 'Today' options/graphMode: '\"line\"'" + UNEXPECTED,
    ),
    "bad draw style": (
        lambda d: defaults(d, "Tokens per minute")["custom"].update(drawStyle="lnie"),
        "panel 'Tokens per minute' fieldConfig/defaults/custom/drawStyle: '\"lnie\"'" + UNEXPECTED,
    ),
    "unit that nobody knows": (
        lambda d: defaults(d, "Today").update(unit="dollars"),
        "panel 'Today' fieldConfig/defaults/unit: '\"dollars\"'" + UNEXPECTED,
    ),
    "no decimals": (
        lambda d: defaults(d, "Today").pop("decimals"),
        "panel 'Today' fieldConfig/defaults: the key 'decimals' is missing",
    ),
    "no description": (
        lambda d: panel(d, "Today").update(description=""),
        "panel 'Today' description: '\"\"'" + UNEXPECTED,
    ),
    "height that is a text": (
        lambda d: panel(d, "Today")["gridPos"].update(h="8"),
        "panel 'Today' gridPos/h: '\"8\"'" + UNEXPECTED,
    ),
    "base threshold that is a word": (
        lambda d: defaults(d, "Today")["thresholds"]["steps"][0].update(value="null"),
        "panel 'Today' fieldConfig/defaults/thresholds/steps/0/value: '\"null\"'" + UNEXPECTED,
    ),
    "second threshold without a value": (
        lambda d: defaults(d, "Unpriced share")["thresholds"]["steps"][1].update(value=None),
        "panel 'Unpriced share' fieldConfig/defaults/thresholds/steps/1/value: 'null'" + UNEXPECTED,
    ),
    "thresholds that are a text": (
        lambda d: defaults(d, "Today")["thresholds"].update(steps=""),
        "panel 'Today' fieldConfig/defaults/thresholds/steps: '\"\"'" + UNEXPECTED,
    ),
    "queries that are no list": (
        lambda d: panel(d, "Today").update(targets={}),
        "panel 'Today' targets: '{}'" + UNEXPECTED,
    ),
    "unknown key of a query": (
        lambda d: query(d, "Today").update(exprr="up"),
        "panel 'Today' targets/0: unknown key 'exprr' (did you mean 'expr'?)",
    ),
    "range query of a stat": (
        lambda d: query(d, "Today").update(instant=False),
        "panel 'Today' targets/0/instant: 'false'" + UNEXPECTED,
    ),
    "graph without a legend": (
        lambda d: query(d, "Tokens per minute").pop("legendFormat"),
        "panel 'Tokens per minute' targets/0: the key 'legendFormat' is missing",
    ),
    "hard-coded data source of a panel": (
        lambda d: panel(d, "Today").update(datasource="Prometheus"),
        "panel 'Today' datasource: '\"Prometheus\"'" + UNEXPECTED,
    ),
    "hard-coded data source of a query": (
        lambda d: query(d, "Today")["datasource"].update(uid="PBFA97CFB590B2093"),
        "panel 'Today' targets/0/datasource/uid: '\"PBFA97CFB590B2093\"'" + UNEXPECTED,
    ),
    "hard-coded data source of a variable": (
        lambda d: variable(d, "gateway")["datasource"].update(uid="prometheus"),
        "variable 'gateway' datasource/uid: '\"prometheus\"'" + UNEXPECTED,
    ),
    "data source that the import does not fill in": (
        lambda d: variable(d, "datasource")["current"].update(value="default"),
        "variable 'datasource' current/value: '\"default\"'" + UNEXPECTED,
    ),
    "misspelt type of variable": (
        lambda d: variable(d, "gateway").update(type="querry"),
        "variable 'gateway' type: '\"querry\"'" + UNEXPECTED,
    ),
    "All that leaves out what lacks the label": (
        lambda d: variable(d, "gateway").update(allValue=".+"),
        "variable 'gateway' allValue: '\".+\"'" + UNEXPECTED,
    ),
    "label to group by that is none": (
        lambda d: variable(d, "group_by")["options"][0].update(value="team name"),
        "variable 'group_by' options/0/value: '\"team name\"'" + UNEXPECTED,
    ),
    "hard-coded data source of an annotation": (
        lambda d: d["annotations"]["list"][0]["datasource"].update(uid="prometheus"),
        "dashboard annotations/list/0/datasource/uid: '\"prometheus\"'" + UNEXPECTED,
    ),
    "link to nowhere": (
        lambda d: panel(d, "Unpriced share")["links"][0].update(url="Unpriced tokens by name"),
        "panel 'Unpriced share' links/0/url: '\"Unpriced tokens by name\"'" + UNEXPECTED,
    ),
    "misspelt transformation": (
        lambda d: panel(d, "Who spent what")["transformations"][0].update(id="organise"),
        "panel 'Who spent what' transformations/0/id: '\"organise\"'" + UNEXPECTED,
    ),
    "misspelt option of a transformation": (
        lambda d: panel(d, "Who spent what")["transformations"][0]["options"].update(renameByname={}),
        "panel 'Who spent what' transformations/0/options: unknown key 'renameByname' (did you mean 'renameByName'?)",
    ),
    "bad value of an override": (
        lambda d: panel(d, "Who spent what")["fieldConfig"]["overrides"][0]["properties"][0].update(value="dollars"),
        "panel 'Who spent what' fieldConfig/overrides/0/properties/0/value: '\"dollars\"'" + UNEXPECTED,
    ),
}

BARS = "Spend over time by $group_by"
TIME_FROM = "it needs timeFrom"
MEANT_TOKENS = " (did you mean 'agentgateway:tokens:increase2m'?)"

BEYOND_SHAPE: dict[str, tuple[Break, str]] = {
    "two panels of one id": (
        lambda d: panel(d, "This week").update(id=panel(d, "Today")["id"]),
        "dashboard: panel id '2' is there 2 times",
    ),
    "two panels of one title": (
        lambda d: panel(d, "This week").update(title="Today"),
        "dashboard: panel title 'Today' is there 2 times",
    ),
    "two variables of one name": (
        lambda d: variable(d, "team").update(name="gateway"),
        "dashboard: variable 'gateway' is there 2 times",
    ),
    "two queries of one letter": (
        lambda d: panel(d, "Budgets in dollars")["targets"][1].update(refId="A"),
        "dashboard: panel 'Budgets in dollars': query 'A' is there 2 times",
    ),
    "panel over another": (
        lambda d: panel(d, "This week")["gridPos"].update(x=3),
        "panel 'This week': lies over panel 'Today'",
    ),
    "panel over the edge": (
        lambda d: panel(d, "Gateways watched, of 5")["gridPos"].update(x=21),
        "panel 'Gateways watched, of 5': ends in column 25 of 24",
    ),
    "hole in a line": (
        lambda d: panel(d, "This week")["gridPos"].update(w=3),
        "dashboard: its grid has a gap at line 1",
    ),
    "interval that Grafana cuts": (
        lambda d: panel(d, BARS).update(interval="90s"),
        f"panel '{BARS}': Grafana would cut its interval 90s to whole units",
    ),
    "bars over a fixed window": (
        lambda d: edit(query(d, BARS), "[$__interval] offset -$__interval", "[1h]"),
        f"panel '{BARS}': bars over [1h] do not add up; [$__interval] offset -$__interval does",
    ),
    "bars stamped with their end": (
        lambda d: edit(query(d, BARS), " offset -$__interval", ""),
        f"panel '{BARS}': bars over [$__interval] do not add up; [$__interval] offset -$__interval does",
    ),
    "bars of samples": (
        lambda d: query(d, BARS).update(expr=f"sum by (gateway) ({names.COST_BY_GATEWAY})"),
        f"panel '{BARS}': bars over no window do not add up; [$__interval] offset -$__interval does",
    ),
    "range at every point": (
        lambda d: query(d, "Tokens per minute").update(expr=f"sum_over_time({names.COST_BY_GATEWAY}[$__range])"),
        "panel 'Tokens per minute': $__range at every point of a graph counts the same records again and again",
    ),
    "interval of an instant": (
        lambda d: edit(query(d, "Selected time range"), "$__range", "$__interval"),
        "panel 'Selected time range': $__interval means nothing in a query for one instant",
    ),
    "link to a panel that is gone": (
        lambda d: panel(d, "Unpriced share")["links"][0].update(
            url="?viewPanel=999&${__url_time_range}&${__all_variables}"
        ),
        "panel 'Unpriced share': its link 'Unpriced tokens by name' leads to panel 999, which is not there",
    ),
    "raw series over 90 days": (
        lambda d: panel(d, "Answers by status").pop("timeFrom"),
        f"panel 'Answers by status': reads {names.REQUESTS} as it is scraped, however long the time range: {TIME_FROM}",
    ),
    "buckets over the whole range": (
        lambda d: query(d, "Today").update(expr=f"sum(increase({names.FIRST_TOKEN_BUCKETS}[$__range]))"),
        "panel 'Today': reads the buckets of a histogram over the whole time range",
    ),
    "rate over a fixed window": (
        lambda d: edit(query(d, "Answers by status"), "[$__rate_interval]", "[5m]"),
        "panel 'Answers by status': a rate over [5m] misses what lies between points; [$__rate_interval] does not",
    ),
    "annotation of what nobody records": (
        lambda d: d["annotations"]["list"][0].update(expr="agentgateway:spend:daily"),
        "annotation 'Price changes': reads agentgateway:spend:daily, which nothing records or scrapes",
    ),
    "variable that nobody sets": (
        lambda d: edit(query(d, "Today"), "$gateway", "$gatewy"),
        "panel 'Today': reads $gatewy, which no variable of the dashboard sets (did you mean 'gateway'?)",
    ),
    "query of what nobody records": (
        lambda d: query(d, "Today").update(expr="agentgateway:spend:daily"),
        "panel 'Today': reads agentgateway:spend:daily, which nothing records or scrapes",
    ),
    "variable of what nobody records": (
        lambda d: variable(d, "gateway").update(definition="label_values(agentgateway:tokens:increase1m, gateway)"),
        "variable 'gateway': reads agentgateway:tokens:increase1m, which nothing records or scrapes" + MEANT_TOKENS,
    ),
}


def edit(query: Json, old: str, new: str) -> None:
    assert old in query["expr"]
    query["expr"] = query["expr"].replace(old, new)


BROKEN = SHAPE | BEYOND_SHAPE


@pytest.mark.parametrize(("break_it", "finding"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_named(full: Json, full_records: frozenset[str], break_it: Break, finding: str) -> None:
    break_it(full)
    assert f"{names.DASHBOARD_FILE}:1:1: error: {finding}" in map(str, problems(full, full_records))


def test_a_query_that_is_no_promql_is_named(full: Json, full_records: frozenset[str]) -> None:
    query(full, "Today").update(expr="sum(")
    (found,) = map(str, problems(full, full_records))
    assert found.startswith(f"{names.DASHBOARD_FILE}:1:1: error: panel 'Today': not PromQL: ")


def test_the_shape_is_judged_alone_because_the_rest_relies_on_it(full: Json) -> None:
    panel(full, "Today").pop("gridPos")
    assert [str(problem) for problem in problems(full, known_metrics=set())] == [
        f"{names.DASHBOARD_FILE}:1:1: error: panel 'Today': the key 'gridPos' is missing"
    ]
