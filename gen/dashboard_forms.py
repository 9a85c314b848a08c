"""The dashboard as other tools take it: in a ConfigMap, as an object of Grafana's operator, as a resource of Grafana.

None of them asks for a data source, as the Import dialog does: the dashboard opens on Grafana's default Prometheus, and
another can be chosen at its top.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tollbook.gen import names
from tollbook.gen.objects import Manifest, metadata
from tollbook.gen.spec import Spec

Json = Mapping[str, Any]

#: The label by which the sidecar of Grafana's chart finds dashboards, and its value, unless the chart is told others.
SIDECAR_LABEL, SIDECAR_VALUE = "grafana_dashboard", "1"

#: The label by which the operator's own examples choose a Grafana.
INSTANCE_LABEL, INSTANCE_VALUE = "dashboards", "grafana"

#: What only the Import dialog reads.
_IMPORT_ONLY = frozenset({"__elements", "__inputs", "__requires"})

#: Grafana's own, whichever that is.
_DEFAULT = {"selected": True, "text": "default", "value": "default"}

_LINE_BREAK = re.compile(r"\n\s*")


def forms(spec: Spec, dashboard: Json) -> dict[str, Manifest]:
    """By the name of the file that holds it."""
    return {
        names.DASHBOARD_CONFIGMAP_FILE: _config_map(spec, dashboard),
        names.DASHBOARD_OPERATOR_FILE: _grafana_dashboard(spec, dashboard),
        names.DASHBOARD_RESOURCE_FILE: _resource(spec, dashboard),
    }


def provisioned(dashboard: Json) -> dict[str, Any]:
    """As it is where nobody imports it."""
    rest = {key: value for key, value in dashboard.items() if key not in _IMPORT_ONLY}
    variables = [_opened(variable) for variable in dashboard["templating"]["list"]]
    return rest | {"templating": {"list": variables}}


def _opened(variable: Json) -> Json:
    return {**variable, "current": _DEFAULT} if variable["type"] == "datasource" else variable


def packed(dashboard: Json) -> str:
    """In one line, each query in one too, because an object of Kubernetes holds only so much."""
    return json.dumps(_in_one_line(provisioned(dashboard)), separators=(",", ":"), ensure_ascii=False)


def _in_one_line(value: Any) -> Any:
    """PromQL has line breaks between its words only: inside of its texts they are escaped."""
    if isinstance(value, list):
        return [_in_one_line(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _LINE_BREAK.sub(" ", item) if key == "expr" else _in_one_line(item) for key, item in value.items()}


def _config_map(spec: Spec, dashboard: Json) -> Manifest:
    """The sidecar puts the dashboards of all ConfigMaps into one folder, so the file bears the dashboard's own id."""
    described = metadata(spec, _name(spec))
    described["labels"] = {**described["labels"], SIDECAR_LABEL: SIDECAR_VALUE}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": described,
        "data": {f"{spec.dashboard.uid}.json": packed(dashboard)},
    }


def _grafana_dashboard(spec: Spec, dashboard: Json) -> Manifest:
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDashboard",
        "metadata": metadata(spec, _name(spec)),
        "spec": {
            # Grafana seldom lives where monitors and rules do.
            "allowCrossNamespaceImport": True,
            "instanceSelector": {"matchLabels": {INSTANCE_LABEL: INSTANCE_VALUE}},
            "json": packed(dashboard),
        },
    }


def _resource(spec: Spec, dashboard: Json) -> Manifest:
    """Of Grafana's own API, from 12 on, to which a dashboard's id is its name."""
    return {
        "apiVersion": "dashboard.grafana.app/v1beta1",
        "kind": "Dashboard",
        "metadata": {"name": spec.dashboard.uid},
        "spec": provisioned(dashboard),
    }


def _name(spec: Spec) -> str:
    return f"{spec.name}-dashboard"
