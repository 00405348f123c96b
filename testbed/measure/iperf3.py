"""iperf3: one client and one server for each flow, all at once; and what they printed, read.

One process a flow, because a flow's ports decide which member carries it, and iperf3 gives the streams of one
client consecutive ports.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import MachineError, TrialError
from testbed.measure.raw import read_json

#: How much longer than its transfer a client may take, in seconds of the trial's clock.
_GRACE_S = 30.0


@dataclass(frozen=True)
class Received:
    """What all flows of a transfer got through together."""

    goodput_mbps: float
    retransmits: int


def run(
    client: Any,
    server: Any,
    address: str,
    ports: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    seconds: float,
    omit_s: float,
) -> None:
    """Inside: a TCP flow from ``client`` to ``server`` (Mininet hosts) for each pair of ports; output into ``path``.

    Errors: TrialError naming a flow that did not end in time; what the clients printed is written first.
    """
    if not shutil.which("iperf3"):
        raise MachineError("iperf3 is not installed", "Type: apt-get install iperf3")
    with ExitStack() as stack:

        def start(host: Any, *arguments: str) -> subprocess.Popen[bytes]:
            process = host.popen(["iperf3", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            stack.callback(_end, process)
            return process  # type: ignore[no-any-return]

        servers = [
            start(server, "--server", "--one-off", "--forceflush", "--port", str(pair["server_port"])) for pair in ports
        ]
        for process in servers:
            assert process.stdout is not None
            while b"listening" not in process.stdout.readline():
                if process.poll() is not None:
                    raise TrialError("an iperf3 server did not start listening")
        clients = [
            start(
                client,
                *("--client", address, "--port", str(pair["server_port"]), "--cport", str(pair["client_port"])),
                *("--json", "--time", f"{seconds:g}", "--omit", f"{omit_s:g}"),
            )
            for pair in ports
        ]
        flows = []
        for pair, process in zip(ports, clients, strict=True):
            try:
                printed, _ = process.communicate(timeout=seconds + omit_s + _GRACE_S)
            except subprocess.TimeoutExpired:
                printed = json.dumps({"error": f"still ran {_GRACE_S:g} s after its time"}).encode()
            flows.append({**pair, "client": _parsed(printed)})
        path.write_text(json.dumps({"flows": flows}, indent=1) + "\n")


def _parsed(printed: bytes) -> Any:
    try:
        return json.loads(printed)
    except ValueError:
        return {"error": f"printed no JSON: {printed.decode(errors='replace')!r}"}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def load(path: Path) -> Received:
    """Outside: the goodput that the receivers saw. Errors: TrialError naming a flow that failed."""
    goodput_bps, retransmits = 0.0, 0
    for flow in read_json(path)["flows"]:
        output = flow["client"]
        if "error" in output:
            raise TrialError(f"iperf3 flow from port {flow['client_port']}: {output['error']}")
        goodput_bps += output["end"]["sum_received"]["bits_per_second"]
        retransmits += output["end"]["sum_sent"]["retransmits"]
    return Received(goodput_bps / 1e6, retransmits)
