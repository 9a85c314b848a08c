"""From the spec to the promtool tests of its own rules: traffic goes in, what the oracle says it cost must come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tollbook.gen import (
    names,
    testgen_blindness,
    testgen_budgets,
    testgen_counting,
    testgen_dollars,
    testgen_pace,
    testgen_prices,
    testgen_semantics,
)
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.spec import Spec


def rule_tests(spec: Spec, groups: Sequence[RuleGroup]) -> dict[str, Any]:
    alerts = [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]
    cases = (
        *testgen_prices.cases(spec),
        *testgen_counting.cases(spec),
        *testgen_semantics.cases(spec),
        *testgen_dollars.cases(spec, alerts),
        *testgen_blindness.cases(spec, alerts),
        *testgen_budgets.cases(spec, alerts),
        *testgen_pace.cases(spec, alerts),
    )
    return {
        "rule_files": [names.RULES_FILE],
        "evaluation_interval": str(spec.prometheus.step),
        # Prometheus runs groups side by side; for exact answers they run in the order of the rule file.
        "group_eval_order": [group.name for group in groups],
        "tests": [case.data() for case in cases],
    }
