"""Start the stack of a scenario and let requests reach for its clusters: `stack_tour.py SCENARIO SOURCE`."""

import contextlib
import socket
import ssl
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from bench.preparation import make_material, prepare
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.local import LocalStack
from bench.telemetry.admin import Admin
from tests.support.waiting import PATIENCE_S


def hosts_of(config):
    """Every name that a client of this proxy can call, and one that nobody knows."""
    domains = [domain for each in config.routes for host in each.virtual_hosts for domain in host.domains]
    names = [
        name
        for each in config.listeners
        for chain in each.filter_chains
        if chain.filter_chain_match is not None
        for name in chain.filter_chain_match.server_names
    ]
    return sorted({each.replace("*", "any.example") for each in (*domains, *names)} | {"unknown.example"})


def call(address, host):
    """As plain HTTP, and under its name by TLS: one of them is understood, both make the proxy try."""
    with contextlib.suppress(OSError, HTTPException):
        connection = HTTPConnection(*address, timeout=PATIENCE_S)
        connection.request("GET", "/", headers={"Host": host})
        connection.getresponse().read()
        connection.close()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, UnicodeError), socket.create_connection(address, 3) as raw:
        raw.settimeout(1)
        context.wrap_socket(raw, server_hostname=host.partition(":")[0]).close()


def tour(folder, source):
    loaded = override(load_scenario(folder), key="ecdsa-p256")
    prepared = prepare(loaded)
    with tempfile.TemporaryDirectory() as private:
        material = make_material(loaded, Path(private) / "material")
        with LocalStack(prepared.stack_spec("tour", source, material)) as stack:
            for name in loaded.scenario.inventory.proxies:
                component = stack.component(name)
                for address in component.addresses.values():
                    for host in hosts_of(prepared.configs[name, source]):
                        call(address, host)
            # Names are asked for again when an answer has failed.
            time.sleep(0.3)
            for name in loaded.scenario.inventory.proxies:
                with Admin(stack.component(name).admin_url, name=name) as admin:
                    connections = sum(admin.stats(r"^cluster\..*upstream_cx_total$").values())
                    sys.stdout.write(f"{name} {connections}\n")


if __name__ == "__main__":
    tour(Path(sys.argv[1]), sys.argv[2])
