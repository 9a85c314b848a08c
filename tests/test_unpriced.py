"""Tokens without a price are told by name and by their share, and prices that are not where they should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import build_info, lookups, of_requests, tokens, up
from promtool_cases import NOTHING, Case, all_rules, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.rules import unpriced as family

UNPRICED, ANSWERED, SHARE, PRICES, CATALOG = (
    "LLMTokensUnpriced",
    "LLMModelAnsweredByUnlisted",
    "LLMUnpricedShareHigh",
    "LLMPricesNotRecorded",
    "LLMCatalogLookupsNotExact",
)
KEEP = "prometheus: {keep_labels: [cluster]}"

Expected = tuple[dict[str, str], ...]


def unpriced_rules(text: str = "") -> str:
    return rule_file(*family.build(spec_of(text)))


def case(name: str, series: dict[str, str], *alerts: tuple[str, str, Expected], spec: str = "") -> Case:
    return Case(name, unpriced_rules(spec), series, alerts=alerts, scraped_every="1m")


# ---- By name ---------------------------------------------------------------------------------------------------------


def unpriced(request: str, response: str, token_type: str = "output", **labels: str) -> str:
    own = {
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "gen_ai_request_model": request,
        "gen_ai_response_model": response,
        "gen_ai_token_type": token_type,
        **labels,
    }
    return notation("agentgateway:unpriced_tokens:increase1m", **own)


def told(tokens: int, request: str, response: str, **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "gen_ai_request_model": request,
        "gen_ai_response_model": response,
        **labels,
        "annotation:summary": "LLM tokens are used that have no price, so spend is understated.",
        "annotation:description": (
            f"Gateway ai/gw used {tokens} tokens in the last hour of provider openai, request model {request}, "
            f"response model {response}. Add the model, or this name as an alias, to models in the spec."
        ),
    }


def test_tokens_without_a_price_are_told_by_name_for_an_hour(promtool: Path) -> None:
    series = {
        unpriced("new", "new-2027"): "_ 700 stale",
        unpriced("new", "new-2027", "input"): "_ 3000000 stale",
        unpriced("other", "unknown"): "_ _ 1 stale",
    }
    alerts = (
        (UNPRICED, "0m", ()),
        (UNPRICED, "1m", (told(3_000_700, "new", "new-2027"),)),
        (UNPRICED, "2m", (told(3_000_700, "new", "new-2027"), told(1, "other", "unknown"))),
        (UNPRICED, "60m", (told(3_000_700, "new", "new-2027"), told(1, "other", "unknown"))),
        (UNPRICED, "61m", (told(1, "other", "unknown"),)),
        (UNPRICED, "62m", ()),
    )
    assert failures(promtool, case("unpriced", series, *alerts)) == {}


def test_clusters_without_a_price_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    series = {unpriced("new", "new", cluster=cluster): f"_ {tokens}" for cluster, tokens in (("eu", 3), ("us", 40))}
    expected = (told(3, "new", "new", cluster="eu"), told(40, "new", "new", cluster="us"))
    assert failures(promtool, case("clusters", series, (UNPRICED, "1m", expected), spec=KEEP)) == {}


# ---- Answered by a model that the spec does not list -----------------------------------------------------------------

#: The names of the spec, and the prices that count, as the ledger records them.
BOOKS = {
    **{
        notation("agentgateway:model:names", gen_ai_system="openai", gen_ai_response_model=name, model="gpt"): "1x200"
        for name in ("gpt", "gpt-2024")
    },
    **{
        notation("agentgateway:price_usd_per_mtok:now", gen_ai_system="openai", model=model, gen_ai_token_type=each): (
            f"{usd}x200"
        )
        for model, each, usd in (
            ("gpt", "input", 2.5),
            ("gpt", "output", 10),
            ("gpt", "input_cache_read", 1.25),
            ("gpt", "input_cache_write", 0),
            ("mini", "input", 7),
        )
    },
}


def answered_by(response: str, count: int, **labels: str) -> dict[str, str]:
    gateway = labels.get("gateway", "ai/gw")
    return {
        "severity": "warning",
        "gateway": gateway,
        "gen_ai_system": "openai",
        "gen_ai_request_model": "gpt",
        "gen_ai_response_model": response,
        "model": "gpt",
        **labels,
        "annotation:summary": (
            "A model that the spec does not list answers for one that it lists, and is billed at its price."
        ),
        "annotation:description": (
            f"Gateway {gateway}, provider openai: gpt was asked for and {response} answered, with {count} input and "
            "output tokens in the last 1h. No model of the spec has the latter name, so its tokens are billed at the "
            "price of gpt, and whether it costs more or less is not known here. Look its price up at the provider. If "
            "it is the same, add the name to the aliases of gpt; if not, add it to models with its own price. What "
            "was billed until then stays. Price of gpt:\n"
            "- input: 2.5000 USD per 1,000,000 tokens\n"
            "- input_cache_read: 1.2500 USD per 1,000,000 tokens\n"
            "- input_cache_write: 0.0000 USD per 1,000,000 tokens\n"
            "- output: 10.0000 USD per 1,000,000 tokens"
        ),
    }


def used_by(response: str, values: str, token_type: str = "output", **labels: str) -> dict[str, str]:
    return {tokens("gw-1", token_type, gen_ai_response_model=response, **labels): values}


def test_a_model_that_only_its_request_names_is_told_for_an_hour(promtool: Path) -> None:
    """From the first token on; cached ones are part of the input already."""
    series = {
        **BOOKS,
        up(): "1x200",
        **used_by("gpt-2099", "5000x69 5700x100"),
        **used_by("gpt-2099", "_x70 30x100", "input"),
        **used_by("gpt-2099", "_x70 20x100", "input_cache_read"),
        **used_by("gpt-2099", "0x100", "output", route="idle"),
    }
    expected = (answered_by("gpt-2099", 730),)
    alerts = ((ANSWERED, "69m", ()), (ANSWERED, "70m", expected), (ANSWERED, "129m", expected), (ANSWERED, "130m", ()))
    assert failures(promtool, case("answered", series, *alerts)) == {}


def test_each_answer_gateway_and_cluster_is_told_by_itself(promtool: Path) -> None:
    other = {"gateway": "ai/other", "cluster": "us"}
    series = {
        **BOOKS,
        **used_by("gpt-2099", "0 7x30", cluster="eu"),
        **used_by("gpt-2098", "0 8x30", cluster="eu"),
        **used_by("gpt-2024", "0 9x30", cluster="us"),
        **used_by("gpt-2099", "0 3x30", **other),
    }
    expected = (
        answered_by("gpt-2099", 7, cluster="eu"),
        answered_by("gpt-2098", 8, cluster="eu"),
        answered_by("gpt-2099", 3, **other),
    )
    told = case("apart", series, (ANSWERED, "0m", ()), (ANSWERED, "1m", expected), spec=KEEP)
    assert failures(promtool, told) == {}


# Response and request model -> nothing is told of these.
LISTED = {
    "the model itself": {"gen_ai_response_model": "gpt"},
    "an alias": {"gen_ai_response_model": "gpt-2024"},
    "a stream of Bedrock or an error": {"gen_ai_response_model": "unknown"},
    "a listed model answers for a name that is not": {"gen_ai_request_model": "deployment-7"},
    "neither is listed, which LLMTokensUnpriced tells": {
        "gen_ai_request_model": "new",
        "gen_ai_response_model": "new-2",
    },
    "another provider's model of that name": {"gen_ai_system": "azure", "gen_ai_response_model": "gpt-2099"},
}


@pytest.mark.parametrize("name", LISTED)
def test_answers_that_have_a_price_of_their_own_or_none_are_not_told(name: str, promtool: Path) -> None:
    series = {**BOOKS, up(): "1x100", tokens(**LISTED[name]): "0+1000x100"}
    alerts = [(ANSWERED, f"{minute}m", ()) for minute in (1, 30, 60, 90)]
    assert failures(promtool, case(name, series, *alerts)) == {}


def test_a_dearer_snapshot_is_told_with_both_names_through_all_rules(promtool: Path) -> None:
    """gpt-4o-2024-05-13 costs 5 and 15 dollars, and is billed at 2.5 and 10: 3,000,000 tokens of each in half an hour
    are 37.50 USD here and 60 USD on the invoice."""
    spec = """
        models:
          - provider: openai
            name: gpt-4o
            aliases: [gpt-4o-2024-11-20, gpt-4o-2024-08-06]
            prices: [{input: 2.5, output: 10, cache_read: 1.25}]
    """
    names = {"gen_ai_request_model": "gpt-4o", "gen_ai_response_model": "gpt-4o-2024-05-13"}
    series = {tokens("gw-1", token_type, **names): "0x10 0+50000x220" for token_type in ("input", "output")}
    labels = 'alertname="LLMModelAnsweredByUnlisted",gateway="ai/gw",gen_ai_system="openai",model="gpt-4o"'
    both = 'gen_ai_request_model="gpt-4o",gen_ai_response_model="gpt-4o-2024-05-13"'
    fired = f'ALERTS{{{labels},{both},alertstate="firing",severity="warning"}}'
    samples = (
        ('ALERTS{alertstate="firing"}', "5m", NOTHING),
        ('ALERTS{alertstate="firing"}', "6m", {fired: 1}),
        ('ALERTS{alertstate="firing"}', "45m", {fired: 1}),
        ("sum(sum_over_time(agentgateway:cost_usd:increase1m[29m59s999ms]))", "45m", {"": 37.5}),
    )
    series |= {up(): "1x240", build_info(): "1x240"}
    assert failures(promtool, Case("case 4", all_rules(spec_of(spec)), series, samples)) == {}


# ---- By their share --------------------------------------------------------------------------------------------------


def used(model: str, token_type: str = "output", **labels: str) -> str:
    own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": model, "gen_ai_token_type": token_type, **labels}
    return notation("agentgateway:tokens:increase1m", **own)


def share(percent: str, gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    return {
        "severity": "critical",
        "gateway": gateway,
        **labels,
        "annotation:summary": "So many LLM tokens have no price that the dollars are no longer usable.",
        "annotation:description": (
            f"{percent} percent of the tokens that gateway {gateway} used in the last hour have no price, and up to 5 "
            "percent are tolerated. Budgets and totals leave them out, and a price that is added later does not count "
            "backwards. LLMTokensUnpriced names the models: add them to models in the spec."
        ),
    }


# Tokens without a price and with one, each from minute 5 to 10 -> the percentage that is told, if any.
SHARES = {
    "just over the share": (100_001, 1_900_000, "5.0"),
    "the share itself": (100_000, 1_900_000, ""),
    "a half": (60_000, 60_000, "50.0"),
    "all": (10_000, 0, "100.0"),
    "all of few": (9_999, 0, ""),
    "none": (0, 5_000_000, ""),
}


@pytest.mark.parametrize("name", SHARES)
def test_more_than_a_twentieth_of_an_hour_s_tokens_is_told_after_twenty_minutes(name: str, promtool: Path) -> None:
    without, priced, percent = SHARES[name]
    series = {
        unpriced("new", "new-2027"): f"_x5 {without} stale",
        used("new-2027"): f"_x5 {without} stale",
        used("gpt"): f"_x5 {priced} stale",
        used("gpt", "input", gateway="ai/other"): "_x5 9000000 stale",
    }
    expected = (share(percent),) if percent else ()
    alerts = ((SHARE, "24m", ()), (SHARE, "25m", expected), (SHARE, "64m", expected), (SHARE, "65m", ()))
    assert failures(promtool, case(name, series, *alerts)) == {}


def test_a_minute_whose_prices_were_not_there_yet_is_no_share(promtool: Path) -> None:
    """As after an installation: the model has a price from the second minute on."""
    series = {unpriced("gpt", "gpt"): "_ 500000 stale", used("gpt"): "_ 500000x60"}
    minutes = (1, 10, 20, 21, 22, 30, 60)
    alerts = [(SHARE, f"{minute}m", ()) for minute in minutes]
    assert failures(promtool, case("installed", series, *alerts)) == {}


def test_the_shares_of_gateways_and_clusters_are_their_own(promtool: Path) -> None:
    series = {
        unpriced("new", "new", cluster="eu"): "20000x30",
        used("new", cluster="eu"): "20000x30",
        used("gpt", cluster="eu"): "60000x30",
        unpriced("new", "new", cluster="us"): "20000x30",
        used("new", cluster="us"): "20000x30",
        used("gpt", cluster="us"): "980000x30",
        unpriced("new", "new", gateway="ai/other", cluster="us"): "20000x30",
        used("new", gateway="ai/other", cluster="us"): "20000x30",
    }
    expected = (share("25.0", cluster="eu"), share("100.0", "ai/other", cluster="us"))
    assert failures(promtool, case("own", series, (SHARE, "20m", expected), spec=KEEP)) == {}


# ---- Prices that are not recorded ------------------------------------------------------------------------------------

TYPES = ("input", "output", "input_cache_read", "input_cache_write")
TWO_MODELS = """
models:
  - {provider: openai, name: gpt, aliases: [gpt-2024], prices: [{input: 1, output: 10}]}
  - {provider: openai, name: mini, prices: [{input: 1, output: 10}]}
"""


def prices_missing(recorded: int) -> dict[str, str]:
    return {
        "severity": "critical",
        "annotation:summary": "Prices of the spec are not recorded, so what is used at them is not billed.",
        "annotation:description": (
            f"Prometheus has the prices of {recorded} of the 2 models in the spec. Tokens of the others count as "
            "unpriced, and are not billed later. Look on Prometheus' page Status > Rules for groups tollbook.prices "
            "that fail or are not there, and apply monitoring.yaml again."
        ),
    }


def prices(model: str, values: str, spec: str = "monitoring/agentgateway-cost") -> dict[str, str]:
    own = {"spec": spec, "gen_ai_system": "openai", "model": model}
    return {notation("agentgateway:price_usd_per_mtok", **own, gen_ai_token_type=each): values for each in TYPES}


def of_two(name: str, series: dict[str, str], *alerts: tuple[str, str, Expected]) -> Case:
    return case(name, series, *alerts, spec=TWO_MODELS)


def test_prices_that_are_missing_for_ten_minutes_are_told(promtool: Path) -> None:
    cases = [
        of_two("none", {}, (PRICES, "9m", ()), (PRICES, "10m", (prices_missing(0),))),
        of_two(
            "all end",
            {**prices("gpt", "1x9 stale"), **prices("mini", "1x9 stale")},
            (PRICES, "20m", ()),
            (PRICES, "21m", (prices_missing(0),)),
        ),
        of_two(
            "one ends and returns",
            {**prices("gpt", "1x90"), **prices("mini", "1x9 stale _x40 1x40")},
            (PRICES, "20m", ()),
            (PRICES, "21m", (prices_missing(1),)),
            (PRICES, "51m", (prices_missing(1),)),
            (PRICES, "53m", ()),
        ),
        of_two(
            "another spec's count for nothing",
            {**prices("gpt", "1x90"), **prices("mini", "1x90", spec="monitoring/other")},
            (PRICES, "10m", (prices_missing(1),)),
        ),
    ]
    assert failures(promtool, *cases) == {}


def test_prices_that_are_recorded_or_just_reloaded_are_not_told(promtool: Path) -> None:
    """The group is gone for some minutes while Prometheus restarts."""
    always = {**prices("gpt", "1x60"), **prices("mini", "1x60"), **prices("mini", "2x60", spec="monitoring/other")}
    reloaded = {**prices("gpt", "1x20 stale _x7 1x60"), **prices("mini", "1x20 stale _x7 1x60")}
    cases = [
        of_two("all", always, *((PRICES, f"{minute}m", ()) for minute in (0, 5, 10, 30, 60))),
        of_two("restart", reloaded, *((PRICES, f"{minute}m", ()) for minute in (21, 29, 31, 60))),
    ]
    assert failures(promtool, *cases) == {}


# ---- The gateway's own catalog ---------------------------------------------------------------------------------------


def not_listed(count: int, status: str, response: str = "gpt-2024", **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "gen_ai_request_model": "gpt",
        "gen_ai_response_model": response,
        "status": status,
        **labels,
        "annotation:summary": (
            "An AI gateway's own price catalog has no price for a model, so its own dollars are too low."
        ),
        "annotation:description": (
            f"{count} requests through gateway ai/gw in the last 1h to provider openai, request model gpt, response "
            f"model {response}, found no price in its catalog: {status} (Missing: the model is not listed, Unpriced: "
            "it is listed without rates). The gateway's own dollars lack them. The figures here are made of the prices "
            "in the spec: they lack them too where LLMTokensUnpriced names this model, and nowhere else. Add the model "
            "to the gateway's catalog."
        ),
    }


def no_catalog(count: int, **labels: str) -> dict[str, str]:
    return {
        "severity": "info",
        "gateway": "ai/gw",
        "status": "NoCatalog",
        **labels,
        "annotation:summary": "Some pods of an AI gateway have no price catalog, so its own dollars are too low.",
        "annotation:description": (
            f"{count} requests through gateway ai/gw in the last 1h met no catalog at all (NoCatalog), while others "
            "met one. The gateway's own dollars lack what these cost. The figures here are made of the prices in the "
            "spec and need no catalog. Likely causes, in order: pods from before the catalog was mounted (restart "
            "them); a gateway class or a route of the rollout whose pods do not mount it."
        ),
    }


def asked(count: str, **labels: str) -> dict[str, str]:
    """Tokens so far of the same requests, as the ledger sees them."""
    return {of_requests("agentgateway:usage:seen", **labels): count}


def test_models_that_the_catalog_does_not_price_are_told_by_name(promtool: Path) -> None:
    """From the fifth request on, until none was made for an hour; births on a pod that was watched count whole."""
    series = {
        up(): "1x200",
        lookups("Missing", gen_ai_response_model="unknown"): "_x70 4 5x100",
        lookups("Unpriced"): "90x69 94 95x100",
        lookups("Exact", gen_ai_request_model="other"): "0+10x200",
        **asked("_x70 400 500x100", gen_ai_response_model="unknown"),
        **asked("9000x69 9400 9500x100"),
    }
    both = (not_listed(5, "Missing", "unknown"), not_listed(5, "Unpriced"))
    alerts = (
        (CATALOG, "70m", ()),
        (CATALOG, "71m", both),
        (CATALOG, "129m", both),
        (CATALOG, "130m", ()),
    )
    assert failures(promtool, case("not listed", series, *alerts)) == {}


def test_clusters_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    series = {lookups("Missing", cluster=cluster): f"0 {count}x9" for cluster, count in (("eu", 5), ("us", 8))}
    series |= asked("0 100x9", cluster="eu") | asked("0 100x9", cluster="us")
    series |= {lookups("Missing", cluster="ap"): "0 9x9", **asked("0x9", cluster="ap")}
    expected = (not_listed(5, "Missing", cluster="eu"), not_listed(8, "Missing", cluster="us"))
    mixed = {
        lookups("NoCatalog", cluster="eu"): "0 7x30",
        lookups("Exact", cluster="us"): "0 7x30",
        lookups("NoCatalog", "gw-2", cluster="us"): "0 9x30",
    }
    cases = [
        case("names", series, (CATALOG, "1m", expected), spec=KEEP),
        case("pods", mixed, (CATALOG, "16m", (no_catalog(9, cluster="us"),)), spec=KEEP),
    ]
    assert failures(promtool, *cases) == {}


def test_the_gateway_s_dollars_lack_nothing_of_models_that_cost_nothing(promtool: Path) -> None:
    """Free by the spec, or without a token."""
    price, own = "agentgateway:price_usd_per_mtok:now", {"gen_ai_system": "openai", "model": "gpt"}
    free = {
        of_requests("agentgateway:usage:booked", model="gpt"): "1x100",
        **{notation(price, **own, gen_ai_token_type=each): "0x100" for each in ("input", "output")},
    }
    dear = {notation(price, **own, gen_ai_token_type="output"): "1x100"}
    used = {up(): "1x100", lookups("Missing"): "0+10x90", **asked("0+1000x90")}
    told = not_listed(100, "Missing")
    cases = [
        case("free", {**used, **free}, *((CATALOG, f"{minute}m", ()) for minute in (1, 30, 80))),
        case("dear", {**used, **free, **dear}, (CATALOG, "10m", (told,))),
        case("not in the spec", used, (CATALOG, "10m", (told,))),
        case("counts tokens", {up(): "1x100", lookups("Missing"): "0+10x90", **asked("0x90")}, (CATALOG, "30m", ())),
    ]
    assert failures(promtool, *cases) == {}


def test_pods_without_a_catalog_beside_others_that_have_one_are_told_once(promtool: Path) -> None:
    series = {
        lookups("NoCatalog", "gw-1"): "0 0 3x90",
        lookups("NoCatalog", "gw-1", gen_ai_request_model="other"): "0 0 2x90",
        lookups("Exact", "gw-2"): "0 0 4x90",
        lookups("Unpriced", "gw-2", gen_ai_request_model="other"): "0 0 1x90",
    }
    alerts = ((CATALOG, "16m", ()), (CATALOG, "17m", (no_catalog(5),)), (CATALOG, "61m", (no_catalog(5),)))
    assert failures(promtool, case("mixed", series, *alerts)) == {}


NORMAL = {
    "no catalog at all, which is the default": {lookups("NoCatalog"): "0+10x90"},
    "every model is listed": {lookups("Exact"): "0+10x90"},
    "somebody tries names that do not exist": {
        lookups("Exact"): "0+10x90",
        lookups("Missing", gen_ai_request_model="gtp"): "0 4x90",
        lookups("NoCatalog", "gw-2"): "0 4x90",
    },
    "monitoring begins on a gateway with a past": {lookups("Missing"): "_x9 5000x90", up(): "_x9 1x90"},
    "a catalog was attached, which replaced the pods": {
        lookups("NoCatalog", "gw-1"): "0+10x30 stale",
        lookups("Exact", "gw-2"): "_x29 0+10x60",
    },
}


@pytest.mark.parametrize("name", NORMAL)
def test_normal_life_is_not_told(name: str, promtool: Path) -> None:
    alerts = [(CATALOG, f"{minute}m", ()) for minute in (1, 10, 20, 31, 45, 60, 90)]
    assert failures(promtool, case(name, NORMAL[name], *alerts)) == {}
