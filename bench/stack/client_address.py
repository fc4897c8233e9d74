"""Where a client finds the listener that it addresses."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import MeasurementError
from bench.placement import Address
from bench.stack.protocol import Component


def client_address(sidecar: Component, port: int, called: Sequence[str] = ()) -> Address:
    """Where the client beside *sidecar* really sends what it addresses to *port*.

    Args:
        sidecar: whose client it is.
        port: that it calls.
        called: addresses for which the name that it calls is used; a listener of one of them is its own.

    Raises:
        MeasurementError: the sidecar does not listen there.
    """
    if called and sidecar.is_redirected:
        return called[0], port
    for address in called:
        real = sidecar.addresses.get((address, port))
        if real is not None:
            return real
    for (address, translated_port), real in sidecar.addresses.items():
        if translated_port == port and (not called or address in ANY):
            return real
    raise MeasurementError(
        f"{sidecar.name} has no listener on port {port}{f' for {called[0]}' if called else ''}.",
        remedy="Call a port in traffic.url that the Istio resources open for it.",
    )


ANY = ("0.0.0.0", "::")  # noqa: S104 - compared only
