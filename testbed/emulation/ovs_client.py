"""Asking Open vSwitch's programs over their sockets, in process, by its own library: no program is started."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.errors import TrialError

_ANSWERED_MS = 60_000


def _library() -> Any:
    """The package ovs. It brings eventlet along, which takes half a second in a guest and warns of its own age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ovs.jsonrpc
        import ovs.stream
        import ovs.unixctl.client

        return ovs


def transact(address: str, operations: Sequence[dict[str, Any]]) -> list[Any]:
    """Carry out operations as one (RFC 7047, 4.1.3), by the ovsdb-server at ``address``; their results.

    Errors: TrialError with what the server said.
    """
    ovs = _library()
    failure, connected = ovs.stream.Stream.open_block(ovs.stream.Stream.open(address), _ANSWERED_MS)
    if failure:
        raise TrialError(f"ovsdb-server does not answer at {address}: {os.strerror(failure)}")
    connection = ovs.jsonrpc.Connection(connected)
    try:
        request = ovs.jsonrpc.Message.create_request("transact", ["Open_vSwitch", *operations])
        failure, reply = connection.transact_block(request)
    finally:
        connection.close()
    if failure or reply.error:
        raise TrialError(f"ovsdb-server: {os.strerror(failure) if failure else reply.error}")
    results: list[Any] = reply.result
    for result in results:
        if result and "error" in result:
            raise TrialError(f"ovsdb-server: {result['error']}: {result.get('details', '')}")
    return results


def appctl(control: Path, command: str, *arguments: str) -> str:
    """The answer to a command of ovs-appctl(8) at a program's control socket. Errors: TrialError with it."""
    ovs = _library()
    failure, client = ovs.unixctl.client.UnixctlClient.create(str(control))
    if failure:
        raise TrialError(f"no answer at {control.name}: {os.strerror(failure)}")
    try:
        failure, error, result = client.transact(command, list(arguments))
    finally:
        client.close()
    if failure or error:
        raise TrialError(f"ovs-appctl {command}: {error or os.strerror(failure)}")
    return str(result)
