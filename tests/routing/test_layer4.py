"""TLS and TCP clients: three opinions agree on generated sets. Nightly: ``make generated-connections``."""

from __future__ import annotations

import pytest

from tests.routing.layer4 import Tally, try_seed

SEEDS = range(12)
"""Of sets about which routing and explain alone are asked."""
ON_ENVOYS = (3, 7)
"""Of sets that real proxies run."""


def test_routing_and_explain_agree_about_tls_and_tcp_clients():
    tally = Tally()
    for seed in SEEDS:
        try_seed(seed, tally, most=60)

    assert not tally.wrong, "\n".join(tally.wrong[:12])
    assert tally.cases > 300
    assert min(tally.outcomes["closed"], tally.outcomes["delivered"]) > 60


@pytest.mark.envoy
@pytest.mark.parametrize("seed", ON_ENVOYS)
def test_real_proxies_do_the_same_for_tls_and_tcp_clients(tmp_path, seed):
    tally = Tally()
    try_seed(seed, tally, most=40, root=tmp_path)

    assert not tally.wrong, "\n".join(tally.wrong[:12])
    assert tally.cases > 10
