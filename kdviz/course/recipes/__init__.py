"""Trainings of lessons 18, 19 and 20 as recorded trials run them: a teacher that is a source, known exactly.

A recipe stands where other trials have a method, and does all by itself: ``run(seed, final=True, **settings)`` makes
the source and the student of the seed, trains, measures, and returns scores by name, weights and steps. Of the scores
"dev" is what a search maximises; the others are looked at when `final`. Another experiment is another class here.

>>> Stored("bucket").run(seed=0, lr=0.1, steps=150, strings=160)["scores"]          # what a row holds
"""

from kdviz.course.recipes.brackets import Brackets
from kdviz.course.recipes.drafts import Draft
from kdviz.course.recipes.modes import Modes
from kdviz.course.recipes.stored import Stored
from kdviz.course.recipes.traces import Sums

__all__ = ["Brackets", "Draft", "Modes", "Stored", "Sums"]
