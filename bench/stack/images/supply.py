"""Get an image: the one that was asked for, else the official one, else an equal one built here."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from docker import DockerClient
from docker.errors import APIError, BuildError, ImageNotFound, NotFound
from docker.models.images import Image as EngineImage

from bench.errors import StackError
from bench.stack.binaries import Binary
from bench.stack.engine import engine_errors_explained
from bench.stack.images.definitions import read_definition
from bench.stack.images.pins import Default, default_image
from bench.stack.images.recipes import ENVOY, NGINX, Recipe, Role, recipe, scripted_nginx_recipe
from bench.stack.images.unfinished import BUILDER_LABEL, FINISHED_LABEL, builder_label, remove_unfinished

LABEL = "egress-bench"
_FIRST_STEP = "FROM scratch\n"
VERSION_LABEL = f"{LABEL}.version"
BUILD_LABEL = FINISHED_LABEL

_PROBES: Mapping[Role, tuple[str, str, str]] = {
    "envoy": (ENVOY, "--version", r"/(\d+\.\d+\.\d+[^/]*)/"),
    "nginx": (NGINX, "-V", r"nginx version: \S*?/(\S+)"),
}
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has."""

    role: Role
    reference: str
    """As it was asked for, or the name under which it was built."""
    id: str
    """``sha256:…`` of its configuration: equal ids are equal images."""
    origin: Literal["named", "official", "built"]
    binary: Binary | None
    """The program in it; None for one that is not part of the path."""

    @property
    def fingerprint(self) -> str:
        """For the result: ``reference@id``, the id cut to what distinguishes images."""
        return f"{self.reference}@{self.id[:19]}"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """All images of a stack."""

    envoy: Image
    nginx: Image
    generator: Image
    tools: Image | None = None
    """Only where a pod's connections are redirected or a network is disturbed."""
    scripted_nginx: Image | None = None
    """With njs; only where a node needs it and ``nginx`` has none."""

    def nginx_of(self, *, needs_scripts: bool) -> Image:
        """The image of a node: the usual one, unless it lacks what the node needs.

        Raises:
            StackError: no image has it.
        """
        usual = self.nginx
        if not needs_scripts or (usual.binary is not None and usual.binary.runs_scripts):
            return usual
        if self.scripted_nginx is None:
            raise StackError(
                f"a node answers late, and {usual.reference} runs no JavaScript (njs).",
                remedy="Name an image with njs in `images: {nginx: …}`, or none: one is built then.",
            )
        return self.scripted_nginx

    def fingerprint(self) -> dict[str, str]:
        """What ran, for the result."""
        images = (self.envoy, self.nginx, self.generator, self.tools)
        found = {f"image {image.role}": image.fingerprint for image in images if image is not None}
        if self.scripted_nginx is not None:
            found["image nginx with njs"] = self.scripted_nginx.fingerprint
        return found


def supply_all(
    client: DockerClient,
    *,
    requested: Mapping[Role, str] | None = None,
    with_tools: bool = False,
    with_scripts: bool = False,
    notify: Notify = lambda _: None,
) -> ImageSet:
    """All images of a stack; arguments and errors as ``supply_image``.

    *with_scripts*: whether a node needs an nginx that runs JavaScript. Where the usual image has none, one
    more is built for such nodes, unless the user named the usual one.
    """
    named = requested or {}
    nginx = supply_image(client, "nginx", requested=named.get("nginx"), notify=notify)
    lacks_scripts = nginx.binary is None or not nginx.binary.runs_scripts
    return ImageSet(
        envoy=supply_image(client, "envoy", requested=named.get("envoy"), notify=notify),
        nginx=nginx,
        scripted_nginx=_here(client, scripted_nginx_recipe(), notify)
        if with_scripts and lacks_scripts and nginx.origin != "named"
        else None,
        generator=supply_image(client, "generator", requested=named.get("generator"), notify=notify),
        tools=supply_image(client, "tools", requested=named.get("tools"), notify=notify)
        if with_tools
        else None,
    )


def supply_image(
    client: DockerClient, role: Role, *, requested: str | None = None, notify: Notify = lambda _: None
) -> Image:
    """Find, pull or build the image of *role*.

    Args:
        client: the engine.
        role: what it is for.
        requested: an image of the user's choice; None: the official one if it is here or can be pulled, else
            one that is built here.
        notify: called before everything that takes long.

    Raises:
        StackError: the image is not here and cannot be pulled, or nothing is here to build one from.
    """
    if requested is not None:
        return _described(client, role, _named(client, requested, notify), requested, "named")
    default = default_image(role)
    official = default.reference if default is not None else None
    if default is not None and official is not None and (found := _present(client, official)) is not None:
        _warn_unpinned(default, notify)
        return _described(client, role, found, official, "official")
    made = recipe(role)
    if (built := _present(client, made.reference)) is not None:
        return _described(client, role, built, made.reference, "built")
    if official is not None:
        notify(f"pulling {official}")
        try:
            pulled = pull(client, official)
            if default is not None:
                _warn_unpinned(default, notify)
            return _described(client, role, pulled, official, "official")
        except StackError as error:
            notify(f"{error.what} Building an equal image from {made.made_of} instead.")
    else:
        notify(f"building the {role} image from {made.made_of}")
    return _described(client, role, build(client, made), made.reference, "built")


def _warn_unpinned(default: Default, notify: Notify) -> None:
    if not default.is_pinned:
        notify(f"{default.reference} is not pinned by digest; `egress-bench images pin` pins it")


def supply_built(client: DockerClient, role: Role, *, notify: Notify = lambda _: None) -> Image:
    """The image of *role* that is built here, whatever else there is; errors as ``build``."""
    return _here(client, recipe(role), notify)


def _here(client: DockerClient, made: Recipe, notify: Notify) -> Image:
    """The image of a recipe, built if it is not there; errors as ``build``."""
    found = _present(client, made.reference)
    if found is None:
        notify(f"building the {made.role} image from {made.made_of}")
        found = build(client, made)
    return _described(client, made.role, found, made.reference, "built")


def build(client: DockerClient, made: Recipe) -> EngineImage:
    """Build what a recipe says, under its reference.

    Raises:
        StackError: the engine cannot build it.
    """
    labels = {LABEL: made.role, VERSION_LABEL: made.version, BUILD_LABEL: made.build}
    remove_unfinished(client)
    try:
        with engine_errors_explained(f"building the {made.role} image"), tempfile.TemporaryFile() as context:
            _write_context(made, context)
            image, _ = client.images.build(
                fileobj=context, custom_context=True, tag=made.reference, rm=True, forcerm=True, labels=labels
            )
    except BuildError as error:
        raise StackError(
            f"the {made.role} image cannot be built: {error.msg}.",
            remedy="Is there room on the engine's disk? `docker system df` shows it.",
        ) from error
    except BaseException:
        # Interrupted, or out of room: the steps until then are images without a name.
        with contextlib.suppress(StackError):
            remove_unfinished(client)
        raise
    return image


def _write_context(made: Recipe, context: IO[bytes]) -> None:
    """What the engine builds from: the image definition and the file tree, in files and not in memory."""
    text = read_definition(f"{made.role}.Dockerfile")
    # Before any other step: what a killed build leaves is known by it.
    text = text.replace(_FIRST_STEP, f'{_FIRST_STEP}LABEL {BUILDER_LABEL}="{builder_label()}"\n', 1)
    definition = io.BytesIO(text.encode())
    with tempfile.TemporaryFile() as tree, tarfile.open(fileobj=context, mode="w") as archive:
        made.assemble().write_tar(tree)
        for name, content in (("Dockerfile", definition), ("rootfs.tar", tree)):
            entry = tarfile.TarInfo(name)
            entry.size = content.seek(0, io.SEEK_END)
            content.seek(0)
            archive.addfile(entry, content)
    context.seek(0)


def pull(client: DockerClient, reference: str) -> EngineImage:
    """Pull an image.

    Raises:
        StackError: no registry has it, or none can be reached.
    """
    try:
        return client.images.pull(reference)
    except (ImageNotFound, NotFound) as error:
        raise StackError(f"no registry has {reference}.", remedy="Correct its name.") from error
    except APIError as error:
        said = str(error.explanation or error).strip().rstrip(".")
        raise StackError(
            f"{reference} cannot be pulled: {said}.", remedy="Load it with `docker load`, or name another."
        ) from error


def _named(client: DockerClient, requested: str, notify: Notify) -> EngineImage:
    found = _present(client, requested)
    if found is not None:
        return found
    notify(f"pulling {requested}")
    try:
        return pull(client, requested)
    except StackError as error:
        raise StackError(
            f"the image {requested} is not here, and {error.what}",
            remedy="Correct its name, load it with `docker load`, or name none: one is built then.",
        ) from error


def _present(client: DockerClient, reference: str) -> EngineImage | None:
    try:
        with engine_errors_explained():
            return client.images.get(reference)
    except StackError as error:
        if isinstance(error.__cause__, NotFound):
            return None
        raise


def _described(
    client: DockerClient,
    role: Role,
    image: EngineImage,
    reference: str,
    origin: Literal["named", "official", "built"],
) -> Image:
    labels = image.labels
    binary = None
    if role in _PROBES:
        program, option, pattern = _PROBES[role]
        said = labels.get(BUILD_LABEL) or _run(client, image, program, option, reference)
        match = re.search(pattern, said) if labels.get(LABEL, role) == role else None
        if match is None:
            raise StackError(
                f"{reference} does not look like an image of {role}: `{program} {option}` says"
                f" {said.splitlines()[-1] if said else 'nothing'}.",
                remedy=f"It needs {program}, as the official image has it.",
            )
        binary = Binary(path=Path(program), version=match.group(1), build=said)
    return Image(role, reference, str(image.id), origin, binary)


def _run(client: DockerClient, image: EngineImage, program: str, option: str, reference: str) -> str:
    """What the program in an image says about itself."""
    try:
        with engine_errors_explained(f"looking into {reference}"):
            said = client.containers.run(
                image,
                [option],
                entrypoint=[program],
                remove=True,
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                stdout=True,
                stderr=True,
                user="65534:65534",
                labels={LABEL: "probe"},
            )
    except StackError as error:
        raise StackError(error.what, remedy=f"It needs {program}, as the official image has it.") from error
    return said.decode("utf-8", "replace").strip()
