"""The look: told apart by everyone, readable in light and dark, and text that is only text."""

from __future__ import annotations

import html
import json

import numpy as np
import pytest

import kdviz as kd
from kdviz.figures import theme

# linear RGB as seen without long, middle, short cones (Machado, Oliveira, Fernandes 2009, severity 1)
BLINDNESS = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of linear RGB."""
    xyz = (
        np.array(
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
        )
        @ rgb
    )
    t = xyz / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: str, other: str, blindness: str) -> float:
    """ΔE (CIE 1976) of two colours as someone with that blindness sees them."""
    seen = [lab(np.clip(BLINDNESS[blindness] @ linear(colour), 0, 1)) for colour in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio."""
    light = sorted((linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other)), reverse=True)
    return (light[0] + 0.05) / (light[1] + 0.05)


@pytest.fixture(params=["light", "dark"])
def look(request):
    theme.use(request.param)
    yield request.param
    theme.use("auto")


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_adjacent_steps_of_the_scale_can_be_told_apart(blindness):
    steps = [apart(a, b, blindness) for a, b in zip(theme.SEQUENTIAL, theme.SEQUENTIAL[1:], strict=False)]
    assert min(steps) >= 7  # 2.3 is just noticeable


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_lightness_of_the_scale_only_rises(blindness):
    lightness = [lab(np.clip(BLINDNESS[blindness] @ linear(colour), 0, 1))[0] for colour in theme.SEQUENTIAL]
    assert all(a < b for a, b in zip(lightness, lightness[1:], strict=False))


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_teacher_student_and_the_ends_of_a_difference_are_far_apart(look, blindness):
    assert apart(theme.colour("teacher"), theme.colour("student"), blindness) >= 25
    assert apart(theme.colour("low"), theme.colour("high"), blindness) >= 25
    for end in ("low", "high"):
        assert apart(theme.colour(end), theme.colour("middle"), blindness) >= 25


def test_text_has_aa_contrast(look):
    for part in ("ink", "quiet", "teacher", "student", "model"):
        assert contrast(theme.colour(part), theme.colour("ground")) >= 4.5, part
    assert contrast(theme.colour("ink"), theme.colour("control")) >= 4.5


def test_blank_cells_differ_from_a_difference_of_zero(look):
    assert apart(theme.colour("blank"), theme.colour("middle"), "none") >= 10


def test_figures_take_the_look_that_is_chosen(look, teacher):
    layout = kd.figures.word_relation(teacher).layout.template.layout
    assert layout.paper_bgcolor == theme.colour("ground")
    assert layout.font.color == theme.colour("ink")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ('{\n    // Theme\n    "theme": "JupyterLab Dark High Contrast",\n}', "dark"),
        ('{"theme": "JupyterLab Light"}', "light"),
        ('{"adaptive-theme": false, "theme": "JupyterLab Dark"}', "dark"),
        ('{\n  // "theme": "JupyterLab Dark"\n}', "light"),
        ('{"theme": "JupyterLab Dark \\x"}', "dark"),  # an escape that JSON does not know
        (b'{"font": "\xe4", "theme": "JupyterLab Dark"}', "dark"),  # saved as cp1252
        ('{"theme": 1,,', "light"),
        ("", "light"),
        (None, "light"),
    ],
)
def test_auto_follows_the_theme_of_jupyterlab(tmp_path, monkeypatch, stored, expected):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("JUPYTERLAB_SETTINGS_DIR", raising=False)
    if stored is not None:
        folder = tmp_path / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        folder.mkdir(parents=True)
        stored = stored if isinstance(stored, bytes) else stored.encode()
        (folder / "themes.jupyterlab-settings").write_bytes(stored)
    assert theme.look() == expected


def test_auto_is_light_where_settings_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "lab").write_text("a file where a folder is expected")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("JUPYTERLAB_SETTINGS_DIR", raising=False)
    assert theme.look() == "light"
    monkeypatch.delenv("JUPYTER_CONFIG_DIR")
    monkeypatch.delenv("HOME", raising=False)
    assert theme.look() in ("light", "dark")


def test_an_unknown_look_is_refused():
    with pytest.raises(ValueError, match="'sepia'"):
        theme.use("sepia")


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("word", "word"),
        ("a\x00b", "a␀b"),
        ("\n", "␊"),
        ("\x7f", "␡"),
        ("", "␢"),
        (" ", "\u00a0"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("\x85", "⟨U+0085⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("שלום", "שלום"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("é", "é"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(token, shown):
    assert theme.visible(token) == shown


@pytest.mark.parametrize("token", ["<b>", "</script>", "&amp;", "&lt;", "a<br>b", "$x$", '"quoted"', "<a href='x'>"])
def test_plotly_text_unescapes_to_the_token(token):
    escaped = theme.text(token)
    assert "<" not in escaped and "$" not in escaped
    assert html.unescape(escaped) == token


def test_long_tokens_are_shortened_before_they_are_escaped():
    assert theme.token_text("&" * 30) == "&amp;" * 13 + "…"


def test_cut_says_how_much_is_left_out():
    assert theme.cut(["x"] * 312, 40) == (["x"] * 40, ("first 40 of 312 tokens",))
    assert theme.cut(["x"] * 3, 40) == (["x"] * 3, ())
    assert theme.cut(["x"] * 2000, 5)[1] == ("first 5 of 2,000 tokens",)


def test_compact_keeps_three_digits_and_blanks_what_is_not_finite():
    values = np.array([1.23456789, -0.00123456, 98765.4321, 0.0, 1e-9, np.nan, np.inf])
    kept = theme.compact(values)
    np.testing.assert_allclose(kept[:3], values[:3], rtol=3e-4)
    assert kept[3] == kept[4] == 0
    assert np.isnan(kept[5:]).all()
    assert kept.dtype == np.float32


def test_no_button_uploads_a_figure(teacher):
    assert "sendChartToCloud" in json.dumps(
        kd.figures.word_relation(teacher).layout.template.layout.modebar.to_plotly_json()
    )
