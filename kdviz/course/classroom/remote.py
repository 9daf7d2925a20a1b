"""A student's function in a process of its own, called as if it were here: answers, exceptions and gradients come back.

The other side is sandbox.py. What it sends is data: at worst it is wrong, and then the answer is.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from kdviz.paths import PACKAGE

SECONDS = 10  # of computing, for all cases of one exercise: a right answer needs a hundredth
WAIT = 10  # times as long may pass on the clock, on a machine that is busy
MEGABYTES = 1000  # beyond what torch itself has mapped
START = 300  # seconds in which torch is imported, on a machine that is busy


class Sandbox:
    """A process that has imported torch and forks for every answer. Use it in a ``with``; it is started when needed.

    seconds : of processor time for one answer   megabytes : for one answer, beyond what torch has mapped
    """

    def __init__(self, seconds: int = SECONDS, megabytes: int = MEGABYTES):
        if os.name != "posix":
            raise OSError("answers are graded on Linux or macOS: Windows cannot limit what they use (WSL can)")
        self.seconds, self.megabytes = seconds, megabytes
        self._process = self._child = self._folder = None
        self._deadline = 0.0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the process and a child that still runs."""
        for pid in filter(None, [self._child, self._process and self._process.pid]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.communicate()
            self._folder.cleanup()
        self._process = self._child = self._folder = None

    def ask(self, message: dict) -> dict:
        """Send and wait for the answer. Raises what became of the other side: TimeoutError, RuntimeError."""
        self._send(message)
        return self._receive()

    def begin(self, source: str, function: str, imports: str, needs) -> dict:
        """Start a child on a student's cell; returns its first words: `ready` or an `error`."""
        self._start()
        self._deadline = time.monotonic() + START
        job = {"source": source, "function": function, "imports": imports, "needs": list(needs)}
        self._child = self.ask(job | {"seconds": self.seconds, "megabytes": self.megabytes})["child"]
        found = self._receive()
        self._deadline = time.monotonic() + WAIT * self.seconds
        return self._receive() if "imported" in found else found

    def end(self) -> None:
        """The child may go. What does not go by itself is ended, and the next answer gets a new process."""
        if self._process is None:
            return
        try:
            self._send({"end": True})
            while "over" not in self._receive(ended=True):
                pass
            self._child = None
        except (OSError, ValueError, RuntimeError):
            self.close()

    def _start(self) -> None:
        if self._process is not None:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="kdviz-answer-")
        command = [sys.executable, "-I", "-B", str(Path(__file__).with_name("sandbox.py")), str(PACKAGE)]
        environment = {"PATH": "", "HOME": self._folder.name, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=self._folder.name, env=environment
        )
        self._deadline = time.monotonic() + START
        if "waiting" not in self._receive():
            raise RuntimeError("the process for answers did not start")

    def _late(self) -> str:
        return f"no answer after {self.seconds} seconds of computing: does a loop never end?"

    def _send(self, message: dict) -> None:
        data = json.dumps(message).encode()
        try:
            self._process.stdin.write(struct.pack(">Q", len(data)) + data)
        except BrokenPipeError:
            self.close()
            raise RuntimeError("the process ended") from None

    def _receive(self, ended: bool = False) -> dict:
        """The next message. ended : whether `over` is among those expected."""
        from kdviz.course.classroom.sandbox import LONGEST

        (length,) = struct.unpack(">Q", self._read(8))
        if length > LONGEST:
            self.close()
            raise RuntimeError("the answer is too large, or no answer")
        try:
            message = json.loads(self._read(length))
        except ValueError:
            self.close()
            raise RuntimeError("what came back is no answer") from None
        if "over" in message and not ended:
            self._child = None
            if message["over"]:
                raise TimeoutError(self._late())
            raise RuntimeError("the process ended: does your function call `exit`?")
        return message

    def _read(self, count: int) -> bytes:
        stream, data = self._process.stdout, b""
        with selectors.DefaultSelector() as ready:
            ready.register(stream, selectors.EVENT_READ)
            while len(data) < count:
                if not ready.select(max(0.0, self._deadline - time.monotonic())):
                    self.close()
                    raise TimeoutError(self._late())
                piece = stream.read(min(count - len(data), 1 << 20))
                if not piece:
                    self.close()
                    raise RuntimeError("the process ended")
                data += piece
        return data


class _Far(torch.autograd.Function):
    """An answer that was computed elsewhere, and whose gradient is computed there, too."""

    @staticmethod
    def forward(ctx, leaf, answer, slope):
        ctx.slope, ctx.like = slope, leaf
        return answer.clone()

    @staticmethod
    def backward(ctx, weights):
        found = ctx.slope(weights)
        right = isinstance(found, torch.Tensor) and found.shape == ctx.like.shape and found.is_floating_point()
        return (found.to(ctx.like.dtype) if right else torch.zeros_like(ctx.like)), None, None


class Remote:
    """The student's function `name` in a sandbox. Raises SyntaxError, or LookupError when there is no such function."""

    def __init__(self, sandbox: Sandbox, source: str, name: str, imports: str, needs=()):
        self._sandbox, self._calls = sandbox, 0
        found = sandbox.begin(source, name, imports, needs)
        if "error" in found:
            raise _exception(found)
        if found.get("ready") is None:
            raise LookupError(f"`{name}` is no function")
        kinds = [inspect.Parameter(str(one), inspect._ParameterKind(kind)) for one, kind in found["ready"]]
        self.__signature__ = inspect.Signature(kinds, __validate_parameters__=False)

    def __call__(self, *arguments):
        from kdviz.course.classroom.sandbox import live, plain

        place = next((i for i, one in enumerate(arguments) if getattr(one, "requires_grad", False)), None)
        reply = self._sandbox.ask({"arguments": [plain(one) for one in arguments], "learns": place})
        if "answer" not in reply:
            raise _exception(reply)
        number, self._calls = self._calls, self._calls + 1
        answer = live(reply["answer"])
        if place is None or not reply["answer"].get("learns") or not answer.is_floating_point():
            return answer

        def slope(weights):
            found = self._sandbox.ask({"slope": number, "weights": plain(weights)})
            if "slope" not in found:
                raise _exception(found)
            return live(found["slope"])

        return _Far.apply(arguments[place], answer, slope)


def _exception(reply: dict) -> Exception:
    """An exception that reads like the student's own, with the line that caused it in its words."""
    line = f" in the line `{reply['line']}`" if reply.get("line") else ""
    name = str(reply.get("error", "RuntimeError"))
    return type(name, (Exception,), {})(f"{reply.get('words', '')}{line}")
