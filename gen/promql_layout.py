"""How expressions are written for the person who reads the generated files."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

from tollbook.gen.promql import Expr

#: What is longer the parser lays out on several lines.
LINE = 100
INDENT = "  "


def layout(expr: Expr | str) -> str:
    """The expression as `promtool promql format` would write it, but the terms of a chain of `or` stand under each
    other. Raises ValueError where it is not PromQL.

    One that would begin with an indented operand is put in brackets: YAML's blocks begin at the margin.
    """
    import promql_parser  # the parser is native code: only commands that print or check PromQL pay for it

    if isinstance(expr, Expr) and len(expr.text) > LINE and expr.alternatives:
        return _chain(layout(alternative.operand) for alternative in expr.alternatives)
    text = promql_parser.parse(str(expr)).prettify()
    return _levelled(promql_parser.parse(f"({expr})").prettify() if text.startswith(" ") else text)


def _chain(terms: Iterable[str]) -> str:
    """As the parser would write it below a bracket, in a time that grows with the terms, not their square."""
    return "(\n" + f"\n{INDENT}or\n".join(indent(term, 2 * INDENT) for term in terms) + "\n)"


def _levelled(text: str) -> str:
    """One more term would otherwise indent all before it anew, and be read as a change of each."""
    lines = text.split("\n")
    for at in reversed(range(len(lines))):
        operator = lines[at].strip()
        if operator.split(" ")[0] == "or":
            first = _left_operand(lines, at)
            if f"{_indent(lines[at])}  {operator}" in lines[first:at]:
                lines[first:at] = [line[2:] for line in lines[first:at]]
    return "\n".join(lines)


def _left_operand(lines: list[str], operator: int) -> int:
    """Where it begins: all above that is indented more."""
    first = operator
    while first and len(_indent(lines[first - 1])) > len(_indent(lines[operator])):
        first -= 1
    return first


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def commented(note: str, text: str) -> str:
    """The expression under a comment of one line; Prometheus drops comments when it loads a rule."""
    return f"# {note}\n{text}" if note else text
