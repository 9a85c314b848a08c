"""What becomes of the Kubernetes objects: Go reads them as they were meant, there are as few as can be, and they can be
applied, however many rules there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from manifest_objects import EVERY_MONITOR, Json, monitors_of, objects_of, of_kind
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import yamlio
from tollbook.gen.checks import monitoring_problems
from tollbook.gen.manifests import manifests
from tollbook.gen.promql_layout import layout
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
  - {name: "1e4", monitor: ScrapeConfig, targets: ["10:20"]}
  - {class: "yes", labels: {a: "true", b: "08", "on": ""}, namespaces: ["0o7", "null"]}
models:
  - {provider: "on", name: "3.10", aliases: ["1e1", ".5", "~", "0.1", "=", "a: b", "#x"], free: true}
budgets: [{name: "0.10", amount: 1, period: 7d, match: {model: "3.10"}, labels: {team: "08", "on": "off"}}]
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


# ---- What there is for each kind of monitor -------------------------------------------------------------------


def identities(objects: list[Json]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in objects]


def test_there_is_one_monitor_of_each_kind_that_is_needed(objects: list[Json]) -> None:
    """A ServiceMonitor needs a Service beside the pods, since a Service selects in its own namespace; a gateway that is
    scraped already needs nothing."""
    assert [each for each in identities(objects) if each[0] != "PrometheusRule"] == [
        ("PodMonitor", "observability", "agentgateway-cost"),
        ("Service", "ai", "inner-metrics"),
        ("ServiceMonitor", "observability", "agentgateway-cost"),
        ("ScrapeConfig", "observability", "agentgateway-cost"),
    ]


def test_a_monitor_without_gateways_is_left_out() -> None:
    by_others = "gateways: [{name: shared, namespace: agw, monitor: none, job: x}, {name: vm, monitor: none, job: z}]"
    assert monitors_of(by_others) == []
    selected = monitors_of("gateways: [{class: agentgateway}]")
    assert [each["kind"] for each in selected] == ["PodMonitor"]


def test_another_gateway_adds_no_object() -> None:
    gateways = [f"{{name: gw-{number}, namespace: team-{number}}}" for number in range(1_000)]
    (monitor,) = monitors_of(f"gateways: [{', '.join(gateways)}]")
    assert sorted(monitor["spec"]["namespaceSelector"]["matchNames"]) == sorted(f"team-{n}" for n in range(1_000))


def test_names_in_two_namespaces_that_read_alike_are_two_gateways() -> None:
    """Though both would be called a-b-c."""
    one = "{name: b-c, namespace: a, monitor: ServiceMonitor}"
    other = "{name: c, namespace: a-b, monitor: ServiceMonitor}"
    objects = monitors_of(f"gateways: [{one}, {other}]")
    services = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in of_kind(objects, "Service")]
    assert services == [("a", "b-c-metrics"), ("a-b", "c-metrics")]


def test_every_monitor_bounds_what_one_pod_may_expose() -> None:
    objects = monitors_of(f"{EVERY_MONITOR}limits: {{series_per_pod: 1234}}\n")
    keys = ("sampleLimit", "labelLimit", "labelValueLengthLimit")
    bounds = {each["kind"]: tuple(each["spec"][key] for key in keys) for each in objects if each["kind"] != "Service"}
    assert bounds == dict.fromkeys(("PodMonitor", "ServiceMonitor", "ScrapeConfig"), (1234, 64, 1024))


def test_what_a_pod_says_of_itself_does_not_win(objects: list[Json]) -> None:
    pod_monitor, service_monitor, scrape_config = (
        of_kind(objects, kind)[0]["spec"] for kind in ("PodMonitor", "ServiceMonitor", "ScrapeConfig")
    )
    endpoints = (*pod_monitor["podMetricsEndpoints"], *service_monitor["endpoints"], scrape_config)
    assert [endpoint["honorLabels"] for endpoint in endpoints] == [False, False, False]


@pytest.mark.parametrize(
    ("gateway", "kind"),
    [
        ("{name: gw, namespace: ai, histograms: both}", "PodMonitor"),
        ("{class: agentgateway, histograms: both}", "PodMonitor"),
        ("{name: gw, namespace: ai, monitor: ServiceMonitor, histograms: both}", "ServiceMonitor"),
        ('{name: gw, monitor: ScrapeConfig, targets: ["gw:15020"], histograms: both}', "ScrapeConfig"),
    ],
)
def test_beside_native_histograms_the_classic_ones_are_asked_for(gateway: str, kind: str) -> None:
    """By the monitor that needs it, and by no other."""
    pods, services = "{name: a, namespace: b}", "{name: c, namespace: d, monitor: ServiceMonitor}"
    static = '{name: e, monitor: ScrapeConfig, targets: ["e:1"]}'
    objects = monitors_of(f"gateways: [{pods}, {services}, {static}, {gateway}]")
    assert [each["kind"] for each in objects if each["spec"].get("scrapeClassicHistograms")] == [kind]


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
        "budgets": ["{name: all, amount: 5, period: day}"],
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
        "budgets {name: another, amount: 5, period: day}",
    )
    assert homes().items() < more.items()


def test_every_group_is_in_one_object_whole_and_in_its_order(big: Spec, big_objects: list[Json]) -> None:
    shared_out = [group for each in of_kind(big_objects, "PrometheusRule") for group in each["spec"]["groups"]]
    assert shared_out == rule_groups(rules.build(big))
    assert len({group["name"] for group in shared_out}) == len(shared_out)


def test_expressions_that_nest_deeply_are_indented_by_one_space_and_mean_the_same() -> None:
    labels = ", ".join(f"{{label: l{number}, expression: x}}" for number in range(1, 17))
    (group,) = (group for group in rules.build(spec_of(f"attribution: [{labels}]")) if group.name == "tollbook.ledger")
    (written,) = rule_groups([group])
    indents = {}
    for rule, data in zip(group.rules, written["rules"], strict=True):
        lines = data["expr"].splitlines()[1:]  # below the note
        assert [line.strip() for line in lines] == [line.strip() for line in layout(rule.expr).splitlines()]
        indents[data["record"]] = {len(line) - len(line.lstrip()) for line in lines}
    assert max(max(widths) for widths in indents.values()) <= WIDEST
    assert 1 in indents["agentgateway:usage:booked"]
    assert 1 not in indents["agentgateway:tokens:increase1m"]
