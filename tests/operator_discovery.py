"""What the prometheus-operator makes of monitors, and Kubernetes of pods and Services: a configuration of Prometheus.

The relabelling is as the operator writes it. Only where it would ask the Kubernetes API for targets, these are written
out: all that a cluster would list, with the `__meta_kubernetes_` labels that discovery gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

GATEWAY_CLASS_LABEL = "gateway.networking.k8s.io/gateway-class-name"

#: What a monitor says of all its endpoints -> Prometheus' word for it.
LIMITS = {
    "sampleLimit": "sample_limit",
    "labelLimit": "label_limit",
    "labelValueLengthLimit": "label_value_length_limit",
}


@dataclass(frozen=True)
class Pod:
    """A pod of agentgateway: labelled, and its container's ports named, as its chart does."""

    gateway: str
    namespace: str
    name: str
    address: str
    """Where its port 15020 can be reached."""
    gateway_class: str = "agentgateway"
    more_labels: Mapping[str, str] = field(default_factory=dict)
    """Those that the Gateway's `infrastructure.labels` puts on its pods."""

    @property
    def labels(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": self.gateway,
            "app.kubernetes.io/instance": self.gateway,
            "gateway.networking.k8s.io/gateway-name": self.gateway,
            GATEWAY_CLASS_LABEL: self.gateway_class,
            "app.kubernetes.io/managed-by": "agentgateway",
            **self.more_labels,
        }

    @property
    def ports(self) -> dict[str, tuple[int, str]]:
        """Name -> number, and address here. Nothing listens behind the gateway's own listener."""
        return {"metrics": (15020, self.address), "listener-8080": (8080, "127.0.0.1:1")}


def prometheus_config(
    monitors: Iterable[Json],
    pods: Iterable[Pod],
    rule_file: str,
    evaluation_interval: str,
    enforced_namespace_label: str = "",
) -> Json:
    """Of everything that was applied: monitors, the Services they select, and what else is of no interest here."""
    configs = scrape_configs(list(monitors), list(pods))
    if enforced_namespace_label:
        # As the last relabeling, so that no monitor can undo it; written for one namespace of all monitors.
        (namespace,) = {name.split("/")[1] for name in (config["job_name"] for config in configs)}
        for config in configs:
            config["relabel_configs"].append({"target_label": enforced_namespace_label, "replacement": namespace})
    return {
        "global": {"evaluation_interval": evaluation_interval},
        "rule_files": [rule_file],
        "scrape_configs": configs,
    }


def scrape_configs(objects: list[Json], pods: list[Pod]) -> list[Json]:
    services = [each for each in objects if each["kind"] == "Service"] + [_own_service(pod) for pod in pods]
    configs: list[Json] = []
    for monitor in objects:
        if monitor["kind"] == "PodMonitor":
            configs += _pod_monitor(monitor, pods)
        if monitor["kind"] == "ServiceMonitor":
            configs += _service_monitor(monitor, services, pods)
        if monitor["kind"] == "ScrapeConfig":
            configs.append(_static_scrape_config(monitor))
    return configs


def _own_service(pod: Pod) -> Json:
    """The Service of the Gateway itself: it has the listeners' ports only, and the labels of the pods."""
    return {
        "metadata": {"name": pod.gateway, "namespace": pod.namespace, "labels": pod.labels},
        "spec": {
            "selector": {"gateway.networking.k8s.io/gateway-name": pod.gateway},
            "ports": [{"name": "listener-8080", "port": 8080, "targetPort": 8080}],
        },
    }


def _pod_monitor(monitor: Json, pods: list[Pod]) -> Iterator[Json]:
    spec = monitor["spec"]
    listed = [pod for pod in pods if _in_namespaces(monitor, pod.namespace)]
    targets = [_pod_target(pod, port) for pod in listed for port in pod.ports]
    for number, endpoint in enumerate(spec["podMetricsEndpoints"]):
        relabelling = [
            *_keep_selected("pod", spec["selector"]),
            _keep("__meta_kubernetes_pod_container_port_name", endpoint["port"]),
            *_target_labels(spec),
            {"target_label": "job", "replacement": f"{_namespace(monitor)}/{monitor['metadata']['name']}"},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *map(_relabelling, endpoint.get("relabelings", ())),
        ]
        yield _scrape_config(f"podMonitor/{_id(monitor)}/{number}", spec, endpoint, relabelling, targets)


def _service_monitor(monitor: Json, services: list[Json], pods: list[Pod]) -> Iterator[Json]:
    spec = monitor["spec"]
    listed = [service for service in services if _in_namespaces(monitor, _namespace(service))]
    targets = [target for service in listed for target in _endpoint_targets(service, pods)]
    for number, endpoint in enumerate(spec["endpoints"]):
        relabelling = [
            *_keep_selected("service", spec["selector"]),
            _keep("__meta_kubernetes_endpoint_port_name", endpoint["port"]),
            _copy("__meta_kubernetes_service_name", "service"),
            *_target_labels(spec),
            _copy("__meta_kubernetes_service_name", "job"),
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *map(_relabelling, endpoint.get("relabelings", ())),
        ]
        yield _scrape_config(f"serviceMonitor/{_id(monitor)}/{number}", spec, endpoint, relabelling, targets)


def _scrape_config(name: str, spec: Json, endpoint: Json, relabelling: list[Json], targets: list[Json]) -> Json:
    return {
        "job_name": name,
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint.get("honorLabels", False),
        **_limits(spec),
        "relabel_configs": relabelling,
        "metric_relabel_configs": [_relabelling(each) for each in endpoint.get("metricRelabelings", ())],
        "static_configs": targets,
    }


def _static_scrape_config(monitor: Json) -> Json:
    """The targets are written in the object itself; Prometheus calls the job as the configuration is called."""
    spec = monitor["spec"]
    return {
        "job_name": f"scrapeConfig/{_id(monitor)}",
        "scrape_interval": spec["scrapeInterval"],
        "scrape_timeout": spec["scrapeTimeout"],
        "metrics_path": spec["metricsPath"],
        "honor_labels": spec.get("honorLabels", False),
        **_limits(spec),
        "relabel_configs": [_relabelling(each) for each in spec.get("relabelings", ())],
        "metric_relabel_configs": [_relabelling(each) for each in spec.get("metricRelabelings", ())],
        "static_configs": [dict(each) for each in spec["staticConfigs"]],
    }


def _limits(spec: Json) -> Json:
    return {theirs: spec[ours] for ours, theirs in LIMITS.items() if ours in spec}


# ---- Relabelling -------------------------------------------------------------------------------------------------


def _keep_selected(role: str, selector: Json) -> Iterator[Json]:
    assert set(selector) <= {"matchLabels", "matchExpressions"}, "nothing else is understood here"
    for name, value in selector.get("matchLabels", {}).items():
        meta = [f"__meta_kubernetes_{role}_{kind}_{sanitised(name)}" for kind in ("label", "labelpresent")]
        yield {"action": "keep", "source_labels": meta, "regex": f"({re.escape(value)});true"}
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "Exists", "nothing else is understood here"
        yield _keep(f"__meta_kubernetes_{role}_labelpresent_{sanitised(expression['key'])}", "true")


def _relabelling(relabeling: Json) -> Json:
    """The operator's own words are those of Prometheus, in another case."""
    return {re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key): value for key, value in relabeling.items()}


def _target_labels(spec: Json) -> Iterator[Json]:
    yield _copy("__meta_kubernetes_namespace", "namespace")
    yield _copy("__meta_kubernetes_pod_container_name", "container")
    yield _copy("__meta_kubernetes_pod_name", "pod")
    yield {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"}
    for name in spec.get("podTargetLabels", ()):
        yield {**_copy(f"__meta_kubernetes_pod_label_{sanitised(name)}", sanitised(name)), "regex": "(.+)"}


def _keep(source: str, value: str) -> Json:
    return {"action": "keep", "source_labels": [source], "regex": re.escape(value)}


def _copy(source: str, target: str) -> Json:
    return {"source_labels": [source], "target_label": target}


def sanitised(label: str) -> str:
    """As a label of Prometheus."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)


# ---- Discovery -----------------------------------------------------------------------------------------------------


def _pod_target(pod: Pod, port: str) -> Json:
    number, address = pod.ports[port]
    labels = {
        **_pod_meta(pod),
        "__meta_kubernetes_pod_container_port_name": port,
        "__meta_kubernetes_pod_container_port_number": str(number),
    }
    return {"targets": [address], "labels": labels}


def _endpoint_targets(service: Json, pods: list[Pod]) -> Iterator[Json]:
    """Kubernetes lists a pod behind each port of a Service whose selector matches it."""
    selector = service["spec"]["selector"].items()
    for pod in pods:
        if pod.namespace != _namespace(service) or not selector <= pod.labels.items():
            continue
        addresses = dict(pod.ports.values())
        for port in service["spec"]["ports"]:
            labels = {
                **_pod_meta(pod),
                **_meta("service", service["metadata"]["labels"]),
                "__meta_kubernetes_service_name": service["metadata"]["name"],
                "__meta_kubernetes_endpoint_port_name": port["name"],
            }
            yield {"targets": [addresses[port["targetPort"]]], "labels": labels}


def _pod_meta(pod: Pod) -> dict[str, str]:
    return {
        **_meta("pod", pod.labels),
        "__meta_kubernetes_namespace": pod.namespace,
        "__meta_kubernetes_pod_name": pod.name,
        "__meta_kubernetes_pod_container_name": "agentgateway",
        "__meta_kubernetes_pod_phase": "Running",
    }


def _meta(role: str, labels: Mapping[str, str]) -> dict[str, str]:
    values = {f"__meta_kubernetes_{role}_label_{sanitised(name)}": value for name, value in labels.items()}
    present = {f"__meta_kubernetes_{role}_labelpresent_{sanitised(name)}": "true" for name in labels}
    return {**values, **present}


def _in_namespaces(monitor: Json, namespace: str) -> bool:
    """Without a selector a monitor looks in its own namespace only."""
    selector = monitor["spec"].get("namespaceSelector", {})
    return selector.get("any", False) or namespace in selector.get("matchNames", [_namespace(monitor)])


def _namespace(each: Json) -> str:
    return str(each["metadata"]["namespace"])


def _id(monitor: Json) -> str:
    return f"{_namespace(monitor)}/{monitor['metadata']['name']}"
