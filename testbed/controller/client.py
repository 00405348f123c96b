"""Asking our controller what it knows and believes, over HTTP (testbed.controller.web)."""

from __future__ import annotations

import http.client

from testbed.controller.config import HTTP_PORT
from testbed.errors import TrialError

_PATIENCE_S = 5.0


def ask(page: str) -> str:
    """What our controller answers for a page: ``/state`` in JSON, ``/metrics`` in Prometheus' text format.

    Errors: TrialError if it does not answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=_PATIENCE_S)
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
