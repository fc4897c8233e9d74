"""Translated proxies as real Envoys on loopback, and upstreams in plain HTTP that name themselves."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading

from bench.istio.registry import build_registry
from bench.placement import Placement
from bench.translate.files.options import AccessLogOptions, RenderOptions
from bench.translate.files.render import render
from bench.translate.translate import translate
from tests.support.envoy import running_envoy
from tests.support.waiting import PATIENCE_S, wait_until

LOOPBACK = "127.0.0.1"
LOG_FIELDS = {"case": "%REQ(X-CASE)%", "route": "%ROUTE_NAME%", "flags": "%RESPONSE_FLAGS%"}


class Upstreams:
    """One listening socket for each endpoint address; answers say who answered and what was seen."""

    def __init__(self, endpoints):
        self.sockets = {}
        for endpoint in endpoints:
            listening = socket.create_server((LOOPBACK, 0), backlog=64)
            self.sockets[endpoint] = listening
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(PATIENCE_S)

    @property
    def addresses(self):
        return {endpoint: listening.getsockname()[:2] for endpoint, listening in self.sockets.items()}

    def _run(self):
        asyncio.set_event_loop(self._loop)
        for (address, port), listening in self.sockets.items():
            name = f"{address}:{port}"
            self._loop.run_until_complete(
                asyncio.start_server(lambda r, w, name=name: self._serve(r, w, name), sock=listening)
            )
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader, writer, name):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = [line.split(": ", 1) for line in lines if ": " in line]
                length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
                if length:
                    await reader.readexactly(length)
                method, target, _ = first.split(" ", 2)
                body = json.dumps({"target": target, "headers": headers}).encode()
                answer = f"HTTP/1.1 200 OK\r\nx-node: {name}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                writer.write(answer + (b"" if method == "HEAD" else body))
                await writer.drain()
        writer.close()

    def close(self):
        def stop():
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        for listening in self.sockets.values():
            listening.close()


class RealPath:
    """Every proxy of an inventory, gateways first, each an Envoy of its own."""

    def __init__(self, resources, inventory, folder, endpoints):
        self.folder = folder
        self.started = contextlib.ExitStack()
        self.listeners = {}
        self.connections = {}
        ips = {proxy.ip for proxy in inventory.proxies.values()}
        self.upstreams = Upstreams([endpoint for endpoint in endpoints if endpoint[0] not in ips])
        registry = build_registry(resources, inventory)
        # A port of a proxy on which it does not listen must be one that nothing listens on.
        places = dict.fromkeys(endpoints, (LOOPBACK, 1)) | self.upstreams.addresses
        gateways_first = sorted(inventory.proxies, key=lambda name: inventory.proxies[name].role != "gateway")
        try:
            for name in gateways_first:
                config = translate(registry, name, config_source="static")
                self._start(name, config, places)
                ip = inventory.proxies[name].ip
                for (_, port), real in self.listeners[name].items():
                    places[ip, port] = real
        except BaseException:
            self.close()
            raise

    def _start(self, name, config, places):
        root = self.folder / name
        for part in ("config", "logs"):
            (root / part).mkdir(parents=True)
        binds = list(config.listener_addresses)
        placement = Placement(
            config_root=str(root / "config"),
            log_root=str(root / "logs"),
            listeners=dict.fromkeys(binds, (LOOPBACK, 0)),
            endpoints=places,
        )
        for file in render(
            config, placement, RenderOptions(node_id=name, access_log=AccessLogOptions(LOG_FIELDS))
        ):
            target = root / "config" / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text)
        bootstrap = root / "config" / "bootstrap.yaml"
        envoy = self.started.enter_context(running_envoy(bootstrap, "--log-level", "warning"))
        bound = wait_until(lambda: ports if len(ports := envoy.ports()) >= len(binds) else None)
        self.listeners[name] = {bind: (LOOPBACK, bound[f"{bind[0]}_{bind[1]}"]) for bind in binds}

    def address(self, proxy, port):
        return next((real for (_, number), real in self.listeners[proxy].items() if number == port), None)

    def lines(self):
        """Case -> proxy -> its line in the access log; only whole after ``close``."""
        found = {}
        for name in self.listeners:
            for line in (self.folder / name / "logs" / "access.log").read_text().splitlines():
                entry = json.loads(line)
                found.setdefault(entry["case"], {})[name] = entry
        return found

    def send(self, request, case="-"):
        """Status, headers and body; None when nothing listens; *case* is found again in the logs."""
        place = self.address(request.proxy, request.port)
        if place is None:
            return None
        for attempt in range(2):
            connection = self.connections.pop(place, None) or http.client.HTTPConnection(
                *place, timeout=PATIENCE_S
            )
            try:
                target = request.path + (f"?{request.query}" if request.query else "")
                connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
                connection.putheader("host", request.host)
                connection.putheader("x-case", case)
                for key, value in request.headers:
                    connection.putheader(key, value)
                if request.method in ("POST", "PUT", "PATCH"):
                    connection.putheader("content-length", "0")
                connection.endheaders()
                answer = connection.getresponse()
                body = answer.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                if attempt:
                    raise
                continue
            if answer.will_close:
                connection.close()
            else:
                self.connections[place] = connection
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
        return None

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.started.close()
        self.upstreams.close()
