"""What a network is, as frozen values."""

from __future__ import annotations

from testbed.spec.addressing import Addressing
from testbed.spec.balancer import Balancer, BalancerOptions
from testbed.spec.bgp import Bgp, BgpOptions, BgpSession, BgpSpeaker
from testbed.spec.bond import (
    LACP_RATES,
    MODES,
    PRIMARY_RESELECT,
    STATIC_LAG_MODES,
    XMIT_HASH_POLICIES,
    Bond,
    BondOptions,
    parse_mode,
)
from testbed.spec.fast_failover import FastFailover
from testbed.spec.firewall import Firewall, FirewallOptions, Published
from testbed.spec.host import Host
from testbed.spec.lag import LacpOptions, Lag, LagOptions
from testbed.spec.link import RATE_RANGE_MBPS, Cable, Link, Port
from testbed.spec.router import Attachment, Router
from testbed.spec.server import Server
from testbed.spec.site import SiteOptions, Sites
from testbed.spec.spanning import SpanningTree
from testbed.spec.static import StaticOptions, StaticRoute, StaticRoutes
from testbed.spec.switch import LacpSystem, Switch, SwitchSide
from testbed.spec.topology import Topology
from testbed.spec.vrrp import Vrrp, VrrpOptions

__all__ = [
    "LACP_RATES",
    "MODES",
    "PRIMARY_RESELECT",
    "RATE_RANGE_MBPS",
    "STATIC_LAG_MODES",
    "XMIT_HASH_POLICIES",
    "Addressing",
    "Attachment",
    "Balancer",
    "BalancerOptions",
    "Bgp",
    "BgpOptions",
    "BgpSession",
    "BgpSpeaker",
    "Bond",
    "BondOptions",
    "Cable",
    "FastFailover",
    "Firewall",
    "FirewallOptions",
    "Host",
    "LacpOptions",
    "LacpSystem",
    "Lag",
    "LagOptions",
    "Link",
    "Port",
    "Published",
    "Router",
    "Server",
    "SiteOptions",
    "Sites",
    "SpanningTree",
    "StaticOptions",
    "StaticRoute",
    "StaticRoutes",
    "Switch",
    "SwitchSide",
    "Topology",
    "Vrrp",
    "VrrpOptions",
    "parse_mode",
]
