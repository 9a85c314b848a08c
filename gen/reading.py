"""The one place that reads: a user's files by path, and the schemas and templates that ship inside the package."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from tollbook.gen.errors import InputError, Place, Problem


def text_of(path: Path) -> str:
    """Raises InputError where the file cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError([Problem(f"not UTF-8 text (byte {error.start})", Place(str(path)))]) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def bytes_of(path: Path) -> bytes | None:
    """None where there is no such file. Raises InputError where there is something else, or it cannot be read."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise InputError([Problem("not a regular file", Place(str(path)))])
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def file_names(directory: Path) -> list[str]:
    """Of the regular files in it, links not followed; none where there is no such folder."""
    try:
        return sorted(path.name for path in directory.iterdir() if path.is_file() and not path.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError([Problem((error.strerror or "cannot be read").lower(), Place(str(path)))])


@cache
def packaged_text(name: str) -> str:
    """A file of this package by its path below it: `schemas/spec.schema.json`."""
    return resources.files("tollbook.gen").joinpath(name).read_text(encoding="utf-8")


@cache
def packaged_schema(name: str) -> Any:
    return json.loads(packaged_text(f"schemas/{name}.schema.json"))
