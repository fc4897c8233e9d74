"""The command line: a door, not a room."""


def main() -> None:
    """Run one command."""
