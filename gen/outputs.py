"""The only module that writes: shows how a folder differs from the outputs, or makes it hold them.

A file is replaced whole and only when its bytes differ. How many unit-test files there are depends on the spec: those
of an earlier spec, which would fail, are removed. Whatever else lies in the folder is left alone.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tollbook.gen import names, reading
from tollbook.gen.errors import InputError

_HEADER_LINES = 3


def differences(directory: Path, outputs: Mapping[str, str]) -> str:
    """A unified diff from what is in the folder to the outputs, empty where they are the same."""
    changed = (_difference(directory / name, text) for name, text in outputs.items())
    gone = (f"{directory / name}: no longer generated\n" for name in leftovers(directory, outputs))
    return "".join([*changed, *gone])


def leftovers(directory: Path, outputs: Mapping[str, str]) -> list[str]:
    """Unit tests, and rules only for them, that were generated from another spec: ours by their name and header."""
    candidates = [
        name
        for name in reading.file_names(directory)
        if names.is_rules_test_file(name) or name == names.PROMETHEUS_RULES_FILE
    ]
    return [name for name in candidates if name not in outputs and _is_generated(directory / name)]


def replace(directory: Path, outputs: Mapping[str, str], gone: Iterable[str] = ()) -> list[str]:
    """Makes the folder hold the outputs and returns the names of the files that changed; then removes those `gone`.

    Every new file is complete on the disk before the first old one gives way, so whatever fails until then, from a
    missing permission to a full disk, leaves the folder as it was. Raises InputError.
    """
    changed = [name for name, text in outputs.items() if reading.bytes_of(directory / name) != text.encode()]
    with _made(directory), _new_files({_target(directory / name): outputs[name] for name in changed}) as new_files:
        for target, new_file in new_files.items():
            with _reported(target):
                new_file.replace(target)
    for name in gone:
        with _reported(directory / name, "removed"):
            (directory / name).unlink()
    return changed


# ---- Comparing -----------------------------------------------------------------------------------------


def _is_generated(path: Path) -> bool:
    head = (reading.bytes_of(path) or b"").splitlines()[:_HEADER_LINES]
    return any(line.startswith(f"# {names.GENERATED_BY} ".encode()) for line in head)


def _difference(path: Path, text: str) -> str:
    current = reading.bytes_of(path)
    if current is None:
        return f"{path}: missing\n"
    if current == text.encode():
        return ""
    old = current.decode(errors="backslashreplace")
    if old.replace("\r\n", "\n") == text:
        return f"{path}: lines end in CRLF instead of LF\n"
    lines = difflib.unified_diff(_lines(old), _lines(text), str(path), f"{path}\tas generated")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines as diff counts them: str.splitlines would also break at form feeds and at Unicode's separators."""
    *complete, rest = text.split("\n")
    return [f"{line}\n" for line in complete] + ([rest] if rest else [])


# ---- Writing -------------------------------------------------------------------------------------------


def _target(path: Path) -> Path:
    """The file behind the path: a link stays a link, and what it leads to is replaced."""
    return path.resolve() if path.is_symlink() else path


@contextmanager
def _made(directory: Path) -> Iterator[None]:
    """The folder is there; where that took making it and then no file came, it goes again."""
    with _reported(directory):
        made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
        directory.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _new_files(texts: Mapping[Path, str]) -> Iterator[Mapping[Path, Path]]:
    """Each text in a hidden file beside its target, on the same file system; what is not moved is removed."""
    new_files = {target: target.with_name(f".{target.name}.{os.getpid()}.new") for target in texts}
    try:
        for target, new_file in new_files.items():
            with _reported(target):
                _write(new_file, texts[target])
                _keep_mode(target, new_file)
        yield new_files
    finally:
        for new_file in new_files.values():
            with suppress(OSError):
                new_file.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # left by a run that was killed
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _keep_mode(target: Path, new_file: Path) -> None:
    if target.exists():
        new_file.chmod(stat.S_IMODE(target.stat().st_mode))


@contextmanager
def _reported(path: Path, what: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be {what}: {(error.strerror or 'no reason given').lower()}") from error
