"""How models hold up: a word-substitution attack, and one pool of adversarial texts on which all models are judged.

A model that is attacked with texts made against itself looks as weak as the attack is strong; models compared on their
own texts are compared on different exams. So the successful texts of all models are pooled, and every model sits the
same exam. The two rankings can differ: show both.

The attack is after TextFooler (Jin et al. 2020), with one difference that matters [ours]: who vouches for the label.
In the embedded tasks the grammar can tell for many words which others keep the label ("rule"). Elsewhere the new word
is a neighbour in the packaged model's word table, and a similarity bound is all there is ("bound"). Every adversarial
text says which of the two it rests on.
"""

from __future__ import annotations

from kdviz.models.predict import accuracy
from kdviz.robustness.attacks import AdversarialExample, Attack, Judgement, attack, judge, pooled
from kdviz.robustness.words import Candidates, candidates, neighbours

__all__ = [
    "Attack",
    "Candidates",
    "AdversarialExample",
    "Judgement",
    "accuracy",
    "attack",
    "candidates",
    "judge",
    "neighbours",
    "pooled",
]
