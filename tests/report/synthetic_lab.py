"""A lab as the result file holds it, without measuring anything."""

from bench.result import (
    ClockReading,
    CryptoSpeed,
    Estimate,
    Fingerprint,
    MeshCost,
    OracleLine,
    PoolPoint,
    Refusal,
    Result,
    ReuseEvent,
    ReusePoint,
    Storm,
    TlsCell,
    TlsLab,
)


def about(value):
    return Estimate(value=value, low=value * 0.98, high=value * 1.02)


def oracle(**changed):
    given = {
        "end": "gateway",
        "signs": 1,
        "verifies": 2,
        "floor_us": 4200.0,
        "whole_us": 4400.0,
        "measured": about(5000.0),
        "below": False,
    }
    return OracleLine(**(given | changed))


def cell(**changed):
    given = {
        "key": "rsa-4096",
        "tls_version": "TLSv1.3",
        "kind": "full",
        "client_certificate": True,
        "connections": 400,
        "of_other_kind": 0,
        "handshake_us": about(9500.0),
        "connection_us": about(9600.0),
        "gateway_cpu_us": about(5000.0),
        "node_cpu_us": about(4700.0),
        "bytes_sent": 3900.0,
        "bytes_received": 4600.0,
        "signature": "rsa_pss_rsae_sha256",
        "curve": "X25519",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "clocks": tuple(
            ClockReading(clock=name, value=9700, low=9500, high=9900) for name in ("cpu", "envoy", "direct")
        ),
        "clocks_agree": True,
        "oracle": (oracle(),),
    }
    return TlsCell(**(given | changed))


def reuse(**changed):
    given = {
        "max_session_keys": 1,
        "session_by": "tickets",
        "shared_keys": False,
        "nodes": 2,
        "clusters": "per-subset",
        "balancing": "ROUND_ROBIN",
        "tls_version": "TLSv1.3",
        "handshakes": 1000,
        "resumed": 990,
        "predicted": 1.0,
        "gateway_cpu_us": 600.0,
        "p99_us": 2400,
    }
    return ReusePoint(**(given | changed))


def event(**changed):
    given = {"event": "node-restart", "shared_keys": False, "handshakes": 40, "full": 1, "predicted_full": 1}
    return ReuseEvent(**(given | changed))


def point(**changed):
    given = {
        "rate": 300,
        "workers": 1,
        "nodes": 2,
        "requests_per_connection": 10,
        "idle_timeout_s": None,
        "http2": False,
        "requests": 1200,
        "seconds": 4.0,
        "connections": 120,
        "handshakes": 120,
        "predicted_per_s": 30.0,
    }
    return PoolPoint(**(given | changed))


def refusal(**changed):
    given = {
        "case": "curve that the gateway does not offer",
        "expected": "alert-handshake-failure",
        "requests": 42,
        "answered": 0,
        "failed": 42,
        "unsent": 0,
        "causes": {"alert-handshake-failure": 42},
        "handshakes": 0,
        "resumed": 0,
        "named": True,
    }
    return Refusal(**(given | changed))


STORM = Storm(
    event="gateway-restart",
    rate=200,
    requests=1200,
    failed=12,
    handshakes=None,
    p99_before_us=4000,
    p99_worst_us=88_000,
    recovered_s=0.8,
    deepest_queue=61,
)
MESH = MeshCost(
    pairs=12,
    sidecar_plain_us=90.0,
    sidecar_mutual_us=98.0,
    sidecar_adds_us=about(8.0),
    gateway_plain_us=110.0,
    gateway_mutual_us=119.0,
    gateway_adds_us=about(9.0),
)
SPEED = CryptoSpeed(
    key="rsa-4096",
    sign_us=4300,
    verify_us=66,
    fastest_sign_us=4200,
    fastest_verify_us=64,
    runs=5,
    library="OpenSSL 3.0.19",
)


def lab(**changed):
    given = {
        "is_full": True,
        "libraries": {"gateway": "BoringSSL", "node": "OpenSSL 3.0.19"},
        "speeds": (SPEED,),
        "cells": (cell(),),
        "reuse": (reuse(),),
        "reuse_events": (event(),),
        "pools": (point(),),
        "storms": (STORM,),
        "refusals": (refusal(),),
        "mesh": MESH,
    }
    return TlsLab(**(given | changed))


def lab_result(found):
    return Result(
        run_id="lab",
        scenario="synthetic-test-data",
        description="SYNTHETIC TEST DATA",
        semantics="istio-1.0",
        started_at="2026-01-01T00:00:00+00:00",
        finished_at="2026-01-01T00:20:00+00:00",
        command="egress-bench handshake --full",
        state="complete",
        fingerprint=Fingerprint(
            machine={"cpu": "made-up CPU"},
            versions={"envoy": "0.0.0", "nginx": "0.0.0"},
            scenario_hash="0" * 16,
            config_hashes={},
            stack="local",
        ),
        tls_lab=found,
        duration_s=1200.0,
    )
