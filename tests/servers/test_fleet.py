"""Gateways come, go, move and call themselves something else, all in one play of two minutes: the dollars are those of
the requests, gateway by gateway, and an alert names each gateway that the spec does not know or that is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gateway_pods import GatewayPod
from servers.books import (
    COUNTED_WITHIN,
    MODELS,
    SEEN_WITHIN,
    Book,
    alerted,
    dollars,
    request,
    summed,
    wait_until_watched,
)
from servers.programs import Api, prometheus
from servers.scraping import Listing, gateway, intervals, prometheus_config, rule_file, spec_of

from tollbook.gen.spec import Spec

UNLISTED, NOT_SCRAPED = "LLMGatewayUnlisted", "LLMGatewayNotScraped"

FLEET = f"""
version: 1
prometheus: {{{intervals()}, keep_labels: [cluster]}}
gateways:
  - {{name: edge, namespace: ai}}
  - {{name: gone, namespace: ai}}
  - {{name: chart, namespace: platform, monitor: none, job: chart}}
  - {{name: vm-a, monitor: none, job: vms, instances: ["%s"]}}
  - {{name: vm-b, monitor: none, job: vms, instances: ["%s"]}}
{MODELS}
"""

#: Its pods say default/default, as every standalone process does.
MISNAMED = f"""
version: 1
prometheus: {{{intervals()}}}
gateways: [{{name: berlin, namespace: ai, monitor: none, job: standalone}}]
{MODELS}
"""

#: Two pods of two clusters have it.
SHARED_INSTANCE = "10.0.0.7:15020"

#: What the pod of the second cluster served before anybody watched it: a thousand times as much as all else.
LONG_AGO = 5_000_000_000


@dataclass
class World:
    """The servers that scrape the targets of one list by the rules of one spec: every version of Prometheus."""

    spec: Spec
    listing: Listing
    apis: dict[str, Api] = field(default_factory=dict)
    book: Book = field(default_factory=Book)

    def start(self, stack: ExitStack, programs: dict[str, Path], folder: Path) -> None:
        for version, program in programs.items():
            home = folder / version
            home.mkdir(parents=True)
            config = prometheus_config([rule_file(self.spec, home / "rules.yaml")], self.listing.scrape_configs())
            self.apis[version] = stack.enter_context(prometheus(program, home, config))

    def wait_until_watched(self) -> None:
        for api in self.apis.values():
            wait_until_watched(api, self.listing.count)

    def assert_counted(self, name: str) -> None:
        expected = self.book.of(name)
        assert expected
        assert {version: dollars(api, name) for version, api in self.apis.items()} == self.everywhere(expected)

    def everywhere(self, answer: Any) -> dict[str, Any]:
        return dict.fromkeys(self.apis, answer)

    def alerted(self, alertname: str) -> dict[str, set[str]]:
        return {version: alerted(api, alertname) for version, api in self.apis.items()}


@dataclass
class Stage:
    fleet: World
    misnamed: World


@pytest.fixture(scope="module")
def stage(prometheuses: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """When the play is over, and everything is counted."""
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        play = Play(stack, folder, prometheuses)
        play.perform()
        yield Stage(play.fleet, play.misnamed)


class Play:
    """Every pod is there from the beginning; when servers are told of it is what differs."""

    def __init__(self, stack: ExitStack, folder: Path, programs: dict[str, Path]) -> None:
        some = spec_of(MISNAMED)

        def pod(namespace: str, name: str) -> GatewayPod:
            return stack.enter_context(GatewayPod(gateway(some, name, namespace), name))

        self.east, self.west = pod("ai", "edge"), pod("ai", "edge")
        self.gone, self.new = pod("ai", "gone"), pod("ai", "new")
        self.chart, self.team = pod("platform", "chart"), pod("search", "team")
        self.vm_a, self.vm_b, self.berlin = (pod("default", "default") for _ in range(3))
        self.fleet = _world(FLEET % (self.vm_a.address, self.vm_b.address), folder / "fleet", "chart", "vms")
        self.misnamed = _world(MISNAMED, folder / "misnamed", "standalone")
        self._list_first()
        self.fleet.start(stack, programs, folder / "fleet")
        self.misnamed.start(stack, programs, folder / "misnamed")

    def _list_first(self) -> None:
        fleet = self.fleet
        fleet.listing.add_pod(fleet.spec, self.east.address, "ai/edge", cluster="east", instance=SHARED_INSTANCE)
        fleet.listing.add_pod(fleet.spec, self.gone.address, "ai/gone")
        fleet.listing.add("chart", self.chart.address)
        fleet.listing.add("vms", self.vm_a.address)
        fleet.listing.add("vms", self.vm_b.address)
        self.misnamed.listing.add("standalone", self.berlin.address)

    def perform(self) -> None:
        self._wait_until_watched()
        self._serve_the_listed()
        self._list_the_others()
        self._wait_until_watched()
        self._serve_the_listed()
        self._serve_the_others()
        time.sleep(SEEN_WITHIN)
        self.fleet.listing.remove(self.gone.address)
        self.east.restart()
        self.fleet.book.serve(self.east, "ai/edge", "east", input=13, output=7)
        time.sleep(COUNTED_WITHIN)

    def _wait_until_watched(self) -> None:
        self.fleet.wait_until_watched()
        self.misnamed.wait_until_watched()

    def _serve_the_listed(self) -> None:
        serve = self.fleet.book.serve
        serve(self.east, "ai/edge", "east", input=10_000, output=2_000, cache_read=30_000)
        serve(self.gone, "ai/gone", input=1_000, output=300)
        serve(self.chart, "platform/chart", input=700, output=90)
        serve(self.vm_a, "vm-a", input=5_000, output=11)
        serve(self.vm_b, "vm-b", input=17, output=3_000)
        self.misnamed.book.serve(self.berlin, "default/default", input=123, output=456)

    def _list_the_others(self) -> None:
        """The second cluster's pod has long been running, the others have not."""
        self.west.serve(request(self.west, input=LONG_AGO))
        fleet = self.fleet
        fleet.listing.add_pod(fleet.spec, self.west.address, "ai/edge", cluster="west", instance=SHARED_INSTANCE)
        fleet.listing.add_pod(fleet.spec, self.new.address, "ai/new")
        fleet.listing.add("chart", self.team.address)

    def _serve_the_others(self) -> None:
        serve = self.fleet.book.serve
        serve(self.west, "ai/edge", "west", input=400, output=50)
        serve(self.new, "ai/new", input=9_000, output=8)
        serve(self.team, "search/team", input=600, output=6_000)


def _world(text: str, folder: Path, *jobs: str) -> World:
    folder.mkdir()
    spec = spec_of(text)
    return World(spec, Listing(folder, (spec.id, *jobs)))


# ---- What came of it ---------------------------------------------------------------------------------------------


def test_two_clusters_with_one_pod_address_are_two_pods(stage: Stage) -> None:
    """The first one also restarts. What the second one had counted before it was watched is nobody's."""
    stage.fleet.assert_counted("ai/edge")


def test_a_gateway_behind_somebody_elses_monitor_is_counted(stage: Stage) -> None:
    stage.fleet.assert_counted("platform/chart")


@pytest.mark.parametrize("name", ["vm-a", "vm-b"])
def test_standalone_gateways_of_one_name_are_told_apart(stage: Stage, name: str) -> None:
    stage.fleet.assert_counted(name)


@pytest.mark.parametrize("name", ["ai/new", "search/team"], ids=["created later", "of another namespace"])
def test_a_gateway_that_nobody_listed_is_counted_and_named(stage: Stage, name: str) -> None:
    stage.fleet.assert_counted(name)
    assert [version for version, named in stage.fleet.alerted(UNLISTED).items() if name not in named] == []


def test_a_deleted_gateway_keeps_its_dollars_and_is_missed(stage: Stage) -> None:
    stage.fleet.assert_counted("ai/gone")
    assert [version for version, named in stage.fleet.alerted(NOT_SCRAPED).items() if "ai/gone" not in named] == []


def test_a_gateway_under_a_wrong_name_is_counted_and_named(stage: Stage) -> None:
    stage.misnamed.assert_counted("default/default")
    assert stage.misnamed.alerted(UNLISTED) == stage.misnamed.everywhere({"default/default"})


def test_no_listed_gateway_is_called_unlisted(stage: Stage) -> None:
    assert stage.fleet.alerted(UNLISTED) == stage.fleet.everywhere({"ai/new", "search/team"})


def test_every_token_has_a_price_and_every_rule_an_answer(stage: Stage) -> None:
    for world in (stage.fleet, stage.misnamed):
        for version, api in world.apis.items():
            assert (version, api.values(summed("unpriced_tokens"), "gateway"), api.rule_faults()) == (version, {}, [])
