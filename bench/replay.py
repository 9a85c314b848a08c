"""Samples through Prometheus' own engine: promtool is told to expect nothing, and says what it got instead."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.target import END, SLOT, Series
from tollbook.gen import names
from tollbook.gen.promql import number
from tollbook.gen.promtool import Promtool

#: The labels and the value of one sample.
Sample = tuple[dict[str, str], float]

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SAMPLE = re.compile(rf"\{{(?P<labels>(?:{_LABEL.pattern}(?:, )?)*)\}} (?P<value>[^\s,]+)")


def replay(
    promtool: Promtool, groups: Iterable[Any], series: Iterable[Series], questions: Sequence[str]
) -> dict[str, list[Sample]]:
    """The answer to each question, a PromQL expression, after the last step. Groups are evaluated in their order.

    Raises RuntimeError where promtool has none.
    """
    groups = list(groups)
    test = {
        "rule_files": [names.RULES_FILE],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in groups],  # promtool's own order is another one in every run
        "tests": [
            {
                "interval": f"{SLOT}s",
                "input_series": [{"series": _notation(each), "values": _values(each)} for each in series],
                "promql_expr_test": [
                    {"expr": question, "eval_time": f"{END}s", "exp_samples": []} for question in questions
                ],
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, data in ((names.RULES_FILE, {"groups": groups}), (names.RULES_TEST_FILE, test)):
            Path(folder, name).write_text(json.dumps(data), encoding="utf-8")
        problems = promtool.run_tests(Path(folder))
    return _answers([problem.message for problem in problems], questions)


def _answers(messages: Sequence[str], questions: Sequence[str]) -> dict[str, list[Sample]]:
    answers: dict[str, list[Sample]] = {}
    for message in messages:
        asked = re.search(r'expr: ("(?:[^"\\]|\\.)*"), time: [^\n]*\n\s*exp: nil', message)
        if asked is None:
            raise RuntimeError(message)
        answers[json.loads(asked[1])] = [
            ({name: json.loads(f'"{text}"') for name, text in _LABEL.findall(got["labels"])}, float(got["value"]))
            for got in _SAMPLE.finditer(message, asked.end())
        ]
    return {question: answers.get(question, []) for question in questions}


def _notation(series: Series) -> str:
    return f"{series.metric}{{{','.join(f'{name}={json.dumps(value)}' for name, value in series.labels.items())}}}"


def _values(series: Series) -> str:
    """promtool's notation, a word a slot, where `_xN` stands for N slots without a sample."""
    words, next_slot = [], 0
    for slot, value in sorted(series.samples.items()):
        if slot > next_slot:
            words.append(f"_x{slot - next_slot}")
        words.append("stale" if value is None else number(value))
        next_slot = slot + 1
    return " ".join(words)
