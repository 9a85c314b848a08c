"""Weeks of the fleet's past as a Prometheus that had run our rules all along would hold them, in a minute.

`python -m demo.history --data FOLDER` writes blocks into a Prometheus' folder of data before it starts. Records come
from the oracle, not from our rules. The pods' own counters are kept as coarsely as panels can do with, without the
buckets of token counts, which no panel reads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from demo.billing import Bill, Biller
from demo.blocks import Blocks
from demo.exposition import Process
from demo.fleet import DAY, MINUTE, WEEK, Fleet, Pod, fleet_of
from demo.ledger import SAMPLED_SECONDS, Ledger, series
from demo.pods import Pods
from tollbook import rules
from tollbook.gen import names
from tollbook.gen.pacing import LOOK_BACK
from tollbook.gen.promtool import find
from tollbook.gen.spec import Spec

DAYS = 35

#: The story ends so long before it is written down. Prometheus, started at once, must not look at a minute that is in
#: the history: rules look back a step and the settling.
MARGIN_SECONDS = 120

#: Up to which age the pods' counters are kept, and how far apart.
Raw = tuple[tuple[int, int], ...]
RAW: Raw = ((DAY, MINUTE), (WEEK, 5 * MINUTE))
RAW_BEFORE = 30 * MINUTE

#: Prometheus' own target, and where it reads the rules.
OWN_TARGET = ((names.JOB, "prometheus"), (names.INSTANCE, "prometheus:9090"))
RULES_PATH = f"/tollbook/{names.RULES_FILE}"


def write(
    fleet: Fleet, days: float, data: Path, promtool: Path, raw: Raw = RAW, with_idle: bool = False
) -> dict[int, Bill]:
    """What was written is what these bills say, by the second at which their minute ends."""
    begin = fleet.now - int(days * DAY) // MINUTE * MINUTE
    ledger, biller, pods = Ledger(fleet.spec, with_idle), Biller(fleet.spec), Pods(fleet, begin)
    settle = fleet.spec.prometheus.settle.seconds
    health = [f"{text} 0" for text in _rule_health(fleet.spec)]
    cost = names.gateway_cost(fleet.spec.prometheus.step)
    watched = [f"{series(cost, ((names.GATEWAY, gateway.id),))} 0" for gateway in fleet.spec.gateways]
    bills: dict[int, Bill] = {}
    with Blocks(data, promtool) as blocks:
        for minute in range(begin // MINUTE, fleet.now // MINUTE):
            end = (minute + 1) * MINUTE
            bills[end] = biller.bill(fleet.calls(minute))
            entries = [f"{text} {value}" for text, value in ledger.minute(end, bills[end])]
            for idle in _idle_steps(fleet, end):
                blocks.add(idle + settle, watched)
            blocks.add(end + settle, entries)
            if end % SAMPLED_SECONDS == 0 or end == fleet.now:
                blocks.add(end + settle, (f"{text} {value}" for text, value in ledger.figures()))
            if end % _apart(raw, fleet.now - end) == 0:
                pods.play(end)
                blocks.add(end, [*_scraped(pods), *health])
            blocks.finish_before(end - MINUTE)
    return bills


def _idle_steps(fleet: Fleet, end: int) -> range:
    """The ends of a minute's steps but the last, which stands for the minute. By the gateways' entries the rules
    know how much of the time before they have seen, as far as they look back for a pace."""
    seen = fleet.now - end < max(LOOK_BACK.values()).seconds
    step = fleet.spec.prometheus.step.seconds
    return range(end - MINUTE + step, end, step) if seen else range(0)


def _apart(raw: Raw, age: int) -> int:
    return next((apart for up_to, apart in raw if age <= up_to), RAW_BEFORE)


def _scraped(pods: Pods) -> Iterator[str]:
    for pod, process in pods.processes.items():
        target = target_labels(pod)
        own = ",".join(f'{label}="{value}"' for label, value in target.items())
        yield f"{names.UP}{{{own}}} 1"
        yield from _counters(process, own)


def _counters(process: Process, target: str) -> Iterator[str]:
    """With the name that the process itself has for its gateway hidden by that of the target, as Prometheus does it."""
    for _, samples in process.families(token_buckets=False):
        for name, labels, value in samples:
            own = labels.replace(f",{names.GATEWAY}=", f",{names.EXPORTED_PREFIX}{names.GATEWAY}=")
            yield f"{name}{{{own},{target}}} {value}"


def target_labels(pod: Pod) -> dict[str, str]:
    """As the operator labels the targets of the spec's monitor."""
    return {
        names.JOB: pod.gateway.job,
        names.INSTANCE: f"{pod.name}:15020",
        names.NAMESPACE: pod.gateway.namespace,
        names.POD: pod.name,
        names.GATEWAY: pod.gateway.id,
        names.GATEWAY_NAME_TARGET_LABEL: pod.gateway.name,
    }


def _rule_health(spec: Spec) -> Iterator[str]:
    """That no rule ever failed is known by counters of zero."""
    for group in rules.build(spec):
        own = (*OWN_TARGET, (names.RULE_GROUP, f"{RULES_PATH};{group.name}"))
        yield series(names.RULE_FAILURES, own)
        yield series(names.RULE_GROUPS_MISSED, own)


def moment(text: str) -> int:
    """Unix seconds, as the last full minute of a story."""
    return int(text) // MINUTE * MINUTE


def settled_now() -> int:
    return moment(str(int(time.time()) - MARGIN_SECONDS))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.history", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Prometheus' folder of data")
    parser.add_argument("--days", type=float, default=DAYS, help=f"how far back ({DAYS})")
    parser.add_argument("--now", type=moment, default=settled_now(), help="Unix seconds at which it ends (now)")
    parser.add_argument("--promtool", help="the promtool to use (the one on PATH)")
    options = parser.parse_args()
    write(fleet_of(options.now), options.days, options.data, find(options.promtool).path)


if __name__ == "__main__":
    main()
