"""Names that are written short are completed as Istio does it."""

from __future__ import annotations

import pytest

from bench.istio.hosts import expand_gateway, expand_host


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("web", "web.shop.svc.cluster.local"),
        ("Web", "web.shop.svc.cluster.local"),
        ("web.other", "web.other"),
        ("web.", "web."),
        ("*", "*"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_only_names_without_a_dot_are_completed(host: str, full: str) -> None:
    assert full == expand_host(host, "shop", "cluster.local")


def test_a_dot_represents_the_own_namespace_of_a_gateway() -> None:
    assert expand_gateway("./out", "shop") == "shop/out"
