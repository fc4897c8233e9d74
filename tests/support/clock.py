"""A clock that stands until a test moves it."""


class Clock:
    """Called like ``time.monotonic``; ``now`` is set by the test."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now
