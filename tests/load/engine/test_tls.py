"""TLS to the target is always verified, and what fails is named."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bench.errors import LoadError
from bench.load import TargetTls
from bench.scenario.traffic import Connections
from tests.load.stubs import Stub, always, counts, good, plan_for, send
from tests.support.authority import Authority


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority(folder)
    Authority(folder, name="other")
    authority.issue("server", ["gateway.test"])
    authority.issue("client")
    return folder


def _server(folder: Path, *, mutual: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.crt")
    return context


def _client(
    folder: Path, *, ca: str = "ca", name: str = "gateway.test", certificate: bool = False
) -> TargetTls:
    return TargetTls(
        server_name=name,
        ca=str(folder / f"{ca}.crt"),
        certificate=str(folder / "client.crt") if certificate else None,
        private_key=str(folder / "client.key") if certificate else None,
    )


def test_requests_travel_over_verified_tls(folder: Path) -> None:
    with Stub(always(good), context=_server(folder)) as stub:
        outcome = send(plan_for(stub.port, tls=_client(folder), require_id=True))

    assert counts(outcome).answered == 60
    assert outcome.generator.connects == 4


def test_a_client_certificate_is_presented(folder: Path) -> None:
    with Stub(always(good), context=_server(folder, mutual=True)) as stub:
        outcome = send(plan_for(stub.port, tls=_client(folder, certificate=True)))

    assert counts(outcome).answered == 60


def test_without_the_client_certificate_no_request_is_answered(folder: Path) -> None:
    """In TLS 1.3 the server refuses only after the client thinks that it is connected."""
    with Stub(always(good), context=_server(folder, mutual=True)) as stub:
        result = counts(send(plan_for(stub.port, rate=50, tls=_client(folder))))

    assert (result.due, result.answered) == (15, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ca": "other"}, "cannot connect.*TLS: .*certificate"),
        ({"name": "elsewhere.test"}, "cannot connect.*TLS: .*(mismatch|not valid)"),
    ],
)
def test_a_wrong_certificate_is_one_clear_error(folder: Path, change, message) -> None:
    with Stub(always(good), context=_server(folder)) as stub, pytest.raises(LoadError, match=message):
        send(plan_for(stub.port, tls=_client(folder, **change)))


def test_a_target_without_tls_is_one_clear_error(folder: Path) -> None:
    with Stub(always(lambda _: b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")) as stub:

        def serve(conn, number) -> None:
            conn.recv(1000)
            conn.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")

        stub._serve = serve
        with pytest.raises(LoadError, match=r"cannot connect.*TLS: wrong version number"):
            send(plan_for(stub.port, tls=_client(folder)))


def test_a_target_that_hangs_up_during_the_handshake_is_one_clear_error(folder: Path) -> None:
    with Stub(lambda conn, number: conn.recv(100)) as stub, pytest.raises(LoadError, match="cannot connect"):
        send(plan_for(stub.port, tls=_client(folder)))


def test_a_missing_ca_file_is_named(folder: Path) -> None:
    with pytest.raises(LoadError, match=r"nowhere\.crt cannot be used"):
        send(plan_for(1, tls=_client(folder, ca="nowhere")))


def test_each_request_may_have_its_own_handshake(folder: Path) -> None:
    with Stub(always(good), context=_server(folder)) as stub:
        settings = Connections(count=4, keep_alive=False)
        outcome = send(plan_for(stub.port, rate=50, tls=_client(folder), connections=settings))

    assert counts(outcome).answered == 15
    assert 15 <= outcome.generator.connects <= 16


def test_a_large_request_over_tls_is_sent_whole(folder: Path) -> None:
    body = "b" * 2_000_000
    sizes = []

    def serve(conn, number) -> None:
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                data += conn.recv(65_536)
            head, _, rest = data.partition(b"\r\n\r\n")
            size = len(rest)
            while size < len(body):
                size += len(conn.recv(65_536))
            sizes.append(size)
            conn.sendall(good(head + b"\r\n"))

    with Stub(serve, context=_server(folder)) as stub:
        result = counts(send(plan_for(stub.port, rate=10, method="POST", body=body, tls=_client(folder))))

    assert (3, [len(body)] * 3) == (result.answered, sizes)
