"""What of a case its network has: no case names a level that was not built. Pure.

    the level is an argument of the topology    the network that is built shows it, or the case is refused
    the topology has no such argument           the network has the level anyway, or the case is refused
    nothing in the network has such an option   the case is refused; a factor that only the experiment names is dropped

So what a user types is built or refused. What an experiment brings along, as the mode, becomes what the network has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.errors import SpecError
from testbed.schemes import requirements
from testbed.spec import Addressing, BondOptions, Cable, Lag, LagOptions, Topology
from testbed.spec.bond import Bond, idle

#: The default of an argument that a topology chooses by the other levels.
AS_FITS = -1
#: What `--set` calls the pair of hosts that is measured: two names joined by a plus sign.
PAIR = "pair"


def settings(value: Any) -> dict[str, str]:
    """What --set calls each field of a dataclass: by its name, unless its metadata names a ``setting``."""
    return {field.metadata.get("setting", field.name): field.name for field in dataclasses.fields(value)}


def needed(value: Any) -> dict[str, tuple[str, ...]]:
    """By its ``setting``: what a field of a dataclass has no effect without, by the ``needs`` of its metadata.

    Each is the name of another argument that must not be 0 or false, or such a name, an equals sign and a level, or !=
    and a level that it must not have; an argument that a topology has not is not needed there.
    """
    fields = dataclasses.fields(value)
    return {each.metadata["setting"]: each.metadata["needs"] for each in fields if "needs" in each.metadata}


_BOND, _LAG, _CABLE = settings(BondOptions()), settings(LagOptions()), settings(Cable())
#: The options that a LAG has without LACP as well.
_OF_ANY_LAG = ("lag_lacp", *(requirements.OPTIONS[field] for field in requirements.OF_ANY_LAG))
#: The options that topologies share, with their defaults: a factor of such a name is always the network's.
SHARED: dict[str, Level] = {
    setting: getattr(value, field)
    for value in (BondOptions(), LagOptions(), Cable(), Addressing())
    for setting, field in settings(value).items()
} | {"rx_coalesce_us": 100, "members": 2}


@dataclass(frozen=True)
class Settled:
    """A case whose every level its network has; and, by factor, what was changed in it and why."""

    case: dict[str, Level]
    network: Topology
    changed: dict[str, str]


class Networks:
    """The networks of a run, each built once. ``arguments`` are the topology's, with their defaults; ``needs`` says
    what some of them have no effect without (`needed`). ``elsewhere``: which of our topologies have an argument; None:
    the topology is a user's, who may give it one."""

    def __init__(
        self,
        build: Callable[[Mapping[str, Level]], Topology],
        arguments: Mapping[str, Level],
        needs: Mapping[str, Sequence[str]] = MappingProxyType({}),
        elsewhere: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        self._build = build
        self.arguments = arguments
        self._needs = needs
        self._elsewhere = elsewhere
        self._found: dict[tuple[tuple[str, Level], ...], Topology | SpecError] = {}

    def of(self, case: Mapping[str, Level]) -> Topology:
        """The network of a case. Errors: SpecError for one that is not possible."""
        key = tuple((name, level) for name, level in case.items() if name in self.arguments or name == PAIR)
        if key not in self._found:
            try:
                self._found[key] = self._build(dict(key))
            except SpecError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, SpecError):
            raise found
        return found

    def how(self, name: str, here: str) -> str:
        """What to type, or to write into the topology's file, to have a factor; ``here`` is what the network has."""
        first = f"Type: --set {here}" if here else f"Leave --set {name} out"
        if self._elsewhere is None:
            return f"{first}. To vary it, add to the topology's function: {_argument(name)}"
        others = self._elsewhere(name)
        return f"{first}, or take a topology that has it: {listed(others)}" if others else f"{first}."

    def lacking(self, case: Mapping[str, Level], name: str) -> str:
        """What an argument has no effect without, and the case has not; empty: nothing."""
        for need in self._needs.get(name, ()):
            other, differs, wanted = need.partition("!=" if "!=" in need else "=")
            if other in self.arguments:
                level = case.get(other, self.arguments[other])
                if not level if not wanted else (shown(level) == wanted) == (differs == "!="):
                    return need
        return ""

    def same(self, case: Mapping[str, Level], name: str, level: Level) -> bool:
        """Whether the network is the same with another level of that argument, as far as its controller heeds it."""
        heeded = schemes.chosen(case).heeded
        try:
            return heeded(self.of({**case, name: level})) == heeded(self.of(case))
        except SpecError:
            return False


def settled(
    networks: Networks,
    case: Mapping[str, Level],
    factors: Mapping[str, Sequence[Level]],
    *,
    named: Collection[str] = (),
    known: Mapping[str, Factor] = {},
) -> Settled:
    """The case as it can be carried out.

    ``factors`` are the factors of the network in this run, with their levels. Of these ``named`` are what --set named,
    ``known`` are the experiment's own. Errors: SpecError for a case that is refused.
    """
    own, changed = dict(case), dict[str, str]()
    for name in [name for name in factors if name in own and name in networks.arguments]:
        if need := networks.lacking(own, name):
            differs = "!=" in need
            why = f"it has no effect {'with' if differs else 'without'} {need.replace('!=', '=')}"
            if name in named:
                typed = f", or type: --set {need}" if "=" in need and not differs else ""
                raise SpecError(f"{name}={shown(own[name])}: {why}", f"Leave it out{typed}")
            del own[name]
            changed[name] = why
    for name in [name for name in factors if name in own and name not in networks.arguments]:
        _without_argument(networks, own, name, changed, given=name in named, factor=known.get(name))
    network = _possible(networks, own, [name for name in factors if name not in named], changed)
    scheme = schemes.chosen(own)
    if not network.switches and schemes.FACTOR.name in named and scheme.name != schemes.FACTOR.levels[0]:
        raise SpecError(f"controller={scheme.name}: topology {network.name!r} has no switch to control")
    for other in schemes.SCHEMES.values():
        for name in other.reads:
            if name in own and name not in scheme.reads:
                raise SpecError(f"{name}={own[name]}: controller {scheme.name} has no {name}")
    for name in [name for name in named if name in own and name not in networks.arguments]:
        if why := _not_of_scheme(own, name):
            raise SpecError(f"{name}={shown(own[name])}: {why}", requirements.OTHERS)
    for name in [name for name in factors if name in own and name in networks.arguments]:
        why = _idle(networks, own, name, factors[name])
        if why and name not in named:
            del own[name]
            changed[name] = why
        elif why or (why := _not_as_asked(networks, own, name, factors[name])):
            hint = requirements.OTHERS if _not_of_scheme(own, name) else ""
            raise SpecError(f"{name}={shown(own[name])}: {why}", hint)
    return Settled(own, network, changed)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def shown(level: Level) -> str:
    """A level as --set takes it."""
    return str(level).lower() if isinstance(level, bool) else str(level)


def _without_argument(
    networks: Networks,
    case: dict[str, Level],
    name: str,
    changed: dict[str, str],
    *,
    given: bool,
    factor: Factor | None,
) -> None:
    """A level that the topology cannot take: the network has it, or it becomes what the network has."""
    network = networks.of(case)
    found = present(network, name)
    lacks = f"topology {network.name!r} has no argument {name!r}"
    here = f"{name}={shown(found[0])}" if len(found) == 1 else ""
    if given and [case[name]] != found:
        what = f"its network has {here}" if here else "and nothing in its network has such an option"
        if len(found) > 1:
            what = f"in its network {name} is {' and '.join(map(shown, found))}"
        raise SpecError(f"{name}={shown(case[name])}: {lacks}; {what}", networks.how(name, here))
    if given:
        return
    if here and factor is not None and not _takes(factor, found[0]):
        raise SpecError(
            f"{lacks}, and its network has {here}, which the experiment does not take", networks.how(name, "")
        )
    if here:
        case[name] = found[0]
        changed[name] = f"{lacks}; its network has {here}"
    else:
        del case[name]
        what = f"in its network it is {' and '.join(map(shown, found))}" if found else "nothing in its network has it"
        changed[name] = f"{lacks}; {what}"


def _takes(factor: Factor, level: Level) -> bool:
    if factor.known is not None and level not in factor.known:
        return False
    return factor.least is None or isinstance(level, str) or level >= factor.least


def _argument(name: str) -> str:
    """The argument of a topology's function that a factor is of."""
    holders = {"bonding: BondOptions = BondOptions()": _BOND, "lag: LagOptions = LagOptions()": _LAG}
    holders["cable: Cable = Cable()"] = _CABLE
    holders["addressing: Addressing = Addressing()"] = settings(Addressing())
    return next((text for text, names in holders.items() if name in names), f"{name}: int = 2")


def _possible(networks: Networks, case: dict[str, Level], brought: Sequence[str], changed: dict[str, str]) -> Topology:
    """The network of a case, where need be without a factor that the experiment brought along and that does not act."""
    try:
        return networks.of(case)
    except SpecError as error:
        for name in brought:
            rest = {own: level for own, level in case.items() if own != name}
            try:
                network = networks.of(rest)
            except SpecError:
                continue
            if name in case and (why := _no_option(network, name)):
                del case[name]
                changed[name] = why
                return network
        raise error


def present(network: Topology, name: str) -> list[Level]:
    """The levels that a network has of a shared option, or of another countable thing; none where nothing has it."""
    found: list[Any]
    if name in _BOND:
        found = [getattr(bond, _BOND[name]) for bond in _bonds(network) if not idle(bond, _BOND[name])]
    elif name in _LAG:
        lags = network.lags if name in _OF_ANY_LAG else _negotiated(network)
        found = [getattr(lag, _LAG[name]) for lag in lags]
    elif name in _CABLE:
        found = [getattr(link, _CABLE[name]) for link in network.links]
    elif name == "members":
        found = [len(network.members(host)) for host in network.pair]
    else:
        host = {"ip": "ip_version", "vlan": "vlan", "rx_coalesce_us": "rx_coalesce_us"}.get(name)
        found = [getattr(each, host) for each in network.hosts] if host else []
        found += [len(getattr(network, name))] if name in ("hosts", "switches") else []
    return list(dict.fromkeys(found))


def _readable(name: str) -> bool:
    """Whether the level of an argument can be read from a network; what ``members`` counts is up to the topology."""
    return name in SHARED and name != "members"


def _bonds(network: Topology) -> list[Bond]:
    return [host.bond for host in network.hosts if host.bond is not None]


def _negotiated(network: Topology) -> list[Lag]:
    return [lag for lag in network.lags if lag.lacp != "off"]


def _no_option(network: Topology, name: str) -> str:
    """Why nothing in the network has a shared option; empty if something has it, or it is no shared option."""
    if name in _BOND and not present(network, name):
        reasons = dict.fromkeys(idle(bond, _BOND[name]) for bond in _bonds(network))
        return "; ".join(reasons) or f"no host of topology {network.name!r} has a bond"
    if name in _LAG and not present(network, name):
        modes = ", ".join(dict.fromkeys(bond.mode for bond in _bonds(network)))
        return f"topology {network.name!r} has no LAG with LACP" + (f" in mode {modes}" if modes else "")
    return ""


def _idle(networks: Networks, case: Mapping[str, Level], name: str, levels: Sequence[Level]) -> str:
    """Why the factor has no effect at all in the network of a case; empty if it has one."""
    network = networks.of(case)
    if why := _no_option(network, name):
        return why
    others = [] if _readable(name) else _others(networks, case, name, levels)
    if others and all(networks.same(case, name, each) for each in others):
        return f"the network of topology {network.name!r} is the same with {name}={shown(others[0])}"
    return ""


def _others(networks: Networks, case: Mapping[str, Level], name: str, levels: Sequence[Level]) -> list[Level]:
    """Other levels of a factor: those of the run and the topology's default, unless that is `AS_FITS`."""
    default = networks.arguments[name]
    found = dict.fromkeys(levels if default == AS_FITS else (*levels, default))
    return [each for each in found if each != case[name]]


def _not_of_scheme(case: Mapping[str, Level], name: str) -> str:
    """Why the controller of a case does not carry out an option of LAGs; empty if it does, or it is none."""
    scheme = schemes.chosen(case)
    if name not in _LAG or name in scheme.lag_options:
        return ""
    return f"{scheme.why_no_option}: controller {scheme.name} has no option {name}"


def _not_as_asked(networks: Networks, case: Mapping[str, Level], name: str, levels: Sequence[Level]) -> str:
    """Why a level is not what the network of a case has; empty if it is."""
    network, level = networks.of(case), case[name]
    if why := _not_of_scheme(case, name):
        return why
    if _readable(name):
        found = present(network, name)
        if level not in found:
            return f"in the network of topology {network.name!r} it is {' and '.join(map(shown, found)) or 'nowhere'}"
        return ""
    same = [each for each in _others(networks, case, name, levels) if networks.same(case, name, each)]
    if same:
        return f"the network of topology {network.name!r} is the same with {name}={shown(same[0])}"
    return ""
