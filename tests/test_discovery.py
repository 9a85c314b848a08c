"""Which pods the monitors find, and the labels of what is scraped: Prometheus itself relabels what a cluster lists.

Nothing here is read from our own output: what must be found is written down beside each spec.
"""

from __future__ import annotations

import copy
import json
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gateway_pods import GatewayPod, running
from manifest_objects import EVERY_MONITOR, Json, monitors_of
from operator_discovery import Pod, prometheus_config
from spec_builders import spec_of

from tollbook.gen.oracle import Request

if TYPE_CHECKING:
    from conftest import Server

Target = dict[str, str]
Discover = Callable[..., list[Target]]

TIER_AI, TIER_WEB = {"tier": "ai"}, {"tier": "web"}
#: `namespace/gateway` -> what else is known of its one pod.
CLUSTER: dict[str, Json] = {
    "ai/edge": {"more_labels": TIER_AI},
    "ai/inner": {},
    "ai/edge-metrics": {"gateway_class": "enterprise"},
    "agw/edge": {},
    "agw/shared": {},
    "agw/unlisted": {"more_labels": {"example.com/tier": "ai", "spot": ""}},
    "prod/edge": {"gateway_class": "enterprise", "more_labels": TIER_AI},
    "prod/web": {"more_labels": TIER_WEB},
    "prod/a-edge": {"gateway_class": "agentgateway-2", "more_labels": {"tier": "aix"}},
    "prod-ai/edge": {"gateway_class": "agentgatewayx", "more_labels": {"tier": "xai", "example_com_tier": "x"}},
}
PODS = [
    Pod(way.partition("/")[2], way.partition("/")[0], f"{way.replace('/', '-')}-pod", f"127.0.0.1:{port}", **known)
    for port, (way, known) in enumerate(CLUSTER.items(), start=20_000)
]


@pytest.fixture
def discover(promtool: Path, tmp_path: Path) -> Discover:
    """The targets of what was applied, each with the labels it would be scraped with."""

    def of(objects: list[Json], pods: list[Pod] = PODS, enforced: str = "") -> list[Target]:
        config = prometheus_config(objects, pods, "none.yaml", "1m", enforced)
        file = Path(tempfile.mkdtemp(dir=tmp_path)) / "prometheus.json"
        file.write_text(json.dumps(config))
        return [target for each in config["scrape_configs"] for target in of_job(file, each["job_name"])]

    def of_job(file: Path, job: str) -> list[Target]:
        command = [str(promtool), "check", "service-discovery", "--timeout=1s", str(file), job]
        said = subprocess.run(command, capture_output=True, check=True).stdout
        return [target["labels"] for target in json.loads(said) if target["labels"]]

    return of


def pods_found(targets: list[Target]) -> list[tuple[str, str]]:
    """Each target's pod, and the gateway that it is said to be."""
    by_address = {pod.address: f"{pod.namespace}/{pod.gateway}" for pod in PODS}
    return sorted((by_address[target["__address__"]], target["gateway"]) for target in targets)


#: `gateways` of a spec -> the gateways whose pods must be scraped, each once.
FOUND: dict[str, tuple[str, list[str]]] = {
    "one by name, and what else is in its namespace": (
        "[{name: edge, namespace: ai}]",
        ["ai/edge", "ai/edge-metrics", "ai/inner"],
    ),
    "by name in two namespaces": (
        "[{name: edge, namespace: ai}, {name: edge, namespace: prod-ai}]",
        ["ai/edge", "ai/edge-metrics", "ai/inner", "prod-ai/edge"],
    ),
    "by name, but for those that others scrape": (
        "[{name: edge, namespace: ai}, {name: inner, namespace: ai, monitor: none, job: x}]",
        ["ai/edge", "ai/edge-metrics"],
    ),
    "by a Service": ("[{name: inner, namespace: ai, monitor: ServiceMonitor}]", ["ai/inner"]),
    "by a Service beside one by its pods": (
        "[{name: inner, namespace: ai, monitor: ServiceMonitor}, {name: edge, namespace: ai}]",
        ["ai/edge", "ai/edge-metrics", "ai/inner"],
    ),
    "of a class": (
        "[{class: agentgateway}]",
        ["agw/edge", "agw/shared", "agw/unlisted", "ai/edge", "ai/inner", "prod/web"],
    ),
    "of a class in namespaces": (
        "[{class: agentgateway, namespaces: [ai, prod]}]",
        ["ai/edge", "ai/inner", "prod/web"],
    ),
    "of labels": ("[{labels: {tier: ai}, namespaces: any}]", ["ai/edge", "prod/edge"]),
    "of a class and labels": ("[{class: enterprise, labels: {tier: ai}}]", ["prod/edge"]),
    "of two labels, one of them empty": ('[{labels: {example.com/tier: ai, spot: ""}}]', ["agw/unlisted"]),
    "of an empty label": ('[{labels: {spot: ""}}]', ["agw/unlisted"]),
    "of a label that differs in what Prometheus cannot tell": ("[{labels: {example.com/tier: x}}]", ["prod-ai/edge"]),
    "of two selections that overlap": (
        "[{labels: {tier: ai}}, {class: agentgateway, namespaces: [ai]}, {class: enterprise, namespaces: [prod]}]",
        ["ai/edge", "ai/inner", "prod/edge"],
    ),
    "by name beside a selection": (
        "[{name: edge, namespace: agw}, {labels: {tier: web}, namespaces: [prod]}]",
        ["agw/edge", "prod/web"],
    ),
    "of a class, but for those that others scrape": (
        (
            "[{class: agentgateway}, {name: shared, namespace: agw, monitor: none, job: x},"
            " {name: default, namespace: default, monitor: none, job: x},"
            " {name: inner, namespace: ai, monitor: ServiceMonitor}]"
        ),
        ["agw/edge", "agw/unlisted", "ai/edge", "ai/inner", "prod/web"],
    ),
    "by another's monitor alone": ("[{name: shared, namespace: agw, monitor: none, job: x}]", []),
}


def test_each_pod_that_is_meant_is_found_once_under_its_own_name(discover: Discover) -> None:
    with ThreadPoolExecutor(len(FOUND)) as pool:  # promtool waits for a second before it answers
        said = pool.map(discover, [monitors_of(f"gateways: {gateways}") for gateways, _ in FOUND.values()])
        targets = dict(zip(FOUND, said, strict=True))
    found = {name: pods_found(of_spec) for name, of_spec in targets.items()}
    assert found == {name: [(each, each) for each in expected] for name, (_, expected) in FOUND.items()}
    jobs = {target["job"] for of_spec in targets.values() for target in of_spec}
    assert jobs == {"monitoring/agentgateway-cost"}


def test_a_target_has_these_labels(discover: Discover) -> None:
    def target(address: str, **more: str) -> Target:
        return {
            "__address__": address,
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "5s",
            "instance": address,
            "job": "observability/agentgateway-cost",
            **more,
        }

    def of_pod(address: str, name: str, **more: str) -> Target:
        of_each = {"namespace": "ai", "pod": name, "container": "agentgateway", "endpoint": "metrics"}
        return target(address, **of_each, **more)

    found = discover(monitors_of(EVERY_MONITOR))
    assert sorted(found, key=lambda labels: labels["gateway"]) == [
        of_pod("127.0.0.1:20000", "ai-edge-pod", gateway="ai/edge"),
        of_pod("127.0.0.1:20002", "ai-edge-metrics-pod", gateway="ai/edge-metrics"),
        of_pod("127.0.0.1:20001", "ai-inner-pod", gateway="ai/inner", service="inner-metrics"),
        target("gw1.example.org:15020", gateway="vm-berlin"),
        target("[2001:db8::1]:15020", gateway="vm-berlin"),
        target("gw2.example.org:15020", gateway="vm-paris"),
    ]


def identity(targets: list[Target]) -> list[tuple[str, ...]]:
    """What the rules join on."""
    return sorted(tuple(target[name] for name in ("instance", "job", "gateway")) for target in targets)


def test_kustomize_may_rename_the_monitors_and_move_them(discover: Discover) -> None:
    objects = monitors_of(EVERY_MONITOR)
    moved = copy.deepcopy(objects)
    for each in moved:
        each["metadata"]["name"] = f"team-{each['metadata']['name']}"
        if each["kind"] != "Service":
            each["metadata"]["namespace"] = "elsewhere"
    assert identity(discover(moved)) == identity(discover(objects))


def test_an_operator_may_enforce_the_namespace_label(discover: Discover) -> None:
    objects = monitors_of(EVERY_MONITOR)
    enforced = discover(objects, enforced="namespace")
    assert {target["namespace"] for target in enforced} == {"observability"}
    assert identity(enforced) == identity(discover(objects))


def test_labels_of_the_user_do_not_mislead_a_selector(discover: Discover) -> None:
    labels = '{"app.kubernetes.io/component": web, "gateway.networking.k8s.io/gateway-name": other}'
    misled = monitors_of(EVERY_MONITOR.replace("{release: stack, team: finops}", labels))
    assert identity(discover(misled)) == identity(discover(monitors_of(EVERY_MONITOR)))


def test_a_service_that_an_earlier_spec_left_over_is_not_scraped(discover: Discover) -> None:
    by_service = "{name: %s, namespace: ai, monitor: ServiceMonitor}"
    earlier = monitors_of(f"gateways: [{by_service % 'edge'}, {by_service % 'inner'}]")
    left_over = [each for each in earlier if each["metadata"]["name"] == "edge-metrics"]
    now = monitors_of(f"gateways: [{by_service % 'inner'}, {{name: edge, namespace: ai}}]")
    expected = ["ai/edge", "ai/edge-metrics", "ai/inner"]
    assert pods_found(discover([*left_over, *now])) == [(gateway, gateway) for gateway in expected]


def test_every_replica_is_a_target(discover: Discover) -> None:
    pods = [Pod("edge", "ai", f"edge-{number}", f"127.0.0.1:{number}") for number in (1, 2, 3)]
    found = discover(monitors_of("gateways: [{name: edge, namespace: ai}]"), pods)
    assert sorted((target["pod"], target["gateway"]) for target in found) == [
        ("edge-1", "ai/edge"),
        ("edge-2", "ai/edge"),
        ("edge-3", "ai/edge"),
    ]


def test_names_are_no_regexes(discover: Discover) -> None:
    """A dot in a class stands for itself, and no name matches a longer one."""
    pods = [
        Pod("dotted", "ai", "dotted", "127.0.0.1:1", gateway_class="a.b"),
        Pod("plain", "ai", "plain", "127.0.0.1:2", gateway_class="axb"),
        Pod("longer", "ai", "longer", "127.0.0.1:3", gateway_class="a.b.c"),
    ]
    found = discover(monitors_of("gateways: [{class: a.b}]"), pods)
    assert [target["pod"] for target in found] == ["dotted"]


# ---- What is scraped ---------------------------------------------------------------------------------------------

SCRAPED = """
prometheus: {scrape_interval: 1s, scrape_timeout: 1s}
limits: {series_per_pod: 600}
gateways: [{class: agentgateway}]
attribution: [{label: team, expression: x}]
"""
ENDLESS = "x" * 5_000
LONG_ONCE = "é" * 256


def test_a_pod_with_too_much_to_say_costs_only_itself(prometheus_server: Callable[..., Server], tmp_path: Path) -> None:
    """Be it names without end, which are cut, or names without number."""
    spec = spec_of(SCRAPED.replace("[{class: agentgateway}]", "[{name: edge, namespace: ai}]"))
    (gateway,) = spec.gateways
    healthy, wordy, numerous = (GatewayPod(gateway, name) for name in ("healthy", "wordy", "numerous"))
    healthy.serve(Request(gateway, "openai", "gpt", "gpt-2024", labels={"team": "red"}, output=1))
    wordy.serve(
        Request(gateway, "openai", ENDLESS, "gpt-2024", labels={"team": "red"}, output=2),
        Request(gateway, "openai", "gpt", "gpt-2024", labels={"team": LONG_ONCE + "é"}, output=3),
    )
    numerous.serve(
        *(Request(gateway, "openai", f"m{number}", "gpt", labels={"team": "red"}, output=4) for number in range(50))
    )
    with running([healthy, wordy, numerous]) as alive:
        listed = [Pod("edge", "ai", pod.name, pod.address) for pod in alive]
        (tmp_path / "none.yaml").write_text("groups: []")
        server = prometheus_server(json.dumps(prometheus_config(monitors_of(SCRAPED), listed, "none.yaml", "1m")))
        for pod in (*alive, *alive):
            pod.wait_for_scrape()

        def vector(query: str, *by: str) -> dict[tuple[str, ...], float]:
            result = server.get("/api/v1/query", query=query)["result"]
            return {tuple(each["metric"].get(label, "") for label in by): float(each["value"][1]) for each in result}

        assert vector('up{job="monitoring/agentgateway-cost"}', "gateway", "pod") == {
            ("ai/edge", "healthy"): 1,
            ("ai/edge", "wordy"): 1,
            ("ai/edge", "numerous"): 0,
        }
        sums = 'agentgateway_gen_ai_client_token_usage_sum{gen_ai_token_type="output"}'
        told = ("gateway", "exported_gateway", "pod", "gen_ai_request_model", "team")
        assert vector(sums, *told) == {
            ("ai/edge", "ai/edge", "healthy", "gpt", "red"): 1,
            ("ai/edge", "ai/edge", "wordy", "x" * 256, "red"): 2,
            ("ai/edge", "ai/edge", "wordy", "gpt", LONG_ONCE): 3,
        }
