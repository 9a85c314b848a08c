"""That an answer which breaks a panel's promise is noticed: a proof that cannot fail proves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from panel_promises import faults

from demo.grafana_requests import Answer, Asked, asked

Json = dict[str, Any]

STAT: Json = {"title": "Cost", "type": "stat", "description": "", "fieldConfig": {"defaults": {"unit": "currencyUSD"}}}
TABLE: Json = {
    "title": "Who",
    "type": "table",
    "description": "Empty is good.",
    "fieldConfig": {"defaults": {}},
    "transformations": [{"id": "organize", "options": {"renameByName": {"team": "Team", "Value": "USD"}}}],
}


def request(legend: str = "") -> Asked:
    return Asked("Cost", "up", legend, 0, 60, None)


def answer(value: str = "1", **labels: str) -> Answer:
    return Answer([{"metric": labels, "value": [0, value]}], [], 1)


@pytest.mark.parametrize(
    ("panel", "legend", "found", "told"),
    [
        (STAT, "", answer(), []),
        (STAT, "", Answer([], [], 0), ["no answer to up"]),
        (TABLE, "", Answer([], [], 0), []),
        (STAT, "", Answer([], ["bad_data: parse error"], 0), ["bad_data: parse error", "no answer to up"]),
        (STAT, "{{team}}: {{model}}", answer(team="red"), ["lacks the label model"]),
        (TABLE, "", answer(model="gpt"), ["lacks the label team"]),
        (STAT, "", answer("NaN"), ["nan is not between -10000 and 10000: up"]),
        (STAT, "", answer("1e9"), ["1000000000.0 is not between -10000 and 10000: up"]),
    ],
)
def test_a_broken_promise_is_told(panel: Json, legend: str, found: Answer, told: list[str]) -> None:
    assert list(faults(panel, request(legend), found)) == told


@pytest.mark.parametrize(
    ("more", "seconds", "step"),
    [
        # Half of 1800 pixels: an hour needs 4 s, and the data source is scraped every 15 s.
        ({}, 3600, 15),
        ({}, 30 * 86_400, 3600),
        ({"maxDataPoints": 28}, 86_400, 3600),
        ({"interval": "1m"}, 3600, 60),
    ],
)
def test_points_lie_as_far_apart_as_grafana_puts_them(more: Json, seconds: int, step: int) -> None:
    panel = {**STAT, "gridPos": {"w": 12}, **more}
    sent = asked(panel, {"expr": "x[$__interval] + y[$__rate_interval]"}, seconds, 1_000_000, {})
    assert sent.step == step
    assert (sent.start % step, sent.end % step) == (0, 0)


def test_a_variable_that_nothing_fills_in_is_told() -> None:
    panel = {**STAT, "gridPos": {"w": 12}}
    with pytest.raises(ValueError, match=r"Cost: nothing fills in \['team'\]"):
        asked(panel, {"expr": 'x{team="$team"}'}, 3600, 0, {})
