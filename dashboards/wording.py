"""How labels are called in titles, filters and column heads, and where to read on."""

from __future__ import annotations

from tollbook.dashboards.style import Link
from tollbook.gen import names
from tollbook.gen.placeholders import GROUP_VARIABLE
from tollbook.gen.spec import Spec

#: Any other is a label of the user's own and keeps its name.
TITLES = {
    names.GATEWAY: "gateway",
    names.PROVIDER: "provider",
    names.MODEL: "model",
    names.TOKEN_TYPE: "token type",
}

#: In a title, where Grafana shows what the chosen label is called.
CHOSEN_GROUP = f"${GROUP_VARIABLE}"


def title_of(label: str) -> str:
    return TITLES.get(label, label)


def runbook(spec: Spec, page: str) -> Link:
    return Link("Runbook", f"{spec.runbooks}/{page}.md")


def panel(title: str) -> Link:
    return Link(title, title)
