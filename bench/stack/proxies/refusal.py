"""Why an Envoy does not serve what it was given, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from bench.errors import StackError
from bench.placement import Address
from bench.stack.protocol import ProxySpec

# What Envoy 1.40 writes: "Filesystem config update rejected: WHY" for a watched file, and for the bootstrap
# "error `WHY` initializing config ..." before it exits.
_REASON = re.compile(
    r"config update (?:rejected|failure): (?P<update>.*)|error `(?P<start>.*)` initializing config"
    r"|gRPC config for \S+ rejected: (?P<served>.*)"
)
_MAX_REASON = 500


class Ended(Protocol):
    """A part that can report its end: a process, or a container."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def log(self) -> Path:
        """The file with its output."""

    def how_it_ended(self) -> str:
        """In words, e.g. ``was ended by SIGKILL``."""

    def last_output(self, lines: int = 12) -> str:
        """Its last lines of output."""


def refusal_error(process: Ended, counters: dict[str, int] | None = None) -> StackError:
    """The error for a configuration that Envoy does not take, with Envoy's own reason."""
    reasons = reasons_in(process.log)
    counted = f" ({', '.join(sorted(counters))})" if counters else ""
    said = "; ".join(reasons) if reasons else f"{process.how_it_ended()}:\n{process.last_output()}"
    return StackError(
        f"{process.name} refuses its configuration{counted}: {said.rstrip('.')}.",
        remedy="`egress-bench check` shows which resource the refused part comes from.",
    )


def missing_listener_error(process: Ended, proxy: ProxySpec, found: Mapping[str, Address]) -> StackError:
    """The error for an Envoy that serves without a listener that was expected."""
    expected = ", ".join(f"{ip}_{port}" for ip, port in proxy.listeners)
    return StackError(
        f"{process.name} serves, but not on every listener: expected {expected}, "
        f"found {', '.join(sorted(found)) or 'none'}. {' '.join(reasons_in(process.log))}".rstrip(),
        remedy="Listeners are matched by name: address_port as translated.",
    )


def reasons_in(log: Path, limit: int = 3) -> list[str]:
    """Envoy's own reasons in its output, each once, first ones first; long ones are cut."""
    try:
        text = log.read_text("utf-8", "replace")
    except OSError:
        return []
    found = (
        match.group("update") or match.group("start") or match.group("served") or ""
        for match in _REASON.finditer(text)
    )
    reasons = dict.fromkeys(" ".join(reason.split())[:_MAX_REASON] for reason in found)
    return [reason for reason in reasons if reason][:limit]
