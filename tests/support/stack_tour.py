"""Start the stack of each scenario and reach for all its clusters: `stack_tour.py SOURCE SCENARIO…`."""

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

_ENOUGH_S = 3
"""For an answer: whoever speaks another protocol gives none, and the proxy has tried by then."""


def hosts_of(config):
    """Every name that a client of this proxy can call, and an unknown one."""
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
        connection = HTTPConnection(*address, timeout=_ENOUGH_S)
        connection.request("GET", "/", headers={"Host": host})
        connection.getresponse().read()
        connection.close()
    # Without the system's authorities, which take 20 ms to read.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, UnicodeError), socket.create_connection(address, _ENOUGH_S) as raw:
        raw.settimeout(1)
        context.wrap_socket(raw, server_hostname=host.partition(":")[0]).close()


def prepared_of(folder, private):
    """A scenario, prepared, and its material below *private*."""
    loaded = override(load_scenario(folder), key="ecdsa-p256")
    return prepare(loaded), make_material(loaded, private / "material")


def reach_out(stack, prepared, source):
    """Call every name at every listener; proxy -> how many connections it opened."""
    proxies = prepared.loaded.scenario.inventory.proxies
    for name in proxies:
        for address in stack.component(name).addresses.values():
            for host in hosts_of(prepared.configs[name, source]):
                call(address, host)
    # Names are asked for again when an answer has failed.
    time.sleep(0.3)
    opened = {}
    for name in proxies:
        with Admin(stack.component(name).admin_url, name=name) as admin:
            opened[name] = sum(admin.stats(r"^cluster\..*upstream_cx_total$").values())
    return opened


def tour(folder, source):
    with tempfile.TemporaryDirectory() as private:
        prepared, material = prepared_of(folder, Path(private))
        with LocalStack(prepared.stack_spec("tour", source, material)) as stack:
            for name, connections in reach_out(stack, prepared, source).items():
                sys.stdout.write(f"{name} {connections}\n")


if __name__ == "__main__":
    for each in sys.argv[2:]:
        tour(Path(each), sys.argv[1])
