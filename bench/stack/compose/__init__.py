"""The stack as containers: the same path, with an address, a network and limits for each part."""
