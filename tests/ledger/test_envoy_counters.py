"""What the ledger believes of Envoy's counters and flags, asked of a real Envoy: one request of each kind."""

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from bench.ledger.counters import Downstream, Upstream, Window
from bench.ledger.flags import cause_of_flags
from bench.ledger.reconcile import ProxyBook, books_of_proxy
from bench.ledger.tally import Ids, Span, tally_log
from bench.result import Book, Cause
from tests.support.envoy import running_envoy
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.envoy

API = "type.googleapis.com/envoy"
RETRY = {
    "retry_on": "connect-failure,refused-stream,reset,5xx",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.005s"},
}


class Upstreams:
    """Servers that behave: ok, slow, reset, half, err; held, by a gate; and a port that refuses."""

    def __init__(self):
        self.gate = threading.Event()
        self.sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in BEHAVIOURS}
        self.closing = False
        for name, listening in self.sockets.items():
            threading.Thread(target=self._accept, args=(listening, BEHAVIOURS[name]), daemon=True).start()
        # Bound and not listening: refused, and nothing else can get the port.
        self.sockets["refused"] = socket.socket()
        self.sockets["refused"].bind(("127.0.0.1", 0))

    def port(self, name):
        return self.sockets[name].getsockname()[1]

    def _accept(self, listening, behaviour):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._serve, args=(connection, behaviour), daemon=True).start()

    def _serve(self, connection, behaviour):
        pause, answer = behaviour
        with contextlib.suppress(OSError), connection:
            while connection.recv(65536):
                if pause is None:
                    self.gate.wait(PATIENCE_S)
                else:
                    time.sleep(pause)
                connection.sendall(answer)
                if b"keep" not in answer:
                    time.sleep(0.05)
                    return

    def close(self):
        for listening in self.sockets.values():
            listening.close()


OK = b"HTTP/1.1 200 OK\r\nx: keep\r\ncontent-length: 2\r\n\r\nok"
HELD = b"GET /held HTTP/1.1\r\nhost: a\r\n\r\n"
BEHAVIOURS = {
    "ok": (0, OK),
    "slow": (0.4, OK),
    "held": (None, OK),
    "reset": (0, b""),
    "half": (0, b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok"),
    "err": (0, b"HTTP/1.1 503 no\r\nx: keep\r\ncontent-length: 2\r\n\r\nno"),
}


def cluster(name, port, **more):
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    endpoints = [] if port is None else [{"lb_endpoints": [endpoint]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment, **more}


def route(path, name, **action):
    return {"match": {"path": path}, "route": {"cluster": name, **action}}


def fault(name, **config):
    kind = {"@type": f"{API}.extensions.filters.http.fault.v3.HTTPFault", **config}
    return {name: kind}


CLUSTERS = ("ok", "slow", "reset", "half", "err", "refused", "empty", "mirror", "tiny", "strict")


def configuration(upstreams):
    routes = [
        route("/ok", "ok"),
        route("/refused", "refused"),
        route("/refused-retry", "refused", retry_policy=RETRY),
        route("/reset", "reset"),
        route("/reset-retry", "reset", retry_policy=RETRY),
        route("/err", "err"),
        route("/err-retry", "err", retry_policy=RETRY),
        route("/retry-overflow", "strict", retry_policy=RETRY),
        route("/half", "half"),
        route("/slow", "slow"),
        route("/timeout", "slow", timeout="0.05s"),
        route("/held", "tiny"),
        route("/empty", "empty"),
        route("/nocluster", "nowhere"),
        route("/mirror", "ok", request_mirror_policies=[{"cluster": "mirror"}]),
        {"match": {"path": "/direct"}, "direct_response": {"status": 404}},
        {"match": {"path": "/redirect"}, "redirect": {"path_redirect": "/x"}},
        {
            **route("/abort", "ok"),
            "typed_per_filter_config": fault(
                "envoy.filters.http.fault",
                abort={"http_status": 555, "percentage": {"numerator": 100}},
            ),
        },
    ]
    log = {
        "@type": f"{API}.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/stdout",
        "log_format": {
            "json_format": {
                "time": "%START_TIME(%s%6f)%",
                "id": "%REQ(X-BENCH-ID)%",
                "path": "%REQ(:PATH)%",
                "status": "%RESPONSE_CODE%",
                "flags": "%RESPONSE_FLAGS%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "cluster": "%UPSTREAM_CLUSTER_RAW%",
                "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            }
        },
    }
    router = {"@type": f"{API}.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {
            "name": "r",
            "validate_clusters": False,
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}],
        },
        "access_log": [{"name": "log", "typed_config": log}],
        "http_filters": [
            {"name": "envoy.filters.http.fault", "typed_config": fault("x")["x"]},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    any_port = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    no_retries = {"thresholds": [{"max_retries": 0}]}
    few = {"thresholds": [{"max_connections": 1, "max_pending_requests": 1}]}
    return {
        "admin": {"address": any_port},
        "static_resources": {
            "listeners": [
                {
                    "name": "l",
                    "address": any_port,
                    "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                *(cluster(name, upstreams.port(name)) for name in (*BEHAVIOURS, "refused")),
                cluster("empty", None),
                cluster("mirror", upstreams.port("ok")),
                cluster("tiny", upstreams.port("held"), circuit_breakers=few),
                cluster("strict", upstreams.port("err"), circuit_breakers=no_retries),
            ],
        },
    }


class Proxy:
    def __init__(self, folder):
        self.upstreams = Upstreams()
        (folder / "envoy.json").write_text(json.dumps(configuration(self.upstreams)))
        self._started = contextlib.ExitStack()
        self.envoy = self._started.enter_context(running_envoy(folder / "envoy.json", "-l", "error"))
        (self.port,) = wait_until(self.envoy.ports).values()

    def stats(self):
        pairs = (line.rpartition(": ") for line in self.envoy.get("/stats").splitlines())
        return {name: int(value) for name, _, value in pairs if value.isdigit()}

    def get(self, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.suppress(http.client.HTTPException, OSError):
            connection.request("GET", path, headers=headers or {})
            connection.getresponse().read()
        connection.close()

    def raw(self, text, gauge=None):
        """Send *text*, and leave once Envoy has begun with it, or the *gauge* of "tiny" counts it."""
        begun = self.stats()["http.in.downstream_rq_total"]
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(text)
            wait_until(lambda: self.stats()["http.in.downstream_rq_total"] > begun)
            if gauge is not None:
                self.until(gauge, 1)

    @contextlib.contextmanager
    def holding(self):
        """Let "/held" be answered only when the block ends."""
        self.upstreams.gate.clear()
        try:
            yield
        finally:
            self.upstreams.gate.set()

    def until(self, gauge, value):
        """Wait until this many requests to "tiny" are active, or pending: waiting for a connection."""
        wait_until(lambda: self.stats()[f"cluster.tiny.upstream_rq_{gauge}"] == value)

    def settled(self):
        """Counters when nothing is under way any more."""

        def quiet():
            stats = self.stats()
            active = [stats.get(f"cluster.{name}.upstream_rq_active") for name in CLUSTERS]
            return None if stats["http.in.downstream_rq_active"] or any(active) else stats

        return wait_until(quiet)

    def lines(self):
        return [json.loads(line) for line in self.envoy.log.read_text().splitlines() if line.startswith("{")]

    def close(self):
        self._started.close()
        self.upstreams.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    proxy = Proxy(tmp_path_factory.mktemp("envoy"))
    yield proxy
    proxy.close()


def observe(proxy, act, *, mirrored=0, settle=True):
    before = proxy.settled()
    act()
    after = proxy.settled() if settle else proxy.stats()
    window = Window("envoy", before, after)
    book = ProxyBook(window, ("in",), CLUSTERS, (mirrored, mirrored))
    return window, books_of_proxy(Book.SIDECAR_LISTENER, Book.SIDECAR_ROUTING, book)


KINDS = [
    ("/ok", {}, {}),
    ("/refused", {}, {Cause.UPSTREAM_FAILURE: 1}),
    ("/refused-retry", {}, {Cause.UPSTREAM_FAILURE: 3, Cause.RETRY: -2}),
    ("/reset", {}, {}),
    ("/reset-retry", {}, {Cause.RETRY: -2}),
    ("/err", {}, {}),
    ("/err-retry", {}, {Cause.RETRY: -2}),
    ("/retry-overflow", {}, {}),
    ("/half", {}, {}),
    ("/slow", {}, {}),
    ("/timeout", {}, {}),
    ("/empty", {}, {Cause.NO_HEALTHY_UPSTREAM: 1}),
    ("/nocluster", {}, {Cause.NO_CLUSTER: 1}),
    ("/none", {}, {Cause.NO_ROUTE: 1}),
    ("/direct", {}, {Cause.DIRECT_ANSWER: 1}),
    ("/redirect", {}, {Cause.DIRECT_ANSWER: 1}),
    ("/abort", {}, {Cause.FAULT_INJECTED: 1}),
    ("/mirror", {}, {Cause.MIRROR: -1}),
]


@pytest.mark.parametrize(("path", "listener", "routing"), KINDS)
def test_one_request_of_each_kind_balances_with_its_name(proxy, path, listener, routing):
    _, balances = observe(proxy, lambda: proxy.get(path), mirrored=int(path == "/mirror"))

    assert [balance.state for balance in balances] == ["balanced", "balanced"], balances
    assert {r.cause: r.count for r in balances[0].residuals} == listener
    assert {r.cause: r.count for r in balances[1].residuals} == routing
    assert balances[0].left == 1


def test_overflow_counts_what_got_no_connection(proxy):
    def act():
        served = [threading.Thread(target=proxy.get, args=("/held",)) for _ in range(2)]
        with proxy.holding():
            # Until the first has its connection it is pending, and even a second one overflows.
            for thread, gauge in zip(served, ("active", "pending_active"), strict=True):
                thread.start()
                proxy.until(gauge, 1)
            proxy.get("/held")
            proxy.get("/held")
        for thread in served:
            thread.join()

    window, balances = observe(proxy, act)

    assert [balance.state for balance in balances] == ["balanced", "balanced"]
    assert Upstream.of(window, "tiny").overflow == 2
    assert {r.cause: r.count for r in balances[1].residuals} == {Cause.OVERFLOW: 2}


def test_a_client_that_leaves_is_total_without_completed(proxy):
    with proxy.holding():
        window, balances = observe(proxy, lambda: proxy.raw(HELD, "active"))

    side = Downstream.of(window, "in")
    assert (side.total, side.answered) == (1, 0)
    assert {r.cause: r.count for r in balances[0].residuals} == {Cause.CLIENT_LEFT: 1}
    assert [balance.state for balance in balances] == ["balanced", "balanced"]


def test_a_client_that_leaves_while_waiting_is_cancelled(proxy):
    def act():
        first = threading.Thread(target=proxy.get, args=("/held",))
        with proxy.holding():
            first.start()
            proxy.until("active", 1)
            proxy.raw(HELD, "pending_active")
            proxy.until("pending_active", 0)
        first.join()

    _, balances = observe(proxy, act)

    assert [balance.state for balance in balances] == ["balanced", "balanced"]
    assert {r.cause: r.count for r in balances[1].residuals} == {Cause.CANCELLED: 1}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b"GARBAGE\r\n\r\n", {}),
        (b"GET /ok HTTP/1.1\r\n\r\n", {}),
        (b"GET /ok HT", {Cause.CLIENT_LEFT: 1}),
    ],
)
def test_bad_requests_are_rejected_before_routing(proxy, text, left):
    _, balances = observe(proxy, lambda: proxy.raw(text))

    assert [balance.state for balance in balances] == ["balanced", "balanced"]
    assert {r.cause: r.count for r in balances[0].residuals} == left
    assert {r.cause: r.count for r in balances[1].residuals} == {Cause.REJECTED: 1}


def test_what_is_in_flight_is_named_while_it_is(proxy):
    def act():
        connection = socket.create_connection(("127.0.0.1", proxy.port))
        connection.sendall(HELD)
        proxy.until("active", 1)
        kept.append(connection)

    kept = []
    with proxy.holding():
        _, balances = observe(proxy, act, settle=False)
    kept[0].close()

    assert [balance.state for balance in balances] == ["balanced", "balanced"]
    assert {r.cause: r.count for r in balances[0].residuals} == {Cause.IN_FLIGHT: 1}


@pytest.mark.parametrize(
    ("path", "cause", "attempts"),
    [
        ("/refused", Cause.UPSTREAM_FAILURE, 1),
        ("/refused-retry", Cause.UPSTREAM_FAILURE, 3),
        ("/reset", Cause.RESET, 1),
        ("/half", Cause.RESET, 1),
        ("/timeout", Cause.TIMEOUT, 1),
        ("/empty", Cause.NO_HEALTHY_UPSTREAM, 1),
        ("/nocluster", Cause.NO_CLUSTER, 0),
        ("/none", Cause.NO_ROUTE, 0),
        ("/abort", Cause.FAULT_INJECTED, 0),
        ("/direct", None, 0),
        ("/err-retry", None, 3),
        ("/ok", None, 1),
    ],
)
def test_flags_and_attempts_in_the_log_mean_what_matching_believes(proxy, path, cause, attempts):
    proxy.settled()
    known = len(proxy.lines())
    proxy.get(path)
    # A line of an earlier test may come late.
    line = wait_until(lambda: next((one for one in proxy.lines()[known:] if one["path"] == path), None))

    assert cause_of_flags(line["flags"]) is cause
    assert line["attempts"] == attempts


def test_a_real_log_is_read_by_the_fast_way_to_the_last_line(proxy):
    known = len(proxy.lines())
    for number in range(30):
        path = ("/ok", "/none", "/refused")[number % 3]
        proxy.get(path, {"x-bench-id": f"my-run/{number:013d}"})
    wait_until(lambda: len(proxy.lines()) >= known + 30)
    text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in proxy.lines()[known:])
    raw = [line for line in proxy.envoy.log.read_text().splitlines() if line.startswith("{")][known:]

    tally = tally_log("gateway", ["\n".join(raw).encode(), b"\n"], Ids("my-run", (Span(0, 30),)))

    assert text.splitlines() == raw  # as compact as the ledger's expression expects
    assert (tally.lines, tally.odd_lines, tally.foreign, tally.torn) == (30, 0, 0, "")
    assert tally.count.tolist() == [1] * 30
    assert tally.status.tolist() == [200, 404, 503] * 10
    assert tally.attempts.tolist() == [1, 0, 1] * 10
    assert tally.flag_codes.texts == ["-", "NR", "UF"]
    assert tally.cluster_codes.texts == ["ok", "", "refused"]
    assert tally.clock_steps == 0
