"""What the tests ask of a real promtool: rules, the series that go in, what must come out; many cases in one run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from tollbook import rules
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording, Rule, RuleGroup
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Spec

MINUTE = Duration.parse("1m")

#: Set to a folder, nothing is asked: cases that must pass are written there, for tests/mutation.py to try.
RECORD = "TOLLBOOK_RECORD_CASES"

#: Series in Prometheus' notation -> its value.
Samples = Mapping[str, int | float | Decimal]
NOTHING: Samples = {}


@dataclass(frozen=True)
class Case:
    name: str
    rules: str
    """The text of a rule file."""
    series: Mapping[str, str] = field(default_factory=dict)
    """Series -> its values in promtool's notation, one each `scraped_every`."""
    samples: tuple[tuple[str, str, Samples], ...] = ()
    """Expression, instant, and everything the expression must give."""
    alerts: tuple[tuple[str, str, tuple[Mapping[str, str], ...]], ...] = ()
    """Alert, instant, and the labels and annotations of all that fire: `annotation:summary` -> its text."""
    scraped_every: str = "30s"
    evaluated_every: str = "1m"


def rule_file(*groups: RuleGroup) -> str:
    return yaml_of({"groups": rule_groups(groups)})


def rule_file_of(*parts: Iterable[Rule]) -> str:
    """One group of these rules, evaluated in this order."""
    return rule_file(RuleGroup("test", MINUTE, tuple(rule for part in parts for rule in part)))


def all_rules(spec: Spec) -> str:
    return rule_file(*rules.build(spec))


def money_rules(spec: Spec, *readers: ModuleType) -> str:
    """From counters to dollars: what the spec says, and of the ledger all but the calendar, which takes long. Besides,
    the groups that these readers of the ledger have."""
    families = [family for family in rules.LEDGER if family is not rules.calendar.rules]
    return rule_file(*fact_groups(spec), ledger_of(spec, families), *(g for each in readers for g in each.build(spec)))


def fact_groups(spec: Spec) -> list[RuleGroup]:
    return [group for family in rules.FACTS for group in family.build(spec)]


def ledger_of(spec: Spec, families: Iterable[Callable[[Spec], tuple[Recording, ...]]]) -> RuleGroup:
    """These families of the ledger alone."""
    return RuleGroup("ledger", spec.prometheus.step, tuple(rule for family in families for rule in family(spec)))


def failures(promtool: Path, *cases: Case) -> dict[str, str]:
    """Case -> what promtool said, of those that failed. Raises AssertionError where it could not judge."""
    if folder := os.environ.get(RECORD):
        for case in cases:
            _record(Path(folder), case)
        return {}
    with tempfile.TemporaryDirectory() as folder:
        files = {f"{number:04}.test.json": case for number, case in enumerate(cases)}
        for file, case in files.items():
            Path(folder, f"{file}.rules").write_text(case.rules)
            Path(folder, file).write_text(yaml_of(as_test_file(case, f"{file}.rules")))
        done = subprocess.run(
            [promtool.absolute(), "test", "rules", *files],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    # The newest name no files: the verdicts come in the order of the files, each under a word of its own.
    said = re.split(r"^  (SUCCESS|FAILED:)$", done.stdout, flags=re.MULTILINE)[1:]
    assert len(said) == 2 * len(cases), done.stdout
    verdicts = zip(cases, said[::2], said[1::2], strict=True)
    failed = {case.name: text for case, verdict, text in verdicts if verdict != "SUCCESS"}
    assert done.returncode == bool(failed), done.stdout
    return failed


def unmet(promtool: Path, *cases: Case) -> set[str]:
    """The cases whose expectations are not met, each of which must have been judged."""
    if RECORD in os.environ:
        return {case.name for case in cases}
    failed = failures(promtool, *cases)
    broken = {name: text for name, text in failed.items() if "got:" not in text}
    assert not broken, broken
    return set(failed)


def _record(folder: Path, case: Case) -> None:
    """Under names made of the contents: what two promtools are asked, and the rules of two cases, are there once."""
    rules_name = f"{_digest(case.rules)}.rules"
    text = yaml_of(as_test_file(case, rules_name))
    test = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0].rpartition("/")[2]
    (folder / rules_name).write_text(case.rules)
    (folder / f"{test}:{_digest(text)}.case").write_text(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_test_file(case: Case, rules_name: str) -> dict[str, Any]:
    test = {
        "name": case.name,
        "interval": case.scraped_every,
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": at, "exp_samples": [_sample(*pair) for pair in expected.items()]}
            for expr, at, expected in case.samples
        ],
        "alert_rule_test": [
            {"alertname": alert, "eval_time": at, "exp_alerts": [_alert(labels) for labels in expected]}
            for alert, at, expected in case.alerts
        ],
    }
    groups = [group["name"] for group in yaml.load(case.rules, Loader=yaml.CSafeLoader)["groups"]]
    return {
        "rule_files": [rules_name],
        "evaluation_interval": case.evaluated_every,
        "group_eval_order": groups,  # promtool's own order is another one in every run
        "tests": [test],
    }


def _sample(series: str, value: int | float | Decimal) -> dict[str, Any]:
    # A float, because that is what promtool makes of the text too; whole dollars are never compared here.
    return {"labels": series or "{}", "value": float(value)}


def _alert(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    annotations = {key.partition(":")[2]: text for key, text in texts.items() if key.startswith("annotation:")}
    labels = {key: text for key, text in texts.items() if not key.startswith("annotation:")}
    return {"exp_labels": labels, "exp_annotations": annotations}


def yaml_of(data: Any) -> str:
    """JSON, which is YAML as well, except for how it writes what lies beyond sixteen bits."""

    def one_character(pair: re.Match[str]) -> str:
        character = json.loads('"' + pair[0] + '"')
        return f"\\U{ord(character):08x}"

    return re.sub(r"\\ud[89ab]..\\ud[c-f]..", one_character, json.dumps(data))
