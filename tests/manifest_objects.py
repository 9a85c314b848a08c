"""The Kubernetes objects that the tests of the manifests look at, as a reader of out/monitoring.yaml sees them."""

from __future__ import annotations

from typing import Any

import yaml
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import yamlio
from tollbook.gen.manifests import manifests
from tollbook.gen.monitors import monitors
from tollbook.gen.spec import Spec

Json = dict[str, Any]

#: One gateway for each.
EVERY_MONITOR = """
namespace: observability
labels: {release: stack, team: finops}
prometheus: {scrape_interval: 15s, scrape_timeout: 5s}
gateways:
  - {name: edge, namespace: ai, monitor: PodMonitor}
  - {name: inner, namespace: ai, monitor: ServiceMonitor}
  - {name: shared, namespace: agw, monitor: none, job: agw/agentgateway-proxy}
  - {name: vm-berlin, monitor: ScrapeConfig, targets: ["gw1.example.org:15020", "[2001:db8::1]:15020"]}
  - {name: vm-paris, monitor: ScrapeConfig, targets: ["gw2.example.org:15020"]}
budgets: [{name: all, amount: 5, period: day}]
"""


def objects_of(spec: Spec) -> list[Json]:
    text = yamlio.dump_all(manifests(spec, rules.build(spec)))
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


def monitors_of(text: str) -> list[Json]:
    """Of a spec's sections: the objects that make Prometheus scrape, without the rules."""
    return list(yaml.load_all(yamlio.dump_all(monitors(spec_of(text))), Loader=yaml.CSafeLoader))


def with_rules_in_one(objects: list[Json], name: str = "agentgateway-cost") -> list[Json]:
    """The same objects, but all rules in one: for tests to break rules without looking for their object."""
    first, *others = of_kind(objects, "PrometheusRule")
    groups = [group for each in (first, *others) for group in each["spec"]["groups"]]
    metadata = {**first["metadata"], "name": name}
    rest = [each for each in objects if each["kind"] != "PrometheusRule"]
    return [*rest, {**first, "metadata": metadata, "spec": {"groups": groups}}]


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [each for each in objects if each["kind"] == kind]


def closed(schema: Any) -> Any:
    """Refuses keys that it does not name, as the operator's do not; and as in Kubernetes, null is no value."""
    if isinstance(schema, list):
        return [closed(each) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    kept = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **kept} if isinstance(schema.get("properties"), dict) else kept
