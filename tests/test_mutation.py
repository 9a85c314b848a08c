"""The operators that damage rules, and on a sample of all damages that the generated tests catch them."""

from __future__ import annotations

from pathlib import Path

import mutation
import mutation_reasons
import pytest
from mutants import damages, mutants_of

from tollbook.gen.load import load

#: A fixed sample that takes about a minute; `make mutation` tries all.
EVERY = 13

#: What the spec says (prices, days, budgets and their thresholds), and the figures and alerts that a window makes of
#: the ledger: their tests are that good. How the ledger books, remembers and outlives restarts is the engine's, and has
#: tests of its own (tests/test_hazards.py, tests/test_ledger.py). Of the other families `make mutation` still lists
#: damages that no test catches: a family is added here when it lists none.
PROVEN = (
    "^agentgateway:(price_usd_per_mtok$|calendar:now|input_tokens:by_gateway|output_tokens:by_gateway"
    "|cost_usd:(by_gateway|total_(daily|weekly|monthly))|budget_usd:limit)"
    "|^LLM(BudgetThreshold|TokensUnpriced|PricesNotRecorded|CostRules)"
)


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


# ---- The generated tests ---------------------------------------------------------------------------------------------


def test_the_generated_tests_catch_a_sample_of_all_damages(promtools: list[tuple[str, Path]]) -> None:
    _, promtool = promtools[-1]
    plan = mutation.plan_of(load(mutation.REFERENCE, "spec.yaml").spec, EVERY, PROVEN)
    assert len(plan.damages) > 25
    result = mutation.tried(promtool, plan, say=lambda _: None)
    assert result.unexplained == [], "\n".join(mutation.report(result))


def test_every_reason_fits_a_damage() -> None:
    """Whether the tests do not notice it `make mutation` shows: it names what is excused and noticed all the same."""
    plan = mutation.plan_of(load(mutation.REFERENCE, "spec.yaml").spec)
    fitting = {mutation_reasons.entry_for(damage.mutant) for damage in plan.damages}
    assert [entry for entry in mutation_reasons.ACCEPTED if entry not in fitting] == []
