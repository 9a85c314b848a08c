"""Dollars add up however far one zooms: the dashboard's queries in real Prometheus, over a ledger of known sums."""

from __future__ import annotations

import math
import shutil
import subprocess
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tollbook import dashboards
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.promql import quote
from tollbook.gen.spec import Spec

#: On facts.
SPEC_LABEL = 'spec="monitoring/agentgateway-cost"'

Json = dict[str, Any]
Ask = Callable[..., dict[str, float]]

#: 2026-03-02T00:00:00Z, and when the rules are evaluated within the minute: never on the full second, as in life.
MIDNIGHT = 1_772_409_600
PHASE = 17.327
NOW = MIDNIGHT + 30 * 3600 + 1230
MINUTES = range(30 * 60 + 20)
#: Some evaluations were missed.
EVALUATED = [MIDNIGHT + 60 * minute + PHASE for minute in MINUTES if minute % 97 != 5]


@dataclass(frozen=True)
class Entry:
    """A record of the ledger; dollars are 1024ths, so that floats add them up exactly."""

    seconds: float
    gateway: str
    model: str
    token_type: str
    dollars: float

    @property
    def labels(self) -> dict[str, str]:
        own = {names.GATEWAY: self.gateway, names.MODEL: self.model, names.TOKEN_TYPE: self.token_type}
        return own | {names.PROVIDER: "anthropic", "team": "platform", "cluster": "prod"}


def ledger() -> Iterator[Entry]:
    """Thirty hours of two gateways: steady, bursts, a night's pause, and evaluations that were missed."""
    for at in EVALUATED:
        minute = int(at - MIDNIGHT) // 60
        yield Entry(at, "edge/east", "claude-3-5-haiku", "input", (minute % 13) / 1024)
        yield Entry(at, "edge/east", "claude-3-5-haiku", "output", (minute % 7) * 4 / 1024)
        if not 4 * 60 <= minute < 9 * 60:
            yield Entry(at, "edge/west", "experiment", "input", 512 / 1024 if minute % 240 == 0 else 0)


def braced(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"


def dollars(entries: list[Entry], after: float, until: float, **own: str) -> float:
    return sum(
        entry.dollars for entry in entries if after < entry.seconds <= until and own.items() <= entry.labels.items()
    )


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list(ledger())


@pytest.fixture(scope="module")
def blocks(promtools: list[tuple[str, Path]], entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger as a Prometheus has it on disk."""
    folder = tmp_path_factory.mktemp("ledger")
    step = Duration.parse("1m")
    spent = [(entry.seconds, braced(entry.labels), entry.dollars) for entry in entries]
    lines = [*recorded(names.cost(step), spent), *sliding_hours(entries), *priced()]
    lines += recorded(names.tokens(step), [*((seconds, cell, 1.0) for seconds, cell, _ in spent), *cached()])
    lines += recorded(names.requests(step), requested())
    lines += [
        f'{record}{{gateway="edge/{gateway}",{label}}} 0 {MIDNIGHT + 60 * minute + PHASE}'
        for record, label in ((names.gateway_cost(step), 'cluster="prod"'), (names.GATEWAY_INFO, SPEC_LABEL))
        for gateway in ("east", "west")
        for minute in MINUTES
    ]
    (folder / "ledger.om").write_text("\n".join([*sorted(lines, key=series_of), "# EOF\n"]))
    command: list[str | Path] = [promtools[0][1], "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, folder / "ledger.om", folder / "data"], check=True, capture_output=True)
    return folder / "data"


def recorded(ledger: str, steps: Iterable[tuple[float, str, float]]) -> Iterator[str]:
    """The steps of a ledger (when, whose, how much), and its hours as the rules put them down: a step after their end,
    and of the open one what was recorded up to the last full minute."""
    entries = sorted(steps)
    yield from (f"{ledger}{cell} {amount} {seconds}" for seconds, cell, amount in entries)
    put_down = 0.0
    for seconds in EVALUATED:
        hour = (seconds - 60) // 3600 * 3600
        if hour > put_down:
            of_hour = summed(entries, put_down, hour)
            yield from (f"{names.of_hour(ledger)}{cell} {amount} {seconds}" for cell, amount in of_hour.items())
            put_down = hour
        to_date = summed(entries, put_down, known(seconds))
        yield from (f"{names.hour_to_date(ledger)}{cell} {amount} {seconds}" for cell, amount in to_date.items())


def summed(entries: list[tuple[float, str, float]], after: float, until: float) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for _, cell, amount in entries[bisect_right(entries, (after, "~")) : bisect_right(entries, (until, "~"))]:
        sums[cell] += amount
    return sums


def known(moment: float) -> float:
    """Up to when the hours, as they stood at a moment, hold the ledger."""
    before = EVALUATED[: bisect_right(EVALUATED, moment)]
    return before[-1] // 60 * 60 if before else 0


#: A record that the rules do not have.
SLIDING_HOUR = "sliding_hour"


def sliding_hours(entries: list[Entry]) -> list[str]:
    """What the record of the last sixty minutes holds, for one series: enough to show how not to read it."""
    own = {names.TOKEN_TYPE: "output"}
    ends = [entry for entry in entries if own.items() <= entry.labels.items()]
    record = f"{SLIDING_HOUR}{braced(ends[0].labels)}"
    return [f"{record} {dollars(ends, end.seconds - 3600, end.seconds)} {end.seconds}" for end in ends]


#: What the hours hold of the day before now.
DAY = (known(NOW - 24 * 3600), known(NOW))

#: Tokens that one gateway read from a cache, by the minute: a million and a quarter of them, the last before yesterday.
READ = {30 * 60: 1_000_000, 20 * 60: 250_000, 60: 9_000_000}


def cached() -> Iterator[tuple[float, str, float]]:
    own = Entry(0, "edge/east", "claude-3-5-haiku", names.CACHE_READ, 0).labels
    for minute, tokens in READ.items():
        yield MIDNIGHT + 60 * minute + PHASE, braced(own), tokens


def priced() -> Iterator[str]:
    """The prices of every minute."""
    sold_as = {names.PROVIDER: "anthropic", names.MODEL: "claude-3-5-haiku"}
    for token_type, usd in ((names.INPUT, "0.8"), (names.CACHE_READ, "0.08")):
        price = f"{names.PRICE}{braced(sold_as | {names.TOKEN_TYPE: token_type})}"
        yield from (f"{price} {usd} {MIDNIGHT + 60 * minute + PHASE}" for minute in MINUTES)


def requested() -> Iterator[tuple[float, str, float]]:
    """Six requests a minute of a model with a price, and one of a model without."""
    for minute in (minute for minute in MINUTES if minute % 97 != 5):
        for model, count in (("claude-3-5-haiku", 6), ("new", 1)):
            own = Entry(MIDNIGHT + 60 * minute + PHASE, "edge/east", model, "", 0)
            yield own.seconds, braced({label: value for label, value in own.labels.items() if value}), count


def series_of(line: str) -> str:
    return line.rsplit(" ", 2)[0]


@pytest.fixture
def server(prometheus_server: Callable[..., Any], blocks: Path, tmp_path: Path) -> Any:
    shutil.copytree(blocks, tmp_path / "own")
    return prometheus_server("", "--storage.tsdb.retention.time=100y", storage=tmp_path / "own")


# ---- As Grafana asks -----------------------------------------------------------------------------


def ask_of(server: Any, panels: dict[str, Json], sent: Callable[..., str]) -> Ask:
    def ask(title: str, range_: str = "1d", at: float = NOW, column: int = 0, **chosen: str) -> dict[str, float]:
        """What a panel gets that asks for one instant: label values -> value, in the order of the answer."""
        query = sent(panels[title]["targets"][column]["expr"], range_, **chosen)
        found = server.get("/api/v1/query", query=query, time=str(at))["result"]
        return {"/".join(sample["metric"].values()): float(sample["value"][1]) for sample in found}

    return ask


@pytest.fixture
def ask(server: Any, panels: dict[str, Json], sent: Callable[..., str]) -> Ask:
    return ask_of(server, panels, sent)


#: The distances between points that Grafana chooses from, and below how many wanted seconds it takes each.
LADDER = {"1m": 90, "2m": 210, "5m": 450, "10m": 750, "15m": 1050, "20m": 1500, "30m": 2700, "1h": 5400}
LADDER |= {"2h": 9000, "3h": 16200, "6h": 32400, "12h": 86400, "1d": 604800}


@dataclass(frozen=True)
class Bars:
    start: int
    width: int
    heights: list[list[float]]
    """Of each series, from left to right."""


@pytest.fixture
def bars(server: Any, panels: dict[str, Json], sent: Callable[..., str]) -> Callable[[str], Bars]:
    panel = panels["Spend over time by $group_by"]

    def draw(zoom: str) -> Bars:
        length = Duration.parse(zoom).seconds
        wanted = length / panel["maxDataPoints"]
        interval = next(interval for interval, below in LADDER.items() if wanted < below)
        width = max(Duration.parse(interval), Duration.parse(panel["interval"])).seconds
        start, end = (math.floor(moment / width) * width for moment in (NOW - length, NOW))
        query = sent(panel["targets"][0]["expr"], zoom, interval, group_by="gateway")
        times = {"start": str(start), "end": str(end), "step": str(width)}
        found = server.get("/api/v1/query_range", query=query, **times)["result"]
        return Bars(start, width, [[float(value) for _, value in series["values"]] for series in found])

    return draw


# ---- Sums ----------------------------------------------------------------------------------------

ZOOMS = ["15m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "30d"]


@pytest.mark.parametrize("zoom", ZOOMS)
def test_bars_add_up_to_the_dollars_of_the_range_at_any_zoom(
    bars: Callable[[str], Bars], entries: list[Entry], zoom: str
) -> None:
    drawn = bars(zoom)
    assert sum(height for heights in drawn.heights for height in heights) == dollars(entries, known(drawn.start), NOW)


@pytest.mark.parametrize("zoom", ZOOMS)
def test_the_total_of_the_range_is_exact_at_both_ends(ask: Ask, entries: list[Entry], zoom: str) -> None:
    start = NOW - Duration.parse(zoom).seconds
    assert ask("Selected time range", zoom) == {"": dollars(entries, known(start), known(NOW))}


def test_the_running_bar_grows_before_it_is_over(bars: Callable[[str], Bars], entries: list[Entry]) -> None:
    drawn = bars("1d")
    last = math.floor(NOW / drawn.width) * drawn.width
    assert drawn.start < last < NOW < last + drawn.width
    assert sum(heights[-1] for heights in drawn.heights) == dollars(entries, known(last), NOW) > 0


def test_samples_of_the_sliding_hour_do_not_add_up(server: Any, entries: list[Entry]) -> None:
    """Why bars read the raw records: a sliding hour is right at any moment and wrong in most sums."""
    end = math.floor(NOW / 3600) * 3600
    truth = dollars(entries, end - 12 * 3600, end, gen_ai_token_type="output")
    sums = {}
    for step in (300, 3600, 7200):
        start = end - 12 * 3600 + step
        times = {"start": str(start), "end": str(end), "step": str(step)}
        (found,) = server.get("/api/v1/query_range", query=SLIDING_HOUR, **times)["result"]
        sums[step] = sum(float(value) for _, value in found["values"])
    assert sums[300] == pytest.approx(12 * truth, rel=0.01)
    assert sums[3600] == pytest.approx(truth, rel=0.01)
    assert sums[7200] == pytest.approx(truth / 2, rel=0.01)


@pytest.mark.parametrize(
    ("title", "label", "values"),
    [
        ("Spend by gateway", "gateway", ["edge/east", "edge/west"]),
        ("Spend by model", "model", ["claude-3-5-haiku", "experiment"]),
        ("Spend by token type", "gen_ai_token_type", ["input", "output"]),
        ("Spend by team", "team", ["platform"]),
    ],
)
def test_a_ranking_splits_exactly_the_dollars_of_the_range(
    ask: Ask, entries: list[Entry], title: str, label: str, values: list[str]
) -> None:
    found, (yesterday, now) = ask(title), DAY
    assert found == {value: dollars(entries, yesterday, now, **{label: value}) for value in values}
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize(
    ("chosen", "gateways"),
    [
        ("(edge/east)", ["edge/east"]),
        ("(edge/west)", ["edge/west"]),
        ("(edge/east|edge/west)", ["edge/east", "edge/west"]),
    ],
)
def test_a_filter_leaves_only_what_is_chosen(ask: Ask, entries: list[Entry], chosen: str, gateways: list[str]) -> None:
    parts = [dollars(entries, *DAY, gateway=gateway) for gateway in gateways]
    assert ask("Selected time range", gateway=chosen) == {"": sum(parts)}


# ---- Top spenders --------------------------------------------------------------------------------

USD, SHARE, TOKENS, REQUESTS, USD_A_REQUEST, USD_PER_MTOK, CACHE, SAVED = range(8)
TOP = "Top spenders by $group_by"


def test_the_spenders_and_their_shares_split_the_dollars_of_the_range(ask: Ask, entries: list[Entry]) -> None:
    east, west = (dollars(entries, *DAY, gateway=f"edge/{gateway}") for gateway in ("east", "west"))
    assert ask(TOP, column=USD, group_by="gateway") == {"edge/east": east, "edge/west": west}
    shares = ask(TOP, column=SHARE, group_by="gateway")
    assert shares == pytest.approx({"edge/east": east / (east + west), "edge/west": west / (east + west)})
    assert sum(shares.values()) == pytest.approx(1)


def test_any_label_splits_them_and_what_lacks_it_is_none(ask: Ask, entries: list[Entry]) -> None:
    whole = dollars(entries, *DAY)
    assert ask(TOP, group_by="gen_ai_system") == {"anthropic": whole}
    assert ask(TOP, group_by="team") == {"platform": whole}
    assert ask(TOP, group_by="region") == {"none": whole}


def test_requests_are_counted_once_and_under_the_names_that_are_billed(ask: Ask, entries: list[Entry]) -> None:
    """Up to the last full minute the day holds those from 06:20 to 06:18: 1439, of which 15 were not recorded, from the
    393rd on every 97th, up to the 1751st."""
    assert ask(TOP, column=REQUESTS, group_by="model") == {"claude-3-5-haiku": 6 * 1424, "new": 1424}
    assert ask(TOP, column=REQUESTS, group_by="team") == {"platform": 7 * 1424}
    assert ask(TOP, column=REQUESTS, group_by="team", model="(experiment)") == {}
    spent = dollars(entries, *DAY, model="claude-3-5-haiku")
    each = ask(TOP, column=USD_A_REQUEST, group_by="model")
    assert each == {"claude-3-5-haiku": pytest.approx(spent / (6 * 1424))}


def test_caching_saves_the_difference_of_two_prices(ask: Ask) -> None:
    """1.25 million tokens at 0.80 - 0.08 dollars a million; the nine million of the day before are out of the range."""
    assert ask("Saved by caching") == {"": pytest.approx(0.90)}
    assert ask("Saved by caching", gateway="(edge/west)") == {"": 0}
    assert ask(TOP, column=SAVED, group_by="gateway") == {"edge/east": pytest.approx(0.90)}
    assert ask("Saved by caching", "30h") == {"": pytest.approx(7.38)}


def test_what_was_read_from_a_cache_is_part_of_what_went_in(ask: Ask, entries: list[Entry]) -> None:
    """The ledger here has a token an entry, so entries of input are its other tokens."""
    day = [entry for entry in entries if DAY[0] < entry.seconds <= DAY[1]]
    plain = {
        name: len([entry for entry in day if (entry.gateway, entry.token_type) == (name, "input")])
        for name in ("edge/east", "edge/west")
    }
    share = 1_250_000 / (1_250_000 + plain["edge/east"])
    assert ask(TOP, column=CACHE, group_by="gateway") == {"edge/east": pytest.approx(share), "edge/west": 0}
    tokens = {"edge/east": 1_250_000 + len([entry for entry in day if entry.gateway == "edge/east"])}
    tokens["edge/west"] = plain["edge/west"]
    assert ask(TOP, column=TOKENS, group_by="gateway") == tokens
    west = dollars(entries, *DAY, gateway="edge/west") / tokens["edge/west"] * 1_000_000
    assert ask(TOP, column=USD_PER_MTOK, group_by="gateway")["edge/west"] == pytest.approx(west)


# ---- Nothing, and zero ---------------------------------------------------------------------------

SPENT = ("Today", "This week", "This month", "30 days at this pace", "Selected time range", "Saved by caching")


@pytest.mark.parametrize("title", SPENT)
def test_nothing_spent_is_zero_while_the_ledger_is_written(ask: Ask, title: str) -> None:
    """Nobody of this team spent anything, so that no record of it is there."""
    assert ask(title, team="(nobody)", gen_ai_system="(nobody)") == {"": 0}


def test_where_no_ledger_is_written_there_is_no_zero_but_nothing(
    prometheus_server: Callable[..., Any], panels: dict[str, Json], sent: Callable[..., str]
) -> None:
    ask = ask_of(prometheus_server(""), panels, sent)
    assert {title: ask(title) for title in SPENT} == {title: {} for title in SPENT}
    assert ask("Gateways watched, of 2") == {"": 0}


def test_the_ledger_tells_its_age_and_its_gateways(ask: Ask) -> None:
    at = MIDNIGHT + 29 * 3600 + 40
    assert ask("Age of the newest figure", at=at)[""] == pytest.approx(40 - PHASE, abs=0.001)
    assert ask("Gateways watched, of 2", at=at) == {"": 2}


# ---- Filters -------------------------------------------------------------------------------------


def test_filters_offer_what_the_ledger_has(server: Any, two_gateways: Spec, sent: Callable[..., str]) -> None:
    offered = {}
    for variable in dashboards.build(two_gateways)["templating"]["list"][1:-1]:
        selector, label = variable["definition"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        selector = sent(selector, "1d", gateway="(edge/east)")
        times = {"start": str(NOW - 24 * 3600), "end": str(NOW)}
        offered[label] = server.get(f"/api/v1/label/{label}/values", **{"match[]": selector}, **times)
    assert offered == {
        "cluster": ["prod"],
        "gateway": ["edge/east", "edge/west"],
        "gen_ai_system": ["anthropic"],
        "model": ["claude-3-5-haiku"],
        "team": ["platform"],
    }
