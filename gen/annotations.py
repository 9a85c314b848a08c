"""The template language of alerts: what Alertmanager is told is composed here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tollbook.gen.promql import Expr, Matcher, eq, quote


def literal(text: str) -> str:
    """A user's own text, in which two braces begin no template."""
    return text.replace("{{", '{{ "{{" }}')


def label(name: str) -> str:
    """The value of this label of the series that fires."""
    return f"{{{{ $labels.{name} }}}}"


def label_if_any(before: str, name: str) -> str:
    """The same with what leads to it; nothing where the series has no such label."""
    return f"{{{{ with $labels.{name} }}}}{before}{{{{ . }}}}{{{{ end }}}}"


def where(labels: Iterable[str]) -> str:
    """Each of these labels that the series has, with its name."""
    return "".join(label_if_any(f", {each} ", each) for each in labels)


def value(decimals: int) -> str:
    """The value of the expression that fires."""
    return f'{{{{ $value | printf "%.{decimals}f" }}}}'


# ---- Queries -----------------------------------------------------------------------------------------------------

#: Begins the name of a label in a text that no user writes: a private character of Unicode.
_OWN = "\ue000"


def own(name: str) -> Matcher:
    """In a query of a text: series that have the same value of this label as the one that fires."""
    return eq(name, f"{_OWN}{name}")


def _asked(query: Expr) -> str:
    """Go reads a text in double quotes as PromQL does; within one, braces begin and end nothing."""
    text = str(query)
    labels = re.findall(rf'"{_OWN}(\w+)"', text)
    if not labels:
        return f"query {quote(text)}"
    form = re.sub(rf'"{_OWN}\w+"', "%q", text.replace("%", "%%"))
    return f"printf {quote(form)} {' '.join(f'$labels.{label}' for label in labels)} | query"


# ---- Lists -------------------------------------------------------------------------------------------------------


def listed(query: Expr, row: str, ordered_by: str = "") -> str:
    """A row for each series that the query gives when the alert is evaluated, in its order or in that of a label."""
    order = f" | sortByLabel {quote(ordered_by)}" if ordered_by else ""
    return f"{{{{ range {_asked(query)}{order} }}}}{row}{{{{ end }}}}"


def row_label(before: str, name: str) -> str:
    """Of the row's series, with what leads to it; nothing where the series has no such label."""
    return f"{{{{ with .Labels.{name} }}}}{before}{{{{ . }}}}{{{{ end }}}}"


def row_value(decimals: int) -> str:
    return f'{{{{ .Value | printf "%.{decimals}f" }}}}'
