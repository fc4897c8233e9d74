"""Run a command in a network of its own, in which every packet to anywhere is seen, and nothing gets out.

    unshare --net --mount python tests/support/netwatch.py REPORT COMMAND…
    nsenter --net=/proc/PID/ns/net python tests/support/netwatch.py --beside SUBNET…

The second form watches a network that is there already, on all its devices, until its standard input ends;
inside are loopback, without the resolver of a container engine, and the subnets.

All addresses lead to the loopback device, where each packet is read as it is sent: no connection, no datagram
and no DNS query escapes, whatever makes it. The resolver is an address elsewhere, so that a query shows.
"""

import ipaddress
import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

RESOLVER = "198.51.100.53"
_ALL_PROTOCOLS = 3
_ETHERNET = 14


ENGINE_RESOLVER = "127.0.0.11"
"""Of Docker, in every container: what is asked there is asked outside."""


def is_inside(address):
    return address.startswith("127.") or address in {"::1", "0.0.0.0"}


def is_within(address, subnets):
    found = ipaddress.ip_address(address)
    if address == ENGINE_RESOLVER:
        return False
    # What a kernel says to find its neighbours is not a connection of anybody's.
    return is_inside(address) or found.is_multicast or any(found in each for each in subnets)


def destination(frame):
    """Address and port to which a frame goes; None for what is neither IPv4 nor IPv6."""
    kind = struct.unpack("!H", frame[12:14])[0]
    packet = frame[_ETHERNET:]
    if kind == 0x0800:
        address, header = socket.inet_ntop(socket.AF_INET, packet[16:20]), (packet[0] & 15) * 4
    elif kind == 0x86DD:
        address, header = socket.inet_ntop(socket.AF_INET6, packet[24:40]), 40
    else:
        return None
    ports = packet[header : header + 4]
    return f"{address}:{struct.unpack('!HH', ports)[1] if len(ports) == 4 else '?'}"


class Watch:
    """Collects the destinations outside of loopback."""

    def __init__(self, *, device="lo", inside=is_inside):
        self.seen = {}
        self._inside = inside
        self._last = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._last.bind(("127.0.0.1", 0))
        self._has_read_last = threading.Event()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        if device is not None:
            self._socket.bind((device, 0))
        threading.Thread(target=self._read, daemon=True).start()

    def read_all(self):
        """Return when all that was sent so far is read: on a busy machine it waits in the socket's queue."""
        self._last.sendto(b"", self._last.getsockname())
        if not self._has_read_last.wait(60):
            raise SystemExit("the watch has stopped reading")

    def _read(self):
        last = "{}:{}".format(*self._last.getsockname())
        while True:
            found = destination(self._socket.recv(65_536))
            if found == last:
                self._has_read_last.set()
            if found is not None and not self._inside(found.rpartition(":")[0]):
                self.seen[found] = self.seen.get(found, 0) + 1


def close_all_ways(conf):
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        # Without IPv6 there is no way out by it.
        subprocess.run(command.split(), check="-6" not in command, capture_output=True)
    conf.write_text(f"nameserver {RESOLVER}\n")
    subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)


def beside(subnets):
    """Watch until standard input ends, and print what was seen."""
    networks = [ipaddress.ip_network(each) for each in subnets]
    watch = Watch(device=None, inside=lambda address: is_within(address, networks))
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    sys.stdin.read()
    watch.read_all()
    sys.stdout.write(json.dumps(watch.seen))


def main():
    if sys.argv[1] == "--beside":
        beside(sys.argv[2:])
        return
    report, *command = sys.argv[1:]
    close_all_ways(Path(f"{report}.resolv"))
    watch = Watch()
    done = subprocess.run(command, check=False)
    watch.read_all()
    Path(report).write_text(json.dumps({"code": done.returncode, "seen": watch.seen}))


if __name__ == "__main__":
    main()
