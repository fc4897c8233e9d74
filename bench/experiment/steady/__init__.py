"""Questions 1, 2 and 5: the scenario's own rate against both config sources."""
