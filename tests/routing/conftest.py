"""Sets of resources with their inventory, one file each."""

from pathlib import Path

import pytest
import yaml

from bench.istio.inventory import Inventory
from bench.istio.load import load_text

SETS = Path(__file__).parent / "sets"


@pytest.fixture
def load_set():
    """A function from the name of a set to its resources and inventory."""

    def load(name, semantics=None):
        written = yaml.safe_load((SETS / f"{name}.yaml").read_text())
        inventory = Inventory.model_validate(written["inventory"])
        if semantics is not None:
            inventory = inventory.model_copy(update={"semantics": semantics})
        return load_text(written["resources"], f"{name}.yaml"), inventory

    return load
