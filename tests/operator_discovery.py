"""What the prometheus-operator makes of monitors, and Kubernetes of pods and Services: a configuration of Prometheus.

The relabelling is as the operator writes it. Only where it would ask the Kubernetes API for targets, these are written
out: all that a cluster would list, with the `__meta_kubernetes_` labels that discovery gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

GATEWAY_CLASS_LABEL = "gateway.networking.k8s.io/gateway-class-name"


@dataclass(frozen=True)
class Pod:
    """A pod of agentgateway: labelled, and its container's ports named, as its chart does."""

    gateway: str
    namespace: str
    name: str
    address: str
    """Where its port 15020 can be reached."""

    @property
    def labels(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": self.gateway,
            "app.kubernetes.io/instance": self.gateway,
            "gateway.networking.k8s.io/gateway-name": self.gateway,
            GATEWAY_CLASS_LABEL: "agentgateway",
            "app.kubernetes.io/managed-by": "agentgateway",
        }

    @property
    def ports(self) -> dict[str, tuple[int, str]]:
        """Name -> number, and address here. Nothing listens behind the gateway's own listener."""
        return {"metrics": (15020, self.address), "listener-8080": (8080, "127.0.0.1:1")}


def prometheus_config(monitors: Iterable[Json], pods: Iterable[Pod], rule_file: str, evaluation_interval: str) -> Json:
    """Of everything that was applied: monitors, the Services they select, and what else is of no interest here."""
    return {
        "global": {"evaluation_interval": evaluation_interval},
        "rule_files": [rule_file],
        "scrape_configs": scrape_configs(list(monitors), list(pods)),
    }


def scrape_configs(objects: list[Json], pods: list[Pod]) -> list[Json]:
    services = [each for each in objects if each["kind"] == "Service"] + [_own_service(pod) for pod in pods]
    configs: list[Json] = []
    for monitor in objects:
        if monitor["kind"] == "PodMonitor":
            configs += _pod_monitor(monitor, pods)
        if monitor["kind"] == "ServiceMonitor":
            configs += _service_monitor(monitor, services, pods)
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
            *_keep_labels("pod", spec["selector"]),
            _keep("__meta_kubernetes_pod_container_port_name", endpoint["port"]),
            *_target_labels(spec),
            {"target_label": "job", "replacement": f"{_namespace(monitor)}/{monitor['metadata']['name']}"},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
        ]
        yield _scrape_config(f"podMonitor/{_id(monitor)}/{number}", endpoint, relabelling, targets)


def _service_monitor(monitor: Json, services: list[Json], pods: list[Pod]) -> Iterator[Json]:
    spec = monitor["spec"]
    listed = [service for service in services if _in_namespaces(monitor, _namespace(service))]
    targets = [target for service in listed for target in _endpoint_targets(service, pods)]
    for number, endpoint in enumerate(spec["endpoints"]):
        relabelling = [
            *_keep_labels("service", spec["selector"]),
            _keep("__meta_kubernetes_endpoint_port_name", endpoint["port"]),
            _copy("__meta_kubernetes_service_name", "service"),
            *_target_labels(spec),
            _copy("__meta_kubernetes_service_name", "job"),
            {"target_label": "endpoint", "replacement": endpoint["port"]},
        ]
        yield _scrape_config(f"serviceMonitor/{_id(monitor)}/{number}", endpoint, relabelling, targets)


def _scrape_config(name: str, endpoint: Json, relabelling: list[Json], targets: list[Json]) -> Json:
    return {
        "job_name": name,
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "relabel_configs": relabelling,
        "static_configs": targets,
    }


# ---- Relabelling -------------------------------------------------------------------------------------------------


def _keep_labels(role: str, selector: Json) -> Iterator[Json]:
    assert set(selector) == {"matchLabels"}, "nothing else is understood here"
    for name, value in selector["matchLabels"].items():
        meta = [f"__meta_kubernetes_{role}_{kind}_{sanitised(name)}" for kind in ("label", "labelpresent")]
        yield {"action": "keep", "source_labels": meta, "regex": f"({re.escape(value)});true"}


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
