"""From the spec to the promtool tests of its own rules: traffic goes in, what the oracle says it cost must come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tollbook.gen import (
    names,
    testgen_attribution,
    testgen_budgets,
    testgen_calendar,
    testgen_counting,
    testgen_dates,
    testgen_dollars,
    testgen_histories,
    testgen_prices,
    testgen_semantics,
    testgen_windows,
    traffic,
)
from tollbook.gen.durations import Duration
from tollbook.gen.model import RuleGroup
from tollbook.gen.promtest import CaseFile
from tollbook.gen.spec import Spec

#: Long enough for every history to be over.
_LATELY = Duration.parse("3h")


def rule_tests(spec: Spec) -> Iterator[CaseFile]:
    """`rules-test.yaml` at the pace of the rules themselves, and beside it what needs another one: promtool knows one
    evaluation interval a file, and evaluates all rules each time. They lie beside the rules, under names that begin
    alike, so that each runs alone, one pattern runs all, and `ls` shows them together."""
    if not spec.gateways:
        spec = replace(spec, gateways=(traffic.found(spec),))
    cases = (
        *testgen_prices.cases(spec),
        *testgen_counting.cases(spec),
        *testgen_semantics.cases(spec),
        *testgen_dollars.cases(spec),
        *testgen_attribution.cases(spec),
        *testgen_budgets.cases(spec),
    )
    yield CaseFile(names.RULES_TEST_FILE, "What the rules must answer", spec.prometheus.step, cases)
    yield from testgen_calendar.files(spec)
    yield from testgen_windows.files(spec)
    lately = tuple(testgen_histories.edges(spec, _LATELY))
    if lately:
        yield CaseFile(names.rules_test_file("lately"), "What is scraped before a step ends", _LATELY, lately)
    yield from testgen_dates.files(spec)


def content(cases: CaseFile, groups: Sequence[RuleGroup], rules_file: str) -> dict[str, Any]:
    return {
        "rule_files": [rules_file],
        "evaluation_interval": str(cases.interval),
        # Prometheus runs groups side by side; for exact answers they run in the order of the rule file.
        "group_eval_order": [group.name for group in groups],
        "tests": [case.data() for case in cases.cases],
    }
