"""The sections of a report, each built from the result alone."""
