"""Whether the backends of the gateways can stand side by side, and whether every model they name has a price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tollbook.gen.price_checks import provider_finding
from tollbook.gen.sections import Section, also_at, repeats
from tollbook.gen.wording import quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Place, Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.spec import Backend, Gateway

Located = tuple[Section, "Gateway", "Backend"]


def backend_findings(resolved: Resolved) -> Iterator[Problem]:
    backends = list(_located(resolved))
    for section, _, backend in backends:
        yield from provider_finding(section, backend.provider, section.place("provider"))
    if "models" not in resolved.incomplete:
        yield from _unpriced(resolved, backends)
    yield from _repeated(backends)


def _located(resolved: Resolved) -> Iterator[Located]:
    for section, gateway in zip(resolved.lists["gateways"], resolved.spec.gateways, strict=True):
        for index, backend in enumerate(gateway.backends):
            path = (*section.path, "backends", index)
            yield Section(section.document, path, section.data["backends"][index]), gateway, backend


def _unpriced(resolved: Resolved, backends: list[Located]) -> Iterator[Problem]:
    priced = {(model.provider, name) for model in resolved.spec.models for name in model.metric_names}
    for section, _, backend in backends:
        if (backend.provider, backend.model) not in priced:
            yield section.warning(
                f"model {quoted(backend.model)} of provider {quoted(backend.provider)} is not in models, "
                "so its tokens will be unpriced",
                section.place("model"),
                "add it to models, by name or alias",
            )


def _repeated(backends: list[Located]) -> Iterator[Problem]:
    sections: dict[Place, Section] = {}
    objects: list[tuple[tuple[str, str], Place]] = []
    paths: list[tuple[tuple[str, str], Place]] = []
    for section, gateway, backend in backends:
        name_place, path_place = section.place("name"), section.place("path")
        sections |= {name_place: section, path_place: section}
        if gateway.namespace:
            objects.append(((gateway.namespace, backend.name), name_place))
        paths.append(((gateway.id, backend.path), path_place))
    for (namespace, _), place, first in repeats(objects):
        message = f"the namespace {quoted(namespace)} already has a backend of this name"
        yield sections[place].error(message, place, also_at(first))
    for (_, path), place, first in repeats(paths):
        message = f"the path {quoted(path)} already leads to another backend of this gateway"
        yield sections[place].error(message, place, f"{also_at(first)}; give each backend a path of its own")
