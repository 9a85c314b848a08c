"""Samples of the past as blocks of a Prometheus: written as OpenMetrics, read by promtool."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

#: One of the lengths that Prometheus' own compaction makes. promtool reads its input anew for each block, so there is a
#: file for each.
BLOCK_SECONDS = 54 * 3600


class Blocks:
    """Give samples of a series in the order of time, and of different ones at most a block apart."""

    def __init__(self, data: Path, promtool: Path) -> None:
        self._data, self._promtool = data, promtool
        self._files: dict[int, TextIO] = {}
        self._reading: list[tuple[Path, subprocess.Popen[str]]] = []
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))

    def add(self, second: int, lines: Iterable[str]) -> None:
        """Each line is a series and its value; all are of this second."""
        file = self._file(second // BLOCK_SECONDS)
        file.writelines(f"{line} {second}\n" for line in lines)

    def finish_before(self, second: int) -> None:
        """Nothing older will come."""
        for number in [number for number in self._files if (number + 1) * BLOCK_SECONDS <= second]:
            self._finish(number)

    def _file(self, number: int) -> TextIO:
        if number not in self._files:
            self._files[number] = self._stack.enter_context((self._folder / f"{number}.om").open("w", encoding="utf-8"))
        return self._files[number]

    def _finish(self, number: int) -> None:
        with self._files.pop(number) as file:
            file.write("# EOF\n")
        path = Path(file.name)
        command = (self._promtool, "tsdb", "create-blocks-from", "openmetrics", path, self._data)
        lasts = f"--max-block-duration={BLOCK_SECONDS // 3600}h"
        self._wait(leave=1)
        reader = subprocess.Popen([*command, lasts], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._reading.append((path, reader))

    def _wait(self, leave: int = 0) -> None:
        """While promtool reads one file the next is written."""
        while len(self._reading) > leave:
            path, reader = self._reading.pop(0)
            _, errors = reader.communicate()
            if reader.returncode:
                raise RuntimeError(f"promtool refused the history: {errors}")
            path.unlink()

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        with self._stack:
            if kind is None:
                for number in sorted(self._files):
                    self._finish(number)
            self._wait()
