"""Open vSwitch's own bonds, with its own LACP."""

from __future__ import annotations

from testbed.schemes import requirements
from testbed.schemes.scheme import Live, Scheme
from testbed.spec import Lag, SwitchSide, Topology

#: What ovs-vswitchd is asked at the end of a trial (ovs-appctl(8)).
_SHOWN = ("lacp/show", "bond/show")


class OvsBond(Scheme):
    """Open vSwitch by itself, each LAG a bond of its own: LACP with balance-tcp, or balance-slb where it is static.

    balance-tcp hashes addresses and ports, and needs LACP. Of what works without it, ovs-vswitchd.conf.db(5) wants no
    LAG at the other end. balance-slb with all-members-active comes nearest to the static LAG of the modes balance-rr,
    balance-xor and broadcast: it takes all frames in on every member, where active-backup would drop those that come
    in on its backup members. It sends by the source's address alone: all frames of one host leave on one member.
    """

    name = "ovs"
    side = SwitchSide(controller=False, groups=False)

    def check(self, topology: Topology) -> None:
        """A bond of Open vSwitch is on one bridge, and nothing else keeps frames from looping."""
        requirements.on_one_switch(topology.lags, topology, self.name)
        requirements.no_loop(topology, self.name, lags=True)

    def join(self, topology: Topology) -> list[str]:
        """Each LAG's ports into one bond, in one transaction with all others."""
        words: list[str] = []
        for lag in topology.lags:
            switch, settings = topology.owner(lag.ports[0]), _settings(topology, lag)
            if len(lag.ports) > 1:
                for port in lag.ports:
                    words += ["--", "del-port", switch, port]
                words += ["--", "add-bond", switch, lag.name, *lag.ports, *settings]
            else:  # a bond of one is an ordinary port, which may speak LACP as well
                words += ["--", "set", "Port", lag.ports[0], *settings]
            for port in lag.ports:
                number = topology.ports[port].number
                words += ["--", "set", "Interface", port, f"ofport_request={number}"]
                words += [f"other_config:lacp-port-id={number}", f"other_config:lacp-aggregation-key={lag.key}"]
                if lag.port_priorities:
                    words.append(f"other_config:lacp-port-priority={lag.priority(port)}")
        return words[1:]

    def collect(self, live: Live) -> None:
        """What ovs-vswitchd shows of LACP and of its bonds, a text file each."""
        for command in _SHOWN if live.topology.switches else ():
            (live.raw / f"{command.replace('/', '_')}.txt").write_text(live.ask_switches(command))


def _settings(topology: Topology, lag: Lag) -> list[str]:
    if lag.lacp == "off":
        return ["lacp=off", "bond_mode=balance-slb", "other_config:all-members-active=true"]
    system = next(system for system in topology.systems if system.name == lag.system)
    return [
        f"lacp={lag.lacp}",
        "bond_mode=balance-tcp",
        f"other_config:lacp-time={lag.rate}",
        f'other_config:lacp-system-id="{system.system}"',
        f"other_config:lacp-system-priority={system.priority}",
    ]
