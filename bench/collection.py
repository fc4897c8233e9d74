"""Pauses Python's search for circles of objects where all that is made lives to the end anyway."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Look for no unreachable circles within; also a decorator.

    A thousand translated hosts are millions of objects, all in use: looking through them again and again is a
    third of the CPU of a check.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
