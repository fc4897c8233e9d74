"""Where `drive` sends its load: what the command line says, read and checked before anything is sent."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import InputError, LoadError
from bench.load import LoadPlan, Target, TargetTls
from bench.load.run import NO_LOCUST_OUTPUTS, Address, LocustOutputs
from bench.scenario.load import LoadedScenario
from bench.verify.calls import ClientTls

_REACH_S = 10.0
"""For one connection; a target far away takes its time."""


@dataclass(frozen=True, slots=True)
class DriveOptions:
    """Where the load goes and how it gets there."""

    target: str
    """``http://HOST:PORT`` or ``https://HOST:PORT``; the Host header stays the scenario's."""
    out: Path
    command: str
    ca: Path | None = None
    """Bundle that the target's certificate must chain to; required for https."""
    certificate: Path | None = None
    private_key: Path | None = None
    server_name: str | None = None
    """Name to ask for and to check in the certificate; default: the scenario's host."""
    locust_outputs: LocustOutputs = NO_LOCUST_OUTPUTS
    """What Locust itself shows and writes."""
    remote_workers: int = 0
    """Workers that join from other machines, beside those of this one."""
    master_bind: Address | None = None
    """Where they are awaited; required if any are to come."""
    await_workers_s: float = 600.0
    admin: tuple[str, ...] = ()
    """``NAME=URL``: admin APIs of proxies on the way, several for one that has replicas."""
    requires_id: bool = False
    """Whether answers must echo the request id, as the suite's own nodes do."""


def check_workers(options: DriveOptions) -> None:
    """Raise ``InputError`` where the options for workers elsewhere contradict each other."""
    if options.remote_workers and options.master_bind is None:
        raise InputError(
            "--remote-workers is given and --master-bind is missing.",
            remedy="Name the address of this machine on which workers reach it; whoever reaches it can join.",
        )
    if options.master_bind is not None:
        if not options.remote_workers:
            raise InputError("--master-bind waits for no worker.", remedy="Add --remote-workers N.")
        options.master_bind.check("--master-bind")


def read_admin(loaded: LoadedScenario, options: DriveOptions) -> dict[str, list[str]]:
    """Proxy -> the admin URLs of its processes, as the options name them.

    Raises:
        InputError: one is not a NAME=URL, or names no proxy on the way.
    """
    traffic = loaded.scenario.traffic
    known = [*traffic.senders, *([traffic.gateway] if traffic.gateway is not None else [])]
    found: dict[str, list[str]] = {}
    for written in options.admin:
        name, equals, url = written.partition("=")
        parts = urlsplit(url)
        is_url = parts.scheme == "http" and bool(parts.hostname) and parts.path in ("", "/")
        if not equals or not (is_url or url.startswith("unix:///")):
            raise InputError(
                f"--admin {written!r} is not NAME=http://HOST:PORT.",
                remedy="Forward the port: `kubectl port-forward POD 15000`, then NAME=http://127.0.0.1:15000.",
            )
        if name not in known:
            raise InputError(
                f"--admin names {name!r}, which is not a proxy on the way of this traffic.",
                remedy=f"Known are {', '.join(known)}.",
            )
        found.setdefault(name, []).append(url.rstrip("/"))
    return found


def with_workers(load: LoadPlan, options: DriveOptions) -> LoadPlan:
    """The plan, shared with the workers that join from elsewhere."""
    if options.master_bind is None:
        return load
    return load.model_copy(
        update={
            "remote_workers": options.remote_workers,
            "remote_workers_timeout_s": options.await_workers_s,
            "master_bind": options.master_bind.host,
            "master_port": options.master_bind.port,
        }
    )


def read_target(loaded: LoadedScenario, options: DriveOptions) -> Target:
    """The target that the options name; raises ``InputError`` if they name none."""
    parts = urlsplit(options.target)
    try:
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise InputError(
            f"--target {options.target!r} is not http://HOST:PORT or https://HOST:PORT.",
            remedy="Path and Host header come from the scenario.",
        )
    host = loaded.scenario.traffic.host
    tls = None
    if parts.scheme == "https":
        if options.ca is None:
            raise InputError(
                "--target is https and --ca is missing.",
                remedy="Name the bundle that its certificate must chain to; it is always verified.",
            )
        tls = TargetTls(
            server_name=options.server_name or host.partition(":")[0],
            ca=str(options.ca),
            certificate=str(options.certificate) if options.certificate is not None else None,
            private_key=str(options.private_key) if options.private_key is not None else None,
        )
    return Target(address=parts.hostname, port=port or (443 if tls is not None else 80), host=host, tls=tls)


def require_reachable(target: Target) -> None:
    """Open one connection to the target and close it again.

    Raises:
        LoadError: nothing is there: nothing of the path can be judged.
    """
    try:
        socket.create_connection((target.address, target.port), timeout=_REACH_S).close()
    except OSError as error:
        raise LoadError(
            f"the target {target.address}:{target.port} cannot be reached: {error.strerror or error}.",
            remedy="Start it, or name another --target.",
        ) from error


def client_tls(target: Target) -> ClientTls | None:
    """The same TLS for single calls; tries the files, so that a bad one is found before any request."""
    if target.tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=target.tls.ca)
        if target.tls.certificate is not None:
            context.load_cert_chain(target.tls.certificate, target.tls.private_key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"the TLS files for the target cannot be used: {error}.",
            remedy="Check --ca, --certificate and --private-key.",
        ) from error
    return ClientTls(
        ca=target.tls.ca,
        server_name=target.tls.server_name,
        certificate=target.tls.certificate,
        private_key=target.tls.private_key,
    )
