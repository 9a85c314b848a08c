"""The pods' processes as time goes by: what each has counted since it began."""

from __future__ import annotations

from collections.abc import Mapping

from demo.billing import Biller
from demo.exposition import OK, Process
from demo.fleet import Call, Fleet, Pod


class Pods:
    """A fleet that is played up to a moment, which only ever moves on."""

    def __init__(self, fleet: Fleet, at: int) -> None:
        """Since the last roll-out everything is played, so that counters stand where they would."""
        self._fleet, self._biller = fleet, Biller(fleet.spec)
        self.at = fleet.rolled_out(at)
        self.processes = {pod: _begun(pod) for pod in fleet.pods}
        self.play(at)

    def play(self, until: int) -> None:
        restarts = {(moment, pod) for pod in self._fleet.pods for moment in self._fleet.restarts(pod, self.at, until)}
        begun = self.at
        for moment, pod in sorted(restarts, key=lambda restart: restart[0]):
            self._serve(begun, moment)
            begun, self.processes[pod] = moment, _begun(pod)
        self._serve(begun, until)
        self.at = max(self.at, until)

    def _serve(self, after: int, until: int) -> None:
        for call in self._fleet.calls_between(after, until):
            serve(self.processes, call, self._biller)


def serve(processes: Mapping[Pod, Process], call: Call, biller: Biller) -> None:
    process = processes[call.pod]
    if call.status == OK:
        process.serve(call.request, call.count, call.timing, biller.catalog_usd(call))
    else:
        process.refuse(call.request, call.status, call.count)


def _begun(pod: Pod) -> Process:
    return Process(pod.gateway.version, has_catalog=True)
