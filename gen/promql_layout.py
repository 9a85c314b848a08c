"""How expressions are written for the person who reads the generated files."""

from __future__ import annotations

from tollbook.gen.promql import Expr


def layout(expr: Expr | str) -> str:
    """The expression as `promtool promql format` would write it. Raises ValueError where it is not PromQL.

    One that would begin with an indented operand is put in brackets: YAML's blocks begin at the margin.
    """
    import promql_parser  # the parser is native code: only commands that print or check PromQL pay for it

    text = promql_parser.parse(str(expr)).prettify()
    return promql_parser.parse(f"({expr})").prettify() if text.startswith(" ") else text


def commented(note: str, text: str) -> str:
    """The expression under a comment of one line; Prometheus drops comments when it loads a rule."""
    return f"# {note}\n{text}" if note else text
