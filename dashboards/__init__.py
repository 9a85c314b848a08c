"""What is shown: one dashboard, one file a row. To add a row, add its file and its place in ROWS below."""

from __future__ import annotations

from typing import Any

from tollbook.gen.spec import Spec


def build(spec: Spec) -> dict[str, Any]:
    """The dashboard as Grafana's Import dialog takes it, plain data for json.dumps."""
    # Imported here: grafanalib takes longer to load than everything else together, and few commands build dashboards.
    from tollbook.dashboards import assembly

    return assembly.dashboard(spec)
