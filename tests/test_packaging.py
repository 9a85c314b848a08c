"""What is installed elsewhere: the wheel, made from the sdist, in an environment without anything that only we need."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import pytest
from commandline import SPEC

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PARTS = ("gen", "rules", "dashboards")

# What its fixtures prepare takes long: one process runs all tests of this file.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


def built(source: Path, folder: Path, kind: str) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", folder, source, cwd=folder)
    return next(folder.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a copy of the checkout, for building leaves traces."""
    folder = tmp_path_factory.mktemp("sdist")
    made = (".git", ".venv", ".tools", ".dev", ".*_cache", "__pycache__", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, folder / "checkout", ignore=shutil.ignore_patterns(*made))
    return built(folder / "checkout", folder, "sdist")


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    # the Python of Debian 12 has no filters yet
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **safely)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(unpacked, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what it declares to need."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name in needed(PROJECT["dependencies"]):
        copy_distribution(name, site)
    pip = [sys.executable, "-m", "pip", "--python", f"{folder}/bin/python", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    return folder / "bin"


def needed(requirements: list[str]) -> set[str]:
    """The distributions behind these requirements, and theirs, on this machine."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        text, _, marker = waiting.pop().partition(";")
        name = re.split(r"[^\w.-]", text.strip())[0]
        if "extra ==" not in marker and name not in found and applies(marker):
            found.add(name)
            waiting += distribution(name).requires or []
    return found


def applies(marker: str) -> bool:
    from packaging.markers import Marker

    return not marker.strip() or Marker(marker).evaluate()


def copy_distribution(name: str, site: Path) -> None:
    for file in distribution(name).files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target)


# ---- What is in it -----------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"tollbook", f"tollbook-{version('tollbook')}.dist-info"}
    assert [name for name in names if "licenses/LICENSE" in name] != []


def test_the_wheel_holds_every_module_and_every_file_they_read(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("tollbook/") for name in archive.namelist() if name.startswith("tollbook/")}
    ours = {str(path.relative_to(ROOT)) for part in PARTS for path in (ROOT / part).rglob("*") if path.is_file()}
    assert packed == {name for name in ours if "__pycache__" not in name}


def test_the_sdist_holds_what_its_tests_need(unpacked: Path) -> None:
    for name in ("Makefile", "tollbook.yaml", ".ci/constraints.txt", "tests/conftest.py", "out/rules.yaml", "LICENSE"):
        assert (unpacked / name).is_file(), name
    for folder in ("tests", "tests/specs/bad", "docs", "bench"):
        assert names_in(unpacked / folder) == names_in(ROOT / folder)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


# ---- What it does --------------------------------------------------------------------------------------------------


def test_nothing_of_ours_for_development_is_in_the_environment(installed: Path) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps(sorted(d.name.lower() for d in m.distributions())))"
    names = set(json.loads(run(installed / "python", "-c", code, cwd=installed).stdout))
    assert "tollbook" in names
    assert names & {"pytest", "hypothesis", "mypy", "ruff", "build", "cloudcoil", "grafana-foundation-sdk"} == set()


def test_it_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(SPEC)
    tollbook = installed / "tollbook"
    assert run(tollbook, "--version", cwd=tmp_path).stdout == f"tollbook {PROJECT['version']}\n"
    assert "Example:" in run(tollbook, "--help", cwd=tmp_path).stdout
    assert json.loads(run(tollbook, "schema", cwd=tmp_path).stdout)["$schema"]
    options = ["--spec", "prices.yaml", "--out", "deploy"]
    assert run(tollbook, "generate", "--no-promtool", *options, cwd=tmp_path).stdout.endswith("15 files, 15 changed\n")
    assert run(tollbook, "check", *options, cwd=tmp_path).stdout == "deploy: up to date (15 files)\n"


def test_its_files_are_those_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Typed and untyped files, schemas and templates: the wheel gives what the editable install gives."""
    (tmp_path / "tollbook.yaml").write_text(SPEC)
    run(installed / "python", "-m", "tollbook.gen", "generate", "--no-promtool", "--out", "wheel", cwd=tmp_path)
    run(sys.executable, "-m", "tollbook.gen", "generate", "--no-promtool", "--out", "checkout", cwd=tmp_path)
    for path in (tmp_path / "checkout").iterdir():
        assert (tmp_path / "wheel" / path.name).read_bytes() == path.read_bytes()


# ---- What is said about it ---------------------------------------------------------------------------------------


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()
    first_cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    listed = set(re.findall(r"[\w.-]+", " ".join(first_cells)))
    declared = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in every_requirement()}
    assert listed - {"package"} == declared


def test_every_tested_version_is_one_that_is_allowed() -> None:
    from packaging.requirements import Requirement

    pinned = dict(line.split("==") for line in constraints())
    canonical = {re.sub(r"[._]", "-", name).lower(): pin for name, pin in pinned.items()}
    for text in every_requirement():
        requirement = Requirement(text)
        pin = canonical[re.sub(r"[._]", "-", requirement.name).lower()]
        assert requirement.specifier.contains(pin), f"{text} does not allow {pin}"


def test_everything_installed_here_is_pinned() -> None:
    pinned = {re.sub(r"[._]", "-", line.split("==")[0]).lower() for line in constraints()}
    wanted = {re.sub(r"[._]", "-", name).lower() for name in needed(every_requirement())}
    assert wanted - pinned == set()


def constraints() -> list[str]:
    lines = (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def every_requirement() -> list[str]:
    return [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
