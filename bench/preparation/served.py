"""Which hosts a Gateway serves with which credential."""

from __future__ import annotations

from bench.istio.registry import Registry


def served_names(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Credential that a Gateway serves with -> the hosts by which clients call those servers."""
    found: dict[str, dict[str, None]] = {}
    for gateway in registry.gateways:
        ips = {
            proxy.ip
            for proxy in registry.inventory.proxies.values()
            if proxy.role == "gateway" and gateway.spec.selector.items() <= proxy.labels.items()
        }
        services = [
            host
            for host, endpoints in registry.endpoints_by_host.items()
            if any(endpoint.address in ips for _, endpoint in endpoints)
        ]
        for server in gateway.spec.servers:
            tls = server.tls
            for name in (tls.credential_name, *tls.credential_names) if tls is not None else ():
                hosts = [host.rpartition("/")[2] for host in server.hosts]
                found.setdefault(name, {}).update(dict.fromkeys([*hosts, *services]))
    return {name: tuple(hosts) for name, hosts in found.items() if name}
