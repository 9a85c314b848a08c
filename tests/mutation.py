"""How good the generated tests are: the rules are damaged one fact at a time, and the tests must notice.

`python tests/mutation.py` (`make mutation`) takes the rules of a small spec that has one of everything, makes every
damage that tests/mutants.py knows, and lets promtool run the generated tests on each. What no test catches is listed.
It must have a reason in tests/mutation_reasons.py, and of the others most must be caught; otherwise the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from conftest import programs
from mutants import Mutant, mutants_of, shape_of
from mutation_reasons import reason_for

from tollbook import rules
from tollbook.gen import names, pipeline
from tollbook.gen.durations import Duration
from tollbook.gen.load import load
from tollbook.gen.promql_reading import metrics_of, problem_in
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Spec

REFERENCE = """\
version: 1
prometheus: {keep_labels: [cluster], timezone: Asia/Kolkata}
gateways:
  - {name: gw, namespace: ai, version: "1.4"}
  - {name: new, namespace: ai}
models:
  - provider: openai
    name: gpt
    aliases: [gpt-2024]
    prices:
      - {input: 1.5, output: 10, cache_read: 0.15, cache_write: 7}
      - {from: 2026-01-01, input: 2, output: 10, cache_read: 0.15, cache_write: 8}
      - {from: 2026-03-01, input: 2, output: 9, cache_read: 0.2, cache_write: 9}
  - provider: anthropic
    name: claude
    prices:
      - {input: 3, output: 15, cache_read: 0.3, cache_write: 3.75, tiers: [{context_over: 2000, input: 6, output: 22}]}
      - {from: 2026-03-01, input: 3, output: 15, cache_read: 0.3, cache_write: 3.75,
         tiers: [{context_over: 4000, input: 7, output: 22, cache_write: 5}]}
  - {provider: gcp.vertex_ai, name: claude, prices: [{input: 4, output: 16}]}
  - {provider: gcp.vertex_ai, name: gemini, prices: [{input: 1.25, output: 11}]}
attribution: [{label: team, expression: apiKey.team, limit: 3}]
budgets:
  - {name: daily, amount: 50, period: day, match: {provider: openai}, alert_at: {33.3: info, 100: critical}}
  - {name: monthly, amount: 500, period: month, alert_at: {100: critical}, labels: {pager: cost}}
  - {name: rolling, amount: 20, period: 24h, match: {team: search, gateway: ai/gw}, alert_at: {80: warning}}
"""

#: Of the damages that no reason excuses.
LOWEST_SCORE = 0.95

#: Read by a rule that may give something although nothing is put in.
ANYTHING = ""

#: promtool stores nothing of a long interval ("out of bounds") where no rule recorded anything as its clock started.
#: All rules together always do, by their prices; the few that a test needs may not.
ALWAYS_RECORDED = {"name": "always", "rules": [{"record": "always", "expr": "vector(1)"}]}

#: promtool is asked about so many at once.
BATCH = 12


@dataclass(frozen=True)
class Plan:
    """The rules of a spec, the tests generated from it, and the damages to try."""

    groups: list[dict[str, Any]]
    tests: dict[str, dict[str, Any]]
    """Each case of each generated test file as a file of its own, the quickest first."""
    asked: dict[str, set[str]]
    """Case -> the records and alerts that it states itself."""
    needed: dict[str, set[str]]
    """Case -> the records and alerts that its answers depend on; the other rules need not be evaluated."""
    food: dict[str, set[str]]
    """Record or alert -> all that it reads, and what that reads, down to what is scraped or made of nothing."""
    damages: list[Damage]


@dataclass(frozen=True)
class Damage:
    group: int
    rule: int
    mutant: Mutant


@dataclass(frozen=True)
class Result:
    tried: list[Mutant]
    survivors: list[Mutant]

    @property
    def score(self) -> float:
        """What is caught, of the damages that no reason excuses."""
        excused = len(self.survivors) - len(self.unexplained)
        return 1 - len(self.unexplained) / max(len(self.tried) - excused, 1)

    @property
    def excused_but_noticed(self) -> list[Mutant]:
        """Their reasons say more than is true, or are needed no longer."""
        survivors = {id(mutant) for mutant in self.survivors}
        return [mutant for mutant in self.tried if reason_for(mutant) and id(mutant) not in survivors]

    @property
    def unexplained(self) -> list[Mutant]:
        return [mutant for mutant in self.survivors if not reason_for(mutant)]


def plan_of(spec: Spec, every: int = 1, only: str = "", first: int = 0) -> Plan:
    """`every`: of the damages only each so-manieth, beginning with the `first`. `only`: a regular expression for the
    records and alerts."""
    built = rules.build(spec)
    groups = rule_groups(built)
    for group, data in zip(built, groups, strict=True):
        for rule, rule_data in zip(group.rules, data["rules"], strict=True):
            rule_data["expr"] = str(rule.expr)  # on one line
    tests = {
        f"{file}: {case['name']}": {**tests, "tests": [case]}
        for file, text in pipeline.build(spec).items()
        if names.is_rules_test_file(file)
        for tests in [yaml.load(text, Loader=yaml.CSafeLoader)]
        for case in tests["tests"]
    }
    tests = dict(sorted(tests.items(), key=lambda test: _evaluations(test[1])))
    damages = (
        damage
        for damage in _damages(spec, groups)
        if re.search(only, _name(damage.mutant.data)) and not problem_in(damage.mutant.data["expr"])
    )
    reads: dict[str, set[str]] = defaultdict(set)
    for rule in (rule for group in groups for rule in group["rules"]):
        made_of_nothing = {ANYTHING} if re.search(r"vector\(|absent\(", rule["expr"]) else set()
        reads[_name(rule)] |= metrics_of(rule["expr"]) | made_of_nothing
    asked = {test: _asked(data) for test, data in tests.items()}
    needed = {test: _all_read(reads, asked[test]) for test in tests}
    food = {name: _all_read(reads, {name}) - {name} for name in list(reads)}
    return Plan(groups, tests, asked, needed, food, list(damages)[first::every])


def _asked(test: Mapping[str, Any]) -> set[str]:
    (case,) = test["tests"]
    alerts = {moment["alertname"] for moment in case.get("alert_rule_test", ())}
    stated = [moment["expr"] for moment in case.get("promql_expr_test", ())]
    pending = {alert for expr in stated for alert in re.findall(r'alertname="(\w+)"', expr)}
    return alerts | pending | {metric for expr in stated for metric in metrics_of(expr)}


def _all_read(reads: Mapping[str, set[str]], asked: set[str]) -> set[str]:
    found: set[str] = set()
    while asked:
        found |= asked
        asked = {metric for name in asked for metric in reads.get(name, ())} - found
    return found


def _name(rule: Mapping[str, Any]) -> str:
    return str(rule.get("record") or rule.get("alert"))


def _evaluations(test: dict[str, Any]) -> int:
    (case,) = test["tests"]
    moments = [*case.get("promql_expr_test", ()), *case.get("alert_rule_test", ())]
    last = max(Duration.parse(moment["eval_time"]) for moment in moments)
    return last.milliseconds // Duration.parse(test["evaluation_interval"]).milliseconds


def _damages(spec: Spec, groups: list[dict[str, Any]]) -> Iterator[Damage]:
    """Each once: gateways differ in names only, and prices in numbers only, so that what is no name and no number is
    damaged in the first of them."""
    seen = set()
    for group_index, group in enumerate(groups):
        for rule_index, rule in enumerate(group["rules"]):
            for number, mutant in enumerate(mutants_of(rule)):
                key = _without_gateways(spec, _place(rule, number, mutant))
                if key not in seen:
                    yield Damage(group_index, rule_index, mutant)
                seen.add(key)


def _place(rule: Mapping[str, Any], number: int, mutant: Mutant) -> str:
    before, after = shape_of(rule["expr"]), shape_of(mutant.data["expr"])
    return f"{_name(rule)}: {before} -> {after}" if before != after else f"{rule}, damage {number}"


def _without_gateways(spec: Spec, text: str) -> str:
    for gateway in spec.gateways:
        for name in (gateway.id, gateway.job, gateway.slug, gateway.name):
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "GATEWAY", text)
    return text


# ---- Trying them -----------------------------------------------------------------------------------------------------


def tried(promtool: Path, plan: Plan, say: Callable[[str], None]) -> Result:
    _refuse_failing_tests(promtool, plan)
    left: list[Mutant] = []
    caught_by: dict[str, Counter[str]] = defaultdict(Counter)
    batches = [plan.damages[start : start + BATCH] for start in range(0, len(plan.damages), BATCH)]
    with ThreadPoolExecutor(os.cpu_count()) as processes:
        survivors = processes.map(lambda batch: _survivors(promtool, plan, batch, caught_by), batches)
        for number, found in enumerate(survivors, start=1):
            for damage in found:
                say(f"survives: {damage.mutant}\n    {reason_for(damage.mutant)}")
            left += [damage.mutant for damage in found]
            say(f"{min(number * BATCH, len(plan.damages))} of {len(plan.damages)} tried, {len(left)} survive")
    return Result([damage.mutant for damage in plan.damages], left)


def _refuse_failing_tests(promtool: Path, plan: Plan) -> None:
    """A test that fails on the rules as they are would seem to catch every damage."""
    rule = plan.groups[0]["rules"][0]
    undamaged = Damage(0, 0, Mutant(_name(rule), "none", "", "", rule))
    verdicts = _verdicts(promtool, plan, [(undamaged, test) for test in plan.tests])
    failing = [test for test, passed in zip(plan.tests, verdicts, strict=True) if not passed]
    if failing:
        raise RuntimeError(f"these tests fail although nothing is damaged: {failing}")


def _survivors(
    promtool: Path, plan: Plan, batch: Sequence[Damage], caught_by: dict[str, Counter[str]]
) -> Sequence[Damage]:
    """First the tests that caught most of the same rule, or state it themselves, and on what is left the others."""
    alive = list(batch)
    orders = {id(damage): _order(plan, damage, caught_by) for damage in batch}
    for first, last in ((0, 1), (1, 3), (3, 8), (8, None)):
        runs = [(damage, test) for damage in alive for test in orders[id(damage)][first:last]]
        failed = [run for run, passed in zip(runs, _verdicts(promtool, plan, runs), strict=True) if not passed]
        for damage, test in failed:
            caught_by[_name(damage.mutant.data)][test] += 1
        alive = [damage for damage in alive if not any(damage is other for other, _ in failed)]
    return alive


def _order(plan: Plan, damage: Damage, caught_by: dict[str, Counter[str]]) -> list[str]:
    name = _name(damage.mutant.data)
    tests = [test for test, needed in plan.needed.items() if name in needed and _has_food(plan, test, damage)]
    return sorted(tests, key=lambda test: (-caught_by[name][test], name not in plan.asked[test]))


def _has_food(plan: Plan, test: str, damage: Damage) -> bool:
    """Whether the test puts in anything that the rule lives on."""
    (case,) = plan.tests[test]["tests"]
    put_in = {series["series"].partition("{")[0] for series in case.get("input_series", ())}
    return bool({ANYTHING, *put_in} & plan.food[_name(damage.mutant.data)])


def _verdicts(promtool: Path, plan: Plan, runs: Sequence[tuple[Damage, str]]) -> list[bool]:
    if not runs:
        return []
    with tempfile.TemporaryDirectory() as folder:
        for number, (damage, test) in enumerate(runs):
            Path(folder, f"{number}.rules").write_text(json.dumps({"groups": _damaged(plan, damage, test)}))
            tests = {**plan.tests[test], "rule_files": [f"{number}.rules"]}
            Path(folder, f"{number}.test").write_text(json.dumps(tests))
        files = [f"{number}.test" for number in range(len(runs))]
        command: list[str | Path] = [promtool.absolute(), "test", "rules", *files]
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    verdicts = re.findall(r"^  (SUCCESS|FAILED:)$", done.stdout, flags=re.MULTILINE)
    if len(verdicts) != len(runs):
        raise RuntimeError(f"promtool gives {len(verdicts)} verdicts on {len(runs)} files:\n{done.stdout}")
    return [verdict == "SUCCESS" for verdict in verdicts]


def _damaged(plan: Plan, damage: Damage, test: str) -> list[dict[str, Any]]:
    damaged = []
    for group_index, group in enumerate(plan.groups):
        rules_of_group = list(group["rules"])
        if group_index == damage.group:
            rules_of_group[damage.rule] = damage.mutant.data
        damaged.append({**group, "rules": [rule for rule in rules_of_group if _name(rule) in plan.needed[test]]})
    return [ALWAYS_RECORDED, *damaged]


# ---- Telling ---------------------------------------------------------------------------------------------------------


def report(result: Result) -> Iterator[str]:
    all_of, left = (Counter(mutant.kind for mutant in mutants) for mutants in (result.tried, result.survivors))
    for kind, count in sorted(all_of.items()):
        yield f"{kind:<24}{count - left[kind]:>6} of {count}"
    for mutant in result.survivors:
        yield f"survives: {mutant}\n    {reason_for(mutant) or 'no reason is known: a test is missing'}"
    for mutant in result.excused_but_noticed:
        yield f"noticed, although excused: {mutant}\n    {reason_for(mutant)}"
    tried, caught = len(result.tried), len(result.tried) - len(result.survivors)
    yield (
        f"{tried} damages, {caught} caught: {caught / tried:.1%}, or {result.score:.1%} of those that no reason "
        f"excuses; {len(result.unexplained)} unexplained"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="How many damages of the rules do the generated tests catch?")
    parser.add_argument("--spec", type=Path, help="instead of the reference spec")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try only each N-th damage")
    parser.add_argument("--rule", default="", metavar="REGEX", help="damage only records and alerts of such names")
    parser.add_argument("--from", type=int, default=0, metavar="K", dest="first", help="begin with damage K (0)")
    arguments = parser.parse_args()
    text = arguments.spec.read_text(encoding="utf-8") if arguments.spec else REFERENCE
    if not programs("promtool"):
        print("there is no promtool (`make mutation` fetches one)", file=sys.stderr)
        return 3
    plan = plan_of(load(text, "spec.yaml").spec, arguments.every, arguments.rule, arguments.first)
    result = tried(programs("promtool")[-1].path, plan, lambda line: print(line, file=sys.stderr))
    print(*report(result), sep="\n")
    return int(bool(result.unexplained) or result.score < LOWEST_SCORE)


if __name__ == "__main__":
    sys.exit(main())
