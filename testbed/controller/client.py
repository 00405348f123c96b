"""Ask a running controller for its state over HTTP. What answers is testbed.controller.web."""

from __future__ import annotations

import http.client

from testbed.controller import HTTP_PORT
from testbed.errors import TrialError

_TIMEOUT_S = 5.0


def ask(page: str) -> str:
    """The text of a page: ``/state`` is JSON, ``/metrics`` is Prometheus' text format.

    Errors: TrialError if the controller does not answer within 5 s, or has no such page.
    """
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise TrialError(f"the controller does not answer on port {HTTP_PORT}: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise TrialError(f"the controller answers {answer.status} for {page}: {text.strip()}")
    return text
