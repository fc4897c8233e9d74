"""Documents to resources: kind, metadata, model, and the rules of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from bench.istio import gateway_api
from bench.istio.decode import FieldFault, decode, describe, nearest, unknown_fields
from bench.istio.documents import Document
from bench.istio.kinds import ISTIO_GROUP, ISTIO_VERSIONS, KINDS, OTHER_ISTIO_KINDS, Kind
from bench.istio.problem import Code, Path, Problem, Stage, path_text
from bench.istio.resource import DEFAULT_NAMESPACE, Resource
from bench.istio.validation import Finding, inspect

_METADATA_FIELDS = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "selfLink",
)
_DEEPEST_LISTS = 20
"""Steps of the way to a list (two for each list around it)."""


class Collector:
    """Takes documents one by one; keeps resources, problems and warnings in their order."""

    def __init__(self) -> None:
        self.resources: list[Resource[Any]] = []
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._seen: dict[tuple[str, str, str], Resource[Any]] = {}

    def add(self, document: Document) -> None:
        """Add the object of *document*, or each object of its ``kind: List``."""
        self._add_object(document, document.data, ())

    def report(self, problem: Problem) -> None:
        """Add a fault that was found before there was a document."""
        self.problems.append(problem)

    def _refuse(
        self,
        document: Document,
        path: Path,
        what: str,
        remedy: str | None = None,
        *,
        stage: Stage = "reading",
        resource: str = "",
        field: Path = (),
    ) -> None:
        code = Code.REFUSED if resource else Code.UNREADABLE
        self.problems.append(Problem(document.position(path), what, remedy, stage, resource, code, field))

    def _add_object(self, document: Document, data: Any, root: Path) -> None:
        if not isinstance(data, dict):
            self._refuse(document, root, f"a resource is an object, not {describe(data)}.")
            return
        kind_name, api_version = data.get("kind"), data.get("apiVersion")
        if not isinstance(kind_name, str) or not kind_name:
            self._refuse(
                document, root, "this document has no kind.", "Write for example kind: VirtualService."
            )
            return
        if not isinstance(api_version, str) or not api_version:
            self._refuse(document, root, f"this {kind_name} has no apiVersion.")
            return
        if kind_name == "List":
            self._add_list(document, data, root)
            return
        kind = _known_kind(kind_name, api_version)
        if kind is None:
            self._unknown_kind(document, data, root)
            return
        resource = self._resource(kind, data, document, root)
        if resource is not None:
            self._keep(resource)

    def _add_list(self, document: Document, data: dict[str, Any], root: Path) -> None:
        if len(root) > _DEEPEST_LISTS:
            self._refuse(document, root, "lists of lists of lists are not unrolled any further.")
            return
        items = data.get("items")
        if not isinstance(items, list):
            self._refuse(document, (*root, "items"), "a List has items, which is a list.")
            return
        for index, item in enumerate(items):
            self._add_object(document, item, (*root, "items", index))

    def _unknown_kind(self, document: Document, data: dict[str, Any], root: Path) -> None:
        kind_name, api_version = data["kind"], data["apiVersion"]
        if api_version.split("/", maxsplit=1)[0] == ISTIO_GROUP and kind_name not in OTHER_ISTIO_KINDS:
            if kind_name in KINDS:
                field, what = "apiVersion", f"{kind_name} is not served as {api_version}."
                remedy: str | None = f"Istio has {', '.join(ISTIO_VERSIONS)}."
            else:
                field, what = "kind", f"Istio has no kind {kind_name}."
                remedy = nearest(kind_name, [name for name, kind in KINDS.items() if kind.is_istio])
            where = document.position((*root, field))
            self.problems.append(Problem(where, what, remedy, "schema", code=Code.UNREADABLE))
            return
        where = document.position((*root, "kind"))
        what = f"{kind_name} ({api_version}) is not read here and was skipped."
        metadata, _ = _metadata(data)
        title = _title(kind_name, metadata.get("namespace") or DEFAULT_NAMESPACE, metadata.get("name"))
        remedy = "It has no effect here: write what it does as a resource that is read, or leave it out."
        if api_version.partition("/")[0] == gateway_api.GROUP:
            remedy = gateway_api.equivalent(kind_name, data)
        self.warnings.append(Problem(where, what, remedy, resource=title, code=Code.SKIPPED_KIND))

    def _keep(self, resource: Resource[Any]) -> None:
        identity = (resource.kind, resource.namespace, resource.name)
        first = self._seen.setdefault(identity, resource)
        if first is not resource:
            self._refuse(
                resource.document,
                (*resource.root, "metadata", "name"),
                f"{resource.title} is defined twice, first at {first.position(('metadata', 'name'))}.",
                "Keep one, or give one of them another name.",
            )
            return
        self.resources.append(resource)

    def _resource(
        self, kind: Kind, data: dict[str, Any], document: Document, root: Path
    ) -> Resource[Any] | None:
        kind_name, api_version = data["kind"], data["apiVersion"]
        metadata, faults = _metadata(data)
        name = metadata.get("name") or ""
        namespace = (metadata.get("namespace") or DEFAULT_NAMESPACE) if kind.is_namespaced else ""
        title = _title(kind_name, namespace, name)
        self._warn_about_metadata(document, data.get("metadata"), title, root)
        if kind.is_istio:
            faults += unknown_fields((), data, ("apiVersion", "kind", "metadata", "spec", "status"))
        if not kind.has_spec:
            spec_root: Path = ()
            written: Any = {k: v for k, v in data.items() if k not in ("apiVersion", "kind", "metadata")}
        else:
            spec_root = ("spec",)
            if kind.spec_is_required and "spec" not in data:
                faults.append(FieldFault((), "has no spec."))
            written = data.get("spec", {})
        spec = decode(kind.model, written, spec_root)
        if not isinstance(spec, BaseModel):
            faults += spec
        for fault in faults:
            self._refuse(
                document,
                root + fault.path,
                fault.text,
                fault.remedy,
                stage="schema",
                resource=title,
                field=fault.path,
            )
        if faults or not isinstance(spec, BaseModel):
            return None
        resource: Resource[Any] = Resource(
            kind=kind_name,
            api_version=api_version,
            name=name,
            namespace=namespace,
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            spec=spec,
            order=len(self.resources),
            document=document,
            root=root,
        )
        self._inspect(resource)
        return resource

    def _warn_about_metadata(self, document: Document, metadata: Any, title: str, root: Path) -> None:
        """A misspelt field of the metadata has no effect, which is worth a word."""
        if not isinstance(metadata, dict):
            return
        for fault in unknown_fields(("metadata",), metadata, _METADATA_FIELDS):
            where = document.position(root + fault.path)
            what = f"{path_text(fault.path)} is not a known field and has no effect."
            if fault.path == ("metadata",):
                what = f"metadata {fault.what}"
            near = nearest(str(fault.path[-1]), _METADATA_FIELDS)
            self.warnings.append(Problem(where, what, near, resource=title, code=Code.UNKNOWN_METADATA))

    def _inspect(self, resource: Resource[Any]) -> None:
        findings = inspect(resource)
        # What the API server refuses never reaches istiod: its second opinion on the same field adds nothing.
        of_schema = {finding.path for finding in findings.refusals if finding.stage == "schema"}
        for finding in findings.refusals:
            if finding.stage == "schema" or finding.path not in of_schema:
                self.problems.append(_as_problem(resource, finding, Code.REFUSED))
        self.warnings += (
            _as_problem(resource, finding, Code.ADMITTED_WITH_WARNING) for finding in findings.warnings
        )


def _as_problem(resource: Resource[Any], finding: Finding, code: Code) -> Problem:
    what = f"{path_text(finding.path)}: {finding.what}." if finding.path else f"{finding.what}."
    where = resource.position(finding.path)
    return Problem(where, what, finding.remedy or None, finding.stage, resource.title, code, finding.path)


def _title(kind: str, namespace: str, name: str | None) -> str:
    if not name:
        return kind
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _known_kind(kind_name: str, api_version: str) -> Kind | None:
    kind = KINDS.get(kind_name)
    return kind if kind is not None and api_version in kind.api_versions else None


def _metadata(data: dict[str, Any]) -> tuple[dict[str, Any], list[FieldFault]]:
    """The metadata, and what is wrong with the parts of it that are used here."""
    metadata = data.get("metadata")
    if not isinstance(metadata, dict):
        return {}, [FieldFault(("metadata",), "with a name is required.")]
    faults = list(_metadata_faults(metadata))
    wrong = {fault.path[1] for fault in faults}
    return {field: value for field, value in metadata.items() if field not in wrong}, faults


def _metadata_faults(metadata: dict[str, Any]) -> Iterator[FieldFault]:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not name:
        what = "is required." if not name else f"must be a text, not {describe(name)}."
        yield FieldFault(("metadata", "name"), what, "Give the resource a name.")
    if namespace is not None and not isinstance(namespace, str):
        yield FieldFault(
            ("metadata", "namespace"), f"must be a text, not {describe(namespace)}.", "Put it in quotes."
        )
    for field in ("labels", "annotations"):
        pairs = metadata.get(field)
        if pairs is None:
            continue
        if not isinstance(pairs, dict):
            yield FieldFault(("metadata", field), f"must be an object, not {describe(pairs)}.")
            continue
        for key, value in pairs.items():
            if not isinstance(value, str):
                yield FieldFault(
                    ("metadata", field, key), f"must be a text, not {describe(value)}.", "Put it in quotes."
                )
