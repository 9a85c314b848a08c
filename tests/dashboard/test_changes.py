"""What changed against the day, week and month before: by a promtool whose clock runs for months, over figures that are
worked out by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tollbook import dashboards
from tollbook.gen import names
from tollbook.gen.spec import Spec

Json = dict[str, Any]

#: The gateway's first months, on promtool's clock, and the dollars that are spent in each hour of them.
MONTHS = ((1, 31, 1), (2, 28, 2), (3, 31, 3), (4, 30, 6))
HOURS = 24 * sum(days for _, days, _ in MONTHS)
OWN = '{gateway="edge/east",gen_ai_system="anthropic",model="claude-3-5-haiku",team="platform",cluster="prod"}'


def recorded() -> Iterator[Json]:
    """By the hour: dollars to date of each month and day, and the calendar that says which month it is."""
    before = 0
    month_to_date: list[int] = []
    day_to_date: list[int] = []
    for month, days, each in MONTHS:
        after = HOURS - before - 24 * days
        gaps = f"_x{before} 1x{24 * days - 1} _x{after}".replace("_x0", "")
        calendar = f'{{month="{month}"}}'
        yield {"series": names.CALENDAR + calendar, "values": gaps.strip()}
        month_to_date += [each * hour for hour in range(24 * days)]
        day_to_date += [each * (hour % 24) for hour in range(24 * days)]
        before += 24 * days
    for record, values in ((names.MONTH_TO_DATE, month_to_date), (names.DAY_TO_DATE, day_to_date)):
        yield {"series": record + OWN, "values": " ".join(map(str, values))}
    # A week to date that grows by the same each week but for the second, which is half as dear again.
    weeks = [3 * hour if week == 1 else 2 * hour for week in range(HOURS // 168) for hour in range(168)]
    yield {"series": names.WEEK_TO_DATE + OWN, "values": " ".join(map(str, weeks))}


def at(month: int, day: int, hour: int) -> str:
    days = sum(length for number, length, _ in MONTHS if number < month) + day - 1
    return f"{24 * days + hour}h"


#: Panel, when, and the change, in percent; None: there is nothing to compare with.
CHANGES = [
    ("Today against yesterday", at(1, 5, 10), 0),  # ten dollars each
    ("Today against yesterday", at(2, 1, 10), 100),  # at two dollars an hour, on the first day of it
    ("Today against yesterday", at(1, 1, 10), None),
    ("This week against last", "178h", 50),  # ten hours into the second week: 30 dollars against 20
    ("This week against last", "346h", -100 / 3),  # ten hours into the third
    ("This week against last", "10h", None),
    ("This month against last", at(2, 10, 12), 100),  # 228 hours of February at two dollars, of January at one
    ("This month against last", at(3, 15, 5), 50),  # February has 28 days
    ("This month against last", at(3, 28, 23), 50),
    ("This month against last", at(3, 29, 1), None),  # and no 29th
    ("This month against last", at(3, 31, 12), None),
    ("This month against last", at(4, 1, 3), 100),  # the first hours of April against those of March
    ("This month against last", at(4, 30, 23), 100),
    ("This month against last", at(1, 20, 0), None),
]


def priced() -> Iterator[Json]:
    """Two prices of one model, of which one changes after a hundred hours; two specs state each."""
    for spec in ("monitoring/one", "monitoring/other"):
        for token_type, values in (("input", "0.8x99 1x20"), ("output", "4x119")):
            labels = f'spec="{spec}",gen_ai_system="anthropic",model="claude-3-5-haiku"'
            yield {"series": f'{names.PRICE}{{{labels},gen_ai_token_type="{token_type}"}}', "values": values}


def test_a_new_price_is_marked_for_three_hours_with_its_model(
    two_gateways: Spec, sent: Callable[..., str], promtool: Path, tmp_path: Path
) -> None:
    (marked,) = dashboards.build(two_gateways)["annotations"]["list"]
    expr = sent(marked["expr"], "1d")
    one_price = [{"labels": '{gen_ai_system="anthropic",model="claude-3-5-haiku"}', "value": 1}]
    expected = [
        {"expr": expr, "eval_time": moment, "exp_samples": found}
        for moment, found in (("99h", []), ("100h", one_price), ("102h", one_price), ("103h", []))
    ]
    proven(promtool, tmp_path, {"interval": "1h", "input_series": list(priced()), "promql_expr_test": expected})


def asked(panels: dict[str, Json], sent: Callable[..., str]) -> Iterator[Json]:
    for title, moment, percent in CHANGES:
        query = sent(panels[title]["targets"][0]["expr"], "1d")
        expected = [] if percent is None else [{"labels": "{}", "value": round(percent)}]
        yield {"expr": f"round(100 * {query})", "eval_time": moment, "exp_samples": expected}


def test_changes_compare_the_same_stretch_of_the_period_before(
    panels: dict[str, Json], sent: Callable[..., str], promtool: Path, tmp_path: Path
) -> None:
    case = {"interval": "1h", "input_series": list(recorded()), "promql_expr_test": list(asked(panels, sent))}
    proven(promtool, tmp_path, case)


def proven(promtool: Path, tmp_path: Path, case: Json) -> None:
    unit_tests = {"rule_files": [], "evaluation_interval": "1h", "tests": [case]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(unit_tests))
    command: list[str | Path] = [promtool, "test", "rules", tmp_path / "tests.yaml"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
