"""Scrapes that arrive after their step was counted are told by their share; those that never came are not."""

from __future__ import annotations

from pathlib import Path

from gateway_series import up
from promtool_cases import NOTHING, Case, failures, rule_file, rule_file_of
from spec_builders import JOB, notation, spec_of

from tollbook.gen.model import Alert, Recording
from tollbook.rules import lateness

LATE_ALERT = "LLMScrapesLate"
SEEN, LATE = "agentgateway:scrapes:seen", "agentgateway:scrapes:late"
KEEP = "prometheus: {keep_labels: [cluster]}"


def rules(text: str = "", *records: str) -> str:
    """Those of these records and the alert. promtool has every sample at once, so what was seen of a step that is to
    be late is a series of its own."""
    (group,) = lateness.build(spec_of(text))
    return rule_file_of(rule for rule in group.rules if isinstance(rule, Alert) or rule.record in records)


def seen(cluster: str = "", gateway: str = "ai/gw", job: str = JOB) -> str:
    return notation(SEEN, gateway=gateway, cluster=cluster, job=job)


def late(cluster: str = "", gateway: str = "ai/gw", job: str = JOB) -> str:
    return notation(LATE, gateway=gateway, cluster=cluster, job=job)


def told(percent: str, settle: str = "30s", step: str = "1m", job: str = JOB, **labels: str) -> dict[str, str]:
    where = "".join(f", {name} {value}" for name, value in labels.items())
    return {
        "severity": "warning",
        "job": job,
        **labels,
        "annotation:summary": "Samples of AI gateways arrive after their minute was counted, so spend is missing.",
        "annotation:description": (
            f"At least {percent} percent of the scrapes of job {job}{where} in the last hour arrived later than the "
            f"ledger looks, {settle} after the end of each {step} step; more than 1 percent is told. What was used in "
            "those steps is in no total and is not made up for. Likely causes, in order: the agent's remote write was "
            "cut off and caught up, or lags; scrapes take longer than their timeout allows for; the agent's clock is "
            "behind. Find how late samples are, and raise prometheus.settle in the spec above it, or evaluate the "
            "rules where the gateways are scraped."
        ),
    }


def test_the_scrapes_of_each_step_are_counted_once_as_the_ledger_sees_them(promtool: Path) -> None:
    """Two pods, two scrapes a minute, until the tenth. Nothing is zero for an hour, and then is forgotten. A target of
    somebody else's job does not say whose it is."""
    series = {
        up("gw-1", cluster="eu"): "1x20",
        up("gw-2", cluster="eu"): "0x20",
        up("gw-3", job="proxies", cluster="us"): "1x400",
        up("gw-4", job="others"): "1x400",
    }
    (group,) = lateness.build(
        spec_of(f"""
            {KEEP}
            gateways: [{{name: gw, namespace: ai}}, {{name: out, namespace: ai, monitor: none, job: proxies}}]
        """)
    )
    own, foreign = seen("eu"), notation(SEEN, job="proxies", cluster="us")
    moments = (
        ("1m", {own: 4, foreign: 2}),
        ("5m", {own: 4, foreign: 2}),
        ("11m", {own: 2, foreign: 2}),
        ("12m", {own: 0, foreign: 2}),
        ("70m", {own: 0, foreign: 2}),
        ("72m", {foreign: 2}),
    )
    none_late = (f"max_over_time({LATE}[2h]) > 0", "2h", NOTHING)
    samples = (*((SEEN, at, expected) for at, expected in moments), none_late)
    case = Case("seen", rule_file(group), series, samples, ((LATE_ALERT, "1h", ()), (LATE_ALERT, "2h", ())))
    assert failures(promtool, case) == {}


def test_what_came_after_its_step_is_counted_five_steps_later(promtool: Path) -> None:
    """By cluster, one after the other. A step that was not evaluated has nothing to be compared with."""
    series = {
        up("gw-1", cluster="eu"): "1x400",
        up("gw-1", cluster="us"): "1x400",
        up("gw-2", gateway="ai/other", cluster="us"): "1x400",
        seen("eu"): "_ 2x68 0 2x200",  # at 70m
        seen("us"): "_ 2x79 1 2x17 0 2x200",  # at 81m and 100m
        seen("us", "ai/other"): "_ 2x68 _x20 2x200",
    }
    series = {name: values if name.startswith("up") else _every_other(values) for name, values in series.items()}
    eu, us = told("1.7", gateway="ai/gw", cluster="eu"), told("2.5", gateway="ai/gw", cluster="us")
    later = told("1.6", gateway="ai/gw", cluster="eu")  # the step itself has left the hour, what came of it has not
    samples = (
        (LATE, "74m", {late("eu"): 0, late("us"): 0, late("us", "ai/other"): 0}),
        (LATE, "75m", {late("eu"): 2, late("us"): 0}),
        (LATE, "86m", {late("eu"): 0, late("us"): 1}),
    )
    moments = (("74m", ()), ("75m", (eu,)), ("86m", (eu,)), ("104m", (eu,)), ("105m", (eu, us)), ("134m", (later, us)),
               ("136m", (us,)))  # fmt: skip
    alerts = tuple((LATE_ALERT, at, expected) for at, expected in moments)
    assert failures(promtool, Case("late", rules(KEEP, LATE), series, samples, alerts)) == {}


def _every_other(values: str) -> str:
    """Records of a minute each, where there is room for a sample every thirty seconds."""
    written: list[str] = []
    for word in values.split():
        value, _, times = word.partition("x")
        count = int(times or 0) + (value != "_" or not times)
        written += [value, "_"] * count
    return " ".join(written)


def test_one_in_a_hundred_is_not_told_and_more_is(promtool: Path) -> None:
    (group,) = lateness.build(spec_of("prometheus: {step: 30s, settle: 15s, scrape_interval: 15s}"))
    alerts = rule_file_of(rule for rule in group.rules if not isinstance(rule, Recording))
    series = {seen(): "0x14 99 0x100", late(): "0x69 1 0 1 0x100"}
    text = told("2.0", "15s", "30s", gateway="ai/gw")
    moments = ((LATE_ALERT, "71m", ()), (LATE_ALERT, "72m", (text,)))
    assert failures(promtool, Case("one", alerts, series, alerts=moments, scraped_every="1m")) == {}
