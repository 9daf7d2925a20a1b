"""What every figure promises: title, alt text, named axes, literal tokens, size, sliders that change the data."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import kdviz as kd
from tests.unit.figures.made import HOSTILE, asked_states, drawn, make_states, writing_states

LONG = 40


def pair(tokens=12, heads=None, layers=6, notes=()):
    return [
        make_states(tokens=tokens, heads=heads and 12, notes=notes),
        make_states("student", tokens=tokens, layers=layers, width=8, seed=1, heads=heads),
    ]


def snapshots(tokens, count=6):
    return [make_states("student", tokens=tokens, layers=2, width=8, seed=seed) for seed in range(count)]


def rewritten(tokens, count=30):
    """The same text at 30 steps, another word of it replaced at each."""
    text = [f"word{place}" for place in range(tokens)] if isinstance(tokens, int) else list(tokens)
    new = [[*text[: k % len(text)], f"<i>new {k}</i>", *text[k % len(text) + 1 :]] for k in range(count)]
    return range(count), [text] * count, new


def climbs(count):
    steps = np.arange(count)
    return steps, 1 + np.sin(steps / 5), np.exp(-steps / 30), steps % 10 < 3


def picks(tokens):
    copies = [f"copy {k}" for k in range(tokens)] if isinstance(tokens, int) else list(tokens)
    badness = np.random.default_rng(0).random((30, len(copies)))
    return kd.figures.picked_copies("a text", copies, range(0, 90, 3), badness, 2)


def chosen(tokens):
    endings = [f"he saw word {k}" for k in range(tokens)] if isinstance(tokens, int) else list(tokens)
    logits = np.random.default_rng(0).normal(size=(2, len(endings)))
    return logits[0], logits[1], endings


def asked(tokens, notes=()):
    return [asked_states(tokens, notes=notes), asked_states(tokens, "student", layers=2, width=8, seed=1)]


def coloured(tokens, notes=()):
    roles = enumerate(("teacher", "student"))
    states = [writing_states(role, tokens=tokens, notes=notes, seed=seed) for seed, role in roles]
    return kd.figures.coloured_text(states)


def valued(tokens):
    names = [f"text {k}" for k in range(tokens)] if isinstance(tokens, int) else list(tokens)
    teacher = np.linspace(0, 5, len(names))
    return teacher + np.sin(np.arange(len(names))), teacher, names


def costs(tokens):
    """A table as kd.measure makes it, a model a token."""
    names = [f"model {k}" for k in range(tokens)] if isinstance(tokens, int) else list(tokens)
    columns = {"megabytes": 9.0, "ms_1": 2.0, "ms_1_spread": 0.2}
    columns |= {"accuracy": 0.8, "accuracy_low": 0.78, "accuracy_high": 0.82}
    scale = 1 + np.arange(len(names)) / len(names)
    return pd.DataFrame({name: value * (scale if value > 1 else 1 / scale) for name, value in columns.items()}, names)


def words_of(tokens):
    return [f"word{k}" for k in range(tokens)] if isinstance(tokens, int) else list(tokens)


def next_words(tokens):
    words = words_of(tokens)
    rows = np.random.default_rng(0).dirichlet(np.ones(len(words)), (2, 3))
    return kd.figures.next_words(words[:3], rows, words)


def masses(tokens):
    """Students at three settings; a name twice would be one mode."""
    modes = dict.fromkeys(words_of(tokens))
    rows = np.random.default_rng(0).dirichlet(np.ones(len(modes)), 4).round(3).tolist()
    teacher, *students = (dict(zip(modes, row)) for row in rows)
    return kd.figures.mode_mass(teacher, dict(zip((0, 0.5, 1), students)))


FIGURES = {
    "word_relation": lambda tokens: kd.figures.word_relation(pair(tokens)),
    "word_relation_one": lambda tokens: kd.figures.word_relation(make_states(tokens=tokens)),
    "word_angles": lambda tokens: kd.figures.word_angles(pair(tokens), 1),
    "layer_relation": lambda tokens: kd.figures.layer_relation(pair(tokens), 1),
    "layer_relation_matched": lambda tokens: kd.figures.layer_relation(pair(tokens, layers=2), 1),
    "layer_path": lambda tokens: kd.figures.layer_path(pair(tokens)),
    "coloured_text": lambda tokens: coloured(tokens),
    "attention": lambda tokens: kd.figures.attention(pair(tokens, heads=4)),
    "replay": lambda tokens: kd.figures.replay(range(6), snapshots(tokens), make_states(tokens=tokens)),
    "replay_student": lambda tokens: kd.figures.replay(range(40), snapshots(tokens, 40)),
    "picked_copies": lambda tokens: picks(tokens),
    "soft_targets": lambda tokens: kd.figures.soft_targets(
        [[2.0] + [0.5] * ((tokens if isinstance(tokens, int) else len(tokens)) - 1)],
        [f"class {k}" for k in range(tokens)] if isinstance(tokens, int) else tokens,
        names=["teacher"],
    ),
    "rewrites": lambda tokens: kd.figures.rewrites(*rewritten(tokens)),
    "disagreement": lambda tokens: kd.figures.disagreement(*climbs(60)),
    "measured": lambda tokens: kd.figures.measured(costs(tokens)),
    "choices": lambda tokens: kd.figures.choices(*chosen(tokens), right=1, beginning="<b>He</b> went"),
    "spans": lambda tokens: kd.figures.spans(asked(tokens), (0, 0)),
    "values": lambda tokens: kd.figures.values(*valued(tokens)),
    "next_words": next_words,
    "mode_mass": masses,
}
every_figure = pytest.mark.parametrize("name", FIGURES)


def strings(node):
    """Every string of a figure's dictionary."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in ("bdata", "meta"):
                yield from strings(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from strings(value)


@every_figure
def test_title_alt_and_axis_names(name):
    figure = FIGURES[name](12)
    assert type(figure) is go.Figure
    assert len(figure.layout.title.text) > 10
    alt = figure.layout.meta["alt"]
    assert len(alt) > 60 and alt.endswith(".")
    hidden = [note for note in figure.layout.annotations if note.name == "alt"]
    assert [note.text for note in hidden] == [kd.theme.text(alt)] and hidden[0].opacity == 0
    drawn_on = {(trace.xaxis or "x", trace.yaxis or "y") for trace in figure.data}
    across = [figure.layout["xaxis" + x[1:]] for x, _ in drawn_on]
    down = [figure.layout["yaxis" + y[1:]] for _, y in drawn_on]
    if name in ("attention", "spans"):  # a grid is labelled along its edges
        across = [axis for axis in across if axis.showticklabels is not False]
        down = [axis for axis in down if axis.showticklabels is not False]
    assert across and all(axis.title.text for axis in across)
    assert down and any(axis.title.text for axis in down)


@every_figure
def test_no_text_is_smaller_than_twelve_pixels(name):
    sizes = []

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key.endswith("font") and isinstance(value, dict) and "size" in value:
                    sizes.append(value["size"])
                walk(value)
        elif isinstance(node, list | tuple):
            for value in node:
                walk(value)

    walk(FIGURES[name](12).to_dict())
    assert min(sizes) >= 12


@every_figure
@pytest.mark.parametrize("tokens", [12, 24, LONG])
def test_at_most_300_kb(name, tokens):
    figure = FIGURES[name](tokens)
    assert len(figure.to_json()) <= 300_000


@every_figure
def test_hostile_tokens_are_only_text(name):
    figure = FIGURES[name](HOSTILE)
    content = figure.to_dict()
    ours = re.compile(r"</?b>|<br>|<extra></extra>")
    for string in strings(content):
        bare = ours.sub("", string)
        assert "<" not in bare, string
        assert "\x00" not in string and "\u202e" not in string
        assert "$" not in string
        for entity in re.findall(r"&[^;\s]{0,9};?", bare):
            assert entity in ("&lt;", "&gt;", "&amp;", "&#36;"), string


@every_figure
def test_tokens_can_be_read_back_literally(name):
    if name.startswith("layer_relation"):
        figure = FIGURES[name](HOSTILE)
        labels = [button.label.partition(": ")[2] for button in figure.layout.updatemenus[0].buttons]
    elif name == "layer_path":
        labels = [trace.name.partition(": ")[2] for trace in FIGURES[name](HOSTILE).data[: len(HOSTILE)]]
    elif name == "picked_copies":
        labels = list(FIGURES[name](HOSTILE).layout.yaxis.ticktext)
    elif name == "rewrites":
        labels = [row[0] for row in FIGURES[name](HOSTILE).data[0].text]
    elif name == "coloured_text":
        labels = [word for line in FIGURES[name](HOSTILE).data[0].text for word in line][: len(HOSTILE)]
    elif name == "disagreement":  # it shows no tokens
        return
    elif name == "choices":
        labels = list(FIGURES[name](HOSTILE).layout.yaxis.ticktext)
    elif name == "spans":  # what stands for no answer has a name of its own, and the last token is no word
        labels = ["[CLS]", *FIGURES[name](HOSTILE).layout.xaxis2.ticktext[1:], "[SEP]"]
    elif name == "values":
        labels = list(FIGURES[name](HOSTILE).data[1].text)
    elif name == "measured":
        labels = [trace.name.rpartition(",")[0] for trace in FIGURES[name](HOSTILE).data]
    else:
        labels = list(FIGURES[name](HOSTILE).layout.xaxis.ticktext)
    longest = {
        "soft_targets": 24,
        "picked_copies": 60,
        "measured": 40,
        "choices": 40,
        "values": 40,
        "next_words": 24,
        "mode_mass": 24,
    }
    longest = longest.get(name, 14)
    expected = [kd.theme.visible(token) for token in (dict.fromkeys(HOSTILE) if name == "mode_mass" else HOSTILE)]
    expected = [token if len(token) <= longest else token[: longest - 1] + "…" for token in expected]
    assert [html.unescape(label) for label in labels] == expected


@every_figure
def test_the_slider_changes_the_data_and_nothing_else(name):
    figure = FIGURES[name](12)
    if not figure.layout.sliders:
        assert not figure.frames
        return
    slider = figure.layout.sliders[0]
    frames = {frame.name: frame for frame in figure.frames}
    assert len(slider.steps) == len(frames) >= 2
    contents = []
    for step in slider.steps:
        assert step.method == "animate"
        frame = frames[step.args[0][0]]
        assert not frame.layout.to_plotly_json()
        for data in frame.data:
            assert set(data.to_plotly_json()) - {"type"} in ({"z"}, {"z", "text"}, {"y"}, {"y", "text"})
        contents.append(
            np.concatenate(
                [np.ravel(np.nan_to_num(np.asarray(d.z if d.type == "heatmap" else d.y, float))) for d in frame.data]
            )
        )
    for one, other in zip(contents, contents[1:], strict=False):
        assert not np.array_equal(one, other)


@every_figure
def test_notes_of_the_states_are_shown(name):
    of_no_states = ("soft_targets", "word_relation_one", "rewrites", "disagreement", "picked_copies", "measured")
    of_no_states += ("choices", "values", "next_words", "mode_mass")
    if name in of_no_states or name.startswith("replay"):
        return
    note = "cut to 128 of 2,310 tokens <b>"
    figure = {
        "word_relation": kd.figures.word_relation,
        "word_angles": lambda s: kd.figures.word_angles(s, 1),
        "layer_relation": kd.figures.layer_relation,
        "layer_relation_matched": kd.figures.layer_relation,
        "layer_path": kd.figures.layer_path,
        "attention": kd.figures.attention,
        "coloured_text": lambda _: coloured(12, (note,)),
        "spans": lambda _: kd.figures.spans(asked(12, (note,)), (0, 0)),
    }[name](pair(heads=4, notes=(note,)))
    assert "cut to 128 of 2,310 tokens &lt;b&gt;" in figure.layout.title.subtitle.text


def test_attention_shows_the_probabilities_of_matched_layers():
    teacher, student = pair(8, heads=4, layers=2)
    figure = kd.figures.attention([teacher, student])
    assert [step.label for step in figure.layout.sliders[0].steps] == ["3↔1", "6↔2"]
    for step, (t, s) in enumerate([(3, 1), (6, 2)]):
        arrays = drawn(figure, step)
        assert len(arrays) == 16
        np.testing.assert_allclose(arrays[5], teacher.attentions[0, t - 1, 5], atol=1e-3)
        np.testing.assert_allclose(arrays[12 + 3], student.attentions[0, s - 1, 3], atol=1e-3)


def test_attention_without_attentions_says_what_to_pass():
    with pytest.raises(ValueError, match="attentions=True"):
        kd.figures.attention(make_states())


def test_layer_relation_is_the_relation_of_that_word():
    teacher, student = pair(6, layers=2)
    figure = kd.figures.layer_relation([teacher, student], "word2")
    chosen = figure.layout.updatemenus[0].active
    assert chosen == 3
    button = figure.layout.updatemenus[0].buttons[chosen]
    places = [place for place, shown in enumerate(button.args[0]["visible"]) if shown]
    vectors = teacher.hidden[0, [0, 3, 6], 3].double().numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(figure.data[places[0]].z), unit @ unit.T, atol=2e-3)
    assert list(figure.layout.xaxis.ticktext) == ["0", "3", "6"]
    assert list(figure.layout.xaxis2.ticktext) == ["0", "1", "2"]
    assert list(figure.layout.xaxis3.ticktext) == ["0", "3↔1", "6↔2"]


def test_layer_path_lies_in_the_plane_of_most_variance():
    states = make_states(tokens=9)
    figure = kd.figures.layer_path(states)
    points = states.hidden[0].double().numpy().reshape(-1, 16)
    points = points - points.mean(0)
    values = np.sort(np.linalg.eigvalsh(points.T @ points))[::-1]
    shown = np.array([[trace.x, trace.y] for trace in figure.data], float).transpose(2, 0, 1).reshape(-1, 2)
    np.testing.assert_allclose((shown**2).sum(0), values[:2], rtol=1e-2)
    assert f"{values[0] / values.sum():.0%}" in figure.layout.xaxis.title.text
    assert f"{values[1] / values.sum():.0%}" in figure.layout.yaxis.title.text


def test_layer_path_turns_the_students_axes_towards_the_teachers():
    teacher = make_states(tokens=9)
    mirrored = make_states("student", tokens=9)
    mirrored.hidden.neg_()
    figure = kd.figures.layer_path([teacher, mirrored])
    for left, right in zip(figure.data[:9], figure.data[9:], strict=True):
        assert np.dot(left.x, right.x) >= 0


def test_paths_have_a_beginning_an_end_and_a_colour_of_their_own():
    figure = kd.figures.layer_path(make_states(tokens=20))
    assert len({trace.marker.color for trace in figure.data}) == 20
    for trace in figure.data:
        assert trace.marker.symbol[0] == "circle-open" and set(trace.marker.symbol[1:]) == {"circle"}
        assert set(trace.text[:-1]) == {""} and trace.text[-1] in ("", trace.name.partition(": ")[2])
    assert sum(trace.text[-1] != "" for trace in figure.data) >= 10
    assert "open circle" in figure.layout.title.text.replace("<br>", " ")


def test_a_word_of_giant_vectors_is_left_out_of_the_paths_and_named():
    teacher, student = pair(tokens=9)
    teacher.hidden[0, 2:5, 1] *= 1000
    figure = kd.figures.layer_path([teacher, student])
    names = [trace.name for trace in figure.data]
    assert names == [f"{place}: {teacher.tokens[0][place]}" for place in (0, *range(2, 9))] * 2
    assert "10 times as long as those of others: “word0”" in figure.layout.title.subtitle.text.replace("\xa0", " ")
    assert max(np.abs([trace.x for trace in figure.data]).ravel()) < 100
    assert "word0" not in figure.layout.meta["alt"]


def test_equal_points_have_no_plane():
    states = make_states(tokens=3)
    states.hidden.fill_(1.0)
    figure = kd.figures.layer_path(states)
    assert "0%" in figure.layout.xaxis.title.text
    assert not np.any(figure.data[0].x)


def test_replay_goes_through_the_steps_and_ends_where_the_student_is():
    teacher, frames = make_states(tokens=5), snapshots(5, 4)
    figure = kd.figures.replay([0, 10, 20, 30], frames, teacher)
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "10", "20", "30"]
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["layer 0", "layer 3↔1", "layer 6↔2"]
    for step in range(4):
        _, shown, difference = drawn(figure, step)[6:]
        expected = kd.relations.cosine(kd.relations.word_gram(frames[step].hidden[0, 2])).numpy()
        still = kd.relations.cosine(kd.relations.word_gram(teacher.hidden[0, 6])).numpy()
        np.testing.assert_allclose(shown, expected, atol=2e-3)
        np.testing.assert_allclose(difference, expected - still, atol=2e-3)


def test_replay_thins_many_steps_and_refuses_steps_without_states():
    figure = kd.figures.replay(range(40), snapshots(5, 40))
    labels = [step.label for step in figure.layout.sliders[0].steps]
    assert len(labels) == 25 and labels[0] == "0" and labels[-1] == "39"
    assert "25 of 40 steps" in figure.layout.meta["notes"]
    with pytest.raises(ValueError, match="3 steps but 2 States"):
        kd.figures.replay([1, 2, 3], snapshots(5, 2))


def test_soft_targets_are_the_softmax_at_each_temperature():
    logits = np.array([[3.0, 1.0, -2.0], [0.0, 0.5, 1.0]])
    figure = kd.figures.soft_targets(logits, ["a", "b", "c"], [1, 2, 10])
    for frame, temperature in zip(figure.frames, [1, 2, 10], strict=True):
        for row, data in zip(logits, frame.data, strict=True):
            grown = np.exp(row / temperature)
            np.testing.assert_allclose(data.y, grown / grown.sum(), atol=1e-4)
    assert figure.data[0].marker.color == kd.theme.colour("teacher")
    assert figure.data[1].marker.color == kd.theme.colour("student")


def test_doubts_leave_out_the_truth_and_name_the_largest():
    answers = np.array([[0.7, 0.2, 0.1], [0.25, 0.6, 0.15], [0.1, 0.1, 0.8]])
    figure = kd.figures.doubts(answers, ["bad", "fair", "good"])
    shown = np.array(figure.data[0].z, float)
    assert np.isnan(np.diag(shown)).all()
    wrong = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(shown[wrong], answers[wrong], atol=1e-4)
    assert "most, 0.25, to bad where fair is true" in figure.layout.meta["alt"]
    for unfit in (answers[:2], answers * 2, -answers):
        with pytest.raises(ValueError, match="pass"):
            kd.figures.doubts(unfit, ["bad", "fair", "good"])


def test_one_temperature_needs_no_slider_and_the_axis_fits_the_bars():
    figure = kd.figures.soft_targets(4 * np.log([[0.05, 0.09, 0.86], [0.4, 0.4, 0.2]])[:, :3], ["a", "b", "c"], [4])
    assert not figure.layout.sliders and not figure.frames
    assert figure.layout.yaxis.title.text == "probability at temperature τ = 4"
    flat = kd.figures.soft_targets(
        np.log([0.05, 0.06, 0.04, 0.85 / 17, *[0.85 / 17] * 16]), list("abcdefghijklmnopqrst"), [1]
    )
    assert flat.layout.yaxis.range[1] == pytest.approx(1.08 * max(flat.data[0].y))
    assert flat.data[0].text is None and figure.data[0].text == ("0.050", "0.090", "0.860")


def test_titles_fit_into_a_narrow_window_and_nothing_above_the_picture_is_covered():
    long = kd.figures.curves([1], {"a": [[1]]}, title="a word " * 20 + "&" * 60, x_title="x").layout
    lines = [html.unescape(line) for line in long.title.text.split("<br>")]
    assert " ".join(lines) == "a word " * 20 + "&" * 60 and max(map(len, lines[:-1])) <= 54
    bare, titled = kd.figures.curves([1], {"a": [[1]]}, title="short", x_title="x").layout, long
    assert titled.margin.t - bare.margin.t == 22 * (len(lines) - 1)
    assert titled.height - titled.margin.t == bare.height - bare.margin.t
    both = kd.figures.word_relation(pair(8)).layout
    assert both.sliders[0].pad.b >= 22 and both.updatemenus[0].pad.b >= both.sliders[0].pad.b + 60
    assert both.margin.t >= both.updatemenus[0].pad.b + 38 + 16


@pytest.mark.parametrize(
    ("logits", "labels", "temperatures", "words"),
    [
        ([1.0, 2.0], ["a"], [1], "1 labels"),
        ([1.0, np.inf], ["a", "b"], [1], "1 of 2 logits"),
        ([1.0, 2.0], ["a", "b"], [0, 1], "positive"),
    ],
)
def test_soft_targets_refuse_what_makes_no_sense(logits, labels, temperatures, words):
    with pytest.raises(ValueError, match=words):
        kd.figures.soft_targets(logits, labels, temperatures)


@every_figure
def test_the_table_holds_the_numbers_and_the_words(name):
    figure = FIGURES[name](HOSTILE)
    source = str(kd.figures.table(figure))
    assert source.startswith("<details>") and "<img" not in source and "<b>bold" not in source
    assert html.escape(figure.layout.meta["alt"]) in source
    assert source.count("<table>") == sum(trace.visible in (None, True) for trace in figure.data)
    if name == "rewrites":
        assert all(f"<td>{word}</td>" in source for row in figure.data[0].text for word in row)
    elif figure.data[0].type == "heatmap":
        first = next(trace for trace in figure.data if trace.visible in (None, True))
        values = np.asarray(first.z, float)
        named = f"{first.text[0][1]}: " if name == "coloured_text" else ""
        assert f"<td>{named}{values[np.isfinite(values)][1]:.4g}</td>" in source
