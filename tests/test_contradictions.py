"""Two rules that say two things of one price, name, gateway or target are told, with what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from promtool_cases import Case, fact_groups, failures, rule_file
from spec_builders import JOB, notation, spec_of

from tollbook.gen.spec import Spec
from tollbook.rules import contradictions

CONTRADICTED = "LLMFactContradicted"
PRICE, ALIAS = "agentgateway:price_usd_per_mtok", "agentgateway:model:alias"
INFO, INSTANCE = "agentgateway:gateway:info", "agentgateway:gateway:instance"

WHY = (
    "Likely causes, in order: an object with rules of an older spec was not deleted when a new one was applied; two "
    "folders made from specs of one name and namespace are applied. Look for PrometheusRules or rule files that the "
    "present monitoring.yaml does not have, and delete them."
)
SUMMARY = "Rules say two things of one price, model or gateway."
MODELS = """
    gateways: [{name: gw, namespace: ai}, {name: out, namespace: ai, monitor: none, job: proxies}]
    models:
      - {provider: openai, name: gpt, aliases: [gpt-2024], prices: [{input: 1, output: 10}]}
      - {provider: openai, name: mini, aliases: [mini-2024], prices: [{input: 0.0625, output: 10}]}
"""


def fact(record: str, spec: str = JOB, **labels: str) -> str:
    return notation(record, spec=spec, **labels)


def price(token_type: str, model: str = "gpt", **labels: str) -> str:
    return fact(PRICE, gen_ai_system="openai", model=model, gen_ai_token_type=token_type, **labels)


def case(name: str, spec: Spec, series: dict[str, str], *moments: tuple[str, tuple[dict[str, str], ...]]) -> Case:
    """Beside what the spec's own rules say."""
    rules = rule_file(*fact_groups(spec), *contradictions.build(spec))
    alerts = tuple((CONTRADICTED, at, expected) for at, expected in moments)
    return Case(name, rules, series, alerts=alerts, scraped_every="1m")


def told(kind: str, severity: str, text: str, **labels: str) -> dict[str, str]:
    return {
        "fact": kind,
        "severity": severity,
        **labels,
        "annotation:summary": SUMMARY,
        "annotation:description": text,
    }


def of_price(token_type: str, *cards: str, model: str = "gpt") -> dict[str, str]:
    text = (
        f"Model {model} of provider openai, {token_type} tokens, has {len(cards)} price cards at one time. The highest "
        f"counts, so spend may be overstated, and a format that is in dispute is not used. {WHY} The cards:"
    ) + "".join(f"\n- {card}" for card in cards)
    labels = {"gen_ai_system": "openai", "model": model, "gen_ai_token_type": token_type}
    return told("price", "critical", text, **labels)


def of_name(name: str, count: int, *models: str) -> dict[str, str]:
    text = (
        f"The name {name} of provider openai stands for {count} models. It is taken for none of them: what is used "
        f"under it has no price, unless it is a model's own name. {WHY} It is an alias of:"
    ) + "".join(f"\n- {model}" for model in models)
    return told("name", "warning", text, gen_ai_system="openai", gen_ai_response_model=name)


def of_gateway(gateway: str, *rows: str) -> dict[str, str]:
    text = (
        f"Gateway {gateway} is stated in {len(rows)} ways. One is taken, whichever comes first: pods whose build tells "
        "no release may be counted by the wrong version, and a gateway of another job may be left out. "
        f"{WHY} It is stated as:"
    ) + "".join(f"\n- {row}" for row in rows)
    return told("gateway", "warning", text, gateway=gateway)


def of_target(instance: str, *gateways: str) -> dict[str, str]:
    text = (
        f"Target {instance} of job vms is given to {len(gateways)} gateways. Its spend is booked under one of them, "
        f"whichever comes first. {WHY} They are:"
    ) + "".join(f"\n- {gateway}" for gateway in gateways)
    return told("target", "warning", text, job="vms", instance=instance)


# ---- Prices ----------------------------------------------------------------------------------------------------------


def test_two_prices_of_one_model_and_type_are_told_after_ten_minutes(promtool: Path) -> None:
    """Another model's come later; the same price said twice is one; what another spec says is its own."""
    series = {
        price("output", format="openai"): "_ 12.5x60",
        price("input", format=""): "1x60",
        price("input", "mini", format="openai"): "_x4 0.25x60",
        price("input", "mini", format="anthropic"): "_x4 0.125x60",
        fact(PRICE, "lab/cost", gen_ai_system="openai", model="gpt", gen_ai_token_type="input"): "7x60",
    }
    output = of_price("output", "12.5000 USD per 1M tokens, format openai", "10.0000 USD per 1M tokens")
    mini = of_price(
        "input",
        "0.2500 USD per 1M tokens, format openai",
        "0.1250 USD per 1M tokens, format anthropic",
        "0.0625 USD per 1M tokens",
        model="mini",
    )
    moments = (("10m", ()), ("11m", (output,)), ("13m", (output,)), ("14m", (output, mini)))
    assert failures(promtool, case("prices", spec_of(MODELS), series, *moments)) == {}


def test_a_price_that_two_rules_record_by_turns_is_told_at_once(promtool: Path) -> None:
    """At its third change within a quarter of an hour. A new price changes once, and twice is a correction."""
    rules = rule_file(*contradictions.build(spec_of(MODELS)))
    series = {
        price("output"): "3x9 5 3 5 5x60",
        price("input", "mini"): "1x20 2x60",
        price("output", "mini"): "1x20 2 1x60",
        price("cache_write"): "3x5 5x10 3x15 5x60",
    }
    text = (
        "The price of model gpt of provider openai, output tokens, changed 3 times in the last 15m: two rules record "
        f"it by turns, and which one counts is chance. {WHY}"
    )
    labels = {"gen_ai_system": "openai", "model": "gpt", "gen_ai_token_type": "output"}
    turns = told("alternating price", "critical", text, **labels)
    moments = (("11m", ()), ("12m", (turns,)), ("23m", (turns,)), ("26m", ()), ("40m", ()))
    alerts = tuple((CONTRADICTED, at, expected) for at, expected in moments)
    assert failures(promtool, Case("turns", rules, series, alerts=alerts, scraped_every="1m")) == {}


# ---- Names -----------------------------------------------------------------------------------------------------------


def test_a_name_of_two_models_is_told(promtool: Path) -> None:
    """An alias of two, and from the fifth minute on a model's own name that is another one's alias."""

    def alias(name: str, model: str, spec: str = JOB) -> str:
        return fact(ALIAS, spec, gen_ai_system="openai", gen_ai_response_model=name, model=model)

    series = {
        alias("gpt-2024", "mini"): "_ 1x60",
        alias("gpt", "mini"): "_x5 1x60",
        alias("mini-2024", "else", "lab/cost"): "1x60",
    }
    both, own = of_name("gpt-2024", 2, "gpt", "mini"), of_name("gpt", 2, "mini")
    moments = (("10m", ()), ("11m", (both,)), ("14m", (both,)), ("15m", (both, own)))
    assert failures(promtool, case("names", spec_of(MODELS), series, *moments)) == {}


# ---- Gateways --------------------------------------------------------------------------------------------------------


def test_a_gateway_with_two_versions_or_jobs_is_told(promtool: Path) -> None:
    series = {
        fact(INFO, gateway="ai/gw", job=JOB, version="1.4", token_semantics="by_format"): "_ 1x60",
        fact(INFO, gateway="ai/out", job="others", version="1.5", token_semantics="included"): "_x5 1x60",
        fact(INFO, "lab/cost", gateway="ai/gw", job=JOB, version="1.1"): "1x60",
    }
    one = of_gateway("ai/gw", f"version 1.5, job {JOB}", f"version 1.4, job {JOB}")
    other = of_gateway("ai/out", "version 1.5, job proxies", "version 1.5, job others")
    moments = (("10m", ()), ("11m", (one,)), ("14m", (one,)), ("15m", (one, other)))
    assert failures(promtool, case("gateways", spec_of(MODELS), series, *moments)) == {}


def test_a_target_of_two_gateways_is_told(promtool: Path) -> None:
    spec = spec_of("gateways: [{name: berlin, namespace: ai, monitor: none, job: vms}]")
    named = tuple(replace(each, namespace="", instances=("gw1:15020", "gw2:15020")) for each in spec.gateways)
    series = {
        fact(INSTANCE, job="vms", instance="gw1:15020", gateway="hamburg"): "_ 1x60",
        fact(INSTANCE, job="vms", instance="gw2:15020", gateway="munich"): "_x5 1x60",
        fact(INSTANCE, job="vms", instance="gw3:15020", gateway="munich"): "1x60",
    }
    one, other = of_target("gw1:15020", "berlin", "hamburg"), of_target("gw2:15020", "berlin", "munich")
    moments = (("10m", ()), ("11m", (one,)), ("14m", (one,)), ("15m", (one, other)))
    assert failures(promtool, case("targets", replace(spec, gateways=named), series, *moments)) == {}


def test_a_spec_contradicts_itself_nowhere(promtool: Path) -> None:
    """Dated prices, aliases, formats and gateways of every kind."""
    spec = spec_of("""
        gateways: [{name: gw, namespace: ai, version: "1.4"}, {name: out, namespace: ai, monitor: none, job: proxies}]
        models:
          - provider: anthropic
            name: claude
            aliases: [claude-2024, claude-latest]
            prices: [{from: 2026-01-01, input: 1, output: 10}, {from: 2026-02-01, input: 2, output: 20}]
          - {provider: custom, name: kimi, format: anthropic, prices: [{input: 1, output: 10}]}
    """)
    moments = tuple((at, ()) for at in ("15m", "23h50m", "1d", "1d1m", "1d20m"))
    assert failures(promtool, case("itself", spec, {}, *moments)) == {}
