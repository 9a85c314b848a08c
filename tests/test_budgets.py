"""Budgets: what may be spent, what was, and an alert at each threshold, in words for an engineer on call."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, Samples, failures, rule_file
from spec_builders import notation, spec_of

from tollbook import rules
from tollbook.gen import names, pipeline, promql
from tollbook.gen.errors import FindingsError
from tollbook.gen.model import Alert
from tollbook.rules import budget_facts, budgets

LIMIT, SPENT = "agentgateway:budget_usd:limit", "agentgateway:budget_usd:spent"
THRESHOLD = "agentgateway:budget_usd:threshold"
ALERT = "LLMBudgetThresholdReached"
DAY, WEEK, MONTH = (f"agentgateway:cost_usd_of_{period}:{period}_to_date" for period in ("day", "week", "month"))
STEP = "agentgateway:cost_usd_of_day:increase1m"
#: What the calendar records on promtool's first day, from its second minute on; and which of it stands on each record.
CLOCK = 'agentgateway:calendar:now{day="0",week="0",month="1"}'
TODAY = {"day": "0", "week": "0", "month": "1"}
PERIODS = {DAY: TODAY, WEEK: {"week": "0"}, MONTH: {"month": "1"}, STEP: TODAY}
TEAMS = "attribution: [{label: team, expression: apiKey.team, limit: 50}]"


def budget_rules(text: str) -> str:
    spec = spec_of(text)
    return rule_file(*budget_facts.build(spec), *budgets.build(spec))


def spend(record: str, **labels: str) -> str:
    own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt"}
    return notation(record, **{**own, **PERIODS[record], **labels})


def case(name: str, spec: str, series: dict[str, str], *samples: tuple[str, str, Samples]) -> Case:
    return Case(name, budget_rules(spec), series, samples, scraped_every="1m")


def of(record: str, period: str, usd: Mapping[str, float], **labels: str) -> dict[str, float]:
    """By name of the budget."""
    return {notation(record, budget=budget, period=period, **labels): figure for budget, figure in usd.items()}


# ---- Which dollars count ---------------------------------------------------------------------------------------------

FLEET = f"""
    {TEAMS}
    gateways: [{{name: edge, namespace: ai}}, {{name: core, namespace: ai}}, {{name: lab, namespace: dev}}]
    models:
      - {{provider: openai, name: gpt, prices: [{{input: 1, output: 10}}]}}
      - {{provider: openai, name: gpt-mini, prices: [{{input: 1, output: 10}}]}}
      - {{provider: anthropic, name: claude, prices: [{{input: 1, output: 10}}]}}
"""
#: No windows but those that a test is about.
QUIET = "forecast: never, burn: {}"
AT_INFO = "alert_at: {100: info}"
EVERY_KIND = f"""{FLEET}    budgets:
      - {{name: all, amount: 100, period: month, {QUIET}}}
      - {{name: edge, amount: 50, period: month, match: {{gateway: ai/edge}}, {QUIET}}}
      - {{name: two gateways, amount: 50, period: month, match: {{gateway: [ai/edge, dev/lab]}}, {QUIET}}}
      - {{name: of ai, amount: 50, period: month, match: {{gateway: "ai/*"}}, {QUIET}}}
      - {{name: pair, amount: 9, period: month, match: {{provider: openai, model: [gpt, claude]}}, {QUIET}}}
      - {{name: gpts, amount: 9, period: month, match: {{model: "gpt*", team: search}}, {QUIET}}}
      - {{name: nobody, amount: 9, period: month, match: {{team: absent}}, {QUIET}}}
      - {{name: search too, amount: 9, period: month, match: {{team: search}}, {QUIET}}}
      - {{name: somebody, amount: 9, period: month, match: {{team: "*"}}, {QUIET}}}
"""
#: A digit each, so that a sum tells its parts.
DOLLARS = {
    ("ai/edge", "openai", "gpt", "search"): 1,
    ("ai/edge", "anthropic", "claude", "ads"): 20,
    ("ai/core", "openai", "gpt-mini", "search"): 300,
    ("ai/core", "openai", "gpt", ""): 4000,
    ("dev/lab", "openai", "gpt", "ads"): 50000,
}


def month(**others: str) -> dict[str, str]:
    """At the ninetieth minute: what ended within the hour counts with its last total. What ended before is not known
    any longer, and what is of another month is none of this one's."""
    series = {
        spend(MONTH, gateway=gateway, gen_ai_system=provider, model=model, team=team): f"{usd}x95"
        for (gateway, provider, model, team), usd in DOLLARS.items()
    }
    gone = spend(MONTH, gateway="ai/core", team="gone")
    before = spend(MONTH, gateway="ai/core", team="before")
    of_december = spend(MONTH, gateway="ai/core", team="gone", month="12")
    ended = {gone: "600000x45 stale", before: "7000000x20 stale", of_december: "80000000x95"}
    return {**series, **ended, CLOCK: "1x95", **others}


def test_a_budget_counts_what_it_matches(promtool: Path) -> None:
    """Any number of budgets may count the same dollars."""
    spent = {"all": 654_321, "edge": 21, "two gateways": 50_021, "of ai": 604_321}
    spent |= {"pair": 654_001, "gpts": 301, "nobody": 0, "search too": 301, "somebody": 650_321}
    limits = {"all": 100, "edge": 50, "two gateways": 50, "of ai": 50, "pair": 9, "gpts": 9, "nobody": 9}
    samples = (
        (SPENT, "90m", of(SPENT, "month", spent)),
        (LIMIT, "90m", of(LIMIT, "month", {**limits, "search too": 9, "somebody": 9})),
    )
    assert failures(promtool, case("every kind", EVERY_KIND, month(), *samples)) == {}


PER = f"""{FLEET}    budgets:
      - name: each
        amount: 500
        per: team
        period: month
        forecast: never
        burn: {{}}
        alert_at: {{50: info, 100: critical}}
        labels: {{pager: finops}}
        overrides: {{ads: 70, idle: {{amount: 8, alert_at: {{90: warning}}}}, others: {{labels: {{slack: "#others"}}}}}}
      - {{name: of ai, amount: 30, per: team, period: month, match: {{gateway: "ai/*"}}, {AT_INFO}, {QUIET}}}
      - {{name: model, amount: 2, per: model, period: month, alert_at: {{100: none}}, {QUIET}}}
"""


def test_per_a_label_every_value_that_is_seen_has_a_budget(promtool: Path) -> None:
    """And those that the spec names: but nobody's dollars, and those of many summed as others, are no team's."""
    series = month(**{spend(MONTH, team="other"): "900000000x95", spend(MONTH, team="unknown"): "8000000000x95"})
    by_team, by_model = {"per": "team"}, {"per": "model"}

    def expected(
        record: str, each: Mapping[str, float], of_ai: Mapping[str, float], models: Mapping[str, float]
    ) -> Samples:
        found: dict[str, float] = {}
        for team, usd in each.items():
            found |= of(record, "month", {"each": usd}, team=team, **by_team)
        for team, usd in of_ai.items():
            found |= of(record, "month", {"of ai": usd}, team=team, **by_team)
        for model, usd in models.items():
            found |= of(record, "month", {"model": usd}, model=model, **by_model)
        return found

    spent = {"search": 301, "ads": 50_020, "gone": 600_000, "idle": 0, "others": 0}
    limits = {"search": 500, "ads": 70, "gone": 500, "idle": 8, "others": 500}
    of_ai = {"search": 301, "ads": 20, "gone": 600_000}
    models = {"gpt": 8_900_654_001, "gpt-mini": 300, "claude": 20}
    samples = (
        (SPENT, "90m", expected(SPENT, spent, of_ai, models)),
        (LIMIT, "90m", expected(LIMIT, limits, dict.fromkeys(of_ai, 30), dict.fromkeys(models, 2))),
        (THRESHOLD, "90m", thresholds_of_per()),
    )
    assert failures(promtool, case("per", PER, series, *samples)) == {}


def thresholds_of_per() -> Samples:
    """In dollars: an override's own, or the budget's, of its amount; with the labels of both."""
    own = {"budget": "each", "per": "team", "period": "month", "pager": "finops"}
    info, critical = {"threshold": "50", "severity": "info"}, {"threshold": "100", "severity": "critical"}
    found: dict[str, float] = {}
    for team, half in {"search": 250, "gone": 250, "ads": 35, "others": 250}.items():
        slack = "#others" if team == "others" else ""
        found[notation(THRESHOLD, **own, **info, team=team, slack=slack)] = half
        found[notation(THRESHOLD, **own, **critical, team=team, slack=slack)] = 2 * half
    found[notation(THRESHOLD, **own, threshold="90", severity="warning", team="idle")] = 7.2
    limit = {"period": "month", "threshold": "100"}
    for team in ("search", "ads", "gone"):
        found[notation(THRESHOLD, budget="of ai", per="team", team=team, severity="info", **limit)] = 30
    for model in ("gpt", "gpt-mini", "claude"):
        found[notation(THRESHOLD, budget="model", per="model", model=model, severity="none", **limit)] = 2
    return found


def test_clusters_share_a_budget(promtool: Path) -> None:
    spec = "prometheus: {keep_labels: [cluster]}\nbudgets: [{name: b, amount: 9, period: day}]"
    series = {spend(DAY, cluster="eu"): "2x5", spend(DAY, cluster="us"): "3x5", CLOCK: "1x5"}
    assert failures(promtool, case("clusters", spec, series, (SPENT, "3m", of(SPENT, "day", {"b": 5})))) == {}


def test_facts_that_two_rulers_record_count_once(promtool: Path) -> None:
    """And budgets of another spec are none of ours."""
    spec = f"{TEAMS}\nbudgets: [{{name: b, amount: 9, period: day, match: {{team: ads}}, alert_at: {{100: info}}}}]"
    own = {"spec": "monitoring/agentgateway-cost", "period": "day", "budget": "b", "ruler": "second"}
    series = {
        spend(DAY, team="ads"): "10x5",
        CLOCK: "1x5",
        notation("agentgateway:budget:amount_usd", **own): "9x5",
        notation("agentgateway:budget:scope", **own, matches="team", team="ads"): "1x5",
        notation("agentgateway:budget:threshold_ratio", **own, threshold="100", severity="info"): "1x5",
        notation("agentgateway:budget:scope", **{**own, "spec": "other/spec"}, matches="", team=""): "1x5",
        notation("agentgateway:budget:amount_usd", **{**own, "spec": "other/spec"}): "1x5",
    }
    fires = (ALERT, "3m", (firing("info", "100", reached("10.00", "9.00", "today", "100", also=", team ads")),))
    twice = replace(
        case(
            "twice", spec, series, (SPENT, "3m", of(SPENT, "day", {"b": 10})), (LIMIT, "3m", of(LIMIT, "day", {"b": 9}))
        ),
        alerts=(fires,),
    )
    assert failures(promtool, twice) == {}


def test_a_budget_of_too_many_combinations_is_refused() -> None:
    thirty_two = f"[{', '.join(f'v{n}' for n in range(32))}]"
    text = f"""
    attribution: [{{label: team, expression: a}}, {{label: agent, expression: b}}]
    budgets: [{{name: b, amount: 9, period: day, match: {{team: {thirty_two}, agent: {thirty_two}}}}}]
    """
    with pytest.raises(FindingsError, match="it counts 1024 combinations of values, and at most 1000 fit into a rule"):
        spec_of(text)


# ---- Periods and windows ---------------------------------------------------------------------------------------------

THREE = """
    budgets:
      - {name: daily, amount: 50, period: day}
      - {name: weekly, amount: 300, period: week}
      - {name: monthly, amount: 900, period: month}
"""


def three(daily: float, weekly: float, monthly: float) -> Samples:
    return {
        **of(SPENT, "day", {"daily": daily}),
        **of(SPENT, "week", {"weekly": weekly}),
        **of(SPENT, "month", {"monthly": monthly}),
    }


def test_calendar_budgets_read_the_dollars_of_their_own_period(promtool: Path) -> None:
    """Also one that was added today: what was spent before stands in the totals."""
    series = {spend(DAY): "3x9", spend(WEEK): "20x9", spend(MONTH): "107x9", CLOCK: "1x9"}
    assert failures(promtool, case("periods", THREE, series, (SPENT, "4m", three(3, 20, 107)))) == {}


def test_the_dollars_of_another_period_are_not_this_one_s(promtool: Path) -> None:
    """Of yesterday, last week and last month, as they stand when a period turns or Prometheus was away."""
    series = {
        CLOCK: "1x20",
        spend(DAY, day="-1", month="12"): "3x10",
        spend(WEEK, week="-1"): "20x10",
        spend(MONTH, month="12"): "100x10",
    }
    assert failures(promtool, case("turned", THREE, series, (SPENT, "3m", three(0, 0, 0)))) == {}


def test_the_last_total_is_known_for_an_hour_and_nothing_is_said_after(promtool: Path) -> None:
    """Rather than zero: an outage of rules may not let a budget look unspent."""
    series = {CLOCK: "1x5 stale", spend(DAY): "_ 40 stale", spend(DAY, model="mini"): "_ _ 2 stale"}
    known = {"1m": 40, "2m": 42, "60m": 42}
    samples: list[tuple[str, str, Samples]] = [(SPENT, at, of(SPENT, "day", {"b": usd})) for at, usd in known.items()]
    samples += [(SPENT, "63m", NOTHING), (LIMIT, "63m", of(LIMIT, "day", {"b": 50}))]
    assert failures(promtool, case("blind", "budgets: [{name: b, amount: 50, period: day}]", series, *samples)) == {}


def test_a_rolling_budget_holds_its_window_and_not_a_step_more(promtool: Path) -> None:
    """Over midnight too, and zero where nothing was ever spent."""
    spec = """
    budgets:
      - {name: hour, amount: 9, period: 1h}
      - {name: minutes, amount: 9, period: 2m}
      - {name: claude, amount: 9, period: 2m, match: {provider: anthropic}}
    models:
      - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
      - {provider: anthropic, name: claude, prices: [{input: 1, output: 10}]}
    """
    series = {spend(STEP): "_ 5 0x100", spend(STEP, day="1"): "_ _ 2 0x100"}
    by_minute = {"1m": (5, 5), "2m": (7, 7), "3m": (2, 7), "60m": (0, 7), "61m": (0, 2), "62m": (0, 0)}
    samples = [
        (SPENT, at, {**of(SPENT, "2m", {"minutes": few, "claude": 0}), **of(SPENT, "1h", {"hour": many})})
        for at, (few, many) in by_minute.items()
    ]
    assert failures(promtool, case("rolling", spec, series, *samples)) == {}


def test_a_rolling_week_is_read_by_the_hour_and_exact_to_the_minute(promtool: Path) -> None:
    """A dollar was put down each hour, and of each open hour a cent a minute is known."""
    hour, to_date = (f"agentgateway:cost_usd:{record}" for record in ("of_hour", "hour_to_date"))
    own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt", "gen_ai_token_type": "output"}
    put_down = "_x3 " + "1 _x59 " * 170
    begun = "0+0.01x2 " + "0+0.01x59 " * 170
    series = {notation(hour, **own): put_down, notation(to_date, **own): begun}
    # Put down three minutes past each hour. After half an hour 0.27 of the open one are known, as a week before.
    week = {"100h30m": 101.27, "168h30m": 168, "168h45m": 168, "169h": 168}
    asked = "round(agentgateway:budget_usd:spent, 0.01)"
    samples = [(asked, at, {'{budget="week",period="7d"}': usd}) for at, usd in week.items()]
    by_hour = replace(
        case("hours", "budgets: [{name: week, amount: 500, period: 7d, burn: {}}]", series, *samples),
        evaluated_every="15m",
    )
    assert failures(promtool, by_hour) == {}


# ---- Thresholds ------------------------------------------------------------------------------------------------------


def reached(
    usd: str, limit: str, words: str, percent: str, subject: str = "Budget b", also: str = "", of_all: str = ""
) -> str:
    return (
        f"{subject}: {usd} of {limit} USD spent {words}, at or over {percent} percent. If this is not meant, stop or "
        "limit those who spend; if it is, raise amount in the spec. Top spenders:"
        f"\n- {of_all or usd} USD: gateway ai/gw, provider openai, model gpt{also}"
    )


def firing(severity: str, percent: str, description: str, **labels: str) -> dict[str, str]:
    return {
        "budget": "b",
        "period": "day",
        "severity": severity,
        "threshold": percent,
        **labels,
        "annotation:summary": "LLM spend has reached a threshold of its budget.",
        "annotation:description": description,
    }


def test_each_threshold_is_silent_just_below_and_fires_when_it_is_reached(promtool: Path) -> None:
    spec = """
    budgets:
      - {name: b, amount: 50, period: day, alert_at: {33.3: info, 80: warning, 100: critical}, labels: {slack: "#b"}}
    """
    amounts = {"1m": "16.6", "2m": "16.66", "3m": "39.99", "4m": "40", "5m": "49.99", "6m": "50", "7m": "51"}
    reached_at = {"2m": ["33.3"], "3m": ["33.3"], "4m": ["33.3", "80"], "5m": ["33.3", "80"]}
    reached_at |= {at: ["33.3", "80", "100"] for at in ("6m", "7m")}
    severities = {"33.3": "info", "80": "warning", "100": "critical"}
    alerts = []
    for at, usd in amounts.items():
        fires = [
            firing(severities[each], each, reached(f"{float(usd):.2f}", "50.00", "today", each), slack="#b")
            for each in reached_at.get(at, [])
        ]
        alerts.append((ALERT, at, tuple(fires)))
    series = {spend(DAY): f"0 {' '.join(amounts.values())}", CLOCK: "1x9"}
    assert failures(promtool, replace(case("climb", spec, series), alerts=tuple(alerts))) == {}


def test_each_team_has_its_own_thresholds_severities_and_labels(promtool: Path) -> None:
    """Every second team is told first what the others are told second, so none is taken for its neighbour."""
    spec = f"""
    {TEAMS}
    budgets:
      - name: b
        per: team
        amount: 10
        period: day
        alert_at: {{50: info, 100: critical}}
        labels: {{pager: finops}}
        overrides:
          ads: {{amount: 20, labels: {{slack: "#ads"}}}}
          lab: {{alert_at: {{90: warning}}}}
    """
    series = {
        CLOCK: "1x9",
        spend(DAY, team="search"): "_ 4.99 5 10",
        spend(DAY, team="ads"): "_ 10 20 9.99",
        spend(DAY, team="lab"): "_ 8.99 9 5",
    }

    def told(team: str, usd: str, limit: str, percent: str, severity: str, **labels: str) -> dict[str, str]:
        text = reached(usd, limit, "today", percent, f"Budget b of team {team}", f", team {team}")
        return firing(severity, percent, text, team=team, per="team", pager="finops", **labels)

    alerts = (
        (ALERT, "1m", (told("ads", "10.00", "20.00", "50", "info", slack="#ads"),)),
        (
            ALERT,
            "2m",
            (
                told("search", "5.00", "10.00", "50", "info"),
                told("ads", "20.00", "20.00", "50", "info", slack="#ads"),
                told("ads", "20.00", "20.00", "100", "critical", slack="#ads"),
                told("lab", "9.00", "10.00", "90", "warning"),
            ),
        ),
        (
            ALERT,
            "3m",
            (told("search", "10.00", "10.00", "50", "info"), told("search", "10.00", "10.00", "100", "critical")),
        ),
    )
    assert failures(promtool, replace(case("teams", spec, series), alerts=alerts)) == {}


@pytest.mark.parametrize(
    ("period", "shown", "words", "record"),
    [
        ("day", "day", "today", DAY),
        ("week", "week", "this week", WEEK),
        ("month", "month", "this month", MONTH),
        ("24h", "1d", "in the last 1d", STEP),
        ("90m", "1h30m", "in the last 1h30m", STEP),
    ],
)
def test_the_words_say_which_period_is_meant(period: str, shown: str, words: str, record: str, promtool: Path) -> None:
    spec = f"budgets: [{{name: b, amount: 10, period: {period}, alert_at: {{100: info}}}}]"
    fires = firing("info", "100", reached("10.50", "10.00", words, "100"), period=shown)
    words_of = replace(case("words", spec, {spend(record): "_ 10.5", CLOCK: "1x5"}), alerts=((ALERT, "1m", (fires,)),))
    assert failures(promtool, words_of) == {}


# ---- Who spends ------------------------------------------------------------------------------------------------------

SPENDERS = """
    attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]
    prometheus: {keep_labels: [cluster]}
    budgets:
"""
BY_TEAM = {"search": 4, "ads": 7, "shop": 2.5, "idle": 0, "": 1}


@pytest.mark.parametrize(
    ("period", "shown", "record", "words"),
    [("month", "month", MONTH, "this month"), ("24h", "1d", STEP, "in the last 1d")],
    ids=["month", "24h"],
)
def test_the_text_lists_the_three_who_spent_most(
    period: str, shown: str, record: str, words: str, promtool: Path
) -> None:
    """The dearest first; clusters together; a label that is empty is not spoken of."""
    series = {spend(record, team=team, cluster="eu"): f"_ {usd}" for team, usd in BY_TEAM.items()}
    series[spend(record, team="search", cluster="us")] = "_ 4.25"
    series[spend(record, team="search", agent="crawler", cluster="us")] = "_ 0"
    text = (
        f"Budget b: 18.75 of 10.00 USD spent {words}, at or over 100 percent. If this is not meant, stop or limit "
        "those who spend; if it is, raise amount in the spec. Top spenders:"
        "\n- 8.25 USD: gateway ai/gw, provider openai, model gpt, team search"
        "\n- 7.00 USD: gateway ai/gw, provider openai, model gpt, team ads"
        "\n- 2.50 USD: gateway ai/gw, provider openai, model gpt, team shop"
    )
    spec = SPENDERS + f"      - {{name: b, amount: 10, period: {period}, alert_at: {{100: info}}}}"
    fires = firing("info", "100", text, period=shown)
    assert failures(promtool, replace(case("top", spec, series), alerts=((ALERT, "1m", (fires,)),))) == {}


#: As values of a label: what ends texts, templates and selectors, and what stands for others.
HOSTILE = (
    *('"', "'", "`", "\\", "\\\\", '\\"', "\\n", "{{", "}}", "{{ end }}", "{{ $value }}", "{{/* */}}", "$", "${x}"),
    *("%s", "%q", "%%", ".*", "a|b", "*", "{}", "}", '"}) or vector(1) #', "\N{SNOWMAN}", "\N{GRINNING FACE}"),
    *("{{-", "-}}", '" }}{{ "'),
)


def test_no_name_breaks_out_of_the_query_in_a_text(promtool: Path) -> None:
    """All at once: a query that meant another team would list another amount."""
    spec = f"{TEAMS}\nbudgets: [{{name: b, amount: 1, period: day, per: team, alert_at: {{100: info}}}}]"
    series, fired = {CLOCK: "1x5"}, []
    for number, name in enumerate(HOSTILE, start=1):
        series[spend(DAY).replace("}", f",team={promql.quote(name)}}}")] = f"_ {number}"
        text = reached(f"{number}.00", "1.00", "today", "100", f"Budget b of team {name}", f", team {name}")
        fired.append(firing("info", "100", text, team=name, per="team"))
    assert failures(promtool, replace(case("hostile", spec, series), alerts=((ALERT, "1m", tuple(fired)),))) == {}


def test_no_name_of_a_budget_breaks_out_of_a_text(promtool: Path) -> None:
    hostile_names = [name for name in HOSTILE if name == name.strip()]
    listed = [
        f"      - {{name: {json.dumps(name, ensure_ascii=False)}, amount: 1, period: day, alert_at: {{100: info}}}}"
        for name in hostile_names
    ]
    fired = tuple(
        firing("info", "100", reached("2.00", "1.00", "today", "100", f"Budget {name}"), budget=name)
        for name in hostile_names
    )
    hostile = case("budgets", "budgets:\n" + "\n".join(listed), {spend(DAY): "_ 2", CLOCK: "1x5"})
    assert failures(promtool, replace(hostile, alerts=((ALERT, "1m", fired),))) == {}


# ---- Size ------------------------------------------------------------------------------------------------------------


def rule_count(text: str) -> dict[str, int]:
    built = [rule for group in rules.build(spec_of(text)) for rule in group.rules]
    alerts = sum(isinstance(rule, Alert) for rule in built)
    return {"alerts": alerts, "records": len(built) - alerts}


def explicit(count: int) -> str:
    each = (f"  - {{name: b{n}, amount: {n + 1}, period: month, match: {{team: t{n}}}}}" for n in range(count))
    return "\n".join([TEAMS, "budgets:", *each])


def test_without_budgets_there_is_no_group() -> None:
    assert budgets.build(spec_of()) == budget_facts.build(spec_of()) == ()


def test_any_number_of_budgets_has_the_same_alerts_and_fifty_of_them_share_a_rule() -> None:
    one, fifty, fifty_one, thousand = (rule_count(explicit(count)) for count in (1, 50, 51, 1000))
    assert fifty == one
    # Amount, what it counts, two thresholds, three that are watched, and a name that keeps its place.
    assert fifty_one == {"alerts": one["alerts"], "records": one["records"] + 8}
    assert thousand == {"alerts": one["alerts"], "records": one["records"] + 19 * 8}


def test_a_budget_for_each_of_a_thousand_teams_is_the_same_rules() -> None:
    """What the spec says of it does not depend on how many there are."""
    per_team = f"{TEAMS}\nbudgets: [{{name: team, amount: 5, period: month, per: team}}]"
    assert rule_count(per_team)["records"] - rule_count(TEAMS)["records"] < 25


def test_one_more_budget_is_sixteen_lines_of_a_diff_and_one_more_team_none() -> None:
    """Two of each fact: an `or`, and the term."""
    before, after = (pipeline.build(spec_of(explicit(count)))[names.MONITORING_FILE].splitlines() for count in (40, 41))
    diff = [line for line in difflib.ndiff(before, after) if line[:1] in "+-"]
    assert (len(diff), {line[:1] for line in diff}) == (16, {"+"})
    assert [line.split()[1] for line in diff[::2]] == ["or"] * 8
