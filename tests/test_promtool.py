"""Every promtool the machine has reads our files the same way, and its words come back as problems of those files."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tollbook.gen.errors import MissingToolError, TollbookError
from tollbook.gen.promtool import HOW_TO_GET_IT, Promtool, expectation_count, find

GOOD_RULES = """\
groups:
  - name: spend
    rules:
      - record: fleet:cost_usd:total
        expr: sum(cost_usd)
      - alert: TooMuch
        expr: sum(cost_usd) > 5
        labels: {severity: page}
        annotations: {summary: Too much was spent.}
"""
GOOD_TESTS = """\
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - name: spending
    interval: 1m
    input_series: [{series: cost_usd, values: 2x10}]
    promql_expr_test:
      - expr: fleet:cost_usd:total
        eval_time: 5m
        exp_samples: [{labels: fleet:cost_usd:total, value: 2}]
    alert_rule_test:
      - alertname: TooMuch
        eval_time: 5m
"""


def texts(problems: object) -> list[str]:
    assert isinstance(problems, list)
    return [str(problem) for problem in problems]


def test_good_files_have_no_problem(promtool: Path) -> None:
    outputs = {"rules.yaml": GOOD_RULES, "rules-test.yaml": GOOD_TESTS}
    assert Promtool(promtool).check_rules(GOOD_RULES) == []
    assert Promtool(promtool).prove(outputs) == []


# ---- check rules ---------------------------------------------------------------------------------------------

UNCLOSED = "could not parse expression: 1:7: parse error: unclosed left parenthesis"
UNCLOSED_TEMPLATE = 'annotation "note": template: __alert_A:1: unclosed action'

BAD_RULES = {
    "an expression that is none": (
        "groups:\n- name: spend\n  rules:\n  - record: a:b:c\n    expr: sum(up\n",
        [f'rules.yaml:5:11: error: promtool: group "spend", rule 1, "a:b:c": {UNCLOSED}'],
    ),
    "an unknown key": (
        "groups:\n- name: spend\n  ruless: []\n",
        ["rules.yaml:3:1: error: promtool: field ruless not found in type rulefmt.RuleGroup"],
    ),
    "two unknown keys": (
        "kind: X\ngroups:\n- name: spend\n  ruless: []\n",
        [
            "rules.yaml:1:1: error: promtool: field kind not found in type rulefmt.RuleGroups",
            "rules.yaml:4:1: error: promtool: field ruless not found in type rulefmt.RuleGroup",
        ],
    ),
    "a template that does not close": (
        'groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    annotations: {note: "{{ $labels.x "}\n',
        [f'rules.yaml:1:1: error: promtool: group "g", rule 1, "A": {UNCLOSED_TEMPLATE}'],
    ),
    "no rule": ("groups: []\n", ["rules.yaml:1:1: error: promtool: there is no rule in it"]),
    "no text": ("", ["rules.yaml:1:1: error: promtool: there is no rule in it"]),
}


@pytest.mark.parametrize(("rules", "expected"), BAD_RULES.values(), ids=BAD_RULES)
def test_a_bad_rule_is_a_problem_at_its_place_in_our_file(promtool: Path, rules: str, expected: list[str]) -> None:
    assert texts(Promtool(promtool).check_rules(rules)) == expected


def test_the_same_record_twice_is_refused_although_prometheus_would_load_it(promtool: Path) -> None:
    rule = "  - record: a:b:c\n    expr: sum(up)\n    labels: {team: x}\n"
    [problem] = Promtool(promtool).check_rules(f"groups:\n- name: spend\n  rules:\n{rule}{rule}")
    assert "1 duplicate rule(s) found" in problem.message
    assert "Metric: a:b:c" in problem.message
    assert "team: x" in problem.message


def test_a_group_name_used_twice_is_a_problem_with_a_place_that_exists(promtool: Path) -> None:
    group = GOOD_RULES.removeprefix("groups:\n")
    [problem] = Promtool(promtool).check_rules(f"groups:\n{group}{group.replace('fleet', 'all')}")
    assert problem.message == 'promtool: groupname: "spend" is repeated in the same file'
    assert problem.place
    assert problem.place.line >= 1  # Prometheus 3 says 0


def test_every_bad_rule_is_reported(promtool: Path) -> None:
    rules = "".join(f"  - record: a:b:{name}\n    expr: {name}(\n" for name in ("one", "two", "three"))
    problems = Promtool(promtool).check_rules(f"groups:\n- name: spend\n  rules:\n{rules}")
    assert [problem.place.line for problem in problems if problem.place] == [5, 7, 9]


def test_the_file_is_called_what_the_caller_calls_it(promtool: Path) -> None:
    [problem] = Promtool(promtool).check_rules("groups: []\n", shown_as="deploy/rules.yaml")
    assert str(problem).startswith("deploy/rules.yaml:1:1: ")


# ---- test rules ----------------------------------------------------------------------------------------------


@pytest.fixture
def failures(promtool: Path, tmp_path: Path) -> Callable[[str], list[str]]:
    def of(tests: str) -> list[str]:
        (tmp_path / "rules.yaml").write_text(GOOD_RULES)
        (tmp_path / "rules-test.yaml").write_text(tests)
        return texts(Promtool(promtool).run_tests(tmp_path))

    return of


def test_good_tests_pass_from_any_working_directory(
    failures: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert failures(GOOD_TESTS) == []


def test_a_wrong_sample_is_shown_with_what_was_got(failures: Callable[[str], list[str]]) -> None:
    assert failures(GOOD_TESTS.replace("value: 2", "value: 3")) == [
        textwrap.dedent("""\
            rules-test.yaml:1:1: error: promtool: expr: "fleet:cost_usd:total", time: 5m,
                exp: {__name__="fleet:cost_usd:total"} 3E+00
                got: {__name__="fleet:cost_usd:total"} 2E+00""")
    ]


def test_a_wrong_alert_is_shown_with_the_name_of_its_test(failures: Callable[[str], list[str]]) -> None:
    assert failures(GOOD_TESTS.replace("2x10", "2+9x10").replace("value: 2", "value: 47")) == [
        textwrap.dedent("""\
            rules-test.yaml:1:1: error: promtool: name: spending,
            alertname: TooMuch, time: 5m,
                exp:[],
                got:[
                    0:
                      Labels:{alertname="TooMuch", severity="page"}
                      Annotations:{summary="Too much was spent."}
                    ]""")
    ]


def test_every_failed_expectation_is_a_problem_of_its_own(failures: Callable[[str], list[str]]) -> None:
    unnamed = GOOD_TESTS.replace("name: spending\n    ", "")
    assert [len(failures(tests.replace("2x10", "9x10"))) for tests in (GOOD_TESTS, unnamed)] == [2, 2]


def test_an_unreadable_test_file_is_a_problem_at_its_line(failures: Callable[[str], list[str]]) -> None:
    assert failures(GOOD_TESTS.replace("interval: 1m\n    input", "intervall: 1m\n    input")) == [
        "rules-test.yaml:5:1: error: promtool: field intervall not found in type main.testGroup"
    ]


def test_a_bad_series_is_a_problem_although_promtool_names_no_line(failures: Callable[[str], list[str]]) -> None:
    [problem] = failures(GOOD_TESTS.replace("2x10", "2y10"))
    assert problem.startswith("rules-test.yaml:1:1: error: promtool: ")
    assert "parse error: " in problem


def test_a_missing_rule_file_is_a_problem_although_promtool_succeeds(failures: Callable[[str], list[str]]) -> None:
    assert failures(GOOD_TESTS.replace("[rules.yaml]", "[other.yaml]").replace("value: 2", "value: 3")) == [
        "rules-test.yaml:1:1: error: promtool: there is no rule file 'other.yaml' beside it"
    ]


WRONG = GOOD_TESTS.replace("value: 2", "value: 3")
NO_RULES = GOOD_TESTS.replace("[rules.yaml]", "[other.yaml]")


@pytest.fixture
def places(promtool: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """The first line of what is said of these test files, in the order of their names."""

    def of(*tests: str) -> list[str]:
        (tmp_path / "rules.yaml").write_text(GOOD_RULES)
        files = [f"rules-test-{letter}.yaml" for letter in "abcdef"[: len(tests)]]
        for file, text in zip(files, tests, strict=True):
            (tmp_path / file).write_text(text)
        problems = Promtool(promtool).run_tests(tmp_path, files, shown_in=Path("deploy/out"))
        return [text.splitlines()[0] for text in texts(problems)]

    return of


def said_of(letter: str, what: str) -> str:
    return f"deploy/out/rules-test-{letter}.yaml:{what}"


def test_each_problem_is_said_of_its_own_file(places: Callable[..., list[str]]) -> None:
    unreadable = GOOD_TESTS.replace("interval: 1m\n    input", "intervall: 1m\n    input")
    alarming = GOOD_TESTS.replace("2x10", "9x10")
    sample = '1:1: error: promtool: expr: "fleet:cost_usd:total", time: 5m,'
    alert = "1:1: error: promtool: name: spending,"
    assert places(GOOD_TESTS, WRONG, GOOD_TESTS, alarming, unreadable, WRONG) == [
        said_of("b", sample),
        said_of("d", alert),
        said_of("d", sample),
        said_of("e", "5:1: error: promtool: field intervall not found in type main.testGroup"),
        said_of("f", sample),
    ]
    assert places(GOOD_TESTS, GOOD_TESTS) == []


def test_a_missing_rule_file_is_said_of_the_file_that_names_it(places: Callable[..., list[str]]) -> None:
    missing = "1:1: error: promtool: there is no rule file 'other.yaml' beside it"
    assert places(WRONG, NO_RULES, GOOD_TESTS, NO_RULES) == [said_of("b", missing), said_of("d", missing)]


def test_every_test_file_among_the_outputs_is_run(promtool: Path) -> None:
    tests = {"rules-test.yaml": GOOD_TESTS, "rules-test-late.yaml": WRONG}
    outputs = {"rules.yaml": GOOD_RULES, **tests, "other.yaml": "?"}
    [problem] = Promtool(promtool).prove(outputs)
    assert problem.place
    assert problem.place.file == "rules-test-late.yaml"


def test_tests_are_not_run_on_rules_that_cannot_be_loaded(promtool: Path) -> None:
    problems = Promtool(promtool).prove({"rules.yaml": "groups: []\n", "rules-test.yaml": "not even read"})
    assert texts(problems) == ["rules.yaml:1:1: error: promtool: there is no rule in it"]


def test_proving_leaves_nothing_behind(promtool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Promtool(promtool).prove({"rules.yaml": GOOD_RULES, "rules-test.yaml": GOOD_TESTS.replace("value: 2", "value: 3")})
    assert list(tmp_path.iterdir()) == []


def test_expectations_are_counted_in_block_and_in_short_form() -> None:
    assert expectation_count(GOOD_TESTS) == 2
    assert expectation_count("- alert_rule_test:\n  - eval_time: 1m\n    alertname: A\n  -\n    eval_time: 2m\n") == 2
    assert expectation_count("# eval_time: 1m\ntests: []\n") == 0


# ---- Finding it and running it -------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A program in promtool's place that does what the shell text says."""

    def of(text: str) -> Path:
        path = tmp_path / "promtool"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return of


def test_the_real_one_is_found_and_tells_its_version(promtools: list[tuple[str, Path]]) -> None:
    assert [find(str(path)).version() for _, path in promtools] == [version for version, _ in promtools]


def test_without_a_wish_the_one_on_path_is_taken(
    program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program("echo promtool, version 2.51.0")
    monkeypatch.setenv("PATH", str(path.parent))
    assert find().path == path
    assert find().version() == "2.51.0"


def test_a_relative_wish_holds_in_the_folder_of_the_tests(
    promtools: list[tuple[str, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = promtools[0][1]
    monkeypatch.chdir(path.parent)
    promtool = find(f"./{path.name}")
    (tmp_path / "rules.yaml").write_text(GOOD_RULES)
    (tmp_path / "rules-test.yaml").write_text(GOOD_TESTS)
    assert promtool.run_tests(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo hello", "'{path}' is not promtool"),
        ("exit 1", "'{path}' is not promtool"),
        ("echo promtool, version 2.24.1+ds", "promtool 2.24.1+ds is too old: 2.42 or newer is needed"),
        ("kill -KILL $$", "'{path}' cannot be used: was killed (SIGKILL)"),
    ],
)
def test_what_cannot_judge_is_refused_with_a_way_out(program: Callable[[str], Path], text: str, expected: str) -> None:
    path = program(text)
    with pytest.raises(MissingToolError) as caught:
        find(str(path))
    assert str(caught.value) == f"error: {expected.format(path=path)} ({HOW_TO_GET_IT})"


def test_a_program_of_another_machine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "promtool"
    path.write_bytes(b"\x7fELF\0")
    path.chmod(0o755)
    with pytest.raises(MissingToolError, match="cannot be used: could not be started: exec format error"):
        find(str(path))


@pytest.mark.parametrize("wish", ["/nowhere/promtool", "/etc/passwd", "/", "promtool-of-no-name"])
def test_a_wish_that_is_no_program_is_refused(wish: str) -> None:
    with pytest.raises(MissingToolError) as caught:
        find(wish)
    assert str(caught.value) == f"error: there is no program '{wish}' to use as promtool ({HOW_TO_GET_IT})"
    assert caught.value.exit_code == 3


def test_nothing_on_path_is_said_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError) as caught:
        find()
    assert str(caught.value) == (
        "error: promtool is not on PATH (install Debian's package 'prometheus', or unpack a release from prometheus.io "
        "and name its promtool with --promtool, or run 'make generate' in a checkout of tollbook, which unpacks one "
        "under .tools/)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kill -KILL $$", "was killed (SIGKILL)"),
        ("kill -SEGV $$", "was killed (SIGSEGV)"),
        ("exit 7", "failed without a word (exit code 7)"),
        ("echo out of luck >&2; exit 2", "out of luck"),
    ],
)
def test_no_verdict_is_a_problem_too(program: Callable[[str], Path], tmp_path: Path, text: str, expected: str) -> None:
    promtool = Promtool(program(text))
    assert texts(promtool.check_rules(GOOD_RULES)) == [f"rules.yaml:1:1: error: promtool: {expected}"]
    assert texts(promtool.run_tests(tmp_path)) == [f"rules-test.yaml:1:1: error: promtool: {expected}"]


def test_a_file_that_fails_is_tested_once_more(program: Callable[[str], Path], tmp_path: Path) -> None:
    """Alone, and what holds the second time is no finding: promtool's storage may have lost a sample."""
    said = r"""
        echo "$@" >>asked
        test "$3" = a.yaml && printf '  SUCCESS\n'
        printf '  FAILED:\n    expr: "b", time: 5m\n'
        exit 1
    """
    assert texts(Promtool(program(said)).run_tests(tmp_path, ["a.yaml", "b.yaml"])) == [
        'b.yaml:1:1: error: promtool: expr: "b", time: 5m'
    ]
    assert (tmp_path / "asked").read_text().splitlines() == ["test rules a.yaml b.yaml", "test rules b.yaml"]
    passes = Promtool(program("test -e tried && exit 0; touch tried; printf '  FAILED:\\n    lost\\n'; exit 1"))
    assert passes.run_tests(tmp_path, ["a.yaml"]) == []


def test_one_that_hangs_is_stopped(program: Callable[[str], Path]) -> None:
    promtool = Promtool(program("exec sleep 3600"), timeout_seconds=0.2)
    assert texts(promtool.check_rules(GOOD_RULES)) == [
        "rules.yaml:1:1: error: promtool: did not finish within 0.2 seconds and was stopped"
    ]


def test_a_full_temporary_folder_is_said(
    program: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(TollbookError) as caught:
        Promtool(program("exit 0")).check_rules(GOOD_RULES)
    assert str(caught.value) == (
        "error: the files for promtool cannot be written to the temporary folder: no such file or directory"
    )
    assert caught.value.exit_code == 2


def test_what_it_says_is_utf8_and_what_is_not_is_marked(program: Callable[[str], Path]) -> None:
    promtool = Promtool(program(r"printf '  FAILED:\nrules.yaml: 2:3: caf\303\251 \377\n' >&2; exit 1"))
    [problem] = promtool.check_rules(GOOD_RULES)
    assert str(problem) == "rules.yaml:2:3: error: promtool: café \N{REPLACEMENT CHARACTER}"
