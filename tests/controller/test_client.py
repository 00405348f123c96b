"""Reading a controller's state: what it answers, and the error where none answers."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from testbed.controller import client
from testbed.controller.web import server
from testbed.errors import TrialError


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a web server that shows an empty state."""
    web = server(0, lambda: {"lags": {}})
    thread = Thread(target=web.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(client, "HTTP_PORT", web.server_address[1])
    try:
        yield web.server_address[1]
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


@pytest.mark.usefixtures("port")
def test_the_text_of_a_page_is_returned() -> None:
    assert client.ask("/state") == '{\n "lags": {}\n}\n'


@pytest.mark.usefixtures("port")
def test_a_page_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TrialError) as error:
        client.ask("/else")
    assert error.value.message == ("the controller answers 404 for /else: no page /else; there are /state and /metrics")


def test_no_controller_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, and nothing listens there
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        monkeypatch.setattr(client, "HTTP_PORT", number)
        with pytest.raises(TrialError, match=f"the controller does not answer on port {number}: "):
            client.ask("/state")


def test_the_client_imports_nothing_of_the_controller_itself() -> None:
    program = (
        "import sys, testbed.controller.client;"
        "print(*sorted(name for name in sys.modules if name.partition('.')[0] == 'testbed'))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["testbed", "testbed.controller", "testbed.controller.client", "testbed.errors"]
