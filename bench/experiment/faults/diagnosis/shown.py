"""What shows a cause, with the words of each case."""

from __future__ import annotations

from enum import unique

from bench.message import Case


@unique
class ShownCase(Case):
    """What the instruments show."""

    # Proxies
    RESTARTED = "{proxy} is another process than before, and its counters began again"
    TOOK_NOTHING = "{proxy} took no request for {seconds:.2f} s"
    TOOK_NOTHING_WHILE = (
        "{proxy} took no request for {seconds:.2f} s, while {waited} waited for it at the sidecar"
    )
    NO_LINE = "{count} plain answers, such as to {id}, that the gateway has no line of"
    HANDSHAKES_FAIL = "handshakes of the gateway fail: {said}"
    # Nodes
    PROCESS_ENDED = "the process of {node} has ended; the gateway's requests to it end with {flags}"
    ANSWERED_NOTHING = (
        "{node} runs, and answered nothing for {seconds:.2f} s, while {waited} requests waited for it"
    )
    LOGS_ERRORS = "{node} itself logs status {statuses}"
    SLOWER_THAN_BEFORE = (
        "the quickest answers of {node} take {ms:.1f} ms longer than before, no other node's do"
    )
    REFUSES_WITHOUT_CERTIFICATE = "{nodes} refuse with 400: no client certificate was sent"
    # Answers
    BREAKS_OFF = "{node} begins its answers and breaks them off: status 200, and the connection ends"
    BREAK_OFF = "a node begins its answers and breaks them off: status 200, and the connection ends"
    PAGE_OF_ANOTHER = "{node} answers with the page of {other} ({mark})"
    IDS_OF_OTHERS = "{count} answers carry the id of another request"
    REFUSES_ANSWERS = "{proxy} refuses {count} answers that break HTTP's rules, such as two kinds of length"
    HEADER_TWICE = "{count} answers have {header} more than once"
    MARK_IN_FOREIGN_PAGE = "{node} answers with its mark ({mark}) in a page that is not its own"
    # Connections
    FAILED_AND_SENT_AGAIN = (
        "{node} failed {failed} of {sent:,} requests, which the gateway sent again with success"
    )
    ENDS_EACH_CONNECTION = (
        "{node} ends each connection after one request: {requests} requests took {connections} "
        "connections, and {ended} ended from its side"
    )
    OTHER_WORKER = "{node} runs on, and process {now} answers in the place of {before}"
    LOST_WITH_CONNECTIONS = (
        "{lost} requests were lost with connections that had served others before, and are in no node's "
        "log; {again} of them were sent again with success"
    )
    SHARE_IS_SLOW = (
        "{slow} of {requests:,} requests to {node} take about {ms:.0f} ms longer than the others, in "
        "{alone} moments in which no other node had such requests; the others had {others} such moments"
    )
    # Routing
    OTHER_ENDPOINTS = "{nodes} got requests that the gateway sent to {clusters}, which has other endpoints"
    SINGLE_ONES_ASTRAY = (
        "{count} of {requests:,} requests for {wanted:and} were routed to {cluster}, such as {id}"
    )
    ALL_ASTRAY = (
        "{count} of {requests} requests between the first and the last of them were routed to {cluster}, "
        "whose nodes must not answer them"
    )
    DIVIDED_OTHERWISE = (
        "{nodes} answered {count} of {answers} requests of {subset}, of which {percent:.1f} % were expected"
    )
    LOGGED_TWICE = "{id} is {times} times in the nodes' logs, and the gateway sent it once"
    # Without a known cause
    WRONG_ANSWERS = "{subset}: {reason.text}"
    PEER_UNEXPECTED = "a TLS peer is not the expected one"
    BOOK_OPEN = "{book.title}: {book.unexplained} unexplained {shown.text}"
    BOOK_OPEN_UNSHOWN = "{book.title}: {book.unexplained} unexplained "
