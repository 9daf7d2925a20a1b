"""The page's numbers are the library's: cosines, distances, angles, paths, soft targets."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from kdviz import relations
from kdviz.figures.layers import principal_plane
from tests.unit.page import node

WORDS, LAYERS, WIDTH = 5, 3, 8
HIDDEN = np.random.default_rng(0).normal(size=(LAYERS, WORDS, WIDTH)).astype(np.float32)
GRAM = f"""const data = Float32Array.from(given), part = {{ data, words: {WORDS}, kept: {WORDS} }};
    const gram = relations.gram([part], {LAYERS}, {WIDTH});"""


@pytest.mark.parametrize("kind", ["cosine", "distance", "angle"])
def test_relations(kind, tmp_path):
    script = GRAM + f"return [0, 1, 2].map((layer) => [...relations.of('{kind}', gram, {WORDS}, layer, 2)]);"
    found = np.array(node.evaluate(script, HIDDEN.ravel().tolist(), tmp_path), dtype=float).reshape(
        LAYERS, WORDS, WORDS
    )
    gram = relations.word_gram(HIDDEN)
    expected = relations.angle(gram, 2) if kind == "angle" else getattr(relations, kind)(gram)
    if kind == "angle":
        expected = np.where(relations.angle_mask(gram, 2), expected, np.nan)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_two_texts_stand_beside_each_other_and_python_stores_the_same(tmp_path):
    script = """const data = Float32Array.from(given.hidden);
        const parts = [2, 3].map((kept) => ({ data, words: 5, kept }));
        return [[...relations.gram(parts, 3, 8)], [...relations.unpack(given.packed)]];"""
    flat = np.concatenate([HIDDEN[:, :2], HIDDEN[:, :3]], axis=1).reshape(-1, WIDTH)
    upper = (flat @ flat.T)[np.triu_indices(len(flat))].astype("<f4")
    given = {"hidden": HIDDEN.ravel().tolist(), "packed": base64.b64encode(upper.tobytes()).decode()}
    for found in node.evaluate(script, given, tmp_path):
        np.testing.assert_allclose(found, (flat @ flat.T).ravel(), rtol=1e-4, atol=1e-4)


def test_the_plane_is_that_of_the_lessons(tmp_path):
    spread = HIDDEN * np.array([5, 3, *[0.5] * (WIDTH - 2)], dtype=np.float32)
    found = node.evaluate(GRAM + "return relations.plane(gram);", spread.ravel().tolist(), tmp_path)
    points, shares = principal_plane(spread)
    np.testing.assert_allclose(found["shares"], shares, rtol=1e-3)
    np.testing.assert_allclose(np.abs(found["points"]), np.abs(points.reshape(-1, 2)), atol=2e-2)


def test_soft_targets(tmp_path):
    found = node.evaluate("return relations.softened(given, 2);", [4.0, 0.0, -300.0], tmp_path)
    np.testing.assert_allclose(found, torch.tensor([2.0, 0.0, -150.0]).softmax(0), atol=1e-7)
