"""Open vSwitch's own bonds, with its own LACP."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from testbed.errors import SpecError
from testbed.schemes import ovs_shown, requirements
from testbed.schemes.scheme import Live, Scheme, compare
from testbed.spec import Lag, SwitchSide, Topology

#: What ovs-vswitchd is asked at the end of a trial (ovs-appctl(8)).
_SHOWN = ("lacp/show", "bond/show")
#: The modes that hash, over buckets (ovs-vswitchd.conf.db(5), bond_mode).
_HASHING = ("balance-tcp", "balance-slb")
#: The value of other_config:bond-hash-basis that bonds get once all their members are enabled; before, it is 0.
_BASIS = 1


class OvsBond(Scheme):
    """Open vSwitch by itself, each LAG a bond of its own: LACP with balance-tcp, or balance-slb where it is static.

    balance-tcp hashes addresses and ports, and needs LACP. Of what works without it, ovs-vswitchd.conf.db(5) wants no
    LAG at the other end. balance-slb with all-members-active comes nearest to the static LAG of the modes balance-rr,
    balance-xor and broadcast: it takes all frames in on every member, where active-backup would drop those that come
    in on its backup members. It sends by the source's address alone: all frames of one host leave on one member.
    ``ovs_bond_mode`` of a LAG chooses another mode; fallback=individual is other_config:lacp-fallback-ab.

    A bond puts a bucket of its hash on a member that is enabled when the bucket is first used, and moves it only if
    that member is lost, or under load every 10 s (bond_update_post_recirc_rules and bond_rebalance of ofproto/bond.c;
    other_config:bond-rebalance-interval). So as long as LACP had enabled one member only, all buckets stay on it, and a
    bond of k members carries what one does. `settle` ends this transient before anything is measured: a new hash basis
    lets the bond choose all buckets again (bond_reconfigure), now among all its members.
    """

    name = "ovs"
    side = SwitchSide(controller=False, groups=False)
    why_no_option = "Open vSwitch's bonds have no such option"
    lag_options = frozenset({"lag_lacp", "lag_rate", "lag_port_priorities", "fallback", "ovs_bond_mode"})

    def check(self, topology: Topology) -> None:
        """A bond of Open vSwitch is on one bridge, and nothing else keeps frames from looping."""
        super().check(topology)
        requirements.on_one_switch(topology.lags, topology, self.name)
        requirements.no_loop(topology, self.name, lags=True)
        for lag in topology.lags:
            if lag.lacp != "off" and lag.fallback == "static":
                raise SpecError(
                    f"LAG {lag.name!r} has fallback=static, which Open vSwitch has not",
                    "Use fallback=individual (its lacp-fallback-ab) or none, or --set controller=testbed.",
                )
            if lag.lacp == "off" and lag.ovs_bond_mode == "balance-tcp":
                raise SpecError(
                    f"LAG {lag.name!r} is static; Open vSwitch's balance-tcp needs LACP (ovs-vswitchd.conf.db(5))",
                    "Use ovs_bond_mode=balance-slb or active-backup.",
                )
            for name, level in (("fallback", lag.fallback), ("ovs_bond_mode", lag.ovs_bond_mode)):
                if len(lag.ports) == 1 and level not in ("", "none"):
                    raise SpecError(
                        f"LAG {lag.name!r} has one port, which Open vSwitch makes no bond of: it has no {name}",
                        f"Leave {name} out, or give the LAG two ports or more.",
                    )

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
                words.append(f"other_config:lacp-port-priority={lag.priority(port)}")
        return words[1:]

    def placing(self, lag: Lag) -> str:
        """balance-tcp hashes addresses and ports, the others the source's address at most."""
        return "buckets" if _mode(lag) == "balance-tcp" else ""

    def entries(self, live: Live, lag: Lag) -> Mapping[str, int]:
        """The buckets of a bond are hidden flows, which name the port by its number."""
        switch = live.topology.owner(lag.ports[0])
        shown = live.ask_switches("bridge/dump-flows", switch)
        used = Counter(re.findall(r"dp_hash=\S+,actions=output:(\d+)", shown))
        return {port: used[str(live.topology.ports[port].number)] for port in lag.ports}

    def missing(self, live: Live) -> str:
        """The ports that their bonds have not enabled yet, of LAGs that hash and have a partner.

        A port that leads to another partner than its LAG's never is, and is not waited for.
        """
        wanted = {
            port for lag in _hashed(live.topology) if requirements.has_partner(live.topology, lag) for port in lag.ports
        }
        if not wanted:
            return ""
        enabled = re.findall(r"^member (\S+): enabled", live.ask_switches("bond/show"), re.MULTILINE)
        if not (lacking := wanted.difference(enabled)):
            return ""
        negotiated = ovs_shown.sections(live.ask_switches("lacp/show")).values()
        return ", ".join(sorted(lacking.difference(*map(ovs_shown.wrong_cables, negotiated))))

    def settle(self, live: Live) -> None:
        """Let every bond that hashes choose its buckets again, now that all its members are enabled."""
        words: list[str] = []
        for lag in _hashed(live.topology):
            words += ["--", "set", "Port", lag.name, f"other_config:bond-hash-basis={_BASIS}"]
        if words:
            live.tell_switches(*words[1:])
            live.note("network", "buckets_spread", lags=[lag.name for lag in _hashed(live.topology)])

    def built(self, live: Live) -> dict[str, Any]:
        """Each LAG as ovs-vswitchd shows it; a cable in a wrong LAG is noted."""
        lags = live.topology.lags
        shown = {command: ovs_shown.sections(live.ask_switches(command)) for command in _SHOWN} if lags else {}
        found = {}
        for lag in lags:
            bond, lacp = (shown[command].get(_bond_name(lag)) for command in ("bond/show", "lacp/show"))
            found[lag.name] = ovs_shown.lag(bond, lacp)
            compare(lag.name, _wanted(live.topology, lag), found[lag.name])
            for port, (partner, key) in (ovs_shown.wrong_cables(lacp) if lacp else {}).items():
                live.note("network", "wrong_cable", lag=lag.name, port=port, partner=partner, partner_key=key)
        return found

    def collect(self, live: Live) -> None:
        """What ovs-vswitchd shows of LACP and of its bonds, a text file each, and of the flows of each bridge: those
        of table 254 with a dp_hash are the buckets of a bond."""
        for command in _SHOWN if live.topology.switches else ():
            (live.raw / f"{command.replace('/', '_')}.txt").write_text(live.ask_switches(command))
        if _hashed(live.topology):
            flows = [live.ask_switches("bridge/dump-flows", switch.name) for switch in live.topology.switches]
            (live.raw / "bridge_dump-flows.txt").write_text("".join(flows))


def _hashed(topology: Topology) -> list[Lag]:
    """The LAGs of several ports that send by a hash."""
    return [lag for lag in topology.lags if len(lag.ports) > 1 and _mode(lag) in _HASHING]


def _bond_name(lag: Lag) -> str:
    """What Open vSwitch calls the bond of a LAG; one of one port is that port."""
    return lag.name if len(lag.ports) > 1 else lag.ports[0]


def _wanted(topology: Topology, lag: Lag) -> dict[str, Any]:
    """What ovs-vswitchd shows of a LAG that is as the topology says (`ovs_shown.lag`)."""
    wanted: dict[str, Any] = {"lacp": lag.lacp}
    if len(lag.ports) > 1:
        wanted |= {"ports": sorted(lag.ports), "ovs_bond_mode": _mode(lag), "fallback": lag.fallback}
    if lag.lacp != "off":
        system = next(system.system for system in topology.systems if system.name == lag.system)
        wanted |= {"ports": sorted(lag.ports), "rate": lag.rate, "system": system, "key": [lag.key]}
        wanted["port_priorities"] = {port: lag.priority(port) for port in lag.ports}
    return wanted


def _mode(lag: Lag) -> str:
    return lag.ovs_bond_mode or ("balance-slb" if lag.lacp == "off" else "balance-tcp")


def _settings(topology: Topology, lag: Lag) -> list[str]:
    mode = [f"bond_mode={_mode(lag)}"]
    if lag.lacp == "off":
        takes_all = ["other_config:all-members-active=true"] if _mode(lag) != "active-backup" else []
        return ["lacp=off", *mode, *takes_all]
    system = next(system for system in topology.systems if system.name == lag.system)
    return [
        f"lacp={lag.lacp}",
        *mode,
        f"other_config:lacp-time={lag.rate}",
        f'other_config:lacp-system-id="{system.system}"',
        f"other_config:lacp-system-priority={system.priority}",
        *(["other_config:lacp-fallback-ab=true"] if lag.fallback == "individual" else []),
    ]
