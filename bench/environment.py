"""Facts about the machine and the binaries: the fingerprint of a result."""
