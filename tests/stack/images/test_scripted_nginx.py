"""Which nginx image a node runs in: another than the usual one only where it needs what that one lacks."""

from pathlib import Path

import pytest

from bench.errors import StackError
from bench.stack.binaries import Binary
from bench.stack.images import Image, ImageSet
from bench.stack.images.recipes import recipe, scripted_nginx_recipe
from bench.stack.images.supply import supply_all

PLAIN, SCRIPTED = "nginx version: nginx/1.30.0", "nginx version: nginx/1.30.0 --add-module=njs-0.9.9/nginx"


def image(role="nginx", build=PLAIN, origin="built"):
    return Image(role, f"test/{role}", "sha256:1", origin, Binary(Path("/p"), "1.30.0", build))


def images(nginx, scripted=None):
    return ImageSet(image("envoy"), nginx, image("generator"), scripted_nginx=scripted)


def test_only_nodes_that_need_scripts_run_in_the_image_that_has_them():
    usual, scripted = image(), image(build=SCRIPTED)
    both = images(usual, scripted)

    assert both.nginx_of(needs_scripts=False) is usual
    assert both.nginx_of(needs_scripts=True) is scripted
    assert both.fingerprint().keys() - images(usual).fingerprint().keys() == {"image nginx with njs"}


def test_a_usual_image_that_has_them_serves_all():
    usual = image(build=SCRIPTED)

    assert images(usual).nginx_of(needs_scripts=True) is usual


def test_without_any_that_has_them_the_image_is_named():
    with pytest.raises(StackError, match="test/nginx runs no JavaScript"):
        images(image()).nginx_of(needs_scripts=True)


@pytest.mark.parametrize(
    ("usual", "with_scripts", "is_built"),
    [
        (image(), True, True),
        (image(), False, False),
        (image(build=SCRIPTED), True, False),
        (image(origin="named"), True, False),
    ],
    ids=["needed", "not needed", "the usual one has them", "the user named the image"],
)
def test_another_image_is_built_only_where_it_is_needed(monkeypatch, usual, with_scripts, is_built):
    scripted = image(build=SCRIPTED)
    monkeypatch.setattr(
        "bench.stack.images.supply.supply_image",
        lambda client, role, **_: usual if role == "nginx" else image(role),
    )
    monkeypatch.setattr("bench.stack.images.supply._here", lambda *_: scripted)

    supplied = supply_all(None, with_scripts=with_scripts)

    assert supplied.nginx is usual
    assert supplied.scripted_nginx is (scripted if is_built else None)


@pytest.mark.nginx
def test_the_two_images_have_names_of_their_own_unless_the_usual_nginx_has_scripts():
    usual, scripted = recipe("nginx"), scripted_nginx_recipe()

    assert "njs" in scripted.build
    assert (usual.reference == scripted.reference) == ("njs" in usual.build)
