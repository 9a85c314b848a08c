"""The Kubernetes objects, as their readers see them: our own strict schema, the operator's types, Go's YAML, kubectl's
limits. That they select the right pods is shown with a real Prometheus in test_end_to_end.py."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import checks, names, pipeline, yamlio
from tollbook.gen.manifests import manifests
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Spec

Json = dict[str, Any]

MONITORS = """
    labels: {release: kube-prometheus-stack, "example.com/team": platform}
    namespace: observability
    gateways:
      - {name: pods, namespace: ai}
      - {name: service, namespace: ai, monitor: ServiceMonitor}
      - {name: scraped, namespace: ai, monitor: none, job: chart/proxy}
    budgets: [{name: all, usd: 50, period: day}]
"""
KUBECTL_ANNOTATION_BYTES = 256 * 1024
OPERATOR_BYTES = 400 * 1024


def objects(spec: Spec) -> list[Json]:
    return manifests(spec, rules.build(spec))


@pytest.fixture(scope="module")
def monitored() -> list[Json]:
    return objects(spec_of(MONITORS))


def of_kind(monitored: list[Json], kind: str) -> list[Json]:
    return [manifest for manifest in monitored if manifest["kind"] == kind]


# ---- What is there -----------------------------------------------------------------------------------------------


def test_each_way_of_monitoring_has_its_objects(monitored: list[Json]) -> None:
    told = [(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in monitored]
    assert told == [
        ("PodMonitor", "observability", "ai-pods"),
        ("Service", "ai", "service-metrics"),
        ("ServiceMonitor", "observability", "ai-service"),
        ("PrometheusRule", "observability", "agentgateway-cost"),
    ]


def test_every_object_has_the_labels_of_the_spec(monitored: list[Json]) -> None:
    for manifest in monitored:
        wanted = {"release": "kube-prometheus-stack", "example.com/team": "platform"}
        assert wanted.items() <= manifest["metadata"]["labels"].items(), manifest["kind"]


def test_the_label_that_says_who_manages_an_object_can_be_the_users_own() -> None:
    ours, theirs = spec_of(), spec_of("labels: {app.kubernetes.io/managed-by: Helm}")
    assert {each["metadata"]["labels"]["app.kubernetes.io/managed-by"] for each in objects(ours)} == {"tollbook"}
    assert {each["metadata"]["labels"]["app.kubernetes.io/managed-by"] for each in objects(theirs)} == {"Helm"}


def test_a_monitor_takes_its_timing_from_the_spec() -> None:
    spec = spec_of("prometheus: {scrape_interval: 15s, scrape_timeout: 5s}")
    [endpoint] = of_kind(objects(spec), "PodMonitor")[0]["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "metrics", "path": "/metrics", "interval": "15s", "scrapeTimeout": "5s"}


def test_rules_read_the_jobs_that_the_operator_gives_these_monitors(monitored: list[Json]) -> None:
    text = json.dumps(of_kind(monitored, "PrometheusRule"))
    assert [job for job in ("observability/ai-pods", "service-metrics", "chart/proxy") if f'job=\\"{job}\\"' in text] == [
        "observability/ai-pods",
        "service-metrics",
        "chart/proxy",
    ]


# ---- Who reads it ------------------------------------------------------------------------------------------------


def test_our_own_schema_knows_every_field(monitored: list[Json]) -> None:
    assert list(checks.monitoring_problems(monitored)) == []


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every mapping with a fixed set of keys: labels, annotations and their like may hold any key."""
    if isinstance(node, dict):
        if not path or path[-1] not in ("labels", "matchLabels") and path[-2:] != ("spec", "selector"):
            yield path
        for key, value in node.items():
            yield from places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node[:2]):
            yield from places(value, (*path, index))


def test_our_own_schema_refuses_an_unknown_field_anywhere(monitored: list[Json]) -> None:
    tried = 0
    for manifest in monitored:
        for path in places(manifest):
            damaged = copy.deepcopy(manifest)
            node: Any = damaged
            for step in path:
                node = node[step]
            node["unknownField"] = "x"
            assert list(checks.monitoring_problems([damaged])) != [], (manifest["kind"], path)
            tried += 1
    assert tried > 20


@pytest.fixture(scope="module")
def operator_schemas() -> dict[str, Json]:
    """The operator's types, closed: a field that it does not know is an error, as for the API server."""
    from cloudcoil.models.prometheus_operator import v1

    kinds = (v1.PodMonitor, v1.ServiceMonitor, v1.PrometheusRule)
    return {kind.__name__: closed(kind.model_json_schema(by_alias=True)) for kind in kinds}


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # Go's regular expressions may set flags after their beginning, Python's may not.
    readable = {key: value for key, value in schema.items() if key != "pattern" or "(?i)" not in value}
    inner = {key: closed(value) for key, value in readable.items()}
    return {"additionalProperties": False, **inner} if "properties" in inner else inner


@pytest.mark.slow
def test_the_operator_knows_every_field(monitored: list[Json], operator_schemas: dict[str, Json]) -> None:
    judged = [manifest for manifest in monitored if manifest["kind"] in operator_schemas]
    assert len(judged) == 3
    for manifest in judged:
        schema = operator_schemas[manifest["kind"]]
        jsonschema.validate(manifest, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**manifest, "spec": {**manifest["spec"], "unknownField": "x"}}, schema)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl")
def test_kubectl_reads_what_we_meant(monitored: list[Json]) -> None:
    command = ["kubectl", "label", "--local", "-f", "-", "read=yes", "-o", "json"]
    done = subprocess.run(command, input=yamlio.dump_all(monitored), capture_output=True, text=True, check=True)
    decoder, rest, read = json.JSONDecoder(), done.stdout.strip(), []
    while rest:
        manifest, end = decoder.raw_decode(rest)
        read.append(manifest)
        rest = rest[end:].strip()
    for manifest in read:
        assert manifest["metadata"]["labels"].pop("read") == "yes"
        manifest.pop("status", None)
        manifest["metadata"].pop("creationTimestamp", None)
    assert read == monitored


# ---- How large it may be -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> Spec:
    gateways = "\n".join(f"  - {{name: gateway-{number}, namespace: ai}}" for number in range(60))
    models = "\n".join(
        f"  - {{provider: openai, name: model-{number}, aliases: [model-{number}-a], prices: [{{input: 1, output: 2}}]}}"
        for number in range(150)
    )
    budgets = "\n".join(f"  - {{name: budget-{number}, usd: 5, period: day}}" for number in range(150))
    return spec_of(f"gateways:\n{gateways}\nmodels:\n{models}\nbudgets:\n{budgets}")


def test_a_large_spec_is_divided_into_objects_that_kubectl_and_the_operator_take(large: Spec) -> None:
    parts = of_kind(objects(large), "PrometheusRule")
    assert len(parts) > 3
    assert [part["metadata"]["name"] for part in parts] == [
        "agentgateway-cost",
        *(f"agentgateway-cost-{number}" for number in range(2, len(parts) + 1)),
    ]
    for part in parts:
        assert len(json.dumps(part)) < KUBECTL_ANNOTATION_BYTES - 50_000
        assert len(yamlio.dump(part)) < OPERATOR_BYTES


def test_dividing_keeps_every_group_whole_and_in_its_order(large: Spec) -> None:
    groups = rule_groups(rules.build(large))
    parts = of_kind(objects(large), "PrometheusRule")
    assert [group for part in parts for group in part["spec"]["groups"]] == groups
    assert len({group["name"] for group in groups}) == len(groups)


def test_a_large_spec_passes_every_check(large: Spec) -> None:
    assert pipeline.verify(pipeline.build(large)) == []


def test_what_is_tested_is_what_is_applied() -> None:
    files = pipeline.build(spec_of(MONITORS))
    applied = [
        group
        for manifest in yaml.safe_load_all(files[names.MONITORING_FILE])
        if manifest["kind"] == "PrometheusRule"
        for group in manifest["spec"]["groups"]
    ]
    assert applied == yaml.safe_load(files[names.RULES_FILE])["groups"]
