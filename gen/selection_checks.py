"""Whether gateways that the spec selects can be found and counted as stated; yields what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tollbook.gen.names import discovered_name
from tollbook.gen.sections import also_at, repeats
from tollbook.gen.spec import Monitor
from tollbook.gen.wording import quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Problem
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Selection

#: What is said of one gateway, and why it cannot be said of all that match.
_KEYS_OF_NAMED = {
    "name": "name the gateway or select gateways, in two entries for both",
    "namespace": "write namespaces: [...]",
    "job": "name the gateways that another monitor scrapes, each in an entry of its own",
    "instances": "name the gateways that another monitor scrapes, each in an entry of its own",
    "targets": "give a gateway outside of Kubernetes a name, in an entry of its own",
    "backends": "name the gateway that has these backends, in an entry of its own",
    "legacy_token_semantics": "name the gateways that run with this setting, each in an entry of its own",
}


def selection_findings(selections: list[tuple[Section, Selection]]) -> Iterator[Problem]:
    for section, selection in selections:
        yield from _selection(section)
        yield from _labels_alike(section, selection)
    yield from _selected_twice(selections)
    yield from _selected_versions(selections)


def _selection(section: Section) -> Iterator[Problem]:
    by = "class" if "class" in section.data else "labels"
    for key, hint in _KEYS_OF_NAMED.items():
        if key in section.data:
            sentence = f"the key {quoted(key)} does not go with {quoted(by)}, which selects whichever gateways match"
            yield section.error(sentence, section.key_place(key), hint)
    monitor = Monitor(section.data.get("monitor", Monitor.POD))
    if monitor is Monitor.SERVICE:
        yield section.error(
            "a ServiceMonitor needs a Service for each gateway, and which gateways match is not known here",
            section.place("monitor"),
            "use monitor: PodMonitor, or name the gateways",
        )
    elif monitor is not Monitor.POD:
        yield section.error(
            f"{quoted(by)} selects pods, which a PodMonitor finds; it does not go with monitor: {monitor}",
            section.place("monitor"),
            "use monitor: PodMonitor, or name the gateways",
        )


def _labels_alike(section: Section, selection: Selection) -> Iterator[Problem]:
    keys = ((discovered_name(label), section.key_place("labels", label)) for label in selection.labels)
    for name, place, first in repeats(keys):
        yield section.error(
            f"Prometheus cannot tell these labels apart: it calls both {quoted(name)}", place, also_at(first)
        )


def _selected_twice(selections: list[tuple[Section, Selection]]) -> Iterator[Problem]:
    sections = {section.place(): section for section, _ in selections}
    keys = (
        ((each.gateway_class, frozenset(each.labels.items()), frozenset(each.namespaces or ())), section.place())
        for section, each in selections
    )
    for _, place, first in repeats(keys):
        yield sections[place].error("the same gateways are selected twice", place, also_at(first))


def _selected_versions(selections: list[tuple[Section, Selection]]) -> Iterator[Problem]:
    """A pod that runs no release does not show by which selection it was found."""
    for section, each in selections[1:]:
        first_section, first = selections[0]
        if each.version != first.version:
            yield section.error(
                "selections state different versions, but pods that run no release do not show which one found them",
                section.place("version"),
                f"{also_at(first_section.place('version'))}; state one version for all selections, or name the gateway",
            )
