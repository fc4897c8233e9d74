"""``trafficDistribution``: endpoints near the client first (istio ``GetTrafficDistribution``)."""

from __future__ import annotations

from collections.abc import Mapping

_ANNOTATION = "networking.istio.io/traffic-distribution"
_ZONE = ("topology.istio.io/network", "topology.kubernetes.io/region", "topology.kubernetes.io/zone")
_PREFERRED = {
    "PreferClose": _ZONE,
    "PreferSameZone": _ZONE,
    "PreferSameNode": (*_ZONE, "topology.istio.io/subzone", "kubernetes.io/hostname"),
}
_BY_ANNOTATION = {name.lower(): labels for name, labels in _PREFERRED.items()}


def preferred_labels(annotations: Mapping[str, str], written: str = "") -> tuple[str, ...]:
    """Give the labels that *written*, else the older annotation, prefers; none for any other word."""
    return _PREFERRED.get(written) or _BY_ANNOTATION.get(annotations.get(_ANNOTATION, "").lower(), ())
