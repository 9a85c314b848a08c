"""The figures of the whole fleet under the article's names: sums of the gateways, over windows of exact length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from promtool_cases import NOTHING, Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.rules import totals

SPEND = "agentgateway:gateway_cost_usd:increase1m"
HOURLY = "agentgateway:cost_usd:total_hourly"
DAILY, WEEKLY, MONTHLY = (f"agentgateway:cost_usd:total_{word}" for word in ("daily", "weekly", "monthly"))
INPUT, OUTPUT = "agentgateway:input_tokens:total", "agentgateway:output_tokens:total"
BY_GATEWAY = {
    INPUT: "agentgateway:input_tokens:by_gateway",
    OUTPUT: "agentgateway:output_tokens:by_gateway",
    HOURLY: "agentgateway:cost_usd:by_gateway",
}
ROLLING = (DAILY, WEEKLY, MONTHLY)


def total_rules(text: str = "") -> str:
    return rule_file(*totals.build(spec_of(text)))


def of(record: str, gateway: str, **labels: str) -> str:
    return notation(record, gateway=gateway, **labels)


def every_hour(case: Case) -> Case:
    """One record an hour instead of a minute: a month of minutes takes minutes."""
    return replace(case, scraped_every="1h", evaluated_every="1h")


def test_recent_figures_are_the_sums_of_the_gateways_and_bear_no_label(promtool: Path) -> None:
    series = {
        of(record, gateway): f"{value}x10"
        for position, record in enumerate(BY_GATEWAY.values())
        for gateway, value in (("ai/one", 1 + position), ("ai/two", 10 * (1 + position)))
    }
    samples = tuple((total, "3m", {total: 11 * (1 + position)}) for position, total in enumerate(BY_GATEWAY))
    assert failures(promtool, Case("sums", total_rules(), series, samples)) == {}


def test_rolling_windows_hold_what_was_spent_in_them_and_not_a_step_more(promtool: Path) -> None:
    """Five dollars in the first hour, nothing since."""
    samples = []
    for total, hours in ((DAILY, 24), (WEEKLY, 7 * 24), (MONTHLY, 30 * 24)):
        samples += [(total, "1h", {total: 5}), (total, f"{hours}h", {total: 5}), (total, f"{hours + 1}h", {total: 0})]
    case = Case("windows", total_rules(), {of(SPEND, "ai/one"): "_ 5 0x750"}, tuple(samples))
    assert failures(promtool, every_hour(case)) == {}


def test_rolling_windows_are_full_and_stay_so(promtool: Path) -> None:
    """A dollar an hour at one gateway and ten at another."""
    series = {of(SPEND, "ai/one"): "_ 1x800", of(SPEND, "ai/two"): "_ 10x800"}
    hours = {
        "12h": (12, 12, 12),
        "24h": (24, 24, 24),
        "25h": (24, 25, 25),
        "7d": (24, 168, 168),
        "30d": (24, 168, 720),
        "32d": (24, 168, 720),
    }
    samples = tuple(
        (total, at, {total: 11 * held})
        for at, windows in hours.items()
        for total, held in zip(ROLLING, windows, strict=True)
    )
    assert failures(promtool, every_hour(Case("full", total_rules(), series, samples))) == {}


def test_a_gateway_that_is_gone_still_counts_in_the_windows_it_spent_in(promtool: Path) -> None:
    case = Case(
        "gone",
        total_rules(),
        {of(SPEND, "ai/gone"): "_ 5 stale", of(SPEND, "ai/new"): "_ _ _ 2x10"},
        ((DAILY, "3h", {DAILY: 7}), (DAILY, "4h", {DAILY: 9})),
    )
    assert failures(promtool, every_hour(case)) == {}


def test_kept_labels_divide_every_total(promtool: Path) -> None:
    clusters = (("eu", 1), ("us", 100))
    series = {
        of(record, "ai/one", cluster=cluster): f"{usd}x10"
        for record in (*BY_GATEWAY.values(), SPEND)
        for cluster, usd in clusters
    }
    expected = {total: {f'{total}{{cluster="{cluster}"}}': usd for cluster, usd in clusters} for total in BY_GATEWAY}
    expected |= {total: {f'{total}{{cluster="{cluster}"}}': 4 * usd for cluster, usd in clusters} for total in ROLLING}
    case = Case(
        "clusters",
        total_rules("prometheus: {keep_labels: [cluster]}"),
        series,
        tuple((total, "3m", samples) for total, samples in expected.items()),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_a_fleet_that_nobody_watches_has_no_figures(promtool: Path) -> None:
    samples = tuple((total, "3m", NOTHING) for total in (*BY_GATEWAY, *ROLLING))
    assert failures(promtool, Case("nothing", total_rules(), {}, samples)) == {}
