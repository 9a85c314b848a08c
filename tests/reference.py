"""Writes docs/reference.md: every record and alert there can be, from the rules themselves (`make golden`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.load import load
from tollbook.gen.model import Alert, Recording, Rule
from tollbook.gen.spec import Monitor, Spec

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "reference.md"

#: Its rules are all that there are: every version, every kind of period, a zone that changes its clocks.
SPEC = """
version: 1
prometheus: {timezone: Europe/Berlin}
gateways:
  - {name: gateway, namespace: ai}
models:
  - provider: anthropic
    name: claude
    aliases: [claude-2026]
    prices: [{input: 3, output: 15, tiers: [{context_over: 200000, input: 6, output: 22.5}]}]
attribution: [{label: team, expression: apiKey.team}]
budgets:
  - {name: day, amount: 50, period: day}
  - {name: week, amount: 300, period: week}
  - {name: month, amount: 1000, period: month}
  - {name: rolling, amount: 1000, period: 30d}
  - {name: team, amount: 1000, period: month, per: team}
"""

#: Where the note in the file is the figure's own history, or stands on the record that is summed.
NOTES = {
    names.PRICE: "USD per 1,000,000 tokens, in force now: a card for each model.",
    names.PRICE_HIGH: "The same at the dearest tier, of models whose long contexts cost more.",
    names.LONG_CONTEXT_OVER: "The context, in tokens, from which on a tier counts.",
    names.INPUT_TOKENS_TOTAL: "The same of the whole fleet.",
    names.OUTPUT_TOKENS_TOTAL: "The same of the whole fleet.",
    names.COST_HOURLY: "The same of the whole fleet.",
    names.WEEK_TO_DATE: "The same without the week's label.",
    names.MONTH_TO_DATE: "The same without the month's label.",
}

HEADER = """\
# Records and alerts

Every record and alert that tollbook can generate, family by family; written from the rules by `make golden`. The
[README](../README.md#what-is-recorded) tells which labels a record bears, the [runbooks](runbooks/README.md) what to
do about an alert. A spec without aliases, tiers, attribution, budgets or gateways outside of Kubernetes has fewer.
"""


def spec() -> Spec:
    """With a gateway outside of Kubernetes, which the spec names by its address."""
    known = load(SPEC, "spec.yaml").spec
    outside = replace(
        known.gateways[0], name="vm", namespace="", monitor=Monitor.NONE, job="vms", instances=("vm.example.org:15020",)
    )
    return replace(known, gateways=(*known.gateways, outside))


def page() -> str:
    return HEADER + "".join(_family(name, found) for name, found in _families(spec()).items())


def _families(known: Spec) -> dict[str, list[Rule]]:
    """Family -> its rules: facts, then the ledger's in their order, then those of the readers."""
    found: dict[str, list[Rule]] = {}
    for facts in rules.FACTS:
        _add(found, facts.__name__, _of(facts, known))
    for of_ledger in rules.LEDGER:
        _add(found, of_ledger.__module__, of_ledger(known))
    for reader in rules.READERS:
        _add(found, reader.__name__, _of(reader, known))
    return found


def _of(family: ModuleType, known: Spec) -> Iterator[Rule]:
    return (rule for group in rules.groups_of(family, known) for rule in group.rules)


def _add(found: dict[str, list[Rule]], module: str, more: Iterable[Rule]) -> None:
    found.setdefault(_stem(module), []).extend(more)


def _stem(module: str) -> str:
    return module.rpartition(".")[2]


def _family(name: str, found: list[Rule]) -> str:
    records = list(dict.fromkeys(_record(rule) for rule in found if isinstance(rule, Recording)))
    alerts = _alerts([rule for rule in found if isinstance(rule, Alert)])
    parts = [f"\n## {name}\n"]
    if records:
        parts.append("\n| record | what |\n|---|---|\n" + "".join(records))
    if alerts:
        head = "\n| alert | severity | after | says | runbook |\n|---|---|---|---|---|\n"
        parts.append(head + "".join(_alert(name, rules_) for rules_ in alerts))
    return "".join(parts)


def _record(rule: Recording) -> str:
    what = NOTES.get(rule.record, rule.note)
    if not what:
        raise ValueError(f"{rule.record} says nothing of itself")
    return f"| `{rule.record}` | {what.replace('|', chr(92) + '|')} |\n"


def _alerts(found: list[Alert]) -> list[list[Alert]]:
    by_name: dict[str, list[Alert]] = {}
    for rule in found:
        by_name.setdefault(rule.alert, []).append(rule)
    return list(by_name.values())


def _alert(family: str, same: list[Alert]) -> str:
    severities = ", ".join(dict.fromkeys(rule.labels.get(names.SEVERITY, "per budget") for rule in same))
    holds = ", ".join(dict.fromkeys(_hold(rule.hold) for rule in same))
    summaries = " / ".join(dict.fromkeys(rule.annotations["summary"] for rule in same))
    name = same[0].alert
    return f"| `{name}` | {severities} | {holds} | {summaries} | [{family}](runbooks/{family}.md#{name.lower()}) |\n"


def _hold(hold: Duration) -> str:
    return str(hold) if hold.milliseconds else "at once"


def runbook_headings() -> Iterator[tuple[str, str]]:
    """Family and alert of every runbook entry that must be there."""
    for family, found in _families(spec()).items():
        for name in dict.fromkeys(rule.alert for rule in found if isinstance(rule, Alert)):
            yield family, name


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
