"""Commands that measure nothing: what each of them does, once the command line has understood it."""
