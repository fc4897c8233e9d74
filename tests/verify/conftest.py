"""The one real path of these tests."""

from tests.support.ground import ground

__all__ = ["ground"]
