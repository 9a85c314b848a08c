"""Gateways that are counted though the spec does not name them are told, more model names than are kept apart, and
labels that a target hides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gateway_series import tokens
from promtool_cases import Case, failures, money_rules, rule_file
from spec_builders import JOB, counter, notation, spec_of
from spec_builders import up as pod_up

from tollbook.gen.spec import Histograms, Selection, Spec
from tollbook.rules import facts, unlisted

UNLISTED, HIDDEN, FOLDED = "LLMGatewayUnlisted", "LLMMetricLabelHidden", "LLMModelNamesOverLimit"
KEEP = "prometheus: {keep_labels: [cluster]}"

Expected = tuple[dict[str, str], ...]


def rules_of(spec: Spec) -> str:
    return rule_file(*facts.build(spec), *unlisted.build(spec))


def case(name: str, spec: Spec, series: dict[str, str], *alerts: tuple[str, str, Expected]) -> Case:
    return Case(name, rules_of(spec), series, alerts=alerts, scraped_every="1m")


# ---- Gateways that the spec does not name ----------------------------------------------------------------------------


def metered(gateway: str, token_type: str = "output", job: str = JOB, **labels: str) -> str:
    own = {"gateway": gateway, "job": job, "instance": "gw-1:15020", "gen_ai_token_type": token_type, **labels}
    return notation("agentgateway:metered_tokens:increase1m", **own)


def told(gateway: str, count: int, job: str = JOB, **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": gateway,
        "job": job,
        **labels,
        "annotation:summary": "An AI gateway that is not in the spec uses LLM tokens.",
        "annotation:description": (
            f"Gateway {gateway} of job {job} used {count} tokens in the last 1h and is not listed under gateways. Its "
            "spend is in every total under this name, but a budget or an alert that names a gateway does not see it. "
            "If it is a gateway of the spec under another name, correct the name; if it is new, add it; standalone "
            "gateways all call themselves default/default until the spec names them by instances."
        ),
    }


def test_a_gateway_that_is_not_in_the_spec_is_told_after_ten_minutes(promtool: Path) -> None:
    """From its first token on, until none was used for an hour; the spec's own gateway never is."""
    series = {
        metered("ai/new"): "0x4 700 0x100",
        metered("ai/new", "input"): "0x4 50 0x100",
        metered("ai/idle"): "0x100",
        metered("ai/gw"): "900x100",
    }
    moments = (("14m", ()), ("15m", (told("ai/new", 750),)), ("64m", (told("ai/new", 750),)), ("65m", ()))
    alerts = ((UNLISTED, at, expected) for at, expected in moments)
    assert failures(promtool, case("new", spec_of(), series, *alerts)) == {}


def test_what_is_added_to_the_spec_is_no_longer_told(promtool: Path) -> None:
    spec = spec_of("gateways: [{name: gw, namespace: ai}, {name: new, namespace: ai}]")
    assert failures(promtool, case("added", spec, {metered("ai/new"): "700x100"}, (UNLISTED, "60m", ()))) == {}


def test_the_gateways_of_another_spec_are_not_those_of_this_one(promtool: Path) -> None:
    """Two specs in one Prometheus: the other's facts list nothing here."""
    other = notation("agentgateway:gateway:info", spec="monitoring/other", gateway="ai/new")
    series = {other: "1x60", metered("ai/new"): "0 7x60"}
    alerts = ((UNLISTED, "11m", (told("ai/new", 77),)),)
    assert failures(promtool, case("other", spec_of(), series, *alerts)) == {}


def test_each_unlisted_gateway_cluster_and_job_has_an_alert_of_its_own(promtool: Path) -> None:
    spec = spec_of(f"""
        {KEEP}
        gateways: [{{name: gw, namespace: ai}}, {{name: out, namespace: ai, monitor: none, job: proxies}}]
    """)
    series = {
        metered("ai/new", cluster="eu"): "_ 1 0x60",
        metered("ai/new", cluster="us"): "_ 2 0x60",
        metered("ai/new", job="proxies", cluster="us"): "_ 3 0x60",
        metered("default/default", job="proxies", cluster="us"): "_ 4 0x60",
        metered("ai/gw", cluster="eu"): "5x60",
        metered("ai/out", job="proxies", cluster="eu"): "5x60",
    }
    expected = (
        told("ai/new", 1, cluster="eu"),
        told("ai/new", 2, cluster="us"),
        told("ai/new", 3, "proxies", cluster="us"),
        told("default/default", 4, "proxies", cluster="us"),
    )
    alerts = ((UNLISTED, "10m", ()), (UNLISTED, "11m", expected))
    assert failures(promtool, case("each", spec, series, *alerts)) == {}


def test_whatever_a_selection_finds_is_expected(promtool: Path) -> None:
    """Only in somebody else's job may there be a gateway that nobody meant."""
    chosen = Selection("agentgateway", {}, None, (1, 5), Histograms.CLASSIC)
    spec = spec_of("gateways: [{name: out, namespace: ai, monitor: none, job: proxies}]")
    series = {metered("team-a/new"): "7x60", metered("team-b/new", job="proxies"): "0 7x60"}
    alerts = ((UNLISTED, "11m", (told("team-b/new", 77, "proxies"),)),)
    assert failures(promtool, case("selected", replace(spec, selections=(chosen,)), series, *alerts)) == {}


def test_a_standalone_gateway_is_known_by_the_name_that_the_spec_gives_it(promtool: Path) -> None:
    """Until it is named it is one of many that call themselves default/default."""
    spec = spec_of("gateways: [{name: edge, namespace: ai, monitor: none, job: proxies}]")
    standalone = replace(spec, gateways=tuple(replace(gateway, namespace="") for gateway in spec.gateways))
    unnamed = metered("", job="proxies", booked_gateway="default/default")
    series = {metered("", job="proxies", booked_gateway="edge"): "7x60", unnamed: "0 7x60"}
    alerts = ((UNLISTED, "11m", (told("default/default", 77, "proxies"),)),)
    assert failures(promtool, case("standalone", standalone, series, *alerts)) == {}


# ---- More model names than are kept apart ----------------------------------------------------------------------------


def unpriced(gateway: str, name: str = "other", token_type: str = "output", **labels: str) -> str:
    own = {"gateway": gateway, "gen_ai_system": "openai", "gen_ai_token_type": token_type, **labels}
    names = {"gen_ai_request_model": name, "gen_ai_response_model": name}
    return notation("agentgateway:unpriced_tokens:increase1m", **{**own, **names, **labels})


def folded(count: int, limit: int = 100, gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    where = "".join(f", {name} {value}" for name, value in labels.items())
    return {
        "severity": "warning",
        "gateway": gateway,
        **labels,
        "annotation:summary": (
            "An AI gateway shows more model names than are kept apart, so some are summed as other."
        ),
        "annotation:description": (
            f"Gateway {gateway}{where} used {count} tokens in the last 1h of models that the spec does not list, under "
            f"so many names that only the {limit} that use the most are kept apart. The others stand under other: "
            "their tokens are counted, have no price and cannot be priced later. Look at the names that "
            "LLMTokensUnpriced tells. If they are real, add the models or their aliases to the spec, or raise "
            "limits.models_per_gateway; if a client makes them up, find it, and let the gateway's routes accept only "
            "the models that you offer."
        ),
    }


def test_model_names_beyond_the_limit_are_told_by_gateway_and_cluster(promtool: Path) -> None:
    """After ten minutes, until none was used for an hour; a name that is kept apart never is, nor one that merely asked
    for a model called other."""
    series = {
        unpriced("ai/gw", cluster="eu"): "0x4 700 0x100",
        unpriced("ai/gw", token_type="input", cluster="eu"): "0x4 50 0x100",
        unpriced("ai/gw", cluster="us"): "0x6 3 0x100",
        unpriced("ai/other", "made-up", cluster="us"): "9x100",
        unpriced("ai/other", gen_ai_response_model="made-up", cluster="us"): "9x100",
    }
    eu, us = folded(750, 20, cluster="eu"), folded(3, 20, cluster="us")
    moments = (("14m", ()), ("15m", (eu,)), ("16m", (eu,)), ("17m", (eu, us)), ("64m", (eu, us)), ("65m", (us,)))
    alerts = ((FOLDED, at, expected) for at, expected in moments)
    spec = spec_of(f"{KEEP}\nlimits: {{models_per_gateway: 20}}")
    assert failures(promtool, case("folded", spec, series, *alerts)) == {}


@pytest.mark.parametrize(("names", "told_of"), [(20, ()), (21, (folded(80, 20),))])
def test_the_alert_on_model_names_means_what_the_ledger_folds(names: int, told_of: Expected, promtool: Path) -> None:
    """Twenty names are the limit. Each uses 100 tokens and less, the one beyond them the least."""
    spec = spec_of("limits: {models_per_gateway: 20}")
    series = {pod_up("pod"): "1x60"}
    for number in range(names):
        name = f"made-up-{number:02}"
        series[counter(gen_ai_request_model=name, gen_ai_response_model=name)] = f"_x2 {100 - number}x60"
    rules = money_rules(spec, unlisted)
    told_at = ((FOLDED, "11m", ()), (FOLDED, "12m", told_of))
    assert failures(promtool, Case("ledger", rules, series, alerts=told_at, scraped_every="30s")) == {}


# ---- Labels that a target hides --------------------------------------------------------------------------------------


def hidden(label: str, count: int, gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": gateway,
        "hidden": label,
        **labels,
        "annotation:summary": "A label of scrape targets hides a label of an AI gateway's own metrics.",
        "annotation:description": (
            f"{count} series of gateway {gateway} have the label {label} from their target, and their own as "
            f"exported_{label}. Owners are booked by the metric's own label, gateways by the target's. Remove the "
            "target label from the monitor, or check that the two mean the same."
        ),
    }


HEALTHY = {tokens("other-1", gateway="ai/other", team="b"): "5x60"}
TEAMS = "attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]"

# What is there -> what is told of it.
SHOWN: dict[str, tuple[dict[str, str], Expected]] = {
    "target and metric agree": ({tokens(team="a"): "5x60"}, ()),
    "a gateway outside of Kubernetes, named by its monitor": ({tokens(exported_gateway="default/default"): "5x60"}, ()),
    "no label is hidden": ({tokens(exported_gateway=""): "5x60"}, ()),
    "another gateway's metrics": (
        {
            tokens(exported_gateway="ai/else"): "_x2 5x60",
            tokens(token_type="input", exported_gateway="ai/else"): "_x2 5x60",
            tokens("gw-2"): "5x60",
        },
        (hidden("gateway", 2),),
    ),
    "an owner's label": ({tokens(team="platform", exported_team="search"): "_x2 5x60"}, (hidden("team", 1),)),
    "both owners' labels and the gateway's": (
        {tokens(exported_gateway="ai/else", exported_team="a", exported_agent="b"): "_x2 5x60"},
        (hidden("agent", 1), hidden("gateway", 1), hidden("team", 1)),
    ),
    "a label that nothing here reads": ({tokens(exported_zone="a"): "5x60"}, ()),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_hidden_label_is_told_after_ten_minutes(name: str, promtool: Path) -> None:
    series, expected = SHOWN[name]
    alerts = ((HIDDEN, "11m", ()), (HIDDEN, "12m", expected), (HIDDEN, "60m", expected))
    assert failures(promtool, case(name, spec_of(TEAMS), {**HEALTHY, **series}, *alerts)) == {}


def test_hidden_labels_are_told_for_each_gateway_and_cluster(promtool: Path) -> None:
    series = {
        tokens(exported_gateway="ai/else", cluster="eu"): "5x60",
        tokens(cluster="us"): "5x60",
        tokens("other-1", gateway="ai/other", exported_gateway="ai/else", cluster="us"): "5x60",
    }
    expected = (hidden("gateway", 1, cluster="eu"), hidden("gateway", 1, "ai/other", cluster="us"))
    assert failures(promtool, case("each", spec_of(KEEP), series, (HIDDEN, "10m", expected))) == {}
