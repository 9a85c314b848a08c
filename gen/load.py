"""The spec's way in: text -> YAML -> shape -> resolved spec -> meaning, with every problem of the file in one go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tollbook.gen.alert_checks import alert_findings
from tollbook.gen.backend_checks import backend_findings
from tollbook.gen.budget_checks import budget_findings
from tollbook.gen.errors import FindingsError, Problem, Severity, in_order
from tollbook.gen.gateway_checks import gateway_findings
from tollbook.gen.label_checks import label_findings
from tollbook.gen.price_checks import price_findings
from tollbook.gen.resolve import resolve
from tollbook.gen.scraping_checks import scraping_findings
from tollbook.gen.shape import shape_findings
from tollbook.gen.spec import Spec
from tollbook.gen.yamlio import read

_CHECKS = (scraping_findings, gateway_findings, backend_findings, label_findings, budget_findings, alert_findings)


@dataclass(frozen=True)
class Loaded:
    spec: Spec
    warnings: tuple[Problem, ...]


def load(text: str, file: str, today: date | None = None) -> Loaded:
    """Raises FindingsError with all problems: those of YAML alone, or those of shape and meaning together. `today` is
    what the age of a price is counted from; without it none is too old."""
    document = read(text, file)
    refused = shape_findings(document)
    problems = [problem for _, problem in refused]
    if not isinstance(document.data, dict):
        raise FindingsError(problems)
    resolved = resolve(document, (path for path, _ in refused))
    problems += (problem for check in _CHECKS for problem in check(resolved))
    problems += price_findings(resolved, today)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise FindingsError(problems)
    return Loaded(resolved.spec, tuple(in_order(problems)))
