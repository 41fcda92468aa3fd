"""labelhedge: image classifiers from noisy labels, hedged by a small clean set and a graph of label relations.

    import labelhedge as lh

    results = lh.run(lh.Recipe(corpus="clipart", seeds=3))
    print(results)

Public names are loaded when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if "OMP_WAIT_POLICY" not in os.environ:
    # PyTorch's threads (those of libgomp) wait for each other busily. Where other programs want the cores too, this
    # doubles the time to train a small network, or worse; see benchmarks/threads.py.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from labelhedge import evaluation, graph, labels, noise
    from labelhedge.corpus import Corpus, CorpusError, CorpusInfo, Label, write_corpus
    from labelhedge.experiment import run
    from labelhedge.recipe import Recipe, RecipeError
    from labelhedge.results import Result, Results
    from labelhedge.training import Predictor

_HOMES = {
    "Corpus": "labelhedge.corpus",
    "CorpusError": "labelhedge.corpus",
    "CorpusInfo": "labelhedge.corpus",
    "Label": "labelhedge.corpus",
    "write_corpus": "labelhedge.corpus",
    "Recipe": "labelhedge.recipe",
    "RecipeError": "labelhedge.recipe",
    "run": "labelhedge.experiment",
    "Result": "labelhedge.results",
    "Results": "labelhedge.results",
    "Predictor": "labelhedge.training",
}
_MODULES = ("evaluation", "graph", "labels", "noise")

__all__ = [
    "Corpus",
    "CorpusError",
    "CorpusInfo",
    "Label",
    "Predictor",
    "Recipe",
    "RecipeError",
    "Result",
    "Results",
    "evaluation",
    "graph",
    "labels",
    "noise",
    "run",
    "write_corpus",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"labelhedge.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'labelhedge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
