"""Books of proxies elsewhere: what can be read is held against the client, what cannot be is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import InputError, StackError
from bench.experiment.drive.target import DriveOptions, read_admin
from bench.measure import RemoteBooks, Topology
from bench.measure import remote_books as module
from bench.measure.copies import Copying
from bench.result import Book, MissingCode
from bench.scenario.load import load_scenario

CLUSTER = "outbound|80||egress.istio-system.svc.cluster.local"
TOPOLOGY = Topology(
    sidecar="client",
    gateway="egress",
    sidecar_clusters=(CLUSTER,),
    gateway_clusters=("outbound|443||api.example",),
    to_gateway=(CLUSTER,),
    cluster_nodes={},
)


def counters(manager: str, cluster: str, requests: int) -> dict[str, int]:
    """What a proxy says after *requests*, beside what is of no concern."""
    return {
        f"http.{manager}.downstream_rq_total": requests,
        f"http.{manager}.downstream_rq_completed": requests,
        f"http.{manager}.rq_total": requests,
        f"cluster.{cluster}.upstream_rq_total": requests,
        f"cluster.{cluster}.upstream_rq_completed": requests,
        f"cluster.{cluster}.upstream_rq_active": 0,
        "http.inbound_0.0.0.0_8080.downstream_rq_total": requests * 7,
        "http.admin.downstream_rq_total": 99,
        "server.uptime": 100,
    }


class Proxies:
    """Admin APIs by URL: counters, and the age of the process."""

    def __init__(self, monkeypatch):
        self.said: dict[str, tuple[dict[str, int], int] | None] = {}
        self.now = 1000.0
        monkeypatch.setattr(module, "Admin", self.admin)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def admin(self, url, *, name, timeout_s):
        del name, timeout_s
        said = self.said[url]

        class One:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

            def stats(self, _pattern):
                if said is None:
                    raise StackError("it does not answer.")
                return said[0]

            def server_info(self):
                return SimpleNamespace(uptime_s=said[1])

        return One()


@pytest.fixture
def proxies(monkeypatch) -> Proxies:
    return Proxies(monkeypatch)


def load_and_outcome(sent: int):
    """A load of one kind of plain request, all answered."""
    counts = SimpleNamespace(due=sent, sent=sent, answered=sent, unsent=0, failed=0, misrouted=0, reasons={})
    kind = SimpleNamespace(name="v1", protocol="http/1.1", expect=SimpleNamespace(nodes=("n",)))
    load = SimpleNamespace(requests=(kind,), target_of=lambda _: SimpleNamespace(tls=None))
    stage = SimpleNamespace(subsets=(SimpleNamespace(name="v1", counts=counts),))
    return load, SimpleNamespace(stages=(stage,))


SIDECAR = ("outbound_0.0.0.0_80;", CLUSTER)
GATEWAY = ("outbound_0.0.0.0_8080;", "outbound|443||api.example")


def run(
    proxies: Proxies,
    admin: dict[str, list[str]],
    after: dict,
    *,
    sent: int = 50,
    topology: Topology = TOPOLOGY,
):
    """Read, let 10 s and a load go by, close."""
    books = RemoteBooks(admin, topology)
    before = books.read()
    proxies.now += 10
    proxies.said.update(after)
    return books.close(before, *load_and_outcome(sent))


def states(ledger) -> dict[str, tuple[str, int | None]]:
    return {each.book.value: (each.state, each.unexplained) for each in ledger.books}


def test_both_proxies_balance_and_inbound_traffic_is_not_part_of_it(proxies):
    proxies.said = {"a": (counters(*SIDECAR, 10), 100), "b": (counters(*GATEWAY, 5), 100)}
    ledger = run(
        proxies,
        {"client": ["a"], "egress": ["b"]},
        {"a": (counters(*SIDECAR, 60), 110), "b": (counters(*GATEWAY, 55), 110)},
    )

    assert set(states(ledger).values()) == {("balanced", 0)}
    assert len(ledger.books) == 7
    assert [each.code for each in ledger.missing] == [MissingCode.NODES_ELSEWHERE]


@pytest.mark.parametrize(("made", "unexplained"), [(50, 0), (49, 1)])
def test_copies_for_a_mirror_are_known_elsewhere_too(proxies, made, unexplained):
    to_mirror = {f"cluster.mirror.upstream_rq_{each}": 0 for each in ("total", "completed", "active")}
    copied = to_mirror | {f"cluster.mirror.upstream_rq_{each}": made for each in ("total", "completed")}
    proxies.said = {"a": (counters(*SIDECAR, 10) | to_mirror, 100)}
    ledger = run(
        proxies,
        {"client": ["a"]},
        {"a": (counters(*SIDECAR, 60) | copied, 110)},
        topology=replace(
            TOPOLOGY, sidecar_clusters=(CLUSTER, "mirror"), copied_by_sidecars={"v1": Copying(1, 1, 1.0, 0.0)}
        ),
    )

    assert states(ledger)[Book.SIDECAR_ROUTING.value][1] == unexplained


def test_a_request_that_the_gateway_never_saw_is_unexplained(proxies):
    proxies.said = {"a": (counters(*SIDECAR, 10), 100), "b": (counters(*GATEWAY, 5), 100)}
    ledger = run(
        proxies,
        {"client": ["a"], "egress": ["b"]},
        {"a": (counters(*SIDECAR, 60), 110), "b": (counters(*GATEWAY, 54), 110)},
    )

    assert states(ledger)["sidecar-to-gateway"] == ("open", 1)


def test_replicas_add_up(proxies):
    proxies.said = {url: (counters(*GATEWAY, 0), 100) for url in ("b", "c")}
    ledger = run(
        proxies,
        {"egress": ["b", "c"]},
        {"b": (counters(*GATEWAY, 20), 110), "c": (counters(*GATEWAY, 30), 110)},
    )

    assert states(ledger)["gateway-listener"] == ("balanced", 0)
    assert ledger.books[1].left == 50
    assert (ledger.missing[0].code, ledger.missing[0].parts) == (MissingCode.NO_ADMIN, ("client",))
    assert "client: no books of its own: give its admin API" in ledger.missing[0].text


@pytest.mark.parametrize("age_s", [3, 99])
def test_a_process_that_started_again_makes_its_books_incomplete(proxies, age_s):
    """Also where its counters have grown past the old ones already."""
    proxies.said = {"a": (counters(*SIDECAR, 10), 100), "b": (counters(*GATEWAY, 5), 100)}
    ledger = run(
        proxies,
        {"client": ["a"], "egress": ["b"]},
        {"a": (counters(*SIDECAR, 60), 110), "b": (counters(*GATEWAY, 55), age_s)},
    )

    found = states(ledger)
    assert found["gateway-listener"][0] == found["sidecar-to-gateway"][0] == "incomplete"
    assert found["sidecar-listener"] == ("balanced", 0)
    (damage,) = next(each for each in ledger.books if each.book.value == "gateway-listener").damages
    assert "egress 1 started again" in damage.detail


def test_a_proxy_without_the_counters_is_named_with_what_to_do(proxies):
    """What Istio keeps unless configured otherwise."""
    few = {"server.uptime": 1, "http.inbound_0.0.0.0_8080.downstream_rq_total": 1}
    proxies.said = {"b": (few, 100)}
    ledger = run(proxies, {"egress": ["b"]}, {"b": (few, 110)})

    named = {each.code: each for each in ledger.missing}
    assert named[MissingCode.NO_STATISTICS].parts == ("egress",)
    assert "proxyStatsMatcher" in named[MissingCode.NO_STATISTICS].text
    assert [each.book.value for each in ledger.books] == ["client"]


def test_a_proxy_that_does_not_answer_has_incomplete_books(proxies):
    proxies.said = {"b": (counters(*GATEWAY, 5), 100)}
    ledger = run(proxies, {"egress": ["b"]}, {"b": None})

    assert states(ledger)["gateway-listener"] == ("incomplete", None)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("egress", "is not NAME=http://HOST:PORT"),
        ("egress=ftp://x", "is not NAME=http://HOST:PORT"),
        ("egress=http://x/stats", "is not NAME=http://HOST:PORT"),
        ("other=http://127.0.0.1:15000", "not a proxy on the way"),
    ],
)
def test_an_admin_api_that_cannot_be_meant_is_said(tmp_path, written, what):
    loaded = load_scenario(Path("scenarios/egress-mtls"))
    options = DriveOptions(target="http://127.0.0.1:1", out=tmp_path, command="", admin=(written,))

    with pytest.raises(InputError, match=what):
        read_admin(loaded, options)
