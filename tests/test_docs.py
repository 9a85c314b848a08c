"""The README says what is true: its specs load, its commands run, its names are those of the code."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import reference
from click.testing import CliRunner

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.cli import cli
from tollbook.gen.load import load
from tollbook.gen.manifests import manifests
from tollbook.gen.model import Recording

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEFAULT_SPEC = load((ROOT / "tollbook.yaml").read_text(encoding="utf-8"), "tollbook.yaml").spec
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("demo/*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose header line begins so, without the header."""
    table = README[README.index(f"| {header}") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("block", blocks("yaml"), ids=["short", "long"])
def test_the_specs_in_the_readme_load_without_a_warning(block: str) -> None:
    assert load(block, "README.md").warnings == ()


def test_the_defaults_in_the_readme_are_the_defaults() -> None:
    short, long = (load(block, "README.md").spec for block in blocks("yaml"))
    assert (short.name, short.namespace, short.prometheus, short.dashboard) == (
        long.name,
        long.namespace,
        long.prometheus,
        long.dashboard,
    )
    assert short.gateways[0].monitor == "PodMonitor"
    assert short.labels == {}


def test_every_record_is_told_with_its_labels() -> None:
    """By the default spec, and by one that uses everything."""
    groups = [*rules.build(DEFAULT_SPEC), *rules.build(reference.spec())]
    recorded = {rule.record for group in groups for rule in group.rules if isinstance(rule, Recording)}
    told = {record for row in rows("record") for record in codes(row[0])}
    assert told <= recorded
    # Steps on the way, told nowhere.
    inner = {"metered", "billable", "calendar", "gateway_cost", "cost_usd_of_", "mtok:now", "usage:seen", "may_bear"}
    inner |= {"attribution:booked", "agentgateway:budget:"}
    assert {record for record in recorded - told if not any(word in record for word in inner)} == set()


def test_every_output_and_command_is_told() -> None:
    assert {codes(row[0])[0] for row in rows("file in")} == {
        names.MONITORING_FILE,
        names.DASHBOARD_FILE,
        names.DASHBOARD_CONFIGMAP_FILE,
        names.DASHBOARD_OPERATOR_FILE,
        names.DASHBOARD_RESOURCE_FILE,
        names.RULES_FILE,
        names.INHIBIT_RULES_FILE,
        names.RULES_TEST_FILE,
    }
    assert [codes(row[0])[0] for row in rows("command")] == [f"tollbook {command}" for command in cli.commands]


def test_the_commands_of_the_readme_run(tmp_path: Path, promtool: Path) -> None:
    out = tmp_path / "out"
    runner = CliRunner(env={"TOLLBOOK_PROMTOOL": str(promtool)})
    for row in rows("command"):
        command = shlex.split(codes(row[0])[0])[1:]
        folder = ["--out", str(out)] if "--out" in runner.invoke(cli, [*command, "--help"]).output else []
        spec = ["--spec", str(ROOT / "tollbook.yaml")] if command[0] not in ("test", "schema") else []
        result = runner.invoke(cli, [*command, *spec, *folder])
        assert result.exit_code == 0, (command, result.output)


@pytest.mark.parametrize("command", ["promtool check rules out/rules.yaml", "promtool test rules out/rules-test*.yaml"])
def test_promtool_by_hand_accepts_the_committed_files(command: str, promtool: Path) -> None:
    assert command in README
    by_shell: list[str | Path] = ["sh", "-c", f'"$0" {command.removeprefix("promtool ")}', promtool]
    done = subprocess.run(by_shell, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z]+) ", README + " "):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_articles_commands_fit_the_files() -> None:
    objects = manifests(DEFAULT_SPEC, rules.build(DEFAULT_SPEC))
    assert {manifest["metadata"]["namespace"] for manifest in objects} == {"monitoring"}
    assert {gateway.id for gateway in DEFAULT_SPEC.gateways} == {
        f"kgateway-system/agentgateway{number}" for number in (1, 2, 3)
    }
    assert f"prometheusSpec.retention={DEFAULT_SPEC.prometheus.retention}" in README
    for query in ("agentgateway:input_tokens:total", "agentgateway:cost_usd:total_daily"):
        assert f"curl -s 'http://localhost:9090/api/v1/query?query={query}' | jq '.data.result[0].value'" in README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="this is no git checkout")
def test_the_committed_outputs_are_shown_by_git() -> None:
    ignored = subprocess.run(["git", "check-ignore", "out"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ignored.returncode, ignored.stdout) == (1, "")
