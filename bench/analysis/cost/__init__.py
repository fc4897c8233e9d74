"""What requests, handshakes and bytes cost a part, how that scales, and how many parts a load needs."""

from bench.analysis.cost.design import APART, TERMS, Window, design_of
from bench.analysis.cost.equation import equation, has_designed_handshakes
from bench.analysis.cost.fit import fit, predict
from bench.analysis.cost.memory import MemoryWindow, fit_memory
from bench.analysis.cost.plan import check_question, plan
from bench.analysis.cost.scaling import Scaling, fit_scaling

__all__ = [
    "APART",
    "TERMS",
    "MemoryWindow",
    "Scaling",
    "Window",
    "check_question",
    "design_of",
    "equation",
    "fit",
    "fit_memory",
    "fit_scaling",
    "has_designed_handshakes",
    "plan",
    "predict",
]
