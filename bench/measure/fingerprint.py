"""What makes the results of a scenario comparable: machine, versions, and hashes of what was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from bench.environment import machine
from bench.preparation import Prepared
from bench.result import Fingerprint


def fingerprint_of(prepared: Prepared, stack: str, versions: Mapping[str, str]) -> Fingerprint:
    """What makes the results of a scenario comparable."""
    return Fingerprint(
        machine=machine(),
        versions=dict(versions),
        scenario_hash=prepared.loaded.content_hash(),
        config_hashes=prepared.config_hashes(),
        stack=stack,
        key=prepared.loaded.scenario.tls.key,
    )
