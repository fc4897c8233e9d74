"""Names in certificates as a scenario writes them."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator


def _typed(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        kind, _, value = name.partition(":")
        if kind not in ("DNS", "IP", "URI"):
            raise ValueError(f"{name!r} must start with DNS:, IP: or URI:")
        if kind == "IP":
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError(f"{name!r} is not an IP address; a name starts with DNS:") from None
    return names


CertificateNames = Annotated[tuple[str, ...], AfterValidator(_typed)]
"""Subject alternative names: ``DNS:…``, ``IP:…``, ``URI:…``."""
