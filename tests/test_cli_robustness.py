"""What no user should meet, and what the command line does about it: one sentence, an exit code, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from commandline import Ended, contents, process, tollbook

from tollbook.gen import pipeline

pytestmark = pytest.mark.usefixtures("folder")

HOSTILE = [
    [],
    ["--spec", "x"],
    ["generat"],
    ["generate", "--spce", "x"],
    ["generate", "extra"],
    ["generate", "--spec"],
    ["generate", "--promtool", "/"],
    ["generate", "--promtool", "/etc/passwd"],
    ["generate", "--promtool", "\N{SNOWMAN}"],
    ["generate", "--no-promtool", "--out", "tollbook.yaml"],
    ["generate", "--no-promtool", "--out", "/proc/nowhere"],
    ["generate", "--no-promtool", "--out", "/dev/null"],
    ["generate", "--no-promtool", "--out", "x" * 5000],
    ["validate", "--spec", ""],
    ["validate", "--spec", "."],
    ["validate", "--spec", "/dev/null"],
    ["validate", "--spec", "binary"],
    ["validate", "--spec", "deep"],
    ["validate", "--spec", "\udcff"],
    ["validate", "--spec", "x" * 5000],
    ["alerts", "--spec", "/dev/null"],
    ["alerts", "--json", "--spec", "binary"],
    ["alerts", "LLMTokensUnpriced"],
    ["check", "--out", "tollbook.yaml"],
    ["check", "--out", "x" * 5000],
    ["test", "--out", "tollbook.yaml"],
    ["test", "--out", "/dev/null"],
    ["schema", "--out", "x"],
]


@pytest.mark.parametrize("arguments", HOSTILE, ids=lambda arguments: ascii(" ".join(arguments))[:40])
def test_nothing_hostile_shows_a_traceback_or_prints_a_product(folder: Path, arguments: list[str]) -> None:
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "deep").write_text("[" * 100_000)
    before = contents(folder)
    ended = tollbook(*arguments)
    assert ended.exit_code in (1, 2, 3), ended
    assert ended.stdout == ""
    assert ended.stderr != ""
    assert "Traceback" not in ended.stderr
    assert "Errno" not in ended.stderr
    assert contents(folder) == before


def test_a_bug_is_called_one_and_shows_its_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(pipeline, "build", bug)
    said = (
        "internal error: RuntimeError: the sky fell\n"
        "this is a bug in tollbook, please report it with what `tollbook --debug` shows\n"
    )
    assert tollbook("check") == Ended(4, "", said)
    shown = tollbook("--debug", "check")
    assert (shown.exit_code, shown.stdout) == (4, "")
    assert shown.stderr.startswith("Traceback (most recent call last):\n")
    assert shown.stderr.endswith(said)


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "build", interrupted)
    assert tollbook("check") == Ended(130, "", "")


def test_being_terminated_leaves_no_temporary_files(folder: Path, fake: Callable[[str], str]) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    promtool = fake("kill -TERM $PPID; while kill -0 $PPID; do /bin/sleep 0.1; done 2>/dev/null")
    assert process("generate", "--promtool", promtool, cwd=folder, TMPDIR=str(scratch)) == Ended(143, "", "")
    assert list(scratch.iterdir()) == []
    assert not (folder / "out").exists()


def ended_into(stdout: BinaryIO, command: str) -> tuple[int, bytes]:
    """Exit code and stderr; buffered, as a shell has it, so that Python tries what is left once more at the end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = [sys.executable, "-m", "tollbook.gen", command]
    done = subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)
    return done.returncode, done.stderr


LONG_AND_SHORT = pytest.mark.parametrize("command", ["schema", "validate"])


@LONG_AND_SHORT
def test_a_reader_that_has_enough_ends_it_quietly(command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        assert ended_into(closed, command) == (141, b"")


@LONG_AND_SHORT
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_an_error(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        assert ended_into(full, command) == (2, b"error: stdout cannot be written: no space left on device\n")


def test_output_is_utf8_whatever_the_locale(folder: Path, generated: dict[str, bytes]) -> None:
    (folder / "out" / "rules.yaml").write_text("# caf\N{LATIN SMALL LETTER E WITH ACUTE}\n", encoding="utf-8")
    ended = process("check", cwd=folder, LC_ALL="C", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert ended.exit_code == 1
    assert "-# caf\N{LATIN SMALL LETTER E WITH ACUTE}\n" in ended.stdout
