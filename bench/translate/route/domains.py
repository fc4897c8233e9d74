"""The names under which clients may call a service: domains of virtual hosts."""

from __future__ import annotations

from bench.istio.hosts import is_ip
from bench.istio.registry import ANY_ADDRESS, Service


def service_domains(
    service: Service, port: int, proxy_domain: str, *, with_ports: bool
) -> tuple[list[str], set[str]]:
    """Give the domains of *service* for a sidecar in *proxy_domain*, and which of them are mere short forms.

    Order as in istiod: the host, its absolute form, short forms, wildcards of a headless service, virtual
    IPs. ``with_ports`` gives those of Istio 1.0.
    """
    if with_ports:
        return _with_ports(service, port, proxy_domain)
    domains, short = _names(service.host, proxy_domain)
    if service.is_headless:
        domains += [f"*.{domain}" for domain in domains]
    domains += [_bracketed(address) for address in service.addresses if address != ANY_ADDRESS]
    return domains, short


def host_domains(host: str, port: int, *, with_ports: bool) -> list[str]:
    """Give the domains of a host that belongs to no service."""
    host = _bracketed(host)
    return [host, f"{host}:{port}"] if with_ports and host != "*" else [host]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address and is_ip(address) else address


def _names(host: str, proxy_domain: str) -> tuple[list[str], set[str]]:
    if is_ip(host):
        return [_bracketed(host)], set()
    short = _short_names(host, proxy_domain)
    return [host, f"{host}.", *short], set(short)


def _short_names(host: str, proxy_domain: str) -> list[str]:
    """Give the forms of *host* that a resolver with the search path of *proxy_domain* would complete."""
    _, kubernetes, rest = proxy_domain.partition(".svc.")
    if kubernetes:
        suffix = f".svc.{rest}"
        name, _, namespace = host.removesuffix(suffix).partition(".")
        if not host.endswith(suffix) or not name or not namespace:
            return []
        if proxy_domain == f"{namespace}{suffix}":
            return [name, f"{name}.{namespace}.svc", f"{name}.{namespace}"]
        return [f"{name}.{namespace}", f"{name}.{namespace}.svc"]
    unique, shared = _split_shared(host, proxy_domain)
    if not shared or not unique:
        return []
    joined = ".".join(unique)
    return [joined, f"{joined}.{shared[0]}"] if len(unique) == 2 else [joined]


def _split_shared(host: str, proxy_domain: str) -> tuple[list[str], list[str]]:
    """Split the labels of *host* into its own and those that end *proxy_domain* too."""
    own, other = host.split("."), proxy_domain.split(".")
    count = 0
    while count < min(len(own), len(other)) and own[-1 - count] == other[-1 - count]:
        count += 1
    return own[: len(own) - count], own[len(own) - count :]


def _with_ports(service: Service, port: int, proxy_domain: str) -> tuple[list[str], set[str]]:
    """Istio 1.0: each name with and without port; every shortening of the shared part of the domain."""
    unique, shared = _split_shared(service.host, proxy_domain)
    short: list[str] = []
    if unique and shared:
        joined = ".".join(unique)
        short = [joined] + [f"{joined}.{'.'.join(shared[:end])}" for end in range(len(shared) - 1, 0, -1)]
    names = [service.host, *short, *(a for a in service.addresses if a != ANY_ADDRESS and "/" not in a)]
    domains = [form for name in names for form in (_bracketed(name), f"{_bracketed(name)}:{port}")]
    return domains, {form for name in short for form in (name, f"{name}:{port}")}
