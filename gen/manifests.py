"""The Kubernetes objects: what makes Prometheus scrape the gateways and load the rules, as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from tollbook.gen import names
from tollbook.gen.model import RuleGroup
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Gateway, Monitor, Spec

Manifest = dict[str, Any]

METRICS_PORT_NAME, METRICS_PORT, METRICS_PATH = "metrics", 15020, "/metrics"

#: `kubectl apply` keeps the whole object in an annotation, and annotations end at 256 KiB together. The operator's own
#: limit, the size of a ConfigMap, is higher.
OBJECT_BYTES = 230 * 1024


def manifests(spec: Spec, groups: Iterable[RuleGroup]) -> list[Manifest]:
    scraping = [manifest for gateway in spec.gateways for manifest in _scraping(spec, gateway)]
    return scraping + _prometheus_rules(spec, groups)


def _scraping(spec: Spec, gateway: Gateway) -> list[Manifest]:
    match gateway.monitor:
        case Monitor.POD:
            return [_pod_monitor(spec, gateway)]
        case Monitor.SERVICE:
            return [_metrics_service(spec, gateway), _service_monitor(spec, gateway)]
        case Monitor.NONE:
            return []


def _pod_monitor(spec: Spec, gateway: Gateway) -> Manifest:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(spec, gateway.slug),
        "spec": {
            "namespaceSelector": {"matchNames": [gateway.namespace]},
            "selector": {"matchLabels": {names.GATEWAY_NAME_POD_LABEL: gateway.name}},
            "podTargetLabels": [names.GATEWAY_NAME_POD_LABEL],
            "podMetricsEndpoints": [_endpoint(spec)],
        },
    }


def _service_monitor(spec: Spec, gateway: Gateway) -> Manifest:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(spec, gateway.slug),
        "spec": {
            "namespaceSelector": {"matchNames": [gateway.namespace]},
            "selector": {"matchLabels": _metrics_service_labels(gateway)},
            "podTargetLabels": [names.GATEWAY_NAME_POD_LABEL],
            "endpoints": [_endpoint(spec)],
        },
    }


def _metrics_service(spec: Spec, gateway: Gateway) -> Manifest:
    """agentgateway's own Service lists its listeners only, so a ServiceMonitor needs one that shows the metrics port.
    Headless, because every pod is scraped by itself."""
    described = metadata(spec, metrics_service_name(gateway), gateway.namespace)
    described["labels"] = {**described["labels"], **_metrics_service_labels(gateway)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": described,
        "spec": {
            "clusterIP": "None",
            "selector": {names.GATEWAY_NAME_POD_LABEL: gateway.name},
            "ports": [{"name": METRICS_PORT_NAME, "port": METRICS_PORT, "targetPort": METRICS_PORT, "protocol": "TCP"}],
        },
    }


def metrics_service_name(gateway: Gateway) -> str:
    return f"{gateway.name}-metrics"


def _metrics_service_labels(gateway: Gateway) -> dict[str, str]:
    return {"app.kubernetes.io/component": "metrics", names.GATEWAY_NAME_POD_LABEL: gateway.name}


def _endpoint(spec: Spec) -> dict[str, str]:
    return {
        "port": METRICS_PORT_NAME,
        "path": METRICS_PATH,
        "interval": str(spec.prometheus.scrape_interval),
        "scrapeTimeout": str(spec.prometheus.scrape_timeout),
    }


def metadata(spec: Spec, name: str, namespace: str | None = None) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "tollbook", **spec.labels}
    return {"name": name, "namespace": namespace or spec.namespace, "labels": labels}


def _prometheus_rules(spec: Spec, groups: Iterable[RuleGroup]) -> list[Manifest]:
    """An object for each home, or as few as hold its groups in their order below the size that kubectl takes."""
    homes: dict[str, list[RuleGroup]] = {}
    for group in groups:
        homes.setdefault(group.home, []).append(group)
    return [manifest for home, inhabitants in homes.items() for manifest in _home(spec, home, inhabitants)]


def _home(spec: Spec, home: str, groups: list[RuleGroup]) -> list[Manifest]:
    objects: list[list[dict[str, Any]]] = []
    room = 0
    for group in rule_groups(groups):
        size = len(json.dumps(group)) + len(", ")
        if size > room:
            objects.append([])
            room = OBJECT_BYTES - len(json.dumps(_prometheus_rule(spec, _object_name(spec, home, 1), [])))
        objects[-1].append(group)
        room -= size
    return [
        _prometheus_rule(spec, _object_name(spec, home, number), held) for number, held in enumerate(objects, start=1)
    ]


def _object_name(spec: Spec, home: str, number: int) -> str:
    """Of the characters that Kubernetes allows: a provider may be called anything."""
    words = re.sub(r"[^a-z0-9]+", "-", home.lower()).strip("-")
    return f"{spec.name}-{words}" if number == 1 else f"{spec.name}-{words}-{number}"


def _prometheus_rule(spec: Spec, name: str, groups: list[dict[str, Any]]) -> Manifest:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(spec, name),
        "spec": {"groups": groups},
    }
