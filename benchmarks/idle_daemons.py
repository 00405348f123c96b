"""What the daemons of services cost while nothing happens: processor time for each second of the trial's clock.

Usage: python benchmarks/idle_daemons.py [--run-s 120]

Question      How much processor time does an idle daemon take, next to an idle network that has none?
Procedure     Each network runs twice, for 10 s of its own time and for --run-s more, by `testbed run scaling`. The
              difference of the two is what that time costs: boot, set-up and end are in both.
Expectation   The cost grows with the packets and checks of a second, not with the number of daemons.

It prints a row for each network: its daemons, the seconds of processor time for a virtual second, those for each of its
daemons, and the ratio to the network without daemons. Other work on the machine lengthens the processor time a little.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from processor import Use

from testbed import services
from testbed.experiment import discovery
from testbed.experiment.network import build_from_settings

#: Topology and its options. The first one has no daemon; its switch is idle too, with LACP at four ports.
NETWORKS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("single_switch", {}),
    ("gateway_pair", {"vrrp_advert_ms": "1000"}),
    ("gateway_pair", {"vrrp_advert_ms": "100"}),
    ("gateway_pair", {"vrrp_advert_ms": "10"}),
    ("firewall_pair", {"vrrp_advert_ms": "100"}),
    ("balancer_pair", {"balancer_layer": "4"}),
    ("balancer_pair", {"balancer_layer": "7"}),
    ("two_lines", {"bgp_bfd_ms": "0"}),
    ("two_lines", {"bgp_bfd_ms": "100"}),
    ("two_sites", {"sites_by": "anycast"}),
    ("two_sites", {"sites_by": "dns"}),
    ("service", {}),
)
_BEFORE_S = 10.0


def daemons(topology: str, options: Mapping[str, str]) -> int:
    """How many daemons the network has."""
    network = build_from_settings(discovery.topology(topology), options)
    return sum(bool(each.command(Path())) for each in services.wanted(network))


def processor_s(topology: str, options: Mapping[str, str], run_s: float, out: Path) -> float:
    """The processor time of one trial, of all its processes. Errors: SystemExit if it ends with another code than 0."""
    settings = {**options, "run_s": f"{run_s:g}", "probes": "0"}
    words = [word for name, level in settings.items() for word in ("--set", f"{name}={level}")]
    command = [sys.executable, "-m", "testbed", "run", "scaling", "--topology", topology, *words]
    with Use() as use:
        ended = subprocess.run(
            [*command, "--repetitions", "1", "--jobs", "1", "--out", str(out)], stdout=subprocess.DEVNULL
        )
    if ended.returncode:
        raise SystemExit(f"{topology}: `testbed run` ended with exit code {ended.returncode}")
    return use.processor_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-s", type=float, default=120.0, help="how long each network idles, in its own seconds")
    idle_s = parser.parse_args().run_s
    print(f"{'network':48} {'daemons':>7} {'s / s':>8} {'a daemon':>8} {'ratio':>6}", flush=True)
    without = 0.0
    for number, (topology, options) in enumerate(NETWORKS):
        with tempfile.TemporaryDirectory() as place:
            short, long = (
                processor_s(topology, options, run_s, Path(place) / f"{run_s:g}")
                for run_s in (_BEFORE_S, _BEFORE_S + idle_s)
            )
        cost, count = (long - short) / idle_s, daemons(topology, options)
        without = cost if number == 0 else without
        each = f"{cost / count:8.4f}" if count else f"{'-':>8}"
        name = " ".join([topology, *(f"{key}={value}" for key, value in options.items())])
        print(f"{name:48} {count:7} {cost:8.4f} {each} {cost / without:6.2f}", flush=True)


if __name__ == "__main__":
    main()
