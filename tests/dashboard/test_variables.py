"""What can be chosen at the top of the dashboard: the filters, and the data source that the import fills in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tollbook import dashboards, rules
from tollbook.gen import names
from tollbook.gen.dashboard_checks import problems
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording
from tollbook.gen.placeholders import variables_in
from tollbook.gen.spec import Attribution, Spec

Json = dict[str, Any]


def variables(dashboard: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


NO_FILTERS = {"datasource", "group_by"}


# ---- Filters -------------------------------------------------------------------------------------


def test_there_is_a_filter_for_every_label_of_the_ledger_from_where_to_who(full: Json) -> None:
    assert list(variables(full)) == [
        "datasource",
        "cluster",
        "region",
        "gateway",
        "gen_ai_system",
        "model",
        "team",
        "agent",
        "group_by",
    ]
    assert [variable["label"] for variable in variables(full).values()] == [
        "Data source",
        "Cluster",
        "Region",
        "Gateway",
        "Provider",
        "Model",
        "Team",
        "Agent",
        "Group by",
    ]


def test_a_filter_offers_what_those_before_it_leave(minimal: Json) -> None:
    offered = [variable["query"] for name, variable in variables(minimal).items() if name not in NO_FILTERS]
    record = names.tokens(Duration.parse("1m"))
    assert [query["query"] for query in offered] == [
        f"label_values({record}, gateway)",
        f'label_values({record}{{gateway=~"$gateway"}}, gen_ai_system)',
        f'label_values({record}{{gateway=~"$gateway",gen_ai_system=~"$gen_ai_system"}}, model)',
    ]


def test_a_label_that_is_called_as_the_data_source_variable_has_a_filter_of_its_own(full_spec: Spec) -> None:
    spec = replace(full_spec, attribution=(Attribution("datasource", "apiKey.source", 10),))
    dashboard = json.loads(json.dumps(dashboards.build(spec)))
    assert list(variables(dashboard))[-2] == "label_datasource"
    assert variables(dashboard)["label_datasource"]["definition"].endswith(", datasource)")
    panel = next(panel for panel in dashboard["panels"] if panel["title"] == "Today")
    assert 'datasource=~"$label_datasource"' in panel["targets"][0]["expr"]
    assert problems(dashboard, known_metrics=recorded(spec)) == []


def recorded(spec: Spec) -> set[str]:
    records = {rule.record for group in rules.build(spec) for rule in group.rules if isinstance(rule, Recording)}
    return records | names.SCRAPED


def test_filters_take_several_values_and_all_keeps_what_lacks_the_label(full: Json) -> None:
    for name, variable in variables(full).items():
        if name not in NO_FILTERS:
            assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")


LEDGER = {"cluster", "region", "gateway", "gen_ai_system", "model", "team", "agent"}
#: Not narrowed by model under the models' own names.
TRAFFIC = LEDGER - {"model"}
BUILT_IN = {"__range", "__interval", "__rate_interval", "group_by"}

#: Panels that filters cannot narrow that far, because their records lack the labels; they say so.
NARROWED_LESS = {
    "Unpriced share": {"cluster", "region", "gateway", "gen_ai_system"},
    "Unpriced tokens by name": {"cluster", "region", "gateway", "gen_ai_system"},
    "Input tokens, last 5 minutes": {"cluster", "region", "gateway"},
    "Output tokens, last 5 minutes": {"cluster", "region", "gateway"},
    "Tokens per minute": {"cluster", "region", "gateway"},
    "Age of the newest figure": {"cluster", "region", "gateway"},
    "Hourly cost by gateway": {"cluster", "region", "gateway"},
    "Gateways watched, of 5": {"cluster", "region"},
    "Hourly cost": {"cluster", "region"},
    "Daily cost": {"cluster", "region"},
    "Weekly cost": {"cluster", "region"},
    "Monthly cost": {"cluster", "region"},
    "Daily cost trend": {"cluster", "region"},
    "Prices in use": {"gen_ai_system", "model"},
    "Answers by status": {"cluster", "region", "gateway"},
    "Failed answers": {"cluster", "region", "gateway"},
    "Duration of LLM requests": TRAFFIC,
    "Duration by model, p95": TRAFFIC,
    "Time to first token, p95": TRAFFIC,
    "Time per output token, p95": TRAFFIC,
    "Difference hour by hour": {"cluster", "region", "gateway", "gen_ai_system", "model"},
    "Pods scraped": {"cluster", "region"},
    "Pods not answering": {"cluster", "region"},
    "Rule failures": {"cluster", "region"},
    "Rule runs missed": {"cluster", "region"},
    "Fullest budget": set(),
    "Forecast of the month": set(),
    "Burn of budgets": set(),
    "Budgets in dollars": set(),
    "Budgets used": set(),
    "Budgets over time": set(),
}


def test_every_query_follows_every_filter_that_its_record_can_follow(full: Json) -> None:
    for panel in full["panels"]:
        for target in panel.get("targets", ()):
            followed = variables_in(target["expr"]) - BUILT_IN
            assert followed == NARROWED_LESS.get(panel["title"], LEDGER), panel["title"]


def test_prices_that_changed_are_marked_where_the_filters_let_their_models_through(full: Json) -> None:
    (marked,) = full["annotations"]["list"]
    assert variables_in(marked["expr"]) == {"gen_ai_system", "model"}


# ---- Group by --------------------------------------------------------------------------------------------------------


def test_spend_can_be_split_by_every_label_and_first_by_who_spends(full: Json, minimal: Json) -> None:
    offered = {option["text"]: option["value"] for option in variables(full)["group_by"]["options"]}
    assert list(offered.items()) == [
        ("team", "team"),
        ("agent", "agent"),
        ("gateway", "gateway"),
        ("provider", "gen_ai_system"),
        ("model", "model"),
        ("cluster", "cluster"),
        ("region", "region"),
    ]
    assert variables(full)["group_by"]["current"] == {"selected": True, "text": "team", "value": "team"}
    assert variables(minimal)["group_by"]["query"] == "gateway : gateway, provider : gen_ai_system, model : model"


# ---- The data source -----------------------------------------------------------------------------


def test_the_import_dialog_asks_for_one_prometheus(good: Json) -> None:
    (asked,) = good["__inputs"]
    assert (asked["name"], asked["type"], asked["pluginId"]) == ("DS_PROMETHEUS", "datasource", "prometheus")


def imported_by_the_server(dashboard: Json, uid: str) -> Json:
    """As Grafana up to 12: in every text the input is replaced by the answer."""
    replaced: Json = json.loads(json.dumps(dashboard).replace("${DS_PROMETHEUS}", uid))
    return {key: value for key, value in replaced.items() if key != "__inputs"}


def imported_by_the_browser(dashboard: Json, uid: str) -> Json:
    """As Grafana 13: in panels, in query variables, and in the current value of data source variables."""
    replaced: Json = json.loads(json.dumps(dashboard))
    named = {"${" + asked["name"] + "}" for asked in replaced.pop("__inputs")}
    for thing in [*replaced["panels"], *replaced["templating"]["list"]]:
        if thing.get("datasource", {}).get("uid") in named:
            thing["datasource"]["uid"] = uid
        if thing["type"] == "datasource" and thing["current"]["value"] in named:
            thing["current"] = {"text": "the name of it", "value": uid}
    return replaced


@pytest.mark.parametrize("importer", [imported_by_the_server, imported_by_the_browser])
def test_after_the_import_everything_reads_the_chosen_data_source(good: Json, importer: Any) -> None:
    dashboard = importer(good, "the-uid")
    assert variables(dashboard)["datasource"]["current"]["value"] == "the-uid"
    assert "DS_PROMETHEUS" not in json.dumps(dashboard)
    asking = [thing for thing in [*dashboard["panels"], *dashboard["templating"]["list"]] if "datasource" in thing]
    asking += [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert {thing["datasource"]["uid"] for thing in asking} == {"${datasource}"}
