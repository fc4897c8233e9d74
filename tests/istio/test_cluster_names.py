"""Names of clusters are read as they are written."""

from __future__ import annotations

import pytest

from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH, ClusterName, cluster_name, parse_cluster_name


@pytest.mark.parametrize("subset", ["", "v1"])
def test_a_written_name_is_read_back(subset: str) -> None:
    name = ClusterName("api.example.org", 443, subset)

    assert (
        str(name) == cluster_name("api.example.org", 443, subset) == f"outbound|443|{subset}|api.example.org"
    )
    assert parse_cluster_name(str(name)) == name
    assert name.sni == f"outbound_.443_.{subset}_.api.example.org"


@pytest.mark.parametrize(
    "name", [BLACK_HOLE, PASSTHROUGH, "", "inbound|80||", "outbound|x||a", "outbound|80|a"]
)
def test_any_other_cluster_has_no_such_name(name: str) -> None:
    assert parse_cluster_name(name) is None
