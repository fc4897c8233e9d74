"""Books of counters: what Envoy counts must add up, and what does not is open."""

import pytest

from bench.ledger.counters import Window
from bench.ledger.reconcile import Books, ClientCounts, NodeBook, ProxyBook, account_of_counters
from bench.result import Cause, DamageCode
from tests.ledger.world import book, title

TO = "outbound|80||egress.istio-system.svc.cluster.local"
V1, V2 = "outbound|443|v1|nginx", "outbound|443|v2|nginx"


def http(prefix, **values):
    base = {"downstream_rq_total": 0, "downstream_rq_completed": 0, "rq_total": 0}
    return {f"http.{prefix}.{key}": value for key, value in {**base, **values}.items()}


def cluster(name, **values):
    return {f"cluster.{name}.{key}": value for key, value in {"upstream_rq_total": 0, **values}.items()}


def plain(prefix, total, clusters):
    counters = http(prefix, downstream_rq_total=total, downstream_rq_completed=total, rq_total=total)
    for name, count in clusters.items():
        counters |= cluster(name, upstream_rq_total=count)
    return counters | {"server.uptime": 100}


class Case:
    """1000 requests, 600 to v1, after 50 earlier ones."""

    def __init__(self):
        self.sidecar = [plain("in", 50, {TO: 50}), plain("in", 1050, {TO: 1050})]
        self.gateway = [plain("gw", 50, {V1: 25, V2: 25}), plain("gw", 1050, {V1: 625, V2: 425})]
        self.client = ClientCounts(due=1000, sent=1000, answered=1000, unsent=0)
        self.nodes = [NodeBook("nginx01", 600), NodeBook("nginx02", 400)]
        self.instances = {"sidecar": ("7@1", "7@1"), "gateway": ("8@1", "8@1")}

    def add(self, proxy, **counters):
        for key, value in counters.items():
            after = getattr(self, proxy)[1]
            after[key] = after.get(key, 0) + value

    def account(self):
        return account_of_counters(
            Books(
                self.client,
                ProxyBook(Window("sleep", *self.sidecar, *self.instances["sidecar"]), ("in",), (TO,)),
                ProxyBook(Window("egress", *self.gateway, *self.instances["gateway"]), ("gw",), (V1, V2)),
                (TO,),
                tuple(self.nodes),
                {V1: ("nginx01",), V2: ("nginx02",)},
            )
        )


def test_a_plain_window_balances_in_every_book():
    account = Case().account()

    assert account.level == "counters"
    assert [title(b) for b in account.balances] == [
        "client",
        "client to sidecar",
        "sidecar listener",
        "sidecar routing",
        "sidecar to gateway",
        "gateway listener",
        "gateway routing",
        "gateway to nginx01",
        "gateway to nginx02",
    ]
    assert account.is_balanced


@pytest.mark.parametrize(
    ("proxy", "counter", "called"),
    [
        ("sidecar", "http.in.downstream_rq_total", "client to sidecar"),
        ("sidecar", "http.in.downstream_rq_completed", "sidecar listener"),
        ("sidecar", f"cluster.{TO}.upstream_rq_total", "sidecar routing"),
        ("gateway", "http.gw.downstream_rq_total", "sidecar to gateway"),
        ("gateway", f"cluster.{V1}.upstream_rq_total", "gateway to nginx01"),
    ],
)
@pytest.mark.parametrize("by", [1, -1])
def test_one_request_too_many_or_too_few_opens_the_book(proxy, counter, called, by):
    case = Case()
    case.add(proxy, **{counter: by})

    account = case.account()

    assert book(account, called).state == "open"
    assert not account.is_balanced


def test_retries_and_failures_of_a_cluster_are_named():
    """Two requests failed to connect three times each (two retries), one overflowed, one met no endpoint."""
    case = Case()
    case.add(
        "gateway",
        **{
            f"cluster.{V1}.upstream_rq_total": -4,
            f"cluster.{V1}.upstream_rq_pending_failure_eject": 6,
            f"cluster.{V1}.upstream_rq_retry": 4,
            f"cluster.{V1}.upstream_rq_pending_overflow": 1,
            f"cluster.{V1}.upstream_cx_none_healthy": 1,
        },
    )
    case.nodes[0] = NodeBook("nginx01", 596)

    account = case.account()

    assert account.is_balanced
    assert {r.cause: r.count for r in book(account, "gateway routing").residuals} == {
        Cause.UPSTREAM_FAILURE: 6,
        Cause.RETRY: -4,
        Cause.OVERFLOW: 1,
        Cause.NO_HEALTHY_UPSTREAM: 1,
    }


def test_requests_in_flight_at_the_end_are_named():
    case = Case()
    case.add("sidecar", **{"http.in.downstream_rq_completed": -2, "http.in.downstream_rq_active": 2})

    balance = book(case.account(), "sidecar listener")

    assert balance.state == "balanced"
    assert {r.cause: r.count for r in balance.residuals} == {Cause.IN_FLIGHT: 2}


def test_a_client_that_left_is_named_only_with_a_reset_to_show_for_it():
    case = Case()
    case.add("sidecar", **{"http.in.downstream_rq_completed": -1})
    assert book(case.account(), "sidecar listener").state == "open"

    case.add("sidecar", **{"http.in.downstream_rq_rx_reset": 1})
    assert book(case.account(), "sidecar listener").state == "balanced"


def test_a_node_that_saw_less_needs_broken_connections_as_an_excuse():
    case = Case()
    case.nodes[0] = NodeBook("nginx01", 599)
    assert book(case.account(), "gateway to nginx01").state == "open"

    case.add("gateway", **{f"cluster.{V1}.upstream_cx_destroy_with_active_rq": 1})
    balance = book(case.account(), "gateway to nginx01")
    assert balance.state == "balanced"
    assert balance.residuals[0].cause is Cause.RESET


def test_a_node_that_saw_more_than_was_sent_is_never_balanced():
    case = Case()
    case.nodes[0] = NodeBook("nginx01", 601)
    case.add("gateway", **{f"cluster.{V1}.upstream_cx_destroy_with_active_rq": 5})

    assert book(case.account(), "gateway to nginx01").state == "open"


def test_counters_that_fell_are_a_restart_and_no_balance():
    case = Case()
    case.gateway[1] = plain("gw", 40, {V1: 20, V2: 20})

    account = case.account()

    assert not account.is_balanced
    assert book(account, "gateway routing").state == "incomplete"
    assert book(account, "gateway routing").damages[0].code is DamageCode.COUNTERS_RESET


def test_a_restart_whose_counters_have_overtaken_the_old_ones_is_seen_by_process_or_uptime():
    case = Case()
    case.instances["gateway"] = ("8@1", "9@55")
    assert book(case.account(), "gateway listener").state == "incomplete"

    case = Case()
    case.gateway[1]["server.uptime"] = 3
    assert book(case.account(), "sidecar to gateway").state == "incomplete"


def test_a_gauge_that_fell_is_not_a_restart():
    case = Case()
    case.sidecar[0][f"cluster.{TO}.upstream_cx_active"] = 9
    case.sidecar[1][f"cluster.{TO}.upstream_cx_active"] = 2

    assert case.account().is_balanced


def test_nothing_read_is_incomplete():
    case = Case()
    case.sidecar[1] = {}

    assert book(case.account(), "sidecar listener").damages[0].code is DamageCode.COUNTERS_MISSING


def test_a_node_without_a_log_is_incomplete():
    case = Case()
    case.nodes.pop()

    assert book(case.account(), "gateway to nginx02").state == "incomplete"


def test_client_sums_must_hold_each_on_its_own():
    case = Case()
    case.client = ClientCounts(due=1000, sent=990, answered=1000, unsent=0)

    assert book(case.account(), "client").state == "open"


def test_probes_that_are_known_are_taken_out():
    case = Case()
    case.add("sidecar", **{"http.in.downstream_rq_total": 3, "http.in.downstream_rq_completed": 3})
    case.add("sidecar", **{"http.in.rq_total": 3, "http.in.no_route": 3})
    account = account_of_counters(
        Books(
            case.client,
            ProxyBook(Window("sleep", *case.sidecar), ("in",), (TO,), foreign=3),
            ProxyBook(Window("egress", *case.gateway), ("gw",), (V1, V2)),
            (TO,),
            tuple(case.nodes),
            {V1: ("nginx01",), V2: ("nginx02",)},
        )
    )

    assert account.is_balanced


def test_requests_whose_connection_ended_unanswered_excuse_as_many_and_the_excuse_is_said_to_be_a_number():
    case = Case()
    for proxy in ("sidecar", "gateway"):
        for key in [key for key in getattr(case, proxy)[1] if key.endswith(("_total", "_completed"))]:
            getattr(case, proxy)[1][key] -= 5 if V2 not in key else 0
    case.nodes[0] = NodeBook("nginx01", 595)
    case.client = ClientCounts(due=1000, sent=1000, answered=994, unsent=0, bad=6, unanswered=5)

    account = case.account()

    assert account.is_balanced
    balance = book(account, "client to sidecar")
    assert {r.cause: r.count for r in balance.residuals} == {Cause.NOT_CONNECTED: 5}
    assert [note.count for note in balance.remarks] == [5]


def test_reasons_of_unsent_requests_excuse_no_sent_one():
    """Refused connections are of unsent requests; the five that the sidecar lacks were sent."""
    case = Case()
    case.add("sidecar", **{"http.in.downstream_rq_total": -5, "http.in.downstream_rq_completed": -5})
    case.client = ClientCounts(due=1010, sent=1000, answered=1000, unsent=10)

    assert book(case.account(), "client to sidecar").state == "open"


def test_what_a_worker_had_sent_before_it_died_is_named():
    case = Case()
    case.client = ClientCounts(due=1000, sent=900, answered=900, unsent=100, unreported=100)

    account = case.account()

    assert account.is_balanced
    assert {r.cause: r.count for r in book(account, "client to sidecar").residuals} == {
        Cause.WORKER_LOST: -100
    }


def test_a_worker_that_died_excuses_no_more_than_it_left_unreported():
    case = Case()
    case.client = ClientCounts(due=1000, sent=900, answered=900, unsent=100, unreported=99)

    assert book(case.account(), "client to sidecar").state == "open"
