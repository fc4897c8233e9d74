"""What a real proxy has against what the resources mean: pure, by meaning and not by text.

`egress-bench diff` asks it of dumps from a cluster, `make conformance` of istiod's recorded answers.
"""

from bench.diff.compare import MISSING, Comparison, FieldDifference, compare, shortened
from bench.diff.dump import Dump, Gap, read_dump
from bench.diff.normal_form import (
    CREDENTIAL_SCHEME,
    LEFT_OUT,
    MATERIAL,
    from_istiod,
    from_translation,
    repeats_endpoints,
)
from bench.diff.objects import ObjectDifference, Side, diff_proxy

__all__ = [
    "CREDENTIAL_SCHEME",
    "LEFT_OUT",
    "MATERIAL",
    "MISSING",
    "Comparison",
    "Dump",
    "FieldDifference",
    "Gap",
    "ObjectDifference",
    "Side",
    "compare",
    "diff_proxy",
    "from_istiod",
    "from_translation",
    "read_dump",
    "repeats_endpoints",
    "shortened",
]
