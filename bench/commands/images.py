"""Build the images of the Docker stack ahead of a run, or pin the official ones by digest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from bench.stack.engine import connect
from bench.stack.images import ROLES, Default, Image, pin, supply_built


def pin_all(mirror: str | None) -> list[Default]:
    """Pin every official image by digest; see ``bench.stack.images.pins.pin``."""
    with contextlib.closing(connect()) as client:
        return pin(client, mirror=mirror)


def build_all(notify: Callable[[str], None]) -> list[Image]:
    """Build every image that is not there yet in exactly this form, and describe all of them.

    Raises:
        StackError: no engine answers, or something is not installed.
    """
    with contextlib.closing(connect()) as client:
        return [supply_built(client, role, notify=notify) for role in ROLES]
