"""PromQL is composed, escaped and laid out here and nowhere else: others name metrics, labels and operations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tollbook.gen.durations import Duration, Placeholder

#: A label that lives inside one expression only, and tells the parts of a sum apart.
_PART = "part"

_MILLISECOND = Duration(1)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


Window = Duration | Placeholder


@dataclass(frozen=True)
class Expr:
    """A PromQL expression; `compound` ones are put in brackets when they become an operand."""

    text: str
    compound: bool = False
    alternatives: tuple[Expr, ...] = ()
    """What it chains with `or`."""

    def __str__(self) -> str:
        return self.text

    @property
    def operand(self) -> str:
        return f"({self.text})" if self.compound else self.text


@dataclass(frozen=True)
class Matcher:
    label: str
    op: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.op}{quote(self.value)}"


def eq(label: str, value: str) -> Matcher:
    return Matcher(label, "=", value)


def one_of(label: str, values: Iterable[str]) -> Matcher:
    """Exactly one of these values: an equality where there is one, else a regex of escaped alternatives."""
    alternatives = sorted(set(values))
    if len(alternatives) == 1:
        return eq(label, alternatives[0])
    return Matcher(label, "=~", "|".join(regex_literal(value) for value in alternatives))


def none_of(label: str, values: Iterable[str]) -> Matcher:
    positive = one_of(label, values)
    return replace(positive, op="!=" if positive.op == "=" else "!~")


def matches(label: str, regex: str) -> Matcher:
    """A regular expression written by us, not by a user: it is not escaped."""
    return Matcher(label, "=~", regex)


def matches_not(label: str, regex: str) -> Matcher:
    return Matcher(label, "!~", regex)


def globs(label: str, patterns: Iterable[str]) -> Matcher:
    """One of these values, in which `*` stands for any text; alone, for any value that there is."""
    patterns = sorted(set(patterns))
    if not any("*" in pattern for pattern in patterns):
        return one_of(label, patterns)
    regexes = (".*".join(map(regex_literal, pattern.split("*"))) for pattern in patterns)
    return Matcher(label, "=~", "|".join(".+" if regex == ".*" else regex for regex in regexes))


def quote(text: str) -> str:
    """A PromQL string literal."""
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


def regex_literal(text: str) -> str:
    """RE2 text that matches exactly `text`; unlike re.escape it leaves harmless characters readable."""
    return "".join(f"\\{char}" if char in r"\.+*?()|[]{}^$" else char for char in text)


@dataclass(frozen=True)
class Selector:
    metric: str
    matchers: tuple[Matcher, ...] = ()

    def now(self, offset: Window | None = None) -> Expr:
        """The newest sample, at most five minutes older than now (or than `offset` ago)."""
        return Expr(f"{self._series()}{_offset(offset)}")

    def at_instant(self, ago: Duration) -> Expr:
        """What was recorded at exactly this time ago. `now` would also find an older record, after a restart of
        Prometheus for example, which leaves no staleness marker, and count it again."""
        return over_time("last", self, _MILLISECOND, ago if ago.milliseconds else None)

    def range(self, window: Window, offset: Window | None = None) -> Expr:
        return Expr(f"{self._series()}[{window}]{_offset(offset)}")

    def where(self, *matchers: Matcher) -> Selector:
        return replace(self, matchers=(*self.matchers, *matchers))

    def _series(self) -> str:
        return self.metric + (f"{{{','.join(map(str, self.matchers))}}}" if self.matchers else "")


def series(metric: str, *matchers: Matcher) -> Selector:
    return Selector(metric, matchers)


def _offset(offset: Window | None) -> str:
    return f" offset {offset}" if offset else ""


# ---- Functions ---------------------------------------------------------------------------------------


def call(function: str, *arguments: Expr | str) -> Expr:
    return Expr(f"{function}({', '.join(str(argument) for argument in arguments)})")


def over_time(operation: str, selector: Selector, window: Window, offset: Window | None = None) -> Expr:
    """`operation` is the word before `_over_time`: last, max, sum."""
    return call(f"{operation}_over_time", selector.range(window, offset))


def absent_over_time(selector: Selector, window: Duration, offset: Duration) -> Expr:
    """One where the range holds no sample of any such series; its labels are those of the equality matchers."""
    return call("absent_over_time", selector.range(window, offset))


def sum_of_steps(selector: Selector, window: Duration) -> Expr:
    """The sum of what was recorded once a step over the window, each record exactly once.

    One millisecond is left out because Prometheus 2 counts samples on both edges of a range and Prometheus 3
    on the right edge only: a whole window would hold 61 minutes in an hour on the former.
    """
    return over_time("sum", selector, window - _MILLISECOND)


def count_of_steps(selector: Selector, window: Duration) -> Expr:
    """How many records there are of the window, each once."""
    return over_time("count", selector, window - _MILLISECOND)


def subquery(
    function: str, inner: Expr, window: Duration, resolution: Duration, offset: Duration | None = None
) -> Expr:
    return Expr(f"{function}({inner.operand}[{window}:{resolution}]{_offset(offset)})")


def labelled(expr: Expr, label: str, value: str) -> Expr:
    """With this label set to this value, whatever it was."""
    return label_replace(expr, label, value.replace("$", "$$"))


def label_replace(expr: Expr, target: str, replacement: str, source: str = "", regex: str = "") -> Expr:
    return call("label_replace", expr, quote(target), quote(replacement), quote(source), quote(regex))


def copy_label(expr: Expr, target: str, source: str) -> Expr:
    """Sets `target` to the value of `source` where that is not empty."""
    return label_replace(expr, target, "$1", source, "(.+)")


def join_labels(expr: Expr, target: str, separator: str, *sources: str) -> Expr:
    return call("label_join", expr, quote(target), quote(separator), *map(quote, sources))


def without_label(expr: Expr, label: str) -> Expr:
    return label_replace(expr, label, "", label, ".+")


def count_values(label: str, expr: Expr, by: Sequence[str] = ()) -> Expr:
    return aggregate("count_values", Expr(f"{quote(label)}, {expr}"), by)


def vector(value: Decimal | int) -> Expr:
    return call("vector", number(value))


def number(value: Decimal | int) -> str:
    """A plain decimal literal of exactly this value, never an exponent."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def rounded(expr: Expr, to: Decimal) -> Expr:
    """To the nearest multiple of `to`."""
    return call("round", expr, number(to))


def clock(ago: Duration | None = None) -> Expr:
    """Unix seconds now, or some time ago."""
    return Expr(f"vector(time() - {number(Decimal(ago.milliseconds) / 1000)})" if ago else "vector(time())")


def scalar(value: Decimal | int) -> Expr:
    return Expr(number(value), compound=value < 0)


# ---- Aggregations --------------------------------------------------------------------------------------


def aggregate(operation: str, expr: Expr, by: Sequence[str] = ()) -> Expr:
    grouping = f" by ({', '.join(by)}) " if by else ""
    return Expr(f"{operation}{grouping}({expr})")


def sum_by(by: Sequence[str], expr: Expr) -> Expr:
    return aggregate("sum", expr, by)


def sum_without(labels: Sequence[str], expr: Expr) -> Expr:
    return Expr(f"sum without ({', '.join(labels)}) ({expr})")


def sum_of_parts(*parts: Expr) -> Expr:
    """Their sum, series by series, also where only some have a series."""
    told_apart = (labelled(part, _PART, str(position)) for position, part in enumerate(parts))
    return sum_without([_PART], either(*told_apart))


def largest(count: int, expr: Expr, by: Sequence[str] = ()) -> Expr:
    """So many series of each group, those of the largest values, with their labels."""
    return aggregate("topk", Expr(f"{count}, {expr}"), by)


def one_of_each(by: Sequence[str], expr: Expr) -> Expr:
    """One series of each group, with its labels and value."""
    return largest(1, expr, by)


def highest(count: int, expr: Expr) -> Expr:
    """The series of the highest values, the highest first."""
    return call("sort_desc", largest(count, expr))


def total(expr: Expr) -> Expr:
    return aggregate("sum", expr)


# ---- Operators ---------------------------------------------------------------------------------------------


def binary(
    left: Expr, op: str, right: Expr, on: Sequence[str] | None = None, group_left: Sequence[str] | None = None
) -> Expr:
    """`on` None matches all labels; an empty `on` matches everything with everything."""
    matching = "" if on is None else f" on ({', '.join(on)})"
    matching += "" if group_left is None else f" group_left ({', '.join(group_left)})"
    return Expr(f"{left.operand} {op}{matching} {right.operand}", compound=True)


def either(*alternatives: Expr) -> Expr:
    """The first of these that has a sample, series by series (`or`)."""
    text = " or ".join(alternative.operand for alternative in alternatives)
    return Expr(text, len(alternatives) > 1, alternatives if len(alternatives) > 1 else ())


def either_on(on: Sequence[str], *alternatives: Expr) -> Expr:
    """As `either`, but an alternative counts only where none before it has a sample with the same values of `on`."""
    text = f" or on ({', '.join(on)}) ".join(alternative.operand for alternative in alternatives)
    return Expr(text, compound=len(alternatives) > 1)


def smaller(left: Expr, right: Expr) -> Expr:
    """Sample by sample the smaller of the two, where both have one."""
    return either(binary(left, "<", right), both(right, left))


def both(left: Expr, right: Expr, on: Sequence[str] | None = None) -> Expr:
    return binary(left, "and", right, on)


def unless(left: Expr, right: Expr, on: Sequence[str] | None = None) -> Expr:
    return binary(left, "unless", right, on)


def either_ignoring(labels: Sequence[str], left: Expr, right: Expr) -> Expr:
    """As `either`, with these labels left out of the comparison."""
    return Expr(f"{left.operand} or ignoring ({', '.join(labels)}) {right.operand}", compound=True)


def negative(expr: Expr) -> Expr:
    return Expr(f"-{expr.operand}", compound=True)
