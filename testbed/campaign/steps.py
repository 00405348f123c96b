"""The runs behind the README's figures, which `testbed reproduce` carries out. Pure.

Every level is named, so a default that changes later does not change what is reproduced. The short form has fewer
levels and repetitions. A trial's seed depends only on the run's seed, its case and its repetition, so each trial of the
short form is one of the long form, and results/reference/ holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SEED = 1
#: The level of controller that needs Ryu 4.34 in its own environment (make setup-ryu).
RYU = "ryu-example"


@dataclass(frozen=True)
class Step:
    """One run: an experiment, its levels, its repetitions; ``quick`` are other levels for the short form."""

    name: str
    experiment: str
    levels: Mapping[str, str]
    repetitions: int
    quick: Mapping[str, str] = field(default_factory=dict)
    quick_repetitions: int = 1

    def settings(self, *, quick: bool, ryu: bool = True) -> dict[str, str]:
        """The levels of each factor, as --set takes them; without ``ryu`` the level that needs Ryu is left out."""
        levels = {**self.levels, **(self.quick if quick else {})}
        return {
            name: ",".join(level for level in text.split(",") if ryu or level != RYU) for name, text in levels.items()
        }

    def trials_of_each(self, *, quick: bool) -> int:
        """How many repetitions each case has."""
        return self.quick_repetitions if quick else self.repetitions

    def words(self, *, quick: bool, ryu: bool = True) -> list[str]:
        """The arguments of `testbed run`."""
        found = [self.experiment, "--seed", str(SEED), "--repetitions", str(self.trials_of_each(quick=quick))]
        for name, text in self.settings(quick=quick, ryu=ryu).items():
            found += ["--set", f"{name}={text}"]
        return found


CAMPAIGN: tuple[Step, ...] = (
    Step(
        "aggregation",
        "aggregation",
        {
            "mode": "balance-rr,active-backup,balance-xor,802.3ad",
            "members": "1,2,4,8",
            "placement": "even",
            "flows": "16",
            "duration_s": "1",
            "omit_s": "1",
        },
        repetitions=20,
        quick={"mode": "802.3ad", "members": "1,2,4"},
    ),
    Step(
        "failover",
        "failover",
        {"mode": "active-backup,802.3ad", "fault": "carrier_loss"},
        repetitions=20,
        quick_repetitions=3,
    ),
    Step(
        "matrix",
        "failover",
        {"mode": "all", "fault": "all"},  # its trials of the cells that failover has are the same
        repetitions=20,
        quick={"mode": "active-backup,802.3ad", "fault": "carrier_loss,silent_loss,slow,none"},
    ),
    Step(
        "tcp_failover",
        "tcp_failover",
        {
            "mode": "active-backup,802.3ad",
            "members": "2",
            "flows": "8",
            "fault": "carrier_loss",
            "miimon_ms": "20,100,400",
        },
        repetitions=8,
        quick={"miimon_ms": "100"},
    ),
    Step(
        "controllers",
        "failover",
        {"controller": f"testbed,ovs,{RYU}", "fault": "carrier_loss,silent_loss", "mode": "802.3ad"},
        repetitions=3,
        quick={"controller": "testbed,ovs"},
    ),
    Step(
        "miimon",
        "miimon",
        {"mode": "active-backup", "miimon_ms": "100", "downdelay_ms": "0", "faults": "50"},
        repetitions=4,
    ),
    Step(
        "lacp_timers",
        "lacp_timers",
        {"lacp_rate": "fast,slow", "end": "host,switch", "faults": "20"},
        repetitions=1,
        quick={"lacp_rate": "fast"},
    ),
    Step(
        "hashing",
        "hashing",
        {
            "xmit_hash_policy": "layer2,layer2+3,layer3+4,encap2+3,encap3+4,vlan+srcmac",
            "members": "4",
            "protocol": "udp,tcp",
            "ports": "random,even",
            "addresses": "1",
            "vlans": "0",
            "flows": "64",
        },
        repetitions=1,
        quick={"xmit_hash_policy": "layer3+4", "protocol": "udp"},
    ),
    Step(
        "failback",
        "failback",
        {"primary_reselect": "always,better,failure", "back": "itself,hand", "updelay_ms": "0"},
        repetitions=2,
        quick={"back": "itself"},
    ),
    Step(
        "flapping",
        "flapping",
        {"mode": "active-backup,802.3ad", "flap_period_ms": "400", "flap_count": "10", "updelay_ms": "0,2000"},
        repetitions=2,
    ),
    Step(
        "mlag",
        "mlag",
        {"element": "member,peer_link,s1,s2", "mode": "802.3ad"},
        repetitions=2,
        # The outage of the peer link is random up to its bound: one trial says nothing.
        quick={"element": "member,s1,s2"},
    ),
    Step(
        "controller_loss",
        "controller_loss",
        {
            "event": "controller_crash",
            "down_s": "1.5,5",
            "restart": "resume,fresh",
            "lacp_rate": "fast",
            "member_cut": "false",
        },
        repetitions=2,
    ),
    Step(
        "reordering",
        "reordering",
        {
            "mode": "balance-rr,802.3ad",
            "members": "2",
            "difference_ms": "0,0.2,1,5",
            "tcp_reordering": "3,127",
            "duration_s": "1",
            "omit_s": "1",
        },
        repetitions=1,
        quick={"mode": "balance-rr", "tcp_reordering": "3"},
    ),
)
