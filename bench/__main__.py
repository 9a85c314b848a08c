"""Prints the tables of docs/accuracy.md: every fleet, counted in every way. `python -m bench --seeds 5`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench import measure
from bench.editions import Edition, editions
from bench.fleets import LIMITS, STORIES, Story, fleet_of
from bench.simulation import simulate
from tollbook.gen.errors import MissingToolError
from tollbook.gen.promtool import Promtool, find

DAILY_RULE = "the article's daily rule"
UNSEEN = "of all tokens"

FLEETS = {story.__name__: story for story in (*STORIES, *LIMITS)}


@dataclass(frozen=True)
class Result:
    """Of one fleet with one seed: errors relative to what was observable, by way of counting."""

    total: Mapping[str, float]
    rare_model: Mapping[str, float]
    worst_cell: Mapping[str, float]
    usd: Mapping[str, float]
    unseen: Mapping[str, float]


TABLES: dict[str, Callable[[Result], Mapping[str, float]]] = {
    "Error of all tokens": lambda result: result.total,
    "Error of the rare model's tokens": lambda result: result.rare_model,
    "Error of the worst cell (gateway, provider, model, token type)": lambda result: result.worst_cell,
    "Error of all dollars": lambda result: result.usd,
    "Used, but seen by no scrape": lambda result: result.unseen,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many days to simulate of each fleet (1)")
    parser.add_argument("--fleet", action="append", choices=list(FLEETS), help="only this one; may be repeated")
    parser.add_argument("--promtool", help="the promtool to count with (the one on PATH)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="days measured at once (one a processor)")
    options = parser.parse_args()
    try:
        promtool = find(options.promtool)
    except MissingToolError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    measured, stories = editions(), [FLEETS[name] for name in FLEETS if name in (options.fleet or FLEETS)]
    tasks = [(story, seed) for story in stories for seed in range(1, options.seeds + 1)]
    with ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda task: result(promtool, measured, *task), tasks))
    results: dict[Story, list[Result]] = {story: [] for story in stories}
    for (story, _), each in zip(tasks, found, strict=True):
        results[story].append(each)
    report(promtool, options.seeds, results)


def report(promtool: Promtool, seeds: int, results: Mapping[Story, list[Result]]) -> None:
    days = "day" if seeds == 1 else f"days each (seeds 1 to {seeds})"
    print(f"Measured with promtool {promtool.version()}, {seeds} simulated {days}.\n")
    print(line(["fleet", "what happens"]))
    print(line(["---", "---"]))
    for story in results:
        print(line([f"`{story.__name__}`", " ".join((story.__doc__ or "").split())]))
    for title, pick in TABLES.items():
        print(f"\n### {title}\n")
        print_table({story: [pick(each) for each in each_day] for story, each_day in results.items()})


def result(promtool: Promtool, measured: Sequence[Edition], story: Story, seed: int) -> Result:
    print(f"{story.__name__}, seed {seed}", file=sys.stderr)
    day = simulate(fleet_of(story, seed), seed)
    bills = {edition.name: measure.bill(promtool, day, edition) for edition in measured}
    tokens = {**{name: bill.billable for name, bill in bills.items()}, **measure.usual_ways(promtool, day)}
    dollars = {name: bill.dollars.total for name, bill in bills.items()}
    return Result(
        total={way: outcome.total for way, outcome in tokens.items()},
        rare_model={way: outcome.rare_model for way, outcome in tokens.items()},
        worst_cell={way: outcome.worst for way, outcome in tokens.items()},
        usd={**dollars, DAILY_RULE: measure.daily_rule_error(promtool, day)},
        unseen={UNSEEN: sum(day.billable.observable.values()) / sum(day.billable.used.values()) - 1},
    )


def print_table(rows: Mapping[Story, list[Mapping[str, float]]]) -> None:
    ways = list(next(iter(rows.values()))[0])
    print(line(["fleet", *ways]))
    print(line(["---"] + ["---:"] * len(ways)))
    for story, days in rows.items():
        print(line([f"`{story.__name__}`", *(spread([day[way] for day in days]) for way in ways)]))


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def spread(errors: list[float]) -> str:
    """From the lowest to the highest."""
    texts = list(dict.fromkeys(percent(error) for error in (min(errors), max(errors))))
    return " to ".join(texts) + " %"


def percent(error: float) -> str:
    digits = 2 if abs(error) < 0.0995 else 1 if abs(error) < 9.995 else 0
    text = f"{100 * error:+.{digits}f}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


if __name__ == "__main__":
    main()
