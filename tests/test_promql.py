"""PromQL that is composed here means what it says: to the parser, to the oldest Prometheus and to the newest."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from promtool_cases import NOTHING, Case, failures, rule_file_of

from tollbook.gen import promql, promql_moments, promql_reading
from tollbook.gen.durations import Duration, Placeholder
from tollbook.gen.model import Recording
from tollbook.gen.promql import Expr, binary, both, either, eq, negative, scalar, series, unless, vector
from tollbook.gen.promql_layout import commented, layout

HOUR, MINUTE = Duration.parse("1h"), Duration.parse("1m")
NO_RULES = rule_file_of([Recording("nothing:nothing:nothing", vector(0))])

#: Whatever a model, a team or a gateway may be called, and what no sane person would.
HOSTILE = (
    *("", " ", "a b", "gpt-4o", "gpt-4o-2024-08-06", "publishers/anthropic/models/claude", "anthropic.claude-v1:0"),
    *('"', '""', "'", "`", "\\", "\\\\", '\\"', "\\n", "\n", "\r", "\t", "\r\n", "\x00", "\x01", "\x07", "\x0b"),
    *("\x7f", "{", "}", "{}", "a{b}", "(", ")", "()", "[", "]", "[a]", "a|b", "|", "a+", "a*", "a?", ".", "..", "^"),
    *("$", "^a$", "a.b", "axb", ".*", "\\d", "\\Q.\\E", "(?i)a", "{{ $labels.x }}", "$x", "${x}", "#", "# a"),
    *("%", "%s"),
    *("a,b", "a=b", "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}", "\N{SNOWMAN}", "\u2028"),
    *("\N{GRINNING FACE}", "\ufeff", "\u200b", "\u0085", "unknown", "NaN", "+Inf", "0x10", "1e3", "-", "--", "a" * 300),
    *("offset 5m", "or vector(1)"),
)
# Prometheus takes label values of valid UTF-8, which surrogates have none of.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


# ---- Text in quotes --------------------------------------------------------------------------------------------------


def read_back(text: str) -> tuple[str, str]:
    """The one matcher of a selector, as the parser understands it."""
    selector = promql_parser.parse(text)
    assert isinstance(selector, promql_parser.VectorSelector)
    (matcher,) = selector.matchers.matchers
    return matcher.name, matcher.value


@settings(max_examples=500, derandomize=True)
@given(TEXTS)
def test_any_text_comes_back_from_a_quoted_one(text: str) -> None:
    assert read_back(str(series("m", promql.eq("label", text)).now())) == ("label", text)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_survives_quoting_and_layout(text: str) -> None:
    written = series("m", promql.eq("label", text)).now()
    assert read_back(str(written)) == read_back(layout(written)) == ("label", text)
    assert "\n" not in layout(written)


def in_escapes(text: str) -> str:
    """A label value spelled by code points alone, so that no quoting of ours is needed to put it into Prometheus."""
    return "".join(f"\\U{ord(char):08x}" for char in text)


def matching(texts: list[str]) -> Case:
    """A series for each text; each must be found by the matchers that mean it, and by no other."""
    values = sorted({*texts, "decoy"})

    def asked(matcher: promql.Matcher, expected: list[str]) -> tuple[str, str, dict[str, int]]:
        selected = promql.aggregate("count", series("m", matcher).now(), ("label",))
        return str(selected), "0m", {f'{{label="{in_escapes(text)}"}}' if text else "{}": 1 for text in expected}

    samples = []
    for position, text in enumerate(values):
        pair = [text, values[position - 1]]
        others = [value for value in values if value not in pair]
        samples += [
            asked(promql.eq("label", text), [text]),
            asked(promql.none_of("label", [text]), [value for value in values if value != text]),
            asked(promql.one_of("label", pair), pair),
            asked(promql.none_of("label", pair), others),
            asked(promql.matches("label", promql.regex_literal(text)), [text]),
        ]
    names = [f'm{{label="{in_escapes(text)}",x="{position}"}}' for position, text in enumerate(values)]
    return Case("match", NO_RULES, dict.fromkeys(names, "1"), tuple(samples))


def test_prometheus_finds_each_hostile_value_and_no_other(promtool: Path) -> None:
    assert failures(promtool, matching(list(HOSTILE))) == {}


def test_prometheus_finds_any_values_and_no_others(promtool: Path) -> None:
    @settings(max_examples=10, derandomize=True, deadline=None)
    @given(st.lists(TEXTS, min_size=20, max_size=20))
    def holds(texts: list[str]) -> None:
        assert failures(promtool, matching(texts)) == {}

    holds()


def test_one_value_is_an_equality_and_more_are_a_regex_in_order() -> None:
    assert str(promql.one_of("a", ["x.y"])) == 'a="x.y"'
    assert str(promql.one_of("a", ["y", "x.z", "y"])) == 'a=~"x\\\\.z|y"'
    assert str(promql.none_of("a", ["x.y"])) == 'a!="x.y"'
    assert str(promql.none_of("a", ["y", "x"])) == 'a!~"x|y"'
    assert str(promql.matches_not("a", "x.*")) == 'a!~"x.*"'


# ---- Operators and brackets ------------------------------------------------------------------------------------------
# A tree of operators is composed by our functions and read back by the parser: the tree must be the same. What a tree
# is worth is then worked out by Python, and by each Prometheus.


@dataclass(frozen=True)
class Tree:
    operator: str
    parts: tuple[Tree | int, ...] = ()


ARITHMETIC: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
LEAVES = {f"m{number}": number for number in (2, 3, 5, 7)}
COMPARING = ("==", "!=", ">", "<=")
SETS: dict[str, Callable[[Expr, Expr], Expr]] = {"and": both, "or": either, "unless": unless}


def composed(tree: Tree | int) -> Expr:
    if isinstance(tree, int):
        return scalar(tree)
    parts = [composed(part) for part in tree.parts]
    if not parts:
        return series(tree.operator).now()
    if tree.operator == "negative":
        return negative(parts[0])
    if tree.operator in SETS:
        return SETS[tree.operator](*parts)
    return binary(parts[0], tree.operator, parts[1])


def parsed(node: Any) -> Tree | int:
    if isinstance(node, promql_parser.ParenExpr):
        return parsed(node.expr)
    if isinstance(node, promql_parser.NumberLiteral):
        return int(node.val)
    if isinstance(node, promql_parser.UnaryExpr):
        inner = parsed(node.expr)
        return -inner if isinstance(inner, int) else Tree("negative", (inner,))
    if isinstance(node, promql_parser.BinaryExpr):
        return Tree(str(node.op), (parsed(node.lhs), parsed(node.rhs)))
    assert isinstance(node, promql_parser.VectorSelector)
    return Tree(str(node.name))


def worth(tree: Tree | int) -> float:
    if isinstance(tree, int):
        return tree
    if not tree.parts:
        return LEAVES[tree.operator]
    parts = [worth(part) for part in tree.parts]
    return -parts[0] if tree.operator == "negative" else ARITHMETIC[tree.operator](*parts)


def trees(operators: tuple[str, ...], set_operators: tuple[str, ...] = ()) -> st.SearchStrategy[Tree]:
    """Of vectors: PromQL has no set operators between numbers, and other comparisons."""
    leaves = st.sampled_from([Tree(name) for name in LEAVES])
    numbers = st.integers(-3, 3)

    def larger(smaller: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        with_number = st.tuples(smaller, numbers) | st.tuples(numbers, smaller)
        return (
            st.builds(Tree, st.sampled_from(operators), st.tuples(smaller, smaller) | with_number)
            | st.builds(Tree, st.just("negative"), st.tuples(smaller))
            | st.builds(Tree, st.sampled_from(set_operators or operators), st.tuples(smaller, smaller))
        )

    return st.recursive(leaves, larger, max_leaves=8)


@settings(max_examples=500, derandomize=True)
@given(trees((*ARITHMETIC, "%", *COMPARING), tuple(SETS)))
def test_every_combination_of_operators_is_read_as_it_was_composed(tree: Tree) -> None:
    expr = composed(tree)
    assert parsed(promql_parser.parse(str(expr))) == tree
    assert parsed(promql_parser.parse(layout(expr))) == tree


@settings(max_examples=300, derandomize=True)
@given(trees((*ARITHMETIC, "%", *COMPARING), tuple(SETS)))
def test_layout_is_done_once_and_begins_at_the_margin(tree: Tree) -> None:
    laid_out = layout(composed(tree))
    assert layout(laid_out) == laid_out
    assert not laid_out.startswith(" ")
    assert all(line == line.rstrip() for line in laid_out.splitlines())


@cache
def sums_to_work_out() -> tuple[Tree, ...]:
    found: list[Tree] = []

    @settings(max_examples=300, derandomize=True, database=None)
    @given(trees(("+", "-", "*", "^")))
    def collect(tree: Tree) -> None:
        if in_range(tree):
            found.append(tree)

    collect()
    return tuple(dict.fromkeys(found))


def in_range(tree: Tree) -> bool:
    """Whole numbers that a float holds exactly, so that the order of work does not show in the last bit."""
    if not all(in_range(part) for part in tree.parts if isinstance(part, Tree)):
        return False
    try:
        value = worth(tree)
    except ZeroDivisionError:
        return False
    return isinstance(value, int) and abs(value) < 10**12


def test_every_prometheus_works_out_what_was_composed(promtool: Path) -> None:
    series_in = {f'{name}{{x="y"}}': str(value) for name, value in LEAVES.items()}
    samples = tuple((f"sum({composed(tree)})", "0m", {"": worth(tree)}) for tree in sums_to_work_out())
    assert len(samples) > 100
    assert failures(promtool, Case("sums", NO_RULES, series_in, samples)) == {}


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (binary(negative(series("a").now()), "^", scalar(2)), "(-a) ^ 2"),
        (binary(scalar(-1), "^", series("a").now()), "(-1) ^ a"),
        (negative(binary(series("a").now(), "-", series("b").now())), "-(a - b)"),
        (either(series("a").now()), "a"),
        (either(both(series("a").now(), series("b").now()), series("c").now()), "(a and b) or c"),
        (binary(series("a").now(), "*", series("b").now(), on=()), "a * on () b"),
        (
            binary(series("a").now(), "*", series("b").now(), on=("l",), group_left=("m", "n")),
            "a * on (l) group_left (m, n) b",
        ),
        (promql.either_ignoring(("l", "m"), series("a").now(), series("b").now()), "a or ignoring (l, m) b"),
        (promql.sum_without(("l",), binary(series("a").now(), "+", series("b").now())), "sum without (l) (a + b)"),
        (promql.total(series("a").now()), "sum(a)"),
        (promql.one_of_each(("l", "m"), series("a").now()), "topk by (l, m) (1, a)"),
        (promql.largest(3, series("a").now()), "topk(3, a)"),
        (promql.largest(3, series("a").now(), ("l", "m")), "topk by (l, m) (3, a)"),
        (promql.either_on(["l", "m"], series("a").now(), series("b").now()), "a or on (l, m) b"),
        (
            promql.either_on(["l"], both(series("a").now(), series("b").now()), series("c").now(), series("d").now()),
            "(a and b) or on (l) c or on (l) d",
        ),
        (promql.smaller(series("a").now(), series("b").now()), "(a < b) or (b and a)"),
        (promql.labelled(series("a").now(), "l", "v"), 'label_replace(a, "l", "v", "", "")'),
        (promql.labelled(series("a").now(), "l", "$1"), 'label_replace(a, "l", "$$1", "", "")'),
        (promql.sum_by(("l", "m"), series("a").now()), "sum by (l, m) (a)"),
        (promql.call("absent", series("a").now()), "absent(a)"),
        (promql.count_values("day", series("a").now()), 'count_values("day", a)'),
        (promql.copy_label(series("a").now(), "to", "from"), 'label_replace(a, "to", "$1", "from", "(.+)")'),
        (promql.subquery("max_over_time", series("a").now(), HOUR, MINUTE), "max_over_time(a[1h:1m])"),
        (
            promql.subquery("max_over_time", binary(series("a").now(), "*", scalar(2)), HOUR, MINUTE),
            "max_over_time((a * 2)[1h:1m])",
        ),
        (promql.over_time("last", series("a"), HOUR, MINUTE), "last_over_time(a[1h] offset 1m)"),
        (promql.over_time("sum", series("a"), Placeholder("$__range")), "sum_over_time(a[$__range])"),
        (series("a").range(Placeholder("$w"), -Placeholder("$w")), "a[$w] offset -$w"),
        (series("a").now(Duration(0)), "a offset 0s"),
        (promql.clock(), "vector(time())"),
        (promql.clock(Duration.parse("1m30s500ms")), "vector(time() - 90.5)"),
    ],
)
def test_each_piece_of_promql_is_written_in_one_way(expr: Expr, text: str) -> None:
    assert str(expr) == text


# ---- Numbers and windows ---------------------------------------------------------------------------------------------


@settings(max_examples=200, derandomize=True)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_numbers_are_written_out_in_full(value: Decimal) -> None:
    text = promql.number(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1E-6"), "0.000001"), (Decimal("1E+3"), "1000"), (Decimal("0.80"), "0.80"), (86_400, "86400")],
)
def test_a_number_keeps_the_digits_it_was_given(value: Decimal | int, text: str) -> None:
    assert promql.number(value) == text


def test_a_sum_of_steps_holds_each_of_them_once_whenever_it_is_asked_for(promtool: Path) -> None:
    """Sixty of one a minute in an hour, at the very instant of a record and after it. Prometheus 2 counts the samples
    on both edges of a range, Prometheus 3 on one; so the latter misses one in the last millisecond before the next."""
    total = str(promql.sum_of_steps(series("m"), HOUR))
    at = ("2h", "2h1ms", "2h1s", "2h17s", "2h59s998ms", "3h500ms")
    samples = tuple((total, instant, {"{}": 60}) for instant in at)
    short = str(promql.sum_of_steps(series("m"), MINUTE))
    samples += tuple((short, instant, {"{}": 1}) for instant in at)
    case = Case("steps", NO_RULES, {"m": "1x300"}, samples, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_a_plain_hour_holds_sixty_minutes_or_sixty_one(promtools: list[tuple[str, Path]]) -> None:
    held = {}
    samples = (("sum_over_time(m[1h])", "2h", {"{}": 60}),)
    for version, promtool in promtools:
        case = Case("hour", NO_RULES, {"m": "1x300"}, samples, scraped_every="1m")
        held[version] = 61 if failures(promtool, case) else 60
    assert held == {version: 61 if version.startswith("2.") else 60 for version, _ in promtools}


def test_what_was_just_recorded_is_of_this_very_instant(promtool: Path) -> None:
    just, now = str(series("m").at_instant(Duration(0))), str(series("m").now())
    one_before = str(series("m").at_instant(MINUTE))
    samples = (
        (just, "2m", {"m": 1}),
        (just, "2m1s", NOTHING),
        (just, "3m", NOTHING),
        (one_before, "3m", {"m": 1}),
        (one_before, "3m1s", NOTHING),
        (one_before, "4m", NOTHING),
        (now, "3m", {"m": 1}),  # which is why it is not used for this
    )
    assert failures(promtool, Case("just", NO_RULES, {"m": "1x2"}, samples, scraped_every="1m")) == {}


def test_labels_are_joined_and_taken_away(promtool: Path) -> None:
    joined = promql.join_labels(series("a").now(), "both", "\t", "l", "m")
    held = {'a{l="x",m="y"}': "1", 'a{l="x"}': "1"}
    expected = {'a{l="x",m="y",both="x\\ty"}': 1, 'a{l="x",both="x\\t"}': 1}
    without = str(promql.without_label(series("a", eq("m", "y")).now(), "l"))
    samples = ((str(joined), "0m", expected), (without, "0m", {'a{m="y"}': 1}))
    assert failures(promtool, Case("join", NO_RULES, held, samples)) == {}


def test_what_a_range_does_not_hold_is_told(promtool: Path) -> None:
    absent = str(promql.absent_over_time(series("a"), MINUTE, Duration(1)))
    samples = ((absent, "1m", NOTHING), (absent, "5m", {"{}": 1}))
    assert failures(promtool, Case("absent", NO_RULES, {"a": "1x2"}, samples)) == {}


def test_the_first_that_knows_a_group_speaks_for_all_of_it(promtool: Path) -> None:
    """Also of three: what the second has of a group that the first knows does not count, nor do labels besides."""
    pieces = (series(name).now() for name in ("a", "b", "c"))
    known = str(promql.either_on(["g"], *pieces))
    held = {
        'a{g="x",l="1"}': "1",
        'a{g="x",l="2"}': "1",
        'b{g="x",l="3"}': "1",
        'b{g="y",l="1"}': "1",
        'c{g="y",l="2"}': "1",
        'c{g="z"}': "1",
        "c": "1",
    }
    expected = dict.fromkeys(['a{g="x",l="1"}', 'a{g="x",l="2"}', 'b{g="y",l="1"}', 'c{g="z"}', "c"], 1)
    assert failures(promtool, Case("known", NO_RULES, held, ((known, "0m", expected),))) == {}


def test_the_smaller_is_there_where_both_are(promtool: Path) -> None:
    held = {'a{l="less"}': "1", 'b{l="less"}': "2", 'a{l="more"}': "4", 'b{l="more"}': "3"}
    held |= {'a{l="same"}': "5", 'b{l="same"}': "5", 'a{l="alone"}': "6", 'b{l="lone"}': "7"}
    smaller = f"sum by (l) ({promql.smaller(series('a').now(), series('b').now())})"
    expected = {'{l="less"}': 1, '{l="more"}': 3, '{l="same"}': 5}
    assert failures(promtool, Case("smaller", NO_RULES, held, ((smaller, "0m", expected),))) == {}


def test_a_label_is_set_to_any_text(promtool: Path) -> None:
    """Whatever it was, and though replacements read dollars."""
    labelled = str(promql.labelled(series("a").now(), "l", 'US$1 "x" \\ $$'))
    expected = {'a{l="US$1 \\"x\\" \\\\ $$"}': 1}
    assert failures(promtool, Case("label", NO_RULES, {'a{l="b"}': "1"}, ((labelled, "0m", expected),))) == {}


# ---- Moments -----------------------------------------------------------------------------------------------------


def test_what_is_asked_for_the_end_of_a_graph_is_of_any_point_that_is_drawn() -> None:
    """promtool asks for one moment, which is its own end: tests/dashboard/test_sums.py draws graphs."""
    ending = promql_moments.at_end("sum", series("a", eq("l", "x")), HOUR, HOUR)
    assert str(ending) == 'sum_over_time(a{l="x"}[1h] @ end() offset 1h)'
    assert str(both(series("a").now(), promql_moments.is_end(), on=())) == (
        "a and on () (vector(time()) == max_over_time(vector(time())[1s:1s] @ end()))"
    )


def test_one_moment_is_its_own_end(promtool: Path) -> None:
    ending = both(series("a").now(), promql_moments.is_end(), on=())
    assert failures(promtool, Case("end", NO_RULES, {"a": "1x10"}, ((str(ending), "3m", {"a": 1}),))) == {}


# ---- Reading ---------------------------------------------------------------------------------------------------------


def test_metrics_are_found_wherever_they_stand() -> None:
    text = 'sum by (a) (b{c="d"} * on (e) group_left (f) max_over_time((g - h)[1h:5m])) or vector(time()) unless k'
    assert promql_reading.metrics_of(f"{text} offset 5m") == {"b", "g", "h", "k"}
    assert promql_reading.metrics_of("vector(1)") == set()


def test_what_is_no_promql_is_told() -> None:
    assert promql_reading.problem_in("sum(a)") == ""
    assert promql_reading.problem_in("sum(a") != ""
    with pytest.raises(ValueError, match=r"\S"):
        layout("sum(1)")


def test_a_comment_stands_above_an_expression_and_changes_nothing() -> None:
    assert commented("Why.", "sum(a)") == "# Why.\nsum(a)"
    assert commented("", "sum(a)") == "sum(a)"
    assert promql_parser.parse(commented("Why.", "sum(a)")).prettify() == "sum(a)"


@pytest.mark.parametrize(
    ("patterns", "matcher"),
    [
        (["a"], 'x="a"'),
        (["b", "a", "b"], 'x=~"a|b"'),
        (["a*"], 'x=~"a.*"'),
        (["*.b", "a|b"], 'x=~".*\\\\.b|a\\\\|b"'),
        (["*"], 'x=~".+"'),
        (["a*b*"], 'x=~"a.*b.*"'),
    ],
)
def test_a_star_stands_for_any_text(patterns: list[str], matcher: str) -> None:
    assert str(promql.globs("x", patterns)) == matcher
