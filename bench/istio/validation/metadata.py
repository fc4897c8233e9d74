"""Annotations that istiod refuses on every resource of the kinds that are read here."""

from __future__ import annotations

from collections.abc import Mapping

from bench.istio.validation.findings import Findings

_REFUSED = {
    "istio.io/dry-run": "is for AuthorizationPolicy only",
    "internal.istio.io/webhook-always-reject": "makes istiod refuse the resource",
    "internal.istio.io/parent-namespace": "may not be set by users",
    "internal.istio.io/parents": "may not be set by users",
}


def check_annotations(annotations: Mapping[str, str], findings: Findings) -> None:
    """Refuse the annotations that istiod refuses; *findings* are those of ``metadata``."""
    for name, why in _REFUSED.items():
        if name in annotations:
            findings.refuse(f"the annotation {why}", "annotations", name)
