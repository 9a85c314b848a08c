"""The demo as its reader starts it, but as plain processes: its own files, of which only paths, addresses and intervals
are replaced.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import Api, free_port, programs
from panel_promises import faults
from stage import until

from demo import history, prepare, processes
from demo.billing import Bill, Biller
from demo.dated import local_day
from demo.fleet import DAY, HOUR, MINUTE, WEEK, Fleet, fleet_of
from demo.grafana_requests import all_chosen, ask, asked, choices, panels_of
from demo.windows import total
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.promtool import HOW_TO_GET_IT
from tollbook.gen.spec import Spec

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
PROMETHEUS = (DEMO / "prometheus.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEMO / "compose.yaml").read_text())

NOW = 1_795_014_000
PREPARED = prepare.files(fleet_of(NOW).spec, NOW)

# ---- What stands in files ------------------------------------------------------------------------------------------

_TEXTS = {"type": "array", "items": {"type": "string"}}
_SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {"type": "string"},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "required": ["context", "dockerfile"],
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "command": _TEXTS,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "pull_policy": {"enum": ["always", "never", "missing", "build"]},
        "init": {"type": "boolean"},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^\d+:\d+$"}},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[\w./-]+:/[\w./-]+(:ro)?$"}},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {
                    "condition": {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
                },
            },
        },
    },
}
#: Of the Compose specification what is used here, and nothing else.
COMPOSE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": _SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
}


def test_the_compose_file_has_the_shape_that_compose_reads() -> None:
    jsonschema.validate(COMPOSE, COMPOSE_SCHEMA)
    published = [port.split(":")[0] for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert max(Counter(published).values()) == 1


def test_every_image_is_pinned_or_built_here() -> None:
    ours = [service for service in COMPOSE["services"].values() if service["image"] == "tollbook-demo"]
    # Nothing under our name is asked of a registry.
    assert [service["pull_policy"] for service in ours] == [
        "build" if "build" in service else "never" for service in ours
    ]
    built = {service["image"] for service in COMPOSE["services"].values() if "build" in service}
    pulled = {service["image"] for service in COMPOSE["services"].values()} - built
    pulled |= set(re.findall(r"(?m)^FROM (\S+)", (DEMO / "Dockerfile").read_text()))
    assert built == {"tollbook-demo"}
    assert [image for image in pulled if not re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w-]+)?", image)] == []


def test_history_is_written_for_the_prometheus_that_reads_it() -> None:
    server = COMPOSE["services"]["prometheus"]
    assert f"FROM {server['image']} AS prometheus\n" in (DEMO / "Dockerfile").read_text()
    kept = fleet_of(NOW).spec.prometheus.retention
    assert f"--storage.tsdb.retention.time={kept}" in server["command"]
    assert kept.seconds > history.DAYS * DAY


def test_the_readme_tells_every_address() -> None:
    published = {port.split(":")[0] for service in COMPOSE["services"].values() for port in service.get("ports", ())}
    assert set(re.findall(r"\| http://localhost:(\d+) \|", (DEMO / "README.md").read_text())) == published


def test_what_the_readme_looks_at_is_on_the_dashboard() -> None:
    dashboard = json.loads(PREPARED[names.DASHBOARD_FILE])
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    groups = choices(variables["group_by"])
    shown = {panel["title"].replace("$group_by", group) for panel in panels_of(dashboard) for group in groups}
    told = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", (DEMO / "README.md").read_text()))
    assert told == {title for title in told if title in shown} | {variables["group_by"]["label"]}
    assert "team" in groups


def mounts() -> Iterator[tuple[str, str, str]]:
    """Service, source, place in the container."""
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", ()):
            source, place = volume.removesuffix(":ro").split(":")
            yield name, source, place


def test_every_path_and_volume_of_the_compose_file_exists() -> None:
    for _, source, _ in mounts():
        assert (DEMO / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        if "build" in service:
            context = DEMO / service["build"]["context"]
            dockerfile = (context / service["build"]["dockerfile"]).read_text()
            copied = re.findall(r"(?m)^COPY (?!--)(.+) \S+$", dockerfile)
            assert copied
            assert [path for line in copied for path in line.split() if not (context / path).exists()] == []


def test_every_file_that_a_container_is_told_to_read_is_put_there() -> None:
    """The prepared ones in the volume `tollbook`, the others from here."""
    prepared = {f"/tollbook/{name}" for name in PREPARED} | {"/tollbook", "/prometheus", "/alertmanager"}
    for name, service in COMPOSE["services"].items():
        told = " ".join([*service.get("command", ()), *service.get("environment", {}).values()])
        read = re.findall(r"(?<![\w.])/[\w./-]+", told)
        mounted = {place for service_name, _, place in mounts() if service_name == name}
        assert [path for path in read if path not in prepared | mounted] == [], name
    assert set(yaml.safe_load(PROMETHEUS)["rule_files"]) <= prepared
    assert set(yaml.safe_load(PROMETHEUS)["rule_files"]) == {history.RULES_PATH}


def test_grafana_finds_its_data_source_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((DEMO / "grafana/datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load((DEMO / "grafana/dashboards/tollbook.yaml").read_text())["providers"]
    shown = {provider["options"]["path"]}
    shown.add(COMPOSE["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert shown == {f"/tollbook/{names.DASHBOARD_FILE}"}
    # A file is not imported: nobody is asked for a data source.
    dashboard = json.loads(PREPARED[names.DASHBOARD_FILE])
    assert [key for key in dashboard if key.startswith("__")] == []
    assert "${DS_" not in PREPARED[names.DASHBOARD_FILE]
    (choice,) = (variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource")
    assert (choice["query"], choice["current"]["value"]) == ("prometheus", "default")


def test_prometheus_scrapes_every_pod_as_the_rules_and_the_history_know_it() -> None:
    config = yaml.safe_load(PROMETHEUS)
    found = {
        target["targets"][0]: {**target["labels"], "job": job["job_name"]}
        for job in config["scrape_configs"]
        if job["job_name"] != "prometheus"
        for target in job["static_configs"]
    }
    pods = fleet_of(NOW).pods
    assert found == {f"simulator:{15020 + number}": history.target_labels(pod) for number, pod in enumerate(pods)}
    settings = fleet_of(NOW).spec.prometheus
    assert config["global"] == {
        "scrape_interval": str(settings.scrape_interval),
        "scrape_timeout": str(settings.scrape_timeout),
        "evaluation_interval": str(settings.step),
    }


def test_prometheus_takes_its_configuration(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / names.RULES_FILE).write_text(PREPARED[names.RULES_FILE])
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS.replace("/tollbook", str(tmp_path)))
    run = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_alertmanager_takes_its_configuration(amtool: Path, tmp_path: Path) -> None:
    config = tmp_path / prepare.ALERTMANAGER_FILE
    config.write_text(PREPARED[prepare.ALERTMANAGER_FILE])
    run = subprocess.run([amtool, "check-config", config], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert yaml.safe_load(config.read_text())["inhibit_rules"]


# ---- What is started -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds of the demo what the image holds."""
    folder = tmp_path_factory.mktemp("src")
    assert re.search(r"(?m)^COPY demo demo$", (DEMO / "Dockerfile").read_text())
    shutil.copytree(DEMO, folder / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def prepared(source: Path, promtools: list[tuple[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the container does it, but for less history, and where an earlier one was interrupted."""
    folder = tmp_path_factory.mktemp("prepared")
    data = folder / processes.DATA_FOLDER
    (data / "01GLEFTOVER").mkdir(parents=True)
    (data / prepare.UNFINISHED_FILE).touch()
    said = run_in(source, *prepare_command(folder, promtools[-1][1]))
    assert said == f"writing 0.02 days of history, this takes a minute or two\n{folder}: ready\n"
    return folder


def prepare_command(folder: Path, promtool: Path) -> list[str]:
    places = {"/tollbook": str(folder), "/prometheus": str(folder / processes.DATA_FOLDER)}
    command = [places.get(word, word) for word in COMPOSE["services"]["prepare"]["command"]]
    return [*command, "--days", "0.02", "--promtool", str(promtool)]


def run_in(source: Path, python: str, *arguments: str) -> str:
    assert python == "python"
    run = subprocess.run([sys.executable, *arguments], cwd=source, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_what_is_prepared_is_complete(prepared: Path, source: Path, promtools: list[tuple[str, Path]]) -> None:
    now = int((prepared / prepare.NOW_FILE).read_text())
    found = {path.name: path.read_text() for path in prepared.iterdir() if path.is_file()}
    assert found == prepare.files(fleet_of(now).spec, now)
    left = [path.name for path in (prepared / processes.DATA_FOLDER).iterdir() if not (path / "meta.json").exists()]
    assert left == []
    assert run_in(source, *prepare_command(prepared, promtools[-1][1])) == f"{prepared}: prepared before\n"


def test_preparing_without_promtool_says_what_to_do(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo.prepare", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
    run = subprocess.run(command, cwd=source, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr == f"error: promtool is not on PATH ({HOW_TO_GET_IT})\n"
    assert list(tmp_path.iterdir()) == []


def test_the_simulator_serves_every_pod(prepared: Path, source: Path) -> None:
    places = {"/tollbook/now": str(prepared / prepare.NOW_FILE), "0.0.0.0:15020": "127.0.0.1:0"}
    _, *arguments = (places.get(word, word) for word in COMPOSE["services"]["simulator"]["command"])
    assert set(places.values()) < set(arguments)
    with subprocess.Popen([sys.executable, *arguments], cwd=source, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout
            told = [simulator.stdout.readline().split(": ") for _ in fleet_of(NOW).pods]
            assert [pod for pod, _ in told] == [pod.name for pod in fleet_of(NOW).pods]
            for _, address in told:
                with urllib.request.urlopen(address.strip(), timeout=60) as answer:
                    assert names.TOKEN_USAGE_SUM in answer.read().decode()
        finally:
            simulator.terminate()


@pytest.mark.slow
def test_make_demo_runs_until_it_is_interrupted(prepared: Path, prometheus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(prepared, folder)
    address, alertmanager = f"127.0.0.1:{free_port()}", alertmanager_program()
    options = ["--prometheus", str(prometheus), "--prometheus-port", address.split(":")[1], "--pod-port", "0"]
    if alertmanager:
        options += ["--alertmanager", str(alertmanager.path)]
        options += ["--alertmanager-port", alertmanager.address.split(":")[1]]
    command = [sys.executable, "-m", "demo.processes", "--folder", str(folder), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout
            told = list(takewhile(lambda line: line != "Ctrl-C ends it\n", demo.stdout))
            assert told[:2] == [f"{folder}: prepared before\n", f"Prometheus: http://{address}\n"]
            known = f"Alertmanager: http://{alertmanager.address}\n" if alertmanager else "no Alertmanager on PATH\n"
            assert told[2] == known
            assert len(told) == 3 + 4 + 1
            assert [t for t in told[3:-1] if not re.fullmatch(r"pod \S+: http://127\.0\.0\.1:\d+/metrics\n", t)] == []
            assert told[-1] == f"dashboard to import into a Grafana of yours: {folder / names.DASHBOARD_FILE}\n"
            until("every target is up", lambda: health_of_targets(Api(f"http://{address}")) == ["up"] * 5)
            demo.send_signal(signal.SIGINT)
            assert (demo.stdout.read(), demo.wait(120)) == ("\nended\n", 0)
            for gone in (address, *([alertmanager.address] if alertmanager else [])):
                processes.refuse_taken(gone)
        finally:
            demo.terminate()


def test_what_the_demo_lacks_is_said(prepared: Path, prometheus: Path) -> None:
    command = [sys.executable, "-m", "demo.processes", "--folder", str(prepared)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = ["--prometheus", str(prometheus), "--prometheus-port", str(port), "--pod-port", "0"]
        run = subprocess.run([*command, *given], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert run.stderr == f"127.0.0.1:{port} cannot be listened on (Address already in use): see --help for ports\n"
    run = subprocess.run(command, cwd=ROOT, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr == (
        "there is no prometheus on PATH: name one with --prometheus ('make demo' fetches Debian's where it can)\n"
    )


def test_a_program_that_does_not_start_is_shown_with_its_log(prometheus: Path, tmp_path: Path) -> None:
    fleet = fleet_of(NOW)
    (tmp_path / "prometheus").touch()
    program = processes.Program(prometheus, f"127.0.0.1:{free_port()}")
    with (
        pytest.raises(processes.NotStartedError) as caught,
        processes.running(fleet, tmp_path, lambda: NOW, dict.fromkeys(fleet.pods, 0), program, None),
    ):
        pass
    shown, _, log = str(caught.value).partition("\n")
    assert shown == f"prometheus does not start. {tmp_path / 'prometheus.log'} ends with:"
    assert "not a directory" in log


# ---- What runs -----------------------------------------------------------------------------------------------------

#: Instead of a minute: ten times as long as the slowest group of rules takes on a busy machine, so that none is left
#: out. The story of the past is told in minutes nevertheless.
STEP = Duration.parse("5s")
SCRAPE_INTERVAL = SCRAPE_TIMEOUT = SETTLE = Duration.parse("1s")

#: For so long at least the rules follow what the pods serve.
FOLLOWED_SECONDS = 15

#: Of the pods' counters, which panels read over a day at most; records are there for all the weeks.
RAW = ((6 * HOUR, MINUTE), (DAY, 5 * MINUTE), (history.DAYS * DAY, 6 * HOUR))


@dataclass(frozen=True)
class Story:
    fleet: Fleet
    bills: dict[int, Bill]
    folder: Path


@pytest.fixture(scope="module")
def story(promtools: list[tuple[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One for all versions. No pod is rolled out while it goes on: what one uses after its last scrape nobody sees."""
    folder, now = tmp_path_factory.mktemp("story"), history.settled_now()
    fleet = Fleet(undisturbed(fleet_of(now).spec, now), now, rollout=(now + WEEK // 2) % WEEK)
    bills = prepare.prepare(fleet, folder, folder / processes.DATA_FOLDER, history.DAYS, promtools[-1][1], raw=RAW)
    return Story(fleet, bills, folder)


def undisturbed(spec: Spec, now: int) -> Spec:
    """Hurried, and in a time zone in which it is about noon: at midnight what was used within one step is divided."""
    return replace(
        spec,
        prometheus=replace(
            spec.prometheus,
            scrape_interval=SCRAPE_INTERVAL,
            scrape_timeout=SCRAPE_TIMEOUT,
            step=STEP,
            settle=SETTLE,
            timezone=f"Etc/GMT{now // HOUR % 24 - 12:+d}",
        ),
    )


class StoppableClock:
    """Real time until it is stopped."""

    def __init__(self) -> None:
        self._last = math.inf

    def __call__(self) -> float:
        return min(time.time(), self._last)

    def stop(self) -> int:
        """The last second that it will show: one that no scrape has seen yet."""
        self._last = int(time.time()) + 2
        return int(self._last)


@pytest.mark.slow
def test_the_demo_runs(prometheus: Path, story: Story, tmp_path: Path) -> None:
    folder, fleet = tmp_path / "demo", story.fleet
    shutil.copytree(story.folder, folder)
    api, clock, alertmanager = Api(f"http://127.0.0.1:{free_port()}"), StoppableClock(), alertmanager_program()
    server = processes.Program(prometheus, api.url.removeprefix("http://"))
    # An alert that fires before Alertmanager is known is sent again after a minute, unless told otherwise.
    soon = "--rules.alert.resend-delay=2s"
    with processes.running(fleet, folder, clock, dict.fromkeys(fleet.pods, 0), server, alertmanager, soon):
        until("every target is up", lambda: health_of_targets(api) == ["up"] * 5, lambda: health_of_targets(api))
        up_at = int(time.time())
        until("what is used now is counted", lambda: is_followed(api, fleet, up_at))
        ends = clock.stop()
        bills = story.bills | bills_of(fleet, fleet.now, ends)
        tokens, usd = tokens_of(bills), float(sum((total(bill.usd) for bill in bills.values()), Decimal()))
        until("all tokens are counted", lambda: tokens_counted(api) == tokens, lambda: missed_evaluations(api))
        until("all dollars are counted", lambda: ledger_usd(api) == close_to(usd), lambda: usd)
        today = usd_of_day(fleet, bills, ends)
        until("today goes on from the history", lambda: day_to_date(api) == close_to(today), lambda: today)
        until("every rule is healthy", lambda: unhealthy_rules(api) == [], lambda: unhealthy_rules(api))
        assert value(api, f"sum({names.RULE_FAILURES})") == 0
        if alertmanager:
            until("the overrun budget is told", lambda: "search-24h" in budgets_told(alertmanager.address))
        day = local_day(ends, fleet.spec.prometheus.timezone)
        assert faults_of_panels(api, json.loads((folder / names.DASHBOARD_FILE).read_text()), day) == []
    if not alertmanager:
        pytest.skip("Prometheus and the simulator ran, but there is no Alertmanager (`make test` fetches one)")


def alertmanager_program() -> processes.Program | None:
    """None where there is none on this machine, which the top of the run says."""
    found = programs("alertmanager")
    return processes.Program(found[-1].path, f"127.0.0.1:{free_port()}") if found else None


def is_followed(api: Api, fleet: Fleet, since: int) -> bool:
    """Something was used since then, and every gateway's ledger has looked at what followed."""
    used = any(fleet.calls_between(since, int(time.time())))
    ledgers = value(api, f"count(timestamp({names.CALENDAR}) >= {since + FOLLOWED_SECONDS})")
    return used and ledgers == len(fleet.spec.gateways)


def missed_evaluations(api: Api) -> str:
    """What is lost where a machine is too busy for the rules."""
    return f"(evaluations left out: {value(api, f'sum({names.RULE_GROUPS_MISSED})'):g})"


def health_of_targets(api: Api) -> list[str]:
    return [target["health"] for target in api.get("/api/v1/targets", state="active")["activeTargets"]]


def unhealthy_rules(api: Api) -> list[tuple[str, str, str]]:
    rules = [rule for group in api.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert rules
    return [(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules if rule["health"] != "ok"]


def bills_of(fleet: Fleet, after: int, until_: int) -> dict[int, Bill]:
    """By the end of each minute, the last one as far as it has come."""
    biller = Biller(fleet.spec)
    return {
        begin + MINUTE: biller.bill(fleet.calls_between(begin, min(begin + MINUTE, until_)))
        for begin in range(after, until_, MINUTE)
    }


def usd_of_day(fleet: Fleet, bills: dict[int, Bill], second: int) -> float:
    timezone = fleet.spec.prometheus.timezone
    day = local_day(second - 1, timezone)
    today = (total(bill.usd) for end, bill in bills.items() if local_day(end - MINUTE, timezone) == day)
    return float(sum(today, Decimal()))


def tokens_of(bills: dict[int, Bill]) -> dict[tuple[str, ...], int]:
    counts: Counter[tuple[str, ...]] = Counter()
    for bill in bills.values():
        for labels, count in bill.tokens.items():
            counts[tuple(dict(labels)[name] for name in CELL)] += count
    return dict(counts)


#: Longer than all history.
EVERYTHING = f"{history.DAYS + 1}d"
CELL = (names.GATEWAY, names.PROVIDER, names.MODEL, names.TOKEN_TYPE, "team")


def tokens_counted(api: Api) -> dict[tuple[str, ...], int]:
    query = f"sum by ({', '.join(CELL)}) (sum_over_time({names.tokens(STEP)}[{EVERYTHING}])) > 0"
    found = api.get("/api/v1/query", query=query)["result"]
    return {tuple(each["metric"][name] for name in CELL): round(float(each["value"][1])) for each in found}


def ledger_usd(api: Api) -> float:
    return value(api, f"sum(sum_over_time({names.cost(STEP)}[{EVERYTHING}]))")


def day_to_date(api: Api) -> float:
    return value(api, f"sum({names.DAY_TO_DATE})")


def value(api: Api, query: str) -> float:
    """Not a number where there is none yet."""
    found = [float(each["value"][1]) for each in api.get("/api/v1/query", query=query)["result"]]
    assert len(found) <= 1, query
    return found[0] if found else math.nan


def close_to(usd: float) -> Any:
    return pytest.approx(usd, rel=1e-9)


def budgets_told(alertmanager: str) -> set[str]:
    with urllib.request.urlopen(f"http://{alertmanager}/api/v2/alerts", timeout=10) as answer:
        return {alert["labels"].get(names.BUDGET, "") for alert in json.load(answer)}


#: Shows nothing on days that the month before did not have, as its description says.
MONTH_AGAINST_LAST = "This month against last"


def faults_of_panels(api: Api, dashboard: Any, today: date) -> list[str]:
    setting, now, found = all_chosen(dashboard), int(time.time()), []
    panels = list(panels_of(dashboard))
    assert MONTH_AGAINST_LAST in {panel["title"] for panel in panels}
    if today.day > (today.replace(day=1) - timedelta(days=1)).day:
        panels = [panel for panel in panels if panel["title"] != MONTH_AGAINST_LAST]
    for panel in panels:
        for target in panel.get("targets", ()):
            for length in (HOUR, DAY):
                request = asked(panel, target, length, now, setting)
                found += [f"{request.title}: {fault}" for fault in faults(panel, request, ask(api.url, request))]
    return found


def test_the_story_is_the_same_whenever_it_is_told() -> None:
    fleet = fleet_of(NOW)
    minute = NOW // MINUTE - 30
    assert list(fleet.calls(minute)) == list(replace(fleet).calls(minute)) != []
    halves = [*fleet.calls_between(NOW - HOUR, NOW - 1000), *fleet.calls_between(NOW - 1000, NOW)]
    assert halves == list(fleet.calls_between(NOW - HOUR, NOW))
