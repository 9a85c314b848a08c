"""From the spec to the text of every output file, in memory. The one module that knows rules and dashboards both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from tollbook import dashboards, rules
from tollbook.gen import alert_listing, checks, dashboard_checks, dashboard_forms, form_checks, names, yamlio
from tollbook.gen.errors import Problem
from tollbook.gen.headers import header, header_of_tests
from tollbook.gen.inhibition import inhibit_rules
from tollbook.gen.manifests import manifests
from tollbook.gen.model import Alert
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Engine, Spec
from tollbook.gen.testgen import content, rule_tests


def build(spec: Spec) -> dict[str, str]:
    """File name -> text, the same bytes for the same spec wherever and whenever it runs."""
    groups = rules.build(spec)
    dashboard = dashboards.build(spec)
    tested, tested_file = _tested(spec)
    tested_groups = groups if tested is spec else rules.build(tested)
    return {
        names.MONITORING_FILE: header(names.MONITORING_FILE) + yamlio.dump_all(manifests(spec, groups)),
        names.DASHBOARD_FILE: _json(dashboard),
        **{file: _form(file, form) for file, form in dashboard_forms.forms(spec, dashboard).items()},
        names.RULES_FILE: header(names.RULES_FILE) + yamlio.dump({"groups": rule_groups(groups)}),
        names.INHIBIT_RULES_FILE: header(names.INHIBIT_RULES_FILE)
        + yamlio.dump({"inhibit_rules": inhibit_rules(spec)}),
        tested_file: header(tested_file) + yamlio.dump({"groups": rule_groups(tested_groups)}),
        **{
            tests.name: header_of_tests(tests.name, tests.what)
            + yamlio.dump(content(tests, tested_groups, tested_file))
            for tests in rule_tests(tested)
        },
    }


def alert_table(spec: Spec) -> str:
    return alert_listing.table(_alerts(spec))


def alert_list(spec: Spec) -> str:
    """The same and more of it, as JSON."""
    return _json(alert_listing.objects(_alerts(spec)))


def _alerts(spec: Spec) -> list[Alert]:
    """In the order of the rules."""
    return [rule for group in rules.build(spec) for rule in group.rules if isinstance(rule, Alert)]


def _tested(spec: Spec) -> tuple[Spec, str]:
    """What promtool can prove, and the file with its rules: promtool finds at once what a rule recorded. For an engine
    that does not, it proves the same rules as Prometheus would evaluate them."""
    if not spec.prometheus.lag.milliseconds:
        return spec, names.RULES_FILE
    return replace(spec, prometheus=replace(spec.prometheus, engine=Engine.PROMETHEUS)), names.PROMETHEUS_RULES_FILE


def _form(file: str, form: Mapping[str, Any]) -> str:
    return _json(form) if file.endswith(".json") else header(file) + yamlio.dump(form)


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def verify(outputs: Mapping[str, str]) -> list[Problem]:
    """Reads the texts back, as their users will, and judges them without any tool from outside."""
    objects = list(yaml.load_all(outputs[names.MONITORING_FILE], Loader=yaml.CSafeLoader))
    groups = yaml.load(outputs[names.RULES_FILE], Loader=yaml.CSafeLoader)["groups"]
    dashboard = json.loads(outputs[names.DASHBOARD_FILE])
    forms = {
        names.DASHBOARD_CONFIGMAP_FILE: yaml.load(outputs[names.DASHBOARD_CONFIGMAP_FILE], Loader=yaml.CSafeLoader),
        names.DASHBOARD_OPERATOR_FILE: yaml.load(outputs[names.DASHBOARD_OPERATOR_FILE], Loader=yaml.CSafeLoader),
        names.DASHBOARD_RESOURCE_FILE: json.loads(outputs[names.DASHBOARD_RESOURCE_FILE]),
    }
    known = checks.recorded_names(groups) | names.SCRAPED | names.FACTS
    return [
        *checks.monitoring_problems(objects),
        *checks.rule_problems(groups),
        *checks.disagreement(groups, objects),
        *dashboard_checks.problems(dashboard, known),
        *form_checks.problems(forms, dashboard),
    ]
