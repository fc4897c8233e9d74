"""Certificates: an authority, what it issues, the deliberately wrong ones, and how they lie on disk."""
