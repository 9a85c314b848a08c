"""Everything that the demo's programs find when they start: the dated spec, what tollbook makes of it, and the history.

`python -m demo.prepare --out FOLDER --data FOLDER` does nothing where it was done before: what stands in a Prometheus
goes on from where it is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from demo import history
from demo.billing import Bill
from demo.dated import spec_text
from demo.fleet import Fleet, fleet_of
from tollbook.gen import names, pipeline
from tollbook.gen.dashboard_forms import provisioned
from tollbook.gen.errors import MissingToolError
from tollbook.gen.promtool import find
from tollbook.gen.spec import Spec

HERE = Path(__file__).parent

SPEC_FILE, NOW_FILE, ALERTMANAGER_FILE = "tollbook.yaml", "now", "alertmanager.yml"

#: Stands in a Prometheus' folder of data until its history is whole.
UNFINISHED_FILE = "unfinished"


def files(spec: Spec, now: int) -> dict[str, str]:
    """By name, those that the demo's configurations read."""
    made = pipeline.build(spec)
    return {
        **made,
        names.DASHBOARD_FILE: json.dumps(provisioned(json.loads(made[names.DASHBOARD_FILE]))),
        SPEC_FILE: spec_text(now),
        ALERTMANAGER_FILE: alertmanager_config(made[names.INHIBIT_RULES_FILE]),
        NOW_FILE: f"{now}\n",
    }


def alertmanager_config(inhibit_rules: str) -> str:
    """Alertmanager reads one file only, so the generated rules are written into its configuration."""
    config: dict[str, Any] = yaml.safe_load((HERE / ALERTMANAGER_FILE).read_text(encoding="utf-8"))
    return yaml.safe_dump(config | yaml.safe_load(inhibit_rules), sort_keys=False)


def is_prepared(out: Path) -> bool:
    return (out / NOW_FILE).exists()


def prepare(
    fleet: Fleet, out: Path, data: Path, days: float, promtool: Path, raw: history.Raw = history.RAW
) -> dict[int, Bill]:
    """The file that tells when it was comes last: without it, nothing is complete. Returns what the history holds."""
    texts = files(fleet.spec, fleet.now)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if name != NOW_FILE:
            (out / name).write_text(text, encoding="utf-8")
    unfinished = _begun(data)
    bills = history.write(fleet, days, data, promtool, raw)
    unfinished.unlink()
    (out / NOW_FILE).write_text(texts[NOW_FILE], encoding="utf-8")
    return bills


def _begun(data: Path) -> Path:
    """Without the blocks that an interrupted preparation left: those of the next one tell of the same days."""
    unfinished = data / UNFINISHED_FILE
    if unfinished.exists():
        for block in data.iterdir():
            if block.is_dir():
                shutil.rmtree(block)
    data.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    return unfinished


def prepare_once(out: Path, data: Path, now: int, days: float, promtool: str | None) -> None:
    if is_prepared(out):
        print(f"{out}: prepared before", flush=True)
        return
    program = find(promtool).path
    print(f"writing {days:g} days of history, this takes a minute or two", flush=True)
    prepare(fleet_of(now), out, data, days, program)
    print(f"{out}: ready", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.prepare", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="for the generated files")
    parser.add_argument("--data", type=Path, required=True, help="Prometheus' folder of data")
    parser.add_argument("--days", type=float, default=history.DAYS, help=f"of history ({history.DAYS})")
    parser.add_argument("--now", type=history.moment, default=history.settled_now(), help="Unix seconds (now)")
    parser.add_argument("--promtool", help="the promtool to use (the one on PATH)")
    options = parser.parse_args()
    try:
        prepare_once(options.out, options.data, options.now, options.days, options.promtool)
    except MissingToolError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
