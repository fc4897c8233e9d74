"""The one real path of these tests."""

from tests.support.ground import generator, ground

__all__ = ["generator", "ground"]
