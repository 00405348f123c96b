"""Placement by hash where the client makes no IPv6 flow labels: compared with the hash of layer3+4 all the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from experiments import hashing
from testbed import theory
from testbed.emulation.namespace import inside
from testbed.experiment import Experiment, Measured, Trial
from testbed.lab.lab import Lab
from testbed.measure.flow_members import FlowKey, flows_by_member, packets_by_member
from testbed.measure.raw import read_json

_SETTING = Path("/proc/sys/net/ipv6/auto_flowlabels")  # of the network namespace of the process that opens it


def procedure(lab: Lab) -> None:
    """Inside: no flow labels (Documentation/networking/ip-sysctl.rst, auto_flowlabels: 0), then as in hashing."""
    with inside(lab.network.pid(lab.client)):
        _SETTING.write_text("0")
    hashing.procedure(lab)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how many flows are where layer3+4 puts them."""
    bond = trial.topology.bond(trial.topology.client)
    predicted: dict[FlowKey, int | None] = {}
    for flow in read_json(raw / "flows.json"):
        given = hashing._tuple(trial, flow)
        key = ("udp", given.source_ip, given.source_port, given.target_ip, given.target_port)
        predicted[key] = theory.xmit_hash("layer3+4", given) % len(bond.members)
    sent = packets_by_member(raw / "captured.csv", bond.members, "out")
    found = flows_by_member(sent, predicted, len(bond.members))
    return Measured({"flows": len(predicted), "placed_as_layer34": found.matched})


def hashing_unlabelled() -> Experiment:
    """The experiment."""
    return dataclasses.replace(
        hashing.hashing(), name="hashing_unlabelled", procedure=procedure, measure=read, figures=()
    )
