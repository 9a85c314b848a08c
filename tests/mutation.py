"""How good the tests are: the rules are damaged one fact at a time, and a test must notice.

`python tests/mutation.py` (`make mutation`) collects what the project's own tests ask promtool (tests/promtool_cases.py
writes it down) and what the generated tests of a small spec ask, makes every damage of their rules that
tests/mutants.py knows, and runs the cases that hold the rule with the damaged one, until one fails. What no case
catches is listed. It must have a reason in tests/mutation_reasons.py, and of the others most must be caught in every
family; otherwise the exit code is 1.
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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from conftest import programs
from mutants import STRING, Mutant, mutants_of
from mutation_reasons import reason_for
from promtool_cases import RECORD, yaml_of

from tollbook import rules
from tollbook.gen import names, pipeline
from tollbook.gen.durations import Duration
from tollbook.gen.load import load
from tollbook.gen.promql_reading import problem_in
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

#: Of the damages of a family that no reason excuses.
LOWEST_SCORE = 0.95

#: Records of several windows are built alike.
WINDOW_IN_NAME = re.compile(r"(?<=[a-z])(\d+[smhdw])+$")

#: A rule that reads one of these may give something although nothing is put in.
FROM_NOTHING = frozenset({"absent", "absent_over_time", "time", "vector"})

#: promtool stores nothing of a long interval ("out of bounds") where no rule recorded anything as its clock started.
#: All rules together always do, by their prices; the few that a test needs may not.
ALWAYS_RECORDED = {"name": "always", "rules": [{"record": "always", "expr": "vector(1)"}]}

#: Of the parts of a rule that are alike (one for each model, gateway, date) so many are damaged, each on its own.
ALIKE = 4

#: So many damages are tried at once, and promtool is asked about so many files at once.
BATCH, FILES = 12, 40
PROCESSES = min(os.cpu_count() or 1, 2)

#: Of the cases that hold the rule these are asked at once, and the next where none of them notices.
STEPS = ((0, 1), (1, 3), (3, 8), (8, 20), (20, 60), (60, None))

#: The tests of a family that state something of the rule are worth so much more time than others.
MEANT = 8

Rule = Mapping[str, Any]


# ---- What is asked ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RuleFile:
    groups: list[dict[str, Any]]

    @cached_property
    def reads(self) -> dict[str, set[str]]:
        """Record or alert -> every word of its rules, metrics among them."""
        found: dict[str, set[str]] = defaultdict(set)
        for rule in self.rules():
            found[_name(rule)] |= _words([rule["expr"], *rule.get("annotations", {}).values()])
        return found

    def rules(self) -> Iterator[Rule]:
        return (rule for group in self.groups for rule in group["rules"])

    def all_read(self, asked: Iterable[str]) -> set[str]:
        """These names and all that lies under them, down to what is scraped."""
        found, left = set(), set(asked)
        while left:
            found |= left
            left = {word for name in left for word in self.reads.get(name, ())} - found
        return found


@dataclass(frozen=True, eq=False)
class Trial:
    """One case of a test, and the rules that it is asked of."""

    name: str
    file: RuleFile
    test: dict[str, Any]
    """A test file with this case alone."""

    @property
    def case(self) -> dict[str, Any]:
        [case] = self.test["tests"]
        return dict(case)

    @cached_property
    def asked(self) -> set[str]:
        """What it states something of."""
        stated = [moment["expr"] for moment in self.case.get("promql_expr_test", ())]
        alerts = {moment["alertname"] for moment in self.case.get("alert_rule_test", ())}
        known = set(self.file.reads)
        if any("__name__" in expr for expr in stated):
            return known
        if any("ALERTS" in expr and not known & _words([expr]) for expr in stated):
            alerts |= {rule["alert"] for rule in self.file.rules() if "alert" in rule}
        return known & (alerts | _words(stated))

    @cached_property
    def needed(self) -> set[str]:
        """What its answers depend on; the other rules need not be evaluated."""
        return self.file.all_read(self.asked)

    @cached_property
    def put_in(self) -> set[str]:
        return {series["series"].partition("{")[0] for series in self.case.get("input_series", ())} | FROM_NOTHING

    @cached_property
    def cost(self) -> int:
        """About: how often how much is evaluated."""
        moments = [*self.case.get("promql_expr_test", ()), *self.case.get("alert_rule_test", ())]
        last = max((Duration.parse(str(moment["eval_time"])).milliseconds for moment in moments), default=0)
        evaluations = 1 + last // Duration.parse(self.test["evaluation_interval"]).milliseconds
        return evaluations * sum(len(rule["expr"]) for rule in self.file.rules() if _name(rule) in self.needed)

    def notices(self, name: str) -> bool:
        """Whether it may: it depends on such a rule, and puts in something that the rule lives on."""
        return name in self.needed and bool(self.put_in & self.file.all_read({name}))

    def groups(self, rule: Rule | None = None, damaged: Rule | None = None) -> list[dict[str, Any]]:
        """The rules that it needs, with the damaged one instead of the rule."""
        return [ALWAYS_RECORDED] + [
            {**group, "rules": [damaged if r is rule else r for r in group["rules"] if _name(r) in self.needed]}
            for group in self.file.groups
        ]


def _name(rule: Rule) -> str:
    return str(rule.get("record") or rule.get("alert"))


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in re.findall(r"[\w:]+", text)}


@dataclass
class Trials:
    """Rules that are equal are one object, in whatever file they stand."""

    found: list[Trial] = field(default_factory=list)
    _files: dict[str, RuleFile] = field(default_factory=dict)
    _rules: dict[str, Rule] = field(default_factory=dict)

    def add(self, name: str, rules_text: str, test: dict[str, Any]) -> None:
        file = self._files.get(rules_text) or self._read(rules_text)
        for case in test["tests"]:
            self.found.append(Trial(f"{name}: {case.get('name')}", file, {**test, "tests": [case]}))

    def _read(self, text: str) -> RuleFile:
        groups = yaml.load(text, Loader=yaml.CSafeLoader)["groups"]
        for group in groups:
            read = ({**rule, "expr": one_line(rule["expr"])} for rule in group["rules"])
            group["rules"] = [self._rules.setdefault(json.dumps(rule, sort_keys=True), rule) for rule in read]
        return self._files.setdefault(text, RuleFile(groups))


def one_line(expr: str) -> str:
    """A laid out expression as it was before, without its comment."""
    blanks = rf"({STRING})|#.*\n?|(?<=[(\[])\s+|\s+(?=[)\]])|(\s+)"
    return re.sub(blanks, lambda match: match[1] or (" " if match[2] else ""), str(expr)).strip()


def of_tests(files: Sequence[Path], into: Trials) -> None:
    """What the tests in these files ask promtool; nothing is asked of it meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        at_once = str(PROCESSES if len(files) > 1 else 0)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses", at_once]
        environment = {**os.environ, RECORD: folder}
        done = subprocess.run([*pytest, *map(str, files)], env=environment, capture_output=True, text=True, check=False)
        if not list(Path(folder).iterdir()):
            raise RuntimeError(f"nothing is asked of promtool in {files}:\n{done.stdout}")
        of_folder(Path(folder), into)


def of_folder(folder: Path, into: Trials) -> None:
    for case in sorted(folder.glob("*.case")):
        test = yaml.load(case.read_text(), Loader=yaml.CSafeLoader)
        into.add(case.name.partition(":")[0], Path(folder, test["rule_files"][0]).read_text(), test)


def of_spec(spec: Spec, into: Trials) -> None:
    """What its generated tests ask."""
    outputs = pipeline.build(spec)
    for file, text in outputs.items():
        if names.is_rules_test_file(file):
            test = yaml.load(text, Loader=yaml.CSafeLoader)
            into.add(file, outputs[test["rule_files"][0]], test)


def asking_files(folder: Path = Path(__file__).parent) -> list[Path]:
    asking = (file for file in sorted(folder.glob("test_*.py")) if "promtool_cases" in file.read_text())
    return [file for file in asking if file.name != "test_mutation.py"]


# ---- What is damaged -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Damage:
    """One fact of a rule, damaged alike in all rules that are built alike."""

    family: str
    mutants: list[tuple[Mutant, Rule]] = field(default_factory=list)
    """With the rule as it was."""

    @property
    def shown(self) -> Mutant:
        return self.mutants[0][0]


def damages_of(trials: Collection[Trial], families: Collection[str] = (), only: str = "") -> list[Damage]:
    """`only`: a regular expression for the records and alerts."""
    known = family_of_names(load(REFERENCE, "spec.yaml").spec)
    found: dict[tuple[Any, ...], Damage] = {}
    seen = set()
    for file in {id(trial.file): trial.file for trial in trials}.values():
        for group in file.groups:
            for rule in group["rules"]:
                family = known.get(_name(rule)) or _family_of_group(group["name"])
                wanted = family in families if families else bool(family)
                if id(rule) in seen or not wanted or not re.search(only, _name(rule)):
                    continue
                seen.add(id(rule))
                for key, mutant in _once(rule):
                    found.setdefault(key, Damage(family)).mutants.append((mutant, rule))
    return list(found.values())


def _once(rule: Rule) -> Iterator[tuple[Any, Mutant]]:
    """Its damages, each with a key that it shares with the same damage of rules that are built alike."""
    alike: Counter[Any] = Counter()
    for mutant in mutants_of(rule):
        place = (WINDOW_IN_NAME.sub("", _name(rule)), rule.get("labels", {}).get("severity"), mutant.kind, mutant.place)
        if alike[place] < ALIKE and not problem_in(mutant.data["expr"]):
            alike[place] += 1
            yield (*place, alike[place]), mutant


def family_of_names(spec: Spec) -> dict[str, str]:
    """Record or alert -> the module in rules/ that builds it."""
    ledger = ((family.__module__, family(spec)) for family in rules.LEDGER)
    modules = (*rules.FACTS, *rules.READERS)
    others = ((module.__name__, group.rules) for module in modules for group in module.build(spec))
    found: dict[str, str] = {}
    for module, built in (*ledger, *others):
        for rule in built:
            found.setdefault(getattr(rule, "record", "") or getattr(rule, "alert", ""), module.rpartition(".")[2])
    return found


def _family_of_group(name: str) -> str:
    """Of a rule that the reference spec has not; none where a test made it up."""
    prefix, _, rest = name.partition(".")
    return rest.partition(".")[0] if prefix == names.GROUP_PREFIX else ""


# ---- Trying them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    tried: list[Damage]
    survivors: list[Damage]

    @property
    def unexplained(self) -> list[Damage]:
        return [damage for damage in self.survivors if not reason_for(damage.shown)]

    @property
    def excused_but_noticed(self) -> list[Damage]:
        """Their reasons say more than is true, or are needed no longer."""
        survivors = {id(damage) for damage in self.survivors}
        return [damage for damage in self.tried if reason_for(damage.shown) and id(damage) not in survivors]

    def scores(self) -> dict[str, tuple[int, int]]:
        """Family -> how many damages are caught, and of how many that no reason excuses."""
        tried = Counter(damage.family for damage in self.tried)
        caught = tried - Counter(damage.family for damage in self.survivors)
        missed = Counter(damage.family for damage in self.unexplained)
        return {family: (caught[family], caught[family] + missed[family]) for family in sorted(tried)}


@dataclass
class Jury:
    """The cases, and what is known of them."""

    promtool: Path
    trials: Collection[Trial]
    say: Callable[[str], None] = print
    most: int | None = None
    """A damage that so many cases do not notice survives."""
    _tried: dict[str, Counter[Trial]] = field(default_factory=lambda: defaultdict(Counter))
    _caught: dict[str, Counter[Trial]] = field(default_factory=lambda: defaultdict(Counter))
    _holders: dict[str, list[Trial]] = field(default_factory=dict)
    _sound: dict[Trial, bool] = field(default_factory=dict)
    """Whether it passes where nothing is damaged: one that fails would seem to catch every damage."""

    def try_all(self, damages: Sequence[Damage]) -> Result:
        left: list[Damage] = []
        batches = [damages[start : start + BATCH] for start in range(0, len(damages), BATCH)]
        with ThreadPoolExecutor(PROCESSES) as processes:
            for number, found in enumerate(processes.map(self._survivors, batches), start=1):
                left += found
                for damage in found:
                    self.say(f"survives: {damage.family}: {damage.shown}\n    {reason_for(damage.shown)}")
                self.say(f"{min(number * BATCH, len(damages))} of {len(damages)} tried, {len(left)} survive")
        return Result(list(damages), left)

    def _survivors(self, batch: Sequence[Damage]) -> Sequence[Damage]:
        alive = list(batch)
        orders = {id(damage): self._order(damage) for damage in batch}
        for first, last in STEPS:
            runs = [(damage, *run) for damage in alive for run in orders[id(damage)][first:last]]
            passed = self._verdicts([(trial, trial.groups(rule, mutant.data)) for _, trial, mutant, rule in runs])
            failed = [run for run, good in zip(runs, passed, strict=True) if not good]
            self._check([trial for _, trial, _, _ in failed])
            caught = {id(damage): (trial, rule) for damage, trial, _, rule in failed if self._sound[trial]}
            for _, trial, _, rule in runs:
                self._tried[_name(rule)][trial] += 1
            for trial, rule in caught.values():
                self._caught[_name(rule)][trial] += 1
            alive = [damage for damage in alive if id(damage) not in caught]
        return alive

    def _order(self, damage: Damage) -> list[tuple[Trial, Mutant, Rule]]:
        """The cases to ask, first those that promise most for their time."""
        damaged = {id(rule): (mutant, rule) for mutant, rule in damage.mutants}
        runs = [
            (trial, *damaged[id(rule)])
            for name in {_name(rule): 0 for _, rule in damage.mutants}
            for trial in self._holding(name)
            for rule in trial.file.rules()
            if _name(rule) == name and id(rule) in damaged and self._sound.get(trial, True)
        ]

        def price(run: tuple[Trial, Mutant, Rule]) -> float:
            trial, _, rule = run
            name = _name(rule)
            hope = (self._caught[name][trial] + 1) / (self._tried[name][trial] + 2)
            meant = name in trial.asked and trial.name.startswith(f"test_{damage.family}.py")
            return trial.cost / hope / (MEANT if meant else 1)

        return sorted(runs, key=price)[: self.most]

    def _holding(self, name: str) -> list[Trial]:
        if name not in self._holders:
            self._holders[name] = [trial for trial in self.trials if trial.notices(name)]
        return self._holders[name]

    def _check(self, trials: Iterable[Trial]) -> None:
        new = [trial for trial in dict.fromkeys(trials) if trial not in self._sound]
        for trial, sound in zip(new, self._verdicts([(trial, trial.groups()) for trial in new]), strict=True):
            self._sound[trial] = sound
            if not sound:
                self.say(f"left out, for it fails although nothing is damaged: {trial.name}")

    def _verdicts(self, runs: Sequence[tuple[Trial, list[dict[str, Any]]]]) -> list[bool]:
        return [good for at in range(0, len(runs), FILES) for good in self._asked(runs[at : at + FILES])]

    def _asked(self, runs: Sequence[tuple[Trial, list[dict[str, Any]]]]) -> list[bool]:
        with tempfile.TemporaryDirectory() as folder:
            for number, (trial, groups) in enumerate(runs):
                Path(folder, f"{number}.rules").write_text(yaml_of({"groups": groups}))
                Path(folder, f"{number}.test").write_text(yaml_of({**trial.test, "rule_files": [f"{number}.rules"]}))
            files = [f"{number}.test" for number in range(len(runs))]
            done = subprocess.run(
                [self.promtool.absolute(), "test", "rules", *files],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        verdicts = re.findall(r"^  (SUCCESS|FAILED:)$", done.stdout, flags=re.MULTILINE)
        if len(verdicts) != len(runs):
            raise RuntimeError(f"promtool gives {len(verdicts)} verdicts on {len(runs)} files:\n{done.stdout}")
        return [verdict == "SUCCESS" for verdict in verdicts]


# ---- Telling ---------------------------------------------------------------------------------------------------------


def report(result: Result) -> Iterator[str]:
    for damage in result.survivors:
        why = reason_for(damage.shown) or "no reason is known: a test is missing"
        yield f"survives: {damage.family}: {damage.shown}\n    {why}"
    for damage in result.excused_but_noticed:
        yield f"noticed, although excused: {damage.shown}\n    {reason_for(damage.shown)}"
    for family, (caught, of) in result.scores().items():
        yield f"{family:<16}{caught:>6} of {of} ({caught / max(of, 1):.0%})"


def is_good(result: Result) -> bool:
    return all(caught >= LOWEST_SCORE * of for caught, of in result.scores().values())


def main() -> int:
    parser = argparse.ArgumentParser(description="How many damages of the rules do the tests catch?")
    parser.add_argument("--family", action="append", default=[], help="damage only what this module of rules/ builds")
    parser.add_argument("--rule", default="", metavar="REGEX", help="damage only records and alerts of such names")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try only each N-th damage")
    parser.add_argument("--from", type=int, default=0, metavar="K", dest="first", help="begin with damage K (0)")
    parser.add_argument("--tests", type=Path, nargs="+", default=asking_files(), help="only what these test files ask")
    parser.add_argument("--cases", type=int, metavar="N", help="ask no more than so many cases about a damage")
    arguments = parser.parse_args()
    if not programs("promtool"):
        print("there is no promtool (`make mutation` fetches one)", file=sys.stderr)
        return 3
    trials = Trials()
    of_tests(arguments.tests, trials)
    of_spec(load(REFERENCE, "spec.yaml").spec, trials)
    damages = damages_of(trials.found, arguments.family, arguments.rule)[arguments.first :: arguments.every]
    say = partial(print, file=sys.stderr)
    result = Jury(programs("promtool")[-1].path, trials.found, say, arguments.cases).try_all(damages)
    print(*report(result), sep="\n")
    return int(not is_good(result))


if __name__ == "__main__":
    sys.exit(main())
