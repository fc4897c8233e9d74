"""Why an Envoy does not serve what it was given, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from bench.errors import StackError
from bench.placement import Address
from bench.stack.protocol import ProxySpec

# What Envoy 1.40 writes: "Filesystem config update rejected: WHY" for a watched file, "gRPC config for TYPE
# rejected: WHY" for a control plane, and for the bootstrap "error `WHY` initializing config ..." before it
# exits, or "error initializing configuration 'FILE': WHY" where it only validates. WHY can go on over many
# lines: a message that breaks a constraint is printed whole, after a marker.
_REASON = re.compile(
    r"config update (?:rejected|failure): (?P<update>.*)|error `(?P<start>[^\n]*)` initializing config"
    r"|gRPC config for \S+ rejected: (?P<served>.*)"
    r"|error initializing configuration '[^']*': (?P<validated>.*)",
    re.DOTALL,
)
_NEXT_RECORD = re.compile(r"^(?=\[\d{4}-\d\d-\d\d )", re.MULTILINE)
_DUMP = re.compile(r"goo\.gle/\w+\s(?P<dump>.*)\n: (?P<why>.*)", re.DOTALL)
_NAME = re.compile(r'^(?:cluster_)?name: "(?P<name>[^"]*)"', re.MULTILINE)
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


def refusal_error(
    process: Ended, proxy: ProxySpec | None = None, counters: dict[str, int] | None = None, *, since: int = 0
) -> StackError:
    """The error for a configuration that Envoy does not take, with Envoy's own reason.

    With *proxy*, also with the places in the YAML behind the resources that Envoy names; *since* is the size
    that its log had before it started.
    """
    reasons = reasons_in(process.log, since=since)
    counted = f" ({', '.join(sorted(counters))})" if counters else ""
    said = "; ".join(reasons) if reasons else f"{process.how_it_ended()}:\n{process.last_output()}"
    places = proxy.places(said) if proxy is not None and reasons else ()
    remedy = "`egress-bench check` shows which resource the refused part comes from."
    if places:
        also = f" (and {', '.join(map(str, places[1:]))})" if len(places) > 1 else ""
        remedy = f"Change that resource{also}; `egress-bench check` shows it without a start."
    return StackError(
        f"{process.name} refuses its configuration{counted}: {said.rstrip('.')}.",
        where=places[0] if places else None,
        remedy=remedy,
    )


def missing_listener_error(process: Ended, proxy: ProxySpec, found: Mapping[str, Address]) -> StackError:
    """The error for an Envoy that serves without a listener that was expected."""
    expected = ", ".join(f"{ip}_{port}" for ip, port in proxy.listeners)
    return StackError(
        f"{process.name} serves, but not on every listener: expected {expected}, "
        f"found {', '.join(sorted(found)) or 'none'}. {' '.join(reasons_in(process.log))}".rstrip(),
        remedy="Listeners are matched by name: address_port as translated.",
    )


def reasons_in(log: Path, limit: int = 3, *, since: int = 0) -> list[str]:
    """Envoy's own reasons in its output, from byte *since*, each once, in their order; long ones are cut."""
    try:
        text = log.read_bytes()[since:].decode("utf-8", "replace")
    except OSError:
        return []
    found = (
        next(filter(None, match.groups()), "")
        for record in _NEXT_RECORD.split(text)
        for match in _REASON.finditer(record)
    )
    reasons = dict.fromkeys(plain_reason(reason)[:_MAX_REASON] for reason in found)
    return [reason for reason in reasons if reason][:limit]


def plain_reason(text: str) -> str:
    """A reason of Envoy's in one line: of a message that it prints whole, its name."""
    dumped = _DUMP.search(text)
    if dumped is not None:
        named = _NAME.search(dumped["dump"])
        text = text[: dumped.start()] + (f"{named['name']}: " if named else "") + dumped["why"]
    return " ".join(text.split())
