"""The options of Mininet's nodes and links: which are taken over, which say what is so anyway, and why others are not.

    taken over    host: ip, mac      switch: dpid      link: bw, delay, max_queue_size, addr1, addr2
    as it is      cls=TCLink, use_htb, loss=0, jitter=0, failMode='secure' ...: nothing is lost by leaving them out
    refused       all else, with the reason and what to do instead

The meanings are those of Mininet 2.3 (mininet/link.py, mininet/node.py, mininet/net.py) and of tc(8).
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Any

from testbed.errors import SpecError
from testbed.spec import Cable

#: Mininet's classes that are what is built here, by the kind of what they make. CPULimitedHost limits by `cpu` only.
_CLASSES = {
    "host": ("Host", "Node", "CPULimitedHost"),
    "switch": ("OVSSwitch", "OVSKernelSwitch"),
    "link": ("Link", "TCLink", "TCULink", "OVSLink"),
    "interface": ("Intf", "TCIntf"),
}
#: Options with the values that change nothing here. None always means: not given.
_AS_IT_IS: dict[str, dict[str, tuple[Any, ...]]] = {
    "host": {"inNamespace": (True,), "sched": ("cfs",), "cpu": (-1,), "defaultRoute": ("",)},
    "switch": {
        **{"isSwitch": (True,), "failMode": ("secure",), "datapath": ("kernel",), "stp": (False,), "inband": (False,)},
        **{"batch": (True, False), "reconnectms": (1000,), "opts": ("",), "inNamespace": (False,), "verbose": (False,)},
    },
    "link": {
        **{"loss": (0,), "jitter": (0, ""), "use_htb": (True, False), "use_hfsc": (False,), "use_tbf": (False,)},
        **{"enable_ecn": (False,), "enable_red": (False,), "speedup": (0,), "gro": (False,), "disable_gro": (True,)},
        **{"txo": (True,), "rxo": (True,), "fast": (True, False), "params1": ({},), "params2": ({},)},
    },
}
_ROUTED = "all hosts are in one subnet here, and nothing is routed"
_OWN_RATE = "a link keeps its rate by HTB here, with the qdisc of --set qdisc=pfifo, fq or fq_codel behind it"
#: Why an option is not taken over, and what to do instead.
_REFUSED: dict[str, tuple[str, str]] = {
    "loss": ("loss is a fault here", "Delete it, and type for example: --set fault=lossy --set loss_percent={}"),
    "jitter": ("a link's delay is constant here", "Delete it. A delay that begins during a trial: --set fault=slow"),
    "defaultRoute": (_ROUTED, "Delete it, with the router that it leads to."),
    "cpu": ("the processor of a host is not limited here", "Delete it."),
    "cores": ("the processor of a host is not limited here", "Delete it."),
    "inNamespace": ("every host has a network namespace of its own, and no switch has", "Delete it."),
    "vlan": ("hosts of one network are in one VLAN here", "Delete it, and type for example: --set vlan={}"),
    "protocols": (
        "the controller decides which OpenFlow its switches speak",
        "Delete it. See: testbed list controllers",
    ),
    "failMode": ("a switch without a controller is chosen for the whole network", "Type: --set controller=none"),
    "stp": ("parallel links are LAGs here, and the controller computes paths without loops", "Delete it."),
    "datapath": ("a switch is Open vSwitch with the kernel's datapath here", "Delete it."),
    "use_hfsc": (_OWN_RATE, "Delete it."),
    "use_tbf": (_OWN_RATE, "Delete it."),
    "latency_ms": (_OWN_RATE, "Delete it."),
    "enable_ecn": (_OWN_RATE, "Delete it."),
    "enable_red": (_OWN_RATE, "Delete it."),
    "params1": ("an interface has no options of its own here", "Give a host its address as addHost(..., ip=...)."),
    "params2": ("an interface has no options of its own here", "Give a host its address as addHost(..., ip=...)."),
}
_OTHER = ("it has no equivalent here", "Delete it.")
#: The units of tc(8) for times, in milliseconds; a bare number is in microseconds.
_UNITS_MS = {
    **dict.fromkeys(("s", "sec", "secs"), 1e3),
    **dict.fromkeys(("ms", "msec", "msecs"), 1.0),
    **dict.fromkeys(("", "us", "usec", "usecs"), 1e-3),
    **dict.fromkeys(("ns", "nsec", "nsecs"), 1e-6),
}


def given(kind: str, which: str, options: Mapping[str, Any], taken: tuple[str, ...]) -> dict[str, Any]:
    """The options of a host, switch or link, those in ``taken``; of those that change nothing, none.

    Errors: SpecError for every other option and for a class that is not Mininet's own.
    """
    found: dict[str, Any] = {}
    cls = options.get("cls")
    if isinstance(cls, functools.partial):
        options = {**cls.keywords, **options, "cls": cls.func}
    for name, value in options.items():
        if value is None:
            continue
        if name == "cls":
            _check_class(kind, kind, which, value)
        elif name in ("cls1", "cls2", "intf") and kind == "link":
            _check_class("interface", kind, which, value)
        elif name in taken:
            found[name] = value
        elif not any(value == each for each in _AS_IT_IS[kind].get(name, ())):
            why, hint = _REFUSED.get(name, _OTHER)
            raise SpecError(f"{which} has {name}={value!r}: {why}", hint.format(value))
    return found


def check(kind: str, node: str, options: Mapping[str, Any]) -> None:
    """Errors: SpecError for an address or a datapath id of a host or switch that is none."""
    if "mac" in options:
        mac(options["mac"], f"{kind} {node}")
    if "ip" in options:
        address(options["ip"], f"{kind} {node}")
    if "dpid" in options:
        dpid(node, options)


def _check_class(kind: str, of: str, which: str, cls: Any) -> None:
    name, module = getattr(cls, "__name__", str(cls)), str(getattr(cls, "__module__", ""))
    if name in _CLASSES[kind] and module.startswith("mininet."):
        return
    hint = {
        "host": f"Other nodes, such as routers, are not built: {_ROUTED}.",
        "switch": "For switches without a controller, delete cls and type: --set controller=none",
        "link": "Delete it, and give the link bw, delay and max_queue_size.",
    }[of]
    what = "" if module.startswith("mininet.") else "a class of its own, "
    raise SpecError(f"{which} is of {what}{name}; wanted {' or '.join(_CLASSES[kind])} of Mininet", hint)


def cable(cable: Cable, options: Mapping[str, Any], which: str) -> Cable:
    """The cable with a link's own ``bw``, ``delay`` and ``max_queue_size``. Errors: SpecError."""
    changes: dict[str, Any] = {}
    if "bw" in options:
        changes["rate_mbps"] = _number(float, "bw", options["bw"], which, "Mbit/s, such as 10")
    if "delay" in options:
        changes["delay_ms"] = delay_ms(options["delay"], which)
    if "max_queue_size" in options:
        wanted = "packets, such as 100"
        changes["queue_packets"] = _number(int, "max_queue_size", options["max_queue_size"], which, wanted)
    return dataclasses.replace(cable, **changes)


def _number(kind: type[int] | type[float], name: str, value: Any, which: str, wanted: str) -> float:
    try:
        found = kind(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if (
        isinstance(value, bool)
        or not math.isfinite(found)
        or (kind is int and not isinstance(value, str) and found != value)
    ):
        raise SpecError(f"{which} has {name}={value!r}: no number; wanted {wanted}")
    return found


def delay_ms(text: Any, which: str) -> float:
    """A delay in milliseconds, as tc(8) takes it. Errors: SpecError."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", str(text).strip().lower())
    if not found or found[2] not in _UNITS_MS:
        raise SpecError(
            f"{which} has delay={text!r}: no time; wanted a number with us, ms or s, such as '5ms';"
            " a bare number is in microseconds (tc(8))"
        )
    return round(float(found[1]) * _UNITS_MS[found[2]], 9)


def address(text: Any, which: str) -> str:
    """An IPv4 address with its prefix length; without one Mininet's Node.setIP has 8. Errors: SpecError."""
    full = text if "/" in str(text) else f"{text}/8"
    try:
        ipaddress.IPv4Interface(full)
    except ValueError:
        raise SpecError(f"{which} has ip={text!r}: no IPv4 address, such as '10.0.0.1/24'") from None
    return str(full)


def mac(text: Any, which: str) -> str:
    """A MAC address in lower case. Errors: SpecError, also for one that no interface can have."""
    found = str(text).lower()
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", found):
        raise SpecError(f"{which} has the MAC address {text!r}; wanted one such as '00:00:00:00:00:01'")
    if int(found[:2], 16) & 1 or found == "00:00:00:00:00:00":
        raise SpecError(f"{which} has the MAC address {text!r}, which is no single interface's (IEEE 802, 8.2)")
    return found


def dpid(name: str, options: Mapping[str, Any]) -> int | None:
    """The datapath id of a switch: its own, in hexadecimal, or the first number in its name, as Mininet has it; None
    without either. Errors: SpecError."""
    if "dpid" not in options:
        number = re.search(r"\d+", name)
        return int(number[0]) if number and int(number[0]) > 0 else None
    text = options["dpid"]
    digits = text.replace(":", "") if isinstance(text, str) else ""
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}", digits):
        raise SpecError(f"switch {name} has dpid={text!r}; wanted 1 to 16 hexadecimal digits as text, such as '1f'")
    return int(digits, 16)
