"""What stands in the files of the demo: they are for containers, which cannot run here, but every path, port and flag
of them can be read."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import yaml
from demo_stage import COMPOSE, DEMO, NOW

from demo import history, prepare
from demo.fleet import DAY, fleet_of
from demo.grafana_requests import choices, panels_of
from tollbook.gen import names

PROMETHEUS = (DEMO / "prometheus.yml").read_text()
PREPARED = prepare.files(fleet_of(NOW).spec, NOW)

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
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
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
    published = [port.split(":")[1] for service in COMPOSE["services"].values() for port in service.get("ports", ())]
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
    published = {port.split(":")[1] for service in COMPOSE["services"].values() for port in service.get("ports", ())}
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
