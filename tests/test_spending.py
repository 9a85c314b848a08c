"""What is spent of a budget up to a step and within a window. Every amount is a power of ten: a sum tells its parts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from spec_builders import spec_of

from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Cell
from tollbook.gen.spending import Spending

SPEC = spec_of(
    """
    budgets:
      - {name: all, usd: 5, period: day}
      - {name: gpt, usd: 5, period: 24h, match: {model: gpt}}
    """
)
CELLS = {model: Cell("ai/gw", "openai", model, "output", ()) for model in ("gpt", "other")}

#: As climbs of several counters give it: not in the order of steps, and several in one.
SPENT = ((7, "gpt", 1), (2, "gpt", 10), (4, "other", 100), (7, "other", 1000), (2, "gpt", 10_000))
SPENDING = Spending(SPEC, tuple((step, CELLS[model], Decimal(usd)) for step, model, usd in SPENT))


@pytest.mark.parametrize(
    ("now", "of_all", "of_gpt"),
    [
        (1, 0, 0),
        (2, 10_010, 10_010),
        (3, 10_010, 10_010),
        (4, 10_110, 10_010),
        (7, 11_111, 10_011),
        (99, 11_111, 10_011),
    ],
)
def test_to_date_holds_all_up_to_the_step(now: int, of_all: int, of_gpt: int) -> None:
    assert [SPENDING.to_date(budget, now) for budget in SPEC.budgets] == [of_all, of_gpt]


@pytest.mark.parametrize(
    ("window", "now", "of_all", "of_gpt"),
    [
        ("1m", 7, 1001, 1),
        ("1m", 8, 0, 0),
        ("3m", 4, 10_110, 10_010),
        ("3m", 5, 100, 0),
        ("4m", 7, 1101, 1),
        ("6m", 7, 11_111, 10_011),
        ("1h", 7, 11_111, 10_011),
    ],
)
def test_a_window_holds_as_many_steps_as_it_is_long(window: str, now: int, of_all: int, of_gpt: int) -> None:
    length = Duration.parse(window)
    assert [SPENDING.within(budget, length, now) for budget in SPEC.budgets] == [of_all, of_gpt]
