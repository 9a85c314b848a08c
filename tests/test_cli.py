"""The commands as users meet them: what they print where, how they end, and what they leave on the disk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from commandline import SPEC, Ended, contents, process, tollbook

from tollbook.gen import cli, pipeline
from tollbook.gen.errors import Place, Problem, Severity
from tollbook.gen.promtool import HOW_TO_GET_IT

TIERED = SPEC.replace("output: 10}", "output: 10, tiers: [{context_over: 9, input: 5, output: 20}]}").replace(
    "namespace: ai", 'namespace: ai, version: "1.3"'
)
BROKEN = SPEC.replace("output: 10", "outptu: 10").replace("amount: 50", "amount: -1")
CHANGING = SPEC.replace("output: 10}", "output: 10}, {from: 2026-07-30, input: 3, output: 10}")
TESTS = [
    "rules-test.yaml",
    "rules-test-week-before.yaml",
    "rules-test-week-after.yaml",
    "rules-test-month-before.yaml",
    "rules-test-month-after.yaml",
    "rules-test-windows.yaml",
    "rules-test-pasts.yaml",
    "rules-test-lately.yaml",
]
DASHBOARDS = [
    "grafana-dashboard.json",
    "grafana-dashboard-configmap.yaml",
    "grafana-dashboard-operator.yaml",
    "grafana-dashboard-resource.json",
]
FILES = sorted(["monitoring.yaml", "rules.yaml", "inhibit-rules.yaml", *DASHBOARDS, *TESTS])
COMMANDS = sorted(cli.cli.commands)

pytestmark = pytest.mark.usefixtures("folder")


# ---- generate --------------------------------------------------------------------------------------------------


def test_generate_proves_and_writes_every_file(folder: Path, promtools: list[tuple[str, Path]]) -> None:
    assert tollbook("generate", "--promtool", promtools[0][1]) == Ended(
        0,
        "out/monitoring.yaml: changed\n"
        + "".join(f"out/{name}: changed\n" for name in DASHBOARDS)
        + "out/rules.yaml: changed\n"
        "out/inhibit-rules.yaml: changed\n"
        + "".join(f"out/{name}: changed\n" for name in TESTS)
        + "15 files, 15 changed\n",
        "",
    )
    assert sorted(contents(folder / "out")) == FILES


def test_generate_changes_only_what_differs(folder: Path, generated: dict[str, bytes], content: str) -> None:
    (folder / "out" / "rules.yaml").write_text("edited by hand\n")
    assert tollbook("generate", "--promtool", content).stdout == "out/rules.yaml: changed\n15 files, 1 changed\n"
    assert tollbook("generate", "--promtool", content).stdout == "15 files, 0 changed\n"
    assert contents(folder / "out") == generated


def test_generate_reads_and_writes_where_it_is_told(folder: Path, content: str) -> None:
    (folder / "tollbook.yaml").rename(folder / "prices.yaml")
    ended = tollbook("generate", "--spec", "prices.yaml", "--out", "deploy/cost", "--promtool", content)
    assert ended.stdout.splitlines()[0] == "deploy/cost/monitoring.yaml: changed"
    assert sorted(contents(folder / "deploy" / "cost")) == FILES


def test_the_environment_may_name_promtool_and_the_option_goes_first(
    fake: Callable[[str], str], content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLBOOK_PROMTOOL", fake("exit 1"))
    assert tollbook("generate").exit_code == 1
    assert tollbook("generate", "--promtool", content).exit_code == 0


def test_without_promtool_nothing_is_written(folder: Path) -> None:
    assert tollbook("generate") == Ended(3, "", f"error: promtool is not on PATH ({HOW_TO_GET_IT})\n")
    assert not (folder / "out").exists()


def test_without_promtool_files_are_written_only_on_request_and_with_a_warning(folder: Path) -> None:
    ended = tollbook("generate", "--no-promtool")
    assert (ended.exit_code, ended.stderr) == (0, "warning: the rules are not proven: promtool was not run\n")
    assert sorted(contents(folder / "out")) == FILES


def test_what_the_spec_warns_of_is_said_and_does_not_stop(folder: Path, content: str) -> None:
    (folder / "tollbook.yaml").write_text(TIERED)
    ended = tollbook("generate", "--promtool", content)
    assert (ended.exit_code, ended.stdout.splitlines()[-1]) == (0, "15 files, 15 changed")
    warning, count = ended.stderr.splitlines()
    assert warning.startswith("tollbook.yaml:3:")
    assert ": warning: " in warning
    assert count == "1 problem (1 warning) in tollbook.yaml"


def broken_spec(folder: Path) -> str:
    (folder / "tollbook.yaml").write_text(BROKEN)
    return "2 problems (2 errors) in tollbook.yaml\n"


def missing_spec(folder: Path) -> str:
    (folder / "tollbook.yaml").unlink()
    return "tollbook.yaml:1:1: error: no such file or directory\n1 problem (1 error) in tollbook.yaml\n"


def odd_target(folder: Path) -> str:
    (folder / "out" / "rules-test.yaml").unlink()
    (folder / "out" / "rules-test.yaml").symlink_to("/dev/full")
    return "out/rules-test.yaml:1:1: error: not a regular file\n1 problem (1 error) in out/rules-test.yaml\n"


@pytest.mark.parametrize(("damage", "exit_code"), [(broken_spec, 1), (missing_spec, 2), (odd_target, 2)])
def test_out_stays_as_it_is_when_generate_fails(
    folder: Path, generated: dict[str, bytes], content: str, damage: Callable[[Path], str], exit_code: int
) -> None:
    (folder / "tollbook.yaml").write_text(SPEC.replace("2.5", "3.5"))
    said = damage(folder)
    before = contents(folder / "out")
    ended = tollbook("generate", "--promtool", content)
    assert (ended.exit_code, ended.stdout) == (exit_code, "")
    assert ended.stderr.endswith(said)
    assert contents(folder / "out") == before
    assert {name: text for name, text in before.items() if name in generated} == before


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (
            r"printf '  FAILED:\nrules.yaml: 5:11: no good\n' >&2; exit 1",
            "rules.yaml:5:11: error: promtool: no good\n1 problem (1 error) in rules.yaml\n",
        ),
        (
            r"""[ "$1" = check ] || { printf '  FAILED:\n    expr: x,\n        got: nil\n' >&2; exit 1; }""",
            "rules-test.yaml:1:1: error: promtool: expr: x,\n    got: nil\n1 problem (1 error) in rules-test.yaml\n",
        ),
        (
            "kill -KILL $$",
            "rules.yaml:1:1: error: promtool: was killed (SIGKILL)\n1 problem (1 error) in rules.yaml\n",
        ),
    ],
)
def test_out_stays_as_it_is_when_promtool_objects(
    folder: Path, generated: dict[str, bytes], fake: Callable[[str], str], judgement: str, said: str
) -> None:
    (folder / "tollbook.yaml").write_text(SPEC.replace("2.5", "3.5"))
    assert tollbook("generate", "--promtool", fake(judgement)) == Ended(1, "", said)
    assert contents(folder / "out") == generated


def test_out_stays_as_it_is_when_the_files_contradict_each_other(
    folder: Path, generated: dict[str, bytes], content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [
        Problem("b is bad", Place("rules.yaml", 3)),
        Problem("a may be bad", Place("monitoring.yaml", 2), Severity.WARNING, hint="look"),
    ]
    monkeypatch.setattr(pipeline, "verify", lambda _: problems)
    (folder / "tollbook.yaml").write_text(SPEC.replace("2.5", "3.5"))
    assert tollbook("generate", "--promtool", content) == Ended(
        1,
        "",
        "monitoring.yaml:2:1: warning: a may be bad (look)\n"
        "rules.yaml:3:1: error: b is bad\n"
        "2 problems (1 error, 1 warning) in 2 files\n",
    )
    assert contents(folder / "out") == generated


def test_the_same_spec_gives_the_same_bytes_anywhere(folder: Path, generated: dict[str, bytes]) -> None:
    for name, seed, zone, locale in (("one", "1", "Pacific/Apia", "C"), ("two", "2", "Asia/Kolkata", "C.UTF-8")):
        elsewhere = folder / name
        elsewhere.mkdir()
        ended = process(
            "generate", "--no-promtool", "--spec", folder / "tollbook.yaml",
            cwd=elsewhere, PYTHONHASHSEED=seed, TZ=zone, LC_ALL=locale,
        )  # fmt: skip
        assert ended.exit_code == 0
        assert contents(elsewhere / "out") == generated


def test_a_real_promtool_refuses_what_the_generated_tests_do_not_expect(
    folder: Path, generated: dict[str, bytes], promtool: Path
) -> None:
    rules = folder / "out" / "rules.yaml"
    rules.write_text(re.sub(r"vector\(2\.5\)", "vector(2.6)", rules.read_text()))
    assert rules.read_bytes() != generated["rules.yaml"], "the price is not where this test expects it"
    ended = tollbook("test", "--promtool", promtool)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "out/rules-test.yaml:1:1: error: promtool: " in ended.stderr


def test_tests_of_a_price_that_no_longer_changes_are_removed(folder: Path, content: str) -> None:
    (folder / "tollbook.yaml").write_text(CHANGING)
    assert tollbook("generate", "--promtool", content).stdout.endswith(
        "out/rules-test-2026-07-30-before.yaml: changed\n"
        "out/rules-test-2026-07-30-after.yaml: changed\n"
        "17 files, 17 changed\n"
    )
    assert tollbook("check").stdout == "out: up to date (17 files)\n"
    (folder / "tollbook.yaml").write_text(SPEC)
    ended = tollbook("check")
    assert ended.exit_code == 1
    assert ended.stdout.endswith(
        "out/rules-test-2026-07-30-after.yaml: no longer generated\n"
        "out/rules-test-2026-07-30-before.yaml: no longer generated\n"
    )
    assert tollbook("generate", "--promtool", content).stdout.endswith(
        "out/rules-test-2026-07-30-after.yaml: removed\n"
        "out/rules-test-2026-07-30-before.yaml: removed\n"
        "15 files, 2 changed, 2 removed\n"
    )
    assert sorted(contents(folder / "out")) == FILES


def test_a_failing_generate_removes_nothing(folder: Path, content: str, fake: Callable[[str], str]) -> None:
    (folder / "tollbook.yaml").write_text(CHANGING)
    tollbook("generate", "--promtool", content)
    before = contents(folder / "out")
    (folder / "tollbook.yaml").write_text(SPEC)
    assert tollbook("generate", "--promtool", fake("exit 1")).exit_code == 1
    assert contents(folder / "out") == before


# ---- check -------------------------------------------------------------------------------------------------------


def test_check_is_content_with_what_generate_wrote(generated: dict[str, bytes]) -> None:
    assert tollbook("check") == Ended(0, "out: up to date (15 files)\n", "")


def test_check_shows_the_difference_and_writes_nothing(folder: Path, generated: dict[str, bytes]) -> None:
    (folder / "out" / "rules.yaml").write_bytes(generated["rules.yaml"] + b"# mine\n")
    (folder / "out" / "monitoring.yaml").unlink()
    before = contents(folder)
    ended = tollbook("check")
    assert ended.exit_code == 1
    assert ended.stdout.startswith("out/monitoring.yaml: missing\n--- out/rules.yaml\n+++ out/rules.yaml\tas gen")
    assert ended.stdout.endswith("\n-# mine\n")
    assert ended.stderr == (
        "error: out is not what tollbook.yaml gives: run `tollbook generate` and commit what it changes\n"
    )
    assert contents(folder) == before


def test_check_notices_a_changed_price(folder: Path, generated: dict[str, bytes]) -> None:
    (folder / "tollbook.yaml").write_text(SPEC.replace("2.5", "3.5"))
    ended = tollbook("check")
    assert ended.exit_code == 1
    assert re.search(r"^\+.*3\.5", ended.stdout, re.MULTILINE)


# ---- validate ----------------------------------------------------------------------------------------------------


def test_validate_says_what_is_in_a_good_spec(folder: Path) -> None:
    assert tollbook("validate") == Ended(0, "tollbook.yaml: ok (1 gateway, 1 model, 1 budget)\n", "")
    (folder / "more.yaml").write_text(SPEC.replace("[{", "[{name: other, namespace: ai}, {", 1))
    assert tollbook("validate", "--spec", "more.yaml").stdout == "more.yaml: ok (2 gateways, 1 model, 1 budget)\n"


def test_validate_reports_every_problem_in_order_and_counts_them(folder: Path) -> None:
    (folder / "tollbook.yaml").write_text(BROKEN)
    ended = tollbook("validate")
    assert (ended.exit_code, ended.stdout) == (1, "")
    *problems, count = ended.stderr.splitlines()
    assert [problem.split(":")[:2] for problem in problems] == [["tollbook.yaml", "3"], ["tollbook.yaml", "4"]]
    assert "did you mean 'output'?" in problems[0]
    assert count == "2 problems (2 errors) in tollbook.yaml"


# ---- test --------------------------------------------------------------------------------------------------------


def test_test_tells_what_was_proven_and_by_which_promtool(generated: dict[str, bytes], promtool: Path) -> None:
    ended = tollbook("test", "--promtool", promtool)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert re.fullmatch(r"out: ok \(8 test files, \d{2,} expectations, promtool \d\.\d+\.\d\S*\)\n", ended.stdout)


def test_test_names_the_files_it_was_given(
    folder: Path, generated: dict[str, bytes], fake: Callable[[str], str]
) -> None:
    promtool = fake(r"printf '  FAILED:\nrules.yaml: 5:11: no good\n' >&2; exit 1")
    (folder / "out").rename(folder / "cost")
    ended = tollbook("test", "--out", "cost", "--promtool", promtool)
    assert ended.stderr == "cost/rules.yaml:5:11: error: promtool: no good\n1 problem (1 error) in cost/rules.yaml\n"


def test_test_is_not_content_with_tests_that_expect_nothing(
    folder: Path, generated: dict[str, bytes], content: str
) -> None:
    (folder / "out" / "rules-test.yaml").write_text("rule_files: [rules.yaml]\ntests: []\n")
    assert tollbook("test", "--promtool", content) == Ended(
        1,
        "",
        "out/rules-test.yaml:1:1: error: there is no expectation in it\n1 problem (1 error) in out/rules-test.yaml\n",
    )


def test_test_runs_every_test_file_beside_the_rules(folder: Path, generated: dict[str, bytes], promtool: Path) -> None:
    late = (folder / "out" / "rules-test-windows.yaml").read_text()
    (folder / "out" / "rules-test-mine.yaml").write_text(late.replace("value: 6480\n", "value: 6481\n"))
    ended = tollbook("test", "--promtool", promtool)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith(
        'out/rules-test-mine.yaml:1:1: error: promtool: expr: "agentgateway:cost_usd:total_monthly", time: 31d,\n'
    )
    assert ended.stderr.endswith("\n1 problem (1 error) in out/rules-test-mine.yaml\n")


def test_test_needs_generated_files_and_promtool(generated: dict[str, bytes]) -> None:
    assert tollbook("test", "--out", "elsewhere") == Ended(
        2,
        "",
        "elsewhere/rules.yaml:1:1: error: no such file or directory\n1 problem (1 error) in elsewhere/rules.yaml\n",
    )
    assert tollbook("test") == Ended(3, "", f"error: promtool is not on PATH ({HOW_TO_GET_IT})\n")


# ---- schema, version, help -----------------------------------------------------------------------------------------


def test_schema_is_a_json_schema_that_knows_the_spec() -> None:
    ended = tollbook("schema")
    assert (ended.exit_code, ended.stderr) == (0, "")
    schema = json.loads(ended.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"version", "gateways", "models", "budgets"} <= set(schema["properties"])


def test_version_is_that_of_the_installed_package() -> None:
    assert tollbook("--version") == Ended(0, f"tollbook {version('tollbook')}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example_that_works(
    command: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tollbook(command, "--help").stdout
    [example] = re.findall(r"Example:\n +tollbook (.*)\n", text)
    arguments = example.split(" > ")[0].split()
    assert arguments[0] == command
    monkeypatch.setenv("TOLLBOOK_PROMTOOL", content)
    tollbook("generate")
    assert tollbook(*arguments).exit_code == 0


def test_help_tells_the_commands_and_the_exit_codes() -> None:
    text = tollbook("--help").stdout
    assert COMMANDS == ["alerts", "check", "generate", "schema", "test", "validate"]
    assert [line.split()[0] for line in text.partition("Commands:\n")[2].splitlines()[:6]] == COMMANDS
    assert text.endswith(
        "  Exit codes:\n"
        "    0  fine\n"
        "    1  findings: an invalid spec, files that are not up to date, failing tests\n"
        "    2  wrong usage, input that cannot be read, output that cannot be written\n"
        "    3  promtool is missing\n"
        "    4  a bug in tollbook\n"
    )


def test_help_does_not_load_what_only_commands_need() -> None:
    code = "import sys; from tollbook.gen import cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"yaml", "jsonschema", "grafanalib", "jinja2", "promql_parser", "subprocess"} & set(loaded) == set()
