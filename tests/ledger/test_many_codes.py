"""More kinds of requests, nodes, clusters and flags than fit into a byte: each is judged as with few."""

from itertools import pairwise

import numpy as np
import pytest

from bench.ledger.client_ids import ClientIds, ends_of
from bench.ledger.matching import Logs, account_of_ids
from bench.ledger.tally import NODE_FIELDS, Ids, Span, merged, tally_log
from bench.result import Book, Cause, NoteCode
from tests.ledger.world import FIRST, RUN, TO_GATEWAY, node_line, proxy_line

MANY = [255, 256, 257, 300, 1_000]


class Many:
    """As many kinds of requests as clusters and nodes, two requests of each; in turn."""

    def __init__(self, many):
        self.many, self.size = many, 2 * many
        self.ids = Ids(RUN, (Span(FIRST, self.size),))
        self.wanted = np.arange(self.size) % many
        self.sent_to = self.wanted.copy()
        """Cluster that the gateway chose for each."""
        self.seen_at = [[kind] for kind in self.wanted.tolist()]
        """Nodes that saw each."""
        self.flags = ["-"] * self.size

    @property
    def nodes(self):
        return [f"node{index}" for index in range(self.many)]

    def gateway(self, indexes=None):
        numbers = range(self.size) if indexes is None else indexes
        lines = [
            proxy_line(i, f"outbound|80||{self.sent_to[i]}.example", flags=self.flags[i]) for i in numbers
        ]
        return tally_log("gateway", ["".join(f"{line}\n" for line in lines).encode()], self.ids)

    def account(self, *, gateway=None):
        at = {name: [] for name in self.nodes}
        for index, seen in enumerate(self.seen_at):
            for node in seen:
                at[f"node{node}"].append(node_line(index, f"node{node}") + "\n")
        sidecar = "".join(f"{proxy_line(i, TO_GATEWAY)}\n" for i in range(self.size)).encode()
        client = ClientIds(
            self.ids,
            ends_of(self.ids, {}),
            wanted=self.wanted,
            wants=tuple((name,) for name in self.nodes),
        )
        found = account_of_ids(
            client,
            Logs(
                tally_log("sidecar", [sidecar], self.ids),
                gateway or self.gateway(),
                tuple(
                    tally_log(name, ["".join(lines).encode()], self.ids, fields=NODE_FIELDS)
                    for name, lines in at.items()
                ),
                frozenset({TO_GATEWAY}),
                {f"outbound|80||{index}.example": (name,) for index, name in enumerate(self.nodes)},
            ),
        )
        return {balance.book: balance for balance in found.balances}


@pytest.mark.parametrize("many", MANY)
def test_a_right_world_balances_however_many_there_are(many):
    assert {balance.state for balance in Many(many).account().values()} == {"balanced"}


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("apart", [1, 127, 254, 256])
def test_every_misroute_is_found_and_none_is_invented(many, apart):
    """The gateway sends it to the cluster of another host, also of one that is the same in a byte."""
    world = Many(many)
    kinds = [kind for kind in (0, 3, many - apart - 1) if kind >= 0 and kind + apart < many]
    for kind in kinds:
        world.sent_to[kind], world.seen_at[kind] = kind + apart, [kind + apart]
        world.sent_to[kind + many + apart], world.seen_at[kind + many + apart] = kind, [kind]

    account = world.account()

    misrouted = account[Book.RIGHT_NODES]
    assert misrouted.unexplained == 2 * len(set(kinds))
    assert {note.code for note in misrouted.examples} <= {NoteCode.WRONG_NODE}
    assert {book for book, balance in account.items() if balance.state != "balanced"} <= {Book.RIGHT_NODES}


@pytest.mark.parametrize("many", [300, 1_000])
def test_a_node_that_is_of_another_cluster_is_found(many):
    world = Many(many)
    world.seen_at[290] = [290 - 256]

    assert world.account()[Book.RIGHT_NODES].unexplained == 1


@pytest.mark.parametrize("nodes", [2, 255, 256, 257])
def test_a_request_at_several_nodes_is_seen_however_many_they_are(nodes):
    world = Many(300)
    world.seen_at[7] = [(7 + step) % 300 for step in range(nodes)]

    account = world.account()

    assert NoteCode.SEVERAL_NODES in {note.code for note in account[Book.RIGHT_NODES].examples}
    assert account[Book.GATEWAY_TO_NODES].state == "open"


@pytest.mark.parametrize("many", MANY)
def test_logs_of_replicas_together_keep_each_cluster(many):
    world = Many(many)
    first, second = world.gateway(range(0, world.size, 2)), world.gateway(range(1, world.size, 2))

    account = world.account(gateway=merged([first, second]))

    assert {balance.state for balance in account.values()} == {"balanced"}


@pytest.mark.parametrize("many", [254, 255, 256, 300])
def test_flags_that_nobody_knows_are_unexplained_however_many_there_are(many):
    world = Many(many)
    world.flags = [f"X{index}" for index in range(many)] + ["UF"] * many

    flags = world.account()[Book.GATEWAY_FLAGS]

    assert flags.unexplained == many
    assert {each.cause: each.count for each in flags.residuals} == {Cause.UPSTREAM_FAILURE: many}


def test_a_code_takes_a_byte_as_long_as_a_byte_is_enough():
    """Runs have millions of ids."""
    sizes = [Many(many).gateway().cluster.itemsize for many in (2, 256, 257, 1_000)]

    assert sizes == [1, 1, 2, 2]
    assert all(small <= large for small, large in pairwise(sizes))
    assert Many(1_000).gateway().flags.itemsize == 1
