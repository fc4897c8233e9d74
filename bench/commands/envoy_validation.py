"""Runs Envoy to validate the translation of each proxy."""

from __future__ import annotations

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.check import EffectCase, Finding, Level, Survey
from bench.check.envoy_validation import (
    STAND_IN_PAIR,
    STAND_IN_REVOCATIONS,
    Refusal,
    culprits,
    last_line,
    places_of,
    read_refusal,
)
from bench.errors import Position
from bench.message import say
from bench.translate import ProxyConfig, render_validation_bootstrap

_AT_ONCE = 2
"""Envoys that validate at the same time."""
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of it."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """What could not be validated, and why."""


def validate(found: Survey, envoy: Path, fallback: Position) -> Validation:
    """Let *envoy* validate each translated proxy; *fallback* is the place where no resource can be blamed.

    No file that the resources name needs to exist: throw-away certificates stand in for all of them.
    """
    findings: list[Finding] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="egress-bench-check-") as folder:
        servers = (server for each in found.registry.gateways for server in each.spec.servers)
        has_ciphers = any(server.tls is not None and server.tls.cipher_suites for server in servers)
        validator = _Validator.prepare(envoy, Path(folder), has_ciphers=has_ciphers)
        # Each verdict is a process of its own; the search for a culprit is rare and goes step by step.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            verdicts = [pool.submit(validator.refusal, here.config) for here in found.translated]
        for here, verdict in zip(found.translated, verdicts, strict=True):
            try:
                refusal = verdict.result()
                if refusal is None:
                    continue
                refused = culprits(validator.refuses, here.config)
                where = next(places_of(here.config, refused), fallback)
            except _NotValidatedError as error:
                notes.append(f"Envoy could not validate the translation for {here.name}: {error}")
                continue
            findings.append(
                found.finding(
                    Level.ERROR,
                    "EB0108",
                    where,
                    say(EffectCase.ENVOY_REFUSES, proxy=here.name, refusal=refusal),
                )
            )
    return Validation(tuple(findings), tuple(notes))


class _NotValidatedError(Exception):
    """Envoy ended without a verdict."""


@dataclass(frozen=True, slots=True)
class _Validator:
    envoy: Path
    folder: Path

    @classmethod
    def prepare(cls, envoy: Path, folder: Path, *, has_ciphers: bool) -> _Validator:
        pair = STAND_IN_PAIR
        if has_ciphers:
            # A Gateway may ask for ciphers that only go with RSA; making such a key takes 40 ms of CPU.
            from bench.certs import Authority  # noqa: PLC0415 - brings the cryptography library

            issued = Authority.create().issue_server(["localhost"], key_type="rsa-2048")
            pair = (issued.certificate_pem + issued.key_pem).decode()
        (folder / "all.pem").write_text(pair)
        (folder / "revoked.pem").write_text(STAND_IN_REVOCATIONS)
        return cls(envoy, folder)

    def refusal(self, config: ProxyConfig) -> Refusal | None:
        """Give why Envoy refuses *config*; None when it takes it."""
        bootstrap = self.folder / f"{config.proxy}.json"
        pem, crl = str(self.folder / "all.pem"), str(self.folder / "revoked.pem")
        bootstrap.write_text(render_validation_bootstrap(config, pem=pem, crl=crl), encoding="utf-8")
        command = [str(self.envoy), "--mode", "validate", "--log-level", "error", "--concurrency", "1"]
        command += ["-c", str(bootstrap)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _NotValidatedError(str(error)) from error
        if done.returncode == 0:
            return None
        refusal = read_refusal(done.stderr)
        if refusal is None:
            raise _NotValidatedError(f"it ended with code {done.returncode}: {last_line(done.stderr)}")
        return refusal

    def refuses(self, config: ProxyConfig) -> bool:
        return self.refusal(config) is not None
