"""From a scenario to what a stack needs: resources, registry, translated proxies, stack specifications."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from bench.certs import Material, files_of
from bench.check import Finding, Surroundings, dead_references, places_named
from bench.errors import InputError
from bench.headers import ID_HEADER
from bench.istio.inventory import Proxy
from bench.istio.problem import InvalidResourcesError, Problem
from bench.istio.registry import Registry
from bench.placement import ConfigFile, Placement
from bench.preparation.behaviour import behaviour_of
from bench.preparation.credentials import credential_paths
from bench.preparation.demands import unmet_demands
from bench.preparation.foreseen import Foreseen, foresee
from bench.preparation.leaving import course_of, straight_requests
from bench.preparation.mesh_dns import undialled
from bench.preparation.node_tls import spoken_by_clients, spoken_to
from bench.preparation.stand_ins import MissingStandIn, missing_stand_ins
from bench.routing import Decision
from bench.scenario import Scenario, resources_of
from bench.scenario.folder import inventory_of
from bench.scenario.load import LoadedScenario
from bench.stack import (
    GENERATOR,
    HotRestart,
    NodeSpec,
    NodeTls,
    NodeTlsOptions,
    ProxySpec,
    ResourceLimits,
    StackSpec,
)
from bench.translate import (
    DYNAMIC_TYPE,
    AccessLogOptions,
    ConfigSource,
    ProxyConfig,
    RenderOptions,
    TlsVersion,
    TranslationWarning,
    render,
    translate,
    with_copied_clusters,
)

SAMPLED_LOG = "sampled.log"
"""Name of the log of some requests, beside a proxy's access log."""
_SAMPLED_ENDS = ("00", "50")
"""Of the ids of the sampled requests, which are counted up: a line for one in fifty costs nothing that could
be measured, and all proxies on the way log the same ones."""


@dataclass(frozen=True, slots=True)
class Variation:
    """What one stack of a run does differently from the Istio resources as written."""

    access_log: Mapping[str, str] | None = None
    """Fields of the gateway's access log; None: no log."""
    sidecar_access_log: Mapping[str, str] | None = None
    """Fields of the access log of the client's sidecar; None: no log."""
    sampled_log: Mapping[str, str] | None = None
    """Fields of a log of some requests, which sidecars and gateway keep beside all else; None: none."""
    max_requests_per_connection: int | None = None
    """Of the gateway towards the nodes."""
    max_session_keys: int | None = None
    """TLS sessions that the gateway keeps to resume with nodes; 0: none. None: one, Envoy's default."""
    tls_version: TlsVersion | None = None
    """The only TLS version that the gateway offers the nodes; None: as translated."""
    presents_certificate: bool = True
    """False: the gateway shows the nodes no certificate, and they demand none."""
    concurrency: int | None = None
    """Worker threads of the gateway; None: as the scenario's resources say."""
    more_clusters: int = 0
    """Copies of its clusters that the gateway has beside them; with config source ``static`` only."""
    node_tls: NodeTlsOptions = field(default_factory=NodeTlsOptions)
    """How the nodes speak TLS."""
    hot_restart: HotRestart | None = None
    """The gateway watches no file but its secrets' and makes way for a successor like this; None: it watches
    its files. With config source ``static`` only."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario, read and translated for every config source."""

    loaded: LoadedScenario
    registry: Registry
    configs: Mapping[tuple[str, ConfigSource], ProxyConfig] = field(default_factory=dict)
    """Proxy name and config source -> its Envoy resources."""
    straight: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Requests that no gateway delivers, by name -> the sidecar's clusters by which they go to nodes."""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """What the resources say of each request of the traffic, by name."""
    called: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host of a request -> the addresses that its client dials, where there are some."""

    @property
    def leaving(self) -> frozenset[str]:
        """Sidecars that leave the mesh themselves: all, where there is no gateway."""
        traffic = self.loaded.scenario.traffic
        return frozenset(
            each.client for each in traffic.mix if traffic.gateway is None or each.name in self.straight
        )

    @property
    def warnings(self) -> tuple[TranslationWarning, ...]:
        """What translation found worth saying, each once."""
        return tuple(dict.fromkeys(w for config in self.configs.values() for w in config.warnings))

    @property
    def missing_stand_ins(self) -> tuple[MissingStandIn, ...]:
        """Endpoints that requests can reach and no node plays."""
        return missing_stand_ins(self.loaded.scenario, self._static)

    @property
    def foreseen(self) -> tuple[Foreseen, ...]:
        """What will not be as the scenario expects."""
        scenario, locate = self.loaded.scenario, self.loaded.position
        return tuple(foresee(scenario, self._static, self.decisions, locate))

    @property
    def _static(self) -> tuple[ProxyConfig, ...]:
        """Every proxy, once."""
        return tuple(config for (_, source), config in self.configs.items() if source == "static")

    def file_watches(self, name: str, source: ConfigSource) -> dict[str, int]:
        """What the proxies of a stack *name* take of a user's file watches, each with its stack."""
        return {
            f"{name} {proxy}": config.file_watches
            for (proxy, written), config in self.configs.items()
            if written == source
        }

    def config_hashes(self, variation: Variation | None = None) -> dict[str, str]:
        """``proxy config_source`` -> hash of its files with Istio's own addresses, equal on every machine."""
        placement = Placement(config_root="/config", log_root="/logs")
        return {
            f"{proxy} {source}": _hash(self.renderer(proxy, variation or Variation())(config, placement))
            for (proxy, source), config in self.configs.items()
            # A control plane serves what the files of EDS say.
            if not config.is_served
        }

    def stack_spec(
        self, name: str, source: ConfigSource, material: Material, variation: Variation | None = None
    ) -> StackSpec:
        """The specification of one stack of this scenario."""
        scenario = self.loaded.scenario
        proxies = scenario.inventory.proxies
        chosen = variation or Variation()
        gateways_first = sorted(proxies, key=lambda proxy: proxies[proxy].role != "gateway")
        return StackSpec(
            name=name,
            proxies=tuple(self._proxy_spec(proxy, source, material, chosen) for proxy in gateways_first),
            nodes=tuple(
                NodeSpec(
                    name=node,
                    plays=spec.address,
                    behaviour=behaviour_of(spec),
                    also=spec.plays[1:],
                    page=spec.word(node),
                    tls=_node_tls(self.node_tls(node, source), chosen),
                    tls_options=chosen.node_tls,
                    certificates=material.of_node(node, spec.set),
                )
                for node, spec in scenario.nodes.items()
            ),
            certificates=material.live,
            files=self._files(material),
            ports=dict(scenario.ports),
            resource_limits=_resource_limits(scenario),
            connections=scenario.traffic.connections.count,
            workers=scenario.traffic.workers,
            called=self.called,
            names=tuple(dict.fromkeys(each.host for each in scenario.traffic.mix)),
        )

    def node_tls(self, node: str, source: ConfigSource = "static") -> NodeTls:
        """What *node* speaks: as the scenario says, else what its clients do, else what the proxies do."""
        scenario = self.loaded.scenario
        spec = scenario.nodes[node]
        by_clients = spoken_by_clients(node, scenario.traffic.mix)
        if spec.tls is not None:
            return spec.tls
        if by_clients is not None and by_clients != "none":
            return by_clients
        return spoken_to(
            spec.address,
            self._gateways_first(source),
            carries_bytes=by_clients is not None,
            may_carry_http=any(
                each.is_plain_http and node in each.expect.nodes for each in scenario.traffic.mix
            ),
        )

    def files(self, proxy: str, material: Material) -> dict[str, Path]:
        """File name in the Istio resources -> the file that *proxy* finds under it."""
        return self._files(material) | self._workload_files(proxy, material)

    def _files(self, material: Material) -> dict[str, Path]:
        made = self.loaded.scenario.tls.files.items()
        return {path: material.live / file for path, file in made} | credential_paths(self.loaded, material)

    def _gateways_first(self, source: ConfigSource) -> tuple[ProxyConfig, ...]:
        proxies = self.loaded.scenario.inventory.proxies
        ordered = sorted(proxies, key=lambda proxy: proxies[proxy].role != "gateway")
        return tuple(self.configs[proxy, source] for proxy in ordered)

    def _proxy_spec(
        self, name: str, source: ConfigSource, material: Material, variation: Variation
    ) -> ProxySpec:
        proxy = self.loaded.scenario.inventory.proxies[name]
        config = self.configs[name, source]
        is_gateway = name == self.loaded.scenario.traffic.gateway
        if variation.more_clusters and name == self.loaded.scenario.traffic.exit:
            config = with_copied_clusters(config, variation.more_clusters)
        hot_restart = variation.hot_restart if name == self.loaded.scenario.traffic.exit else None
        concurrency = resources_of(
            self.loaded.scenario, name, "egress" if proxy.role == "gateway" else "sidecar"
        ).concurrency
        return ProxySpec(
            name=name,
            role=_stack_role(proxy),
            ip=proxy.ip,
            listeners=config.listener_addresses,
            render=partial(self.renderer(name, variation), config),
            concurrency=variation.concurrency or concurrency if is_gateway else concurrency,
            intercepts=proxy.role == "sidecar" and proxy.interception == "redirect",
            files=self._workload_files(name, material),
            replica_of=proxy.replica_of,
            places=partial(places_named, config),
            file_watches=config.secret_watches if hot_restart is not None else config.file_watches,
            hot_restart=hot_restart,
            is_served=config.is_served,
            leaves_mesh=name in self.leaving,
            asks_dns=any(
                cluster.cluster_type is not None and cluster.cluster_type.name == DYNAMIC_TYPE
                for cluster in config.clusters
            ),
        )

    def renderer(
        self, name: str, variation: Variation
    ) -> Callable[[ProxyConfig, Placement], Sequence[ConfigFile]]:
        """What makes the files of the proxy *name*, whatever becomes of its configuration."""
        options = RenderOptions(node_id=name)
        scenario = self.loaded.scenario
        exits = {each for name in scenario.traffic.exits for each in scenario.inventory.replicas_of(name)}
        passes = {*exits, *scenario.traffic.senders}
        if variation.sampled_log is not None and name in passes:
            sampled = AccessLogOptions(
                variation.sampled_log, file=SAMPLED_LOG, only=(ID_HEADER, _SAMPLED_ENDS)
            )
            options = replace(options, further_log=sampled)
        if name in exits:
            log = AccessLogOptions(variation.access_log) if variation.access_log is not None else None
            options = replace(
                options,
                access_log=log,
                max_requests_per_connection=variation.max_requests_per_connection,
                max_session_keys=variation.max_session_keys,
                tls_versions=(variation.tls_version,) * 2 if variation.tls_version is not None else None,
                presents_certificate=variation.presents_certificate,
                all_in_bootstrap=variation.hot_restart is not None and name == scenario.traffic.exit,
            )
        elif name in scenario.traffic.senders and variation.sidecar_access_log is not None:
            options = replace(options, access_log=AccessLogOptions(variation.sidecar_access_log))
        return lambda config, placement: render(config, placement, options)

    def _workload_files(self, proxy: str, material: Material) -> dict[str, Path]:
        names = self.loaded.scenario.tls.workload
        if names is None:
            return {}
        written = (names.certificate, names.private_key, names.ca)
        return dict(zip(written, files_of(proxy, material.live), strict=True))


def prepare(loaded: LoadedScenario) -> Prepared:
    """Build the registry and translate every proxy of the inventory for every config source.

    Raises:
        InputError: the resources ask for something that cannot be translated, or contradict the scenario.
    """
    inventory = inventory_of(loaded.scenario)
    # istiod accepts a reference to what may come later; a benchmark of it would measure 503s.
    if dead := dead_references(Surroundings(loaded.resources, inventory)):
        raise InvalidResourcesError([_problem(each) for each in dead])
    registry = loaded.registry()
    course = course_of(registry, loaded.resources, inventory, loaded.scenario.traffic)
    for problem in undialled(registry, loaded.scenario.traffic, course.called, loaded.position):
        raise InputError(problem.what, where=problem.where, remedy=problem.remedy)
    sources: tuple[ConfigSource, ...] = ("static", "eds")
    configs = {
        (proxy, source): course.known_to(translate(registry, proxy, config_source=source))
        for proxy in inventory.proxies
        for source in sources
    }
    for proxy in inventory.proxies:
        # The same resources by another way.
        served: tuple[ConfigSource, ...] = ("ads", "ads-delta")
        for source in served:
            configs[proxy, source] = replace(configs[proxy, "eds"], config_source=source)
    static = [configs[proxy, "static"] for proxy in inventory.proxies]
    for problem in unmet_demands(loaded.scenario, static, loaded.position, loaded.folder):
        raise InputError(problem.what, where=problem.where, remedy=problem.remedy)
    return Prepared(
        loaded=loaded,
        registry=registry,
        configs=configs,
        straight=straight_requests(loaded.scenario.traffic.mix, course.decisions),
        decisions=course.decisions,
        called=course.called,
    )


def _problem(found: Finding) -> Problem:
    return Problem(found.position, found.reason, found.remedy, resource=found.resource)


def _resource_limits(scenario: Scenario) -> dict[str, ResourceLimits]:
    kinds = {name: str(_stack_role(proxy)) for name, proxy in scenario.inventory.proxies.items()}
    kinds |= dict.fromkeys(scenario.nodes, "node")
    kinds[GENERATOR] = "generator"
    found = {name: resources_of(scenario, name, kind) for name, kind in kinds.items()}
    return {
        name: ResourceLimits(cpus=each.cpus, memory_bytes=each.memory, cpuset=each.cpuset)
        for name, each in found.items()
    }


def _stack_role(proxy: Proxy) -> Literal["sidecar", "egress"]:
    return "egress" if proxy.role == "gateway" else "sidecar"


def _node_tls(spoken: NodeTls, variation: Variation) -> NodeTls:
    return "simple" if spoken == "mutual" and not variation.presents_certificate else spoken


def _hash(files: Sequence[ConfigFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.path.encode() + b"\0" + file.text.encode() + b"\0")
    return digest.hexdigest()[:16]
