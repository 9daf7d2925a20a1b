"""Training: `distill` and what it stands on.

distill.py   the call: checks, resume, the one look at the test splits
loop.py      phases, epochs, steps            phases.py     phases in steps, rates, optimiser
state.py     settings, and what changes       context.py    the run as its method sees it
teacher.py   the teacher, live or cached      cache.py      its outputs on disk
checkpoint.py  nested state in one file       run.py        the result
"""
