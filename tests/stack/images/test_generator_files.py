"""What the image of the load generator is made of: what a load needs."""

from bench.stack.images.recipes import recipe


def test_it_has_locust_and_the_standard_library_and_no_static_interpreter_and_no_tests():
    files = recipe("generator").assemble().files

    assert any(name.endswith("/packages/locust/__init__.py") for name in files)
    assert any(name.endswith("/asyncio/__init__.py") for name in files)
    assert not [name for name in files if "/libpython" in name and name.endswith(".a")]
    assert not [name for name in files if "/idlelib/" in name or "/tests/" in name]
