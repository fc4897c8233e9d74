"""Whole sets of resources from a seed: few words, so that matches meet, overlap and hide each other."""

import random

import yaml

SERVICES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [one.example.org, two.example.org, three.example.org]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: http-b, protocol: HTTP}]
  endpoints:
  - {address: 10.9.0.1, labels: {v: a}}
  - {address: 10.9.0.2, labels: {v: b}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: outside, namespace: default}
spec:
  host: "*.example.org"
  subsets: [{name: a, labels: {v: a}}, {name: b, labels: {v: b}}, {name: c, labels: {v: c}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {app: gate}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.org"]}]
"""
INVENTORY = {
    "proxies": {
        "client": {"role": "sidecar", "ip": "10.1.0.5", "labels": {"app": "client"}, "interception": "none"},
        "gate": {"role": "gateway", "ip": "10.1.0.9", "labels": {"app": "gate"}, "interception": "none"},
    },
    "services": [
        {
            "name": "gate",
            "selector": {"app": "gate"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        }
    ],
}
HOSTS = ["one.example.org", "two.example.org", "three.example.org"]
PATHS = ["/", "/a", "/a/", "/ab", "/A", "/a/b", "/b"]
VALUES = ["x", "xw", "X", "w"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def maybe(self, share):
        return self.random.random() < share

    def text(self, words, *, empty=False):
        word = self.random.choice(words)
        kinds = [{"exact": word}, {"prefix": word}, {"regex": f"{word}.*"}, {"regex": f"({word}|z)+"}]
        return self.random.choice(kinds + ([{}] if empty else []))

    def match(self):
        found = {}
        if self.maybe(0.7):
            found["uri"] = self.text(PATHS)
            if self.maybe(0.2):
                found["ignoreUriCase"] = True
        if self.maybe(0.4):
            names = self.random.sample(["h1", "h2"], self.random.choice([1, 2]))
            found["headers"] = {name: self.text(VALUES, empty=True) for name in names}
        if self.maybe(0.25):
            found["withoutHeaders"] = {"h3": self.text(VALUES, empty=True)}
        if self.maybe(0.2):
            found["method"] = {"exact": self.random.choice(["GET", "POST"])}
        if self.maybe(0.2):
            found["queryParams"] = {"q": self.text(VALUES)}
        if self.maybe(0.15):
            found["port"] = self.random.choice([80, 81])
        if self.maybe(0.15):
            found["sourceLabels"] = {"app": self.random.choice(["client", "gate", "other"])}
        return found or {"uri": {"prefix": "/"}}

    def destination(self, *, to_gateway):
        if to_gateway and self.maybe(0.6):
            return {"host": "gate.default.svc.cluster.local", "port": {"number": 80}}
        found = {"host": self.random.choice([*HOSTS, "missing.example.org"])}
        if self.maybe(0.6):
            found["port"] = {"number": self.random.choice([80, 81])}
        elif not to_gateway:
            found["port"] = {"number": 80}
        if self.maybe(0.5):
            found["subset"] = self.random.choice(["a", "b", "c", "d"])
        return found

    def rule(self, *, to_gateway):
        found = {}
        if self.maybe(0.85):
            found["match"] = [self.match() for _ in range(self.random.choice([1, 1, 2]))]
        kind = self.random.random()
        if kind < 0.15:
            return {**found, "directResponse": {"status": self.random.choice([210, 404, 503])}}
        if kind < 0.25:
            fields = [{"uri": "/new"}, {"authority": "n.example"}, {"scheme": "https"}, {"port": 8443}]
            return {**found, "redirect": self.random.choice(fields)}
        count = self.random.choice([1, 1, 1, 2])
        route = [{"destination": self.destination(to_gateway=to_gateway)} for _ in range(count)]
        if count > 1:
            for entry in route:
                entry["weight"] = self.random.choice([10, 30])
        found["route"] = route
        if self.maybe(0.3):
            found["rewrite"] = self.random.choice(
                [{"uri": "/b"}, {"uri": "/a"}, {"authority": "two.example.org"}]
            )
        if self.maybe(0.3):
            change = self.random.choice([{"set": {"h1": "x"}}, {"add": {"h2": "w"}}, {"remove": ["h1"]}])
            found["headers"] = {"request": change}
        return found

    def virtual_service(self, name, hosts, gateways):
        to_gateway = "out" not in gateways
        rules = [self.rule(to_gateway=to_gateway) for _ in range(self.random.randint(1, 5))]
        for number, rule in enumerate(rules):
            # Names, by which an access log reports which match took a request.
            rule["name"] = f"{name}#{number}"
            for index, match in enumerate(rule.get("match", ())):
                match["name"] = f"m{index}"
        spec = {"hosts": hosts, "http": rules}
        if gateways:
            spec["gateways"] = gateways
        meta = {"name": name, "namespace": "default"}
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": meta,
            "spec": spec,
        }


def generate(seed):
    """The YAML of one set."""
    generator = Generator(seed)
    hosts = generator.random.sample(HOSTS, 3)
    services = [
        generator.virtual_service("first", hosts[:1], []),
        generator.virtual_service("second", generator.random.choice([hosts[1:2], ["*.example.org"]]), []),
        generator.virtual_service("third", generator.random.choice([hosts[:1], hosts[1:]]), []),
        generator.virtual_service(
            "gate-one", generator.random.choice([hosts[:2], ["*.example.org"]]), ["out"]
        ),
        generator.virtual_service(
            "gate-two",
            generator.random.choice([hosts[:1], ["*.example.org"], ["elsewhere.test"]]),
            ["out"],
        ),
    ]
    return SERVICES + "---\n" + yaml.safe_dump_all(services, sort_keys=False)
