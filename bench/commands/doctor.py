"""What this machine has, lacks and limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.environment import Finding
from bench.environment import doctor as examine_machine
from bench.errors import StackError
from bench.stack.binaries import Binary, find_envoy, find_nginx
from bench.stack.images import defaults
from bench.stack.watches import known_watches


def examine() -> list[Finding]:
    """Look at this machine with the eyes of the stacks; changes nothing."""
    return examine_machine(
        envoy=_path_of(find_envoy),
        nginx=_path_of(find_nginx),
        file_watches=known_watches(),
        images=[(image.reference, image.is_pinned) for image in defaults()],
    )


def _path_of(find: Callable[[], Binary]) -> Path | None:
    try:
        return find().path
    except StackError:
        return None
