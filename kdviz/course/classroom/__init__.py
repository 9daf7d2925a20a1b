"""The course for a class: versions of the lessons, slides and hand-outs, and the grader of what students hand in."""

KINDS = ("students", "nbgrader", "instructor", "slides", "pdf")  # what `kdviz course make` writes
