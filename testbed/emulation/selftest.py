"""Inside a guest: does this kernel have what trials need? Prints ``ok``, or raises with what failed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from pyroute2 import IPRoute

from testbed.emulation import bonds, ovs
from testbed.spec import Bond


def main() -> None:
    """Make a bond over a veth and a bridge with the kernel datapath; see that a second passes."""
    with IPRoute() as netlink:
        netlink.link("add", ifname="t0", kind="veth", peer={"ifname": "t1"})
        bonds.create(netlink, Bond(("t0",), mode="802.3ad"), "02:00:00:00:00:01")
    began = time.monotonic()
    time.sleep(1)
    assert 1 <= time.monotonic() - began < 2, "the clock does not run"
    with tempfile.TemporaryDirectory() as scratch, ovs.running(Path(scratch) / "ovs") as switch:
        environment = {**os.environ, **switch.environment()}
        subprocess.run(["ovs-vsctl", "--timeout=20", "add-br", "br0"], check=True, env=environment)
    print("ok")


if __name__ == "__main__":
    main()
