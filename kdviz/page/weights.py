"""Weights in 12 bits: a third of float32's size, and what a model computes stays within the eye's reach."""

from __future__ import annotations

import numpy as np

SMALL = 4096  # numbers; what has fewer stays float32
LEVELS = 2047  # of 12 bits, on either side of 0


def pack(path) -> None:
    """Rewrite an ONNX file with its matrices in 12 bits; what runs it needs nothing but ONNX's plain operators.

    A row of an embedding, and a column of another matrix, has a scale: its largest weight is 2,047. A number is kept as
    its upper 8 bits and its lower 4, two of these in a byte. onnxruntime works matrices out once, when it opens the
    file; of an embedding it works out the rows that a text needs.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    readers = {name: node for node in graph.node for name in node.input}
    nodes = list(graph.node)
    for number, weight in enumerate([*graph.initializer]):
        values, node = numpy_helper.to_array(weight), readers.get(weight.name)
        if values.dtype != np.float32 or values.ndim != 2 or values.size < SMALL or values.shape[1] % 2:
            continue
        table = node.op_type == "Gather"
        column = not table and not any(one.name == "transB" and one.i for one in node.attribute)
        made, rows = [], f"w{number}"

        def run(operator, *inputs, made=made, rows=rows, **options):
            """Add a node; its output's name."""
            made.append(helper.make_node(operator, inputs, [f"{rows}_{len(made)}"], **options))
            return made[-1].output[0]

        def hold(name, array, rows=rows):
            graph.initializer.append(numpy_helper.from_array(array, f"{rows}_{name}"))
            return f"{rows}_{name}"

        high, low, scale = split(values, 0 if column else 1)
        parts = [hold("high", high), hold("low", low), hold("scale", scale)]
        if table:
            parts = [run("Gather", part, node.input[1]) for part in parts]
            scale = parts.pop()
        else:
            scale = parts.pop()
        high, low = (run("Cast", part, to=onnx.TensorProto.FLOAT) for part in parts)
        left = run("Floor", run("Mul", low, hold("sixteenth", np.float32(1 / 16))))
        right = run("Sub", low, run("Mul", left, hold("sixteen", np.float32(16))))
        whole = run("Add", run("Mul", high, f"{rows}_sixteen"), run("Concat", left, right, axis=-1))
        run("Mul", whole, scale)
        made[-1].output[0] = node.output[0] if table else weight.name
        graph.initializer.remove(weight)
        place = nodes.index(node)
        nodes[place : place + table] = made
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def split(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers (n, m) -> upper bits (n, m) int8, lower bits (n, m / 2) uint8, scales along `axis`.

    values = (16 · upper + lower) · scale, where the lower bits of the left half of a row are the upper ones of a byte.
    """
    scale = np.abs(values).max(axis, keepdims=True) / LEVELS
    whole = np.round(values / np.where(scale, scale, 1)).astype(np.int16)
    left, right = np.split(whole & 15, 2, axis=1)
    return (whole >> 4).astype(np.int8), (left << 4 | right).astype(np.uint8), scale
