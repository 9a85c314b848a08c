"""What an expression says, read back: whether it is PromQL, and which metrics it reads."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def problem_in(text: str) -> str:
    """What keeps the text from being PromQL; empty where nothing does."""
    import promql_parser

    try:
        promql_parser.parse(text)
    except ValueError as error:
        return str(error)
    return ""


def metrics_of(text: str) -> set[str]:
    """The names of all metrics that the expression reads. Rules of many terms differ in the texts of labels alone."""
    return set(_metrics_of_shape(_STRING.sub('"x"', text)))


@lru_cache(maxsize=512)
def _metrics_of_shape(text: str) -> frozenset[str]:
    import promql_parser

    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return frozenset(found)
