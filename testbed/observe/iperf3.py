"""iperf3: one client and one server for each flow, all at once; and what they printed, read.

One process a flow, because a flow's ports decide which member carries it, and iperf3 gives the streams of one
client consecutive ports.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import MachineError, TrialError
from testbed.measure.raw import read_json

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How much longer than its transfer a client may take, in seconds of the trial's clock.
_GRACE_S = 30.0
#: How far the interval clocks of client and server may be apart, in seconds.
_CLOCKS_S = 0.1
#: How much is told of what iperf3 printed instead of its JSON, in characters.
_TOLD = 300


@dataclass(frozen=True)
class Received:
    """What all flows of a transfer got through together.

    ``retransmits`` are TCP's segments, ``lost`` UDP's datagrams; each is None for the other protocol.
    ``cpu_percent`` is the load of one processor that iperf3 caused at the senders and at the receivers, summed; in
    virtual time, where processors take no time, it says nothing.
    """

    goodput_mbps: float
    retransmits: int | None
    lost: int | None = None
    cpu_percent: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Datagrams:
    """UDP instead of TCP: octets of payload in a datagram, and what each flow offers in Mbit/s of payload."""

    length_bytes: int
    offered_mbps: float

    def arguments(self) -> list[str]:
        """As iperf3(1) takes it."""
        return ["--udp", "--length", str(self.length_bytes), "--bitrate", str(round(self.offered_mbps * 1e6))]


@contextmanager
def transferring(
    lab: Lab,
    source: str,
    target: str,
    flows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    seconds: float,
    omit_s: float,
    udp: Datagrams | None = None,
) -> Iterator[None]:
    """Inside: each of ``flows`` (``client_port``, ``server_port``) from one host to another; output into ``path``.

    The flows have been started when the block begins and last for ``seconds`` after the first ``omit_s``, however long
    the block takes; when it is left they are waited for.

    A flow may name addresses of its own (``source_ip``, ``target_ip``), where hosts have several. The flows are TCP's
    unless ``udp`` says otherwise. Errors: MachineError if there is no iperf3. A flow that does not end in time is
    written down as an error of that flow.
    """
    if not shutil.which("iperf3"):
        raise MachineError("iperf3 is not installed", "Type: apt-get install iperf3")
    with ExitStack() as stack:

        def start(host: str, *arguments: str) -> subprocess.Popen[bytes]:
            process = lab.network.mininet.get(host).popen(
                ["iperf3", "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            stack.callback(_end, process)
            return process  # type: ignore[no-any-return]

        servers = [start(target, "--server", "--one-off", "--port", str(flow["server_port"])) for flow in flows]
        lab.wait_listening(target, [int(flow["server_port"]) for flow in flows])
        clients = [
            start(
                source,
                *("--client", str(flow.get("target_ip", lab.topology.host(target).ip))),
                *("--port", str(flow["server_port"]), "--cport", str(flow["client_port"])),
                *(("--bind", str(flow["source_ip"])) if "source_ip" in flow else ()),
                *("--time", f"{seconds:g}", "--omit", f"{omit_s:g}"),
                *(udp.arguments() if udp else ()),
            )
            for flow in flows
        ]
        yield
        limit_s = seconds + omit_s + _GRACE_S
        sent = [_output(process, limit_s) for process in clients]
        received = [_output(process, _GRACE_S) for process in servers]
    told = [
        {**flow, "client": from_client, "server": from_server}
        for flow, from_client, from_server in zip(flows, sent, received, strict=True)
    ]
    path.write_text(json.dumps({"flows": told}, indent=1) + "\n")


def _output(process: subprocess.Popen[bytes], limit_s: float) -> Any:
    """What iperf3 printed, as its JSON, or in its way of telling an error."""
    try:
        printed, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"error": f"still ran after {limit_s:g} s"}
    text = printed.decode(errors="replace")
    try:
        return json.loads(text[max(0, text.find("{")) :])  # it may warn before, such as of datagrams of a frame's size
    except ValueError:
        return {"error": f"printed no JSON: {text[:_TOLD]!r}"}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def load(path: Path) -> Received:
    """Outside: the goodput that the receivers saw while the clients sent.

    It is the sum of the servers' intervals that are not omitted. The servers' own total would also count what was
    still queued when the clients had ended, without the time that it took. Errors: TrialError naming a failed flow.
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
