"""The Ryu application: packet-in, port-status and timers go in, effects of the LACP systems come out.

A shim: what to do is decided by testbed.lacp and testbed.controller.forwarding. It runs on os-ken.
Its configuration is the file that the environment variable TESTBED_CONTROLLER names.
Each line that it prints is one event in JSON, with the time of day in seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from os_ken.base import app_manager
from os_ken.controller import event, ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_5

from testbed.controller import forwarding
from testbed.controller.config import Configuration, PortId, load
from testbed.controller.forwarding import Flow, Group, Lagged, Place, SwitchState
from testbed.controller.selection_method import experimenter_data
from testbed.lacp import Collect, Distribute, Effect, LagConfig, PduError, PortConfig, System, Transmit, unwrap
from testbed.lacp import Event as LacpEvent
from testbed.lacp.config import Mode, Rate


class EventTimer(event.EventBase):
    """A LACP timer is due."""


class Datapath:
    """One connected switch: its state, and the groups and flows that it has been given."""

    def __init__(self, connection: Any, state: SwitchState) -> None:
        self.connection = connection
        self.state = state
        self.groups: dict[int, Group] = {}
        self.flows: dict[Place, Flow] = {}

    def clear(self) -> None:
        """Forget whatever an earlier controller left on the switch."""
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        self.connection.send_msg(
            parser.OFPFlowMod(
                self.connection,
                table_id=protocol.OFPTT_ALL,
                command=protocol.OFPFC_DELETE,
                out_port=protocol.OFPP_ANY,
                out_group=protocol.OFPG_ANY,
            )
        )
        self.connection.send_msg(
            parser.OFPGroupMod(
                self.connection,
                command=protocol.OFPGC_DELETE,
                group_id=protocol.OFPG_ALL,
                command_bucket_id=protocol.OFPG_BUCKET_ALL,
            )
        )

    def program(self) -> None:
        """Bring groups and flows to what the state asks for."""
        groups = forwarding.groups(self.state)
        flows = forwarding.flows(self.state)
        for address, logical in self.state.macs.items():
            flows |= forwarding.mac_flows(address, logical)
        added, deleted = forwarding.changes(self.flows, flows)
        protocol = self.connection.ofproto
        for number, group in groups.items():
            if self.groups.get(number) != group:
                command = protocol.OFPGC_MODIFY if number in self.groups else protocol.OFPGC_ADD
                self._send_group(command, number, group)
        for place in deleted:
            self._send_flow(protocol.OFPFC_DELETE_STRICT, place, Flow())
        for place, flow in added:
            self._send_flow(protocol.OFPFC_ADD, place, flow)
        for number in self.groups.keys() - groups.keys():
            self._send_group(protocol.OFPGC_DELETE, number, self.groups[number])
        self.groups, self.flows = groups, flows

    def send(self, port: int, frame: bytes) -> None:
        """Send a frame out of a port."""
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        self.connection.send_msg(
            parser.OFPPacketOut(
                self.connection,
                buffer_id=protocol.OFP_NO_BUFFER,
                match=parser.OFPMatch(in_port=protocol.OFPP_CONTROLLER),
                actions=[parser.OFPActionOutput(port)],
                data=frame,
            )
        )

    def _send_group(self, command: int, number: int, group: Group) -> None:
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        selects = group.kind == forwarding.SELECT
        buckets: list[Any] = []
        for bucket in group.buckets:
            if bucket.port is None:
                buckets.append(parser.OFPBucket(len(buckets), [parser.OFPActionGroup(bucket.group)], []))
                continue
            properties = []
            if selects:
                properties.append(parser.OFPGroupBucketPropWeight(weight=1, type_=protocol.OFPGBPT_WEIGHT))
                properties.append(parser.OFPGroupBucketPropWatch(watch=bucket.port, type_=protocol.OFPGBPT_WATCH_PORT))
            buckets.append(parser.OFPBucket(bucket.port, [parser.OFPActionOutput(bucket.port)], properties))
        self.connection.send_msg(
            parser.OFPGroupMod(
                self.connection,
                command=command,
                type_=protocol.OFPGT_SELECT if selects else protocol.OFPGT_ALL,
                group_id=number,
                command_bucket_id=protocol.OFPG_BUCKET_ALL,
                buckets=buckets,
                properties=[self._selection()] if selects else [],
            )
        )

    def _selection(self) -> Any:
        experimenter, kind, data = experimenter_data()
        return self.connection.ofproto_parser.OFPGroupPropExperimenter(
            type_=self.connection.ofproto.OFPGPT_EXPERIMENTER, experimenter=experimenter, exp_type=kind, data=data
        )

    def _send_flow(self, command: int, place: Place, flow: Flow) -> None:
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        table, priority, match = place
        actions = []
        for kind, number in flow.actions:
            if kind == "controller":
                actions.append(parser.OFPActionOutput(protocol.OFPP_CONTROLLER, protocol.OFPCML_NO_BUFFER))
            elif kind == "group":
                actions.append(parser.OFPActionGroup(number))
            else:
                actions.append(parser.OFPActionOutput(number))
        instructions = []
        if actions:
            instructions.append(parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, actions))
        if flow.metadata is not None:
            instructions.append(parser.OFPInstructionWriteMetadata(flow.metadata, 0xFFFF_FFFF))
        if flow.goto is not None:
            instructions.append(parser.OFPInstructionGotoTable(flow.goto))
        self.connection.send_msg(
            parser.OFPFlowMod(
                self.connection,
                table_id=table,
                priority=priority,
                command=command,
                match=parser.OFPMatch(**dict(match)),
                instructions=instructions,
                out_port=protocol.OFPP_ANY,
                out_group=protocol.OFPG_ANY,
            )
        )


class Controller(app_manager.OSKenApp):
    """Answers LACP for the switches' LAGs, and forwards between hosts that may be bonded."""

    OFP_VERSIONS = (ofproto_v1_5.OFP_VERSION,)
    _EVENTS = (EventTimer,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration = load(Path(os.environ["TESTBED_CONTROLLER"]))
        self.datapaths: dict[int, Datapath] = {}
        self.systems = _systems(self.configuration)
        self.system_of = {
            port: self.systems[lag.system]
            for lag in self.configuration.lags
            if lag.lacp != "off"
            for port in self.configuration.ports[lag.name]
        }
        self._hardware: dict[PortId, str] = {}
        self._alarm = hub.Event()
        self._deadline: float | None = None

    def start(self) -> Any:
        """Start the application's threads: its events' and its timers'."""
        hub.spawn(self._keep_time)
        return super().start()

    def _keep_time(self) -> None:
        """Turn the next deadline into an event, so that the systems are touched only where events are handled."""
        while True:
            self._alarm.clear()
            deadline = self._deadline
            if deadline is None:
                self._alarm.wait(None)
            elif (remaining := deadline - time.monotonic()) > 0:
                self._alarm.wait(remaining)
            else:
                self._deadline = None  # the event's handler sets the next one
                self.send_event(self.name, EventTimer())

    def _wind_up(self) -> None:
        """Set the alarm for the next deadline of any system."""
        deadlines = [at for system in self.systems.values() if (at := system.next_timer()) is not None]
        self._deadline = min(deadlines, default=None)
        self._alarm.set()

    @set_ev_cls(EventTimer)
    def on_timer(self, _event: EventTimer) -> None:
        """LACP timers are due."""
        for system in self.systems.values():
            self._act(system.handle_timer(time.monotonic()))
        self._wind_up()

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def on_switch_features(self, event_: Any) -> None:
        """A switch has connected: clear it and ask for its ports."""
        connection = event_.msg.datapath
        state = SwitchState(lags=_lags_on(self.configuration, connection.id))
        datapath = Datapath(connection, state)
        datapath.clear()
        self.datapaths[connection.id] = datapath
        connection.send_msg(connection.ofproto_parser.OFPPortDescStatsRequest(connection, 0))
        log("controller", "switch_connected", dpid=connection.id)

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def on_ports(self, event_: Any) -> None:
        """The ports of a switch that has just connected."""
        for port in event_.msg.body:
            self._set_port(event_.msg.datapath.id, port)
        self._program(event_.msg.datapath.id)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def on_error(self, event_: Any) -> None:
        """A switch refused a message: that is always a defect of ours, so it is told."""
        message = event_.msg
        log("controller", "error", dpid=message.datapath.id, type=message.type, code=message.code)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def on_port_status(self, event_: Any) -> None:
        """A port came, went, or changed."""
        message = event_.msg
        gone = message.reason == message.datapath.ofproto.OFPPR_DELETE
        self._set_port(message.datapath.id, message.desc, gone=gone)
        self._program(message.datapath.id)

    @set_ev_cls(ofp_event.EventOFPStateChange, DEAD_DISPATCHER)
    def on_dead(self, event_: Any) -> None:
        """A switch is gone: its LACP ports can neither send nor receive."""
        dpid = event_.datapath.id
        if dpid is None or self.datapaths.get(dpid) is None or self.datapaths[dpid].connection is not event_.datapath:
            return
        log("controller", "switch_disconnected", dpid=dpid)
        datapath = self.datapaths.pop(dpid)
        for number in datapath.state.ports:
            self._set_carrier((dpid, number), False)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def on_packet_in(self, event_: Any) -> None:
        """A Slow Protocols frame, or one whose source address is not known where it came in."""
        message = event_.msg
        port = (message.datapath.id, message.match["in_port"])
        frame = bytes(message.data)
        if message.table_id == forwarding.ADMIT:
            if (system := self.system_of.get(port)) is not None:
                try:
                    payload = unwrap(frame)
                except PduError as error:
                    log("lacp", "bad_frame", port=_name(port), reason=str(error))
                    return
                self._act(system.receive(port, payload, time.monotonic()))
                self._wind_up()
        elif len(frame) >= 12:
            self._learn(port, frame[6:12].hex(":"))

    def _learn(self, port: PortId, address: str) -> None:
        datapath = self.datapaths.get(port[0])
        if datapath is None or forwarding.is_group_address(address):
            return
        logical = datapath.state.logical(port[1])
        if datapath.state.macs.get(address) != logical:
            datapath.state.macs[address] = logical
            log("controller", "learned", address=address, dpid=port[0], logical_port=logical)
            datapath.program()

    def _set_port(self, dpid: int, description: Any, *, gone: bool = False) -> None:
        datapath = self.datapaths.get(dpid)
        number = description.port_no
        if datapath is None or number > datapath.connection.ofproto.OFPP_MAX:
            return
        protocol = datapath.connection.ofproto
        down = bool(description.config & protocol.OFPPC_PORT_DOWN or description.state & protocol.OFPPS_LINK_DOWN)
        carrier = not down and not gone
        state = datapath.state
        if state.ports.get(number) != carrier:
            log("controller", "port_status", port=_name((dpid, number)), carrier=carrier)
        state.ports[number] = carrier
        if gone:
            del state.ports[number]
        self._hardware[dpid, number] = description.hw_addr
        if not carrier and state.logical(number) == number:
            state.macs = {address: logical for address, logical in state.macs.items() if logical != number}
        self._set_carrier((dpid, number), carrier)

    def _set_carrier(self, port: PortId, carrier: bool) -> None:
        if (system := self.system_of.get(port)) is not None:
            self._act(system.set_carrier(port, carrier, time.monotonic()))
            self._wind_up()
        elif (datapath := self.datapaths.get(port[0])) is not None:
            for lag in datapath.state.lags.values():
                if port[1] in lag.ports:  # a static LAG: carrier is all that there is to know
                    up = tuple(number for number in lag.ports if datapath.state.ports.get(number))
                    lag.collecting = lag.distributing = up

    def _program(self, dpid: int) -> None:
        if (datapath := self.datapaths.get(dpid)) is not None:
            datapath.program()

    def _act(self, effects: Iterable[Effect]) -> None:
        """Carry out what a LACP system asks for, in its order."""
        for effect in effects:
            if isinstance(effect, Transmit):
                self._transmit(effect)
            elif isinstance(effect, LacpEvent):
                log(
                    "lacp",
                    "transition",
                    lag=effect.lag,
                    port=None if effect.port is None else _name(effect.port),
                    machine=effect.machine,
                    old=effect.old,
                    new=effect.new,
                    cause=effect.cause,
                )
            else:
                self._apply(effect)

    def _transmit(self, effect: Transmit) -> None:
        dpid, number = _port_id(effect.port)
        if (datapath := self.datapaths.get(dpid)) is not None:
            datapath.send(number, effect.frame(self._hardware[dpid, number]))

    def _apply(self, effect: Collect | Distribute) -> None:
        ports = [_port_id(port) for port in effect.ports]
        log("controller", type(effect).__name__.lower(), lag=effect.lag, ports=[_name(port) for port in ports])
        for dpid, datapath in self.datapaths.items():
            lag = datapath.state.lags.get(effect.lag)
            if lag is None:
                continue
            numbers = tuple(number for owner, number in ports if owner == dpid)
            if isinstance(effect, Collect):
                lag.collecting = numbers
            else:
                lag.distributing = numbers
            datapath.program()


def _systems(configuration: Configuration) -> dict[str, System]:
    """The LACP systems with their LAGs and ports; a port's number in its system is its place in the file."""
    systems = {item.name: System(item.system, item.priority) for item in configuration.systems}
    numbers = dict.fromkeys(systems, 0)
    for lag in configuration.lags:
        if lag.lacp == "off":
            continue
        mode: Mode = "passive" if lag.lacp == "passive" else "active"
        rate: Rate = "slow" if lag.rate == "slow" else "fast"
        systems[lag.system].add_lag(
            LagConfig(
                lag.name,
                key=lag.key,
                mode=mode,
                rate=rate,
                min_links=lag.min_links,
                early_collecting=lag.early_collecting,
            )
        )
        for port in configuration.ports[lag.name]:
            numbers[lag.system] += 1
            config = PortConfig(port, lag=lag.name, number=numbers[lag.system])
            systems[lag.system].add_port(config, time.monotonic())
    return systems


def _lags_on(configuration: Configuration, dpid: int) -> dict[str, Lagged]:
    indices = {lag.name: index for index, lag in enumerate(configuration.lags)}
    return {
        lag.name: Lagged(indices[lag.name], configuration.port_numbers(lag.name, dpid))
        for lag in configuration.lags_of(dpid)
    }


def _port_id(port: Any) -> PortId:
    dpid, number = port
    return int(dpid), int(number)


def _name(port: Any) -> str:
    return f"{port[0]:x}:{port[1]}"


def log(source: str, event_: str, **details: Any) -> None:
    """Print one event, in JSON."""
    line: Mapping[str, Any] = {"time": time.time(), "source": source, "event": event_, **details}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
