"""A gateway that several jobs scrape is counted once: in the job that the spec names for it."""

from __future__ import annotations

from pathlib import Path

from promtool_cases import Case, failures, money_rules
from spec_builders import counter, notation, spec_of, up

COST = "sum by (gateway) (sum_over_time(agentgateway:cost_usd:increase1m[1h]))"
#: One of the spec's own monitor, one of the chart's, whose job finds the pods of both and of a third gateway.
SPEC = """
    gateways:
      - {name: gw, namespace: ai}
      - {name: chart, namespace: ai, monitor: none, job: proxies}
      - {name: vm, monitor: none, job: vms, instances: [vm-1]}
      - {name: default, namespace: default, monitor: none, job: proxies}
"""
#: A million tokens of output, ten dollars.
USED = "_x5 1000000x60"


def of(gateway: str, usd: int) -> dict[str, int]:
    return {notation("", gateway=gateway): usd}


def test_a_job_that_scrapes_more_than_it_is_named_for_doubles_nothing(promtool: Path) -> None:
    series = {up(): "1x70", counter(): USED}
    for pod, gateway in (("gw-again", "ai/gw"), ("chart-1", "ai/chart"), ("other-1", "ai/other")):
        series |= {up(pod, job="proxies"): "1x70", counter(pod=pod, job="proxies", gateway=gateway): USED}
    expected = of("ai/gw", 10) | of("ai/chart", 10) | of("ai/other", 10)
    assert failures(promtool, Case("jobs", money_rules(spec_of(SPEC)), series, ((COST, "30m", expected),))) == {}


def test_a_standalone_gateway_keeps_the_name_that_the_spec_gives_it(promtool: Path) -> None:
    """What it calls itself is the name of another gateway, in another job."""
    series: dict[str, str] = {}
    for pod, job in (("vm-1", "vms"), ("default-1", "proxies")):
        series |= {up(pod, job=job): "1x70", counter(pod=pod, job=job, gateway="default/default"): USED}
    expected = of("vm", 10) | of("default/default", 10)
    assert failures(promtool, Case("names", money_rules(spec_of(SPEC)), series, ((COST, "30m", expected),))) == {}
