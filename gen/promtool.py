"""Runs Prometheus' own promtool, the last judge of rules and unit tests, and turns its words into Problems.

The only module that starts another program.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tollbook.gen import names
from tollbook.gen.errors import InputError, MissingToolError, Place, Problem

#: The oldest promtool whose verdicts the project knows: Debian 12's.
OLDEST = (2, 42)

HOW_TO_GET_IT = (
    "install Debian's package 'prometheus', or unpack a release from prometheus.io and name its promtool with "
    "--promtool, or run 'make generate' in a checkout of tollbook, which unpacks one under .tools/"
)

_VERSION = re.compile(r"promtool, version ((\d+)\.(\d+)\S*)")
_RULE_COUNT = re.compile(r"SUCCESS: (\d+) rules found")
_VERDICT = re.compile(r"(?m)^  (SUCCESS|FAILED:)$")
_UNMATCHED_RULE_FILE = re.compile(r"WARNING: no file match pattern (.+)")
_NEXT_FILE = re.compile(r"(?m)^(?:Unit Testing: |  WARNING: ).*$")
_EXPECTATION = re.compile(r"^[\s-]*eval_time:", re.MULTILINE)

_POSITION = re.compile(
    r"(?P<line>\d+):(?P<column>\d+): |(?:yaml: (?:unmarshal errors:\n)?)? *line (?P<yaml_line>\d+): "
)
_NEXT_FINDING = re.compile(rf"(?m)^(?={re.escape(names.RULES_FILE)}: )|(?<!errors:\n)^(?=  line \d)")
# A test's name, where it has one, stands before each of its alerts and ends in a comma.
_NEXT_FAILURE = re.compile(r"(?m)^(?=    (?:name|expr): )|(?<!,\n)^(?=    alertname: )")


@dataclass(frozen=True)
class Promtool:
    path: Path
    timeout_seconds: float = 600

    def version(self) -> str:
        """Raises MissingToolError where the program is not promtool, or one too old to judge these rules."""
        try:
            match = _VERSION.search(self._run(Path.cwd(), "--version").text)
        except _NoVerdictError as error:
            raise _missing(f"'{self.path}' cannot be used: {error}") from error
        if match is None:
            raise _missing(f"'{self.path}' is not promtool")
        if (int(match[2]), int(match[3])) < OLDEST:
            raise _missing(f"promtool {match[1]} is too old: {OLDEST[0]}.{OLDEST[1]} or newer is needed")
        return match[1]

    def check_rules(self, rules_text: str, shown_as: str = names.RULES_FILE) -> list[Problem]:
        """What is wrong with a rule file; `shown_as` is its name in the problems' places."""
        with _folder_of({names.RULES_FILE: rules_text}) as folder:
            return self._check(folder, shown_as)

    def run_tests(
        self, directory: Path, files: Sequence[str] = (names.RULES_TEST_FILE,), shown_in: Path = Path()
    ) -> list[Problem]:
        """What fails in these unit tests of the directory, one problem an expectation; `shown_in` is the directory's
        name in the problems' places.

        A file that fails is tested once more, for promtool's storage can lose a sample: a series that is written
        while old blocks are removed may be removed with them (prometheus/prometheus#8365), and tests of a month
        span many blocks.
        """
        try:
            run = self._run(directory, "test", "rules", *files)
            if missing := _unmatched_rule_files([str(shown_in / file) for file in files], run.text):
                return missing
            failures = _failures(files, run)
            if failures:
                again = list(dict.fromkeys(file for file, _ in failures))
                failures = _failures(again, self._run(directory, "test", "rules", *again))
        except _NoVerdictError as error:
            return [_problem(str(shown_in / files[0]), str(error))]
        return [_test_problem(str(shown_in / file), text) for file, text in failures]

    def prove(self, outputs: Mapping[str, str]) -> list[Problem]:
        """Judges files that are not written yet: first the rules, then, where they can be loaded, their tests."""
        tests = [name for name in outputs if names.is_rules_test_file(name)]
        with _folder_of(outputs) as folder:
            return self._check(folder, names.RULES_FILE) or self.run_tests(folder, tests)

    def _check(self, directory: Path, shown_as: str) -> list[Problem]:
        try:
            run = self._run(directory, "check", "rules", "--lint=all", "--lint-fatal", names.RULES_FILE)
        except _NoVerdictError as error:
            return [_problem(shown_as, str(error))]
        if run.exit_code != 0:
            said = run.text.partition("  FAILED:\n")[2] or run.text  # before that, which file is read
            return [_rule_problem(shown_as, text) for text in _pieces(_NEXT_FINDING, said, run)]
        count = _RULE_COUNT.search(run.text)
        return [_problem(shown_as, "there is no rule in it")] if count and count[1] == "0" else []

    def _run(self, directory: Path, *arguments: str) -> _Run:
        """Runs in `directory`, so that promtool is given, and so names, files without a path."""
        try:
            done = subprocess.run(
                [self.path.absolute(), *arguments],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # in one stream, for the order tells which file a word is about
                encoding="utf-8",
                errors="replace",
                timeout=self.timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _NoVerdictError(f"did not finish within {self.timeout_seconds:g} seconds and was stopped") from error
        except OSError as error:
            raise _NoVerdictError(f"could not be started: {(error.strerror or 'no reason given').lower()}") from error
        if done.returncode < 0:
            raise _NoVerdictError(f"was killed ({_signal_name(-done.returncode)})")
        return _Run(done.returncode, done.stdout)


def find(wanted: str | None = None) -> Promtool:
    """The promtool named by the user, else the one on PATH. Raises MissingToolError where there is none to rely on."""
    found = shutil.which(wanted or "promtool")
    if found is None:
        raise _missing(f"there is no program '{wanted}' to use as promtool" if wanted else "promtool is not on PATH")
    promtool = Promtool(Path(found))
    promtool.version()
    return promtool


def expectation_count(tests_text: str) -> int:
    """How many expectations a unit-test file holds: with none, promtool succeeds without reading the rules."""
    return len(_EXPECTATION.findall(tests_text))


# ---- Running -------------------------------------------------------------------------------------------


class _NoVerdictError(Exception):
    """Promtool ended without saying whether the files are good."""


@dataclass(frozen=True)
class _Run:
    exit_code: int
    text: str


@contextmanager
def _folder_of(files: Mapping[str, str]) -> Iterator[Path]:
    """A temporary folder that holds these files: promtool reads nothing else."""
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollbook-")))
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            reason = (error.strerror or "no reason given").lower()
            raise InputError(f"the files for promtool cannot be written to the temporary folder: {reason}") from error
        yield folder


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _missing(message: str) -> MissingToolError:
    return MissingToolError([Problem(message, hint=HOW_TO_GET_IT)])


# ---- Reading what it says ---------------------------------------------------------------------------------


def _pieces(separator: re.Pattern[str], said: str, run: _Run) -> list[str]:
    """The findings of a failed run, at least one."""
    pieces = [piece for piece in separator.split(said.strip("\n")) if piece.strip()]
    return pieces or [f"failed without a word (exit code {run.exit_code})"]


def _unmatched_rule_files(shown: Sequence[str], text: str) -> list[Problem]:
    """A warning to promtool, which then tests nothing and succeeds. It comes before the verdict on its file."""
    return [
        _problem(shown[len(_VERDICT.findall(text[: found.start()]))], f"there is no rule file '{found[1]}' beside it")
        for found in _UNMATCHED_RULE_FILE.finditer(text)
    ]


def _failures(files: Sequence[str], run: _Run) -> list[tuple[str, str]]:
    """Each expectation that is not met, with its file.

    The newest promtool names no files, but its verdicts come in their order, each before what it is about.
    """
    if run.exit_code == 0:
        return []
    _, *said = _VERDICT.split(run.text)
    verdicts = zip(files, said[::2], said[1::2], strict=False)
    failed = [(file, _NEXT_FILE.split(details)[0]) for file, verdict, details in verdicts if verdict != "SUCCESS"]
    failed = failed or [(files[0], run.text)]
    return [(file, text) for file, about in failed for text in _pieces(_NEXT_FAILURE, about, run)]


def _rule_problem(shown_as: str, text: str) -> Problem:
    """`rules.yaml: 5:11: group "g", rule 1, ...`, or without a position, or `  line 4: field ...`."""
    finding = text.removeprefix(f"{names.RULES_FILE}: ")
    position = _POSITION.match(finding)
    if position is None:
        return _problem(shown_as, finding)
    line = int(position["line"] or position["yaml_line"])
    return _problem(shown_as, finding[position.end() :], line, int(position["column"] or 1))


def _test_problem(shown_as: str, text: str) -> Problem:
    """An expectation that is not met, as promtool lays it out; a position in such a text is one in an expression."""
    position = _POSITION.match(text) if text.startswith("yaml: ") else None
    if position is None:
        return _problem(shown_as, re.sub(r"(?m)^ {4}| +$", "", text))
    return _problem(shown_as, text[position.end() :], int(position["yaml_line"]))


def _problem(file: str, message: str, line: int = 1, column: int = 1) -> Problem:
    return Problem(f"promtool: {message.strip()}", Place(file, max(line, 1), max(column, 1)))
