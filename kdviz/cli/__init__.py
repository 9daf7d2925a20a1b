"""The command line: ``kdviz lab``, ``kdviz doctor``, ``kdviz run notebooks`` …

A new sub-command is one line in COMMANDS and one module with ``add_arguments(parser)`` and ``run(args) -> int`` (the
exit status), heavy imports inside ``run``. Only the module of the word that was typed is imported: ``kdviz --help``
needs neither torch nor Jupyter.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# words typed -> (module, one line of help); the modules outside kdviz are the workshop's, which only a clone has
COMMANDS = {
    "lab": ("kdviz.cli.lab", "open JupyterLab on the first lesson"),
    "prefetch": ("kdviz.cli.prefetch", "download models and data sets of the hub, to work offline afterwards"),
    "distill": ("kdviz.cli.distill", "train a student from a teacher; go on where a killed run stopped"),
    "export": ("kdviz.cli.export", "take a student out: a transformers folder, or ONNX, in int8 if you like"),
    "page": ("kdviz.cli.page", "write a page on which teacher and student run in a visitor's browser"),
    "app": ("kdviz.cli.app", "open the page on this machine, for a projector: no code, no network"),
    "course make": ("kdviz.cli.course_make", "write lessons for students, nbgrader, the instructor, slides or pdf"),
    "course grades": ("kdviz.cli.course_grades", "write what nbgrader graded as a table for Moodle or Canvas"),
    "cache ls": ("kdviz.cli.cache_ls", "list what teachers left on disk"),
    "cache rm": ("kdviz.cli.cache_rm", "delete what teachers left on disk"),
    "doctor": ("kdviz.cli.doctor", "say what is installed, cached, missing, and how to mend it"),
    "run notebooks": ("docs.lessons.execute", "execute lessons; print time, peak memory and size; fail over budget"),
    "run results": ("kdviz.cli.results", "make the recorded tables, or make some of their rows again"),
    "run attacks": ("data.make.attacks", "attack students, pool the texts that fooled them for the recorded tables"),
    "run book": ("docs.book.build", "write lessons, guides, results and reference as pages that need no network"),
    "run bench": ("tests.benchmarks.run", "run tests/benchmarks; print and keep the numbers"),
}


def command(module: str):
    """The module of a command; for one of the workshop the clone's root joins the path."""
    if not module.startswith("kdviz."):
        from kdviz.paths import clone

        sys.path.insert(0, str(clone()))
    return importlib.import_module(module)


def parser_for(argv: list[str]) -> argparse.ArgumentParser:
    """A parser that knows every command by name, and the arguments of the one that `argv` asks for."""
    parser = argparse.ArgumentParser(prog="kdviz", description="Teach and explore knowledge distillation.")
    groups = {"": parser.add_subparsers(metavar="command", required=True)}
    for words, (module, summary) in COMMANDS.items():
        group, _, name = words.rpartition(" ")
        if group not in groups:
            inner = [words.split()[1] for words in COMMANDS if words.startswith(group + " ")]
            sub = groups[""].add_parser(group, help=" | ".join(inner))
            groups[group] = sub.add_subparsers(metavar="what", required=True)
        words_parser = groups[group].add_parser(name, help=summary, description=summary)
        if argv[: len(words.split())] == words.split():
            chosen = command(module)
            chosen.add_arguments(words_parser)
            words_parser.set_defaults(run=chosen.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status (0 when all is well)."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a folder's name that a terminal cannot write stops nothing
    args = parser_for(argv).parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("\nkdviz: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `kdviz … | head`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("KDVIZ_DEBUG"):
            raise
        words = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
        expected = isinstance(error, OSError | ImportError | LookupError | TypeError | ValueError | ArithmeticError)
        print(f"kdviz: {words if expected else f'{error!r}; KDVIZ_DEBUG=1 shows where'}", file=sys.stderr)
        return 1
