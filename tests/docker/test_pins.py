"""Images by digest, with a real registry on loopback where one is installed (Debian: docker-registry)."""

import shutil
import socket
import subprocess

import pytest

from bench.errors import StackError
from bench.stack.images import pins
from bench.stack.images import supply as supply_module
from bench.stack.images.pins import OFFICIAL, pin
from bench.stack.images.supply import supply_image
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker

CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def registry(tmp_path):
    """``HOST:PORT`` of an empty registry of this test's own."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry is installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG.format(folder=tmp_path / "registry", port=port))
    with subprocess.Popen(
        [program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_until(lambda: answers(port))
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def pushed(engine, images, registry):
    """The registry with something under each official name: nginx for all, it is small."""
    names = [f"{registry}/{official}" for official in OFFICIAL.values()]
    for name in names:
        engine.images.get(images.nginx.id).tag(name)
        assert "error" not in engine.images.push(name)
        engine.images.remove(name)
    yield registry
    for tag in {tag for image in engine.images.list() for tag in image.attrs["RepoDigests"] or ()}:
        if tag.startswith(f"{registry}/"):
            engine.images.remove(tag)


@pytest.fixture
def lock(tmp_path, monkeypatch):
    path = tmp_path / "images.lock.yaml"
    monkeypatch.setattr(pins, "lock_path", lambda: path)
    return path


def test_a_pinned_image_is_pulled_by_its_digest_and_what_the_tag_says_later_does_not_matter(
    engine, images, pushed, lock
):
    pinned = {each.role: each for each in pin(engine, mirror=pushed)}
    reported = []

    assert all(each.is_pinned for each in pinned.values())
    assert pinned["nginx"].reference.startswith(f"{pushed}/nginx@sha256:")
    # The tag moves on to something else; the pin does not follow.
    moved = f"{pushed}/{OFFICIAL['nginx']}"
    engine.images.get(images.tools.id).tag(moved)
    engine.images.push(moved)
    engine.images.remove(moved)
    with pytest.MonkeyPatch.context() as patch:
        # As on a machine that has built none: what is built here is preferred to waiting for a registry.
        patch.setattr(supply_module, "recipe", _other_recipe(supply_module.recipe))
        found = supply_image(engine, "nginx", notify=reported.append)

    assert (found.origin, found.id) == ("official", images.nginx.id)
    assert found.reference == pinned["nginx"].reference
    assert reported == [f"pulling {found.reference}"]
    # A second run finds it without asking anybody.
    assert supply_image(engine, "nginx", notify=reported.append).origin == "official"
    assert len(reported) == 1


def test_without_an_answer_nothing_is_pinned_and_an_equal_image_is_built_after_saying_so(
    engine, images, lock, monkeypatch
):
    gone = "127.0.0.1:9"
    with pytest.raises(StackError, match=r"(?s)digest of 127.0.0.1:9/envoy.*--mirror"):
        pin(engine, mirror=gone)
    assert not lock.exists()

    lock.write_text(f"nginx: {{of: '{OFFICIAL['nginx']}', image: '{gone}/nginx@sha256:{'0' * 64}'}}\n")
    monkeypatch.setattr(supply_module, "recipe", _other_recipe(supply_module.recipe))
    reported = []
    built = supply_image(engine, "nginx", notify=reported.append)
    try:
        assert built.origin == "built"
        assert "cannot be pulled" in reported[1]
        assert "Building an equal image" in reported[1]
    finally:
        engine.images.remove(built.reference, force=True)


def test_an_image_that_the_registry_does_not_have_is_named(engine, registry, lock):
    with pytest.raises(StackError, match=r"(?s)envoyproxy/envoy.*--mirror"):
        pin(engine, mirror=registry)
    assert not lock.exists()


def _other_recipe(real):
    """The recipe of an image that nothing has built yet."""

    def other(role):
        made = real(role)
        return type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"content": "f" * 64})

    return other
