"""What the builders of one proxy's resources share."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.errors import Position
from bench.istio.registry import ProxyView
from bench.translate.config import ConfigSource, TlsMaterial
from bench.translate.notices import Notice, TranslationWarning
from bench.translate.origins import Origins
from bench.translate.semantics import Semantics
from bench.translate.tls_secrets import SecretCollector


@dataclass(slots=True)
class Context:
    """One translation under way."""

    view: ProxyView
    semantics: Semantics
    config_source: ConfigSource
    material: TlsMaterial
    secrets: SecretCollector = field(default_factory=SecretCollector)
    origins: Origins = field(default_factory=Origins)
    warnings: list[TranslationWarning] = field(default_factory=list)

    @property
    def intercepts(self) -> bool:
        """Whether connections reach the proxy by redirection, their first destination known."""
        return self.view.proxy.interception == "redirect"

    def warn(self, code: Notice, where: Position, **data: object) -> None:
        """Note something that the user may not expect, once."""
        warning = TranslationWarning(code, where, tuple(data.items()))
        if warning not in self.warnings:
            self.warnings.append(warning)
