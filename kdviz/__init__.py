"""kdviz: teach and explore knowledge distillation of transformers.

Names are loaded when first used (PEP 562), so that ``import kdviz`` costs milliseconds and a reader
who only wants the losses never waits for a model library.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# public name -> module that holds it; a name equal to its module's last part is the module itself
_HOMES = {
    "relations": "kdviz.relations",
    "check": "kdviz.check",
    "States": "kdviz.states",
    "losses": "kdviz.losses",
    "models": "kdviz.models",
    "data": "kdviz.data",
    "figures": "kdviz.figures",
    "theme": "kdviz.figures",
    "save": "kdviz.figures",
    "methods": "kdviz.methods",
    "explore": "kdviz.explore",
    "training": "kdviz.training",
    "robustness": "kdviz.robustness",
    "Task": "kdviz.data.task",
    "load_task": "kdviz.data.task",
    "load_teacher": "kdviz.models.teachers",
    "build_student": "kdviz.models.students",
    "compress": "kdviz.models.kronecker",
    "encode": "kdviz.models.encoding",
    "distill": "kdviz.training.distill",
    "compare": "kdviz.training.compare",
    "Run": "kdviz.training.run",
    "Method": "kdviz.methods",
    "Phase": "kdviz.methods",
    "LabelsOnly": "kdviz.methods",
    "KD": "kdviz.methods",
    "CKD": "kdviz.methods",
    "TAKD": "kdviz.methods",
    "PD": "kdviz.methods",
    "DistilBERT": "kdviz.methods",
    "RKD": "kdviz.methods",
    "MiniLM": "kdviz.methods",
    "MobileBERT": "kdviz.methods",
    "TinyBERT": "kdviz.methods",
    "PKD": "kdviz.methods",
    "KroneckerBERT": "kdviz.methods",
    "UniversalKD": "kdviz.methods",
    "ALPKD": "kdviz.methods",
    "Glitter": "kdviz.methods",
    "MateKD": "kdviz.methods",
    "CombinedKD": "kdviz.methods",
    "AnnealingKD": "kdviz.methods",
    "ContinuationKD": "kdviz.methods",
    "ProKD": "kdviz.methods",
    "RWKD": "kdviz.methods",
    "SWA": "kdviz.methods",
    "CoDistillation": "kdviz.methods",
    "LabelRefinement": "kdviz.methods",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"kdviz has no name {name!r}; it offers {', '.join(__all__)}")
    home = _HOMES[name]
    module = importlib.import_module(home)
    value = module if home == f"kdviz.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
