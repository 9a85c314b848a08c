"""From the spec to the promtool tests of its own rules: traffic goes in, what the oracle says it cost must come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tollbook.gen import (
    names,
    testgen_attribution,
    testgen_blindness,
    testgen_budgets,
    testgen_calendar,
    testgen_counting,
    testgen_dates,
    testgen_dollars,
    testgen_histories,
    testgen_horizon,
    testgen_pace,
    testgen_prices,
    testgen_rises,
    testgen_semantics,
    testgen_targets,
    testgen_windows,
    traffic,
)
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promtest import CaseFile
from tollbook.gen.spec import Spec
from tollbook.gen.testgen_growth import PERIOD


def rule_tests(spec: Spec, groups: Sequence[RuleGroup]) -> Iterator[CaseFile]:
    """`rules-test.yaml` at the pace of the rules themselves, and beside it what needs another one: promtool knows one
    evaluation interval a file, and evaluates all rules each time. They lie beside the rules, under names that begin
    alike, so that each runs alone, one pattern runs all, and `ls` shows them together."""
    alerts = [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]
    names_gateways = bool(spec.gateways)
    spec = spec if names_gateways else replace(spec, gateways=(traffic.found(spec),))
    cases = (
        *testgen_prices.cases(spec),
        *testgen_counting.cases(spec),
        *testgen_semantics.cases(spec),
        *testgen_dollars.cases(spec, alerts),
        *testgen_attribution.cases(spec, alerts),
        *testgen_blindness.cases(spec, alerts, names_gateways),
        *testgen_budgets.cases(spec, alerts),
        *testgen_pace.cases(spec, alerts),
    )
    yield CaseFile(names.RULES_TEST_FILE, "What the rules must answer", spec.prometheus.step, cases)
    yield from testgen_calendar.files(spec)
    yield from testgen_windows.files(spec, alerts)
    lately = (
        *testgen_rises.cases(spec, alerts),
        *testgen_histories.edges(spec, PERIOD),
    )
    yield CaseFile(names.rules_test_file("lately"), "What is said of pods and requests of late", PERIOD, lately)
    if names_gateways:
        yield testgen_targets.versions(spec, alerts)
    yield from testgen_horizon.files(spec, alerts)
    yield from testgen_dates.files(spec)


def content(cases: CaseFile, groups: Sequence[RuleGroup], rules_file: str) -> dict[str, Any]:
    return {
        "rule_files": [rules_file],
        "evaluation_interval": str(cases.interval),
        # Prometheus runs groups side by side; for exact answers they run in the order of the rule file.
        "group_eval_order": [group.name for group in groups],
        "tests": [case.data() for case in cases.cases],
    }
