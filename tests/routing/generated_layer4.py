"""Sets of resources for TLS and TCP clients from a seed: few names, so that rules and services overlap."""

import random

import yaml

HOSTS = [
    "one.example.org",
    "two.example.org",
    "a.one.example.org",
    "*.example.org",
    "*.one.example.org",
    "x.test",
]
NAMES = [*(host for host in HOSTS if "*" not in host), "b.one.example.org", "c.example.org", "other.test", ""]
PORTS = [(443, "TLS"), (443, "HTTPS"), (443, "HTTP"), (8443, "TLS"), (9000, "TCP"), (9001, "TCP")]
GATE = "gate.default.svc.cluster.local"
INVENTORY = {
    "proxies": {
        "client": {"role": "sidecar", "ip": "10.1.0.5", "labels": {"app": "client"}, "interception": "none"},
        "gate": {"role": "gateway", "ip": "10.1.0.9", "labels": {"app": "gate"}, "interception": "none"},
    },
    "services": [
        {
            "name": "gate",
            "clusterIP": "10.96.0.9",
            "selector": {"app": "gate"},
            "ports": [
                {"name": "tls", "port": 443, "targetPort": 8443},
                {"name": "tcp", "port": 9000, "targetPort": 9000},
            ],
        }
    ],
}


def _document(kind, name, spec):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.addresses = 0

    def maybe(self, share):
        return self.random.random() < share

    def export(self):
        return {"exportTo": ["."]} if self.maybe(0.2) else {}

    def entry(self, number, host):
        ports = {}
        for port, protocol in self.random.sample(PORTS, self.random.randint(1, 3)):
            ports.setdefault(port, {"number": port, "name": f"p{port}", "protocol": protocol})
        spec = {
            "hosts": [host],
            "resolution": "STATIC",
            "ports": list(ports.values()),
            "endpoints": [
                {"address": f"10.9.{number}.{index}", "labels": {"v": "ab"[index % 2]}} for index in (1, 2)
            ],
            **self.export(),
        }
        if self.maybe(0.4):
            spec["addresses"] = [f"240.0.0.{number + 1}"]
        return _document("ServiceEntry", f"entry-{number}", spec)

    def rule(self, number, host):
        spec = {
            "host": host,
            "subsets": [{"name": "a", "labels": {"v": "a"}}, {"name": "none", "labels": {"v": "z"}}],
        }
        return _document("DestinationRule", f"rule-{number}", {**spec, **self.export()})

    def route(self, known, *, to_gateway):
        if to_gateway and self.maybe(0.35):
            return [{"destination": {"host": GATE, "port": {"number": self.random.choice([443, 9000])}}}]
        found = []
        for _ in range(self.random.choice([1, 1, 1, 2])):
            destination = {"host": self.random.choice([*known, "missing.test"])}
            if self.maybe(0.7):
                destination["port"] = {"number": self.random.choice([443, 8443, 9000])}
            if self.maybe(0.3):
                destination["subset"] = self.random.choice(["a", "none", "gone"])
            found.append({"destination": destination})
        if len(found) > 1:
            for entry in found:
                entry["weight"] = self.random.choice([0, 20, 80])
            found[0]["weight"] = 50
        return found

    def match(self, *, at_gateway):
        found = {}
        if self.maybe(0.4):
            found["port"] = self.random.choice([443, 8443, 9000] if not at_gateway else [443, 9000])
        if self.maybe(0.15) and not at_gateway:
            found["sourceLabels"] = {"app": self.random.choice(["client", "other"])}
        return found

    def virtual_service(self, name, known, gateways):
        hosts = list(dict.fromkeys(self.random.sample(HOSTS, self.random.choice([1, 1, 2]))))
        if len(hosts) == 2 and (_covers(*hosts) or _covers(*reversed(hosts))):
            hosts = hosts[:1]
        spec = {"hosts": hosts, **self.export()}
        at_gateway = bool(gateways)
        if gateways:
            spec["gateways"] = gateways
        if self.maybe(0.8):
            spec["tls"] = []
            for _ in range(self.random.randint(1, 3)):
                host = self.random.choice(hosts)
                inside = [each for each in HOSTS if each == host or _covers(host, each)]
                match = {"sniHosts": [self.random.choice(inside)], **self.match(at_gateway=at_gateway)}
                spec["tls"].append({"match": [match], "route": self.route(known, to_gateway=not gateways)})
        if "tls" not in spec or self.maybe(0.5):
            rule = {"route": self.route(known, to_gateway=not gateways)}
            if self.maybe(0.6):
                rule["match"] = [self.match(at_gateway=at_gateway) or {"port": 9000}]
            spec["tcp"] = [rule]
        return _document("VirtualService", name, spec)

    def gateway(self):
        servers = [
            {
                "port": {"number": 443, "name": "tls", "protocol": "TLS"},
                "hosts": self.random.choice([["*.example.org"], ["one.example.org", "x.test"], ["*"]]),
                "tls": {"mode": "PASSTHROUGH"},
            },
            {"port": {"number": 9000, "name": "tcp", "protocol": "TCP"}, "hosts": ["*"]},
        ]
        if self.maybe(0.3):
            late = {"port": {"number": 443, "name": "plain", "protocol": "TCP"}, "hosts": ["*"]}
            servers.insert(self.random.choice([0, 1]), late)
        return _document("Gateway", "out", {"selector": {"app": "gate"}, "servers": servers})


def _covers(general, special):
    return general.startswith("*") and special != general and special.removeprefix("*").endswith(general[1:])


def generate(seed):
    """The YAML of one set."""
    generator = Generator(seed)
    known = generator.random.sample(HOSTS, generator.random.randint(2, 4))
    documents = [generator.entry(number, host) for number, host in enumerate(known)]
    documents += [generator.rule(number, host) for number, host in enumerate(known) if generator.maybe(0.6)]
    documents += [
        generator.virtual_service(f"mesh-{n}", known, []) for n in range(generator.random.randint(1, 4))
    ]
    documents += [generator.gateway()]
    documents += [
        generator.virtual_service(f"gate-{n}", known, ["out"]) for n in range(generator.random.randint(1, 3))
    ]
    generator.random.shuffle(documents)
    return yaml.safe_dump_all(documents, sort_keys=False)
