"""``egress-bench init``: a scenario that runs at once, made from the user's own Istio YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.draft import Draft, StackChoice, draft_scenario
from bench.errors import InputError
from bench.istio.files import STDIN, read_text
from bench.scenario.assumed import completed
from bench.scenario.assumed.workloads import plain_name
from bench.scenario.folder import Folder, credential_files
from bench.scenario.read import read_sources

_ISTIO = "istio"
_SCENARIO = "scenario.yaml"
_README = "README.md"


@dataclass(frozen=True, slots=True)
class Initialised:
    """What was written."""

    folder: Path
    files: tuple[Path, ...]
    draft: Draft
    assumptions: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give the same for ``--json``."""
        return {
            "scenario": str(self.folder),
            "files": [str(each.relative_to(self.folder)) for each in self.files],
            "requests": len(self.draft.targets),
            "nodes": self.draft.nodes,
            "unreached": [{"host": host, "why": why} for host, why in self.draft.unreached],
            "needs_containers": self.draft.needs_containers,
            "assumptions": list(self.assumptions),
        }


def init_scenario(folder: Path, sources: Sequence[Path], stack: StackChoice | None = None) -> Initialised:
    """Read the Istio YAML in *sources* and write a scenario for it into *folder*.

    Without *sources* the YAML lies in *folder* itself: in ``istio/``, or beside the scenario. Without *stack*
    the scenario needs containers only where they reach more.

    Raises:
        InputError: there is a scenario already; nothing of Istio is in *sources*; a cluster would refuse a
            resource; no client reaches any destination; *folder* cannot be written.
        UnsupportedError: files alone cannot do what a resource asks for.
    """
    own = folder / _SCENARIO
    if own.exists():
        raise InputError(
            "there is a scenario already.", where=str(own), remedy="Name another folder, or remove it first."
        )
    if not sources and not folder.is_dir():
        raise InputError(
            "there is no such folder, and --from names no Istio YAML.",
            where=str(folder),
            remedy="Name the YAML: --from FOLDER, --from FILE, or --from - for standard input.",
        )
    istio = folder / _ISTIO
    given = tuple(sources) or ((istio if istio.is_dir() else folder),)
    # Standard input can be read once: what was read is what is written.
    texts = {path: read_text(path) for path in given if path == STDIN}
    read = read_sources(given, texts)
    read.require_resources()
    assumed = read.assumed.assumptions if read.assumed is not None else ()
    name = plain_name(folder.resolve().name)
    inventory = completed(read.require_inventory(), read.resources, credential_files)
    draft = draft_scenario(name, read.resources, inventory, assumed, stack)
    try:
        copied = _copy(read, given, istio, texts)
        own.write_text(draft.text, "utf-8")
        readme = folder / _README
        if not readme.exists():
            readme.write_text(_readme(name, draft), "utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}.",
            where=str(error.filename or folder),
            remedy="Choose another folder.",
        ) from error
    return Initialised(folder, (own, *copied), draft, read.assumption_texts)


def _copy(read: Folder, given: Sequence[Path], istio: Path, texts: dict[Path, str]) -> list[Path]:
    """Put a copy of each file into *istio*, under a name of its own; files that lie there stay."""
    copied: list[Path] = []
    taken: set[str] = set()
    inside = istio.resolve()
    for file in read.survey.files:
        if file != STDIN and file.resolve().is_relative_to(inside):
            continue
        name = "stdin.yaml" if file == STDIN else _flat_name(file, given)
        while name in taken or (istio / name).exists():
            name = f"more-{name}"
        taken.add(name)
        istio.mkdir(parents=True, exist_ok=True)
        target = istio / name
        target.write_text(texts[file] if file in texts else read_text(file), "utf-8")
        copied.append(target)
    return copied


def _flat_name(file: Path, given: Sequence[Path]) -> str:
    """Give the way below the folder that was named, in one name: order of files is order of age."""
    for root in given:
        if root.is_dir() and file.is_relative_to(root):
            return "-".join(file.relative_to(root).parts)
    return file.name


def _readme(name: str, draft: Draft) -> str:
    count = len(draft.targets)
    what = f"{count} destinations" if count != 1 else "destination"
    return (
        f"# {name}\n\n"
        f"**Question.** Does every request to the {what} of this YAML reach what the YAML means, and\n"
        "what does the way cost?\n\n"
        "Drafted by `egress-bench init`; `scenario.yaml` says in comments what was assumed.\n"
    )
