"""What a scenario asks of the translated resources: `run` refuses what is missing, `check` reports it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench.errors import Position
from bench.istio.problem import Problem
from bench.preparation.own_files import credential_problems
from bench.scenario import Scenario
from bench.scenario.folder import credential_files
from bench.translate import ProxyConfig

Locate = Callable[..., Position]
"""Gives ``file:line`` of a field of the scenario, by the steps that lead to it."""


def unmet_demands(
    scenario: Scenario, configs: Iterable[ProxyConfig], locate: Locate, folder: Path
) -> Iterator[Problem]:
    """Give what *scenario* needs and *configs*, one for each proxy, or the files in *folder* do not have."""
    lines = {name: locate("tls", "credentials", name) for name in scenario.tls.credentials}
    yield from credential_problems(scenario, folder, lines)
    for config in configs:
        if config.proxy == scenario.traffic.client:
            yield from _missing_listener(scenario, config, locate)
        yield from _missing_files(scenario, config, locate)


def _missing_listener(scenario: Scenario, config: ProxyConfig, locate: Locate) -> Iterator[Problem]:
    port = scenario.traffic.port
    ports = sorted({address[1] for address in config.listener_addresses})
    if port not in ports:
        listed = ", ".join(map(str, ports)) or "none"
        yield Problem(
            locate("traffic", "url"),
            f"the client calls port {port}, and {config.proxy} has no listener there; its ports: {listed}.",
            "Call a port that the Istio resources open for it.",
        )


def _missing_files(scenario: Scenario, config: ProxyConfig, locate: Locate) -> Iterator[Problem]:
    tls = scenario.tls
    made = set(tls.files)
    for credential in tls.credentials:
        files = credential_files(credential)
        made |= {files.certificate, files.private_key, files.ca}
    if tls.workload is not None:
        made |= {tls.workload.certificate, tls.workload.private_key, tls.workload.ca}
    for name in config.files:
        if name not in made and not Path(name).is_file():
            yield Problem(
                locate("tls", "files"),
                f"the configuration of {config.proxy} names {name}, which neither exists nor is made.",
                f"Say what it is: add `{name}: ca.crt`, client.crt or client.key.",
            )
