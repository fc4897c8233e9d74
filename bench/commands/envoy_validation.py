"""What Envoy itself says about the translation of each proxy, and which resource it is about."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import betterproto2
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import Route, VirtualHost
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)

from bench.certs.authority import Authority
from bench.check.effects.survey import Survey
from bench.check.finding import Finding, Level
from bench.errors import Position
from bench.explain.proxies import TranslatedProxy
from bench.translate import ProxyConfig
from bench.translate.files.validation_bootstrap import render_validation_bootstrap
from bench.translate.messages import unpack, variant

_AT_ONCE = 2
"""Envoys that validate at the same time."""
_TIMEOUT_S = 60
_MOST_WORDS = 400
"""Characters of Envoy's reason that are told."""
_REFUSED = re.compile(r"error initializing configuration '[^']*': (.*)", re.DOTALL)
_CONSTRAINT = re.compile(r"([A-Za-z0-9]+)ValidationError\.([^:|]+): (?!embedded message)([^|]*)\)\s*$")
_BLAMED = ("rule", "policy", "server", "subset", "service")
"""Parts of origins, the likelier culprit first."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of it."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """What could not be validated, and why."""


def validate(found: Survey, envoy: Path, fallback: Position) -> Validation:
    """Let *envoy* validate each translated proxy; *fallback* is told where no resource can be blamed.

    No file that the resources name needs to exist: throw-away certificates stand in for all of them.
    """
    findings: list[Finding] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="egress-bench-check-") as folder:
        validator = _Validator.prepare(envoy, Path(folder))
        # Each verdict is a process of its own; the search for a culprit is rare and goes step by step.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            verdicts = [pool.submit(validator.reason, here.config) for here in found.translated]
        for here, verdict in zip(found.translated, verdicts, strict=True):
            try:
                reason = verdict.result()
                if reason is None:
                    continue
                where = next(_places(here, _culprits(validator, here.config)), fallback)
            except _NotValidatedError as error:
                notes.append(f"Envoy could not validate the translation for {here.name}: {error}")
                continue
            findings.append(
                found.finding(
                    Level.ERROR,
                    "EB0108",
                    where,
                    reason=f"Envoy refuses the configuration of {here.name}: {reason}",
                    remedy="Write it so that Envoy takes it: until then that part of the proxy is missing.",
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
    def prepare(cls, envoy: Path, folder: Path) -> _Validator:
        authority = Authority.create()
        # RSA, since a Gateway may ask for ciphers that only go with it.
        pair = authority.issue_server(["localhost"], key_type="rsa-2048")
        (folder / "all.pem").write_bytes(pair.certificate_pem + pair.key_pem)
        (folder / "revoked.pem").write_bytes(authority.revocation_list_pem())
        return cls(envoy, folder)

    def reason(self, config: ProxyConfig) -> str | None:
        """Give Envoy's reason to refuse *config*, ``None`` when it takes it."""
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
        said = _REFUSED.search(done.stderr)
        if said is None:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise _NotValidatedError(f"it ended with code {done.returncode}: {last[:_MOST_WORDS]}")
        return in_words(said.group(1))

    def takes(self, config: ProxyConfig) -> bool:
        return self.reason(config) is None


def in_words(said: str) -> str:
    """Shorten what Envoy says: of a broken constraint the field and the constraint, not the whole message."""
    text = " ".join(said.split())
    constraint = _CONSTRAINT.search(text)
    if constraint is not None:
        message, field, wrong = constraint.groups()
        text = f"{field} of {message}: {wrong}"
    text = text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 1]}…"
    return text if text.endswith(".") else f"{text}."


def _culprits(validator: _Validator, config: ProxyConfig) -> Iterator[betterproto2.Message]:
    """Give the messages that Envoy refuses, the innermost first.

    Halving finds one among thousands in a dozen runs; what is only refused together stays together.
    """

    def holding(parts: Sequence[Cluster | Listener]) -> ProxyConfig:
        clusters = tuple(each for each in parts if isinstance(each, Cluster))
        listeners = tuple(each for each in parts if isinstance(each, Listener))
        return replace(config, clusters=clusters, listeners=listeners)

    whole: list[Cluster | Listener] = [*config.clusters, *config.listeners]
    parts = _narrowed(whole, lambda some: not validator.takes(holding(some)))
    part = parts[0]
    if len(parts) > 1 or isinstance(part, Cluster):
        yield part
        return
    chains = _narrowed(
        part.filter_chains,
        lambda some: not validator.takes(holding([variant(part, filter_chains=list(some))])),
    )
    if len(chains) == 1:
        chain = chains[0]
        alone = holding([variant(part, filter_chains=[chain], default_filter_chain=None)])
        for name in _route_names(chain):
            yield from _of_routes(validator, alone, name)
        yield chain
    yield part


def _route_names(chain: FilterChain) -> Iterator[str]:
    for each in chain.filters:
        manager = unpack(each.typed_config)
        if isinstance(manager, HttpConnectionManager) and manager.rds is not None:
            yield manager.rds.route_config_name or ""


def _of_routes(validator: _Validator, config: ProxyConfig, name: str) -> Iterator[Route | VirtualHost]:
    """Give route and virtual host of the route configuration *name* for which *config* is refused, if any."""
    written = next((each for each in config.routes if each.name == name), None)
    if written is None:
        return

    def refuses(hosts: Sequence[VirtualHost]) -> bool:
        changed = variant(written, virtual_hosts=list(hosts))
        return not validator.takes(replace(config, routes=(changed,)))

    if refuses(()):
        return
    hosts = _narrowed(written.virtual_hosts, refuses)
    if not hosts:
        return
    host = hosts[0]
    if len(hosts) == 1 and host.routes and not refuses([variant(host, routes=[])]):
        yield _narrowed(host.routes, lambda some: refuses([variant(host, routes=list(some))]))[0]
    yield host


def _narrowed(items: Sequence[_T], is_refused: Callable[[Sequence[_T]], bool]) -> Sequence[_T]:
    while len(items) > 1:
        half = len(items) // 2
        smaller = next((part for part in (items[:half], items[half:]) if is_refused(part)), None)
        if smaller is None:
            break
        items = smaller
    return items


def _places(here: TranslatedProxy, culprits: Iterator[betterproto2.Message]) -> Iterator[Position]:
    """Give what caused the *culprits*: rules and policies before the services that they are for."""
    for culprit in culprits:
        places = here.config.origins.of(culprit)
        yield from (places[part] for part in _BLAMED if part in places)
