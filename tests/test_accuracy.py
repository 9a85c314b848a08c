"""How wrong the figures are, on simulated fleets whose truth is known: what docs/accuracy.md promises.

The rules are the generated ones, and promtool evaluates them. Every fleet is measured once, with the oldest promtool.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random

import pytest

from bench import billing, measure, rulebook
from bench.editions import Edition, editions, release_labels
from bench.fleets import (
    GATEWAYS,
    JOB,
    LIMITS,
    MIDNIGHT,
    STORIES,
    Fleet,
    Story,
    converted,
    fleet_of,
    killed,
    lost,
    mixed,
    paused,
    repriced,
    restarts,
    stopped,
    upgraded,
    veterans,
)
from bench.measure import Bill, Outcome, usual_ways
from bench.pods import LONG_AGO, NEVER, Pod, Process, Span, Version, Watch, cut_off, forgotten
from bench.replay import replay
from bench.simulation import Cell, Day, simulate
from bench.target import EXPORTED_GATEWAY, SCRAPE_INTERVAL, Counted, Series, Target
from bench.traffic import MODELS, RARE, Request, Usage, usd
from tollbook.gen import names
from tollbook.gen.promtool import Promtool

# What its fixtures prepare takes long: one process runs all tests of this file.
pytestmark = pytest.mark.xdist_group("accuracy")

ROOT = Path(__file__).parent.parent
SEED = 1

#: Of all tokens, and of all dollars. Nothing is above the truth but what adding floats leaves over.
SHORT_BY_AT_MOST = 0.003
DUST = 1e-9

PROVED = (*STORIES, lost, killed)


@cache
def day_of(story: Story) -> Day:
    return simulate(fleet_of(story, SEED), SEED)


@pytest.fixture(scope="module")
def bills(promtools: list[tuple[str, Path]]) -> Iterator[Callable[[Story], Bill]]:
    """Two at a time: promtool uses one processor."""
    oldest = Promtool(promtools[0][1])
    with ThreadPoolExecutor(2) as pool:
        coming = {story: pool.submit(lambda each: measure.bill(oldest, day_of(each)), story) for story in PROVED}
        yield lambda story: coming[story].result()
        pool.shutdown(cancel_futures=True)


def named(story: Story) -> str:
    return story.__name__


# ---- The ledger ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=named)
def test_the_total_is_short_by_little_and_never_too_high(story: Story, bills: Callable[[Story], Bill]) -> None:
    bill = bills(story)
    for outcome in (bill.metered, bill.billable, *([bill.dollars] if story is not repriced else [])):
        assert -SHORT_BY_AT_MOST <= outcome.total <= DUST


@pytest.mark.slow
@pytest.mark.parametrize("story", PROVED, ids=named)
def test_no_counter_is_billed_for_more_than_a_scrape_saw(story: Story, bills: Callable[[Story], Bill]) -> None:
    outcome = bills(story).metered
    assert outcome.counted.keys() <= outcome.truth.keys()
    assert {cell: error for cell, error in outcome.cells.items() if error > DUST} == {}


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=named)
def test_a_model_that_is_used_once_an_hour_is_not_forgotten(story: Story, bills: Callable[[Story], Bill]) -> None:
    assert bills(story).billable.rare_model == pytest.approx(0, abs=0.01)


@pytest.mark.slow
def test_a_target_that_returns_after_more_than_the_gap_is_not_billed_for_the_meantime(
    bills: Callable[[Story], Bill],
) -> None:
    """Two pods of nine for an hour and a half of eight hours: a share of the tokens, and no more than that."""
    share = 2 / 9 * 1.5 / 8
    assert -2 * share < bills(lost).billable.total < -share / 2


@pytest.mark.slow
@pytest.mark.parametrize("prices_last", [False, True], ids=["prices-first", "prices-last"])
def test_a_new_price_holds_from_midnight_give_or_take_a_step_and_a_scrape(
    prices_last: bool, bills: Callable[[Story], Bill], promtools: list[tuple[str, Path]]
) -> None:
    """Nothing is billed at the new price that was used a step and a scrape before midnight, nor at the old one what was
    used a step after it: each cell lies between the bills that these would give."""
    day = day_of(repriced)
    bill = measure.bill(Promtool(promtools[0][1]), day, prices_last=prices_last) if prices_last else bills(repriced)
    moments = (MIDNIGHT - measure.STEP.seconds - SCRAPE_INTERVAL, MIDNIGHT, MIDNIGHT + measure.STEP.seconds)
    possible = [dollars_with_new_prices_from(moment) for moment in moments]
    assert possible[1] == bill.dollars.truth
    for cell, billed in bill.dollars.counted.items():
        bounds = [truth[cell] for truth in possible]
        assert min(bounds) * (1 - SHORT_BY_AT_MOST) <= billed <= max(bounds) * (1 + DUST), cell


def dollars_with_new_prices_from(second: int) -> dict[Cell, float]:
    return measure.dollars(simulate(replace(fleet_of(repriced, SEED), new_rates_from=second), SEED))


@pytest.mark.slow
def test_an_upgrade_neither_bills_cached_tokens_twice_nor_forgets_them(bills: Callable[[Story], Bill]) -> None:
    bill = bills(upgraded)
    assert {cell: error for cell, error in bill.billable.cells.items() if error > DUST or error < -0.01} == {}


@pytest.mark.slow
@pytest.mark.parametrize("story", [restarts, veterans, upgraded], ids=named)
def test_the_newest_promtool_counts_the_same(
    story: Story, bills: Callable[[Story], Bill], promtools: list[tuple[str, Path]]
) -> None:
    if len(promtools) == 1:
        pytest.skip("there is only one promtool")
    newest = measure.bill(Promtool(promtools[-1][1]), day_of(story))
    assert newest.metered.counted == bills(story).metered.counted
    assert newest.dollars.counted == pytest.approx(bills(story).dollars.counted)


@pytest.mark.slow
@pytest.mark.parametrize("story", [restarts, veterans, upgraded], ids=named)
def test_nothing_is_counted_worse_than_by_the_release(
    story: Story, bills: Callable[[Story], Bill], promtools: list[tuple[str, Path]], released: Edition
) -> None:
    before = measure.bill(Promtool(promtools[0][1]), day_of(story), released)
    for now, then in ((bills(story).billable, before.billable), (bills(story).dollars, before.dollars)):
        assert abs(now.total) <= abs(then.total) + DUST
        assert now.truth == then.truth


@pytest.fixture(scope="module")
def released() -> Edition:
    _, *others = editions()
    if not others:
        pytest.skip("the release is not in this clone")
    return others[0]


# ---- The usual ways, which also show that the fleets would catch a ledger that counts wrongly ----------------------


@pytest.fixture(scope="module")
def usual(promtools: list[tuple[str, Path]]) -> dict[str, Outcome]:
    return usual_ways(Promtool(promtools[0][1]), day_of(restarts))


@pytest.mark.slow
@pytest.mark.parametrize("way", [measure.ONE_WINDOW, measure.FIVE_MINUTES, measure.ONE_MINUTE])
def test_increase_forgets_what_series_are_born_with(way: str, usual: dict[str, Outcome]) -> None:
    assert usual[way].total < -0.01
    assert usual[way].rare_model < -0.3


@pytest.mark.slow
def test_counting_births_blindly_bills_the_time_before_monitoring(usual: dict[str, Outcome]) -> None:
    assert usual[measure.DIFFERENCES].total > 1


# ---- The truth -------------------------------------------------------------------------------------------------

HAIKU = MODELS[0]
INPUT = Counted(HAIKU, names.INPUT)
ALWAYS = Span(LONG_AGO, NEVER)


def pod(*processes: Process, discovered: int = 0, gateway: str = "agentgateway3") -> Pod:
    """Scraped at every half and whole minute; its gateway tells no cached tokens."""
    watches = (Watch(Span(discovered, NEVER), phase=0),)
    return Pod(gateway, GATEWAYS[gateway], "v0.0.0", "pod", "10.0.0.1:15020", watches, processes)


def lived(pod: Pod, *requests: tuple[int, int], outages: tuple[Span, ...] = ()) -> Target:
    """Second and tokens of each request."""
    target = Target(pod, Fleet("test", outages=outages), Random(SEED))
    target.run([Request(second, HAIKU, Usage(tokens, 1)) for second, tokens in requests])
    return target


def samples(target: Target, seconds: int, metric: str = names.TOKEN_USAGE_SUM) -> dict[int, int | Decimal | None]:
    """Second -> value of the counter of Haiku's input tokens up to there, None where it was marked as ended."""
    [found] = [
        series
        for series in target.series()
        if series.metric == metric
        and series.labels.get(names.PROVIDER, HAIKU.provider) == HAIKU.provider
        and series.labels.get(names.TOKEN_TYPE, names.INPUT) == names.INPUT
    ]
    return {slot * 5: value for slot, value in found.samples.items() if slot * 5 <= seconds}


def test_a_series_is_born_with_the_first_request() -> None:
    target = lived(pod(Process(Span(0, NEVER))), (40, 700), (70, 50))
    assert samples(target, 120) == {60: 700, 90: 750, 120: 750}
    assert target.metered.used[INPUT] == target.metered.observable[INPUT] == 750


def test_a_restart_ends_a_series_until_the_next_request() -> None:
    target = lived(pod(Process(Span(0, 65)), Process(Span(70, NEVER))), (10, 700), (62, 50), (125, 8))
    assert samples(target, 150) == {30: 700, 60: 700, 90: None, 150: 8}
    assert (target.metered.used[INPUT], target.metered.observable[INPUT]) == (758, 708)


def test_tokens_from_before_monitoring_are_not_part_of_the_truth() -> None:
    target = lived(pod(Process(ALWAYS, age_hours=100), discovered=60), (10, 5), (70, 700))
    before = 100 * HAIKU.requests_per_hour * HAIKU.typical_input + 5
    assert samples(target, 90) == {60: before, 90: before + 700}
    assert target.metered.used[INPUT] == target.metered.observable[INPUT] == 700


def test_an_unreachable_target_goes_on_counting() -> None:
    target = lived(cut_off(pod(Process(Span(0, NEVER))), [Span(40, 100)]), (10, 700), (50, 50))
    assert samples(target, 120) == {30: 700, 60: None, 120: 750}
    assert samples(target, 120, names.UP) == {0: 1, 30: 1, 60: 0, 90: 0, 120: 1}
    assert target.metered.observable[INPUT] == 750


def test_a_target_that_is_dropped_ends_with_all_its_series() -> None:
    target = lived(forgotten(pod(Process(Span(0, NEVER))), Span(40, 100)), (10, 700), (50, 50))
    assert samples(target, 120) == {30: 700, 40: None, 120: 750}
    assert samples(target, 120, names.UP) == {0: 1, 30: 1, 40: None, 120: 1}


def test_an_outage_leaves_no_mark() -> None:
    processes = Process(Span(0, 65)), Process(Span(70, NEVER))
    target = lived(pod(*processes), (10, 700), (50, 50), (130, 8), outages=(Span(40, 100),))
    assert samples(target, 150) == {30: 700, 150: 8}
    assert (target.metered.used[INPUT], target.metered.observable[INPUT]) == (758, 708)


def test_what_input_means_depends_on_the_pods_version_and_what_is_billed_does_not() -> None:
    def tokens(version: Version) -> tuple[list[int], list[int]]:
        server = replace(pod(Process(Span(0, NEVER))), version=version)
        target = Target(server, Fleet("test"), Random(SEED))
        target.run([Request(10, HAIKU, Usage(700, 1, cache_read=20, cache_write=3))])
        counted = [Counted(HAIKU, token_type) for token_type in names.TOKEN_TYPES]
        return [target.metered.used[each] for each in counted], [target.billable.used[each] for each in counted]

    assert tokens((1, 5)) == ([723, 1, 20, 3], [700, 1, 20, 3])
    assert tokens((1, 4)) == ([700, 1, 20, 3], [700, 1, 20, 3])


def test_a_converted_request_is_counted_without_its_cached_tokens_as_input() -> None:
    openai = next(model for model in MODELS if model.provider == "openai" and model.caches)

    def metered(converted: float) -> list[int]:
        target = Target(
            replace(pod(Process(Span(0, NEVER))), version=(1, 5)), Fleet("test", converted=converted), Random(SEED)
        )
        target.run([Request(10, openai, Usage(700, 1, cache_read=20, cache_write=3))])
        assert target.billable.used[Counted(openai, names.INPUT)] == 700
        return [target.metered.used[Counted(openai, token_type)] for token_type in names.TOKEN_TYPES]

    assert metered(0) == [723, 1, 20, 3]
    assert metered(1) == [700, 1, 20, 3]


def test_a_request_costs_what_its_tokens_cost_at_its_moment() -> None:
    """0.80 and 4.00 USD per million tokens of input and output, of the cache 0.08 and 1.00; then tenfold."""
    dearer = {HAIKU.name: usd("8", "40", "0.8", "10")}
    server = replace(pod(Process(Span(0, NEVER))), version=(1, 5))
    target = Target(server, Fleet("test", new_rates=dearer, new_rates_from=60), Random(SEED))
    target.run([Request(second, HAIKU, Usage(700, 1, 20, 3)) for second in (59, 60)])
    millionths = [Decimal(560), Decimal(4), Decimal("1.6"), Decimal(3)]
    used = [target.trillionths.used[Counted(HAIKU, token_type)] for token_type in names.TOKEN_TYPES]
    assert used == [each * 11 * 10**6 for each in millionths]
    once = sum(millionths, Decimal(0)) / 10**6
    assert samples(target, 90, names.REPORTED_USD) == {60: once, 90: once * 11}


def test_dollars_are_reported_since_1_4() -> None:
    def metrics(version: Version) -> set[str]:
        target = lived(replace(pod(Process(Span(0, NEVER))), version=version), (10, 700))
        return {series.metric for series in target.series()} - {names.UP, names.BUILD_INFO}

    assert metrics((1, 3)) == {names.TOKEN_USAGE_SUM}
    assert metrics((1, 4)) == metrics((1, 5)) == {names.TOKEN_USAGE_SUM, names.REPORTED_USD}


def test_a_pod_tells_its_version_whenever_it_answers() -> None:
    target = lived(cut_off(pod(Process(Span(0, NEVER))), [Span(40, 70)]))
    [build] = [series for series in target.series() if series.metric == names.BUILD_INFO]
    assert build.labels[names.TAG] == "v0.0.0"
    assert {slot * 5: value for slot, value in build.samples.items() if slot < 20} == {0: 1, 30: 1, 60: None, 90: 1}


def test_every_fleet_has_rare_and_common_models_at_every_gateway() -> None:
    for story in (*STORIES, *LIMITS):
        truth = day_of(story).billable.observable
        assert {(cell.gateway, cell.model) for cell in truth if truth[cell] > 0} >= {
            (f"kgateway-system/agentgateway{number}", model.name) for number in (1, 2, 3) for model in MODELS
        }
        assert min(truth.values()) > 0
        assert RARE in MODELS


def test_the_same_seed_is_the_same_day_everywhere() -> None:
    say = (
        "from bench.fleets import fleet_of, turmoil; from bench.simulation import simulate;"
        "print([(s.metric, *s.labels.items(), *s.samples.items()) for s in simulate(fleet_of(turmoil, 1), 1).series])"
    )
    said = {
        hashlib.sha256(
            subprocess.run(
                [sys.executable, "-c", say],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
            ).stdout
        ).hexdigest()
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_the_release_is_given_the_labels_that_its_monitors_put_on_series() -> None:
    [up, counter] = [
        next(series for series in day_of(restarts).series if series.metric == metric)
        for metric in (names.UP, names.TOKEN_USAGE_SUM)
    ]
    gateway = up.labels[names.GATEWAY]
    assert (up.labels[names.JOB], counter.labels[EXPORTED_GATEWAY]) == ("monitoring/agentgateway-cost", gateway)
    for labels in (release_labels(up.labels), release_labels(counter.labels)):
        assert labels[names.JOB] == f"monitoring/{gateway.replace('/', '-')}"
        assert gateway == f"kgateway-system/{labels[names.GATEWAY_NAME_TARGET_LABEL]}"
        assert EXPORTED_GATEWAY not in labels
    assert names.GATEWAY not in release_labels(up.labels)
    assert release_labels(counter.labels)[names.GATEWAY] == gateway


def test_the_fleets_job_is_the_one_that_the_spec_gives_its_targets() -> None:
    for story in (*STORIES, *LIMITS):
        fleet = fleet_of(story, SEED)
        assert rulebook.spec(billing.text(fleet), fleet.new_rates).id == JOB


def test_promtool_is_asked_for_values_of_any_size_and_label(promtool: Path) -> None:
    labels = {"name": 'a "quoted" } {b="c"} 1, 2', "other": "x"}
    values: dict[int, int | Decimal | None] = {0: 1, 6: 123456789012345, 12: None, 18: Decimal("0.000000000001"), 24: 7}
    answers = replay(Promtool(promtool), [], [Series("x", labels, values)], ["max_over_time(x[9h])", "nothing"])
    assert answers == {"max_over_time(x[9h])": [(labels, 123456789012345.0)], "nothing": []}


def test_a_question_that_promtool_cannot_answer_is_an_error(promtool: Path) -> None:
    with pytest.raises(RuntimeError, match="many-to-many matching not allowed"):
        replay(
            Promtool(promtool),
            [],
            [Series("x", {"name": name}, {5820: 1}) for name in ("a", "b")],
            ["x + on () x"],
        )


# ---- What is said about it ---------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")


def measured(title: str, story: Story) -> tuple[float, float]:
    """The ledger's lowest and highest error in the page's table of this title."""
    table = PAGE[PAGE.index(f"### {title}\n") :].split("\n\n")[1]
    [row] = [line for line in table.splitlines() if line.startswith(f"| `{story.__name__}` |")]
    signed = re.findall(r"[-+]?[\d.]+", row.split("|")[2].replace("\N{MINUS SIGN}", "-"))
    numbers = [float(number) / 100 for number in signed]
    return min(numbers), max(numbers)


@pytest.mark.slow
@pytest.mark.parametrize("story", PROVED, ids=named)
def test_the_page_shows_what_is_measured(story: Story, bills: Callable[[Story], Bill]) -> None:
    bill = bills(story)
    for title, outcome in (("Error of all tokens", bill.billable), ("Error of all dollars", bill.dollars)):
        lowest, highest = measured(title, story)
        assert lowest - 0.00006 <= outcome.total <= highest + 0.00006


def test_the_page_tells_every_fleet() -> None:
    told = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", PAGE.partition("\n### ")[0], re.MULTILINE)
    assert told == [(story.__name__, " ".join((story.__doc__ or "").split())) for story in (*STORIES, *LIMITS)]
    assert {lost, stopped, paused, killed, converted, mixed} == set(LIMITS)
