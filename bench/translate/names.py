"""How Istio names Envoy's resources other than clusters, and how those names become file names and back."""

from __future__ import annotations

import re
from functools import lru_cache

VIRTUAL_OUTBOUND = "virtualOutbound"

_UNSAFE = re.compile(r"[^A-Za-z0-9._@-]")
_ENCODED = re.compile(r"%([0-9A-F]{2})")


def listener_name(bind: str, port: int) -> str:
    """Name a listener: ``0.0.0.0_80``."""
    return f"{bind}_{port}"


def sidecar_route_name(port: int) -> str:
    """Name the route configuration of a sidecar's HTTP port: ``80``."""
    return str(port)


def gateway_http_route_name(port: int, bind: str = "") -> str:
    """Name the route configuration of a gateway's plain HTTP port: ``http.80``, ``http.80.10.1.0.9``."""
    return f"http.{port}.{bind}" if bind else f"http.{port}"


def gateway_https_route_name(
    port: int, port_name: str, gateway: str, namespace: str, bind: str = "", *, with_gateway: bool = True
) -> str:
    """Name the route configuration of a gateway's TLS server; istio-1.0 leaves the gateway out."""
    name = f"https.{port}.{port_name}"
    if with_gateway:
        name += f".{gateway}.{namespace}"
    return f"{name}.{bind}" if bind else name


def virtual_host_name(host: str, port: int) -> str:
    """Name a virtual host: ``nginx.external.svc.cluster.local:80``."""
    return f"{host}:{port}"


def certificate_secret_name(certificate: str, private_key: str) -> str:
    """Name the secret of a certificate and its key as istiod does."""
    return f"file-cert:{certificate}~{private_key}"


def trust_secret_name(ca: str) -> str:
    """Name the secret of a trust bundle as istiod does; ``system`` is the operating system's."""
    return f"file-root:{ca}"


@lru_cache(maxsize=65_536)
def file_name(name: str) -> str:
    """Turn an Envoy name into a file name that is safe everywhere; ``envoy_name`` turns it back.

    A cluster's ``|`` and a path's ``/`` become percent escapes of their UTF-8 bytes.
    """
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), name)


def envoy_name(file: str) -> str:
    """Undo ``file_name``."""
    return _ENCODED.sub(lambda match: chr(int(match[1], 16)), file).encode("latin-1").decode()
