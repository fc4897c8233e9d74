"""Question 3: what a new upstream connection costs, with full and with resumed handshakes."""
