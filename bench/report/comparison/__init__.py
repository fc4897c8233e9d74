"""Several results side by side, in one document of the report's own look."""
