"""Master and workers know each other by a token: CurveZMQ on Locust's own sockets, set before they bind.

The master's key pair follows from the token. A client must know the public key before it can begin to talk,
and it never travels: strangers, scanners and workers of another run do not get past the handshake, and
nothing reads what is said. https://rfc.zeromq.org/spec/26/
"""

from __future__ import annotations

import hashlib
from typing import Any

import zmq
import zmq.utils.z85
from locust.rpc import zmqrpc

_PURPOSE = b"egress-bench master\0"


def key_pair(token: str) -> tuple[bytes, bytes]:
    """The master's public and secret key, in Z85."""
    secret = zmq.utils.z85.encode(hashlib.sha256(_PURPOSE + token.encode()).digest())
    return zmq.curve_public(secret), secret


def secure(token: str) -> None:
    """Let all sockets that Locust opens from now on demand *token*, or show it."""
    public, secret = key_pair(token)
    original = zmqrpc.BaseSocket.__init__

    def init(self: Any, sock_type: int, ipv4_only: bool) -> None:
        original(self, sock_type, ipv4_only)  # type: ignore[no-untyped-call]
        if sock_type == zmq.ROUTER:
            self.socket.curve_server = True
            self.socket.curve_secretkey = secret
        else:
            self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
            self.socket.curve_serverkey = public

    zmqrpc.BaseSocket.__init__ = init  # type: ignore[method-assign]
