"""Requests whose tokens are not reported are told: all of them, so that nothing is counted, or many of a model's."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import (
    failed,
    lookups,
    of_requests,
    reported,
    requests,
    streamed,
    streamed_with_usage,
    tokens,
    up,
)
from promtool_cases import Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.rules import usage

MISSING, FROZEN, UNREPORTED = "LLMTokenSumsMissing", "LLMTokenCountersFrozen", "LLMRequestsWithoutUsage"
ALERTS = (MISSING, FROZEN, UNREPORTED)
KEEP = "prometheus: {keep_labels: [cluster]}"

Expected = tuple[dict[str, str], ...]


def usage_rules(text: str = "") -> str:
    return rule_file(*usage.build(spec_of(text)))


def case(name: str, series: dict[str, str], *alerts: tuple[str, str, Expected], spec: str = "") -> Case:
    """The pods have been scraped all along where nothing else is said of them, and so was another gateway."""
    watched = {up(): "1x200", up(cluster="eu"): "1x200"}
    return Case(name, usage_rules(spec), {**HEALTHY, **watched, **series}, alerts=alerts, scraped_every="1m")


def silent(*minutes: int) -> list[tuple[str, str, Expected]]:
    return [(alert, f"{minute}m", ()) for alert in ALERTS for minute in minutes]


def ledger(requested: str, counted: str, gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    """Requests and tokens of each minute, as the ledger holds them."""
    own = {"gateway": gateway, "gen_ai_system": "openai", "model": "gpt", **labels}
    return {
        notation("agentgateway:requests:increase1m", **own): requested,
        notation("agentgateway:tokens:increase1m", gen_ai_token_type="output", **own): counted,
    }


OTHER = {"gateway": "ai/other", "namespace": "ai"}
HEALTHY = {
    up("other-1", **OTHER): "1x200",
    lookups("Exact", "other-1", **OTHER): "0+9x200",
    requests("other-1", **OTHER): "0+9x200",
    reported("other-1", **OTHER): "0+9x200",
    tokens("other-1", **OTHER): "0+900x200",
    **ledger("9x200", "900x200", "ai/other"),
}


# ---- No sums at all --------------------------------------------------------------------------------------------------


def missing(count: int, **labels: str) -> dict[str, str]:
    return {
        "severity": "critical",
        "gateway": "ai/gw",
        **labels,
        "annotation:summary": (
            "An AI gateway serves LLM requests but exports no sums of tokens, so none of its spend is seen."
        ),
        "annotation:description": (
            f"Gateway ai/gw serves LLM requests ({count} seen), yet Prometheus has no series "
            "agentgateway_gen_ai_client_token_usage_sum of it: nothing is billed. Likely causes, in order: "
            "config.histograms of the gateway is native (set it to classic or both); it is both, and the monitor lacks "
            "scrapeClassicHistograms: true, without which Prometheus keeps the native ones alone (say histograms: both "
            "in the spec and apply the monitor again; in a job of your own always_scrape_classic_histograms: true); "
            "Prometheus converts classic histograms (remove convert_classic_histograms_to_nhcb); a relabelling drops "
            "the sums."
        ),
    }


def test_native_histograms_alone_are_told_with_the_first_request(promtool: Path) -> None:
    series = {lookups("NoCatalog"): "_x20 1x100"}
    alerts = ((MISSING, "29m", ()), (MISSING, "30m", (missing(1),)), (MISSING, "34m", (missing(1),)))
    assert failures(promtool, case("born", series, *alerts, (MISSING, "35m", ()))) == {}


@pytest.mark.parametrize("status", ["Exact", "Missing", "NoCatalog", "Unpriced"])
def test_native_histograms_alone_are_told_whatever_the_catalog_says(status: str, promtool: Path) -> None:
    """The gateway had been serving when monitoring began."""
    series = {lookups(status): "500x9 503+3x60"}
    alerts = ((MISSING, "19m", ()), (MISSING, "20m", (missing(33),)), (MISSING, "60m", (missing(45),)))
    assert failures(promtool, case(status, series, *alerts)) == {}


def test_clusters_without_sums_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    series = {
        lookups("NoCatalog", cluster="eu"): "0+1x60",
        lookups("NoCatalog", cluster="us"): "0+1x60",
        tokens(cluster="us"): "0+100x60",
    }
    alerts = (MISSING, "30m", (missing(15, cluster="eu"),))
    assert failures(promtool, case("clusters", series, alerts, spec=KEEP)) == {}


def test_native_histograms_tell_themselves_where_there_are_no_look_ups(promtools: list[tuple[str, Path]]) -> None:
    """Releases before 1.3 look up nothing, so series are counted. Older promtools cannot read native histograms,
    so the newest is asked."""
    _, newest = promtools[-1]
    native = of_requests("agentgateway_gen_ai_client_token_usage", gen_ai_token_type="output")
    histogram = "{{schema:0 sum:100 count:7 buckets:[7]}}"
    series = {native: f"_x5 {histogram}x60"}
    both = {native: f"_x5 {histogram}x60", tokens(): "_x5 100x60"}
    cases = [
        case("native", series, (MISSING, "14m", ()), (MISSING, "15m", (missing(1),))),
        case("both", both, (MISSING, "15m", ()), (MISSING, "60m", ())),
    ]
    assert failures(newest, *cases) == {}


# ---- Nothing metered -------------------------------------------------------------------------------------------------


def frozen(count: int, **labels: str) -> dict[str, str]:
    gateway = labels.get("gateway", "ai/gw")
    return {
        "severity": "warning",
        "gateway": gateway,
        **labels,
        "annotation:summary": "LLM requests are answered through an AI gateway but no token is counted.",
        "annotation:description": (
            f"Gateway {gateway} answered {count} LLM requests in the last 15m of models that report tokens at other "
            "times or stream, and not a token was metered: their spend is in no figure. Likely causes, in order: "
            "clients that stream with stream_options.include_usage: false; a provider, or a proxy before it, that "
            "stopped reporting usage; rules that fail (LLMCostRulesFailing). Ask the gateway's log for the usage of "
            "one request (gen_ai.usage.output_tokens): where it is there, the rules are at fault, else the provider or "
            "the client."
        ),
    }


def answered(values: str, counted: str, **labels: str) -> dict[str, str]:
    """Answers so far of a model that reported tokens before, and tokens of each minute, as the ledger holds them."""
    kept = {key: text for key, text in labels.items() if key in ("gateway", "cluster")}
    return {requests(**labels): values, reported(**labels): "7x200", **ledger("_", counted, **kept)}


def test_answers_without_a_metered_token_are_told(promtool: Path) -> None:
    """Also where the counters are there and stand still; the fifth answer is that of minute 14."""
    series = {tokens(): "5000x100", **answered("7x9 8+1x90", "0x100")}
    alerts = ((FROZEN, "33m", ()), (FROZEN, "34m", (frozen(15),)), (FROZEN, "60m", (frozen(15),)))
    assert failures(promtool, case("frozen", series, *alerts)) == {}


def test_streams_tell_themselves_also_where_no_token_was_ever_counted(promtool: Path) -> None:
    """Bedrock's name no model in the answer."""
    never = {requests(): "7x9 8+1x90", streamed(): "7x9 8+1x90"}
    nameless = {
        failed(gen_ai_system="aws.bedrock"): "7x9 8+1x90",
        streamed(gen_ai_system="aws.bedrock", gen_ai_response_model="unknown"): "7x9 8+1x90",
    }
    alerts = ((FROZEN, "33m", ()), (FROZEN, "34m", (frozen(15),)))
    assert failures(promtool, case("never", never, *alerts), case("nameless", nameless, *alerts)) == {}


def test_four_requests_a_quarter_of_an_hour_are_too_few_to_be_frozen(promtool: Path) -> None:
    one_in_four_minutes = " ".join(f"{count}x3" for count in range(25))
    cases = [
        case("four", answered(one_in_four_minutes, "0x100"), (FROZEN, "60m", ()), (FROZEN, "90m", ())),
        case("none", answered("9x100", "0x100"), (FROZEN, "60m", ())),
    ]
    assert failures(promtool, *cases) == {}


def test_answers_end_to_be_frozen_with_the_first_token(promtool: Path) -> None:
    """It leaves the window after a quarter of an hour, and twenty minutes later the alert is back."""
    told = (frozen(15),)
    moments = {"25m": (frozen(15),), "39m": told, "40m": (), "54m": (), "60m": (), "74m": (), "75m": told}
    alerts = [(FROZEN, "24m", ()), *((FROZEN, at, expected) for at, expected in moments.items())]
    assert failures(promtool, case("thawed", answered("0+1x100", "0x39 3 0x60"), *alerts)) == {}


def test_clusters_and_gateways_with_frozen_counters_are_told_apart(promtool: Path) -> None:
    series = {**answered("0+1x60", "0x60", cluster="eu"), **answered("0+1x60", "3x60", cluster="us")}
    expected = (FROZEN, "30m", (frozen(15, cluster="eu"),))
    assert failures(promtool, case("clusters", series, expected, spec=KEEP)) == {}


STANDALONE = """
gateways:
  - {name: left, monitor: none, job: solo, instances: ["left:15020"]}
  - {name: right, monitor: none, job: solo, instances: ["right:15020"]}
"""


def test_standalone_gateways_are_told_by_the_names_of_the_spec(promtool: Path) -> None:
    """Both call themselves default/default; one is frozen, one streams half of its answers without usage."""
    own = {"job": "solo", "gateway": "default/default", "namespace": "", "pod": "", "container": "", "endpoint": ""}
    series = {up(name, **{**own, "gateway": ""}): "1x200" for name in ("left", "right")}
    for name, with_usage in (("left", "0x99"), ("right", "0+1x99")):
        labels = {"job": "solo", "gateway": "default/default", "booked_gateway": name}
        series |= {
            requests(name, **own): "0+2x99",
            reported(name, **own): with_usage,
            notation("agentgateway:usage:booked", instance=f"{name}:15020", **labels): "1x99",
        }
    series |= ledger("_", "0x99", "left") | ledger("_", "50x99", "right")
    alerts = (
        (FROZEN, "40m", (frozen(30, gateway="left"),)),
        (UNREPORTED, "40m", (unreported(80, gateway="left"), unreported(40, gateway="right"))),
    )
    assert failures(promtool, case("standalone", series, *alerts, spec=STANDALONE)) == {}


# ---- Answers without usage -------------------------------------------------------------------------------------------


def unreported(count: int, model: str = "gpt", **labels: str) -> dict[str, str]:
    gateway, provider = labels.get("gateway", "ai/gw"), labels.get("gen_ai_system", "openai")
    return {
        "severity": "warning",
        "gateway": gateway,
        "gen_ai_system": provider,
        "gen_ai_request_model": model,
        **labels,
        "annotation:summary": "Many answers of a model report no usage, so their spend is not seen.",
        "annotation:description": (
            f"{count} answers through gateway {gateway} from provider {provider}, request model {model}, reported no "
            "usage in the last 1h: more than 10 percent of all that named their model or streamed. What they cost is "
            "in no figure. Likely causes, in order: clients that stream with stream_options.include_usage: false; "
            "clients that leave before a stream ends; a provider, or a proxy before it, that reports no usage. Have "
            "clients leave stream_options out or ask for usage, and look at the provider's own usage page for what is "
            "missing."
        ),
    }


def never_reported(count: int, model: str = "gpt", **labels: str) -> dict[str, str]:
    return {
        "severity": "info",
        "gateway": "ai/gw",
        "gen_ai_system": "openai",
        "gen_ai_request_model": model,
        **labels,
        "annotation:summary": "No answer of a model has ever reported usage.",
        "annotation:description": (
            f"{count} answers through gateway ai/gw from provider openai, request model {model}, in the last 1h, and "
            "none since its pods started reported a token or streamed. Either the model bills no tokens, as moderation "
            "does, and nothing is missing here; or its provider reports none, and all of its spend is missing. If it "
            "bills tokens, ask the provider, or the proxy before it, to report usage."
        ),
    }


# Of answers from minute 6 on: all, those that reported output, and how many the alert tells (0: none).
SHARES = {
    "just over the share": (20, 17, 3),
    "the share itself": (20, 18, 0),
    "just over the share of many": (1000, 899, 101),
    "all of them": (20, 0, 20),
    "all of too few": (19, 0, 0),
    "none": (1000, 1000, 0),
}


@pytest.mark.parametrize("name", SHARES)
def test_more_than_a_tenth_of_at_least_twenty_answers_of_a_model_are_told(name: str, promtool: Path) -> None:
    """What came before monitoring did is not asked: then no request had reported anything."""
    made, with_usage, told = SHARES[name]
    expected = (unreported(told),) if told else ()
    series = {
        requests(): f"4000x5 {4000 + made}x100",
        requests(gen_ai_request_model="other", gen_ai_response_model="other"): "0x5 500x100",
        reported(): f"10x5 {10 + with_usage}x100",
        reported(gen_ai_request_model="other", gen_ai_response_model="other"): "0x5 500x100",
        tokens(): "0+9x100",
    }
    alerts = ((UNREPORTED, "15m", ()), (UNREPORTED, "16m", expected), (UNREPORTED, "65m", expected))
    assert failures(promtool, case(name, series, *alerts, (UNREPORTED, "66m", ()))) == {}


def test_streams_without_usage_are_told_from_their_birth_on(promtool: Path) -> None:
    """On a pod that was watched; failed requests are not among them."""
    series = {failed(): "_x70 500x100", requests(): "_x70 20x100", reported(): "_x70 17x100"}
    alerts = ((UNREPORTED, "79m", ()), (UNREPORTED, "80m", (unreported(3),)))
    assert failures(promtool, case("born", series, *alerts)) == {}


def test_streams_that_name_no_model_are_judged_by_their_tokens_timing(promtool: Path) -> None:
    """Bedrock's."""
    own = {"gen_ai_system": "aws.bedrock", "gen_ai_response_model": "unknown"}
    series = {
        requests(**own): "0x5 30x100",
        streamed(**own): "0x5 30x100",
        reported(**own): "0x5 26x100",
        streamed_with_usage(**own): "0x5 26x100",
    }
    alerts = ((UNREPORTED, "15m", ()), (UNREPORTED, "16m", (unreported(4, gen_ai_system="aws.bedrock"),)))
    healthy = {**series, streamed_with_usage(**own): "0x5 27x100"}
    assert failures(promtool, case("some", series, *alerts), case("few", healthy, *silent(16, 60))) == {}


def test_a_model_that_streams_and_never_reports_is_told(promtool: Path) -> None:
    series = {requests(): "0x5 30x100", streamed(): "0x5 1x100"}
    assert failures(promtool, case("streams", series, (UNREPORTED, "16m", (unreported(30),)))) == {}


def test_of_a_model_that_neither_reports_nor_streams_an_info_tells(promtool: Path) -> None:
    """Moderation looks like a provider that reports nothing."""
    twenty, fewer = {requests(): "0x5 20x100"}, {requests(): "0x5 19x100"}
    clusters = {requests(cluster="eu"): "0x5 30x100", requests(cluster="us"): "0x5 30x100"}
    clusters |= {reported(cluster="us"): "0x5 30x100"}
    told = ((UNREPORTED, "15m", ()), (UNREPORTED, "16m", (never_reported(20),)), (UNREPORTED, "66m", ()))
    cases = [
        case("twenty", twenty, *told),
        case("fewer", fewer, (UNREPORTED, "16m", ())),
        case("clusters", clusters, (UNREPORTED, "16m", (never_reported(30, cluster="eu"),)), spec=KEEP),
    ]
    assert failures(promtool, *cases) == {}


def test_embeddings_report_their_input_alone(promtool: Path) -> None:
    series = {requests(): "0x5 30x100", reported("gw-1", "input"): "0x5 30x100"}
    assert failures(promtool, case("embeddings", series, *silent(16, 30, 60))) == {}


# Requests of which no answer names a model, beside chats of the same model; tokens are reported of the chats alone.
FREE = {
    "token counts": {failed(): "0x5 100+30x100"},
    "rankings": {failed(gen_ai_request_model="rerank"): "0x5 100+30x100"},
    "rankings of a provider that reports their input": {
        failed(gen_ai_request_model="rerank"): "0x5 100+30x100",
        reported("gw-1", "input", gen_ai_request_model="rerank", gen_ai_response_model="unknown"): "0x5 50+15x100",
    },
    "errors": {failed(): "0x5 5000x100", lookups("Missing", gen_ai_response_model="unknown"): "0x5 5000x100"},
}


@pytest.mark.parametrize("name", FREE)
def test_requests_that_have_no_usage_to_report_are_not_told(name: str, promtool: Path) -> None:
    alone = {**FREE[name], lookups("Exact"): "0+30x100", **ledger("30x100", "0x100")}
    beside = {**alone, requests(): "0+1x100", reported(): "0+1x100", tokens(): "0+50x100"}
    beside |= ledger("31x100", "50x100")
    cases = [case("alone", alone, *silent(16, 40, 60, 90)), case("beside", beside, *silent(16, 40, 60, 90))]
    assert failures(promtool, *cases) == {}


def test_an_estimate_of_the_input_is_no_report(promtool: Path) -> None:
    """With `tokenize` the gateway counts the prompt itself, also where the provider reports nothing."""
    series = {
        requests(): "0x5 30x100",
        reported("gw-1", "input"): "0x5 30x100",
        reported("gw-1", "output"): "0x5 20x100",
    }
    assert failures(promtool, case("estimate", series, (UNREPORTED, "16m", (unreported(10),)))) == {}


def test_all_pods_of_a_gateway_are_one_and_clusters_are_not(promtool: Path) -> None:
    pods = {requests("gw-1"): "0x5 15x90", requests("gw-2"): "0x5 15x90", reported("gw-2"): "0x5 15x90"}
    clusters = {
        requests(cluster="eu"): "0x5 30x90",
        reported(cluster="eu"): "4x90",
        requests(cluster="us"): "0x5 30x90",
        reported(cluster="us"): "0x5 30x90",
    }
    cases = [
        case("pods", {**pods}, (UNREPORTED, "16m", (unreported(15),))),
        case("clusters", clusters, (UNREPORTED, "16m", (unreported(30, cluster="eu"),)), spec=KEEP),
    ]
    assert failures(promtool, *cases) == {}


# ---- What is normal --------------------------------------------------------------------------------------------------

ROLLOUT = {
    up("old"): "1x80 stale",
    requests("old"): "9000+10x80 stale",
    reported("old"): "9000+10x80 stale",
    tokens("old"): "1000000+800x80 stale",
    lookups("NoCatalog", "old"): "9000+10x80 stale",
    up("new"): "_x78 0x1 1x100",
    requests("new"): "_x81 10+10x90",
    failed("new"): "_x83 1x90",
    reported("new"): "_x81 10+10x90",
    tokens("new"): "_x81 800+800x90",
    lookups("NoCatalog", "new"): "_x81 10+10x90",
    **ledger("0 10x79 0 0 10x90", "0 800x79 0 0 800x90"),
}

# What is there -> minutes at which nothing may be told of it.
NORMAL: dict[str, tuple[dict[str, str], tuple[int, ...]]] = {
    "a gateway that was never asked anything": ({}, (20, 60, 90)),
    "a rollout": (ROLLOUT, (60, 80, 85, 95, 100, 110, 140)),
    "monitoring begins on a fleet with a past": (
        {
            up(): "_x5 1x100",
            requests(): "_x5 90000x100",
            failed(): "_x5 70000x100",
            reported(): "_x5 20000x100",
            lookups("NoCatalog"): "_x5 90000x100",
            tokens(): "_x5 5000000x100",
            **ledger("_x6 0x100", "_x6 0x100"),
        },
        (6, 16, 21, 40, 70, 100),
    ),
    "an idle gateway after an outage of Prometheus": (
        {
            up(): "1x60 _x30 1x100",
            requests(): "900x60 _x30 900x100",
            reported(): "800x60 _x30 800x100",
            lookups("NoCatalog"): "900x60 _x30 900x100",
            tokens(): "800x60 _x30 800x100",
            **ledger("0x60 _x30 0x100", "0x60 _x30 0x100"),
        },
        (91, 101, 106, 111, 121, 151),
    ),
    "one burst of a hundred errors on an idle gateway": (
        {
            failed(): "_x70 20 40 60 80 100x90",
            lookups("Missing"): "_x70 20 40 60 80 100x90",
            requests(gen_ai_request_model="other"): "900x200",
            reported(gen_ai_request_model="other"): "900x200",
            **ledger("_x70 20x4 0x90", "0x200"),
        },
        (70, 75, 79, 84, 85, 86, 87, 90, 91, 92),
    ),
    "an error now and then": (
        {
            failed(): "0x9 1x9 2x9 3x9 4x9 5x9 6x9 7x9",
            lookups("Missing"): "0+1x80",
            **ledger("0x9 1 0x8 1 0x8 1 0x8 1 0x8 1 0x8 1 0x20", "0x80"),
        },
        (30, 45, 60, 75),
    ),
}


@pytest.mark.parametrize("name", NORMAL)
def test_normal_life_is_not_told(name: str, promtool: Path) -> None:
    series, minutes = NORMAL[name]
    assert failures(promtool, case(name, series, *silent(*minutes))) == {}
