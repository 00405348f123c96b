"""gdnsd, an authoritative name server that answers with the servers that pass its own health checks.

    www.service.example   A   the first server that passes, in the order that is set for the client's subnet (geoip)
                              by hand: the server that an operator has written into the zone

Its checks are HTTP requests at a fixed interval (gdnsd-plugin-http_status(8)); down_thresh failures take a server out,
as ok_thresh 1 makes them count in a row, and up_thresh successes put it back (gdnsd.config(5)). The TTL is fixed: by
default gdnsd shortens it when a change may be near (gdnsd.zonefile(5), DYNA/DYNC TTLs). If all fail, it answers with
the first one (gdnsd-plugin-metafo(8)).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from testbed.errors import TrialError
from testbed.services.service import Service
from testbed.spec import Sites, Topology
from testbed.spec.server import HEALTH
from testbed.spec.site import NAME, ZONE

#: The port of DNS (RFC 1035, 4.2.1).
PORT = 53
#: The least TTL that gdnsd gives unless it is told of a shorter one (gdnsd.config(5), min_ttl).
_MIN_TTL_S = 5
_STATE = re.compile(r"state of '([^'/]+)/web' (?:initialized|changed from \S+) to (UP|DOWN)")


@dataclass(frozen=True)
class Gdnsd(Service):
    """A name server of a service: the ``servers`` of its sites with their addresses, its own address, and those of all
    its name servers."""

    name: ClassVar[str] = "gdnsd"
    program: ClassVar[str] = "gdnsd"

    address: str
    beside: tuple[tuple[str, str], ...]
    servers: tuple[tuple[str, str], ...]
    port: int
    group: Sites

    @property
    def period_s(self) -> float:
        return self.group.check_ms / 1e3 or float(self.group.ttl_s)

    @property
    def slow_s(self) -> float:
        """A server that did not listen yet is in its answers after so many checks."""
        return self.group.rise * self.group.check_ms / 1e3

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"config": configuration(self, directory), f"zones/{ZONE}": zone(self)}

    def command(self, directory: Path) -> Sequence[str]:
        return [self.program, "-c", str(directory), "start"]

    def missing(self, directory: Path) -> str:
        """It takes connections at its control socket once it has read everything."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect(str(directory / "run" / "control.sock"))
            except OSError as error:
                return f"its control socket: {error}"
        return ""

    def unsettled(self, log: str, now: float) -> str:
        """The servers that do not pass its checks."""
        del now
        if self.group.by_hand:
            return ""
        last = dict(_STATE.findall(log))
        down = [name for name, address in self.servers if last.get(address) != "UP"]
        return f"{' and '.join(down)} not in its answers" if down else ""


def of(topology: Topology) -> list[Gdnsd]:
    """The name servers of every service whose sites are found by DNS."""
    ports = {each.host: each.port for each in topology.servers}
    return [
        Gdnsd(
            name,
            topology.host(name).ip,
            tuple((each, topology.host(each).ip) for each in group.name_servers),
            tuple((each, topology.host(each).ip) for each in group.servers),
            ports[group.servers[0]],
            group,
        )
        for group in topology.sites
        for name in group.name_servers
    ]


def configuration(service: Gdnsd, directory: Path) -> str:
    """The text of gdnsd's file config; by hand all that it answers is in its zone."""
    if service.group.by_hand:
        return _options(service, directory)
    group = service.group
    places = "".join(f"          {name} => {address}\n" for name, address in service.servers)
    orders = {subnet: group.order(str(ipaddress.ip_network(subnet)[0])) for subnet in group.near}
    nets = "".join(f"          {subnet} => [ {', '.join(order)} ]\n" for subnet, order in orders.items())
    near = f"        nets => {{\n{nets}        }}\n" if nets else "        nets => { }\n"
    return f"""\
{_options(service, directory)}service_types => {{
  web => {{
    plugin => http_status
    port => {service.port}
    url_path => {HEALTH}
    interval => {group.check_ms // 1000}
    timeout => {group.timeout_ms // 1000}
    down_thresh => {group.fall}
    ok_thresh => 1
    up_thresh => {group.rise}
  }}
}}
plugins => {{
  geoip => {{
    maps => {{
      near => {{
        datacenters => [ {", ".join(group.servers)} ]
{near}      }}
    }}
    resources => {{
      {NAME} => {{
        map => near
        service_types => web
        dcmap => {{
{places}        }}
      }}
    }}
  }}
}}
"""


def _options(service: Gdnsd, directory: Path) -> str:
    return f"""\
options => {{
  listen => [ {service.address}:{PORT} ]
  udp_threads => 1
  tcp_threads => 1
  min_ttl => {min(service.group.ttl_s, _MIN_TTL_S)}
  run_dir => {directory}/run
  state_dir => {directory}/state
}}
"""


def zone(service: Gdnsd, place: int = 0) -> str:
    """The zone of the service's name (RFC 1035, 5); by hand it leads to the site of that ``place``."""
    ttl_s = service.group.ttl_s
    other_s = min(ttl_s, _MIN_TTL_S)
    by_hand = f"{NAME} {ttl_s} A {service.servers[place][1]}"
    found = by_hand if service.group.by_hand else f"{NAME} {ttl_s}/{ttl_s} DYNA geoip!{NAME}"
    return f"""\
$TTL {other_s}
@ SOA {service.beside[0][0]} hostmaster ( 1 7200 1800 259200 {other_s} )
{"".join(f"@ NS {name}{chr(10)}{name} A {address}{chr(10)}" for name, address in service.beside)}{found}
"""


def lead(service: Gdnsd, directory: Path, place: int) -> None:
    """Its operator has a running name server answer with the site of that ``place`` (gdnsdctl(8), reload-zones).

    Errors: TrialError with what it says if it does not take that.
    """
    (directory / "zones" / ZONE).write_text(zone(service, place))
    command = ["gdnsdctl", "-c", str(directory), "reload-zones"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise TrialError(f"gdnsd of {service.node} refuses its zone: {' '.join(done.stderr.split())}")
