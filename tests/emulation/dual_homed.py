"""A host with two lines of its own: its address is on its loopback interface, and it announces that over both.

            +--- ia ---+
      c ====            x ---- h2
            +--- ib ---+

Survives the loss of either line and of either provider.
"""

from __future__ import annotations

from testbed.spec import BgpOptions, BgpSession, BgpSpeaker, Topology
from testbed.spec.wiring import Wiring


def dual_homed(*, bgp: BgpOptions = BgpOptions(bfd_ms=100)) -> Topology:
    """The host, two providers, and a host somewhere in the internet."""
    net = Wiring()
    net.loopback("c", 0)
    net.plain("h2")
    net.subnet(1, "h2", by="x")
    pairs = (("c", "ia"), ("c", "ib"), ("ia", "x"), ("ib", "x"))
    for number, pair in enumerate(pairs, start=2):
        net.beside(*pair, number)
    net.router("x", [("h2", 1)])
    speakers = (
        BgpSpeaker("c", 65001, ("10.0.0.1/32",), transit=False),
        BgpSpeaker("ia", 65010),
        BgpSpeaker("ib", 65020),
        BgpSpeaker("x", 65030, (net.network(1),)),
    )
    sessions = tuple(BgpSession(*pair, net.network(number)) for number, pair in enumerate(pairs, start=2))
    return net.topology("dual_homed", bgp=(bgp.over(speakers, sessions),))
