"""The operators that damage rules, and how it is found out whether a test notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mutation
import mutation_reasons
import pytest
from mutants import damages, mutants_of
from promtool_cases import RECORD, Case, as_test_file, failures, unmet, yaml_of

from tollbook.gen.load import load


def damaged(expr: str) -> list[str]:
    return [expr[:start] + text + expr[end:] for _, start, end, text in damages(expr, "x")]


# ---- The damages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("vector(2.50)", ["vector(2.60)"]),
        ("vector(1000000)", ["vector(2000000)"]),
        ("vector(0)", ["vector(1)"]),
        ("vector(1767205800)", ["vector(1767205800 - 1)", "vector(1767205800 + 1)"]),
        ("-x", ["x", "-x_x"]),
        ("x - y", ["x_x - y", "x + y", "x - y_x"]),
        ("x >= 0", ["x_x >= 0", "x > 0", "x < 0", "x >= 1"]),
        ("x or y", ["x_x or y", "x and y", "x unless y", "x or y_x"]),
        ("sum by (a, b) (x)", ["max by (a, b) (x)", "sum by (b) (x)", "sum by (a) (x)", "sum by (a, b) (x_x)"]),
        ("x * on () group_left (m) y", [
            "x_x * on () group_left (m) y", "x / on () group_left (m) y", "x * on () group_left () y",
            "x * on () group_left (m) y_x",
        ]),
        ("x[1h] offset 30s", ["x_x[1h] offset 30s", "x[2h] offset 30s", "x[30m] offset 30s", "x[1h] offset 1m",
                              "x[1h] offset 15s"]),
        ("x[1ms]", ["x_x[1ms]", "x[5m]"]),
        ('x{a="b"}', ['x_x{a="b"}', 'x{a!="b"}', 'x{a="bx"}']),
        ('x{a=~"b|c"}', ['x_x{a=~"b|c"}', 'x{a!~"b|c"}', 'x{a=~"c"}', 'x{a=~"b"}']),
        ('x{t="input"}', ['x_x{t="input"}', 'x{t!="input"}', 'x{t="output"}']),
        ('count_values("day", x)', ['count_values("dayx", x)', 'count_values("day", x_x)']),
    ],
)  # fmt: skip
def test_each_fact_of_an_expression_is_damaged_once(expr: str, expected: list[str]) -> None:
    assert damaged(expr) == expected


def test_labels_and_for_are_damaged() -> None:
    rule = {"alert": "A", "expr": "up", "for": "10m", "labels": {"severity": "info", "t": "input"}, "annotations": {}}
    found = [(mutant.kind, mutant.change, mutant.data) for mutant in mutants_of(rule)]
    assert found[1:] == [
        ("severity", 'severity="info" -> "infox"', {**rule, "labels": {"severity": "infox", "t": "input"}}),
        ("token type", 't="input" -> "output"', {**rule, "labels": {"severity": "info", "t": "output"}}),
        ("for", "10m -> 20m", {**rule, "for": "20m"}),
        ("for", "10m -> 5m", {**rule, "for": "5m"}),
        ("for", "10m -> 0s", {**rule, "for": "0s"}),
    ]
    assert [mutant.rule for mutant in mutants_of(rule)] == ["A{severity=info,t=input}"] * 6
    at_once = {"alert": "A", "expr": "1"}
    assert [mutant.data for mutant in mutants_of(at_once)][1:] == [{**at_once, "for": "1m"}]


def test_what_an_alert_says_is_damaged_word_by_word() -> None:
    texts = {
        "summary": "Too much.",
        "description": 'Gateway {{ $labels.gateway }}: {{ $value | printf "%.2f" }} USD. By whom:'
        '{{ range query "topk(3, x{a=\\"b\\"})" }} {{ with .Labels.team }}, team {{ . }}{{ end }}{{ end }}',
        "runbook_url": "https://example.org",
    }
    rule = {"alert": "A", "expr": "1", "annotations": texts}
    found = [mutant for mutant in mutants_of(rule) if mutant.kind not in ("constant", "for")]
    assert [mutant.change.partition("[[")[2].partition("]]")[0] for mutant in found if "query" not in mutant.kind] == [
        *("Too -> Toox", "Gateway -> Gatewayx", "gateway -> gateway_x", "2 -> 3", "USD -> USDx"),
        *("team -> team_x", "team -> teamx"),
    ]
    of_query = [mutant.data["annotations"]["description"] for mutant in found if "query" in mutant.kind]
    assert [text.partition('range query "')[2].partition('" }}')[0] for text in of_query] == [
        r"bottomk(3, x{a=\"b\"})",
        r"topk(4, x{a=\"b\"})",
        r"topk(3, x_x{a=\"b\"})",
        r"topk(3, x{a!=\"b\"})",
        r"topk(3, x{a=\"bx\"})",
    ]
    assert all(mutant.data["annotations"]["runbook_url"] == texts["runbook_url"] for mutant in found)


# ---- Whether a test notices ------------------------------------------------------------------------------------------

GOOD_RULES: list[dict[str, Any]] = [
    {"record": "half", "expr": "x / 2"},
    {
        "alert": "Low",
        "expr": "half < 3",
        "for": "5m",
        "labels": {"severity": "info"},
        "annotations": {"summary": "Low: {{ $value }}."},
    },
    {"record": "other", "expr": "y * 2"},
]
TOLD = {"severity": "info", "annotation:summary": "Low: 2."}
LOW = Case(
    "low",
    yaml_of({"groups": [{"name": "tollbook.evaluation", "rules": GOOD_RULES}]}),
    {"x": "6x9 4x10", "y": "1x20"},
    alerts=(("Low", "9m", ()), ("Low", "14m", ()), ("Low", "15m", (TOLD,))),
    scraped_every="1m",
)


def unnoticed(promtool: Path, *cases: Case) -> tuple[list[str], list[str]]:
    """What survives, and what is said of cases that are left out."""
    trials = mutation.Trials()
    for case in cases:
        trials.add(case.name, case.rules, as_test_file(case, ""))
    said: list[str] = []
    result = mutation.Jury(promtool, trials.found, said.append).try_all(mutation.damages_of(trials.found))
    return [str(damage.shown) for damage in result.unexplained], [text for text in said if "left out" in text]


@pytest.fixture
def newest(promtools: list[tuple[str, Path]]) -> Path:
    return promtools[-1][1]


OTHER = ["other{}: metric: ...[[y -> y_x]] * 2...", "other{}: operator: ...y [[* -> /]] 2...",
         "other{}: constant: ...y * [[2 -> 3]]..."]  # fmt: skip


def test_what_no_case_asks_for_survives(newest: Path) -> None:
    assert unnoticed(newest, LOW) == (OTHER, [])
    asked = replace(LOW, name="other", samples=(("other", "1m", {"other": 2}),))
    assert unnoticed(newest, LOW, asked) == ([], [])


def test_a_planted_survivor_is_seen(newest: Path) -> None:
    """The last minute of silence is not asked for, nor a value at the bar."""
    survivors, _ = unnoticed(newest, replace(LOW, alerts=(LOW.alerts[0], LOW.alerts[2])))
    assert set(survivors) - set(OTHER) == {"Low{severity=info}: for: 5m -> 2m30s", "Low{severity=info}: for: 5m -> 0s"}


def test_a_case_that_fails_anyhow_proves_nothing(newest: Path) -> None:
    survivors, said = unnoticed(newest, replace(LOW, name="wrong", samples=(("half", "1m", {"half": 7}),)))
    assert len(survivors) == 15
    assert said == ["left out, for it fails although nothing is damaged: wrong: wrong"]


def test_families_are_scored_each_and_one_that_is_too_low_fails(newest: Path) -> None:
    trials = mutation.Trials()
    trials.add(LOW.name, LOW.rules, as_test_file(LOW, ""))
    result = mutation.Jury(newest, trials.found, lambda _: None).try_all(mutation.damages_of(trials.found))
    assert list(mutation.report(result))[-1] == "evaluation          12 of 15 (80%)"
    assert not mutation.is_good(result)


def test_cases_are_written_down_instead_of_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: Path) -> None:
    monkeypatch.setenv(RECORD, str(tmp_path))
    wrong = replace(LOW, name="wrong", samples=(("half", "1m", {"half": 7}),))
    assert failures(newest, LOW, LOW, wrong) == {}
    assert unmet(newest, replace(wrong, name="never asked")) == {"never asked"}
    trials = mutation.Trials()
    mutation.of_folder(tmp_path, trials)
    assert sorted(trial.name for trial in trials.found) == ["test_mutation.py: low", "test_mutation.py: wrong"]
    assert len({id(trial.file) for trial in trials.found}) == 1


# ---- The rules there are ---------------------------------------------------------------------------------------------


def test_the_tests_of_a_family_notice_a_sample_of_its_damages(newest: Path) -> None:
    trials = mutation.Trials()
    mutation.of_tests([Path(__file__).with_name("test_evaluation.py")], trials)
    damages = mutation.damages_of(trials.found, ["evaluation"])[::4]
    assert len(damages) > 8
    result = mutation.Jury(newest, trials.found, lambda _: None).try_all(damages)
    assert result.unexplained == [], "\n".join(mutation.report(result))


def test_a_laid_out_expression_is_read_back_as_it_was() -> None:
    laid_out = '# why\nsum by (a) (\n    x{a="( b  # c"}\n  -\n    y\n)'
    assert mutation.one_line(laid_out) == 'sum by (a) (x{a="( b  # c"} - y)'


def test_every_reason_fits_a_damage() -> None:
    """Whether the tests do not notice it `make mutation` shows: it names what is excused and noticed all the same."""
    trials = mutation.Trials()
    mutation.of_spec(load(mutation.REFERENCE, "spec.yaml").spec, trials)
    mutants = (mutant for damage in mutation.damages_of(trials.found) for mutant, _ in damage.mutants)
    fitting = {mutation_reasons.entry_for(mutant) for mutant in mutants}
    assert [entry for entry in mutation_reasons.ACCEPTED if entry not in fitting] == []
