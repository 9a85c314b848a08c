"""The command line: the only module that prints and exits; here errors become words and exit codes.

What a command needs is imported inside it, so that `tollbook --help` answers at once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.gen import names
from tollbook.gen.errors import FindingsError, InputError, Place, Problem, Severity, TollbookError, tally
from tollbook.gen.wording import counted

if TYPE_CHECKING:
    from tollbook.gen.spec import Spec

_INTERNAL_ERROR = 4
_INTERRUPTED, _OUTPUT_CLOSED, _TERMINATED = 130, 141, 143  # as shells say it: 128 and the signal's number

_EXIT_CODES = """\b
Exit codes:
  0  fine
  1  findings: an invalid spec, files that are not up to date, failing tests
  2  wrong usage, input that cannot be read, output that cannot be written
  3  promtool is missing
  4  a bug in tollbook
"""


class _Shell(click.Group):
    """Runs a command and gives whatever stops it its words and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except TollbookError as error:
            _report(error.problems)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(_OUTPUT_CLOSED)
        except Exception as error:
            if ctx.params["debug"]:
                traceback.print_exc()
            _say(f"internal error: {type(error).__name__}: {error}")
            _say("this is a bug in tollbook, please report it with what `tollbook --debug` shows")
            ctx.exit(_INTERNAL_ERROR)


_spec = click.option(
    "--spec",
    "spec_path",
    type=click.Path(path_type=Path),
    default="tollbook.yaml",
    show_default=True,
    metavar="FILE",
    help="The spec to read.",
)
_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="out",
    show_default=True,
    metavar="FOLDER",
    help="Where the generated files are.",
)
_promtool = click.option(
    "--promtool",
    envvar="TOLLBOOK_PROMTOOL",
    show_envvar=True,
    metavar="PROGRAM",
    help="The promtool to use.  [default: the one on PATH]",
)


@click.group(cls=_Shell, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
@click.version_option(package_name="tollbook", message="%(prog)s %(version)s")
def cli(debug: bool) -> None:  # the failing command reads it from the context
    """LLM cost monitoring as code for AI gateways.

    One spec of model prices and gateways gives the Prometheus rules, their unit tests, the monitors and the Grafana
    dashboard.

    \b
    Example:
      tollbook generate --spec tollbook.yaml --out out
    """


@cli.command()
@_spec
@_out
@_promtool
@click.option("--no-promtool", is_flag=True, help="Write the files although promtool has not proven the rules.")
def generate(spec_path: Path, out: Path, promtool: str | None, no_promtool: bool) -> None:
    """Build the files, prove them, then replace those that changed.

    Nothing is written unless everything is good: the spec, the files by their schemas, the rules and their unit tests
    by promtool.

    \b
    Example:
      tollbook generate --spec tollbook.yaml --out out
    """
    from tollbook.gen import outputs

    files = _built(_loaded(spec_path))
    if no_promtool:
        _report([Problem("the rules are not proven: promtool was not run", severity=Severity.WARNING)])
    else:
        _prove(files, promtool)
    gone = outputs.leftovers(out, files)
    changed = outputs.replace(out, files, gone)
    for name in changed:
        _show(f"{out / name}: changed\n")
    for name in gone:
        _show(f"{out / name}: removed\n")
    removed = f", {len(gone)} removed" if gone else ""
    _show(f"{counted(len(files), 'file')}, {len(changed)} changed{removed}\n")


@cli.command()
@_spec
@_out
def check(spec_path: Path, out: Path) -> None:
    """Say whether the files are what the spec gives, and show the difference.

    Writes nothing and needs no promtool.

    \b
    Example:
      tollbook check --spec tollbook.yaml --out out
    """
    from tollbook.gen import outputs

    files = _built(_loaded(spec_path))
    difference = outputs.differences(out, files)
    if difference:
        _show(difference)
        raise FindingsError(f"{out} is not what {spec_path} gives: run `tollbook generate` and commit what it changes")
    _show(f"{out}: up to date ({counted(len(files), 'file')})\n")


@cli.command()
@_spec
def validate(spec_path: Path) -> None:
    """Check the spec alone.

    \b
    Example:
      tollbook validate --spec tollbook.yaml
    """
    spec = _loaded(spec_path)
    things = {"gateway": spec.gateways, "model": spec.models, "budget": spec.budgets}
    _show(f"{spec_path}: ok ({', '.join(counted(len(each), noun) for noun, each in things.items())})\n")


@cli.command()
@_spec
@click.option("--json", "as_json", is_flag=True, help="One object for each rule, with its description and labels.")
def alerts(spec_path: Path, as_json: bool) -> None:
    """List the alerts of the spec: name, severity, how long it waits, and what it says.

    \b
    Example:
      tollbook alerts --spec tollbook.yaml
    """
    from tollbook.gen import pipeline

    spec = _loaded(spec_path)
    _show(pipeline.alert_list(spec) if as_json else pipeline.alert_table(spec))


@cli.command()
@_out
@_promtool
def test(out: Path, promtool: str | None) -> None:
    """Let promtool check the generated rules and run their unit tests.

    \b
    Example:
      tollbook test --out out
    """
    from tollbook.gen import reading
    from tollbook.gen.promtool import expectation_count, find

    rules = out / names.RULES_FILE
    rules_text = reading.text_of(rules)
    others = [name for name in reading.file_names(out) if names.is_rules_test_file(name)]
    files = list(dict.fromkeys([names.RULES_TEST_FILE, *others]))
    counts = {file: expectation_count(reading.text_of(out / file)) for file in files}
    _refuse([Problem("there is no expectation in it", Place(str(out / file))) for file in files if not counts[file]])
    judge = find(promtool)
    _refuse(judge.check_rules(rules_text, shown_as=str(rules)) or judge.run_tests(out, files, shown_in=out))
    proven = f"{counted(len(files), 'test file')}, {counted(sum(counts.values()), 'expectation')}"
    _show(f"{out}: ok ({proven}, promtool {judge.version()})\n")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the spec, for editors.

    \b
    Example:
      tollbook schema > tollbook.schema.json
    """
    from tollbook.gen import reading

    _show(reading.packaged_text("schemas/spec.schema.json"))


def main() -> None:
    """The console script. Its output is made to be kept, so it is UTF-8 whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))  # so that temporary files are removed
    cli(prog_name="tollbook")


# ---- What the commands share ---------------------------------------------------------------------------------


def _loaded(spec_path: Path) -> Spec:
    from tollbook.gen import reading
    from tollbook.gen.load import load

    loaded = load(reading.text_of(spec_path), str(spec_path), _today())
    _report(loaded.warnings)
    return loaded.spec


def _today() -> date:
    return datetime.now(UTC).date()


def _built(spec: Spec) -> dict[str, str]:
    from tollbook.gen import pipeline

    files = pipeline.build(spec)
    _refuse(pipeline.verify(files))
    return files


def _prove(files: Mapping[str, str], promtool: str | None) -> None:
    from tollbook.gen.promtool import find

    _refuse(find(promtool).prove(files))


def _refuse(problems: Sequence[Problem]) -> None:
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise FindingsError(problems)
    _report(problems)


# ---- Talking ---------------------------------------------------------------------------------------------------


def _show(product: str) -> None:
    """To stdout, at once, for a failure must be noticed while there still is an exit code to give."""
    try:
        click.echo(product, nl=False)
    except OSError as error:
        _abandon_output()
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(f"stdout cannot be written: {(error.strerror or 'no reason given').lower()}") from error


def _abandon_output() -> None:
    """What is still buffered goes nowhere; otherwise Python would try again, and complain, when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    click.echo(line, err=True)


def _report(problems: Sequence[Problem]) -> None:
    for line in (*map(str, problems), tally(problems)):
        if line:
            _say(line)
