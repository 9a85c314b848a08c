"""Durations are read as Prometheus reads them, and written in one way that every Prometheus reads back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from promtool_cases import Case, failures, rule_file_of

from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording
from tollbook.gen.promql import over_time, series

TEN_YEARS = 10 * 365 * 86_400_000


@pytest.mark.parametrize(
    ("text", "milliseconds", "written"),
    [
        ("1ms", 1, "1ms"),
        ("1000ms", 1_000, "1s"),
        ("30s", 30_000, "30s"),
        ("90s", 90_000, "1m30s"),
        ("1m", 60_000, "1m"),
        ("60m", 3_600_000, "1h"),
        ("1h30m", 5_400_000, "1h30m"),
        ("24h", 86_400_000, "1d"),
        ("35d", 35 * 86_400_000, "35d"),
        ("1w", 7 * 86_400_000, "7d"),
        ("1y", 365 * 86_400_000, "365d"),
        ("1y2w3d4h5m6s7ms", (365 + 14 + 3) * 86_400_000 + 4 * 3_600_000 + 5 * 60_000 + 6_007, "382d4h5m6s7ms"),
        ("0s", 0, "0s"),
        ("007m", 420_000, "7m"),
    ],
)
def test_a_duration_is_read_and_written_the_short_way(text: str, milliseconds: int, written: str) -> None:
    assert Duration.parse(text).milliseconds == milliseconds
    assert str(Duration.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1", "m", "1.5h", "-1m", "+1m", "1 m", "1m ", "1m\n", "1M", "1min", "1m1h", "1m1m", "1h-1m", "1e3s"),
        *("1us", "\N{ARABIC-INDIC DIGIT THREE}m"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a duration: "):
        Duration.parse(text)


@given(st.integers(0, TEN_YEARS))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert Duration.parse(str(Duration(milliseconds))) == Duration(milliseconds)


@given(st.integers(1, TEN_YEARS))
def test_promql_means_the_same(milliseconds: int) -> None:
    assert promql_parser.parse_duration(str(Duration(milliseconds))) == timedelta(milliseconds=milliseconds)


def test_every_prometheus_looks_back_as_far_as_is_written(promtool: Path) -> None:
    """A sample each half minute: a window short of a millisecond holds one for each half minute that it has."""
    windows = [Duration(halves * 30_000 - 1) for halves in (1, 2, 3, 119, 120, 121, 2879, 2880, 2881, 3001)]
    samples = tuple(
        (str(over_time("count", series("m"), window)), "2d", {"{}": -(-window.milliseconds // 30_000)})
        for window in windows
    )
    rules = rule_file_of([Recording("m:count", over_time("count", series("m"), Duration(1)))])
    case = Case("windows", rules, {"m": "1x6000"}, samples, scraped_every="30s", evaluated_every="1d")
    assert failures(promtool, case) == {}


@pytest.mark.parametrize(("milliseconds", "seconds"), [(0, 0), (999, 0), (1000, 1), (90_500, 90)])
def test_seconds_are_whole(milliseconds: int, seconds: int) -> None:
    assert Duration(milliseconds).seconds == seconds


def test_durations_add_up_and_compare() -> None:
    minute, half = Duration.parse("1m"), Duration.parse("30s")
    assert minute + half == Duration.parse("90s")
    assert minute - half == half
    assert half < minute
    in_order = sorted(map(Duration.parse, ("1d", "23h", "1439m")))
    assert list(map(str, in_order)) == ["23h", "23h59m", "1d"]
