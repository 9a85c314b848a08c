"""One fleet, three readers: Prometheus, Prometheus that evaluates all rules in the past, and VictoriaMetrics with
vmalert. Tokens and dollars are those of the requests in each of them; a pod is born and another one restarts meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from gateway_pods import GatewayPod
from servers.books import (
    MODELS,
    SEEN_WITHIN,
    Book,
    close_to,
    summed,
    wait_until_watched,
)
from servers.programs import Api, prometheus, victoria_metrics
from servers.scraping import (
    Listing,
    gateway,
    intervals,
    prometheus_config,
    rule_file,
    spec_of,
)

from tollbook.gen.spec import Spec

#: VictoriaMetrics may answer for ten seconds and more from memory that there is no such series: with shorter steps, the
#: first figure of a chain's new series would now and then not be found by the next rule of the chain.
STEP = 20

SPEC = f"""
version: 1
prometheus: {{{intervals(STEP)}, engine: %s}}
gateways: [{{name: edge, namespace: ai}}, {{name: inner, namespace: ai}}]
{MODELS}
"""
PLAIN, IN_THE_PAST, VICTORIA = "prometheus", "rule_query_offset", "victoriametrics"

#: A step, as Mimir's minute is.
RULE_QUERY_OFFSET = "20s"

#: vmalert evaluates in the past, and each figure is there an interval after those that it is made of.
COUNTED_WITHIN = 240


class Play:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.book = Book()
        self.spec = spec_of(SPEC % "prometheus")
        self.listing = Listing(folder, (self.spec.id,))
        self.apis: dict[str, Api] = {}
        self.edge, self.inner = self._pod("edge"), self._pod("inner")
        self.late = self._pod("inner")
        self._list(self.edge, "ai/edge")
        self._list(self.inner, "ai/inner")

    def _pod(self, name: str) -> GatewayPod:
        return self.stack.enter_context(GatewayPod(gateway(self.spec, name, "ai"), name))

    def _list(self, pod: GatewayPod, gateway: str) -> None:
        self.listing.add_pod(self.spec, pod.address, gateway)

    def start_prometheus(self, name: str, program: Path, **settings: str) -> None:
        config = prometheus_config([self._rules(name, self.spec)], self.listing.scrape_configs(), **settings)
        self.apis[name] = self.stack.enter_context(prometheus(program, self.folder / name, config))

    def start_victoria(self, home: Path) -> None:
        rules = self._rules(VICTORIA, spec_of(SPEC % "victoriametrics"))
        scraping = {"scrape_configs": self.listing.scrape_configs()}
        running = victoria_metrics(home, self.folder / VICTORIA, scraping, rules, f"{STEP}s")
        self.apis[VICTORIA], self.evaluator = self.stack.enter_context(running)

    def _rules(self, name: str, spec: Spec) -> Path:
        home = self.folder / name
        home.mkdir()
        return rule_file(spec, home / "rules.yaml")

    def perform(self) -> None:
        self._wait_until_watched()
        self.book.serve(self.edge, "ai/edge", input=100_000, output=20_000, cache_read=300_000)
        self.book.serve(self.inner, "ai/inner", input=4_000, output=500)
        self._list(self.late, "ai/inner")
        self._wait_until_watched()
        self.book.serve(self.late, "ai/inner", input=70_000, output=8_000)
        self.book.serve(self.edge, "ai/edge", input=1_000, output=2_000)
        time.sleep(SEEN_WITHIN)
        self.edge.restart()
        self.book.serve(self.edge, "ai/edge", input=90, output=10, cache_read=5)
        self._wait_until_counted()

    def _wait_until_watched(self) -> None:
        for api in self.apis.values():
            wait_until_watched(api, self.listing.count, STEP)

    def _wait_until_counted(self) -> None:
        """And for a while more: what is counted twice may come later."""
        deadline = time.monotonic() + COUNTED_WITHIN
        while time.monotonic() < deadline and any(self.figures(reader) != self.expected() for reader in self.apis):
            time.sleep(1)
        time.sleep(STEP)

    def figures(self, reader: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Tokens and dollars, by gateway."""
        api = self.apis[reader]
        tokens, dollars = (api.values(summed(record, STEP), "gateway", "cluster") for record in ("tokens", "cost_usd"))
        return tokens, dollars

    def expected(self) -> tuple[dict[Any, Any], dict[Any, Any]]:
        return self.book.tokens, {cell: close_to(usd) for cell, usd in self.book.dollars.items()}

    def rule_faults(self, reader: str) -> list[str]:
        return (self.evaluator if reader == VICTORIA else self.apis[reader]).rule_faults()


@pytest.fixture(scope="module")
def play(newest: Path, victoria: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """When it is over. What is missing on this machine had no part in it."""
    with ExitStack() as stack:
        play = Play(tmp_path_factory.mktemp("engines"), stack)
        play.start_prometheus(PLAIN, newest)
        play.start_prometheus(IN_THE_PAST, newest, rule_query_offset=RULE_QUERY_OFFSET)
        if victoria:
            play.start_victoria(victoria)
        play.perform()
        yield play


@pytest.fixture(params=[PLAIN, IN_THE_PAST, VICTORIA])
def reader(request: pytest.FixtureRequest, play: Play) -> str:
    """Each in turn."""
    if request.param not in play.apis:
        pytest.skip("VictoriaMetrics is not there (`make test-servers` fetches it)")
    return str(request.param)


def test_tokens_and_dollars_are_those_of_the_requests(play: Play, reader: str) -> None:
    assert play.figures(reader) == play.expected()
    assert play.apis[reader].values(summed("unpriced_tokens", STEP), "gateway", "cluster") == {}


def test_every_rule_has_an_answer(play: Play, reader: str) -> None:
    assert play.rule_faults(reader) == []
