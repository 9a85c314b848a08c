"""What becomes of the Kubernetes objects: Go reads them as they were meant, they select exactly the gateways' pods, and
they can be applied, however many rules there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from manifest_objects import EVERY_MONITOR, Json, objects_of, of_kind
from operator_discovery import Pod, prometheus_config
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import yamlio
from tollbook.gen.checks import monitoring_problems
from tollbook.gen.manifests import manifests
from tollbook.gen.promql import layout
from tollbook.gen.rulefile import WIDEST, rule_groups
from tollbook.gen.spec import Spec


@pytest.fixture(scope="module")
def objects() -> list[Json]:
    return objects_of(spec_of(EVERY_MONITOR))


# ---- Go's YAML ------------------------------------------------------------------------------------------------

#: Texts that some reader of YAML takes for something else.
AMBIGUOUS = """
name: "1e3"
namespace: "0x1f"
labels: {a: "yes", b: "1e3", c: "0o17", d: "null", e: "1_000", f: "12.50", g: "2026-11-23", h: "true", "n": "", k: "07"}
gateways:
  - {name: "12e3", namespace: "0b1"}
  - {name: "off", namespace: "1-1", monitor: ServiceMonitor}
  - {name: "007", namespace: "no", monitor: none, job: "10:20"}
models:
  - {provider: "on", name: "3.10", aliases: ["1e1", ".5", "~", "0.1", "=", "a: b", "#x"], free: true}
budgets: [{name: "0.10", usd: 1, period: 7d, match: {model: "3.10"}, labels: {team: "08", "on": "off"}}]
"""


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
@pytest.mark.parametrize("text", [EVERY_MONITOR, AMBIGUOUS], ids=["every monitor", "ambiguous texts"])
def test_kubectl_reads_what_python_meant(text: str, tmp_path: Path) -> None:
    spec = spec_of(text)
    meant = manifests(spec, rules.build(spec))
    file = tmp_path / "monitoring.yaml"
    file.write_text(yamlio.dump_all(meant))
    command = ["kubectl", "label", "--local", "-f", str(file), "seen-by=kubectl", "-o", "json"]
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    said = subprocess.run(command, env=home, capture_output=True, check=True)
    read = list(json_documents(said.stdout.decode()))
    for each in read:
        assert each["metadata"]["labels"].pop("seen-by") == "kubectl"
    assert read == meant


def json_documents(text: str) -> Iterator[Json]:
    decoder, position = json.JSONDecoder(), 0
    while text[position:].strip():
        document, length = decoder.raw_decode(text[position:].lstrip())
        position = len(text) - len(text[position:].lstrip()) + length
        yield document


# ---- What they select -----------------------------------------------------------------------------------------

#: Pods of the gateways and of others near them: a replica, another gateway, the same name in another namespace.
NEIGHBOURS = [
    ("edge", "ai", 1),
    ("edge", "ai", 2),
    ("inner", "ai", 1),
    ("shared", "agw", 1),
    ("other", "ai", 1),
    ("edge", "agw", 1),
    ("inner", "observability", 1),
    ("edge-metrics", "ai", 1),
]
PODS = [
    Pod(gateway, namespace, f"{gateway}-{number}", f"127.0.0.1:{port}")
    for port, (gateway, namespace, number) in enumerate(NEIGHBOURS, start=20_000)
]


def targets(promtool: Path, folder: Path, objects: list[Json]) -> list[dict[str, str]]:
    """As Prometheus itself relabels what is discovered."""
    config = prometheus_config(objects, PODS, "none.yaml", "1m")
    file = folder / "prometheus.json"
    file.write_text(json.dumps(config))
    found = []
    for job in (each["job_name"] for each in config["scrape_configs"]):
        command = [promtool, "check", "service-discovery", "--timeout=1s", file, job]
        said = subprocess.run(command, capture_output=True, check=True).stdout
        found += [target["labels"] for target in json.loads(said) if target["labels"]]
    return found


def test_each_monitor_finds_the_pods_of_its_gateway_only(promtool: Path, tmp_path: Path, objects: list[Json]) -> None:
    def target(pod: Pod, job: str, **more: str) -> dict[str, str]:
        return {
            "__address__": pod.address,
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "5s",
            "instance": pod.address,
            "job": job,
            "namespace": pod.namespace,
            "pod": pod.name,
            "container": "agentgateway",
            "endpoint": "metrics",
            "gateway_networking_k8s_io_gateway_name": pod.gateway,
            **more,
        }

    first, replica, inner, *_ = PODS
    assert by_pod(targets(promtool, tmp_path, objects)) == [
        target(first, "observability/ai-edge"),
        target(replica, "observability/ai-edge"),
        target(inner, "inner-metrics", service="inner-metrics"),
    ]


def by_pod(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(found, key=lambda labels: labels["pod"])


def test_labels_of_the_user_do_not_mislead_a_selector(promtool: Path, tmp_path: Path) -> None:
    labels = '{"app.kubernetes.io/component": web, "gateway.networking.k8s.io/gateway-name": other}'
    misled = objects_of(spec_of(re.sub("labels: .*", f"labels: {labels}", EVERY_MONITOR, count=1)))
    found = by_pod(targets(promtool, tmp_path, misled))
    assert [labels["pod"] for labels in found] == ["edge-1", "edge-2", "inner-1"]


def test_the_rules_of_each_gateway_read_the_job_of_its_monitor(objects: list[Json]) -> None:
    read = {
        group["name"]: set(re.findall(r'\bjob="([^"]*)"', json.dumps(group).replace('\\"', '"')))
        for each in of_kind(objects, "PrometheusRule")
        for group in each["spec"]["groups"]
        if ".gateway." in group["name"]
    }
    (pod_monitor,), (service,) = of_kind(objects, "PodMonitor"), of_kind(objects, "Service")
    assert read == {
        "tollbook.gateway.ai-edge": {f"observability/{pod_monitor['metadata']['name']}"},
        "tollbook.gateway.ai-inner": {service["metadata"]["name"]},
        "tollbook.gateway.agw-shared": {"agw/agentgateway-proxy"},
    }


# ---- What there is for each kind of monitor -------------------------------------------------------------------


def identities(objects: list[Json]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in objects]


def test_each_gateway_has_what_its_monitor_needs(objects: list[Json]) -> None:
    """A ServiceMonitor needs a Service beside the pods, since a Service selects in its own namespace; a gateway that is
    scraped already needs nothing."""
    assert identities(objects) == [
        ("PodMonitor", "observability", "ai-edge"),
        ("Service", "ai", "inner-metrics"),
        ("ServiceMonitor", "observability", "ai-inner"),
        ("PrometheusRule", "observability", "agentgateway-cost-prices-openai"),
        ("PrometheusRule", "observability", "agentgateway-cost-gateway-ai-edge"),
        ("PrometheusRule", "observability", "agentgateway-cost-gateway-ai-inner"),
        ("PrometheusRule", "observability", "agentgateway-cost-gateway-agw-shared"),
        ("PrometheusRule", "observability", "agentgateway-cost-totals"),
        ("PrometheusRule", "observability", "agentgateway-cost-budgets"),
        ("PrometheusRule", "observability", "agentgateway-cost-pace"),
        ("PrometheusRule", "observability", "agentgateway-cost-reconciliation"),
        ("PrometheusRule", "observability", "agentgateway-cost-targets"),
        ("PrometheusRule", "observability", "agentgateway-cost-versions"),
        ("PrometheusRule", "observability", "agentgateway-cost-usage"),
        ("PrometheusRule", "observability", "agentgateway-cost-unpriced"),
        ("PrometheusRule", "observability", "agentgateway-cost-evaluation"),
    ]


def test_the_metrics_service_is_headless(objects: list[Json]) -> None:
    """Every pod is scraped by itself, and no address is spent on it."""
    (service,) = of_kind(objects, "Service")
    assert service["spec"] == {
        "clusterIP": "None",
        "selector": {"gateway.networking.k8s.io/gateway-name": "inner"},
        "ports": [{"name": "metrics", "port": 15020, "targetPort": 15020, "protocol": "TCP"}],
    }


def test_every_object_bears_the_labels_of_the_spec(objects: list[Json]) -> None:
    wanted = {"release": "stack", "team": "finops", "app.kubernetes.io/managed-by": "tollbook"}.items()
    assert [each for each in objects if not wanted <= each["metadata"]["labels"].items()] == []


# ---- Sizes ----------------------------------------------------------------------------------------------------

GATEWAYS, MODELS = 300, 600
ANNOTATIONS_END_AT = 256 * 1024


@pytest.fixture(scope="module")
def big() -> Spec:
    gateways = [f"{{name: gateway-{number}, namespace: team-{number % 40}}}" for number in range(GATEWAYS)]
    models = [
        f"{{provider: provider-{number % 7}, name: model-{number}, aliases: [model-{number}-2026-01-01],"
        " prices: [{input: 1.25, output: 10.5}]}"
        for number in range(MODELS)
    ]
    lines = ["gateways:", *(f"  - {each}" for each in gateways), "models:", *(f"  - {each}" for each in models)]
    return spec_of("\n".join(lines))


@pytest.fixture(scope="module")
def big_objects(big: Spec) -> list[Json]:
    return manifests(big, rules.build(big))


def last_applied(each: Json) -> str:
    """As kubectl writes an object into an annotation: Go's compact JSON, which escapes what HTML would not take."""
    text = json.dumps(each, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", text)


def test_many_rules_are_shared_out_over_objects_that_can_be_applied(big_objects: list[Json]) -> None:
    assert list(monitoring_problems(big_objects)) == []
    parts = of_kind(big_objects, "PrometheusRule")
    assert len(parts) > 10
    assert max(len(last_applied(each).encode()) for each in parts) < 0.9 * ANNOTATIONS_END_AT
    assert max(len(yamlio.dump(each).encode()) for each in parts) < 400 * 1024


def homes(*added: str) -> dict[str, str]:
    """Group -> its object, of a spec with these lines, `section entry`, added at the head of their sections."""
    sections = {
        "gateways": [f"{{name: gw-{number}, namespace: ai}}" for number in range(9)],
        "models": [f"{{provider: openai, name: m-{number}, free: true}}" for number in range(30)],
        "budgets": ["{name: all, usd: 5, period: day}"],
    }
    for line in added:
        section, _, entry = line.partition(" ")
        sections[section].insert(0, entry)
    lines = (f"{section}: [{', '.join(entries)}]" for section, entries in sections.items())
    spec = spec_of("\n".join(lines))
    objects = of_kind(manifests(spec, rules.build(spec)), "PrometheusRule")
    return {group["name"]: each["metadata"]["name"] for each in objects for group in each["spec"]["groups"]}


def test_adding_a_gateway_a_model_or_a_budget_moves_no_other_group() -> None:
    """A group in another file runs at another moment, and the ledger would count the seconds between twice or never."""
    more = homes(
        "gateways {name: another, namespace: ai}",
        "models {provider: openai, name: another, free: true}",
        "models {provider: xai, name: another, free: true}",
        "budgets {name: another, usd: 5, period: day}",
    )
    assert homes().items() < more.items()


def test_every_group_is_in_one_object_whole_and_in_its_order(big: Spec, big_objects: list[Json]) -> None:
    shared_out = [group for each in of_kind(big_objects, "PrometheusRule") for group in each["spec"]["groups"]]
    assert shared_out == rule_groups(rules.build(big))
    assert len({group["name"] for group in shared_out}) == len(shared_out)


def test_expressions_that_nest_deeply_are_indented_by_one_space_and_mean_the_same() -> None:
    labels = ", ".join(f"{{label: l{number}, expression: x}}" for number in range(1, 17))
    (group,) = (group for group in rules.build(spec_of(f"attribution: [{labels}]")) if ".gateway." in group.name)
    (written,) = rule_groups([group])
    indents = {}
    for rule, data in zip(group.rules, written["rules"], strict=True):
        lines = data["expr"].splitlines()[1:]  # below the note
        assert [line.strip() for line in lines] == [line.strip() for line in layout(rule.expr).splitlines()]
        indents[data["record"]] = {len(line) - len(line.lstrip()) for line in lines}
    assert max(max(widths) for widths in indents.values()) <= WIDEST
    assert 1 in indents["agentgateway:metered_tokens:increase1m"]
    assert 1 not in indents["agentgateway:tokens:increase1m"]
