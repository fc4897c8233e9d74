"""What the ledger believes of Envoy's counters where proxies speak HTTP/2, asked of a real Envoy."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter

import pytest

from bench.ledger.counters import Downstream, Upstream, Window
from bench.ledger.reconcile import Books, ClientCounts, ProxyBook, account_of_counters, books_of_proxy
from bench.result import Book, Cause
from tests.support.envoy import running_envoy
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.envoy

API = "type.googleapis.com/envoy"
ANY_PORT = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": f"{API}.extensions.filters.http.router.v3.Router"},
}
DELAY = {
    "name": "envoy.filters.http.fault",
    "typed_config": {
        "@type": f"{API}.extensions.filters.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": "0.05s", "percentage": {"numerator": 100}},
    },
}
RETRY = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 2}


class Relay:
    """TCP between the two proxies; ends all its connections on request, and takes none while it is down."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.to = 0
        self.ends = []
        self.is_down = False
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                if self.is_down:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.to))
                self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    self.threads.append(threading.Thread(target=self._pump, args=(one, other), daemon=True))
                    self.threads[-1].start()

    @staticmethod
    def _pump(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self.threads:
            thread.join(PATIENCE_S)
        for end in (self.listening, *self.ends):
            end.close()


def listener(prefix, route, filters):
    return {
        "name": prefix,
        "address": ANY_PORT,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "h",
                        "typed_config": {
                            "@type": f"{API}.extensions.filters.network.http_connection_manager.v3"
                            ".HttpConnectionManager",
                            "stat_prefix": prefix,
                            "route_config": {
                                "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]
                            },
                            "http_filters": filters,
                        },
                    }
                ]
            }
        ],
    }


def cluster(name, port, *, http2):
    protocol = "http2_protocol_options" if http2 else "http_protocol_options"
    options = f"{API}.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_retries": 1000}]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {protocol: {}},
            }
        },
    }


class Path:
    """One Envoy with a connection manager in front, one behind, and the relay between them."""

    def __init__(self, folder, *, retry, http2=True):
        self.relay = Relay()
        front = {
            "match": {"prefix": "/"},
            "route": {"cluster": "to", **({"retry_policy": RETRY} if retry else {})},
        }
        behind = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
        bootstrap = {
            "admin": {"address": ANY_PORT},
            "static_resources": {
                "listeners": [
                    listener("front", front, [ROUTER]),
                    listener("behind", behind, [DELAY, ROUTER]),
                ],
                "clusters": [cluster("to", self.relay.port, http2=http2)],
            },
        }
        (folder / "envoy.json").write_text(json.dumps(bootstrap))
        self._started = contextlib.ExitStack()
        self.envoy = self._started.enter_context(running_envoy(folder / "envoy.json", "-l", "error"))
        ports = wait_until(self.envoy.ports)
        self.port, self.relay.to = ports["front"], ports["behind"]

    def stats(self):
        pairs = (line.rpartition(": ") for line in self.envoy.get("/stats").splitlines())
        return {name: int(value) for name, _, value in pairs if value.isdigit()}

    def load(self, *, clients, each, between=lambda: None):
        """This many clients, each with this many requests; returns statuses."""
        statuses = Counter()

        def client():
            for _ in range(each):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
                with contextlib.suppress(http.client.HTTPException, OSError), contextlib.closing(connection):
                    connection.request("GET", "/")
                    statuses[connection.getresponse().status] += 1

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        between()
        for thread in threads:
            thread.join()
        return statuses

    def settled(self):
        def quiet():
            stats = self.stats()
            active = [stats[f"http.{prefix}.downstream_rq_active"] for prefix in ("front", "behind")]
            return None if any(active) else stats

        return wait_until(quiet)

    def close(self):
        self._started.close()
        self.relay.close()


def account_of(path, before, after, statuses, due):
    answered = statuses[200]
    window = Window("envoy", before, after)
    return account_of_counters(
        Books(
            ClientCounts(due=due, sent=due, answered=answered, unsent=0, bad=due - answered),
            ProxyBook(window, ("front",), ("to",)),
            ProxyBook(window, ("behind",), ()),
            ("to",),
            (),
            {},
        )
    )


@pytest.mark.parametrize("retry", [False, True])
def test_streams_whose_connection_ended_under_them_balance(tmp_path, retry):
    path = Path(tmp_path, retry=retry)
    try:
        before = path.settled()

        def cut():
            for _ in range(4):
                time.sleep(0.12)
                path.relay.cut()

        statuses = path.load(clients=30, each=10, between=cut)
        after = path.settled()
    finally:
        path.close()

    window = Window("envoy", before, after)
    up = Upstream.of(window, "to")
    assert up.is_multiplexed
    # This is what the test is for: the connections' counter says less than was lost with them.
    assert up.ejected > up.broken > 0
    account = account_of(path, before, after, statuses, 300)
    assert account.is_balanced, account.balances
    named = {book.book: {r.cause for r in book.residuals} for book in account.balances}
    assert Cause.UPSTREAM_FAILURE not in named[Book.SIDECAR_ROUTING]


def test_streams_that_ended_and_attempts_that_never_connected_balance_together(tmp_path):
    path = Path(tmp_path, retry=True)
    try:
        before = path.settled()

        def cut():
            time.sleep(0.1)
            path.relay.is_down = True
            path.relay.cut()
            time.sleep(0.3)
            path.relay.is_down = False

        statuses = path.load(clients=30, each=10, between=cut)
        after = path.settled()
    finally:
        path.close()

    account = account_of(path, before, after, statuses, 300)
    assert account.is_balanced, account.balances


def test_one_request_too_few_behind_an_http2_hop_is_open_where_no_connection_ended(tmp_path):
    path = Path(tmp_path, retry=False)
    try:
        before = path.settled()
        statuses = path.load(clients=5, each=4)
        after = path.settled()
    finally:
        path.close()
    after["http.behind.downstream_rq_total"] -= 1
    after["http.behind.downstream_rq_completed"] -= 1

    account = account_of(path, before, after, statuses, 20)

    assert {book.book for book in account.balances if book.state == "open"} >= {Book.SIDECAR_TO_GATEWAY}


HEADERS = [
    ("expect", "100-continue"),
    ("expect", "something-else"),
    ("connection", "close"),
    ("connection", "upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA"),
    ("connection", "upgrade\r\nupgrade: websocket"),
    ("te", "trailers"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-retry-on", "5xx,reset\r\nx-envoy-max-retries: 3\r\nx-envoy-upstream-rq-per-try-timeout-ms: 2"),
    ("x-envoy-hedge-on-per-try-timeout", "true\r\nx-envoy-upstream-rq-per-try-timeout-ms: 2"),
    ("x-envoy-upstream-alt-stat-name", "to"),
    ("x-envoy-immediate-health-check-fail", "true"),
    ("transfer-encoding", "chunked"),
    ("content-type", "application/grpc\r\nte: trailers\r\ngrpc-timeout: 1m"),
    ("accept-encoding", "x" * 70_000),
]


@pytest.mark.parametrize("http2", [True, False])
def test_a_request_with_any_header_that_a_client_may_send_balances(tmp_path, http2):
    path = Path(tmp_path, retry=False, http2=http2)
    try:
        for name, value in HEADERS:
            before = path.settled()
            body = "2\r\nok\r\n0\r\n\r\n" if name == "transfer-encoding" else "ok"
            length = "" if name == "transfer-encoding" else "content-length: 2\r\n"
            head = f"POST / HTTP/1.1\r\nhost: a\r\n{name}: {value}\r\n{length}\r\n"
            with socket.create_connection(("127.0.0.1", path.port), timeout=PATIENCE_S) as connection:
                connection.sendall((head + body).encode())
                seen = b""
                while b"HTTP/1.1 " not in seen.replace(b"HTTP/1.1 100 Continue", b""):
                    seen += connection.recv(65536)
            after = path.settled()

            window = Window("envoy", before, after)
            front, behind = ProxyBook(window, ("front",), ("to",)), ProxyBook(window, ("behind",), ())
            books = [
                *books_of_proxy(Book.SIDECAR_LISTENER, Book.SIDECAR_ROUTING, front),
                *books_of_proxy(Book.GATEWAY_LISTENER, Book.GATEWAY_ROUTING, behind),
            ]
            assert [book.state for book in books] == ["balanced"] * 4, (name, value[:20], books)
            assert Downstream.of(window, "front").total == 1
            assert Upstream.of(window, "to").total == Downstream.of(window, "behind").total
    finally:
        path.close()
