"""Which gateway a pod's usage is booked under, where its metrics do not know the name that the spec gives it."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.promql import Expr, aggregate, binary, both, copy_label, either_on, one_of, one_of_each, unless
from tollbook.gen.spec import Monitor, Spec
from tollbook.rules.facts import instances
from tollbook.rules.selectors import Stage, fact, foreign_jobs, pod, usage


def names_standalone(spec: Spec) -> bool:
    """Whether the spec gives gateways in somebody else's jobs names of its own."""
    return any(gateway.monitor is Monitor.NONE and not gateway.namespace for gateway in spec.gateways)


def counted_here(spec: Spec, booked: Expr) -> Expr:
    """Without gateways in somebody else's job that the spec names under another job: they are counted there alone."""
    if not foreign_jobs(spec):
        return booked
    by = (names.GATEWAY, names.JOB)
    info = fact(spec, names.GATEWAY_INFO)
    foreign = usage(spec, Stage.BOOKED, one_of(names.JOB, foreign_jobs(spec)))
    shown = aggregate("group", owned(spec, aggregate("group", foreign, (*pod(spec), names.GATEWAY))), by)
    elsewhere = unless(both(shown, info, on=(names.GATEWAY,)), info, on=by)
    if not names_standalone(spec):
        return unless(booked, elsewhere, on=by)
    renamed = copy_label(elsewhere, names.BOOKED_GATEWAY, names.GATEWAY)
    return unless(booked, renamed, on=(names.BOOKED_GATEWAY, names.JOB))


def owned(spec: Spec, pods: Expr) -> Expr:
    """Pods under the gateway's name in figures."""
    if not names_standalone(spec):
        return pods
    on = (*pod(spec), names.GATEWAY)
    owned = binary(pods, "*", of_pods(spec), on=on, group_left=(names.BOOKED_GATEWAY,))
    return aggregate("group", copy_label(owned, names.GATEWAY, names.BOOKED_GATEWAY), (*pod(spec), names.GATEWAY))


def of_pods(spec: Spec) -> Expr:
    """The gateway under which each pod is booked: the one the spec gives it, by its address or by its job, else the one
    that its metrics name."""
    by = (*pod(spec), names.GATEWAY)
    pods = aggregate("group", usage(spec, Stage.BOOKED), by)
    whole_jobs = [g for g in spec.gateways if g.monitor is Monitor.NONE and not g.namespace and not g.instances]
    found = []
    if (named := instances(spec)) is not None:
        address = (names.JOB, names.INSTANCE)
        unique = one_of_each(address, copy_label(named, names.BOOKED_GATEWAY, names.GATEWAY))
        found.append(binary(pods, "*", unique, on=address, group_left=(names.BOOKED_GATEWAY,)))
    if whole_jobs:
        info = fact(spec, names.GATEWAY_INFO, one_of(names.GATEWAY, [gateway.id for gateway in whole_jobs]))
        unique = one_of_each((names.JOB,), copy_label(info, names.BOOKED_GATEWAY, names.GATEWAY))
        found.append(binary(pods, "*", unique, on=(names.JOB,), group_left=(names.BOOKED_GATEWAY,)))
    return either_on(by, *found, copy_label(pods, names.BOOKED_GATEWAY, names.GATEWAY))
