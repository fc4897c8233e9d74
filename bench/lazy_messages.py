"""Envoy's message classes without the price of building 500 validators that nothing asks for.

``envoy_data_plane`` makes each of its classes a pydantic dataclass when it is imported, where a command uses
about 60 of more than 500. So the modules of that package get another ``dataclass`` than pydantic's: it leaves
the class as it is until its first instance, or the first look at its fields, and makes a plain dataclass of
it then. What pydantic would have checked on each construction is checked by mypy (types), by the constructor
(names of fields), and by the tests, which hold all messages of the golden cases against the rules of the
``.proto`` files (``oneof``, ranges, deprecated fields).
"""

from __future__ import annotations

import builtins
import dataclasses
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType, SimpleNamespace
from typing import Any

_PACKAGE = "envoy_data_plane."
_REPLACED = "pydantic.dataclasses"


class _Unfinished:
    """Stands in for ``__dataclass_fields__`` until somebody asks for it."""

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        self.cls = cls
        self.options = options

    def __get__(self, instance: object, owner: type) -> Any:
        self.finish()
        return owner.__dataclass_fields__  # type: ignore[attr-defined]

    def finish(self) -> None:
        if self.cls.__dict__.get("__dataclass_fields__") is self:
            del self.cls.__dataclass_fields__
            del self.cls.__init__
            # Generated classes with deprecated fields look each of them up in every new message.
            check = self.cls.__dict__.get("__post_init__")
            if check is not None:
                type.__setattr__(self.cls, "deprecation_check", check)
                type.__delattr__(self.cls, "__post_init__")
            dataclasses.dataclass(**self.options)(self.cls)


def _lazy_dataclass(*, config: object = None, **options: Any) -> Callable[[type], type]:
    """Take the place of pydantic's ``dataclass`` in generated modules; *config* speaks of its validation."""
    del config

    def decorate(cls: type) -> type:
        unfinished = _Unfinished(cls, options)

        def first(self: object, *arguments: Any, **values: Any) -> None:
            unfinished.finish()
            cls.__init__(self, *arguments, **values)  # type: ignore[misc]

        cls.__dataclass_fields__ = unfinished  # type: ignore[attr-defined]
        cls.__init__ = first  # type: ignore[misc]
        return cls

    return decorate


def _import(name: str, *arguments: Any, **options: Any) -> Any:
    if name == _REPLACED:
        return SimpleNamespace(dataclass=_lazy_dataclass)
    return builtins.__import__(name, *arguments, **options)


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        # Only the module's own imports are answered differently: pydantic itself stays as it is.
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_PACKAGE):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """Make the imports of Envoy's messages that follow lazy ones; a second call changes nothing."""
    if not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
