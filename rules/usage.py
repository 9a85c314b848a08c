"""Requests whose tokens the gateway does not report: they cost money that no counter shows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    either,
    eq,
    negative,
    number,
    over_time,
    scalar,
    series,
    sum_by,
    sum_of_steps,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules.increase import risen
from tollbook.rules.selectors import by_gateway, scraped

#: Short, because spend is lost meanwhile; long enough for a few requests where there are few.
LATELY = Duration.parse("15m")
MISSING_FOR = Duration.parse("10m")

#: Longer than the window: a burst of failing requests of up to five minutes has left it before the alert could fire.
FROZEN_FOR = Duration.parse("20m")
#: Fewer may all have failed by chance.
FLOWING = 5

#: Requests of a model are too few to judge by in less.
UNREPORTED_WITHIN = Duration.parse("1h")
#: Providers refuse some requests at all times, and those report no usage either.
UNREPORTED_PERCENT = 10
ENOUGH_REQUESTS = 20
#: The first requests of an hour are not its share yet.
UNREPORTED_FOR = Duration.parse("10m")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = tuple(_alerts(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.usage", spec.prometheus.step, alerts, home="usage"),)


def _alerts(spec: Spec) -> Iterator[Alert]:
    yield _sums_missing(spec)
    yield _frozen(spec)
    yield _unreported(spec)


def _sums_missing(spec: Spec) -> Alert:
    """The gateway looks up prices, or shows native histograms, and of neither histogram there are classic sums, not
    even of that of requests, which failed ones are counted in too."""
    kept = by_gateway(spec)
    lookups = sum_by(kept, risen(spec, scraped(spec, names.CATALOG_LOOKUPS), LATELY))
    native = aggregate("count", scraped(spec, names.TOKEN_USAGE).now(), kept)
    sums, requests = (
        aggregate("group", over_time("present", scraped(spec, metric), LATELY), kept)
        for metric in (names.TOKEN_USAGE_SUM, names.LLM_REQUESTS)
    )
    return Alert(
        alert=names.ALERT_SUMS_MISSING,
        expr=unless(unless(binary(either(lookups, native), ">", scalar(0)), sums), requests),
        hold=MISSING_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "An AI gateway serves LLM requests but exports no sums of tokens, so none of its spend is seen.",
            "description": (
                f"Gateway {label(names.GATEWAY)} serves LLM requests ({value(decimals=0)} seen), yet Prometheus has no "
                f"series {names.TOKEN_USAGE_SUM} of it: nothing is billed. Likely causes, in order: the scrape "
                "converts classic histograms (convert_classic_histograms_to_nhcb), or reads native ones and not the "
                "classic ones beside them (scrapeClassicHistograms: true is missing); config.histograms of the gateway "
                "is native; a relabelling drops the sums."
            ),
        },
    )


def _frozen(spec: Spec) -> Alert:
    kept, step = by_gateway(spec), spec.prometheus.step
    requests = sum_by(kept, sum_of_steps(series(names.requests(step)), LATELY))
    tokens = sum_by(kept, sum_of_steps(series(names.tokens(step)), LATELY))
    return Alert(
        alert=names.ALERT_COUNTERS_FROZEN,
        expr=unless(binary(requests, ">=", scalar(FLOWING)), binary(tokens, ">", scalar(0))),
        hold=FROZEN_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "LLM requests flow through an AI gateway but no token is counted, so their spend is not seen.",
            "description": (
                f"Gateway {label(names.GATEWAY)} answered {value(decimals=0)} LLM requests in the last {LATELY}, and "
                "not a token of them was metered. Either every one of them failed, which costs nothing, or their "
                "spend is missing from every figure. Look at the gateway's logs for the status of its answers; if "
                "they succeed, check that the providers report usage."
            ),
        },
    )


def _unreported(spec: Spec) -> Alert:
    by = (names.GATEWAY, *spec.prometheus.keep_labels, names.PROVIDER, names.REQUEST_MODEL)
    requests = sum_by(by, risen(spec, scraped(spec, names.LLM_REQUESTS), UNREPORTED_WITHIN))
    # Added as a negative part: a subtraction would drop the models of which no request reported anything.
    unreported = sum_by(by, either(requests, negative(_reported(spec, by))))
    enough = binary(requests, ">=", scalar(ENOUGH_REQUESTS))
    return Alert(
        alert=names.ALERT_NO_USAGE,
        expr=binary(unreported, ">", binary(enough, "*", scalar(Decimal(UNREPORTED_PERCENT) / 100))),
        hold=UNREPORTED_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "Many LLM requests report no usage, so their spend is not seen.",
            "description": (
                f"{value(decimals=0)} requests through gateway {label(names.GATEWAY)} to provider "
                f"{label(names.PROVIDER)}, model {label(names.REQUEST_MODEL)}, reported no usage in the last "
                f"{UNREPORTED_WITHIN}: more than {number(UNREPORTED_PERCENT)} percent of all. Requests that failed or "
                "that only count tokens are among them and cost nothing; the others are missing from every figure. "
                "Look for both in the gateway's logs first, then for clients that stream without "
                "stream_options.include_usage."
            ),
        },
    )


def _reported(spec: Spec, by: tuple[str, ...]) -> Expr:
    """Requests that reported output or, of a model that shows none (embeddings), input; the type stays a label."""
    output, prompt = (
        scraped(spec, names.TOKEN_USAGE_COUNT).where(eq(names.TOKEN_TYPE, token_type))
        for token_type in (names.OUTPUT, names.INPUT)
    )
    answered, prompted = (
        sum_by((*by, names.TOKEN_TYPE), risen(spec, counter, UNREPORTED_WITHIN)) for counter in (output, prompt)
    )
    return either(answered, unless(prompted, output.now(), on=by))
