"""What the dashboard shows, in which order, what it says of itself, and how its parts share the page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tollbook import dashboards
from tollbook.dashboards import grid
from tollbook.dashboards.sums import bar_width_floor
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.placeholders import fill_in, variables_in
from tollbook.gen.promql_reading import metrics_of
from tollbook.gen.spec import Attribution, Spec, Threshold

ROOT = Path(__file__).resolve().parents[2]

Json = dict[str, Any]


def panels(dashboard: Json) -> dict[str, Json]:
    return {panel["title"]: panel for panel in dashboard["panels"]}


def rows(dashboard: Json) -> list[str]:
    return [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]


def exprs(panel: Json) -> list[str]:
    return [target["expr"] for target in panel.get("targets", ())]


def metrics_read(panel: Json) -> set[str]:
    filled = (
        fill_in(expr, {"__range": "1d", "__interval": "1h", "__rate_interval": "5m", "group_by": "team"})
        for expr in exprs(panel)
    )
    return {metric for expr in filled for metric in metrics_of(expr)}


# ---- What is shown -------------------------------------------------------------------------------


def test_it_answers_what_was_spent_before_how_and_ends_with_how_sure_that_is(minimal: Json) -> None:
    assert rows(minimal) == [
        "At a glance",
        "Spend in the selected time range",
        "Tokens",
        "Traffic",
        "Rolling windows, all gateways",
        "How far to trust these figures",
    ]


#: The nine panels of the dashboard that the article comes with -> ours, and the record behind it.
ARTICLE = {
    "Daily Cost": ("Daily cost", names.COST_DAILY),
    "Hourly Cost Trend": ("Hourly cost by gateway", names.COST_BY_GATEWAY),
    "Input Tokens": ("Input tokens, last 5 minutes", names.INPUT_TOKENS_BY_GATEWAY),
    "Output Tokens": ("Output tokens, last 5 minutes", names.OUTPUT_TOKENS_BY_GATEWAY),
    "Hourly Cost Rate": ("Hourly cost", names.COST_HOURLY),
    "Weekly Cost": ("Weekly cost", names.COST_WEEKLY),
    "Monthly Cost": ("Monthly cost", names.COST_MONTHLY),
    "Token Rate": ("Tokens per minute", names.INPUT_TOKENS_BY_GATEWAY),
    "Daily Cost Trend": ("Daily cost trend", names.COST_DAILY),
}


@pytest.mark.parametrize(("title", "record"), ARTICLE.values(), ids=ARTICLE.keys())
def test_everything_that_the_article_shows_is_there(minimal: Json, title: str, record: str) -> None:
    assert record in metrics_read(panels(minimal)[title])


@pytest.mark.parametrize(
    ("title", "record"),
    [("Today", names.DAY_TO_DATE), ("This week", names.WEEK_TO_DATE), ("This month", names.MONTH_TO_DATE)],
)
def test_the_first_line_is_what_was_spent_in_calendar_periods(minimal: Json, title: str, record: str) -> None:
    panel = panels(minimal)[title]
    assert record in metrics_read(panel)
    assert panel["gridPos"]["y"] == 1


def test_beside_it_stands_what_would_make_it_wrong(minimal: Json) -> None:
    warnings = [panels(minimal)[title] for title in ("Unpriced share", "Gateways watched, of 1")]
    assert [warning["gridPos"]["y"] for warning in warnings] == [1, 1]
    assert [warning["fieldConfig"]["defaults"]["thresholds"]["steps"] for warning in warnings] == [
        [
            {"color": "green", "value": None},
            {"color": "orange", "value": 0.0001},
            {"color": "red", "value": 0.05},
        ],
        [{"color": "red", "value": None}, {"color": "green", "value": 1}],
    ]


def test_every_label_of_who_spends_has_its_ranking_and_its_column(full: Json, minimal: Json) -> None:
    split = ["gateway", "model", "token type", "team", "agent", "cluster", "region"]
    found = [title.removeprefix("Spend by ") for title in panels(full) if title.startswith("Spend by ")]
    assert found == split
    columns = panels(full)["Who spent what"]["transformations"][0]["options"]["indexByName"]
    assert sorted(columns, key=columns.__getitem__) == [
        "cluster",
        "region",
        "gateway",
        "gen_ai_system",
        "model",
        "team",
        "agent",
        "Value",
    ]
    assert [title for title in panels(minimal) if title.startswith("Spend by ")] == [
        "Spend by gateway",
        "Spend by model",
        "Spend by token type",
    ]


def test_eight_labels_of_who_spends_have_a_ranking_and_the_others_a_place_in_the_table(minimal_spec: Spec) -> None:
    many = tuple(Attribution(f"l{number}", "x", limit=50) for number in range(1, 11))
    found = panels(dashboards.build(replace(minimal_spec, attribution=many)))
    assert [title for title in found if title.startswith("Spend by l")] == [f"Spend by l{n}" for n in range(1, 9)]
    columns = found["Who spent what"]["transformations"][0]["options"]["indexByName"]
    assert {entry.label for entry in many} <= columns.keys()


def test_budgets_are_shown_where_there_are_budgets(full: Json, minimal: Json) -> None:
    budgets = [
        "Fullest budget",
        "Forecast of the month",
        "Budgets",
        "Budgets used",
        "Budgets in dollars",
        "Budgets over time",
        "Burn of budgets",
    ]
    assert [title for title in panels(full) if title in budgets] == budgets
    assert [title for title in panels(minimal) if "udget" in title or "Forecast" in title] == []
    assert "Last hour" in panels(minimal)


def test_the_forecast_of_the_month_is_that_of_the_budget_over_everything(full_spec: Spec) -> None:
    """And turns red at its limit; of several budgets over parts each bears its name."""
    everything = full_spec.budgets[1]
    parts = tuple(replace(everything, name=name, match={"team": (name,)}) for name in ("one", "two"))
    of_all = panels_of(replace(full_spec, budgets=(*parts, everything)))["Forecast of the month"]
    of_parts = panels_of(replace(full_spec, budgets=parts))["Forecast of the month"]
    assert exprs(of_all) == [f'sum by (budget) ({names.BUDGET_FORECAST}{{budget="everything"}})']
    assert of_all["fieldConfig"]["defaults"]["thresholds"]["steps"][1] == {"color": "red", "value": 1234.56}
    assert exprs(of_parts) == [f'sum by (budget) ({names.BUDGET_FORECAST}{{budget=~"one|two"}})']
    assert of_parts["targets"][0]["legendFormat"] == "{{budget}}"
    assert (of_all["options"]["textMode"], of_parts["options"]["textMode"]) == ("auto", "value_and_name")


def test_budgets_that_roll_have_no_forecast_and_short_ones_no_burn(full_spec: Spec) -> None:
    rolling = replace(full_spec.budgets[2], period=Duration.parse("3h"), burn={})
    found = panels_of(replace(full_spec, budgets=(rolling,)))
    columns = found["Budgets in dollars"]["transformations"][-1]["options"]["renameByName"].values()
    assert set(columns) == {"Budget", "Limit", "Spent", "Left", "Used", "A day"}
    assert "Burn of budgets" not in found


def panels_of(spec: Spec) -> dict[str, Json]:
    return panels(json.loads(json.dumps(dashboards.build(spec))))


def budget_steps(spec: Spec) -> dict[str, list[tuple[str, Any]]]:
    overrides = panels(json.loads(json.dumps(dashboards.build(spec))))["Budgets used"]["fieldConfig"]["overrides"]
    return {
        override["matcher"]["options"]: [
            (step["color"], step["value"]) for step in override["properties"][0]["value"]["steps"]
        ]
        for override in overrides
    }


def test_a_budget_changes_colour_where_it_alerts_and_at_its_limit(full_spec: Spec) -> None:
    assert budget_steps(full_spec) == {
        "platform": [("green", None), ("yellow", 0.5), ("orange", 0.995), ("red", 1)],
        "everything": [("green", None), ("orange", 0.8), ("red", 1)],
        "sliding": [("green", None), ("orange", 0.8), ("red", 1)],
    }


def test_an_alert_at_the_limit_and_one_beyond_it_keep_their_own_colour(full_spec: Spec) -> None:
    alerts = (Threshold(Decimal(100), "page-somebody"), Threshold(Decimal(150), "critical"))
    spec = replace(full_spec, budgets=(replace(full_spec.budgets[0], thresholds=alerts),))
    assert budget_steps(spec) == {"platform": [("green", None), ("orange", 1), ("red", 1.5)]}


# ---- Traffic -----------------------------------------------------------------------------------------------------


def test_only_the_job_that_is_counted_is_read(full: Json, minimal: Json) -> None:
    """A second monitor on the same pods would double requests."""
    job = 'job="monitoring/agentgateway-cost"'
    for panel in traffic(minimal):
        assert all(job in selector for expr in exprs(panel) for selector in selectors(expr)), panel["title"]
    jobs = 'job=~"agentgateway-system/agentgateway-proxy|observability/llm-cost|vms"'
    assert all(jobs in selector for panel in traffic(full) for expr in exprs(panel) for selector in selectors(expr))


def traffic(dashboard: Json) -> list[Json]:
    """The panels of raw series: all of the row but the first, which reads the ledger."""
    titles = list(panels(dashboard))
    first, *raw = titles[titles.index("Traffic") + 1 : titles.index("Hourly cost") - 1]
    assert first == "LLM requests"
    return [panels(dashboard)[title] for title in raw]


def selectors(expr: str) -> list[str]:
    """Of the gateways' own series."""
    return re.findall(r"agentgateway_\w+\{[^}]*\}", expr)


def test_panels_of_raw_series_look_back_six_hours_at_most_while_the_range_is_relative(full: Json) -> None:
    assert {panel["timeFrom"] for panel in traffic(full)} == {"6h"}
    assert [title for title, panel in panels(full).items() if "timeFrom" in panel] == [
        panel["title"] for panel in traffic(full)
    ]


# ---- Links -------------------------------------------------------------------------------------------------------


def test_lights_lead_to_the_panel_with_the_cause_and_to_the_runbook(full: Json) -> None:
    unpriced = panels(full)["Unpriced share"]["links"]
    number = panels(full)["Unpriced tokens by name"]["id"]
    assert [(link["title"], link["url"], link["targetBlank"]) for link in unpriced] == [
        ("Unpriced tokens by name", f"?viewPanel={number}&${{__url_time_range}}&${{__all_variables}}", False),
        ("Runbook", f"{names.RUNBOOKS}/unpriced.md", True),
    ]


def test_every_link_to_a_runbook_leads_to_one(good: Json) -> None:
    addresses = [link["url"] for panel in good["panels"] for link in panel.get("links", ()) if link["targetBlank"]]
    addresses += [link["url"] for link in good["links"]]
    assert good["links"][0]["url"] == f"{names.RUNBOOKS}/README.md"
    assert [address for address in addresses if not (ROOT / "docs" / "runbooks" / Path(address).name).exists()] == []


def test_runbooks_are_where_the_spec_says(minimal_spec: Spec) -> None:
    moved = json.dumps(dashboards.build(replace(minimal_spec, runbooks="https://wiki.example.com/llm")))
    assert names.RUNBOOKS not in moved
    assert "https://wiki.example.com/llm/unpriced.md" in moved


# ---- What it says --------------------------------------------------------------------------------


def ledgers_of(read: set[str], named: set[str]) -> set[str]:
    """The hours of a ledger are told by its name."""
    hours = {hour: ledger for ledger in named for hour in (names.of_hour(ledger), names.hour_to_date(ledger))}
    return {hours.get(metric, metric) for metric in read}


def test_every_panel_says_what_it_shows_what_it_reads_and_what_to_do_when_it_looks_wrong(good: Json) -> None:
    for title, panel in panels(good).items():
        if panel["type"] in ("row", "text"):
            continue
        match = re.fullmatch(r"(.+)\n\n\*\*Reads\*\* (.+)\n\n\*\*If it looks wrong:\*\* (.+\.)", panel["description"])
        assert match, f"{title}: {panel['description']}"
        assert match[1].endswith("."), title
        named = set(re.findall(r"`([^`]+)`", match[2]))
        read = ledgers_of(metrics_read(panel), named)
        zero_of = {metric for metric in read if "gateway_cost_usd" in metric} - named
        assert named == read - zero_of, title


def test_no_description_holds_what_grafana_would_take_for_a_variable(good: Json) -> None:
    texts = [panel.get("description", "") for panel in good["panels"]]
    texts += [panel["options"]["content"] for panel in good["panels"] if panel["type"] == "text"]
    assert [text for text in texts if variables_in(text)] == []


def test_the_method_names_the_figures_of_this_spec(full: Json) -> None:
    content = panels(full)["How these figures are made"]["options"]["content"]
    for said in (
        "Every 2m, the rules compare",
        "begin in the time zone Europe/Berlin; weeks on Monday",
        "complete within about 6m20s after",
        "at most the traffic of 15s; and everything in an outage of Prometheus longer than 2h",
        "1 of 4 models cost more per token in long requests (such as gemini-2.5-pro)",
        "Prometheus keeps 365d",
        "The prices of 1 of 4 models were last compared with their sources on 2026-11-01.",
        "The invoice is the truth",
    ):
        assert said in content


def test_long_requests_are_not_mentioned_where_no_price_depends_on_them(minimal: Json) -> None:
    assert "long requests" not in panels(minimal)["How these figures are made"]["options"]["content"]


def test_the_dashboard_bears_what_the_spec_calls_it(full: Json, minimal: Json) -> None:
    assert {key: full[key] for key in ("title", "uid", "tags", "timezone", "weekStart", "refresh")} == {
        "title": "What we spend",
        "uid": "llm-cost",
        "tags": [],
        "timezone": "Europe/Berlin",
        "weekStart": "monday",
        "refresh": "1m",
    }
    assert minimal["timezone"] == "utc"
    assert full["time"] == {"from": "now-24h", "to": "now"}
    assert "Generated by tollbook: change the spec and generate again" in full["description"]


# ---- Building ------------------------------------------------------------------------------------


def test_the_same_spec_gives_the_same_dashboard_and_none_shares_a_part_with_another(full_spec: Spec) -> None:
    first, second = dashboards.build(full_spec), dashboards.build(full_spec)
    assert first == second
    first["panels"][1]["datasource"]["uid"] = first["panels"][1]["options"]["reduceOptions"]["calcs"] = "changed"
    assert second == dashboards.build(full_spec)
    assert first["panels"][2]["datasource"]["uid"] == "${datasource}"


def test_grafanalib_is_loaded_only_when_a_dashboard_is_built() -> None:
    program = "import sys, tollbook.dashboards; sys.exit('grafanalib' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("count", "widest", "sizes"),
    [(1, 4, [1]), (4, 4, [4]), (5, 4, [3, 2]), (7, 4, [4, 3]), (9, 4, [3, 3, 3]), (3, 2, [2, 1])],
)
def test_panels_share_lines_as_evenly_as_can_be(count: int, widest: int, sizes: list[int]) -> None:
    lines = grid.in_lines(8, list(range(count)), widest)
    assert [len(line.panels) for line in lines] == sizes
    assert [panel for line in lines for panel in line.panels] == list(range(count))


@pytest.mark.parametrize(("panels_in_line", "widths"), [(3, (8, 8, 9)), (2, (12, 11)), (2, (24,))])
def test_a_line_that_does_not_fill_its_width_is_refused(panels_in_line: int, widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"^{panels_in_line} panels of the widths .* do not fill 24 columns$"):
        grid.Line(8, [None] * panels_in_line, widths).columns()


@pytest.mark.parametrize(
    ("step", "narrowest"), [("5s", "1m"), ("30s", "1m"), ("1m", "1m"), ("90s", "2m"), ("2m", "2m"), ("4m59s", "5m")]
)
def test_no_bar_is_narrower_than_a_step_or_of_a_length_that_grafana_would_cut(step: str, narrowest: str) -> None:
    assert bar_width_floor(Duration.parse(step)) == narrowest
