"""Which image is the default: by digest where it was pinned for this version, by tag where it was not."""

import pytest

from bench.errors import StackError
from bench.stack.images.pins import OFFICIAL, default_image, defaults

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "images.lock.yaml"


def test_without_a_lock_file_the_tag_of_an_exact_version_holds(lock):
    found = {image.role: image for image in defaults(lock)}

    assert {role: image.reference for role, image in found.items()} == dict(OFFICIAL)
    assert not any(image.is_pinned for image in found.values())
    assert all(reference.rpartition(":")[2].count(".") == 2 for reference in OFFICIAL.values())


def test_a_pin_holds_for_the_tag_that_it_was_made_of_and_for_no_other(lock):
    lock.write_text(
        f"envoy: {{of: '{OFFICIAL['envoy']}', image: 'm:5000/envoyproxy/envoy@{DIGEST}'}}\n"
        f"nginx: {{of: 'nginx:1.2.3', image: 'nginx@{DIGEST}'}}\n"
    )

    envoy, nginx = defaults(lock)

    assert (envoy.reference, envoy.is_pinned) == (f"m:5000/envoyproxy/envoy@{DIGEST}", True)
    assert (nginx.reference, nginx.is_pinned) == (OFFICIAL["nginx"], False)
    assert default_image("generator", lock) is None


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", "nginx: {of: x, image: 'nginx:latest'}", "nginx: {of: x}", "nginx: 3"],
)
def test_a_damaged_lock_file_is_named_with_the_way_out(lock, text):
    lock.write_text(text)

    with pytest.raises(StackError, match=r"images\.lock\.yaml.*images pin"):
        default_image("nginx", lock)
