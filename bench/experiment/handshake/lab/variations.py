"""How the stacks of a ground differ from the scenario."""

from __future__ import annotations

from bench.experiment.handshake.lab.settings import GroundPlan
from bench.preparation import Variation
from bench.telemetry import CONNECTION_FIELDS

_KEPT_SESSIONS = 16
"""Handshakes overlap now and then: with one session only, the second of two would be a full one."""


def variation_of(plan: GroundPlan, mode: str) -> Variation:
    """How the gateway and the nodes of one stack differ from the scenario."""
    return Variation(
        access_log=CONNECTION_FIELDS,
        max_requests_per_connection=None if mode == "kept" else 1,
        max_session_keys={"kept": None, "resumed": _KEPT_SESSIONS, "full": 0}[mode],
        tls_version="TLSv1_2" if plan.tls_version == "TLSv1.2" else "TLSv1_3",
        presents_certificate=plan.client_certificate,
    )
