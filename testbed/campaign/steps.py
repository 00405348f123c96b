"""The runs behind the figures and numbers of README.md and docs/, which `testbed reproduce` carries out. Pure.

docs/numbers.md says which step is behind which section. Every level is named, so a default that changes later does not
change what is reproduced. The short form has fewer levels and repetitions, and leaves out some steps. A trial's seed
depends only on the run's seed, its case and its repetition, so each trial of the short form is one of the long form,
and results/reference/ holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SEED = 1
#: The level of controller that needs Ryu 4.34 in its own environment (make setup-ryu).
RYU = "ryu-example"


@dataclass(frozen=True)
class Step:
    """One run: an experiment, its levels, its repetitions; ``quick`` are other levels for the short form.

    ``topology``: empty for the experiment's own. ``short``: whether the short form has this step. ``daemon``: a program
    that only `make setup-services` installs, and without which the step is left out.
    """

    name: str
    experiment: str
    levels: Mapping[str, str]
    repetitions: int
    quick: Mapping[str, str] = field(default_factory=dict)
    quick_repetitions: int = 1
    topology: str = ""
    short: bool = True
    daemon: str = ""

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
        found = [self.experiment, *(["--topology", self.topology] if self.topology else [])]
        found += ["--seed", str(SEED), "--repetitions", str(self.trials_of_each(quick=quick))]
        for name, text in self.settings(quick=quick, ryu=ryu).items():
            found += ["--set", f"{name}={text}"]
        return found


def _step(
    name: str,
    words: str,
    repetitions: int,
    *,
    quick: str | None = None,
    quick_repetitions: int = 1,
    topology: str = "",
    daemon: str = "",
) -> Step:
    """A step from the words of its command: EXPERIMENT NAME=LEVELS ...

    ``quick``: the levels that are others in the short form; None: the short form leaves the step out.
    """
    experiment, *levels = words.split()
    short = _levels((quick or "").split())
    return Step(
        name,
        experiment,
        _levels(levels),
        repetitions,
        short,
        quick_repetitions,
        topology,
        short=quick is not None,
        daemon=daemon,
    )


def _levels(words: list[str]) -> dict[str, str]:
    return {name: text for name, _, text in (word.partition("=") for word in words)}


def _audit(
    topology: str,
    elements: str,
    name: str = "",
    *,
    repetitions: int = 1,
    quick: str | None = None,
    more: str = "",
    daemon: str = "",
) -> Step:
    """Trials of `testbed audit TOPOLOGY`: those of ``elements``, with other levels. ``quick``: the short form's."""
    short = None if quick is None else f"element={quick}"
    words = f"audit element={','.join(elements.split())} {more}"
    return _step(name or f"audit_{topology}", words, repetitions, quick=short, topology=topology, daemon=daemon)


_TRANSFER = "duration_s=1 omit_s=1"
_BANDWIDTH = (
    _step("random_placement", f"aggregation mode=802.3ad members=4,8 placement=random flows=16 {_TRANSFER}", 8),
    _step(
        "queues",
        f"aggregation mode=802.3ad members=1 placement=even flows=12 queue_packets=300,450,600 {_TRANSFER}",
        1,
    ),
    _step(
        "one_flow",
        f"aggregation mode=balance-rr members=2 placement=random flows=1 rx_coalesce_us=20,100 {_TRANSFER}",
        3,
        topology="back_to_back",
    ),
    _step(
        "one_flow_switch",
        f"aggregation mode=balance-rr members=2 placement=random flows=1 rx_coalesce_us=20,100 {_TRANSFER}",
        3,
    ),
    _step(
        "reordering",
        f"reordering mode=balance-rr,802.3ad members=2 difference_ms=0,0.2,1,5 tcp_reordering=3,127 {_TRANSFER}",
        1,
        quick="mode=balance-rr tcp_reordering=3",
    ),
    # By ip and members layer2 has several inputs as well: it hashes the packet's type, and hosts have one MAC address.
    _step(
        "hashing",
        "hashing xmit_hash_policy=layer2,layer2+3,layer3+4,encap2+3,encap3+4,vlan+srcmac members=3,4 ip=4,6"
        " protocol=udp,tcp ports=random addresses=4 vlans=0 flows=64",
        1,
        quick="xmit_hash_policy=layer3+4 members=4 ip=4 protocol=udp",
    ),
    _step(
        "hashing_members",
        "hashing xmit_hash_policy=layer2+3,layer3+4 members=2,5,6,7,8"
        " protocol=udp ports=random addresses=4 vlans=0 flows=64",
        1,
    ),
    _step(
        "hashing_vlans",
        "hashing xmit_hash_policy=vlan+srcmac members=2,3,4 protocol=udp ports=random addresses=1 vlans=8 flows=64",
        1,
    ),
    _step(
        "hashing_ports",
        "hashing xmit_hash_policy=layer3+4 members=4 protocol=tcp ports=even,kernel addresses=1 vlans=0 flows=64",
        1,
    ),
)
_OUTAGES = (
    _step(
        "tcp_failover",
        "tcp_failover mode=active-backup,802.3ad members=2 flows=8 fault=carrier_loss miimon_ms=20,100,400",
        8,
        quick="miimon_ms=100",
    ),
    _step(
        "controllers",
        f"failover controller=testbed,ovs,{RYU} fault=carrier_loss,silent_loss mode=802.3ad",
        3,
        quick="controller=testbed,ovs",
    ),
    _step("miimon", "miimon mode=active-backup miimon_ms=50,100 downdelay_ms=0 faults=50", 4, quick="miimon_ms=100"),
    _step(
        "arp",
        "failover mode=active-backup miimon_ms=0 arp_interval_ms=100 arp_missed_max=2 ip=4,6 fault=silent_loss",
        5,
    ),
    _step("no_monitor", "failover mode=all miimon_ms=0 fault=carrier_loss", 1),
    _step("lacp_timers", "lacp_timers lacp_rate=fast,slow end=host,switch faults=20", 1, quick="lacp_rate=fast"),
    _step("mux", "failover mode=802.3ad fault=silent_loss mux=coupled,independent early_collecting=true", 20),
    _step(
        "early_collecting", "failover mode=802.3ad fault=carrier_loss mux=independent early_collecting=false,true", 3
    ),
    _step(
        "team",
        "failover bond=team mode=active-backup,802.3ad,balance-rr,broadcast,balance-xor fault=carrier_loss",
        3,
    ),
    _step("team_arp", "failover bond=team mode=active-backup miimon_ms=0 arp_interval_ms=100 fault=silent_loss", 5),
    _step("team_aggregation", f"aggregation bond=team mode=802.3ad members=2 placement=even flows=16 {_TRANSFER}", 1),
    _step(
        "failback",
        "failback primary_reselect=always,better,failure back=itself,hand updelay_ms=0",
        2,
        quick="back=itself",
    ),
    _step(
        "flapping",
        "flapping mode=active-backup,802.3ad flap_period_ms=400 flap_count=10 updelay_ms=0,2000",
        2,
        quick="",
    ),
    # The outage of the peer link is random up to its bound: one trial says nothing.
    _step("mlag", "mlag element=member,peer_link,s1,s2 mode=802.3ad", 2, quick="element=member,s1,s2"),
)
_ATLAS = (
    # All techniques but those that BIRD has to watch.
    _step(
        "atlas",
        "atlas technique=active-backup,active-backup-arp,802.3ad,balance-xor,balance-rr,broadcast,balance-tlb,"
        "balance-alb,team-activebackup,team-lacp,team-loadbalance,team-roundrobin,team-broadcast,team-random,prp,hsr,ecmp,"
        "ecmp-resilient,ecmp-direct,mptcp,mptcp-backup,rstp,stp,fast-failover,lag-lacp,lag-static,ovs-active-backup,"
        "ovs-balance-slb,ovs-balance-tcp failure=all",
        20,
        quick="technique=active-backup,802.3ad,prp,rstp failure=carrier",
    ),
    _step("atlas_watched", "atlas technique=ecmp-bfd,ecmp-ospf failure=all", 20, daemon="bird"),
    _step(
        "displacement",
        "displacement placed_by=host,switch mode=802.3ad controller=testbed,ovs members=2,3,4,8,16 flows=10000",
        3,
        quick="controller=testbed members=3",
    ),
    _step("displacement_team", "displacement placed_by=host bond=team mode=802.3ad members=2,3,4,8 flows=10000", 3),
    _step("displacement_balancer", "displacement placed_by=balancer mode=802.3ad members=2,3,4,8,16 flows=10000", 3),
    _step(
        "displacement_ecmp",
        "displacement placed_by=host mode=ecmp ecmp_group=hash-threshold,resilient ways=2,3,4,8 flows=10000",
        3,
        topology="two_ways",
    ),
    _step(
        "displacement_mlag",
        "displacement placed_by=host,switch mode=802.3ad members=1,2,4 flows=10000",
        3,
        topology="mlag",
    ),
)
_CRASH = "controller_loss event=controller_crash"
_CONTROLLER = (
    _step(
        "controller_loss",
        f"{_CRASH} down_s=0.5,1.5,5 restart=resume,fresh lacp_rate=fast member_cut=false",
        3,
        quick="down_s=1.5,5",
    ),
    _step("controller_loss_slow", f"{_CRASH} down_s=5,95 restart=resume,fresh lacp_rate=slow member_cut=false", 1),
    _step("controller_loss_cut", f"{_CRASH} down_s=1.5 restart=resume,fresh lacp_rate=fast member_cut=true", 1),
    _step(
        "controller_pause",
        "controller_loss event=controller_pause down_s=1.5,5 restart=resume lacp_rate=fast member_cut=false",
        1,
    ),
    _step(
        "controller_loss_mlag",
        f"{_CRASH} down_s=0.5 restart=resume lacp_rate=fast member_cut=false",
        1,
        topology="mlag",
    ),
)
# All elements where an audit is printed; elsewhere one of parallel links, and in large networks one of each kind.
_AUDITS = (
    _audit(
        "mlag",
        "h1-eth0--s1-eth1 h1-eth1--s2-eth1 h2-eth0--s1-eth2 h2-eth1--s2-eth2 s1-eth3--s2-eth3 h3-eth0--s1-eth4"
        " h1-eth0 h1-eth1 h2-eth0 h2-eth1 h3-eth0 s1 s2 c0 c0-s1 c0-s2",
        quick="h1-eth0--s1-eth1,s1,c0",
    ),
    _audit(
        "unprotected",
        "h1-eth0--s1-eth1 s1-eth2--s2-eth1 h2-eth0--s2-eth2 h1-eth0 h2-eth0 s1 s2 c0 c0-s1 c0-s2",
        quick="s1",
    ),
    _audit("back_to_back", "h1-eth0--h2-eth0 h1-eth0 h2-eth0"),
    _audit("single_switch", "h1-eth0--s1-eth1 h2-eth0--s1-eth3 h1-eth0 h2-eth0 s1 c0"),
    _audit(
        "dual_switch",
        "h1-eth0--s1-eth1 h1-eth1--s2-eth1 s1-eth3--s2-eth3 h1-eth0 h1-eth1 s1 s2 c0",
        more="mode=active-backup,balance-tlb",
    ),
    _audit("trunk", "h1-eth0--s1-eth1 h2-eth0--s2-eth1 s1-eth3--s2-eth3 h1-eth0 h2-eth0 s1 s2 c0"),
    _audit("ring", "h1-eth0--s1-eth1 s1-eth2--s2-eth2 h1-eth0 s1 c0"),
    _audit("leaf_spine", "h1-eth0--leaf1-eth1 leaf1-eth3--spine1-eth1 h1-eth0 leaf1 spine1 c0"),
    # Which member each host keeps is chance, and whether both are on one switch.
    _audit(
        "service",
        "ia ib f1 f2 b1 b2 w1 w2 s1 s2 c0 c-eth0--ia-eth0 ia-eth1--s1-eth1 s1-eth2--s2-eth2 f1-eth0--s1-eth4 w1-eth0",
        daemon="keepalived",
    ),
    _audit(
        "service", "c0-s1 c0-s2", "audit_service_alone", repetitions=5, more="controller_down_s=10", daemon="keepalived"
    ),
    _audit("mlag", "c0", "audit_mlag_alone", repetitions=6, more="controller_down_s=10"),
    _audit("single_switch", "c0", "audit_single_switch_alone", more="controller_down_s=1.5,10"),
)

_SERVICES = (
    _step(
        "gateway",
        "gateway fault=router_crash,router_hang,service_stop,service_crash,service_pause,carrier_loss"
        " vrrp_advert_ms=1000,100 faults=20",
        5,
        daemon="keepalived",
    ),
    _step(
        "gateway_bfd",
        "gateway fault=router_crash,router_hang,service_stop,service_crash,service_pause,carrier_loss,split_brain"
        " vrrp_bfd_ms=100 vrrp_advert_ms=1000 faults=20",
        5,
        daemon="keepalived",
    ),
    _step(
        "gateway_loss",
        "gateway fault=lossy loss_percent=30 vrrp_advert_ms=100 faults=20 probe_interval_ms=20",
        5,
        daemon="keepalived",
    ),
    _step(
        "gateway_tenants",
        "gateway tenants=2 vrrp_masters=split,same fault=router_crash,service_stop,carrier_loss vrrp_advert_ms=100"
        " faults=20",
        1,
        daemon="keepalived",
    ),
    _step(
        "stateful_failover",
        "stateful_failover fault=router_crash firewall_sync=ftfw,none vrrp_advert_ms=100 sessions=100",
        10,
        daemon="conntrackd",
    ),
    _step(
        "routing",
        "routing fault=silent_loss,carrier_loss,router_crash,router_hang,service_stop,service_crash,service_pause,"
        "route_withdrawal bgp_bfd_ms=100 faults=20",
        5,
        daemon="bird",
    ),
    _step("routing_hold", "routing fault=silent_loss bgp_bfd_ms=0 faults=20 probe_interval_ms=5", 5, daemon="bird"),
    _step(
        "routing_frr",
        "routing bgp_daemon=frr fault=silent_loss,carrier_loss,router_crash,router_hang,service_stop,service_crash,"
        "route_withdrawal bgp_bfd_ms=100 faults=20",
        1,
        daemon="bgpd",
    ),
    _step(
        "routing_frr_hold",
        "routing bgp_daemon=frr fault=silent_loss,service_pause bgp_bfd_ms=0 faults=20 probe_interval_ms=5",
        5,
        daemon="bgpd",
    ),
    _step(
        "routing_static",
        "routing routes_by=static static_track=none,carrier,bfd fault=router_crash,router_hang,silent_loss faults=20",
        1,
        daemon="bird",
    ),
    _step(
        "routing_lossy",
        "routing fault=lossy loss_percent=20,80 bgp_bfd_ms=100 faults=20 probe_interval_ms=5",
        2,
        daemon="bird",
    ),
    _step(
        "routing_slow",
        "routing fault=slow slow_delay_ms=50,250 fault_s=5 bgp_bfd_ms=100 faults=10 probe_interval_ms=5",
        1,
        daemon="bird",
    ),
    _step(
        "sites",
        "sites fault=router_crash,router_hang,carrier_loss,silent_loss place=site,server bgp_bfd_ms=100 faults=20",
        5,
        daemon="bird",
    ),
    _step(
        "site_failover",
        "site_failover sites_by=anycast,dns fault=service_crash,service_pause faults=20",
        5,
        daemon="gdnsd",
    ),
    _step(
        "site_by_hand",
        "site_failover sites=by_hand switchover_s=10 sites_by=anycast,dns fault=site_loss,router_hang place=site"
        " bgp_bfd_ms=100 faults=20",
        5,
        daemon="gdnsd",
    ),
    _step(
        "name_servers",
        "site_failover sites_by=dns name_servers=1,2 place=names dns_ttl_s=5"
        " fault=service_crash,service_pause,router_crash,router_hang faults=5",
        1,
        daemon="gdnsd",
    ),
    _step(
        "service_sessions",
        "stateful_failover of=firewalls firewall_sync=ftfw,none balancer_sync=true vrrp_advert_ms=100 sessions=1000",
        1,
        topology="service",
        daemon="conntrackd",
    ),
    _step(
        "health_checks",
        "health_checks fault=service_crash,service_pause,silent_loss balancer_layer=4,7 balancer_check_ms=1000"
        " faults=20",
        1,
        daemon="haproxy",
    ),
    _step(
        "health_checks_refused",
        "health_checks fault=service_crash balancer_layer=4,7 balancer_check_ms=300 balancer_timeout_ms=100 faults=20",
        5,
        daemon="haproxy",
    ),
    _step(
        "health_checks_fast",
        "health_checks fault=service_crash,service_pause balancer_layer=7 balancer_check_ms=500"
        " balancer_timeout_ms=100 balancer_fastinter_ms=100 faults=20",
        1,
        daemon="haproxy",
    ),
    _step(
        "slow_server",
        "health_checks fault=slow slow_delay_ms=40,80 balancer_layer=4,7 balancer_check_ms=300"
        " balancer_timeout_ms=100 faults=20",
        1,
        daemon="haproxy",
    ),
    _step(
        "peers",
        "requests fault=router_crash balancer_layer=7 vrrp_advert_ms=100 balancer_stick=true"
        " balancer_peers=true,false clients=30",
        5,
        daemon="haproxy",
    ),
    _step(
        "requests",
        "requests fault=router_crash,service_crash,service_pause,service_stop balancer_layer=4,7 vrrp_advert_ms=100",
        1,
        daemon="haproxy",
    ),
)

CAMPAIGN: tuple[Step, ...] = (
    _step(
        "aggregation",
        "aggregation mode=balance-rr,active-backup,balance-xor,802.3ad members=1,2,4,8 placement=even flows=16"
        f" {_TRANSFER}",
        20,
        quick="mode=802.3ad members=1,2,4",
    ),
    _step("failover", "failover mode=active-backup,802.3ad fault=carrier_loss", 20, quick="", quick_repetitions=3),
    # Its trials of the cells that failover has are the same trials.
    _step(
        "matrix",
        "failover mode=all fault=all",
        20,
        quick="mode=active-backup,802.3ad fault=carrier_loss,silent_loss,slow,none",
    ),
    *_BANDWIDTH,
    *_OUTAGES,
    *_ATLAS,
    *_CONTROLLER,
    *_SERVICES,
    *_AUDITS,
)
