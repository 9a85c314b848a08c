"""The first lines of every generated file: what it is, where it comes from, what to do with it."""

from __future__ import annotations

from importlib.metadata import version

from tollbook.gen import names
from tollbook.gen.reading import packaged_text

#: File -> what it is and how it is used.
USES = {
    names.MONITORING_FILE: ("Monitors and rules for Kubernetes", "kubectl apply -f out/monitoring.yaml"),
    names.DASHBOARD_CONFIGMAP_FILE: (
        "The dashboard for the sidecar of Grafana's Helm chart",
        "kubectl apply --server-side -f out/grafana-dashboard-configmap.yaml",
    ),
    names.DASHBOARD_OPERATOR_FILE: (
        "The dashboard for Grafana's operator",
        "kubectl apply --server-side -f out/grafana-dashboard-operator.yaml",
    ),
    names.RULES_FILE: (
        "The rules of monitoring.yaml as a plain Prometheus rule file",
        "promtool check rules out/rules.yaml",
    ),
    names.PROMETHEUS_RULES_FILE: (
        "The rules of rules.yaml as Prometheus evaluates them, for their unit tests alone",
        "promtool check rules out/prometheus-rules.yaml",
    ),
    names.INHIBIT_RULES_FILE: (
        "Which alerts of the rules mute which others",
        "put its inhibit_rules among those of Alertmanager's configuration",
    ),
}


def header(file: str) -> str:
    what, use = USES[file]
    return _header(what, use)


def header_of_tests(file: str, what: str) -> str:
    """Of a file of unit tests: how many there are and what each is about depends on the spec."""
    return _header(what, f"promtool test rules out/{file}")


def _header(what: str, use: str) -> str:
    import jinja2  # an eighth of a second that only the commands which render spend

    # Nothing is escaped: what is rendered is YAML comments, of our own words.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    template = environment.from_string(packaged_text("templates/header.yaml.j2"))
    return template.render(what=what, use=use, generated_by=names.GENERATED_BY, version=tollbook_version())


def tollbook_version() -> str:
    return version("tollbook")
