"""What one evaluation of the rules costs Prometheus: samples read and seconds taken. `python -m bench.scale`.

A made-up fleet, scraped every 30 seconds, whose counters rise in every scrape. A Prometheus with the rules evaluates
them over its samples; then one without rules is asked each of their expressions at a moment of such an evaluation.
`make prometheus` fetches the server that is used where none is named.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser

from bench.editions import ROOT, Edition, editions
from bench.fleets import JOB, SPEC_NAME, SPEC_NAMESPACE
from bench.measure import COST, needed
from bench.rulebook import Group
from bench.server import get, prometheus
from bench.target import EXPORTED_GATEWAY, SCRAPE_INTERVAL
from demo.blocks import Blocks
from tollbook.gen import names
from tollbook.gen.errors import MissingToolError
from tollbook.gen.promql_reading import metrics_of
from tollbook.gen.promtool import find

NEWEST = ROOT / ".tools" / "prometheus-newest"

NAMESPACE = "ai"
REPLICAS, MODELS = 3, 10

#: How far back rules look: at counters, and at targets.
COUNTERS_SINCE, TARGETS_SINCE = 70 * 60, 25 * 3600

#: So many seconds it may take to write them: Prometheus writes no record before the end of a block.
WRITING_SECONDS, WRITING_SECONDS_PER_SERIES = 10, 1 / 200

#: For so long after them the rules still find samples within their step.
SAMPLES_LAST = 60

#: Each group is evaluated so often, all within the minute after the last samples, and each expression asked so many
#: times. The first evaluation is a cold one and does not count where there are more.
EVALUATIONS, RULES_EVERY, QUERIES = 4, 10, 5

SIZES = (1, 100, 400)

#: What is evaluated.
READING = "rules that read counters of tokens"
CHAIN = "from counter to dollars"
WHOLE = "their whole group"

#: What Prometheus tells of a rule before its first evaluation.
NOT_YET = "0001-01-01T00:00:01Z"


@dataclass(frozen=True)
class Size:
    gateways: int

    @property
    def series(self) -> int:
        """Of tokens."""
        return self.gateways * REPLICAS * MODELS * len(names.TOKEN_TYPES)

    def spec(self) -> str:
        lines = ["version: 1", f"name: {SPEC_NAME}", f"namespace: {SPEC_NAMESPACE}", "gateways:"]
        lines += [f"  - {{name: gateway{number}, namespace: {NAMESPACE}}}" for number in range(self.gateways)]
        lines.append("models:")
        for number in range(MODELS):
            price = f"{{input: {number + 1}, output: {number + 4}, cache_read: 0.1, cache_write: 2}}"
            lines.append(f"  - {{provider: openai, name: model{number}, prices: [{price}]}}")
        return "\n".join(lines) + "\n"


#: A rule by its group and its place in it.
Key = tuple[str, int]


Rule = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """Of one expression."""

    samples: int
    of_tokens: int
    seconds: float


@dataclass(frozen=True)
class Cost:
    """Of one evaluation of some rules."""

    samples: int
    of_tokens: int
    """Samples of the counters of tokens among them."""
    evaluated: float
    """Seconds, as Prometheus tells them of its groups, one after another."""
    asked: float
    """Seconds, where each expression is asked."""


# ---- The fleet's past ----------------------------------------------------------------------------------------------


def write_until_now(size: Size, edition: Edition, data: Path, promtool: Path) -> int:
    """Writes samples up to a moment, waits for it and tells it. A busy machine gets more time in the next attempt."""
    seconds = WRITING_SECONDS + int(size.series * WRITING_SECONDS_PER_SERIES)
    while True:
        end = int(time.time()) + seconds
        write(size, edition, end, data, promtool)
        spare = end - time.time()
        if spare >= 0:
            time.sleep(spare)
            return end
        shutil.rmtree(data)
        seconds *= 2


def write(size: Size, edition: Edition, end: int, data: Path, promtool: Path) -> None:
    pods = [_pod(edition, gateway, pod) for gateway in range(size.gateways) for pod in range(REPLICAS)]
    with Blocks(data, promtool) as blocks:
        for second in range(end - TARGETS_SINCE, end, SCRAPE_INTERVAL):
            for number, (target, counters) in enumerate(pods):
                at = second + number % SCRAPE_INTERVAL
                blocks.add(at, [f"{target} 1"])
                if second >= end - COUNTERS_SINCE:
                    blocks.add(
                        at, (f"{counter} {value}" for counter, value in zip(counters, _values(second), strict=False))
                    )


def _values(second: int) -> Iterator[int]:
    """Of the build information, and of counters."""
    yield 1
    yield from itertools.repeat(1000 * second)


def _pod(edition: Edition, gateway: int, pod: int) -> tuple[str, list[str]]:
    """Its `up`, and then what else it shows, build information first."""
    address = gateway * REPLICAS + pod
    target = {
        names.JOB: JOB,
        names.INSTANCE: f"10.{address // 65536}.{address // 256 % 256}.{address % 256}:15020",
        names.NAMESPACE: NAMESPACE,
        names.POD: f"gateway{gateway}-{pod}",
        "container": "agentgateway",
        "endpoint": "metrics",
        names.GATEWAY: f"{NAMESPACE}/gateway{gateway}",
    }
    counters = [_series(edition, names.BUILD_INFO, {**target, names.TAG: "1.5.0"})]
    for model, token_type in itertools.product(range(MODELS), names.TOKEN_TYPES):
        own = {names.PROVIDER: "openai", names.REQUEST_MODEL: f"model{model}", names.RESPONSE_MODEL: f"model{model}"}
        own |= {names.TOKEN_TYPE: token_type, EXPORTED_GATEWAY: target[names.GATEWAY], "route": f"{NAMESPACE}/llm"}
        counters.append(_series(edition, names.TOKEN_USAGE_SUM, {**target, **own}))
    return _series(edition, names.UP, target), counters


def _series(edition: Edition, metric: str, labels: Mapping[str, str]) -> str:
    return f"{metric}{{{','.join(f'{name}={json.dumps(value)}' for name, value in edition.labels(labels).items())}}}"


# ---- What it costs -------------------------------------------------------------------------------------------------


def costs(program: str, promtool: Path, size: Size, edition: Edition) -> dict[str, Cost]:
    """By what is evaluated."""
    groups = evaluated_groups(edition.groups(size.spec(), {}))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        end = write_until_now(size, edition, data, promtool)
        rules = Path(folder, names.RULES_FILE)
        rules.write_text(json.dumps({"groups": [{**group, "interval": f"{RULES_EVERY}s"} for group in groups]}))
        with prometheus(program, data, f"rule_files: [{rules}]\n") as url:
            evaluated = evaluation_seconds(url, sum(len(group["rules"]) for group in groups), end + SAMPLES_LAST)
        with prometheus(program, data) as url:
            asked = {key: ask(url, rule["expr"], at) for key, rule, at in timed(url, groups)}
    return {title: added_up(keys, evaluated, asked) for title, keys in parts(groups).items()}


def evaluated_groups(groups: Sequence[Group]) -> list[Group]:
    """The groups in which tokens become dollars, and of the others what they need."""
    whole = [rule for group in groups if COST in _records(group) for rule in group["rules"]]
    return needed(groups, {rule["record"] for rule in whole if "record" in rule})


def _records(group: Group) -> list[str]:
    return [rule["record"] for rule in group["rules"] if "record" in rule]


def parts(groups: Sequence[Group]) -> dict[str, set[Key]]:
    ledgers = [group for group in groups if COST in _records(group)]
    chain = {rule["expr"] for group in needed(groups, [COST]) for rule in group["rules"]}
    return {
        READING: {key for key, rule in rules_of(groups) if names.TOKEN_USAGE_SUM in metrics_of(rule["expr"])},
        CHAIN: {key for key, rule in rules_of(ledgers) if rule["expr"] in chain},
        WHOLE: {key for key, _ in rules_of(ledgers)},
    }


def rules_of(groups: Sequence[Group]) -> Iterator[tuple[Key, Rule]]:
    for group in groups:
        for place, rule in enumerate(group["rules"]):
            yield (group["name"], place), rule


def evaluation_seconds(url: str, count: int, until: float) -> dict[Key, float]:
    """The median of the evaluations up to a moment, as Prometheus tells them."""
    told: dict[Key, dict[str, float]] = defaultdict(dict)
    while len(told) < count or min(map(len, told.values())) <= EVALUATIONS:
        time.sleep(1)
        if time.time() > until:
            if len(told) < count:
                raise RuntimeError("the rules were not evaluated within a minute: the machine is too busy")
            break
        for group in get(url, "/api/v1/rules", {})["groups"]:
            for place, rule in enumerate(group["rules"]):
                problem = rule.get("lastError")
                if problem:
                    raise RuntimeError(f"{rule['name']}: {problem}")
                if rule["lastEvaluation"] > NOT_YET:
                    told[group["name"], place][rule["lastEvaluation"]] = rule["evaluationTime"]
    return {key: statistics.median([*each.values()][1:] or each.values()) for key, each in told.items()}


def timed(url: str, groups: Sequence[Group]) -> Iterator[tuple[Key, Rule, str]]:
    """Each rule, and when its group was last evaluated: there it finds what earlier rules recorded."""
    for group in groups:
        at = _last_evaluation(url, group)
        yield from ((key, rule, at) for key, rule in rules_of([group]))


def _last_evaluation(url: str, group: Group) -> str:
    recorded = [rule for rule in group["rules"] if "record" in rule]
    last = next((rule for rule in recorded if rule["record"] == COST), recorded[-1])
    labels = ",".join(f"{name}={json.dumps(value)}" for name, value in last.get("labels", {}).items())
    question = f"max(timestamp({last['record']}{{{labels}}}))"
    [answer] = get(url, "/api/v1/query", {"query": question})["result"]
    second: str = answer["value"][1]
    return second


def ask(url: str, expr: str, at: str) -> Asked:
    samples, seconds = 0, list[float]()
    for _ in range(QUERIES):
        begun = time.monotonic()
        samples = _samples(url, expr, at)
        seconds.append(time.monotonic() - begun)
    of_tokens = sum(_samples(url, selector, at) for selector in selectors_of(expr, names.TOKEN_USAGE_SUM))
    return Asked(samples, of_tokens, statistics.median(seconds))


def _samples(url: str, expr: str, at: str) -> int:
    answer = get(url, "/api/v1/query", {"query": expr, "time": at, "stats": "all"})
    samples: int = answer["stats"]["samples"]["totalQueryableSamples"]
    return samples


def selectors_of(expr: str, metric: str) -> list[str]:
    """As often as the expression has them, each counted so that few data are sent."""
    found: list[str] = []
    ranges: list[str] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.MatrixSelector):
            ranges.append(node.prettify())
        elif isinstance(node, promql_parser.VectorSelector):
            # A range is visited right before the selector that is a part of it.
            text = f"count_over_time({ranges.pop()})" if ranges else f"count({node.prettify()})"
            found.extend([text] if node.name == metric else [])
        return True

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found


def added_up(keys: set[Key], evaluated: Mapping[Key, float], asked: Mapping[Key, Asked]) -> Cost:
    return Cost(
        samples=sum(asked[key].samples for key in keys),
        of_tokens=sum(asked[key].of_tokens for key in keys),
        evaluated=sum(evaluated[key] for key in keys),
        asked=sum(asked[key].seconds for key in keys),
    )


# ---- What is said about it -----------------------------------------------------------------------------------------


def report(size: Size, found: Mapping[str, Mapping[str, Cost]]) -> None:
    """`found`: by edition, by what is evaluated."""
    print(f"\n### {size.gateways} gateway{'s' * (size.gateways > 1)}, {size.series:,} series of tokens\n")
    print("| evaluated | rules of | samples | a series | of its counter | seconds, evaluated | seconds, asked |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for part in (READING, CHAIN, WHOLE):
        for name, costs in found.items():
            cost = costs[part]
            each, own = cost.samples / size.series, cost.of_tokens / size.series
            figures = f"{cost.samples:,} | {each:.0f} | {own:.0f} | {cost.evaluated:.2f} | {cost.asked:.2f}"
            print(f"| {part} | {name} | {figures} |")
        if len(found) > 1:
            print(f"| {part} | ratio | {ratios(*(costs[part] for costs in found.values()))} |")


def ratios(today: Cost, release: Cost) -> str:
    samples, own = today.samples / release.samples, today.of_tokens / release.of_tokens
    seconds = f"{today.evaluated / release.evaluated:.2f} | {today.asked / release.asked:.2f}"
    return f"{samples:.2f} | {samples:.2f} | {own:.2f} | {seconds}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument(
        "--prometheus", type=Path, default=NEWEST, help="folder of prometheus and promtool (%(default)s)"
    )
    parser.add_argument("--gateways", type=int, action="append", help=f"how many; may be repeated ({SIZES})")
    options = parser.parse_args()
    try:
        promtool = find(str(options.prometheus / "promtool"))
    except MissingToolError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(
        f"Measured with Prometheus {promtool.version()}: {REPLICAS} pods a gateway, {MODELS} models, four token types."
    )
    for gateways in options.gateways or SIZES:
        size = Size(gateways)
        report(
            size,
            {
                each.name: costs(str(options.prometheus / "prometheus"), promtool.path, size, each)
                for each in editions()
            },
        )


if __name__ == "__main__":
    main()
