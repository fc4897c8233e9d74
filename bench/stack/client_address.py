"""Where a client finds the listener that it addresses."""

from __future__ import annotations

from bench.errors import MeasurementError
from bench.placement import Address
from bench.stack.protocol import Component


def client_address(sidecar: Component, port: int) -> Address:
    """Where the client beside *sidecar* really sends what it addresses to *port*.

    Raises:
        MeasurementError: the sidecar does not listen there.
    """
    for (_, translated_port), real in sidecar.addresses.items():
        if translated_port == port:
            return real
    raise MeasurementError(
        f"{sidecar.name} has no listener on port {port}.",
        remedy="Call a port in traffic.url that the Istio resources open for it.",
    )
