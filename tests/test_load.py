"""Specs as users write them: the good ones become values with every default filled in, the bad ones say what is wrong.

`specs/good` and `specs/bad` are the tests: a new file there is a new test. Beside each bad spec, and beside a good one
that warns, a `.txt` of the same stem holds exactly what is reported, one problem a line, as `spec.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tollbook.gen import alert_names, names
from tollbook.gen.alert_settings import Alerts, AlertSetting
from tollbook.gen.durations import Duration
from tollbook.gen.errors import FindingsError, Severity
from tollbook.gen.load import Loaded, load
from tollbook.gen.reading import packaged_schema
from tollbook.gen.spec import (
    Backend,
    Budget,
    Burn,
    Dashboard,
    Engine,
    Gateway,
    Histograms,
    Limits,
    Model,
    Monitor,
    Period,
    Price,
    Prometheus,
    Rates,
    Selection,
    Spec,
    Threshold,
    Tier,
)
from tollbook.gen.yamlio import dump, read

SPECS = Path(__file__).parent / "specs"
GOOD = sorted((SPECS / "good").glob("*.yaml"))
BAD = sorted((SPECS / "bad").glob("*.yaml"))
FULL = (SPECS / "good" / "full.yaml").read_text(encoding="utf-8")
MINIMAL = (SPECS / "good" / "minimal.yaml").read_text(encoding="utf-8")


def reported(path: Path) -> str:
    expected = path.with_suffix(".txt")
    return expected.read_text(encoding="utf-8") if expected.exists() else ""


def lines(problems: Any) -> str:
    return "".join(f"{problem}\n" for problem in problems)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in GOOD])
def test_a_good_spec_loads_with_exactly_its_warnings(path: Path) -> None:
    loaded = load(path.read_text(encoding="utf-8"), "spec.yaml")
    assert lines(loaded.warnings) == reported(path)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in BAD])
def test_a_bad_spec_is_refused_with_exactly_its_problems(path: Path) -> None:
    with pytest.raises(FindingsError) as refusal:
        load(path.read_text(encoding="utf-8"), "spec.yaml")
    assert lines(refusal.value.problems) == reported(path)


def test_every_expectation_belongs_to_a_spec() -> None:
    assert {path.stem for path in SPECS.glob("bad/*.txt")} == {path.stem for path in BAD}
    assert {path.stem for path in SPECS.glob("good/*.txt")} <= {path.stem for path in GOOD}


def test_every_problem_is_one_line_at_a_place_in_the_file() -> None:
    texts = [reported(path) for path in BAD]
    shape = re.compile(r"spec\.yaml:[1-9]\d*:[1-9]\d*: (error|warning): [^ ].*[^ ]")
    assert [line for text in texts for line in text.splitlines() if not shape.fullmatch(line)] == []


# ---- What a spec becomes -------------------------------------------------------------------------------


def test_defaults() -> None:
    rates = Rates(Decimal("2.50"), Decimal(10), cache_read=Decimal("2.50"), cache_write=Decimal("2.50"))
    assert load(MINIMAL, "spec.yaml") == Loaded(
        Spec(
            name="agentgateway-cost",
            namespace="monitoring",
            labels={},
            prometheus=Prometheus(
                engine=Engine.PROMETHEUS,
                scrape_interval=Duration.parse("30s"),
                scrape_timeout=Duration.parse("10s"),
                step=Duration.parse("1m"),
                settle=Duration.parse("30s"),
                gap=Duration.parse("1h"),
                retention=Duration.parse("35d"),
                timezone="UTC",
                keep_labels=(),
            ),
            gateways=(
                Gateway(
                    name="gateway1",
                    namespace="team-a",
                    version=(1, 5),
                    monitor=Monitor.POD,
                    job="monitoring/agentgateway-cost",
                    instances=(),
                    targets=(),
                    backends=(),
                    histograms=Histograms.CLASSIC,
                    legacy_token_semantics=False,
                ),
            ),
            selections=(),
            limits=Limits(series_per_pod=100_000, models_per_gateway=500),
            models=(Model("openai", "gpt-4o", (), (Price(None, rates, (), "", None),), free=False, format=""),),
            attribution=(),
            budgets=(),
            alerts=Alerts({}, {}),
            dashboard=Dashboard("LLM cost", "tollbook", ("llm", "finops")),
            runbooks="https://github.com/tollbook/tollbook/blob/main/docs/runbooks",
            price_max_age=Duration.parse("180d"),
        ),
        warnings=(),
    )


def test_a_budget_warns_at_80_and_is_critical_at_100_percent_of_all_spending() -> None:
    (budget,) = load(f"{MINIMAL}budgets: [{{name: all, amount: 50, period: day}}]\n", "spec.yaml").spec.budgets
    thresholds = (Threshold(Decimal(80), "warning"), Threshold(Decimal(100), "critical"))
    burn = {Burn.FAST: "critical", Burn.SLOW: "warning"}
    assert budget == Budget("all", Decimal(50), Period.DAY, "", {}, thresholds, {}, (), "warning", burn)


def test_a_backend_has_no_secret_and_takes_every_path() -> None:
    text = MINIMAL.replace("team-a}", "team-a, backends: [{name: b, provider: openai, model: gpt-4o}]}")
    assert load(text, "spec.yaml").spec.gateways[0].backends == (Backend("b", "openai", "gpt-4o", "", "/"),)


def test_the_schema_states_the_defaults_that_are_filled_in() -> None:
    schema = packaged_schema("spec")
    definitions = schema["$defs"]
    spec = load(f"{MINIMAL}attribution: [{{label: team, expression: x}}]\n", "spec.yaml").spec
    filled: dict[str, Any] = {"name": spec.name, "namespace": spec.namespace, "labels": spec.labels}
    stated = {key: schema["properties"][key]["default"] for key in filled}
    assert stated == filled

    resolved = {key: getattr(spec.prometheus, key) for key in definitions["prometheus"]["properties"]}
    for key, value in resolved.items():
        default = definitions["prometheus"]["properties"][key]["default"]
        assert value == (Duration.parse(default) if isinstance(value, Duration) else _like(value, default)), key
    for key in definitions["limits"]["properties"]:
        assert definitions["limits"]["properties"][key]["default"] == getattr(spec.limits, key)
    for key in ("title", "uid", "tags"):
        default = definitions["dashboard"]["properties"][key]["default"]
        assert getattr(spec.dashboard, key) == _like(getattr(spec.dashboard, key), default)
    assert definitions["attribution"]["properties"]["limit"]["default"] == spec.attribution[0].limit
    gateway = definitions["gateway"]["properties"]
    assert [gateway[key]["default"] for key in ("version", "monitor", "backends")] == ["1.5", Monitor.POD, []]
    assert [gateway[key]["default"] for key in ("namespaces", "histograms")] == ["any", Histograms.CLASSIC]
    backend = definitions["backend"]["properties"]
    assert [backend[key]["default"] for key in ("secret", "path")] == ["", "/"]
    budget = definitions["budget"]["properties"]
    assert [budget[key]["default"] for key in ("match", "labels")] == [{}, {}]
    assert budget["alert_at"]["default"] == {"80": "warning", "100": "critical"}
    assert (definitions["alertLabels"]["default"], definitions["alerts"]["properties"]["rules"]["default"]) == ({}, {})
    assert definitions["alert"]["properties"]["enabled"]["default"] is True


def _like(value: Any, default: Any) -> Any:
    return tuple(default) if isinstance(value, tuple) else default


def test_every_key_of_a_full_spec_reaches_its_value() -> None:
    spec = load(FULL, "spec.yaml").spec
    assert (spec.name, spec.namespace) == ("llm-cost", "observability")
    assert spec.labels == {"release": "kube-prometheus-stack", "app.kubernetes.io/part-of": "finops"}
    assert list(map(str, (spec.prometheus.scrape_interval, spec.prometheus.scrape_timeout))) == ["15s", "5s"]
    assert list(map(str, (spec.prometheus.step, spec.prometheus.settle, spec.prometheus.gap))) == ["2m", "20s", "2h"]
    assert (str(spec.prometheus.retention), spec.prometheus.timezone) == ("365d", "Europe/Berlin")
    assert spec.spend_labels == ("team", "agent", "cluster", "region")
    assert [attribution.limit for attribution in spec.attribution] == [20, 50]
    assert spec.attribution[1].expression == 'request.headers["x-agent"]'
    assert spec.dashboard == Dashboard("What we spend", "llm-cost", ())


def test_gateways_know_their_version_and_the_job_that_counts() -> None:
    edge, other_edge, inner, *_ = load(FULL, "spec.yaml").spec.gateways
    assert [gateway.version for gateway in (edge, other_edge, inner)] == [(1, 4), (0, 11), (1, 10)]
    assert [gateway.job for gateway in (edge, other_edge)] == [
        "observability/llm-cost",
        "agentgateway-system/agentgateway-proxy",
    ]
    assert edge.backends[0] == Backend("claude", "anthropic", "claude-3-5-haiku-latest", "anthropic-key", "/anthropic")


def test_gateways_outside_of_kubernetes_bear_the_name_that_the_spec_gives_them() -> None:
    spec = load(FULL, "spec.yaml").spec
    *_, berlin, paris = spec.gateways
    assert [(gateway.id, gateway.namespace, gateway.job) for gateway in (berlin, paris)] == [
        ("vm-berlin", "", "observability/llm-cost"),
        ("vm-paris", "", "vms"),
    ]
    assert berlin.targets == ("gw1.example.org:15020", "[2001:db8::1]:15020")
    assert paris.instances == ("gw2.example.org:15020",)
    assert spec.jobs == ("observability/llm-cost", "agentgateway-system/agentgateway-proxy", "vms")


def test_selections_say_what_must_match() -> None:
    everywhere, here = load(FULL, "spec.yaml").spec.selections
    assert everywhere == Selection("agentgateway", {}, None, (1, 3), Histograms.CLASSIC)
    labels = {"tier": "ai", "example.com/spot": ""}
    assert here == Selection("enterprise", labels, ("search-prod", "search-dev"), (1, 3), Histograms.BOTH)


def test_a_selection_alone_counts_the_job_of_its_monitor() -> None:
    spec = load(MINIMAL.replace("{name: gateway1, namespace: team-a}", "{labels: {tier: ai}}"), "spec.yaml").spec
    assert (spec.gateways, spec.jobs) == ((), ("monitoring/agentgateway-cost",))
    assert spec.selections == (Selection("", {"tier": "ai"}, None, (1, 5), Histograms.CLASSIC),)


def test_limits_engine_and_formats_reach_their_values() -> None:
    spec = load(FULL, "spec.yaml").spec
    assert spec.limits == Limits(series_per_pod=5_000, models_per_gateway=100)
    assert spec.prometheus.engine is Engine.MIMIR
    assert [model.format for model in spec.models] == ["", "", "", "anthropic"]


def test_prices_are_the_digits_of_the_file() -> None:
    haiku, *_ = load(FULL, "spec.yaml").spec.models
    first, second = haiku.prices
    assert (first.since, first.source, first.checked) == (date(2024, 10, 22), "", None)
    assert second.since == date(2024, 11, 4)
    assert (second.source, second.checked) == ("https://www.anthropic.com/pricing", date(2026, 11, 1))
    assert [str(rate) for rate in vars(second.rates).values()] == ["0.80", "4.00", "0.08", "1.00"]
    assert haiku.metric_names == ("claude-3-5-haiku", "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022")


def test_a_tier_overlays_what_the_price_states_before_caches_default_to_input() -> None:
    gemini = load(FULL, "spec.yaml").spec.models[1]
    long, longer = gemini.prices[0].tiers
    base = gemini.prices[0].rates
    assert base == Rates(Decimal("1.25"), Decimal(10), Decimal("0.125"), cache_write=Decimal("1.25"))
    assert long == Tier(200_000, Rates(Decimal("2.5"), Decimal(15), Decimal("0.125"), cache_write=Decimal("2.5")))
    assert longer.rates == Rates(Decimal("1.25"), Decimal(10), Decimal("0.125001"), Decimal(3))


def test_a_free_model_has_one_price_of_zero() -> None:
    llama = load(FULL, "spec.yaml").spec.models[2]
    zero = Decimal(0)
    assert llama.free
    assert llama.prices == (Price(None, Rates(zero, zero, zero, zero), (), "", None),)


def test_budgets_match_by_metric_label_and_rise_through_their_thresholds() -> None:
    platform, everything, sliding = load(FULL, "spec.yaml").spec.budgets
    assert platform.match == {
        names.GATEWAY: ("kgateway-system/edge",),
        names.PROVIDER: ("anthropic",),
        names.MODEL: ("claude-3-5-haiku",),
        "team": ("platform",),
    }
    assert [(str(threshold.percent), threshold.severity) for threshold in platform.thresholds] == [
        ("50", "none"),
        ("99.5", "warning"),
        ("100", "critical"),
    ]
    assert platform.labels == {"namespace": "team-a", "pager": "1"}
    assert (everything.amount, everything.period) == (Decimal("1234.56"), Period.MONTH)
    assert (sliding.amount, str(sliding.period)) == (Decimal("0.5"), "7d")


def test_alerts_are_as_their_user_wants_them() -> None:
    alerts = load(FULL, "spec.yaml").spec.alerts
    assert alerts.labels == {"owner": "platform", "namespace": "observability"}
    assert alerts.rules == {
        alert_names.PRICES_STALE: AlertSetting(enabled=True, severity="info", hold=None, labels={}),
        alert_names.UNPRICED: AlertSetting(
            enabled=True, severity=None, hold=Duration.parse("2h"), labels={"on_call": "finops"}
        ),
        alert_names.NO_USAGE: AlertSetting(enabled=False, severity=None, hold=None, labels={}),
    }
    assert [alerts.is_enabled(alert) for alert in (alert_names.NO_USAGE, alert_names.UNPRICED)] == [False, True]
    assert alerts.is_enabled(alert_names.BUDGET)


@pytest.mark.parametrize("text", ["0s", "0m", "90s", "100y"])
def test_an_alert_may_fire_at_once_or_late(text: str) -> None:
    settings_ = load(f"{MINIMAL}alerts: {{rules: {{LLMTokensUnpriced: {{for: {text}}}}}}}\n", "spec.yaml").spec.alerts
    assert settings_.rules[alert_names.UNPRICED].hold == Duration.parse(text)


def test_percentages_need_no_order() -> None:
    text = f"{MINIMAL}budgets: [{{name: a, amount: 1, period: day, alert_at: {{100: critical, 9: info, 20: none}}}}]\n"
    (budget,) = load(text, "spec.yaml").spec.budgets
    assert [int(threshold.percent) for threshold in budget.thresholds] == [9, 20, 100]


def test_places_are_the_same_with_windows_line_ends() -> None:
    with pytest.raises(FindingsError) as refusal:
        load("version: 1\r\nname: A\r\ngateways: []\r\nmodels: []\r\n", "spec.yaml")
    places = [str(problem.place) for problem in refusal.value.problems]
    assert places == ["spec.yaml:2:7", "spec.yaml:3:11", "spec.yaml:4:9"]


# ---- The schema itself ---------------------------------------------------------------------------------


def mappings(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of the schema that describes a mapping with keys of its own."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict) and "additionalProperties" in schema:
            yield path, schema
        for key, value in schema.items():
            yield from mappings(value, f"{path}/{key}")


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(packaged_schema("spec"))


def test_the_schema_knows_no_unknown_keys_and_explains_each_known_one() -> None:
    schema = packaged_schema("spec")
    found = dict(mappings(schema))
    assert set(found) == {
        "",
        *(
            f"/$defs/{name}"
            for name in (
                *("prometheus", "limits", "gateway", "backend", "model", "price", "tier", "attribution", "budget"),
                *("dashboard", "budget/properties/burn", "budget/properties/overrides/additionalProperties"),
                *("alerts", "alert"),
            )
        ),
    }
    for path, mapping in found.items():
        assert mapping["additionalProperties"] is False, path
        for key, described in mapping["properties"].items():
            target = schema["$defs"][described["$ref"].rsplit("/", 1)[-1]] if "$ref" in described else {}
            whole = {**target, **described}
            assert whole.get("title"), f"{path}/{key}"
            assert whole.get("description"), f"{path}/{key}"


def test_the_schema_accepts_what_loads() -> None:
    """Without any of our own keywords: as an editor reads it."""
    validator = Draft202012Validator(packaged_schema("spec"))
    for path in GOOD:
        assert [error.message for error in validator.iter_errors(read(path.read_text(), "spec.yaml").data)] == [], path


def test_the_vocabularies_of_schema_and_spec_are_the_same() -> None:
    definitions = packaged_schema("spec")["$defs"]
    assert definitions["gateway"]["properties"]["monitor"]["enum"] == list(Monitor)
    assert definitions["gateway"]["properties"]["histograms"]["enum"] == list(Histograms)
    assert definitions["prometheus"]["properties"]["engine"]["enum"] == list(Engine)
    assert definitions["budget"]["properties"]["period"]["examples"][:3] == list(Period)


# ---- Hostile input -------------------------------------------------------------------------------------


def survives(text: str) -> None:
    """Loads, or is refused in our own words, each problem on one line at a place; never anything else."""
    try:
        problems = load(text, "spec.yaml").warnings
    except FindingsError as refusal:
        problems = tuple(refusal.problems)
        assert any(problem.severity is Severity.ERROR for problem in problems)
    for problem in problems:
        assert problem.place is not None
        assert len(str(problem).splitlines()) == 1
        assert len(str(problem)) < 700


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12),
    st.sampled_from(["", " ", "0s", "5m", "99999y", "day", "2024-02-30", "1.5", "0.9", "none", "ServiceMonitor"]),
    st.just("x" * 400),
    st.text(max_size=20),
    st.lists(st.integers() | st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3),
)


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*way, step)
        yield from ways(inner, (*way, step))


@st.composite
def mutated_specs(draw: st.DrawFn) -> str:
    data = read(FULL, "spec.yaml").data
    for _ in range(draw(st.integers(1, 4))):
        way = draw(st.sampled_from(list(ways(data)) or [()]))
        if not way:
            break
        parent = data
        for step in way[:-1]:
            parent = parent[step]
        match draw(st.sampled_from(["replace", "remove", "add", "double"])):
            case "replace":
                parent[way[-1]] = draw(JUNK)
            case "remove":
                del parent[way[-1]]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = draw(JUNK)
            case _ if isinstance(parent, list):
                parent.append(parent[way[-1]])
    return dump(data)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(mutated_specs())
def test_any_wrong_value_anywhere_is_refused_in_our_own_words(text: str) -> None:
    survives(text)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.data())
def test_any_damage_to_the_text_is_refused_in_our_own_words(data: st.DataObject) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 10)))
        piece = data.draw(st.text(max_size=5) | st.sampled_from(list("\t'\"[]{}:,&*!|>%@#-?\n")))
        text = text[:start] + piece + text[end:]
    survives(text)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text())
def test_any_text_at_all_is_refused_in_our_own_words(text: str) -> None:
    survives(text)


# ---- The age of prices ----------------------------------------------------------------------------------------------

TODAY = date(2026, 7, 1)
OLD = (
    "prices were last compared with their source more than {age} ago: {models} (compare them, then set 'checked' to "
    "today or append the new price)"
)
PRICED_AT = """
version: 1
gateways: [{{name: gw, namespace: ai}}]
models: [{{provider: openai, name: gpt, prices: [{prices}]}}]
"""

# The model's prices -> the day that is told. 2026-01-02 is 180 days ago.
AGES = {
    "checked 180 days ago": ("{input: 1, output: 2, checked: 2026-01-02}", None),
    "checked 181 days ago": ("{input: 1, output: 2, checked: 2026-01-01}", "2026-01-01"),
    "checked lately, though it began long ago": ("{from: 2020-01-01, input: 1, output: 2, checked: 2026-06-01}", None),
    "never checked since it began": ("{from: 2020-01-01, input: 1, output: 2}", "2020-01-01"),
    "of no known age": ("{input: 1, output: 2}", None),
    "an old one that has a successor": (
        "{input: 1, output: 2, checked: 2020-01-01}, {from: 2026-07-01, input: 1, output: 3}",
        None,
    ),
    "its successor has not begun": (
        "{input: 1, output: 2, checked: 2020-01-01}, {from: 2026-07-02, input: 1, output: 3, checked: 2026-06-30}",
        "2020-01-01",
    ),
    "none has begun": ("{from: 2026-07-02, input: 1, output: 2, checked: 2020-01-01}", None),
}


@pytest.mark.parametrize("name", AGES)
def test_a_price_that_was_compared_too_long_ago_is_told(name: str) -> None:
    prices, day = AGES[name]
    text = PRICED_AT.format(prices=prices)
    problems = load(text, "spec.yaml", TODAY).warnings
    messages = [OLD.format(age="180d", models=f"'gpt' ({day})")] if day else []
    assert [str(problem).partition("warning: ")[2] for problem in problems] == messages
    assert load(text, "spec.yaml").warnings == ()


def test_one_warning_tells_of_all_old_prices_at_the_first() -> None:
    models = "".join(
        f"  - {{provider: openai, name: {name}, prices: [{{input: 1, output: 2, checked: {day}}}]}}\n"
        for name, day in (("new", "2026-06-30"), ("a", "2026-01-01"), ("b", "2025-01-01"), ("c", "2024-01-01"))
    )
    text = f"version: 1\nprice_max_age: 1d\ngateways: [{{name: gw, namespace: ai}}]\nmodels:\n{models}"
    (problem,) = load(text, "spec.yaml", TODAY).warnings
    three = "'a' (2026-01-01), 'b' (2025-01-01), 'c' (2024-01-01)"
    assert str(problem).startswith("spec.yaml:6:")
    assert str(problem).endswith(OLD.format(age="1d", models=three))
    more = text + "  - {provider: openai, name: d, prices: [{from: 2020-01-01, input: 1, output: 2}]}\n"
    more += "  - {provider: ollama, name: llama, free: true}\n"
    (problem,) = load(more, "spec.yaml", TODAY).warnings
    assert str(problem).endswith(OLD.format(age="1d", models=f"{three} and 1 more"))


@pytest.mark.parametrize("day", ["2026-07-02", "2026-07-03"])
def test_a_price_that_was_compared_on_a_day_to_come_is_told(day: str) -> None:
    """But not tomorrow's, which is today elsewhere."""
    problems = load(PRICED_AT.format(prices=f"{{input: 1, output: 2, checked: {day}}}"), "spec.yaml", TODAY).warnings
    message = (
        "spec.yaml:4:80: warning: model 'gpt': price 1 was 'checked' on 2026-07-03, which is yet to come: it would not "
        "be called old until long after that (say on which day it was last compared with its source)"
    )
    said = [message] if day == "2026-07-03" else []
    assert [str(problem) for problem in problems] == said


# ---- What a new price leaves out -------------------------------------------------------------------------------------

# The prices -> the rates that are told.
LEFT_OUT = {
    "both": ("{input: 1, output: 2, cache_read: 0.1, cache_write: 1.25}", "{input: 1, output: 2}"),
    "one": ("{input: 1, output: 2, cache_read: 0.1, cache_write: 1.25}", "{input: 1, output: 2, cache_write: 1.25}"),
    "none": ("{input: 1, output: 2, cache_read: 0.1}", "{input: 1, output: 2, cache_read: 0.2}"),
    "what was never there": ("{input: 1, output: 2}", "{input: 1, output: 2, cache_read: 0.1}"),
}
TOLD = {"both": "cache_read and no cache_write", "one": "cache_read"}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_new_price_that_forgets_the_cache_is_told(name: str) -> None:
    earlier, later = LEFT_OUT[name]
    text = PRICED_AT.format(prices=f"{earlier}, {later.replace('{', '{from: 2026-01-01, ')}")
    message = (
        f"model 'gpt': price 2 has no {TOLD.get(name)}, as the price before it has: nothing is carried over, and such "
        "tokens cost what input costs (repeat it if it still holds, or state what holds instead)"
    )
    said = [message] if name in TOLD else []
    assert [str(problem).partition("warning: ")[2] for problem in load(text, "spec.yaml").warnings] == said


def test_a_former_name_of_a_provider_becomes_the_present_one_wherever_it_stands() -> None:
    loaded = load(
        """
version: 1
gateways:
  - name: gw
    namespace: ai
    backends: [{name: one, provider: azure.openai, model: gpt}]
models: [{provider: azure.openai, name: gpt, prices: [{input: 1, output: 2}]}]
budgets: [{name: all, amount: 1, period: day, match: {provider: azure.openai}}]
""",
        "spec.yaml",
    )
    spec = loaded.spec
    assert spec.models[0].provider == "azure"
    assert spec.gateways[0].backends[0].provider == "azure"
    assert spec.budgets[0].match == {names.PROVIDER: ("azure",)}
