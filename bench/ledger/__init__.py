"""The account of every request: what client, sidecar, gateway and nodes each counted must reconcile."""

from bench.ledger.balance import Account, Balance, Residual, lost
from bench.ledger.client_ids import ClientIds, End, ends_of
from bench.ledger.counters import Downstream, Upstream, Window
from bench.ledger.matching import Logs, account_of_ids
from bench.ledger.peers import (
    GATEWAY_FIELDS,
    PEER_FIELDS,
    Certificate,
    ExpectedPeers,
    Peers,
    PeerWatch,
    judge_peers,
)
from bench.ledger.reconcile import (
    BLIND_TO,
    Books,
    ClientCounts,
    Elsewhere,
    NodeBook,
    ProxyBook,
    Through,
    account_elsewhere,
    account_of_counters,
)
from bench.ledger.tally import (
    NODE_FIELDS,
    PROXY_FIELDS,
    Ids,
    Ints,
    LogTally,
    Span,
    code_type,
    merged,
    tally_log,
)

__all__ = [
    "BLIND_TO",
    "GATEWAY_FIELDS",
    "NODE_FIELDS",
    "PEER_FIELDS",
    "PROXY_FIELDS",
    "Account",
    "Balance",
    "Books",
    "Certificate",
    "ClientCounts",
    "ClientIds",
    "Downstream",
    "Elsewhere",
    "End",
    "ExpectedPeers",
    "Ids",
    "Ints",
    "LogTally",
    "Logs",
    "NodeBook",
    "PeerWatch",
    "Peers",
    "ProxyBook",
    "Residual",
    "Span",
    "Through",
    "Upstream",
    "Window",
    "account_elsewhere",
    "account_of_counters",
    "account_of_ids",
    "code_type",
    "ends_of",
    "judge_peers",
    "lost",
    "merged",
    "tally_log",
]
