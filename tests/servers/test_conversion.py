"""A Prometheus that turns classic histograms into native ones as it scrapes: the sums that tokens are counted from
vanish although the gateways export them. Nothing is billed, so somebody must be told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from gateway_pods import GatewayPod
from servers.books import COUNTED_WITHIN, MODELS, alerted, request, summed, wait_until_watched
from servers.programs import Api, prometheus
from servers.scraping import Listing, gateway, intervals, prometheus_config, rule_file, spec_of

#: The alert of those that count look-ups or dollars, and of those that show only that they answer.
TOLD_BY = ("LLMTokenSumsMissing", "LLMTokenCountersFrozen")

SPEC = f"""
version: 1
prometheus: {{{intervals()}}}
gateways:
  - {{name: new, namespace: ai, version: "1.5"}}
  - {{name: old, namespace: ai, version: "1.2"}}
{MODELS}
"""


@pytest.fixture(scope="module")
def converting(prometheus_3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """When both gateways have had traffic for a while."""
    folder = tmp_path_factory.mktemp("conversion")
    spec = spec_of(SPEC)
    listing = Listing(folder, (spec.id,))
    scraping = listing.scrape_configs(convert_classic_histograms_to_nhcb=True)
    config = prometheus_config([rule_file(spec, folder / "rules.yaml")], scraping)
    with ExitStack() as stack:
        versions = {"new": (1, 5), "old": (1, 2)}
        pods = [GatewayPod(gateway(spec, name, "ai", version), name) for name, version in versions.items()]
        for pod in pods:
            listing.add_pod(spec, stack.enter_context(pod).address, pod.gateway.id)
        api = stack.enter_context(prometheus(prometheus_3, folder, config, "--enable-feature=native-histograms"))
        wait_until_watched(api, listing.count)
        serve_for(COUNTED_WITHIN, pods)
        yield api


def serve_for(seconds: float, pods: list[GatewayPod]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pod in pods:
            pod.serve(request(pod, input=1_000, output=100))
        time.sleep(1)


@pytest.mark.parametrize("name", ["ai/new", "ai/old"], ids=["1.5", "1.2"])
def test_a_gateway_whose_sums_vanish_at_the_scrape_is_named(converting: Api, name: str) -> None:
    assert converting.value('count({__name__=~"agentgateway_gen_ai_client_token_usage_(sum|count|bucket)"})') == 0
    assert converting.values(summed("cost_usd"), "gateway", "cluster") == {}
    assert name in set.union(*(alerted(converting, alert) for alert in TOLD_BY))


def test_every_rule_has_an_answer(converting: Api) -> None:
    assert converting.rule_faults() == []
