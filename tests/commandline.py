"""How the tests of the command line run it: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from tollbook.gen.cli import cli

SPEC = """\
version: 1
gateways: [{name: gw, namespace: ai}]
models: [{provider: openai, name: gpt-4o, prices: [{input: 2.5, output: 10}]}]
budgets: [{name: all, amount: 50, period: day, alert_at: {80: warning}}]
"""


@dataclass(frozen=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str


def tollbook(*arguments: str | Path) -> Ended:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments], prog_name="tollbook")
    return Ended(done.exit_code, done.stdout, done.stderr)


def process(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Ended:
    """In a process of its own, as from a shell."""
    command = [sys.executable, "-m", "tollbook.gen", *arguments]
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
