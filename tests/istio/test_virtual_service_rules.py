"""VirtualServices are accepted and refused as Istio does: each rule with its near miss."""

from __future__ import annotations

import pytest

from tests.istio.verdicts import refused_fields, warned_fields

TO_WEB = "route: [{destination: {host: web}}]"


def rule(*parts: str) -> str:
    """A VirtualService with one rule of *parts*."""
    return "hosts: [web.test]\nhttp:\n- " + "\n  ".join(parts)


@pytest.mark.parametrize(
    "spec",
    [
        rule(TO_WEB),
        "hosts: ['*']\ngateways: [edge/out]\nhttp: [{" + TO_WEB + "}]",
        "hosts: ['*.a.test', '*.b.test', 10.0.0.1, '::1', web]\nhttp: [{" + TO_WEB + "}]",
        "hosts: [A.test, a.test]\nhttp: [{" + TO_WEB + "}]",
        "http: [{" + TO_WEB + "}]",
        "hosts: [a.test]\ngateways: [mesh, 'bad_ref/']\nhttp: [{" + TO_WEB + "}]",
        rule("route: [{destination: {host: '*.web.test', port: {number: 65535}, subset: V-1}}]"),
        rule("route: [{destination: {host: web}, weight: 0}]"),
        rule("route: [{destination: {host: web}, weight: 3}, {destination: {host: web}}]"),
        rule("match: [{uri: {prefix: ''}, ignoreUriCase: true}, {uri: {exact: ''}}]", TO_WEB),
        rule("match: [{headers: {x.y: {}, ':path': {exact: /}, 'a!b': {exact: ''}}}]", TO_WEB),
        rule("match: [{withoutHeaders: {x: {regex: '*'}}}]", TO_WEB),
        rule("match: [{sourceLabels: {a.test/b: '', c: x_y.z}, sourceNamespace: a-b, port: 0}]", TO_WEB),
        rule("match: [{queryParams: {q: {regex: 'v[0-9]+'}}}]", TO_WEB),
        rule("redirect: {prefixRewrite: /a}"),
        rule("match: [{uri: {prefix: /a}}, {method: {exact: GET}}]", "redirect: {prefixRewrite: /b}"),
        rule("redirect: {scheme: http, redirectCode: 399}", "timeout: 1s", "retries: {attempts: 1}"),
        rule("redirect: {port: 0}"),
        rule("redirect: {derivePort: FROM_REQUEST_PORT}"),
        rule("directResponse: {status: 200}"),
        rule("directResponse: {status: 600, body: {string: x}}", "mirror: {host: b}"),
        rule("directResponse: {status: 204, body: {bytes: aGk=}}"),
        rule("delegate: {name: leaf}", "rewrite: {uri: /x}", "timeout: 2s"),
        rule("retries: {attempts: 2, retryOn: '5xx,503,+404,reset', perTryTimeout: 1ms}", TO_WEB),
        rule("retries: {attempts: 0, backoff: 5ms, retryIgnorePreviousHosts: true}", TO_WEB),
        rule("retries: {retryRemoteLocalities: null}", TO_WEB),
        rule("fault: {abort: {percentage: {value: 0}}, delay: {}}", TO_WEB),
        rule("fault: {abort: {grpcStatus: NOT_FOUND, percentage: {value: 0.0001}}}", TO_WEB),
        rule("fault: {delay: {fixedDelay: 1m, percent: 700}}", TO_WEB),
        rule("mirror: {host: b}", "mirrorPercentage: {value: 0.00001}", TO_WEB),
        rule("mirrors: [{destination: {host: b}, percentage: {value: 100}}]", TO_WEB),
        rule("corsPolicy: {allowMethods: ['*', TRACE], allowHeaders: ['*'], maxAge: 24h}", TO_WEB),
        rule("corsPolicy: {allowOrigins: [{exact: '*'}, {regex: '.+'}]}", TO_WEB),
        rule("headers: {request: {set: {Host: x, a: '100%%'}, add: {b: '%START_TIME%'}}}", TO_WEB),
        rule(
            "headers: {response: {add: {'a b': '%REQ(x)% and %DYNAMIC_METADATA([\"a\", \"b\"])%'}}}", TO_WEB
        ),
        rule("rewrite: {authority: b.test}", "headers: {response: {set: {x: z}}}", TO_WEB),
        rule("rewrite: {uriRegexRewrite: {match: '^/a', rewrite: /b}, authority: b}", TO_WEB),
        "hosts: ['*.a.test']\ntls: [{match: [{sniHosts: ['*.b.a.test', x.a.test], port: 443}], "
        + TO_WEB
        + "}]",
        "hosts: ['*']\ngateways: [e/o]\n"
        "tls: [{match: [{sniHosts: [outbound_.80_.v1_.a.test]}], " + TO_WEB + "}]",
        "hosts: [a.test]\ntcp: [{match: [{destinationSubnets: [10.0.0.7/8, '::/0', 1.2.3.4]}], "
        + TO_WEB
        + "}]",
        "hosts: [a.test]\nexportTo: [., other]\ntcp: [{" + TO_WEB + "}]",
        "hosts: [a.test]\nexportTo: ['*']\ntcp: [{" + TO_WEB + "}]",
    ],
)
def test_what_istio_accepts_is_accepted(spec: str) -> None:
    assert refused_fields("VirtualService", spec) == []


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("hosts: [a.test]", [""]),
        ("hosts: ['*']\nhttp: [{" + TO_WEB + "}]", ["hosts[0]"]),
        ("hosts: ['*']\ngateways: [edge/out, mesh]\nhttp: [{" + TO_WEB + "}]", ["hosts[0]"]),
        ("hosts: ['*.test', a.test]\nhttp: [{" + TO_WEB + "}]", ["hosts[1]"]),
        ("hosts: [a_b.test]\nhttp: [{" + TO_WEB + "}]", ["hosts[0]"]),
        ("hosts: [a.*.test]\nhttp: [{" + TO_WEB + "}]", ["hosts[0]"]),
        ("hosts: [a.test.7]\nhttp: [{" + TO_WEB + "}]", ["hosts[0]"]),
        ("hosts: [a.test]\ngateways: ['bad_ref/x', mesh]\nhttp: [{" + TO_WEB + "}]", ["gateways[0]"]),
        ("gateways: [mesh]\ntcp: [{" + TO_WEB + "}]", ["gateways", "tcp"]),
        ("http: [{delegate: {name: x}}]", ["http[0].delegate", "http[0]"]),
        (rule("name: empty"), ["http[0]"]),
        (rule("route: [{weight: 1}]"), ["http[0].route[0].destination"]),
        (rule("route: [{destination: {host: '*'}}]"), ["http[0].route[0].destination.host"]),
        (rule("route: [{destination: {host: ''}}]"), ["http[0].route[0].destination.host"]),
        (rule("route: [{destination: {host: web, subset: a_b}}]"), ["http[0].route[0].destination.subset"]),
        (
            rule("route: [{destination: {host: web, port: {}}}]"),
            ["http[0].route[0].destination.port.number"],
        ),
        (rule("route: [{destination: {host: web}, weight: -1}]"), ["http[0].route[0].weight"]),
        (rule("route: [{destination: {host: web}}, {destination: {host: web}}]"), ["http[0].route"]),
        (rule("match: [{headers: {x: {prefix: ''}}}]", TO_WEB), ["http[0].match[0].headers.x.prefix"]),
        (rule("match: [{scheme: {prefix: ''}}]", TO_WEB), ["http[0].match[0].scheme.prefix"]),
        (rule("match: [{queryParams: {x: {regex: ''}}}]", TO_WEB), ["http[0].match[0].queryParams.x.regex"]),
        (rule("match: [{uri: {regex: '(?=a)'}}]", TO_WEB), ["http[0].match[0].uri.regex"]),
        (
            rule("match: [{withoutHeaders: {x: {regex: '**'}}}]", TO_WEB),
            ["http[0].match[0].withoutHeaders.x.regex"],
        ),
        (rule("match: [{headers: {'a b': {}}}]", TO_WEB), ['http[0].match[0].headers["a b"]']),
        (rule("match: [{headers: {':host': {}}}]", TO_WEB), ['http[0].match[0].headers[":host"]']),
        (rule("match: [{sourceLabels: {a: -x}}]", TO_WEB), ["http[0].match[0].sourceLabels.a"]),
        (rule("match: [{sourceNamespace: a.b}]", TO_WEB), ["http[0].match[0].sourceNamespace"]),
        (rule("match: [{port: 65536}]", TO_WEB), ["http[0].match[0].port"]),
        (rule("match: [{gateways: [x/]}]", TO_WEB), ["http[0].match[0].gateways[0]"]),
        (rule("match: [{uri: {exact: a, prefix: a}}]", TO_WEB), ["http[0].match[0].uri"]),
        (
            rule("match: [{headers: {'@request.auth.claims.sub': {exact: a}}}]", TO_WEB),
            ['http[0].match[0].headers["@request.auth.claims.sub"]'],
        ),
        (rule("redirect: {redirectCode: 301}"), ["http[0].redirect"]),
        (rule("redirect: {uri: /a, redirectCode: 400}"), ["http[0].redirect.redirectCode"]),
        (rule("redirect: {uri: /a, prefixRewrite: /b}"), ["http[0].redirect.prefixRewrite"]),
        (
            rule("match: [{uri: {regex: /a}}]", "redirect: {prefixRewrite: /b}"),
            ["http[0].redirect.prefixRewrite"],
        ),
        (rule("redirect: {scheme: ftp}"), ["http[0].redirect.scheme"]),
        (rule("redirect: {uri: /a}", TO_WEB), ["http[0].route"]),
        (
            rule("redirect: {uri: /a}", "fault: {abort: {}}", "rewrite: {uri: /}"),
            ["http[0].fault", "http[0].rewrite"],
        ),
        (rule("redirect: {uri: /a}", "directResponse: {status: 200}"), ["http[0].directResponse"]),
        (rule("directResponse: {status: 199}"), ["http[0].directResponse.status"]),
        (rule("directResponse: {body: {}}"), ["http[0].directResponse.status"]),
        (rule("directResponse: {status: 200}", "fault: {delay: {}}"), ["http[0].fault"]),
        (rule("directResponse: {status: 200, body: {bytes: '***'}}"), ["http[0].directResponse.body.bytes"]),
        (rule("directResponse: {status: 200, body: {bytes: aGk}}"), ["http[0].directResponse.body.bytes"]),
        (rule("directResponse: {status: 200, body: {bytes: ö}}"), ["http[0].directResponse.body.bytes"]),
        (rule("delegate: {name: leaf}", TO_WEB), ["http[0].route"]),
        (rule("timeout: 1500us", TO_WEB), ["http[0].timeout"]),
        (rule("timeout: -1s", TO_WEB), ["http[0].timeout"]),
        (rule("timeout: 1 s", TO_WEB), ["http[0].timeout"]),
        (rule("timeout: 5", TO_WEB), ["http[0].timeout"]),
        (rule("retries: {attempts: -1}", TO_WEB), ["http[0].retries.attempts"]),
        (rule("retries: {retryOn: 5xx}", TO_WEB), ["http[0].retries.retryOn"]),
        (rule("retries: {retryRemoteLocalities: false}", TO_WEB), ["http[0].retries.retryRemoteLocalities"]),
        (rule("retries: {attempts: 1, retryOn: '5xx, reset'}", TO_WEB), ["http[0].retries.retryOn"]),
        (rule("retries: {attempts: 1, retryOn: '5xx,'}", TO_WEB), ["http[0].retries.retryOn"]),
        (rule("retries: {attempts: 1, retryOn: '306'}", TO_WEB), ["http[0].retries.retryOn"]),
        (rule("retries: {attempts: 1, backoff: 0.5ms}", TO_WEB), ["http[0].retries.backoff"]),
        (rule("fault: {}", TO_WEB), ["http[0].fault"]),
        (
            rule("fault: {abort: {percentage: {value: 0.00001}}}", TO_WEB),
            ["http[0].fault.abort.percentage.value"],
        ),
        (rule("fault: {abort: {http2Error: X}}", TO_WEB), ["http[0].fault.abort.http2Error"]),
        (rule("fault: {abort: {httpStatus: 100}}", TO_WEB), ["http[0].fault.abort.httpStatus"]),
        (rule("fault: {abort: {grpcStatus: '14'}}", TO_WEB), ["http[0].fault.abort.grpcStatus"]),
        (rule("fault: {delay: {exponentialDelay: 1s}}", TO_WEB), ["http[0].fault.delay.exponentialDelay"]),
        (rule("fault: {delay: {fixedDelay: 1s, exponentialDelay: 1s}}", TO_WEB), ["http[0].fault.delay"]),
        (rule("mirrorPercentage: {value: -1}", TO_WEB), ["http[0].mirrorPercentage.value"]),
        (rule("mirrors: [{percentage: {value: 1}}]", TO_WEB), ["http[0].mirrors[0].destination"]),
        (rule("mirrors: [{destination: {host: b}}]", "mirror: {host: b}", TO_WEB), ["http[0].mirrors"]),
        (rule("corsPolicy: {allowMethods: [get]}", TO_WEB), ["http[0].corsPolicy.allowMethods[0]"]),
        (rule("corsPolicy: {allowOrigins: [{}]}", TO_WEB), ["http[0].corsPolicy.allowOrigins[0]"]),
        (rule("corsPolicy: {exposeHeaders: ['a b']}", TO_WEB), ["http[0].corsPolicy.exposeHeaders[0]"]),
        (rule("corsPolicy: {maxAge: 1.5s}", TO_WEB), ["http[0].corsPolicy.maxAge"]),
        (rule("headers: {request: {set: {':path': x}}}", TO_WEB), ['http[0].headers.request.set[":path"]']),
        (rule("headers: {request: {remove: [host]}}", TO_WEB), ["http[0].headers.request.remove[0]"]),
        (rule("headers: {response: {set: {HOST: x}}}", TO_WEB), ["http[0].headers.response.set.HOST"]),
        (rule("headers: {request: {add: {a: '50%'}}}", TO_WEB), ["http[0].headers.request.add.a"]),
        (rule("headers: {request: {add: {a: '%A(%'}}}", TO_WEB), ["http[0].headers.request.add.a"]),
        (rule("headers: {request: {add: {a: '%A([1])%'}}}", TO_WEB), ["http[0].headers.request.add.a"]),
        (rule('headers: {request: {add: {a: "x\\ny"}}}', TO_WEB), ["http[0].headers.request.add.a"]),
        (
            rule("route: [{destination: {host: web}, headers: {request: {remove: ['']}}}]"),
            ["http[0].route[0].headers.request.remove[0]"],
        ),
        (
            rule("headers: {request: {set: {Host: x}, add: {':authority': z}}}", TO_WEB),
            ['http[0].headers.request.add[":authority"]'],
        ),
        (rule("rewrite: {}", TO_WEB), ["http[0].rewrite"]),
        (
            rule("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}", TO_WEB),
            ["http[0].rewrite.uriRegexRewrite"],
        ),
        (rule("rewrite: {uriRegexRewrite: {match: a}}", TO_WEB), ["http[0].rewrite.uriRegexRewrite"]),
        (
            rule("rewrite: {uriRegexRewrite: {match: '(', rewrite: b}}", TO_WEB),
            ["http[0].rewrite.uriRegexRewrite.match"],
        ),
        ("hosts: [a.test]\ntls: [{" + TO_WEB + "}]", ["tls[0].match"]),
        ("hosts: [a.test]\ntls: [{match: [{sniHosts: []}], " + TO_WEB + "}]", ["tls[0].match[0].sniHosts"]),
        (
            "hosts: [a.test]\ntls: [{match: [{sniHosts: ['*.a.test']}], " + TO_WEB + "}]",
            ["tls[0].match[0].sniHosts[0]"],
        ),
        (
            "hosts: ['*']\ngateways: [e/o]\ntls: [{match: [{sniHosts: [outbound_.80_a]}], " + TO_WEB + "}]",
            ["tls[0].match[0].sniHosts[0]"],
        ),
        ("hosts: [a.test]\ntcp: [{}]", ["tcp[0].route"]),
        (
            "hosts: [a.test]\ntcp: [{match: [{destinationSubnets: [10.0.0.0/08, x, '::/129']}], "
            + TO_WEB
            + "}]",
            [f"tcp[0].match[0].destinationSubnets[{n}]" for n in range(3)],
        ),
        ("hosts: [a.test]\nexportTo: [., default]\ntcp: [{" + TO_WEB + "}]", ["exportTo[1]"]),
        ("hosts: [a.test]\nexportTo: ['*', x]\ntcp: [{" + TO_WEB + "}]", ["exportTo"]),
        ("hosts: [a.test]\nexportTo: ['~']\ntcp: [{" + TO_WEB + "}]", ["exportTo[0]"]),
    ],
)
def test_what_istio_refuses_is_refused_at_the_field(spec: str, fields: list[str]) -> None:
    assert sorted(refused_fields("VirtualService", spec)) == sorted(f or "spec" for f in fields)


def test_all_refusals_of_a_rule_are_reported() -> None:
    spec = rule("timeout: 0s", "match: [{uri: {regex: '('}}]", "route: [{destination: {host: '*'}}]")

    assert refused_fields("VirtualService", spec) == [
        "http[0].timeout",
        "http[0].match[0].uri.regex",
        "http[0].route[0].destination.host",
    ]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (rule(TO_WEB) + "\n- " + TO_WEB, ["http[1]"]),
        (rule(f"match: [{{uri: {{prefix: /}}}}]\n  {TO_WEB}") + "\n- " + TO_WEB, []),
        (
            rule("match: [{uri: {prefix: /a}}]", TO_WEB) + "\n- match: [{uri: {prefix: /ab}}]\n  " + TO_WEB,
            ["http[1].match[0]"],
        ),
        (
            rule("match: [{uri: {prefix: /a}, port: 80}]", TO_WEB)
            + "\n- match: [{uri: {prefix: /ab}}]\n  "
            + TO_WEB,
            [],
        ),
        (
            rule("match: [{name: x, port: 80}]", TO_WEB) + "\n- match: [{name: z, port: 80}]\n  " + TO_WEB,
            ["http[1].match[0]", "http[1]"],
        ),
        (rule("mirrorPercent: 5", "mirror: {host: b}", TO_WEB), ["http[0].mirrorPercent"]),
        ("hosts: [a.test]\ngateways: [out.edge]\nhttp: [{" + TO_WEB + "}]", ["gateways[0]"]),
        (
            "hosts: [a.test]\ntls: [{match: [{sniHosts: [10.0.0.1]}], " + TO_WEB + "}]",
            ["tls[0].match[0].sniHosts[0]"],
        ),
    ],
)
def test_what_istio_warns_about_is_a_warning(spec: str, fields: list[str]) -> None:
    assert warned_fields("VirtualService", spec) == fields


@pytest.mark.parametrize(
    "annotation",
    ["istio.io/dry-run", "internal.istio.io/webhook-always-reject", "internal.istio.io/parents"],
)
def test_annotations_that_istiod_refuses_are_refused(annotation: str) -> None:
    (field,) = refused_fields(
        "VirtualService", rule(TO_WEB), metadata=f"annotations: {{{annotation}: 'true', x.test/y: z}}"
    )

    assert field == f'metadata.annotations["{annotation}"]'
