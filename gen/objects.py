"""What every generated Kubernetes object has in common."""

from __future__ import annotations

from typing import Any

from tollbook.gen.spec import Spec

Manifest = dict[str, Any]


def metadata(spec: Spec, name: str, namespace: str | None = None) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "tollbook", **spec.labels}
    return {"name": name, "namespace": namespace or spec.namespace, "labels": labels}
