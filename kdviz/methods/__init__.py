"""Distillation methods, one paper a file; a name is loaded when first used."""

from __future__ import annotations

from kdviz.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "Method": "base",
    "Phase": "base",
    "At": "base",
    "LabelsOnly": "kd",
    "KD": "kd",
    "CKD": "ckd",
    "TAKD": "takd",
    "PD": "pd",
    "DistilBERT": "baselines",
    "RKD": "baselines",
    "MiniLM": "baselines",
    "MobileBERT": "baselines",
    "TinyBERT": "baselines",
    "PKD": "baselines",
    "KroneckerBERT": "kronecker",
    "UniversalKD": "universal_kd",
    "ALPKD": "universal_kd",
    "Glitter": "glitter",
    "MateKD": "mate_kd",
    "CombinedKD": "combined_kd",
    "AnnealingKD": "annealing",
    "ContinuationKD": "continuation",
    "ProKD": "pro_kd",
    "RWKD": "rw_kd",
    "SWA": "swa",
    "CoDistillation": "noisy",
    "LabelRefinement": "noisy",
})
