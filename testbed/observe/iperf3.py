"""Running iperf3: a client and a server for each flow, all at once. `testbed.measure.iperf3` reads their output.

Each flow has its own process: the ports of a flow decide which member carries it, and iperf3 gives the streams of one
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

from testbed.emulation.listening import wait_listening
from testbed.errors import MachineError

if TYPE_CHECKING:
    from testbed.emulation.network import Network

#: How much longer than its transfer a client may run, in seconds of the trial's clock.
_GRACE_S = 30.0
#: The flows start one by one, within so many seconds.
_STARTED_S = 0.1
#: How much of an output that is not JSON enters the error, in characters.
_SHOWN = 300


@dataclass(frozen=True)
class Datagrams:
    """UDP instead of TCP: octets of payload in a datagram, and what each flow offers in Mbit/s of payload."""

    length_bytes: int
    offered_mbps: float

    def arguments(self) -> list[str]:
        """The arguments of iperf3(1)."""
        return ["--udp", "--length", str(self.length_bytes), "--bitrate", str(round(self.offered_mbps * 1e6))]


@contextmanager
def transferring(
    network: Network,
    source: str,
    target: str,
    flows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    seconds: float,
    omit_s: float,
    udp: Datagrams | None = None,
) -> Iterator[None]:
    """Run each of ``flows`` (``client_port``, ``server_port``) from host ``source`` to host ``target``.

    The flows start at instants drawn over 0.1 s, and have started when the block begins. They last for ``seconds``
    after the first ``omit_s``, however long the block takes; at its end they are waited for, and their output is
    written into ``path``.

    A flow may have its own addresses (``source_ip``, ``target_ip``), if the hosts have several. The protocol is TCP
    unless ``udp`` is given. Errors: MachineError if iperf3 is not installed. A flow that does not end in time is
    written as an error of that flow.
    """
    if not shutil.which("iperf3"):
        raise MachineError("iperf3 is not installed", "Type: apt-get install iperf3")
    with ExitStack() as stack:

        def start(host: str, *arguments: str) -> subprocess.Popen[bytes]:
            process = network.mininet.get(host).popen(
                ["iperf3", "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            stack.callback(_end, process)
            return process  # type: ignore[no-any-return]

        servers = [start(target, "--server", "--one-off", "--port", str(flow["server_port"])) for flow in flows]
        wait_listening(network, target, [int(flow["server_port"]) for flow in flows])
        base_s = network.clocks.ahead()
        instants = [network.clocks.start(f"flow {flow['client_port']}", _STARTED_S, base_s) for flow in flows]
        clients: dict[int, subprocess.Popen[bytes]] = {}
        for place in sorted(range(len(flows)), key=lambda place: instants[place]):
            flow = flows[place]
            network.clocks.wait_until(instants[place])
            clients[place] = start(
                source,
                *("--client", str(flow.get("target_ip", network.topology.host(target).ip))),
                *("--port", str(flow["server_port"]), "--cport", str(flow["client_port"])),
                *(("--bind", str(flow["source_ip"])) if "source_ip" in flow else ()),
                *("--time", f"{seconds:g}", "--omit", f"{omit_s:g}"),
                *(udp.arguments() if udp else ()),
            )
        yield
        limit_s = seconds + omit_s + _GRACE_S
        sent = [_output(process, limit_s) for _, process in sorted(clients.items())]
        received = [_output(process, _GRACE_S) for process in servers]
    found = [
        {**flow, "client": from_client, "server": from_server}
        for flow, from_client, from_server in zip(flows, sent, received, strict=True)
    ]
    path.write_text(json.dumps({"flows": found}, indent=1) + "\n")


def _output(process: subprocess.Popen[bytes], limit_s: float) -> Any:
    """The JSON that iperf3 printed, or an error in the form in which iperf3 reports one."""
    try:
        printed, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"error": f"still ran after {limit_s:g} s"}
    text = printed.decode(errors="replace")
    try:
        return json.loads(text[max(0, text.find("{")) :])  # a warning may come first, as of datagrams of a frame's size
    except ValueError:
        return {"error": f"printed no JSON: {text[:_SHOWN]!r}"}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()
