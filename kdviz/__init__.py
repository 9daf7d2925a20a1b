"""kdviz: teach and explore knowledge distillation of transformers."""

from __future__ import annotations

from kdviz.lazy import attach_stub
from kdviz.threads import let_waiting_threads_sleep

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

let_waiting_threads_sleep()
