"""What Envoy says when it refuses a configuration, as a code with data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_REFUSED = re.compile(r"error initializing configuration '[^']*': (.*)", re.DOTALL)
_CONSTRAINT = re.compile(r"([A-Za-z0-9]+)ValidationError\.([^:|]+): (?!embedded message)([^|]*)\)\s*$")
_MOST_CHARACTERS = 400
"""Of Envoy's reason that are shown."""


class RefusalCode(StrEnum):
    """Why Envoy refuses a configuration."""

    CONSTRAINT = "constraint"
    """A field breaks a constraint of its message (protoc-gen-validate)."""
    CONFIGURATION = "configuration"
    """Envoy's own code refuses what the messages ask for."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Envoy refuses a configuration."""

    code: RefusalCode
    detail: str
    """Envoy's words: of a constraint what it asks for, else its whole reason."""
    message: str = ""
    """Of a constraint: the Envoy message, such as ``RingHashLbConfig``."""
    field: str = ""
    """Of a constraint: the field of it."""

    @property
    def text(self) -> str:
        """A sentence, not too long."""
        text = self.detail
        if self.code is RefusalCode.CONSTRAINT:
            text = f"{self.field} of {self.message}: {self.detail}"
        text = text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
        return text if text[-1:] == "." else f"{text}."


def read_refusal(stderr: str) -> Refusal | None:
    """Give the refusal in what ``envoy --mode validate`` wrote, None if it wrote something else."""
    said = _REFUSED.search(stderr)
    return refusal_of(said.group(1)) if said is not None else None


def refusal_of(reason: str) -> Refusal:
    """Take Envoy's *reason* apart."""
    text = " ".join(reason.split())
    constraint = _CONSTRAINT.search(text)
    if constraint is None:
        return Refusal(RefusalCode.CONFIGURATION, text)
    message, field, detail = constraint.groups()
    return Refusal(RefusalCode.CONSTRAINT, detail, message, field)


def last_line(stderr: str) -> str:
    """Give the last line of what Envoy wrote, for an end that is not a refusal."""
    return (stderr.strip().splitlines() or ["it wrote nothing"])[-1][:_MOST_CHARACTERS]
