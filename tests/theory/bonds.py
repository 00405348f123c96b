"""A bond as tests of theory need it."""

from __future__ import annotations

from testbed.spec import Bond


def bond(mode: str, members: int = 2, **options: object) -> Bond:
    return Bond(tuple(f"h1-eth{i}" for i in range(members)), mode=mode, **options)  # type: ignore[arg-type]
