"""What an engine changes in the rules: when they read each other's records, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from promtool_cases import all_rules
from spec_builders import spec_of

from tollbook.gen import names, pipeline
from tollbook.gen.spec import Engine, Spec

EVERYTHING = """
    attribution: [{label: team, expression: "apiKey.team"}]
    budgets: [{name: all, amount: 1, period: day}, {name: sliding, amount: 1, period: 24h}]
"""
TIERS = """
    models:
      - provider: openai
        name: gpt
        prices: [{input: 1, output: 10, tiers: [{context_over: 1000, input: 2, output: 20}]}]
"""


def evaluated_by(engine: Engine, models: str = TIERS) -> Spec:
    spec = spec_of(EVERYTHING + models)
    return replace(spec, prometheus=replace(spec.prometheus, engine=engine))


@pytest.mark.parametrize("engine", [Engine.MIMIR, Engine.THANOS])
def test_a_ruler_that_reads_at_once_evaluates_what_prometheus_does(engine: Engine) -> None:
    assert all_rules(evaluated_by(engine)) == all_rules(evaluated_by(Engine.PROMETHEUS))


def test_victoriametrics_reads_every_record_of_the_ledger_at_least_one_evaluation_back() -> None:
    rules = all_rules(evaluated_by(Engine.VICTORIAMETRICS))
    reads = re.findall(r"\[1ms\](?: offset (\w+))?", rules)
    assert reads
    assert set(reads) <= {f"{minutes}m" for minutes in range(1, 10)}


def test_an_engine_changes_moments_alone() -> None:
    """Offsets, how long an hour is waited for and how far back it is read, and the clock of days. Where models have
    tiers, dollars are read in two parts, as those of long contexts are recorded a stage later."""

    def timeless(engine: Engine) -> str:
        text = re.sub(r" offset -?\w+", "", all_rules(evaluated_by(engine, models="")))
        text = re.sub(r"time\(\) - [0-9.]+", "time()", text)
        return re.sub(r"\s+|[()]|\[1h\w*:1m\]", "", text.replace(r"\n", ""))

    assert timeless(Engine.VICTORIAMETRICS) == timeless(Engine.PROMETHEUS)


def test_where_promtool_cannot_prove_the_rules_it_proves_those_of_prometheus() -> None:
    files = pipeline.build(evaluated_by(Engine.VICTORIAMETRICS))
    proven = pipeline.build(evaluated_by(Engine.PROMETHEUS))
    as_prometheus, rules = files[names.PROMETHEUS_RULES_FILE], proven[names.RULES_FILE]
    assert as_prometheus.partition("groups:")[2] == rules.partition("groups:")[2]
    assert names.PROMETHEUS_RULES_FILE not in proven
    tests = [name for name in files if names.is_rules_test_file(name)]
    assert all(f"- {names.PROMETHEUS_RULES_FILE}\n" in files[name] for name in tests)
    assert pipeline.verify(files) == []


def test_leftover_rules_for_unit_tests_go_with_the_engine(tmp_path: Path) -> None:
    from tollbook.gen import outputs

    outputs.replace(tmp_path, pipeline.build(evaluated_by(Engine.VICTORIAMETRICS)))
    assert outputs.leftovers(tmp_path, pipeline.build(evaluated_by(Engine.PROMETHEUS))) == [names.PROMETHEUS_RULES_FILE]
