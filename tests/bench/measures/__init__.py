"""The measures, one file each. A measure has `ROWS`, the figures that it yields, and `take(bench, contender)`, which
takes them once and gives them by name. `CONTENDERS` names who can be measured, beside revtun and Envoy."""

import importlib
import pkgutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: how it is called, how it is written, and what its ratio revtun / Envoy is to be."""

    name: str
    title: str
    unit: str
    at_least: float
    strive: float
    higher_is_better: bool = True
    scale: float = 1.0

    def reached(self, ratio, target):
        return ratio >= target if self.higher_is_better else ratio <= target


def every():
    """All of them, in the order of their numbers."""
    return [importlib.import_module(f"measures.{module.name}") for module in pkgutil.iter_modules(__path__)]
