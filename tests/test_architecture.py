"""The house rules that a machine can check: who may import whom, and which module has which side effect.

Each checker takes one module's source and returns what is wrong with it; below, each is also fed a source that breaks
its rule, for a rule that nothing can break is no rule.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gen", "rules", "dashboards")

TESTGENS = """testgen_attribution testgen_budgets testgen_calendar testgen_counting testgen_dates testgen_dollars
testgen_histories testgen_lives testgen_prices testgen_semantics testgen_windows"""

# Floor -> its modules, and the floors below that it may use besides itself.
FLOORS: dict[str, tuple[str, str]] = {
    "vocabulary": (
        (
            "errors durations wording names promql promql_layout promql_moments promql_reading alert_settings spec "
            "model gateways annotations placeholders timezones pacing alert_names"
        ),
        "",
    ),
    "files": ("reading scalars yamlsyntax yamlio", "vocabulary"),
    "loading": (
        (
            "subjects sections resolve shape label_checks price_checks scraping_checks gateway_checks "
            "selection_checks backend_checks budget_checks alert_checks load"
        ),
        "vocabulary files",
    ),
    "building": (
        (
            "rulefile objects relabelings monitors manifests dashboard_forms headers inhibition alert_listing "
            "oracle promtest traffic testgen "
        )
        + TESTGENS,
        "vocabulary files",
    ),
    "judging": ("checks dashboard_checks form_checks", "vocabulary files building"),
    "tools": ("promtool outputs", "vocabulary files"),
    "pipeline": ("pipeline", "vocabulary files building judging rules dashboards"),
    "shell": ("cli __main__", "vocabulary files loading tools pipeline"),
    "rules": ("", "vocabulary"),
    "dashboards": ("", "vocabulary"),
}

# Only these modules may be longer, or hold a longer function. The lists may shrink.
LONGER_FILES: dict[str, int] = {}
LONGER_FUNCTIONS: dict[str, int] = {}
MUTABLE = {"gen.yamlio._Reader"}  # one pass over a text, not a value
FILE_LINES, FUNCTION_LINES, NESTING = 300, 40, 3

# What a module may say only where it stands here: imports, calls by their last one or two words, attributes.
HOMES: dict[str, set[str]] = {
    "import click": {"gen.cli"},
    "import sys": {"gen.cli"},
    "import traceback": {"gen.cli"},
    "print()": {"gen.cli"},
    "exit()": {"gen.cli"},
    "raise SystemExit": {"gen.cli"},
    "import subprocess": {"gen.promtool"},
    "import tempfile": {"gen.promtool"},
    "import grafanalib": {"dashboards.grafana"},
    "import jinja2": {"gen.headers"},
    "import os": {"gen.cli", "gen.outputs"},
    "os.environ": set(),
    "getenv()": set(),
    "read_text()": {"gen.reading", "gen.timezones"},  # the latter: the data of the package tzdata
    "read_bytes()": {"gen.reading"},
    "open()": {"gen.outputs", "gen.cli", "gen.timezones"},
    "write_text()": {"gen.promtool"},
    "write_bytes()": set(),
    "mkdir()": {"gen.outputs"},
    "unlink()": {"gen.outputs"},
    "rmdir()": {"gen.outputs"},
    "rename()": set(),
    "datetime.now()": {"gen.cli"},
    "datetime.utcnow()": set(),
    "datetime.today()": set(),
    "date.today()": set(),
    "import time": set(),
    "import random": set(),
    "import secrets": set(),
    "import uuid": set(),
    "import platform": set(),
    "import socket": set(),
    "import http": set(),
    "import urllib": set(),
    "import httpx": set(),
    "import requests": set(),
    "eval()": set(),
    "exec()": set(),
}

Checker = Callable[[str, ast.Module], Iterator[str]]


def modules() -> dict[str, str]:
    """`gen.cli` -> its source."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).glob("**/*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text("utf-8")
        for path in paths
    }


# ---- Checkers --------------------------------------------------------------------------------------------------


def floor_of(module: str) -> str | None:
    package, _, name = module.partition(".")
    if package != "gen":
        return package
    return next((floor for floor, (here, _) in FLOORS.items() if name in here.split()), None)


def imported(tree: ast.AST) -> Iterator[str]:
    """Our own modules that this one imports, as `gen.cli`; a name taken from a module counts as that module."""
    ours = modules()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tollbook":
            source = (node.module or "").removeprefix("tollbook").removeprefix(".")
            parts = [f"{source}.{alias.name}".removeprefix(".") for alias in node.names]
            yield from (part if part in ours or not source else source for part in parts)
        elif isinstance(node, ast.Import):
            yield from (alias.name[9:] for alias in node.names if alias.name.startswith("tollbook."))


def floors_are_respected(module: str, tree: ast.Module) -> Iterator[str]:
    floor = floor_of(module)
    if floor is None:
        if module != "gen":
            yield "stands on no floor"
        return
    allowed = {floor, *FLOORS[floor][1].split()}
    yield from (f"imports {other}" for other in imported(tree) if floor_of(other) not in allowed)


def side_effects_are_at_home(module: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        for name in said(node):
            if module not in HOMES.get(name, {module}):
                yield f"says {name}"


def said(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {alias.name.split('.')[0]}" for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield f"import {(node.module or '').split('.')[0]}"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call):
        words = ast.unparse(node.func).split(".")
        yield from {f"{words[-1]}()", f"{'.'.join(words[-2:])}()"}
    elif isinstance(node, ast.Attribute):
        yield ast.unparse(node)
    elif isinstance(node, ast.Raise) and node.exc:
        yield f"raise {ast.unparse(node.exc).split('(')[0]}"


def names_say_what_is_inside(module: str, tree: ast.Module) -> Iterator[str]:
    if re.search(r"(^|[._])(utils?|helpers?|common|misc)($|[._])", module):
        yield "says nothing by its name"
    if not ast.get_docstring(tree):
        yield "does not say its place"


def code_is_small(module: str, tree: ast.Module) -> Iterator[str]:
    length = max((node.end_lineno or 0 for node in tree.body), default=0)
    if length > LONGER_FILES.get(module, FILE_LINES):
        yield f"has {length} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > LONGER_FUNCTIONS.get(f"{module}.{node.name}", FUNCTION_LINES):
                yield f"{node.name} has {lines} lines"
            if depth(node) > NESTING:
                yield f"{node.name} is nested {depth(node)} deep"


def depth(node: ast.AST) -> int:
    """Of blocks inside blocks; an `elif` is as deep as its `if`."""
    below = max((depth(child) for child in ast.iter_child_nodes(node)), default=0)
    is_elif = isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)
    if is_elif:
        below = max(below - 1, *(depth(child) for child in node.body))  # type: ignore[attr-defined]
    return below + isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try)


def values_do_not_change(module: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and f"{module}.{node.name}" not in MUTABLE:
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if any(re.match(r"(dataclasses\.)?dataclass\b", text) and "frozen=True" not in text for text in decorators):
                yield f"{node.name} is not frozen"


def faults_are_not_hidden(module: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield "asserts, which python -O leaves out"
        if isinstance(node, ast.ExceptHandler) and module != "gen.cli":
            caught = ast.unparse(node.type) if node.type else "everything"
            if caught in ("everything", "Exception"):
                yield f"catches {caught}"


def strings(tree: ast.Module) -> Iterator[str]:
    """Every text but the docstrings."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def promql_is_composed(module: str, tree: ast.Module) -> Iterator[str]:
    if module != "gen.promql":
        by_hand = re.compile(r"\b(rate|increase|sum|min|max|avg|count|\w+_over_time)( by \([^)]*\) ?)?\($|\boffset \d")
        yield from (f"writes PromQL by hand: {text!r}" for text in strings(tree) if by_hand.search(text))


def emitted_names_have_one_home(module: str, tree: ast.Module) -> Iterator[str]:
    if module not in ("gen.names", "gen.alert_names"):
        emitted = re.compile(r"^(agentgateway[:_]\w|LLM[A-Z]\w+$)")
        yield from (f"spells out {text!r}" for text in strings(tree) if emitted.search(text))


def money_is_decimal(module: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "float" and not module.startswith("dashboards"):
            yield f"makes a float of {ast.unparse(node.args[0])}"
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and module.startswith("rules"):
            yield f"counts with the float {node.value}"


CHECKERS: tuple[Checker, ...] = (
    floors_are_respected,
    side_effects_are_at_home,
    names_say_what_is_inside,
    code_is_small,
    values_do_not_change,
    faults_are_not_hidden,
    promql_is_composed,
    emitted_names_have_one_home,
    money_is_decimal,
)


# ---- The project ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_rule_holds(checker: Checker) -> None:
    found = {module: sorted(set(checker(module, ast.parse(source)))) for module, source in modules().items()}
    assert {module: problems for module, problems in found.items() if problems} == {}


def test_no_import_leads_back_to_where_it_came_from() -> None:
    graph = {module: set(imported(ast.parse(source))) - {module} for module, source in modules().items()}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_the_plan_has_no_room_for_modules_that_are_gone() -> None:
    planned = {f"gen.{name}" for here, _ in FLOORS.values() for name in here.split()}
    assert planned - set(modules()) == set()


def test_exceptions_are_still_needed() -> None:
    lengths = {module: len(source.splitlines()) for module, source in modules().items()}
    assert [module for module, allowed in LONGER_FILES.items() if lengths[module] < allowed] == []


def test_the_demo_starts_programs_in_two_places() -> None:
    """promtool, which reads the history, and those that are to run."""
    trees = {path.stem: ast.parse(path.read_text("utf-8")) for path in (ROOT / "demo").glob("*.py")}
    homes = {name for name, tree in trees.items() for node in ast.walk(tree) if "import subprocess" in said(node)}
    assert homes == {"blocks", "processes"}


def test_nothing_is_imported_twice_under_two_names() -> None:
    assert set(PACKAGES) & set(sys.modules) == set()


# ---- The rules can be broken -----------------------------------------------------------------------------------------

LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 41
DEEP_FUNCTION = "def f():\n for a in b:\n  if a:\n   with a:\n    while a:\n     a()\n"
ELIF_CHAIN = "def f():\n for a in b:\n  if a:\n   a()\n  elif c:\n   a()\n  elif d:\n   if e:\n    a()\n"

BROKEN: list[tuple[Checker, str, str, list[str]]] = [
    (floors_are_respected, "gen.errors", "from tollbook.gen import cli", ["imports gen.cli"]),
    (floors_are_respected, "gen.spec", "from tollbook.gen.load import load", ["imports gen.load"]),
    (floors_are_respected, "gen.manifests", "import tollbook.gen.load", ["imports gen.load"]),
    (floors_are_respected, "gen.checks", "from tollbook import rules", ["imports rules"]),
    (floors_are_respected, "gen.cli", "def f():\n from tollbook.rules import build", ["imports rules"]),
    (floors_are_respected, "rules.cost", "from tollbook.gen.yamlio import dump", ["imports gen.yamlio"]),
    (floors_are_respected, "rules.cost", "from tollbook.dashboards import style", ["imports dashboards.style"]),
    (floors_are_respected, "gen.new_module", "", ["stands on no floor"]),
    (side_effects_are_at_home, "gen.load", "print('x')", ["says print()"]),
    (side_effects_are_at_home, "gen.load", "import sys", ["says import sys"]),
    (side_effects_are_at_home, "gen.load", "raise SystemExit", ["says raise SystemExit"]),
    (side_effects_are_at_home, "gen.load", "raise SystemExit(1)", ["says raise SystemExit"]),
    (side_effects_are_at_home, "gen.cli", "import subprocess", ["says import subprocess"]),
    (side_effects_are_at_home, "gen.pipeline", "from subprocess import run", ["says import subprocess"]),
    (side_effects_are_at_home, "gen.pipeline", "open('x')", ["says open()"]),
    (side_effects_are_at_home, "gen.pipeline", "path.read_text()", ["says read_text()"]),
    (side_effects_are_at_home, "gen.pipeline", "path.write_text('')", ["says write_text()"]),
    (side_effects_are_at_home, "gen.pipeline", "from urllib.request import urlopen", ["says import urllib"]),
    (side_effects_are_at_home, "gen.pipeline", "import http.client", ["says import http"]),
    (side_effects_are_at_home, "gen.spec", "datetime.datetime.now(UTC)", ["says datetime.now()"]),
    (side_effects_are_at_home, "gen.spec", "date.today()", ["says date.today()"]),
    (side_effects_are_at_home, "gen.spec", "import random", ["says import random"]),
    (side_effects_are_at_home, "gen.promtool", "os.environ['X']", ["says os.environ"]),
    (side_effects_are_at_home, "gen.outputs", "from os import environ", ["says os.environ"]),
    (side_effects_are_at_home, "gen.spec", "from datetime import time\ntime(1)", []),
    (side_effects_are_at_home, "rules.cost", "totals.today() + selector.now()", []),
    (side_effects_are_at_home, "dashboards.spend", "import grafanalib.core", ["says import grafanalib"]),
    (names_say_what_is_inside, "gen.yaml_utils", "'Doc.'", ["says nothing by its name"]),
    (names_say_what_is_inside, "gen.helpers", "'Doc.'", ["says nothing by its name"]),
    (names_say_what_is_inside, "gen.spec", "x = 1", ["does not say its place"]),
    (code_is_small, "gen.spec", "x = 1\n" * 301, ["has 301 lines"]),
    (code_is_small, "gen.spec", LONG_FUNCTION, ["f has 42 lines"]),
    (code_is_small, "gen.spec", DEEP_FUNCTION, ["f is nested 4 deep"]),
    (code_is_small, "gen.spec", ELIF_CHAIN, []),
    (values_do_not_change, "gen.spec", "@dataclass\nclass A: pass", ["A is not frozen"]),
    (values_do_not_change, "gen.spec", "@dataclass(order=True)\nclass A: pass", ["A is not frozen"]),
    (values_do_not_change, "gen.spec", "@dataclass(frozen=True)\nclass A: pass", []),
    (faults_are_not_hidden, "gen.spec", "assert x", ["asserts, which python -O leaves out"]),
    (faults_are_not_hidden, "gen.spec", "try: f()\nexcept Exception: pass", ["catches Exception"]),
    (faults_are_not_hidden, "gen.spec", "try: f()\nexcept: pass", ["catches everything"]),
    (promql_is_composed, "rules.cost", "f'sum({x})'", ["writes PromQL by hand: 'sum('"]),
    (promql_is_composed, "rules.cost", "x = 'x offset 5m'", ["writes PromQL by hand: 'x offset 5m'"]),
    (emitted_names_have_one_home, "rules.cost", "x = 'agentgateway:x'", ["spells out 'agentgateway:x'"]),
    (emitted_names_have_one_home, "rules.cost", "x = 'LLMBudget'", ["spells out 'LLMBudget'"]),
    (money_is_decimal, "rules.cost", "x * 0.5", ["counts with the float 0.5"]),
    (money_is_decimal, "gen.resolve", "float(price)", ["makes a float of price"]),
]


@pytest.mark.parametrize(("checker", "module", "source", "expected"), BROKEN)
def test_breaking_the_rule_is_noticed(checker: Checker, module: str, source: str, expected: list[str]) -> None:
    assert list(checker(module, ast.parse(source))) == expected


def test_every_rule_is_broken_above() -> None:
    assert {checker for checker, *_ in BROKEN} == set(CHECKERS)
