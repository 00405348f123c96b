"""Drawings where the output is not UTF-8: an error handler that puts a similar ASCII sign for each other sign."""

from __future__ import annotations

import codecs
import unicodedata

#: The handler's name, for ``errors=`` (codecs.register_error).
ERRORS = "testbed.ascii"
_SIGNS = {"✗": "X", "═": "=", "║": "H", "→": ">", "←": "<", "±": "~", "…": "_", "·": "."}


def similar(sign: str) -> str:
    """One ASCII sign for another sign, so that columns stay where they are."""
    if sign in _SIGNS:
        return _SIGNS[sign]
    name = unicodedata.name(sign, "")
    if name.startswith("BOX DRAWINGS"):
        if " AND " in name:
            return "+"
        return "-" if name.endswith("HORIZONTAL") else "|"
    if name.endswith(" DASH"):
        return "-"
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain[:1] or "?"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(similar, error.object[error.start : error.end])), error.end


codecs.register_error(ERRORS, _replaced)
