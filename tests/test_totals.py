"""The figures of gateways and of the whole fleet under the article's names: sums over windows of exact length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway_series import booked, up
from promtool_cases import NOTHING, Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.rules import totals

SPEND = "agentgateway:gateway_cost_usd:increase1m"
LEDGER, HOUR = "agentgateway:cost_usd:increase1m", "agentgateway:cost_usd:increase1h"
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


def used(gateway: str, token_type: str, model: str = "gpt", **labels: str) -> str:
    own = {"gen_ai_system": "openai", "model": model, "gen_ai_token_type": token_type}
    return of("agentgateway:tokens:increase1m", gateway, **own, **labels)


def every_hour(case: Case) -> Case:
    """One record an hour instead of a minute: a month of minutes takes minutes."""
    return replace(case, scraped_every="1h", evaluated_every="1h")


def told(at: str, figure: str, gateways: dict[str, int]) -> list[tuple[str, str, dict[str, int]]]:
    """Of each gateway, and their sum, which bears no label."""
    by_gateway = {of(BY_GATEWAY[figure], gateway): value for gateway, value in gateways.items()}
    return [(BY_GATEWAY[figure], at, by_gateway), (figure, at, {figure: sum(gateways.values())})]


# ---- Recent figures --------------------------------------------------------------------------------------------------


def test_an_hour_of_the_ledger_keeps_every_cell_apart(promtool: Path) -> None:
    def cell(record: str, token_type: str) -> str:
        return of(record, "ai/one", gen_ai_system="openai", model="gpt", gen_ai_token_type=token_type)

    series = {cell(LEDGER, "input"): "_ 1 2 0x99", cell(LEDGER, "output"): "_ 16x99"}
    hours = {"1m": (1, 16), "2m": (3, 32), "60m": (3, 960), "61m": (2, 960), "62m": (0, 960)}
    samples = tuple(
        (HOUR, at, {cell(HOUR, "input"): first, cell(HOUR, "output"): second}) for at, (first, second) in hours.items()
    )
    assert failures(promtool, Case("hour", total_rules(), series, samples, scraped_every="1m")) == {}


def test_recent_figures_hold_their_window_and_not_a_step_more(promtool: Path) -> None:
    """Cached tokens are prompt tokens too. Tokens are of five minutes, dollars of an hour."""
    series = {
        used("ai/one", "input"): "_ 1 0x99",
        used("ai/one", "input_cache_read"): "_ 10 0x99",
        used("ai/one", "input_cache_write", model="mini"): "_ 100 0x99",
        used("ai/one", "output"): "_ 1000 0x99",
        used("ai/one", "output", model="mini"): "_ 5000 0x99",
        used("ai/two", "input"): "_ 20000 0x99",
        used("ai/two", "output"): "_ 300000 0x99",
        of(SPEND, "ai/one"): "_ 5 0x99",
        of(SPEND, "ai/two"): "_ 7 0x99",
    }
    none = {"ai/one": 0, "ai/two": 0}
    samples = [
        sample
        for at in ("1m", "5m")
        for sample in (
            *told(at, INPUT, {"ai/one": 111, "ai/two": 20_000}),
            *told(at, OUTPUT, {"ai/one": 6_000, "ai/two": 300_000}),
        )
    ]
    samples += [*told("6m", INPUT, none), *told("6m", OUTPUT, none)]
    samples += [*told("60m", HOURLY, {"ai/one": 5, "ai/two": 7}), *told("61m", HOURLY, none)]
    assert failures(promtool, Case("recent", total_rules(), series, tuple(samples), scraped_every="1m")) == {}


def test_an_idle_gateway_is_not_a_missing_one(promtool: Path) -> None:
    """It used nothing, or cannot be scraped; what no target is known of has no figure."""
    series = {
        used("ai/one", "output"): "_ 1000 0x99",
        up("one-1", gateway="ai/one"): "1x99",
        up("idle-1", gateway="ai/idle"): "1x99",
        up("idle-2", gateway="ai/idle"): "0x99",
        up("down-1", gateway="ai/down"): "0x99",
    }
    samples = (
        *told("3m", INPUT, {"ai/one": 0, "ai/idle": 0, "ai/down": 0}),
        *told("3m", OUTPUT, {"ai/one": 1000, "ai/idle": 0, "ai/down": 0}),
    )
    assert failures(promtool, Case("idle", total_rules(), series, samples, scraped_every="1m")) == {}


def test_in_somebody_else_s_job_a_gateway_is_watched_where_its_usage_was_seen(promtool: Path) -> None:
    spec = "gateways: [{name: gw, namespace: ai, monitor: none, job: proxies}]"
    series = {
        up("gw-1", job="proxies"): "1x99",
        booked("ai/gw", "gw-1:15020"): "7x99",
        up("web", job="proxies"): "1x99",
    }
    samples = told("3m", OUTPUT, {"ai/gw": 0})
    assert failures(promtool, Case("foreign", total_rules(spec), series, tuple(samples), scraped_every="1m")) == {}


# ---- Rolling windows -------------------------------------------------------------------------------------------------


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
    """Three minutes of each."""
    clusters = (("eu", 1), ("us", 100))
    series = {of(SPEND, "ai/one", cluster=cluster): f"_ {usd}x10" for cluster, usd in clusters}
    series |= {used("ai/one", "input", cluster=cluster): f"_ {usd}x10" for cluster, usd in clusters}
    series |= {used("ai/one", "output", cluster=cluster): f"_ {usd}x10" for cluster, usd in clusters}
    case = Case(
        "clusters",
        total_rules("prometheus: {keep_labels: [cluster]}"),
        series,
        tuple(
            (total, "3m", {f'{total}{{cluster="{cluster}"}}': 3 * usd for cluster, usd in clusters})
            for total in (*BY_GATEWAY, *ROLLING)
        ),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_a_fleet_that_nobody_watches_has_no_figures(promtool: Path) -> None:
    samples = tuple((total, "3m", NOTHING) for total in (*BY_GATEWAY, *ROLLING))
    assert failures(promtool, Case("nothing", total_rules(), {}, samples)) == {}
