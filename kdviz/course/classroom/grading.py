"""Points for an answer, part by part, on random cases that its author has not seen.

A part is *shape* (the right shape and type of numbers; where the answer is more than one number), *value* (right
numbers in half of the cases or more), *edge* (in every case, those with padding on either side among them) and
*gradient* (where something is trained: it flows back, and is right where the check compares it; it counts once the
value is right).
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from kdviz.course import check
from kdviz.course.classroom.remote import Remote, Sandbox

POINTS = {"shape": 1, "value": 2, "edge": 1, "gradient": 1}
CASES = 16  # unseen random cases; the check of the lesson shows how it does on eight others
ENDED = (TimeoutError, RuntimeError)


@dataclass(frozen=True)
class Grade:
    """Points of one answer. parts: part -> (points, most); message: what to tell the student."""

    exercise: str
    parts: dict[str, tuple[int, int]]
    message: str

    @property
    def points(self) -> int:
        return sum(points for points, _ in self.parts.values())

    @property
    def most(self) -> int:
        return sum(most for _, most in self.parts.values())

    def report(self) -> str:
        """What the student reads."""
        lines = [f"{self.exercise}: {self.points} of {self.most} points"]
        lines += [f"  {part:<9}{points} of {most}" for part, (points, most) in self.parts.items()]
        return "\n".join([*lines, self.message])


def points_of(name: str) -> dict[str, int]:
    """Part -> points of an exercise. Raises ValueError for a name that no exercise has."""
    exercise = _exercise(name)
    right = exercise.reference(*exercise.cases([0])[0])
    single = getattr(right, "dim", int)() == 0 and (not hasattr(right, "dtype") or right.is_floating_point())
    asked = {"shape": not single, "gradient": exercise.learns is not None}
    return {part: points for part, points in POINTS.items() if asked.get(part, True)}


def seed_of(secret: str, name: str) -> int:
    """The seed of an exercise in a course that has this secret: whoever has it can repeat a grade."""
    return int.from_bytes(hashlib.sha256(f"{secret} {name}".encode()).digest()[:5])


def grade_function(name: str, function: Callable, seed: int) -> Grade:
    """Grade a function that lives in this process (or says that it does: `Remote`)."""
    from kdviz.course.check import diagnosis

    exercise, most = _exercise(name), points_of(name)
    trials = diagnosis.attempt(exercise, function, exercise.cases(range(seed, seed + CASES)))
    if isinstance(trials, str):
        return _nothing(name, trials)
    right = [trial.right(gradient=False) for trial in trials]
    value, edge = sum(right) * 2 >= len(right), all(right)
    earned = {
        "shape": all(diagnosis.fits(trial) for trial in trials),
        "value": value,
        "edge": edge,
        "gradient": edge and diagnosis.learns(exercise, trials) and all(trial.right() for trial in trials),
    }
    message = diagnosis.verdict(exercise, trials) or exercise.praise
    return Grade(name, {part: (points * earned[part], points) for part, points in most.items()}, message)


def grade_source(sandbox: Sandbox, name: str, function: str, source: str, imports: str, seed: int) -> Grade:
    """Grade a student's cell in a sandbox.

    name : the exercise   function : the name that its check calls   source : the student's cell
    imports : the lesson's cell of imports   seed : of the first of the unseen cases, see `seed_of`
    """
    try:
        tree = compile(source, "answer", "exec", flags=ast.PyCF_ONLY_AST)
        code = compile(source, "answer", "exec")
    except (SyntaxError, ValueError) as error:  # ValueError: a null character
        where = f" in line {error.lineno}: `{(error.text or '').strip()}`" if getattr(error, "lineno", None) else ""
        return _nothing(name, f"Python cannot read your cell ({getattr(error, 'msg', error)}{where}).")
    except (RecursionError, MemoryError):
        return _nothing(name, "Python cannot read your cell: it is nested too deeply.")
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    assigned = [target.id for target in targets if isinstance(target, ast.Name)]
    if function not in defined + assigned:
        other = f"; it defines `{'`, `'.join(defined)}`. Give it its name back" if defined else ""
        return _nothing(name, f"your cell does not define `{function}`, which the check calls{other}.")
    last = [one for one in code.co_consts if getattr(one, "co_name", None) == function]
    if last and check.is_empty(last[-1]):
        return _nothing(name, "not attempted.")
    try:
        return grade_function(name, Remote(sandbox, source, function, imports, _exercise(name).needs), seed)
    except ENDED as error:
        return _nothing(name, str(error))
    except Exception as error:  # of the student's cell, before its function was called
        return _nothing(name, f"your cell stopped with {type(error).__name__}: {error}{_alone(error)}")
    finally:
        sandbox.end()


def points(name: str, function: Callable) -> int:
    """For a notebook that is executed without this course's autograder: print the report, return the points.

    This runs in the student's own kernel, where a cell that was run before may have changed anything. The autograder of
    ``kdviz course make --for nbgrader`` does not (docs/instructor.md).
    """
    import secrets

    if check.is_empty(getattr(function, "__code__", None)):
        found = _nothing(name, "not attempted.")
    else:
        found = grade_function(name, function, secrets.randbits(40))
    print(found.report())
    return found.points


def _exercise(name: str):
    known = check.exercises()
    if name not in known:
        raise ValueError(f"there is no exercise {name!r}; the names are {', '.join(sorted(known))}")
    return known[name]


def _nothing(name: str, message: str) -> Grade:
    return Grade(name, {part: (0, points) for part, points in points_of(name).items()}, message)


def _alone(error: Exception) -> str:
    if type(error).__name__ != "NameError":
        return ""
    return ". Your cell is graded with the lesson's imports and nothing else: what it needs must stand in it."
