"""Smaller weights: matrices in 16 bits, the word table in 9; what a model computes hardly moves."""

from __future__ import annotations

import numpy as np

SMALL = 4096  # numbers; what has fewer stays float32
LEVELS = 255  # of 9 bits, on either side of 0
BITS = 8  # lowest bits that share a byte


def pack(path) -> str:
    """Rewrite an ONNX file with smaller matrices; what runs it needs nothing but ONNX's plain operators.

    They go into a file beside it, which is returned by name: a browser holds them once less than inside of the graph.

    Matrices are float16; they become float32 once, when the file is opened. Of a word table, half of a small model,
    every row has a scale: its largest weight is 255. Upper 8 bits and lowest bits (eight in a byte) are put together
    for the words that a text has. Fewer bits for the matrices would save little more, for either the answers move too
    far (8) or a browser needs twice the memory to unpack them (12).
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    graph, nodes = model.graph, list(model.graph.node)
    readers = {name: node for node in nodes for name in node.input}
    for number, weight in enumerate([*graph.initializer]):
        values, node = numpy_helper.to_array(weight), readers.get(weight.name)
        if values.dtype != np.float32 or values.ndim != 2 or values.size < SMALL:
            continue
        made, table = [], node.op_type == "Gather"
        if table and values.shape[1] % BITS:
            continue

        def run(operator, *inputs, made=made, number=number, **options):
            """Add a node; its output's name."""
            made.append(helper.make_node(operator, inputs, [f"w{number}_{len(made)}"], **options))
            return made[-1].output[0]

        def hold(name, array, number=number):
            graph.initializer.append(numpy_helper.from_array(array, f"w{number}_{name}"))
            return f"w{number}_{name}"

        if table:
            held = zip(("high", "low", "scale"), split(values))
            high, low, scale = (run("Gather", hold(name, part), node.input[1]) for name, part in held)
            high, low = (run("Cast", part, to=TensorProto.FLOAT) for part in (high, low))
            two = hold("two", np.float32(2))
            shifted = run("Mul", run("Unsqueeze", low, hold("last", np.array([-1]))), hold("places", _places()))
            bits = run("Mod", run("Floor", shifted), two, fmod=1)
            bits = run("Reshape", bits, run("Shape", high))
            run("Mul", run("Add", run("Mul", high, two), bits), scale)
        else:
            run("Cast", hold("half", values.astype(np.float16)), to=TensorProto.FLOAT)
        made[-1].output[0] = node.output[0] if table else weight.name
        graph.initializer.remove(weight)
        place = nodes.index(node)
        nodes[place : place + table] = made
    del graph.node[:]
    graph.node.extend(nodes)
    beside = path.with_suffix(".weights").name
    onnx.save(model, path, save_as_external_data=True, location=beside, size_threshold=SMALL)
    return beside


def _places() -> np.ndarray:
    """What a byte is multiplied with so that its first, second, … bit becomes the one before the point."""
    return 0.5 ** np.arange(BITS - 1, -1, -1, dtype=np.float32)


def split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers (n, m) -> upper bits (n, m) int8, lowest bits (n, m / 8) uint8, scales (n, 1).

    values = (2 · upper + lowest) · scale
    """
    scale = np.abs(values).max(1, keepdims=True) / LEVELS
    scale[scale == 0] = 1
    whole = np.round(values / scale).astype(np.int16)
    return (whole >> 1).astype(np.int8), np.packbits(whole & 1, axis=1), scale
