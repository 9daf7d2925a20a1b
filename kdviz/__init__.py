"""kdviz: teach and explore knowledge distillation of transformers."""

from __future__ import annotations

from kdviz.lazy import lazy

__version__ = "0.1.0"

ROOMS = ("relations", "course", "losses", "models", "data", "figures", "methods", "explore", "training", "robustness")
METHODS = (
    "Method", "Phase", "LabelsOnly", "KD", "CKD", "TAKD", "PD", "DistilBERT", "RKD", "MiniLM", "MobileBERT", "TinyBERT",
    "PKD", "KroneckerBERT", "UniversalKD", "ALPKD", "Glitter", "MateKD", "CombinedKD", "AnnealingKD", "ContinuationKD",
    "ProKD", "RWKD", "SWA", "CoDistillation", "LabelRefinement",
)  # fmt: skip

__getattr__, __dir__, __all__ = lazy(__name__, {
    **{room: room for room in ROOMS},
    **dict.fromkeys(METHODS, "methods"),
    **dict.fromkeys(("theme", "save"), "figures"),
    "check": "course",
    "States": "states",
    "Task": "data.task",
    "load_task": "data.task",
    "load_teacher": "models.teachers",
    "build_student": "models.students",
    "compress": "models.kronecker",
    "encode": "states",
    "distill": "training.distill",
    "compare": "analysis",
    "recommend": "analysis",
    "recorded": "course.results",
    "Run": "training.run",
})  # fmt: skip
