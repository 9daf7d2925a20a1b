"""Distillation methods, one paper a file; a name is loaded when first used."""

from __future__ import annotations

import importlib

_HOMES = {
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
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"kdviz.methods has no {name!r}; it offers {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"kdviz.methods.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
