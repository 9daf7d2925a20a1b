"""Training: `distill` and what it stands on.

distill.py   the call: checks, resume, the one look at the test splits
loop.py      phases, epochs, steps       schedule.py   rates and optimiser
context.py   state of a run, seen by methods as their Context
rows.py      texts as ids and the order of visits      fields.py  what of a model is compared
cache.py     the teacher's outputs on disk             checkpoint.py  nested state in one file
run.py       the result      compare.py, plots.py  several results      results.py  recorded tables
"""
