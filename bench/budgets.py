"""What budgets cost: lines, rules, alerts, and seconds of one evaluation. `python -m bench.budgets`.

Teams that spend in every minute of the last week, of one model each. A Prometheus evaluates the rules of budgets over
their ledger, and tells how long each group took. `make prometheus` fetches the server that is used where none is named.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.scale import NEWEST
from bench.server import get, prometheus
from demo.blocks import Blocks
from tollbook import rules
from tollbook.gen import names, pipeline
from tollbook.gen.durations import Duration
from tollbook.gen.load import load
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.rulefile import rule_groups

HOUR = 3600
STEP = Duration.parse("1m")

#: So many seconds it may take to write the ledger: Prometheus records nothing before the end of a block.
WRITING_SECONDS, WRITING_SECONDS_PER_TEAM = 20, 0.1

EVALUATED_EVERY, EVALUATIONS = 10, 4

HEAD = """version: 1
gateways: [{name: gateway, namespace: ai}]
models: [{provider: openai, name: gpt, prices: [{input: 1, output: 10}]}]
attribution: [{label: team, expression: apiKey.team, limit: 2000}]
budgets:
"""


def explicit(teams: int) -> str:
    rows = (
        f"  - {{name: team-{n:04}, amount: {100 + n}, period: month, match: {{team: team-{n:04}}}}}"
        for n in range(teams)
    )
    return HEAD + "\n".join(rows) + "\n"


def per_team() -> str:
    return HEAD + "  - {name: team, amount: 100, period: month, per: team}\n"


#: Title -> the spec, and how many teams spend.
FLEETS = {
    "1 budget": (explicit(1), 1),
    "40 budgets": (explicit(40), 40),
    "1,000 budgets": (explicit(1000), 1000),
    "one per team, 40 teams": (per_team(), 40),
    "one per team, 1,000 teams": (per_team(), 1000),
}


def of_budgets(text: str) -> list[RuleGroup]:
    return [
        group for group in rules.build(load(text, "spec.yaml").spec) if "budget" in group.name or "pace" in group.name
    ]


def write(teams: int, end: int, data: Path, promtool: Path) -> None:
    """The ledger's records that budgets read: minutes of six hours, hours of a week, and the month's totals."""
    spenders = [f'gateway="ai/gateway",gen_ai_system="openai",model="gpt",team="team-{n:04}"' for n in range(teams)]
    month = time.gmtime(end).tm_mon
    hourly, open_hour = names.of_hour(names.cost(STEP)), names.hour_to_date(names.cost(STEP))
    with Blocks(data, promtool) as blocks:
        for second in range(end - 7 * 24 * HOUR, end, 60):
            lines = [f'{names.gateway_cost(STEP)}{{gateway="ai/gateway"}} {teams}']
            if second % HOUR < 60:
                lines += [f'{hourly}{{{own},gen_ai_token_type="output"}} 60' for own in spenders]
            if second >= end - 6 * HOUR - 60:
                lines += [f'{names.cost_of_day(STEP)}{{{own},day="1",week="1",month="{month}"}} 1' for own in spenders]
            if second >= end - 600:
                lines += [f'{names.MONTH_TOTAL}{{{own},month="{month}"}} 50' for own in spenders]
                lines += [f'{open_hour}{{{own},gen_ai_token_type="output"}} 30' for own in spenders]
            blocks.add(second, lines)


def seconds_of_evaluation(text: str, teams: int, program: Path, promtool: Path) -> float:
    groups = [{**group, "interval": f"{EVALUATED_EVERY}s"} for group in rule_groups(of_budgets(text))]
    with tempfile.TemporaryDirectory() as folder:
        data, file = Path(folder, "data"), Path(folder, "rules.json")
        end = int(time.time() + WRITING_SECONDS + WRITING_SECONDS_PER_TEAM * teams)
        write(teams, end, data, promtool)
        time.sleep(max(end - time.time(), 0))
        file.write_text(json.dumps({"groups": groups}))
        with prometheus(str(program), data, f"rule_files: [{file}]\n") as url:
            return statistics.median(_rounds(url))


def _rounds(url: str) -> Iterator[float]:
    """The first evaluations read from disk and find no facts: they do not count."""
    time.sleep(2 * EVALUATED_EVERY)
    for _ in range(EVALUATIONS):
        time.sleep(EVALUATED_EVERY)
        groups = get(url, "/api/v1/rules", {})["groups"]
        failed = [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]
        if failed:
            raise RuntimeError(failed[0])
        yield sum(group["evaluationTime"] for group in groups)


def main() -> None:
    parser = argparse.ArgumentParser(description="What do budgets cost?")
    parser.add_argument("--folder", type=Path, default=NEWEST, help="of prometheus and promtool")
    parser.add_argument("--only", default="", help="fleets whose title holds this")
    arguments = parser.parse_args()
    program, promtool = arguments.folder / "prometheus", arguments.folder / "promtool"
    print("| budgets | lines of monitoring.yaml | rules | alerts | seconds of one evaluation |\n|---|---|---|---|---|")
    for title, (text, teams) in FLEETS.items():
        if arguments.only in title:
            outputs = pipeline.build(load(text, "spec.yaml").spec)
            found = [rule for group in of_budgets(text) for rule in group.rules]
            alerts = sum(isinstance(rule, Alert) for rule in found)
            lines = outputs[names.MONITORING_FILE].count("\n")
            seconds = seconds_of_evaluation(text, teams, program, promtool)
            print(f"| {title} | {lines:,} | {len(found):,} | {alerts} | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    main()
