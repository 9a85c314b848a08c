"""The pages for whoever is woken by an alert: each is told, what it tells to ask is PromQL, and no page lags behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import reference

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.promql_reading import metrics_of, problem_in

RUNBOOKS = reference.ROOT / "docs" / "runbooks"
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.stem != "README")

#: Of Prometheus itself, read by people alone.
OF_PROMETHEUS = {"prometheus_rule_group_last_duration_seconds"}


def headings(page: Path) -> list[str]:
    return re.findall(r"^## (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_reference_is_what_the_rules_say() -> None:
    assert reference.FILE.read_text(encoding="utf-8") == reference.page(), "run `make golden`"


def test_every_alert_has_its_heading_on_its_family_s_page_and_every_heading_its_alert() -> None:
    told = {(page.stem, heading) for page in PAGES for heading in headings(page)}
    assert told == set(reference.runbook_headings())


def test_every_page_is_listed_first() -> None:
    listed = re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_entry_says_what_it_means_and_what_to_do(page: Path) -> None:
    for entry in page.read_text(encoding="utf-8").split("\n## ")[1:]:
        name, _, body = entry.partition("\n")
        assert "**It means**" in body, name
        assert re.search(r"\*\*(Do|do)\*\*", body), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_query_can_be_asked(page: Path) -> None:
    groups = rules.build(reference.spec())
    recorded = {rule.record for group in groups for rule in group.rules if isinstance(rule, Recording)}
    for query in re.findall(r"```promql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        assert problem_in(query) == ""
        assert metrics_of(query) <= recorded | names.SCRAPED | OF_PROMETHEUS, query
