"""The images that containers run: which, from where, and how equal ones are built without a registry."""
