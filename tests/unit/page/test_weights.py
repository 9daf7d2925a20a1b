"""Smaller weights: a number moves by half a step at most, and an ONNX file computes what it did."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from kdviz.page import weights


def test_a_number_moves_by_half_a_step_at_most():
    values = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    values[3] = 0
    high, low, scale = weights.split(values)
    assert high.dtype == np.int8 and high.nbytes + low.nbytes == values.size * 9 / 8
    again = (2.0 * high + np.unpackbits(low, axis=1)) * scale
    assert (np.abs(again - values) <= 0.501 * scale).all() and np.abs(again - values).max() > 0


def test_a_file_shrinks_and_computes_the_same(tmp_path):
    random, path = np.random.default_rng(0), tmp_path / "model.onnx"
    tables = {"table": (200, 64), "matrix": (64, 128), "turned": (128, 128), "small": (128, 2)}
    held = [numpy_helper.from_array(random.normal(size=size).astype(np.float32), name) for name, size in tables.items()]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("MatMul", ["words", "matrix"], ["wide"]),
        helper.make_node("Gemm", ["wide", "turned"], ["other"], transB=1),
        helper.make_node("MatMul", ["other", "small"], ["out"]),
    ]
    given = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "g", [given], [out], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)

    def run():
        return onnxruntime.InferenceSession(str(path)).run(None, {"ids": np.arange(0, 200, 7)})[0]

    size, before = path.stat().st_size, run()
    beside = path.with_name(weights.pack(path))
    after = run()
    onnx.checker.check_model(path, full_check=True)
    assert path.stat().st_size + beside.stat().st_size < 0.45 * size
    assert 0 < np.abs(after - before).max() < 1e-2 * np.abs(before).max()
