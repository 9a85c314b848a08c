"""The template language of alerts: what Alertmanager is told is composed here, and rendered here for the tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

_TEMPLATE = re.compile(
    r'\{\{ (?:\$labels\.(?P<label>\w+)|\$value \| printf "%\.(?P<digits>\d)f"|(?P<braces>"\{\{")) \}\}'
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


def rendered(template: str, labels: Mapping[str, str], amount: Decimal) -> str:
    def filled(match: re.Match[str]) -> str:
        if match["braces"]:
            return "{{"
        return labels[match["label"]] if match["label"] else f"{amount:.{match['digits']}f}"

    return _TEMPLATE.sub(filled, template)
