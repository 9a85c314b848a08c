"""What building costs, by the size of the spec: CPU seconds of each step, memory, and the largest object.

`python -m bench.size` builds and verifies specs of 100 to 2,000 gateways with half as many models and as many budgets.
`--prove` has promtool prove them too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tollbook.gen import names, pipeline, promtool
from tollbook.gen.load import load

Made = TypeVar("Made")

MEBI = 1024
"""KiB in a MiB: what Linux tells of memory is in KiB."""

COLUMNS = ("gateways", "models", "budgets", "load s", "build s", "verify s", "proof s", "MiB", "lines", "largest KiB")


@dataclass(frozen=True)
class Size:
    gateways: int
    models: int
    budgets: int

    @property
    def spec(self) -> str:
        return "\n".join(["version: 1", *self._gateways(), *self._models(), *self._budgets(), ""])

    def _gateways(self) -> Iterator[str]:
        yield "gateways:"
        for n in range(self.gateways):
            yield f"  - {{name: gateway-{n:04}, namespace: team-{n % 50:02}}}"

    def _models(self) -> Iterator[str]:
        yield "models:"
        for n in range(self.models):
            prices = f"{{input: {1 + n % 17}.25, output: {5 + n % 23}, cache_read: 0.{1 + n % 9}}}"
            names_of = f"name: model-{n:04}, aliases: [model-{n:04}-dated]"
            yield f"  - {{provider: provider-{n % 8}, {names_of}, prices: [{prices}]}}"

    def _budgets(self) -> Iterator[str]:
        yield "budgets:"
        for n in range(self.budgets):
            gateway = f"team-{n % self.gateways % 50:02}/gateway-{n % self.gateways:04}"
            yield f"  - {{name: budget-{n:04}, amount: {100 + n}, period: month, match: {{gateway: {gateway}}}}}"


SIZES = (Size(100, 50, 100), Size(1000, 500, 1000), Size(2000, 1000, 2000))


def measure(size: Size, prove: bool) -> tuple[str, ...]:
    """One line of the table, in this process: memory is its peak."""
    loaded, loading = timed(lambda: load(size.spec, "spec.yaml"))
    outputs, building = timed(lambda: pipeline.build(loaded.spec))
    problems, verifying = timed(lambda: pipeline.verify(outputs))
    if problems:
        raise SystemExit("\n".join(map(str, problems[:5])))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBI
    proving = f"{proof_seconds(outputs):.1f}" if prove else ""
    lines = sum(text.count("\n") for name, text in outputs.items() if "dashboard" not in name)
    objects = outputs[names.MONITORING_FILE].split("\n---\n")
    counts = (size.gateways, size.models, size.budgets)
    seconds = (f"{each:.1f}" for each in (loading, building, verifying))
    largest = max(map(len, objects)) / 1024
    return (*map(str, counts), *seconds, proving, f"{memory:.0f}", f"{lines:,}", f"{largest:.0f}")


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    before = time.process_time()
    made = make()
    return made, time.process_time() - before


def proof_seconds(outputs: dict[str, str]) -> float:
    """CPU seconds of promtool."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    promtool.find(None).prove(outputs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_a_process(size: Size, prove: bool) -> tuple[str, ...]:
    """Each size in a process of its own, whose memory nothing else has grown."""
    counts = map(str, (size.gateways, size.models, size.budgets))
    command = [sys.executable, "-m", "bench.size", "--one", *counts, *["--prove"] * prove]
    return tuple(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.size", description=__doc__)
    parser.add_argument("--one", nargs=3, type=int, metavar=("GATEWAYS", "MODELS", "BUDGETS"), help="only this size")
    parser.add_argument("--prove", action="store_true", help="have promtool prove them as well")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(Size(*arguments.one), arguments.prove)))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
    for size in SIZES:
        print(f"| {' | '.join(in_a_process(size, arguments.prove))} |", flush=True)


if __name__ == "__main__":
    main()
