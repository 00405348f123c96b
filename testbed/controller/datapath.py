"""One connected switch: turns tables (values) into OpenFlow 1.5 messages, and keeps a copy of what was programmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from testbed.controller.flow_tables import FAILOVER, SELECT, Bucket, Flow, Group, Part, Parts, Place, changes
from testbed.controller.selection_method import experimenter_data

#: The id of the bundle; there is one at a time.
_BUNDLE = 1


class Datapath:
    """The switch at the other end of ``connection``. Call `replace` first: its tables may hold anything.

    ``sent`` counts the messages by kind.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.programmed = False
        self.parts: Parts = {}
        self.groups: dict[int, Group] = {}
        """The groups that were programmed, by number."""
        self.sent: Counter[str] = Counter()
        self._in_bundle = False

    @property
    def flows(self) -> int:
        """How many flows were programmed."""
        return sum(len(part.flows) for part in self.parts.values())

    def replace(self, parts: Mapping[Hashable, Part]) -> None:
        """Replace all groups and flows of the switch by these parts.

        The switch does it in one step: a frame meets the old tables or the new ones, never a mixture (OpenFlow Switch
        Specification 1.5.1, 6.9: an atomic bundle). Equal tables may therefore be replaced while in use.
        """
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        self._control_bundle(protocol.OFPBCT_OPEN_REQUEST)
        self._in_bundle = True
        every_flow = {"table_id": protocol.OFPTT_ALL, "command": protocol.OFPFC_DELETE}
        anywhere = {"out_port": protocol.OFPP_ANY, "out_group": protocol.OFPG_ANY}
        self._send("flow_mod", parser.OFPFlowMod(self.connection, **every_flow, **anywhere))
        every_group = {"command": protocol.OFPGC_DELETE, "group_id": protocol.OFPG_ALL}
        every_bucket = {"command_bucket_id": protocol.OFPG_BUCKET_ALL}
        self._send("group_mod", parser.OFPGroupMod(self.connection, **every_group, **every_bucket))
        self.parts, self.groups = {}, {}
        self.program(parts)
        self._in_bundle = False
        self._control_bundle(protocol.OFPBCT_COMMIT_REQUEST)
        self.programmed = True

    def program(self, parts: Mapping[Hashable, Part]) -> None:
        """Change the switch's groups and flows to these parts, by name. An empty part is removed."""
        protocol = self.connection.ofproto
        found = changes({name: self.parts.get(name, Part()) for name in parts}, parts)
        for number, group in found.set_groups.items():
            self._send_group(protocol.OFPGC_MODIFY if number in self.groups else protocol.OFPGC_ADD, number, group)
        for place, flow in found.set_flows.items():
            self._send_flow(protocol.OFPFC_ADD, place, flow)
        for place in found.delete_flows:
            self._send_flow(protocol.OFPFC_DELETE_STRICT, place, Flow())
        for number in found.delete_groups:
            self._send_group(protocol.OFPGC_DELETE, number, self.groups.pop(number))
        self.groups |= found.set_groups
        for name, part in parts.items():
            if part == Part():
                self.parts.pop(name, None)
            else:
                self.parts[name] = part

    def send(self, port: int, frame: bytes) -> None:
        """Send a frame out of a port."""
        self._send_frame(frame, self.connection.ofproto.OFPP_CONTROLLER, port)

    def hand_back(self, port: int, frame: bytes) -> None:
        """Send a frame through the tables as if it came in by this port now."""
        self._send_frame(frame, port, self.connection.ofproto.OFPP_TABLE)

    def ask_barrier(self) -> int:
        """Send a barrier: the switch answers once it has processed all earlier messages. Returns the transaction id."""
        request = self.connection.ofproto_parser.OFPBarrierRequest(self.connection)
        self.connection.set_xid(request)
        self._send("barrier", request)
        return int(request.xid)

    def _control_bundle(self, what: int) -> None:
        control = self.connection.ofproto_parser.OFPBundleCtrlMsg(
            self.connection, _BUNDLE, what, self._bundle_flags, []
        )
        self._send("bundle_control", control)

    @property
    def _bundle_flags(self) -> int:
        return int(self.connection.ofproto.OFPBF_ATOMIC | self.connection.ofproto.OFPBF_ORDERED)

    def _send(self, kind: str, message: Any) -> None:
        """Send a message, or add it to the bundle that is open."""
        self.sent[kind] += 1
        if self._in_bundle:
            add = self.connection.ofproto_parser.OFPBundleAddMsg
            message = add(self.connection, _BUNDLE, self._bundle_flags, message, [])
        self.connection.send_msg(message)

    def _send_frame(self, frame: bytes, from_port: int, to_port: int) -> None:
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        message = parser.OFPPacketOut(
            self.connection,
            buffer_id=protocol.OFP_NO_BUFFER,
            match=parser.OFPMatch(in_port=from_port),
            actions=[parser.OFPActionOutput(to_port)],
            data=frame,
        )
        self._send("packet_out", message)

    def _send_group(self, command: int, number: int, group: Group) -> None:
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        kinds = {SELECT: protocol.OFPGT_SELECT, FAILOVER: protocol.OFPGT_FF}
        message = parser.OFPGroupMod(
            self.connection,
            command=command,
            type_=kinds.get(group.kind, protocol.OFPGT_ALL),
            group_id=number,
            command_bucket_id=protocol.OFPG_BUCKET_ALL,
            buckets=[self._bucket(index, bucket, group.kind) for index, bucket in enumerate(group.buckets)],
            properties=[self._selection()] if group.kind == SELECT else [],
        )
        self._send("group_mod", message)

    def _bucket(self, index: int, bucket: Bucket, kind: str) -> Any:
        protocol, parser = self.connection.ofproto, self.connection.ofproto_parser
        properties = []
        if kind == SELECT:
            properties.append(parser.OFPGroupBucketPropWeight(weight=1, type_=protocol.OFPGBPT_WEIGHT))
        if kind in (SELECT, FAILOVER):
            type_ = protocol.OFPGBPT_WATCH_PORT if bucket.group is None else protocol.OFPGBPT_WATCH_GROUP
            watched = bucket.port if bucket.group is None else bucket.group
            properties.append(parser.OFPGroupBucketPropWatch(watch=watched, type_=type_))
        action = parser.OFPActionGroup(bucket.group) if bucket.port is None else parser.OFPActionOutput(bucket.port)
        # The hash is over the bucket's id too: named after its port, it keeps its flows when others come and go.
        return parser.OFPBucket(bucket.port if kind == SELECT else index, [action], properties)

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
            instructions.append(parser.OFPInstructionWriteMetadata(*flow.metadata))
        if flow.goto is not None:
            instructions.append(parser.OFPInstructionGotoTable(flow.goto))
        message = parser.OFPFlowMod(
            self.connection,
            table_id=table,
            priority=priority,
            command=command,
            match=parser.OFPMatch(**dict(match)),
            instructions=instructions,
            out_port=protocol.OFPP_ANY,
            out_group=protocol.OFPG_ANY,
        )
        self._send("flow_mod", message)
