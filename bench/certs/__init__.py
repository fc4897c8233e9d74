"""CA, server and client certificates, and the deliberately wrong ones."""
