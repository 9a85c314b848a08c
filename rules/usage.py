"""Requests whose tokens the gateway does not report: they cost money that no counter shows.

Not every request has tokens to report. Counting tokens in advance (count_tokens), ranking (rerank) and errors of the
provider are free or report what they use otherwise, and have in common that no model is named in the answer
(`gen_ai_response_model="unknown"`): they are not judged. Of answers that name one, and of streams that brought a token,
usage is missing where none is counted. A model of which nothing was ever counted and nothing ever streamed may also be
one that bills no tokens, such as moderation behind a passthrough route: an info tells of it, for nothing tells them
apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, Rule, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Matcher,
    aggregate,
    binary,
    both,
    either,
    eq,
    labelled,
    negative,
    none_of,
    number,
    over_time,
    scalar,
    series,
    sum_by,
    sum_of_steps,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules.increase import risen, under_figures_gateway
from tollbook.rules.selectors import by_gateway, just_recorded, scraped

#: Short, because spend is lost meanwhile; long enough for a few requests where there are few.
LATELY = Duration.parse("15m")
MISSING_FOR = Duration.parse("10m")

#: Longer than the window: a burst of answers without usage has left it before the alert could fire.
FROZEN_FOR = Duration.parse("20m")
#: Fewer may be chance.
FLOWING = 5

#: Requests of a model are too few to judge by in less.
UNREPORTED_WITHIN = Duration.parse("1h")
#: Clients that leave in the middle of a stream take its usage with them, at all times.
UNREPORTED_PERCENT = 10
ENOUGH_REQUESTS = 20
#: The first requests of an hour are not its share yet.
UNREPORTED_FOR = Duration.parse("10m")

_NAMED, _NAMELESS = none_of(names.RESPONSE_MODEL, [names.UNKNOWN]), eq(names.RESPONSE_MODEL, names.UNKNOWN)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    rules = tuple(_rules(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.usage", spec.prometheus.step, rules, home="usage"),)


def _rules(spec: Spec) -> Iterator[Rule]:
    note = "LLM answers of the last hour that should report usage: they name their model or are streamed."
    yield Recording(names.ANSWERS_1H, _answers(spec, UNREPORTED_WITHIN), note=note)
    yield Recording(names.UNREPORTED_1H, _without_usage(spec), note="Those of them that reported none.")
    yield _sums_missing(spec)
    yield _frozen(spec)
    yield _unreported(spec)
    yield _never_reported(spec)


def _sums_missing(spec: Spec) -> Alert:
    """The gateway looks up prices, or shows native histograms, and of neither histogram there are classic sums, not
    even of that of requests, which failed ones are counted in too."""
    kept = by_gateway(spec)
    lookups = sum_by(kept, risen(spec, scraped(spec, names.CATALOG_LOOKUPS), LATELY))
    native = aggregate("count", under_figures_gateway(spec, scraped(spec, names.TOKEN_USAGE).now()), kept)
    sums, requests = (
        aggregate("group", under_figures_gateway(spec, over_time("present", scraped(spec, metric), LATELY)), kept)
        for metric in (names.TOKEN_USAGE_SUM, names.LLM_REQUESTS)
    )
    return Alert(
        alert=alert_names.SUMS_MISSING,
        expr=unless(unless(binary(either(lookups, native), ">", scalar(0)), sums), requests),
        hold=MISSING_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "An AI gateway serves LLM requests but exports no sums of tokens, so none of its spend is seen.",
            "description": (
                f"Gateway {label(names.GATEWAY)} serves LLM requests ({value(decimals=0)} seen), yet Prometheus has no "
                f"series {names.TOKEN_USAGE_SUM} of it: nothing is billed. Likely causes, in order: config.histograms "
                "of the gateway is native (set it to classic or both); it is both, and the monitor lacks "
                "scrapeClassicHistograms: true, without which Prometheus keeps the native ones alone (say histograms: "
                "both in the spec and apply the monitor again; in a job of your own always_scrape_classic_histograms: "
                "true); Prometheus converts classic histograms (remove convert_classic_histograms_to_nhcb); a "
                "relabelling drops the sums."
            ),
        },
    )


def _frozen(spec: Spec) -> Alert:
    kept, step = by_gateway(spec), spec.prometheus.step
    answers = sum_by(kept, both(_answers(spec, LATELY), _bearing(spec), on=_by_model(spec)))
    tokens = sum_by(kept, sum_of_steps(series(names.tokens(step)), LATELY))
    return Alert(
        alert=alert_names.COUNTERS_FROZEN,
        expr=unless(binary(answers, ">=", scalar(FLOWING)), binary(tokens, ">", scalar(0))),
        hold=FROZEN_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "LLM requests are answered through an AI gateway but no token is counted.",
            "description": (
                f"Gateway {label(names.GATEWAY)} answered {value(decimals=0)} LLM requests in the last {LATELY} of "
                "models that report tokens at other times or stream, and not a token was metered: their spend is in "
                "no figure. Likely causes, in order: clients that stream with stream_options.include_usage: false; a "
                f"provider, or a proxy before it, that stopped reporting usage; rules that fail "
                f"({alert_names.RULES_FAILING}). Ask the gateway's log for the usage of one request "
                "(gen_ai.usage.output_tokens): where it is there, the rules are at fault, else the provider or the "
                "client."
            ),
        },
    )


def _unreported(spec: Spec) -> Alert:
    missing = both(just_recorded(spec, series(names.UNREPORTED_1H)), _bearing(spec), on=_by_model(spec))
    enough = binary(just_recorded(spec, series(names.ANSWERS_1H)), ">=", scalar(ENOUGH_REQUESTS))
    return Alert(
        alert=alert_names.NO_USAGE,
        expr=binary(missing, ">", binary(enough, "*", scalar(Decimal(UNREPORTED_PERCENT) / 100))),
        hold=UNREPORTED_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "Many answers of a model report no usage, so their spend is not seen.",
            "description": (
                f"{value(decimals=0)} answers through gateway {label(names.GATEWAY)} from provider "
                f"{label(names.PROVIDER)}, request model {label(names.REQUEST_MODEL)}, reported no usage in the last "
                f"{UNREPORTED_WITHIN}: more than {number(UNREPORTED_PERCENT)} percent of all that named their model or "
                "streamed. What they cost is in no figure. Likely causes, in order: clients that stream with "
                "stream_options.include_usage: false; clients that leave before a stream ends; a provider, or a proxy "
                "before it, that reports no usage. Have clients leave stream_options out or ask for usage, and look "
                "at the provider's own usage page for what is missing."
            ),
        },
    )


def _never_reported(spec: Spec) -> Alert:
    """What cannot be decided: whether the model bills no tokens, or its provider does not report them."""
    silent = unless(just_recorded(spec, series(names.ANSWERS_1H)), _bearing(spec), on=_by_model(spec))
    return Alert(
        alert=alert_names.NO_USAGE,
        expr=binary(silent, ">=", scalar(ENOUGH_REQUESTS)),
        hold=UNREPORTED_FOR,
        labels={names.SEVERITY: "info"},
        annotations={
            "summary": "No answer of a model has ever reported usage.",
            "description": (
                f"{value(decimals=0)} answers through gateway {label(names.GATEWAY)} from provider "
                f"{label(names.PROVIDER)}, request model {label(names.REQUEST_MODEL)}, in the last "
                f"{UNREPORTED_WITHIN}, and none since its pods started reported a token or streamed. Either the model "
                "bills no tokens, as moderation does, and nothing is missing here; or its provider reports none, and "
                "all of its spend is missing. If it bills tokens, ask the provider, or the proxy before it, to report "
                "usage."
            ),
        },
    )


# ---- Answers that should report usage --------------------------------------------------------------------------------


def _by_model(spec: Spec) -> tuple[str, ...]:
    return (*by_gateway(spec), names.PROVIDER, names.REQUEST_MODEL)


def _answers(spec: Spec, window: Duration) -> Expr:
    """Those that name their model, and streams that do not (Bedrock's)."""
    return sum_by(
        _by_model(spec),
        either(
            _risen(spec, names.LLM_REQUESTS, window, _NAMED), _risen(spec, names.FIRST_TOKEN_COUNT, window, _NAMELESS)
        ),
    )


def _bearing(spec: Spec) -> Expr:
    """Models of which tokens were counted, or answers streamed, since the pods started."""
    shown = (scraped(spec, metric).now() for metric in (names.TOKEN_USAGE_COUNT, names.FIRST_TOKEN_COUNT))
    return aggregate("group", under_figures_gateway(spec, either(*shown)), _by_model(spec))


def _without_usage(spec: Spec) -> Expr:
    # Added as a negative part: a subtraction would drop the models of which no answer reported anything.
    reported = labelled(_reported(spec), names.TOKEN_TYPE, names.OUTPUT)
    return sum_by(_by_model(spec), either(just_recorded(spec, series(names.ANSWERS_1H)), negative(reported)))


def _reported(spec: Spec) -> Expr:
    """Of these answers, those that reported output or, of a model that shows none (embeddings), input."""
    by = _by_model(spec)
    output, prompt = (eq(names.TOKEN_TYPE, token_type) for token_type in (names.OUTPUT, names.INPUT))
    shows_output = under_figures_gateway(spec, scraped(spec, names.TOKEN_USAGE_COUNT, output).now())
    return sum_by(
        by,
        either(
            _risen(spec, names.TOKEN_USAGE_COUNT, UNREPORTED_WITHIN, _NAMED, output),
            unless(_risen(spec, names.TOKEN_USAGE_COUNT, UNREPORTED_WITHIN, _NAMED, prompt), shows_output, on=by),
            _risen(spec, names.PER_OUTPUT_TOKEN_COUNT, UNREPORTED_WITHIN, _NAMELESS),
        ),
    )


def _risen(spec: Spec, metric: str, window: Duration, *matchers: Matcher) -> Expr:
    return risen(spec, scraped(spec, metric, *matchers), window)
