"""The objects that make Prometheus scrape the gateways: one monitor of a kind at most, so that no pod is found twice.

Every target gets two labels here, whatever the objects are called once they are applied: `job`, the same for all of a
spec, by which the rules know what counts, and `gateway`, which gateway it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from tollbook.gen import names
from tollbook.gen.objects import Manifest, metadata
from tollbook.gen.relabelings import (
    LONGEST_VALUE,
    admitted,
    metric_relabelings,
    refused,
    relabelings,
    static_relabelings,
)
from tollbook.gen.spec import Gateway, Histograms, Monitor, Selection, Spec

METRICS_PORT_NAME, METRICS_PORT, METRICS_PATH = "metrics", 15020, "/metrics"

#: agentgateway's own labels and those of the target are some twenty, and 16 attribution labels may come on top.
LABEL_LIMIT = 64

#: In bytes. The longest names of models are ARNs of Amazon Bedrock, of some 100 characters, and what callers write is
#: cut before it comes here.
LABEL_VALUE_LENGTH_LIMIT = 4 * LONGEST_VALUE

_SERVICE_LABELS = {"app.kubernetes.io/component": "metrics"}
_OF_A_GATEWAY = [{"key": names.GATEWAY_NAME_POD_LABEL, "operator": "Exists"}]


def monitors(spec: Spec) -> list[Manifest]:
    return [*_pod_monitor(spec), *_service_monitor(spec), *_scrape_config(spec)]


def _pod_monitor(spec: Spec) -> list[Manifest]:
    """Without selections it counts whatever gateway it finds in the namespaces of those that are named: one that the
    spec does not name costs money as well."""
    named = _with(spec, Monitor.POD)
    if not named and not spec.selections:
        return []
    namespaces = _namespaces(named, spec.selections)
    narrowing = [
        *(admitted(named, spec.selections) if spec.selections else ()),
        *refused(_scraped_otherwise(spec, namespaces)),
    ]
    described = {
        "namespaceSelector": {"any": True} if namespaces is None else {"matchNames": namespaces},
        "selector": {"matchExpressions": _OF_A_GATEWAY},
        **_limits(spec, [*named, *spec.selections]),
        "podMetricsEndpoints": [_endpoint(spec, narrowing)],
    }
    return [_object(spec, "monitoring.coreos.com/v1", "PodMonitor", described)]


def _service_monitor(spec: Spec) -> list[Manifest]:
    """It finds the Services that are generated for it, and keeps to them: one that is left over from an earlier spec
    would have its pods scraped twice."""
    named = _with(spec, Monitor.SERVICE)
    if not named:
        return []
    described = {
        "namespaceSelector": {"matchNames": _namespaces(named, ())},
        "selector": {"matchLabels": _SERVICE_LABELS, "matchExpressions": _OF_A_GATEWAY},
        **_limits(spec, named),
        "endpoints": [_endpoint(spec, admitted(named, ()))],
    }
    services = [_metrics_service(spec, gateway) for gateway in named]
    return [*services, _object(spec, "monitoring.coreos.com/v1", "ServiceMonitor", described)]


def _metrics_service(spec: Spec, gateway: Gateway) -> Manifest:
    """agentgateway's own Service lists its listeners only, so a ServiceMonitor needs one that shows the metrics port.
    Headless, because every pod is scraped by itself."""
    described = metadata(spec, f"{gateway.name}-metrics", gateway.namespace)
    of_gateway = {names.GATEWAY_NAME_POD_LABEL: gateway.name}
    described["labels"] = {**described["labels"], **_SERVICE_LABELS, **of_gateway}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": described,
        "spec": {
            "clusterIP": "None",
            "selector": of_gateway,
            "ports": [{"name": METRICS_PORT_NAME, "port": METRICS_PORT, "targetPort": METRICS_PORT, "protocol": "TCP"}],
        },
    }


def _scrape_config(spec: Spec) -> list[Manifest]:
    named = _with(spec, Monitor.SCRAPE_CONFIG)
    if not named:
        return []
    described = {
        "staticConfigs": [
            {"targets": list(gateway.targets), "labels": {names.GATEWAY: gateway.id}} for gateway in named
        ],
        "metricsPath": METRICS_PATH,
        "scrapeInterval": str(spec.prometheus.scrape_interval),
        "scrapeTimeout": str(spec.prometheus.scrape_timeout),
        "honorLabels": False,
        **_limits(spec, named),
        "relabelings": static_relabelings(spec),
        "metricRelabelings": metric_relabelings(spec),
    }
    return [_object(spec, "monitoring.coreos.com/v1alpha1", "ScrapeConfig", described)]


def _with(spec: Spec, monitor: Monitor) -> list[Gateway]:
    return [gateway for gateway in spec.gateways if gateway.monitor is monitor]


def _scraped_otherwise(spec: Spec, namespaces: list[str] | None) -> list[Gateway]:
    """In these namespaces."""
    others = [*_with(spec, Monitor.SERVICE), *_with(spec, Monitor.NONE)]
    return [each for each in others if each.namespace and (namespaces is None or each.namespace in namespaces)]


def _namespaces(named: list[Gateway], selections: tuple[Selection, ...]) -> list[str] | None:
    """Those to look in; None for all."""
    found = {gateway.namespace for gateway in named}
    for selection in selections:
        if selection.namespaces is None:
            return None
        found.update(selection.namespaces)
    return sorted(found)


def _endpoint(spec: Spec, narrowing: list[Manifest]) -> Manifest:
    return {
        "port": METRICS_PORT_NAME,
        "path": METRICS_PATH,
        "interval": str(spec.prometheus.scrape_interval),
        "scrapeTimeout": str(spec.prometheus.scrape_timeout),
        # The labels of the target win: what a pod says of itself must not move its spending to another gateway.
        "honorLabels": False,
        "relabelings": [*narrowing, *relabelings(spec)],
        "metricRelabelings": metric_relabelings(spec),
    }


def _limits(spec: Spec, scraped: Iterable[Gateway | Selection]) -> Manifest:
    """A pod that exposes more than this fails its scrape, and costs nobody else anything."""
    limits: Manifest = {
        "sampleLimit": spec.limits.series_per_pod,
        "labelLimit": LABEL_LIMIT,
        "labelValueLengthLimit": LABEL_VALUE_LENGTH_LIMIT,
    }
    if any(each.histograms is Histograms.BOTH for each in scraped):
        # A Prometheus that takes native histograms leaves out the classic one of the same name, and its sum with it.
        limits["scrapeClassicHistograms"] = True
    return limits


def _object(spec: Spec, version: str, kind: str, described: Manifest) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": metadata(spec, spec.name), "spec": described}
