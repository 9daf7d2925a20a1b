"""A run's settings, of a YAML file and of options. Keys are the arguments of the Python calls; errors say the line."""

from __future__ import annotations

import inspect
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from kdviz.disk import words

KINDS = {"int": int, "float": float, "str": str, "bool": bool}
KINDS |= {f"{name} | None": kind | None for name, kind in KINDS.items()}


def kinds(call, *without: str) -> dict[str, str]:
    """The arguments of a function or class, and their annotations."""
    return {a.name: a.annotation for a in inspect.signature(call).parameters.values() if a.name not in without}


class Blamed(ValueError):
    """An error that says already where it comes from."""


class Settings:
    """Nested settings; `where` says who wrote each: a line of the file, or an option, which overrules the file."""

    def __init__(self, path=None):
        self.content, self.where = {}, {}
        if path is None:
            return
        try:
            loader = yaml.SafeLoader(Path(path).read_text(encoding="utf-8"))
            self._read(loader, loader.get_single_node(), path)
        except yaml.MarkedYAMLError as error:
            raise ValueError(f"{path}, line {error.problem_mark.line + 1}: {error.problem}; write YAML") from error
        except OSError as error:
            raise type(error)(f"{path}: {error.strerror}; name a file of settings in YAML") from error
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{path} is no YAML ({words(error):.80}); write lines such as epochs: 3") from error

    def _read(self, loader, node, path, *keys: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{path} is no mapping: write lines such as epochs: 3")
        for key, value in node.value:
            name, where = (*keys, str(key.value)), f"{path}, line {key.start_mark.line + 1}"
            if name in self.where:
                raise ValueError(f"{where}: {'.'.join(name)} stands twice; leave one of them")
            if isinstance(value, yaml.MappingNode):
                self.put({}, where, *name)
                self._read(loader, value, path, *name)
            else:
                try:
                    self.put(loader.construct_object(value, deep=True), where, *name)
                except (ArithmeticError, TypeError, ValueError) as error:  # a date that there is not
                    raise ValueError(f"{where}: {'.'.join(name)}: {error}; write it in quotes") from error

    def put(self, value, where: str, *keys: str) -> None:
        place = self.content
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]], self.where[keys] = value, where

    @contextmanager
    def at(self, *keys: str):
        """What goes wrong inside is the fault of what stands at `keys`, when something does."""
        try:
            yield
        except Blamed:
            raise
        except (OSError, TypeError, ValueError) as error:
            if keys not in self.where:
                raise
            raise Blamed(f"{self.where[keys]}: {'.'.join(keys)}: {error}") from error

    def take(self, allowed: dict[str, str], *keys: str) -> dict:
        """The mapping at `keys`: each key is one of `allowed`, each value of its kind where that is a plain one."""
        found = self.content
        for key in keys:
            found = found.get(key, {})
        if not isinstance(found, dict):
            raise ValueError(f"{self.where[keys]}: {'.'.join(keys)} is {found!r}; write {', '.join(allowed)} below it")
        taken = {}
        for key, value in found.items():
            with self.at(*keys, key):
                if key not in allowed:
                    raise ValueError(f"no such setting; there are {', '.join(allowed) or 'none'}")
                kind = KINDS.get(allowed[key], object)
                if kind in (float, float | None) and type(value) in (int, str):  # YAML reads 5e-4 as text
                    with suppress(ValueError):
                        value = float(value)
                if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, int | None)):
                    raise ValueError(f"{value!r}, but it must be {allowed[key].replace('None', 'null')}")
                taken[key] = value
        return taken
