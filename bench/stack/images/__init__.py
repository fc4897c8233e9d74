"""The images that containers run: which, from where, and how equal ones are built without a registry."""

from bench.stack.images.definitions import COMPOSE_FILE, read_definition
from bench.stack.images.pins import Default, defaults, lock_path, pin
from bench.stack.images.recipes import ENVOY, NGINX, PACKAGES, PYTHON, ROLES, Role
from bench.stack.images.supply import LABEL, Image, ImageSet, supply_all, supply_built, supply_image

__all__ = [
    "COMPOSE_FILE",
    "ENVOY",
    "LABEL",
    "NGINX",
    "PACKAGES",
    "PYTHON",
    "ROLES",
    "Default",
    "Image",
    "ImageSet",
    "Role",
    "defaults",
    "lock_path",
    "pin",
    "read_definition",
    "supply_all",
    "supply_built",
    "supply_image",
]
