"""The command line: ``kdviz lab``, ``kdviz doctor``, ``kdviz run notebooks`` …

A new sub-command is one line in COMMANDS and one module in kdviz/commands with ``add_arguments`` and ``run``.
Only the module of the word that was typed is imported: ``kdviz --help`` needs neither torch nor Jupyter.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# words typed -> (module in kdviz.commands, one line of help)
COMMANDS = {
    "lab": ("lab", "open JupyterLab on the first lesson"),
    "prefetch": ("prefetch", "download models and GLUE tasks of the hub, to work offline afterwards"),
    "distill": ("distill", "train a student from a teacher; go on where a killed run stopped"),
    "cache ls": ("cache_ls", "list what teachers left on disk"),
    "cache rm": ("cache_rm", "delete what teachers left on disk"),
    "doctor": ("doctor", "say what is installed, cached, missing, and how to mend it"),
    "run notebooks": ("notebooks", "execute lessons; print time, peak memory and size; fail over budget"),
    "run student-notebooks": ("student", "write the lessons without solutions, or as nbgrader's source"),
    "run results": ("results", "make the recorded tables, or make some of their rows again"),
    "run attacks": ("attacks", "attack students, pool the texts that fooled them for the recorded tables"),
    "run site": ("site", "write the executed lessons as pages that need no network and no kernel"),
    "run bench": ("bench", "run tests/benchmarks; print and keep the numbers"),
}


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
        command = groups[group].add_parser(name, help=summary, description=summary)
        if argv[: len(words.split())] == words.split():
            chosen = importlib.import_module(f"kdviz.commands.{module}")
            chosen.add_arguments(command)
            command.set_defaults(run=chosen.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status (0 when all is well)."""
    argv = sys.argv[1:] if argv is None else argv
    # Threads that wait for each other must not spin: beside any other busy program, on a machine of two cores, that made
    # a training step fifty times as slow. Kernels and other programs started from here inherit it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = parser_for(argv).parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("\nkdviz: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
