"""Problems print in one form that editors can jump to, in the order of the file, each once."""

from __future__ import annotations

from itertools import permutations

import pytest

from tollbook.gen.errors import (
    FindingsError,
    InputError,
    MissingToolError,
    Place,
    Problem,
    Severity,
    TollbookError,
    in_order,
    tally,
)

HERE, BELOW, ELSEWHERE = Place("spec.yaml", 4, 5), Place("spec.yaml", 12, 1), Place("a.yaml", 99, 1)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            Problem("model 'x': unknown key 'outptu'", HERE, hint="did you mean 'output'?"),
            "spec.yaml:4:5: error: model 'x': unknown key 'outptu' (did you mean 'output'?)",
        ),
        (Problem("it is old", HERE, Severity.WARNING), "spec.yaml:4:5: warning: it is old"),
        (Problem("promtool is not on PATH"), "error: promtool is not on PATH"),
        (Problem("it is nowhere", hint="look again"), "error: it is nowhere (look again)"),
        (Problem("it is empty", Place("spec.yaml")), "spec.yaml:1:1: error: it is empty"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_problems_stand_in_the_order_of_the_file_whatever_order_they_were_found_in() -> None:
    expected = [
        Problem("of no place"),
        Problem("of another file", ELSEWHERE),
        Problem("first", HERE),
        Problem("first", HERE, hint="or so"),
        Problem("second", HERE),
        Problem("first", HERE, Severity.WARNING),
        Problem("on line 12, which is after line 4", BELOW),
    ]
    found = {tuple(in_order(order)) for order in permutations(expected)}
    assert found == {tuple(expected)}


def test_a_problem_that_is_found_twice_is_told_once() -> None:
    assert in_order([Problem("x", HERE), Problem("y", HERE), Problem("x", HERE)]) == [
        Problem("x", HERE),
        Problem("y", HERE),
    ]


def test_an_error_carries_all_its_problems_and_prints_them_in_order() -> None:
    error = TollbookError([Problem("b", BELOW), Problem("a", HERE), Problem("b", BELOW)])
    assert error.problems == [Problem("a", HERE), Problem("b", BELOW)]
    assert str(error) == "spec.yaml:4:5: error: a\nspec.yaml:12:1: error: b"


def test_problems_are_tallied_by_severity_and_file() -> None:
    mild = Problem("c", BELOW, Severity.WARNING)
    assert tally([Problem("a", HERE)]) == "1 problem (1 error) in spec.yaml"
    assert tally([Problem("a", HERE), mild, Problem("b", BELOW)]) == "3 problems (2 errors, 1 warning) in spec.yaml"
    assert tally([mild, Problem("b", Place("other.yaml"))]) == "2 problems (1 error, 1 warning) in 2 files"
    assert [tally([]), tally([Problem("no place")])] == ["", ""]


def test_one_sentence_is_one_problem() -> None:
    error = InputError("no such file")
    assert error.problems == [Problem("no such file")]
    assert str(error) == "error: no such file"


def test_each_kind_of_error_has_its_exit_code() -> None:
    kinds = (FindingsError, InputError, MissingToolError)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3]
    assert all(issubclass(kind, TollbookError) for kind in kinds)
