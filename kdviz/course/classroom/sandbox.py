"""Where a student's function runs when it is graded: a process that knows neither answers nor seeds.

This file is run by itself (``python -I -B sandbox.py ROOT``) and imports torch once. For every answer it forks: the
child executes the lesson's imports and the student's cell, then calls the function on what the judge (remote.py)
sends, and sends back plain numbers. Nothing of the judge is in its memory. An audit hook, which Python code cannot take
away again, refuses it files, programs, the network, and kdviz's modules but those that the exercise allows; the
operating system refuses it more memory and processor time than the limits.

A message is 8 bytes of length and JSON; tensors travel as bytes, never pickled.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import importlib
import inspect
import json
import os
import resource
import struct
import sys
import traceback
import types

import numpy as np
import torch

LONGEST = 1 << 26  # bytes of a message
OPEN = {"os.listdir", "os.scandir", "os.putenv", "os.unsetenv"}  # what imports and torch need of the system
CLOSED = ("os.", "shutil.", "subprocess.", "socket.", "ctypes.", "sqlite3.", "pty.", "fcntl.", "mmap.", "tempfile.")
CLOSED += ("resource.", "signal.", "webbrowser.", "urllib.", "http.", "ftplib.", "smtplib.", "glob.", "winreg.")


class LeftOut:
    """In the place of a module of kdviz that an answer may not use; the way to those that it may use stays open."""

    def __init__(self, name: str, needs: list[str]):
        self._name, self._needs = name, {need: importlib.import_module(need) for need in needs}

    def __getattr__(self, attribute: str):
        full = f"{self._name}.{attribute}"
        if full in self._needs:
            return self._needs[full]
        if any(need.startswith(full + ".") for need in self._needs):
            return LeftOut(full, list(self._needs))
        raise AttributeError(f"{self._name} is left out when an answer is graded: write it in torch")


def send(stream, message: dict) -> None:
    """Write one message."""
    data = json.dumps(message).encode()
    stream.write(struct.pack(">Q", len(data)) + data)
    stream.flush()


def receive(stream) -> dict:
    """Read one message. EOFError when the other side has ended, ValueError when this is none."""
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError("the other side has ended")
    (length,) = struct.unpack(">Q", head)
    if length > LONGEST:
        raise ValueError(f"a message of {length:,} bytes")
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("the other side has ended")
    return json.loads(data)


def plain(value, depth: int = 3) -> dict:
    """Any value as something that JSON can hold: numbers, tensors, lists of them, or the name of its type."""
    if value is None or value is ...:
        return {"kind": "nothing"}
    if isinstance(value, bool | int | float):
        return {"kind": "number", "value": value}
    if isinstance(value, torch.Tensor) and value.device.type != "meta" and value.layout == torch.strided:
        data = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        data, dtype = data.reshape(-1).view(torch.uint8).numpy().tobytes(), str(value.dtype).removeprefix("torch.")
        shape, learns = list(value.shape), bool(value.requires_grad)
        data = base64.b64encode(data).decode()
        return {"kind": "tensor", "dtype": dtype, "shape": shape, "data": data, "learns": learns}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return plain(torch.from_numpy(np.array(value))) | {"kind": "array"}
    if hasattr(value, "values") and hasattr(value, "indices"):
        return {"kind": "pair"}
    if isinstance(value, tuple | list) and depth:
        return {"kind": "list", "items": [plain(item, depth - 1) for item in value]}
    return {"kind": "other", "type": type(value).__name__[:40], "text": repr(value)[:80]}


def live(message: dict):
    """The value that `plain` wrote down. Values of other kinds come back as an object that shows what they were."""
    kind = message["kind"]
    if kind == "nothing":
        return None
    if kind == "number":
        return message["value"]
    if kind in ("tensor", "array"):
        dtype = getattr(torch, message["dtype"])
        data = bytearray(base64.b64decode(message["data"]))
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        tensor = flat.reshape(message["shape"])
        return tensor.numpy() if kind == "array" else tensor
    if kind == "list":
        return [live(item) for item in message["items"]]
    if kind == "pair":
        return types.SimpleNamespace(values=None, indices=None)
    text = str(message["text"])
    return type(str(message["type"]), (), {"__repr__": lambda self: text})()


def close_doors(root: str) -> None:
    """From here on this process reads only Python's own files, writes none, starts nothing. root : kdviz's folder"""
    python = [os.path.realpath(path) for path in {sys.prefix, sys.base_prefix, os.path.dirname(np.__path__[0])}]
    closed, allowed = (os.path.realpath(root), "/proc"), tuple(path + os.sep for path in python)

    def watch(event: str, details: tuple) -> None:
        if event == "open":
            path, mode, flags = details
            real = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes) else ""
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) if isinstance(flags, int) else True
            if writes or real.startswith(closed) or not real.startswith(allowed):
                raise PermissionError(f"no file is opened when an answer is graded ({os.fsdecode(path)!s:.80})")
        elif event == "import" and details[0].partition(".")[0] == "kdviz":
            raise ImportError(f"{details[0]} is left out when an answer is graded: write it in torch")
        elif event not in OPEN and event.startswith(CLOSED):
            raise PermissionError(f"{event} is refused when an answer is graded")

    del torch._C.PyTorchFileWriter, torch._C.PyTorchFileReader  # they open files without Python
    sys.addaudithook(watch)


def names_of(source: str, needs: list[str]) -> dict:
    """What the lesson's imports bind, kdviz's modules outside `needs` replaced."""
    names = {"__name__": "lesson"}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                full, bound = base + alias.name, alias.asname or alias.name.partition(".")[0]
                if full.partition(".")[0] != "kdviz":
                    exec(ast.unparse(type(node)(**{**vars(node), "names": [alias]})), names)
                else:
                    names[bound] = importlib.import_module(full) if full in needs else LeftOut(full, needs)
    return names


def warm(imports: str) -> None:
    """Import what the lesson imports, kdviz left out, so that every child has it at once."""
    for node in ast.parse(imports).body:
        names = [node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in getattr(node, "names", [])]
        for name in names:
            if name.partition(".")[0] != "kdviz":
                with contextlib.suppress(ImportError):  # the child will say so
                    importlib.import_module(name)


def definitions(source: str) -> ast.Module:
    """The student's cell without lines that only call something: pictures and checks have no place here."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    return tree


def explain(error: BaseException, source: str) -> dict:
    """Type, words and line of an exception, for the judge."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "answer"]
    lines = source.splitlines()
    line = lines[own[-1].lineno - 1].strip() if own and 0 < own[-1].lineno <= len(lines) else ""
    return {"error": type(error).__name__[:40], "words": str(error)[:300], "line": line[:120]}


def limit(seconds: int, megabytes: int) -> None:
    """Set the operating system's limits of this process."""
    if os.path.exists("/proc/self/statm"):  # address space counts what torch has mapped already
        with open("/proc/self/statm", encoding="ascii") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + megabytes * 2**20,) * 2)
    spent = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, spent + seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(job: dict, root: str, inbox, outbox) -> None:
    """One student's function, until the judge has asked everything."""
    send(outbox, {"child": os.getpid()})
    torch.set_num_threads(1)
    try:
        names = names_of(job["imports"], job["needs"])
        send(outbox, {"imported": True})
        limit(job["seconds"], job["megabytes"])
        close_doors(root)
        exec(compile(definitions(job["source"]), "answer", "exec"), names)
        function = names.get(job["function"])
        parameters = list(inspect.signature(function).parameters.values()) if callable(function) else None
        send(outbox, {"ready": parameters and [[one.name, int(one.kind)] for one in parameters]})
    except BaseException as error:
        send(outbox, explain(error, job["source"]))
        return
    kept = []
    while "end" not in (asked := receive(inbox)):
        try:
            if "slope" in asked:
                answer, leaf = kept[asked["slope"]]
                weights = live(asked["weights"])
                (found,) = torch.autograd.grad(answer, leaf, weights, retain_graph=True, allow_unused=True)
                send(outbox, {"slope": plain(found)})
            else:
                arguments = [live(one) for one in asked["arguments"]]
                leaf = None
                if (place := asked["learns"]) is not None:
                    leaf = arguments[place].requires_grad_()
                    arguments[place] = leaf.clone()  # so that a function may write into what it was given
                answer = function(*arguments)
                kept.append((answer, leaf))
                send(outbox, {"answer": plain(answer)})
        except BaseException as error:
            send(outbox, explain(error, job["source"]))


def main() -> None:
    """Wait for jobs; a child does each."""
    root = sys.argv[1]
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):  # what a student prints must not come between two messages
        os.dup2(nowhere, place)
    sys.path.insert(0, os.path.dirname(root))
    send(outbox, {"waiting": True})
    while True:
        try:
            job = receive(inbox)
        except EOFError:
            return
        if "source" not in job:  # for a child that ended meanwhile
            continue
        warm(job["imports"])
        child = os.fork()
        if not child:
            try:
                serve(job, root, inbox, outbox)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        send(outbox, {"over": status if os.WIFSIGNALED(status) else 0})


if __name__ == "__main__":
    main()
