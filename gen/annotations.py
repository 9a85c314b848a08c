"""The template language of alerts: what Alertmanager is told is composed here, and rendered here for the tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from tollbook.gen.promql import Expr, quote

#: What a query gave: the labels and the value of each series, in order.
Rows = Sequence[tuple[Mapping[str, str], Decimal]]

_TEMPLATE = re.compile(
    r'\{\{ (?:\$labels\.(?P<label>\w+)|\$value \| printf "%\.(?P<digits>\d)f"|(?P<braces>"\{\{")) \}\}'
)
# No user's text looks so, for in those `{{` is in quotes.
_ROWS = re.compile(r'\{\{ range query "(?:[^"\\]|\\.)*" \}\}(?P<row>.*)\{\{ end \}\}\Z', re.DOTALL)
_OWN = re.compile(r'"\$labels\.(\w+)"')
_IN_ROW = re.compile(
    r"\{\{ with \.Labels\.(?P<label>\w+) \}\}(?P<before>[^{]*)\{\{ \. \}\}\{\{ end \}\}"
    r'|\{\{ \.Value \| printf "%\.(?P<digits>\d)f" \}\}'
)


def literal(text: str) -> str:
    """A user's own text, in which two braces begin no template."""
    return text.replace("{{", '{{ "{{" }}')


def label(name: str) -> str:
    """The value of this label of the series that fires."""
    return f"{{{{ $labels.{name} }}}}"


def value(decimals: int) -> str:
    """The value of the expression that fires."""
    return f'{{{{ $value | printf "%.{decimals}f" }}}}'


def labelled(before: str, name: str) -> str:
    """The same with what leads to it; nothing where the series has no such label."""
    return f"{{{{ with $labels.{name} }}}}{before}{{{{ . }}}}{{{{ end }}}}"


# ---- Lists -------------------------------------------------------------------------------------------------------


def listed(query: Expr, row: str) -> str:
    """The end of a text: a row for each series that the query gives when the alert is evaluated."""
    # Go reads a text in double quotes as PromQL does; within one, braces begin and end nothing.
    return f"{{{{ range query {quote(str(query))} }}}}{row}{{{{ end }}}}"


def own(name: str) -> str:
    """In a matcher of a query for `listed_for`: this label's value of the series that fires."""
    return f"$labels.{name}"


def listed_for(query: Expr, row: str) -> str:
    """As `listed`, of a query about the series that fires; may stand within a text."""
    text = str(query)
    # What Go's %q quotes PromQL reads as it was, whatever the value.
    form = quote(_OWN.sub("%q", text.replace("%", "%%")))
    values = "".join(f" $labels.{name}" for name in _OWN.findall(text))
    return f"{{{{ range query (printf {form}{values}) }}}}{row}{{{{ end }}}}"


def row_label(before: str, name: str) -> str:
    """Of the row's series, with what leads to it; nothing where the series has no such label."""
    return f"{{{{ with .Labels.{name} }}}}{before}{{{{ . }}}}{{{{ end }}}}"


def row_value(decimals: int) -> str:
    return f'{{{{ .Value | printf "%.{decimals}f" }}}}'


# ---- As Prometheus would say it ----------------------------------------------------------------------------------


def rendered(template: str, labels: Mapping[str, str], amount: Decimal, rows: Rows = ()) -> str:
    """`rows`: what the query of the text's list gives."""
    found = _ROWS.search(template)
    head = template[: found.start()] if found else template
    return _head(head, labels, amount) + "".join(_row(found["row"], *row) for row in rows if found)


def _head(template: str, labels: Mapping[str, str], amount: Decimal) -> str:
    def filled(match: re.Match[str]) -> str:
        if match["braces"]:
            return "{{"
        return labels[match["label"]] if match["label"] else f"{amount:.{match['digits']}f}"

    return _TEMPLATE.sub(filled, template)


def _row(template: str, labels: Mapping[str, str], amount: Decimal) -> str:
    def filled(match: re.Match[str]) -> str:
        if match["digits"]:
            return f"{amount:.{match['digits']}f}"
        text = labels.get(match["label"], "")
        return match["before"] + text if text else ""

    return _IN_ROW.sub(filled, template)
