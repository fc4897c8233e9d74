"""Each request followed through all logs: a right world balances, a spoilt one never does."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.ledger.tally import merged
from bench.result import Book, Cause, DamageCode, NoteCode, ReasonCode
from tests.ledger.world import FIRST, RUN, SUBSETS, TO_GATEWAY, World, book, name, node_line, proxy_line
from tests.support.effort import growth


def residuals(balance):
    return {residual.cause: residual.count for residual in balance.residuals}


def faults(account):
    return {damage.code for balance in account.balances for damage in balance.damages}


def test_a_world_in_which_everything_is_right_balances_in_every_book():
    account = World().account()

    assert account.level == "full"
    assert {balance.state for balance in account.balances} == {"balanced"}
    assert account.is_balanced


def test_unsent_and_unanswered_requests_are_named():
    world = World()
    world.forget(5)
    world.forget(9)
    world.ended = {ReasonCode.QUEUE_FULL: [5], ReasonCode.CLOSED: [9]}

    account = world.account()

    assert residuals(book(account, "client to sidecar")) == {Cause.UNSENT: 1, Cause.NOT_CONNECTED: 1}
    assert account.is_balanced


def test_an_unsent_request_that_was_seen_is_not_a_balance():
    """One counted as unsent and sent all the same."""
    world = World()
    world.ended = {ReasonCode.QUEUE_FULL: [5]}

    balance = book(world.account(), "client to sidecar")

    assert balance.unexplained == 1
    assert balance.examples[0].code is NoteCode.UNSENT_AND_LOGGED


@pytest.mark.parametrize("code", [ReasonCode.CLOSED, ReasonCode.RESET, ReasonCode.BROKEN])
def test_a_ghost_never_balances_a_loss(code):
    """A proxy in front cuts the answers of twenty requests, and answers twenty others by itself."""
    world = World()
    cut, ghosts = range(20), range(20, 40)
    world.ended = {code: list(cut)}
    for index in ghosts:
        world.forget(index)

    account = world.account()

    assert book(account, "client to sidecar").unexplained == 20
    assert {note.id for note in book(account, "client to sidecar").examples} <= {
        f"{RUN}/{FIRST + index}" for index in ghosts
    }
    assert book(account, "answer of each request").unexplained == 20


@pytest.mark.parametrize("code", [ReasonCode.ANSWER_CUT, ReasonCode.TIMEOUT, ReasonCode.STATUS])
def test_only_a_connection_that_ended_before_the_first_byte_excuses_its_own_request(code):
    world = World()
    world.forget(7)
    world.ended = {code: [7]}

    balance = book(world.account(), "client to sidecar")

    assert (balance.unexplained, residuals(balance)) == (1, {})


@pytest.mark.parametrize("code", [ReasonCode.REFUSED, ReasonCode.QUEUE_FULL, ReasonCode.CONNECT_TIMEOUT])
def test_the_ids_of_unsent_requests_excuse_no_sent_one(code):
    world = World()
    world.forget(7)
    world.forget(8)
    world.ended = {code: [8]}

    balance = book(world.account(), "client to sidecar")

    assert (balance.unexplained, residuals(balance)) == (1, {Cause.UNSENT: 1})


def test_what_a_dead_worker_sent_or_did_not_send_is_nobodys_loss():
    """Every second request was its; of these the first thirty were sent."""
    world = World()
    for index in range(61, 200, 2):
        world.forget(index)
    world.lost = ((1, 2),)

    account = world.account()

    assert account.is_balanced
    assert residuals(book(account, "client to sidecar")) == {Cause.WORKER_LOST: 70}


def test_a_dead_worker_excuses_no_request_of_another():
    world = World()
    world.forget(40)
    world.lost = ((1, 2),)

    assert world.states()["client to sidecar"] == "open"


def test_an_answer_between_the_proxies_is_a_ghost_though_the_sidecar_logs_it_like_any_other():
    world = World()
    for index in (10, 20):
        world.forget(index, "gateway", *world.nodes)

    account = world.account()

    assert book(account, "sidecar to gateway").unexplained == 2
    assert book(account, "answer of each request").unexplained == 2


def test_half_an_answer_excuses_no_attempt_that_the_next_hop_did_not_log():
    """UC with the status of an upstream: an answer had begun, so somebody must have read the request."""
    world = World()
    world.sidecar[7] = proxy_line(7, TO_GATEWAY, status=200, flags="UC")
    world.forget(7, "gateway", *world.nodes)
    world.ended = {ReasonCode.ANSWER_CUT: [7]}

    assert book(world.account(), "sidecar to gateway").unexplained == 1


def test_a_client_that_kept_too_few_ids_of_its_failures_proves_nothing():
    world = World()
    world.has_all = False

    account = world.account()

    assert faults(account) == {DamageCode.CLIENT_IDS_MISSING}
    assert not account.is_balanced


@pytest.mark.parametrize(
    ("flags", "status", "cause"),
    [
        ("NR", 404, Cause.NO_ROUTE),
        ("NC", 503, Cause.NO_CLUSTER),
        ("UH", 503, Cause.NO_HEALTHY_UPSTREAM),
        ("UF", 503, Cause.UPSTREAM_FAILURE),
        ("URX,UF", 503, Cause.UPSTREAM_FAILURE),
        ("UO", 503, Cause.OVERFLOW),
        ("UT", 504, Cause.TIMEOUT),
        ("UC", 503, Cause.RESET),
        ("DC", 0, Cause.CLIENT_LEFT),
    ],
)
def test_what_a_response_flag_excuses_is_named_by_it(flags, status, cause):
    world = World()
    attempts = {"NR": 0, "NC": 0, "URX,UF": 3}.get(flags, 1)
    cluster = None if attempts == 0 else SUBSETS["v2"]
    world.gateway[7] = proxy_line(7, cluster, status=status, flags=flags, attempts=attempts)
    world.nodes["nginx02"].remove(node_line(7, "nginx02"))
    world.ended = {ReasonCode.STATUS: [7]}

    account = world.account()

    assert account.is_balanced
    assert residuals(book(account, "gateway response flags")) == {cause: 1}


def test_an_attempt_that_was_tried_again_is_a_retry():
    world = World()
    world.sidecar[4] = proxy_line(4, TO_GATEWAY, attempts=2)

    account = world.account()

    assert account.is_balanced
    assert residuals(book(account, "sidecar to gateway")) == {Cause.RETRY: 1}


def test_a_plain_answer_excuses_nothing():
    world = World()
    world.nodes["nginx02"].remove(node_line(7, "nginx02"))

    balance = book(world.account(), "gateway to nodes")

    assert balance.state == "open"
    assert balance.unexplained == 1
    assert [note.text for note in balance.examples] == [
        f"{RUN}/{FIRST + 7}: sent on by gateway and not seen after it"
    ]


def test_a_loss_does_not_hide_behind_a_ghost():
    """Sums agree: one id is missing at a node, another is there twice."""
    world = World()
    world.nodes["nginx01"].remove(node_line(10, "nginx01"))
    world.nodes["nginx01"].append(node_line(12, "nginx01"))

    balance = book(world.account(), "gateway to nodes")

    assert (balance.left, balance.right, balance.unexplained) == (200, 200, 2)
    assert balance.state == "open"


def test_one_request_at_the_wrong_node_is_found():
    world = World()
    world.nodes["nginx01"].remove(node_line(10, "nginx01"))
    world.nodes["nginx02"].append(node_line(10, "nginx02"))

    account = world.account()

    assert book(account, "node of each request").unexplained == 1
    assert book(account, "node of each request").examples[0].code is NoteCode.WRONG_NODE
    assert not account.is_balanced


def test_swapped_routes_are_found_though_cluster_and_node_agree():
    """The gateway sent v1 to the cluster of v2 and node 2 answered: only the request shows it."""
    world = World()
    world.gateway[10] = proxy_line(10, SUBSETS["v2"])
    world.nodes["nginx01"].remove(node_line(10, "nginx01"))
    world.nodes["nginx02"].append(node_line(10, "nginx02"))

    assert world.states()["node of each request"] == "open"


def test_a_request_that_went_round_the_gateway_is_found():
    world = World()
    world.gateway.pop(10)

    account = world.account()

    assert world.states()["gateway to nodes"] == "open"
    assert book(account, "node of each request").unexplained == 1


def test_a_duplicate_delivery_is_found_and_named():
    world = World()
    world.nodes["nginx01"].append(node_line(10, "nginx01"))

    balance = book(world.account(), "gateway to nodes")

    assert balance.unexplained == 1
    assert [note.text for note in balance.remarks] == ["nginx01: 1 ids have more than one line"]


def test_an_id_that_was_never_due_is_found():
    world = World()
    world.sidecar.append(proxy_line(0, TO_GATEWAY, ident=name(4711)))

    balance = book(world.account(), "client to sidecar")

    assert balance.unexplained == 1
    assert balance.examples[0].code is NoteCode.NEVER_DUE


def test_lines_of_another_run_are_counted_and_do_no_harm():
    world = World()
    world.sidecar.insert(3, proxy_line(0, TO_GATEWAY, ident="other-run/0000000000007"))
    world.sidecar.insert(9, proxy_line(0, TO_GATEWAY, ident=None).replace(f'"{name(0)}"', "null"))

    account = world.account()

    assert account.is_balanced
    (remark,) = book(account, "client to sidecar").remarks
    assert (remark.code, remark.part, remark.count) == (NoteCode.FOREIGN_LINES, "sidecar", 2)


@pytest.mark.parametrize("log", ["sidecar", "gateway", "nginx01"])
def test_half_a_line_at_the_end_is_a_truncated_log(log):
    world = World()
    lines = world.nodes.get(log) or getattr(world, log)
    lines[-1] = lines[-1][:40]
    world.ends[log] = ""

    account = world.account()

    assert DamageCode.LOG_TRUNCATED in faults(account)
    assert not account.is_balanced


@pytest.mark.parametrize("log", ["sidecar", "gateway", "nginx02"])
@pytest.mark.parametrize("part", [slice(60, None), slice(None, 40), slice(0, 0)])
def test_a_rotated_log_is_named(log, part):
    world = World()
    lines = world.nodes.get(log) or getattr(world, log)
    lines[:] = lines[part]

    account = world.account()

    assert DamageCode.LOG_TRUNCATED in faults(account)
    assert not account.is_balanced
    assert any(log in damage.detail for b in account.balances for damage in b.damages)


@pytest.mark.parametrize("garbage", ["not ours", '{"id": 7', "[1,2]", "", '{"time":1}', "\x00\xff"])
def test_a_line_that_is_none_is_named_wherever_it_is(garbage):
    for place in (0, 77, 199):
        world = World()
        world.gateway.insert(place, garbage)

        account = world.account()

        assert faults(account) == {DamageCode.LOG_LINE_BROKEN}
        assert not account.is_balanced


def test_a_clock_that_goes_back_is_named_and_ids_still_balance():
    world = World()
    world.gateway = [
        proxy_line(i, SUBSETS[world.want(i)], at=i * 0.001 - (3600 if i >= 100 else 0)) for i in range(200)
    ]

    account = world.account()

    assert account.is_balanced
    assert [note.text for note in book(account, "sidecar to gateway").remarks] == [
        "gateway: its clock went back 1 times, by up to 3600.0 s"
    ]


def test_one_slow_request_is_not_a_clock_step_and_microseconds_are_distinguished_from_seconds():
    """A request of ten seconds is, by its start, far behind the lines before it."""
    world = World()
    world.gateway[150] = proxy_line(150, SUBSETS["v1"], at=-10)
    world.sidecar = [
        line.replace(f'"time":{json.loads(line)["time"]}', f'"time":"{json.loads(line)["time"] * 1e6:.0f}"')
        for line in world.sidecar
    ]

    account = world.account()

    assert account.is_balanced
    assert not any(balance.remarks for balance in account.balances)


def test_an_unknown_response_flag_is_unexplained():
    world = World()
    world.gateway[3] = proxy_line(3, SUBSETS["v2"], flags="XYZ")

    assert world.states()["gateway response flags"] == "open"


def test_fields_in_another_order_and_with_escapes_are_read_all_the_same():
    world = World()
    line = (
        '{"attempts":1,"id":"%s","flags":"-","note":"a \\"quote\\"",'
        '"cluster":"%s","status":200,"time":1795500000.5}'
    )
    world.gateway[3] = line % (name(3), SUBSETS["v2"])

    assert world.account().is_balanced


SPOILS = st.sampled_from(["drop", "repeat", "rename", "move"])


@settings(max_examples=120, deadline=None)
@given(
    log=st.sampled_from(["sidecar", "gateway", "nginx01", "nginx02"]),
    spoil=SPOILS,
    at=st.integers(0, 49),
    second=st.none()
    | st.tuples(st.sampled_from(["sidecar", "gateway", "nginx01", "nginx02"]), SPOILS, st.integers(0, 49)),
)
def test_no_spoilt_log_ever_balances(log, spoil, at, second):
    world = World(100)
    before = own_lines(world)
    _spoil(world, log, spoil, at)
    if second is not None:
        _spoil(world, *second)
    if before == own_lines(world):
        return  # the second undid the first, or what is left of it is a line of another run

    assert not world.account().is_balanced


def own_lines(world):
    return {
        log: sorted(line for line in world.bytes_of(log).decode().splitlines() if f"{RUN}/" in line)
        for log in world.ends
    }


def _spoil(world, log, spoil, at):
    lines = world.nodes.get(log) or getattr(world, log)
    at %= len(lines)
    if spoil == "drop":
        lines.pop(at)
    elif spoil == "repeat":
        lines.insert(at, lines[at])
    elif spoil == "rename":
        lines[at] = lines[at].replace(f"{RUN}/", f"{RUN}x/")
    else:
        other = "nginx02" if log != "nginx02" else "nginx01"
        world.nodes[other].append(node_line(at, other))


def test_twice_the_lines_take_twice_the_work():
    def matched(size):
        world = World(size)
        return lambda: world.account(chunk=1 << 16)

    assert growth(matched, size=2_000) < 2.1


def test_without_a_gateway_the_sidecar_leads_to_the_nodes():
    world = World()
    world.sidecar = world.gateway

    account = world.account(gateway=False)

    assert account.is_balanced
    books = [each.book for each in account.balances]
    assert Book.SIDECAR_TO_NODES in books
    assert not {Book.SIDECAR_TO_GATEWAY, Book.GATEWAY_TO_NODES, Book.GATEWAY_FLAGS} & set(books)


def test_without_a_gateway_a_loss_at_a_node_is_found():
    world = World()
    world.sidecar = world.gateway
    del world.nodes["nginx01"][7]

    unexplained = {each.book: each.unexplained for each in world.account(gateway=False).balances}

    assert unexplained[Book.SIDECAR_TO_NODES] == 1
    assert unexplained[Book.ANSWERS] == 1


def test_logs_of_several_sidecars_are_one_in_which_each_id_is_once():
    whole, first, second = World(), World(), World()
    first.sidecar, second.sidecar = whole.sidecar[::2], whole.sidecar[1::2]
    # The second has met other clusters and flags before: codes are each log's own.
    second.sidecar = [proxy_line(1, "other", flags="UH", ident="another-run/1"), *second.sidecar]

    both = merged([first.tally("sidecar"), second.tally("sidecar")])

    one = whole.tally("sidecar")
    assert (both.lines, both.foreign) == (one.lines, 1)
    assert both.count.tolist() == one.count.tolist()
    assert [both.cluster_codes.texts[code] for code in both.cluster.tolist()] == [TO_GATEWAY] * whole.size
    twice = merged([one, second.tally("sidecar")])
    assert twice.duplicates == whole.size // 2
