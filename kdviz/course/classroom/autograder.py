"""What nbgrader runs in place of the student's notebook: answers are graded outside of any kernel (grading.py).

``nbgrader_config.py`` of a course that ``kdviz course make --for nbgrader`` wrote names both classes. No cell of a
submission is executed, so a class is graded in seconds, and nothing that a student ran can change a grade.
"""

from __future__ import annotations

import atexit
import functools

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor, OverwriteCells
from traitlets import Int, Unicode

from kdviz.course.classroom import remote
from kdviz.course.classroom.flavours import checked_function
from kdviz.course.classroom.grading import grade_source, seed_of


class Restore(OverwriteCells):
    """nbgrader's OverwriteCells, which also brings back every graded, locked or answer cell that was deleted."""

    def preprocess(self, nb, resources):
        self.add_missing_cells = True
        return super().preprocess(nb, resources)

    def add_missing_grade_cells(self, nb, resources):
        """A missing cell goes behind the one that precedes it in the assignment, whatever is left of the others."""
        assignment = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        scores = {cell.name: cell.max_score for cell in assignment.grade_cells}
        solutions = {cell.name for cell in assignment.solution_cells}
        place = 0
        for cell in assignment.source_cells:
            ids = [one.metadata.get("nbgrader", {}).get("grade_id") for one in nb.cells]
            there = [i for i, one in enumerate(ids) if one == cell.name]
            if not there:
                self.log.warning("Cell %s was missing and is restored", cell.name)
                graded = {"grade": True, "points": scores[cell.name]} if cell.name in scores else {"grade": False}
                settings = {"grade_id": cell.name, "locked": cell.locked, "solution": cell.name in solutions, **graded}
                settings |= {"checksum": cell.checksum, "cell_type": cell.cell_type, "schema_version": 3, "task": False}
                make = {"code": new_code_cell, "markdown": new_markdown_cell}[cell.cell_type]
                nb.cells.insert(place, make(cell.source, metadata={"nbgrader": settings}))
                there = [place]
            place = there[-1] + 1
        return nb, resources


class Grade(NbGraderPreprocessor):
    """Grade every exercise of a notebook, in place of executing it: report and points become its outputs."""

    secret = Unicode("", help="Cases are drawn from it; whoever knows it can repeat a grade").tag(config=True)
    seconds = Int(remote.SECONDS, help="Time for one exercise").tag(config=True)
    megabytes = Int(remote.MEGABYTES, help="Memory for one exercise, beyond what torch needs").tag(config=True)

    def preprocess(self, nb, resources):
        if not self.secret:
            raise ValueError("c.Grade.secret is missing in nbgrader_config.py: any words that students do not know")
        cells = {cell.metadata.nbgrader.grade_id: cell for cell in nb.cells if cell.metadata.get("nbgrader")}
        for name, cell in cells.items():
            if not (name.endswith("-check") and utils.is_grade(cell) and cell.cell_type == "code"):
                continue
            exercise = name.removesuffix("-check")
            answer, imports = (cells[one].source if one in cells else "" for one in (exercise, "imports"))
            box, seed = _sandbox(self.seconds, self.megabytes), seed_of(self.secret, exercise)
            grade = grade_source(box, exercise, checked_function(cell.source), answer, imports, seed)
            # where an instructor changed the points of a cell, the parts keep their shares
            points = grade.points / grade.most * float(cell.metadata.nbgrader.points)
            cell.outputs = [
                new_output("stream", name="stdout", text=grade.report() + "\n"),
                new_output("execute_result", data={"text/plain": f"{points:g}"}, execution_count=1),
            ]
            cell.execution_count = 1
            self.log.info("%s: %g points", exercise, points)
        return nb, resources


@functools.cache
def _sandbox(seconds: int, megabytes: int) -> remote.Sandbox:
    box = remote.Sandbox(seconds, megabytes)
    atexit.register(box.close)
    return box
