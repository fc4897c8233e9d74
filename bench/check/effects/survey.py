"""What the effects are read from: every proxy that can be translated, and what each of them uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bench.check.effects.uses import Use, uses_of
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import BenchError, Position
from bench.explain import STAND_INS, Behind, Proxies, ServerCertificate, Sources, TranslatedProxy
from bench.istio.problem import Code
from bench.istio.registry import Registry
from bench.istio.resource import Resources
from bench.message import Message, say
from bench.translate import Notice, TranslationWarning


@dataclass(frozen=True)
class Survey:
    """All proxies of the inventory with their translations."""

    registry: Registry
    resources: Resources
    proxies: Proxies
    translated: tuple[TranslatedProxy, ...]
    untranslated: tuple[tuple[str, BenchError], ...]
    sources: Sources
    fallback: Position
    """Where a finding is that does not belong to a resource."""

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Each way into a cluster, of every proxy."""
        return tuple(use for here in self.translated for use in uses_of(here))

    @cached_property
    def handed_over(self) -> tuple[tuple[Use, Behind], ...]:
        """Each use of a sidecar that leads to a gateway, with that gateway."""
        names = {here.name for here in self.translated}
        found: list[tuple[Use, Behind]] = []
        for use in self.uses:
            cluster = use.here.clusters.find(use.cluster)
            if cluster is None or not use.here.is_sidecar or not use.has_place:
                continue
            gateways = dict.fromkeys(
                self.proxies.gateway_behind(endpoint.address, use.here)
                for endpoint in use.here.clusters.endpoints(cluster)
            )
            found += [(use, behind) for behind in gateways if behind is not None and behind.proxy in names]
        return tuple(found)

    def finding(self, level: Level, code: str, where: Position, message: Message) -> Finding:
        """Make a finding about the resource at *where*."""
        return Finding(level, code, where, self.sources.title(where), message)


def survey(
    registry: Registry,
    resources: Resources,
    certificates: Mapping[str, ServerCertificate] | None = None,
    fallback: Position | None = None,
    *,
    runs: bool = False,
) -> Survey:
    """Translate every proxy of the inventory; what cannot be translated is noted and not raised.

    *certificates* says of addresses (``host:port``) what is known of the certificate of the server there,
    *fallback* where a finding is that does not belong to a resource. What *runs* needs the certificates of
    its workloads, which nobody brings unless the inventory names them; elsewhere stand-ins will do.
    """
    sources = Sources(resources, registry.services)
    proxies = Proxies(registry, sources, certificates, None if runs else STAND_INS)
    translated: list[TranslatedProxy] = []
    failed: list[tuple[str, BenchError]] = []
    for name in registry.inventory.proxies:
        try:
            translated.append(proxies.get(name))
        except BenchError as error:
            failed.append((name, error))
    where = fallback or Position("inventory.yaml", 1)
    return Survey(registry, resources, proxies, tuple(translated), tuple(failed), sources, where)


def check_translation(found: Survey) -> Iterator[Finding]:
    """EB0100: files alone cannot do what a resource asks for."""
    for name, error in found.untranslated:
        where = error.where if isinstance(error.where, Position) else found.fallback
        yield found.finding(
            Level.ERROR,
            "EB0100",
            where,
            _not_from_files(name, error),
        )


_REPORTED_ELSEWHERE = frozenset(
    {
        "tls-dropped",
        "tls-not-verified",
        Code.NOT_READ,
        Code.SKIPPED_KIND,
        Code.UNKNOWN_METADATA,
        Code.ADMITTED_WITH_WARNING,
    }
)
"""Codes of warnings that EB0103, IST0128, EB0013, EB0014 and IST0133 report once, and with their effect."""


def check_left_out(found: Survey) -> Iterator[Finding]:
    """EB0109: what a resource asks for has no effect on a proxy, as Istio has it."""
    for here in found.translated:
        for warning in here.config.warnings:
            if warning.code not in _REPORTED_ELSEWHERE:
                yield found.finding(
                    Level.WARNING,
                    "EB0109",
                    warning.where,
                    _left_out(here.name, warning),
                )


def _not_from_files(proxy: str, error: BenchError) -> Message:
    if error.remedy:
        return say(EffectCase.NOT_FROM_FILES, proxy=proxy, what=error.what, remedy=error.remedy)
    return say(EffectCase.NOT_FROM_FILES_AT_ALL, proxy=proxy, what=error.what)


def _left_out(proxy: str, warning: TranslationWarning) -> Message:
    # What is about the resources alone is the same at every proxy, and said once.
    place = "" if warning.code == Notice.INPUT else say(EffectCase.AT_PROXY, proxy=proxy)
    case = EffectCase.LEFT_OUT if warning.advice else EffectCase.LEFT_OUT_UNADVISED
    return say(case, place=place, warning=warning)
