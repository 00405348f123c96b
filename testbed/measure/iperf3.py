"""Goodput and losses of a transfer, from iperf3's output (raw file iperf3.json, written by testbed.observe.iperf3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TrialError
from testbed.measure.raw import read_json

#: How far the interval clocks of client and server may be apart, in seconds.
_CLOCKS_S = 0.1


@dataclass(frozen=True)
class Received:
    """The result of all flows of a transfer together.

    ``retransmits`` counts TCP's segments, ``lost`` UDP's datagrams; each is None for the other protocol.
    ``cpu_percent`` is the load of one processor that iperf3 caused at the senders and at the receivers, summed. In
    virtual time it does not apply: there, processors take no time.
    """

    goodput_mbps: float
    retransmits: int | None
    lost: int | None = None
    cpu_percent: tuple[float, float] = (0.0, 0.0)


def load(path: Path) -> Received:
    """The goodput that the receivers saw while the clients sent.

    It is the sum of the servers' intervals that are not omitted. The servers' own total would also count what was still
    queued when the clients had ended, without the time that it took. Errors: TrialError naming a failed flow.
    """
    goodput_bps, retransmits, lost = 0.0, list[int](), list[int]()
    sending = receiving = 0.0
    for flow in read_json(path)["flows"]:
        for side in ("client", "server"):
            if "error" in flow[side]:
                raise TrialError(f"iperf3 {side} of the flow from port {flow['client_port']}: {flow[side]['error']}")
        wanted_s = flow["client"]["start"]["test_start"]["duration"]
        counted = [part["sum"] for part in flow["server"]["intervals"] if not part["sum"]["omitted"]]
        counted = [part for part in counted if part["end"] <= wanted_s + _CLOCKS_S]
        seconds = sum(part["seconds"] for part in counted)
        if abs(seconds - wanted_s) > _CLOCKS_S:
            raise TrialError(
                f"iperf3 server of the flow from port {flow['client_port']} reports {seconds:.3f} s of {wanted_s} s"
            )
        goodput_bps += sum(part["bytes"] for part in counted) * 8 / seconds
        end = flow["client"]["end"]
        sending += end["cpu_utilization_percent"]["host_total"]
        receiving += end["cpu_utilization_percent"]["remote_total"]
        if flow["client"]["start"]["test_start"]["protocol"] == "UDP":
            lost.append(end["sum"]["lost_packets"])
        else:
            retransmits.append(end["sum_sent"]["retransmits"])
    return Received(
        goodput_bps / 1e6,
        sum(retransmits) if retransmits else None,
        sum(lost) if lost else None,
        (sending, receiving),
    )
