"""A small world of logs in which everything is right, as lines that a test may spoil."""

import json

import numpy as np

from bench.ledger.client_ids import ClientIds, ends_of
from bench.ledger.matching import Logs, account_of_ids
from bench.ledger.tally import NODE_FIELDS, Ids, Span, tally_log
from bench.result import LedgerBook

RUN = "0f3a-run"
FIRST = 10_000_000_000
TO_GATEWAY = "outbound|80||egress.istio-system.svc.cluster.local"
SUBSETS = {"v1": "outbound|443|v1|nginx.external", "v2": "outbound|443|v2|nginx.external"}
NODES = {"v1": "nginx01", "v2": "nginx02"}


def name(index):
    return f"{RUN}/{FIRST + index:013d}"


def proxy_line(index, cluster, *, status=200, flags="-", attempts=1, at=None, ident=None):
    return json.dumps(
        {
            "time": round(1795500000.5 + (index * 0.001 if at is None else at), 6),
            "id": name(index) if ident is None else ident,
            "want": "v1",
            "status": status,
            "flags": flags,
            "cluster": cluster,
            "attempts": attempts,
            "failure": None,
        },
        separators=(",", ":"),
    )


def node_line(index, node, *, status="200"):
    return json.dumps(
        {"time": f"{1795500000 + index * 0.001:.3f}", "node": node, "id": name(index), "status": status},
        separators=(",", ":"),
    )


class World:
    """Lines of each log; ids alternate between the two subsets."""

    def __init__(self, size=200):
        self.size = size
        self.sidecar = [proxy_line(i, TO_GATEWAY) for i in range(size)]
        self.gateway = [proxy_line(i, SUBSETS[self.want(i)]) for i in range(size)]
        self.nodes = {
            node: [node_line(i, node) for i in range(size) if self.want(i) == want]
            for want, node in NODES.items()
        }
        self.ended = {}
        """Why requests got no right answer -> their numbers."""
        self.lost = ()
        """Shares of workers that died."""
        self.has_all = True
        self.ends = {"sidecar": "\n", "gateway": "\n", "nginx01": "\n", "nginx02": "\n"}

    @staticmethod
    def want(index):
        return "v1" if index % 2 == 0 else "v2"

    def bytes_of(self, log):
        lines = self.nodes[log] if log in self.nodes else getattr(self, log)
        return ("\n".join(lines) + (self.ends[log] if lines else "")).encode()

    def tally(self, log, chunk=997):
        data = self.bytes_of(log)
        chunks = [data[start : start + chunk] for start in range(0, len(data), chunk)]
        ids = Ids(RUN, (Span(FIRST, self.size),))
        if log in self.nodes:
            return tally_log(log, chunks, ids, fields=NODE_FIELDS)
        return tally_log(log, chunks, ids)

    def account(self, chunk=997, *, gateway=True):
        ids = Ids(RUN, (Span(FIRST, self.size),))
        client = ClientIds(
            ids,
            ends_of(
                ids,
                {code: FIRST + np.asarray(numbers, np.int64) for code, numbers in self.ended.items()},
                self.lost,
            ),
            has_all=self.has_all,
            wanted=(np.arange(self.size) % 2).astype(np.uint8),
            wants=((NODES["v1"],), (NODES["v2"],)),
        )
        return account_of_ids(
            client,
            Logs(
                self.tally("sidecar", chunk),
                self.tally("gateway", chunk) if gateway else None,
                tuple(self.tally(node, chunk) for node in self.nodes),
                frozenset({TO_GATEWAY}),
                {cluster: (NODES[want],) for want, cluster in SUBSETS.items()},
            ),
        )

    def states(self):
        return {title(balance): balance.state for balance in self.account().balances}

    def forget(self, index, *logs):
        """Take a request out of these logs; none named: out of all."""
        for log in logs or ("sidecar", "gateway", *self.nodes):
            lines = self.nodes[log] if log in self.nodes else getattr(self, log)
            lines[:] = [line for line in lines if f'"{name(index)}"' not in line]


def title(balance):
    """What a book is called where it is shown."""
    return LedgerBook(
        level="full",
        book=balance.book,
        nodes=balance.nodes,
        left=None,
        right=None,
        unexplained=None,
        state=balance.state,
    ).title


def book(account, called):
    """The book of that name."""
    return next(balance for balance in account.balances if title(balance) == called)
