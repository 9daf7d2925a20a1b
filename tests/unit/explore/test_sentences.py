"""Explorers driven as a reader drives them: set a control, look at the figure and at the message."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import kdviz as kd
from kdviz.data.task import Task
from kdviz.explore.explorer import PLOTLY_MIME, Picture
from kdviz.figures import theme

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def models():
    task = Task("toy", ("bad", "good"), {})
    teacher = kd.build_student(task, layers=6, hidden=48, heads=4, vocabulary="full", seed=0)
    teacher.name, teacher.role = "big", "teacher"
    student = kd.build_student(task, layers=2, hidden=32, heads=2, vocabulary="full", seed=1)
    return [teacher, student]


@pytest.fixture(scope="module")
def writers():
    """Two models that write symbols, a teacher of four layers and a student of two."""
    rows = pd.DataFrame({"prompt": ["3+4=", "8+8="], "completion": ["7", "16"]})
    splits = dict.fromkeys(("train", "dev", "test"), rows)
    task = kd.load_task(**splits, kind="language-modelling", tokenizer="characters")
    teacher, student = (kd.build_student(task, layers=n, hidden=16, heads=2, seed=n) for n in (4, 2))
    teacher.name, teacher.role = "writer", "teacher"
    return [teacher, student]


@pytest.fixture
def words(models):
    return kd.explore.word_relations(models, "the acting is not bad")


@pytest.fixture
def layers(models):
    return kd.explore.layer_relations(models, "the acting is not bad")


def shown(explorer) -> dict:
    """What is on screen: the drawing, or the content of the output area that stands in for it."""
    if isinstance(explorer._picture, Picture):
        return explorer._picture.figure
    (output,) = explorer._picture.outputs
    return output["data"][PLOTLY_MIME]


def tokens(explorer) -> list[str]:
    return list(shown(explorer)["layout"]["yaxis"]["ticktext"])


def test_a_new_sentence_is_drawn_with_its_numbers(words, models):
    words.sentence.value = "a truly good evening"
    assert tokens(words) == ["[CLS]", "a", "truly", "good", "evening", "[SEP]"]
    states = kd.encode(models, "a truly good evening")
    expected = kd.relations.cosine(kd.relations.word_gram(states[0].hidden[0, 6])).numpy()
    np.testing.assert_allclose(words.figure.data[0].z, expected, atol=2e-3)
    assert words.message.value == ""


@pytest.mark.parametrize("bad", ["", "   ", "\ud800"])
def test_bad_text_is_told_and_the_last_picture_stays(words, bad):
    before = shown(words)
    words.sentence.value = bad
    assert 'role="alert"' in words.message.value
    assert "last picture stays" in words.message.value
    assert shown(words) is before
    words.sentence.value = "better now"
    assert words.message.value == ""
    assert "better" in tokens(words)


def test_ten_thousand_characters_are_cut_with_a_note(words):
    words.sentence.value = "good " * 2000
    notes = " ".join(words.figure.layout.meta["notes"])
    assert "of 2,002 tokens" in notes
    assert len(tokens(words)) <= kd.theme.MOST_TOKENS


@pytest.mark.parametrize("text", [HOSTILE, "<b>x</b> &amp; $x$", "שלום مرحبا", "👩‍👩‍👧 ok", "a\x00b\u202ec", "x"])
def test_any_text_is_drawn_or_refused_but_never_markup(words, text):
    words.sentence.value = text
    for label in tokens(words):
        assert "<" not in label
    assert "<img" not in words.message.value


def test_an_error_that_quotes_markup_is_escaped(words, monkeypatch):
    def refuse():
        raise ValueError(f"cannot draw {HOSTILE} " + "x" * 10_000)

    monkeypatch.setattr(words, "draw", refuse)
    words.sentence.value = "another"
    assert "<img" not in words.message.value
    assert "&lt;img" in words.message.value
    assert len(words.message.value) < 1000


def test_the_examples_menu_types_its_sentence(words):
    label, example = words.examples.options[2]
    words.examples.value = example
    assert words.sentence.value == example
    assert example.split()[0] in tokens(words)


def test_models_alone_and_side_by_side(words):
    assert words.models.options == ("big | student", "big", "student")
    assert len(words.figure.data) == 6  # three maps and their bars
    words.models.value = "student"
    assert len(words.figure.data) == 2
    assert "student" in words.figure.layout.annotations[0].text


def test_models_of_one_name_can_be_told_apart(models):
    explorer = kd.explore.word_relations([models[0], models[1], models[1]], "x")
    assert explorer.models.options == ("big | student (2)", "big | student (3)", "big", "student (2)", "student (3)")


def test_angles_at_the_chosen_vertex_within_the_window(words):
    words.view.value = "angles at the word"
    words.words[0].value = 2
    assert "acting" in words.figure.layout.title.text
    words.reach.value = 2
    blank = np.isnan(np.asarray(words.figure.data[0].z))
    assert not blank[1, 3]
    assert blank[1, 5]


def test_the_word_picker_follows_the_sentence(words):
    words.view.value = "angles at the word"
    words.words[0].value = 6
    words.sentence.value = "short one"
    assert [label for label, _ in words.words[0].options] == ["0: [CLS]", "1: short", "2: one", "3: [SEP]"]
    assert words.words[0].value in range(4)
    assert words.message.value == ""


def test_the_layer_stays_when_a_word_is_chosen_and_colours_mean_the_same_at_each(words, models):
    assert [label for label, _ in words.layer.options] == ["0", "3↔1", "6↔2"]
    scales = [axis.cmax for axis in (words.figure.layout.coloraxis, words.figure.layout.coloraxis2)]
    words.layer.value = 1
    words._picture._handle_custom_msg({"panel": 1, "word": 2}, [])
    states = kd.encode(models, "the acting is not bad")
    cosines = [kd.relations.cosine(kd.relations.word_gram(s.hidden[0, k])).numpy() for s, k in zip(states, (3, 1))]
    maps, bars = words.figure.data[:3], words.figure.data[3:]
    for shown_map, bar, wanted in zip(maps, bars, [*cosines, cosines[1] - cosines[0]], strict=True):
        np.testing.assert_allclose(shown_map.z, wanted, atol=2e-3)
        np.testing.assert_allclose(np.delete(bar.y, 2), np.delete(wanted[2], 2), atol=2e-3)
    assert scales == [axis.cmax for axis in (words.figure.layout.coloraxis, words.figure.layout.coloraxis2)]


def test_a_second_sentence_stands_beside_and_shows_the_same_word(words, models):
    assert words.words[1].layout.display == "none"
    words.second.value = "a bad and truly awful evening"
    words.words[0].value = 5  # "bad"
    assert words.words[1].value == 2
    assert words.words[1].layout.display is None
    assert [axis.text for axis in words.figure.layout.annotations[:4]] == [
        f"<b>{name}</b>" for name in ("1: teacher", "1: student", "2: teacher", "2: student")
    ]
    other = kd.encode(models[0], "a bad and truly awful evening").hidden[0, 6]
    np.testing.assert_allclose(
        words.figure.data[2].z, kd.relations.cosine(kd.relations.word_gram(other)).numpy(), atol=2e-3
    )
    words._picture._handle_custom_msg({"panel": 3, "word": 4}, [])  # a word of the second sentence alone
    assert (words.words[0].value, words.words[1].value) == (5, 4)
    assert "“bad” and “truly”" in words.figure.layout.title.text
    words.second.value = " "
    assert len(words.figure.data) == 6


@pytest.mark.parametrize("text", [HOSTILE, "<b>x</b> &amp; $x$", "שלום מرحبا", "a\x00b\u202ec"])
def test_a_second_sentence_and_a_chosen_word_are_never_markup(words, text):
    words.second.value = text
    for place in range(len(words.words[1].options)):
        words.words[1].value = place
        for label in (*words.figure.layout.yaxis3.ticktext, words.figure.layout.title.text):
            assert "<" not in label.replace("<br>", "")


def test_what_a_saved_notebook_shows_moves_through_the_layers_without_a_kernel(words):
    assert len(words._repr_mimebundle_()[PLOTLY_MIME]["layout"]["sliders"][0]["steps"]) == 3


def test_layers_of_one_word_and_paths_of_all(layers, models):
    layers.word.value = 4
    assert "“not”" in layers.figure.layout.title.text
    states = kd.encode(models, "the acting is not bad")
    expected = kd.relations.cosine(kd.relations.layer_gram(states[1].hidden[0]))[4].numpy()
    place = next(i for i, trace in enumerate(layers.figure.data) if trace.visible in (None, True))
    np.testing.assert_allclose(layers.figure.data[place + 1].z, expected, atol=2e-3)
    layers.view.value = "paths of all words"
    assert layers.word.disabled
    assert layers.figure.data[0].type == "scatter"


def test_models_that_cut_a_sentence_differently_stand_side_by_side(models, writers):
    reader, writer = models[0], writers[0]
    words = kd.explore.word_relations([reader, writer], "3+4")
    left, right = (np.array(trace.z) for trace in words.figure.data if trace.type == "heatmap")
    of_reader, of_writer = kd.encode(reader, "3+4"), kd.encode(writer, "3+4")
    assert of_reader.tokens != of_writer.tokens
    for shown, states, last in ((left, of_reader, 6), (right, of_writer, 4)):
        expected = kd.relations.cosine(kd.relations.word_gram(states.hidden[0, last])).numpy()
        np.testing.assert_allclose(shown, expected, atol=2e-3)
    assert [label for label, _ in words.layer.options] == ["0", "3↔2", "6↔4"]
    words.words[0].value = of_reader.tokens[0].index("4")
    assert words.words[1].label.endswith(": 4"), "the same word is chosen in both"
    words._picture._handle_custom_msg({"panel": 1, "word": 0}, [])
    assert (words.words[0].value, words.words[1].value) == (of_reader.tokens[0].index("4"), 0)
    headings = {note.text for note in words.figure.layout.annotations}
    assert {"<b>teacher · big</b>", "<b>teacher · writer</b>"} <= headings
    assert words._repr_mimebundle_()[PLOTLY_MIME]["layout"]["yaxis2"]["ticktext"][1:] == ["3", "+", "4"]
    words.second.value = "4+3"
    assert "cut texts differently" in words.message.value.replace("\xa0", " ")
    words.models.value = "writer"
    assert words.message.value == "" and len([t for t in words.figure.data if t.type == "heatmap"]) == 2


def test_paths_of_models_that_cut_a_sentence_differently(models, writers):
    layers = kd.explore.layer_relations([models[0], writers[0]], "3+4")
    assert layers.view.value == "paths of all words" and layers.message.value == ""
    names = {panel: [t.name.split(": ")[1] for t in layers.figure.data if t.xaxis == panel] for panel in ("x", "x2")}
    assert names["x"] == ["[CLS]", "3", "+", "4", "[SEP]"] and names["x2"][-3:] == ["3", "+", "4"]
    assert [len(t.x) for t in layers.figure.data] == [3] * len(layers.figure.data)
    layers.view.value = "layers of one word"
    assert "choose the paths" in layers.message.value.replace("\xa0", " ")


def test_a_word_of_a_causal_model_sees_no_later_one(writers):
    words = kd.explore.word_relations(writers, "3+4")
    assert "a word sees no later one" in words.figure.layout.title.subtitle.text.replace("\xa0", " ")
    before = np.array(words.figure.data[0].z)
    words.sentence.value = "3+8"
    after = np.array(words.figure.data[0].z)
    np.testing.assert_allclose(after[:-1, :-1], before[:-1, :-1], atol=1e-4)
    assert np.abs(after[-1] - before[-1]).max() > 0.01


def test_the_next_word_as_bars_and_as_colours(writers):
    explorer = kd.explore.next_words(writers, "3+4=")
    states = kd.encode(writers, "3+4=")
    for number, state in enumerate(states):
        expected = state.logits[0].softmax(-1)[2].numpy()
        shown = dict(zip(explorer.figure.layout.xaxis.ticktext, explorer.figure.frames[2].data[number].y))
        for word, share in zip(writers[0].tokenizer.convert_ids_to_tokens(range(len(expected))), expected):
            assert shown[theme.token_text(word, 24)] == pytest.approx(float(share), abs=1e-3)
    explorer.view.value = "the text in colours"
    assert [button.label for button in explorer.figure.layout.updatemenus[0].buttons][0] == "KL(teacher ‖ student)"
    explorer.models.value = "student" if "student" in explorer._choices else list(explorer._choices)[-1]
    assert not explorer.figure.layout.updatemenus
    explorer.sentence.value = " "
    assert "The sentence is empty" in explorer.message.value.replace("\xa0", " ")


def test_models_that_do_not_write_have_no_next_word(models, writers):
    assert "does not say the next word" in kd.explore.next_words(models).message.value.replace("\xa0", " ")
    unlike = kd.explore.next_words([models[0], writers[0]], "3+4")
    assert "know different words" in unlike.message.value.replace("\xa0", " ")
    unlike.models.value = "writer"
    assert unlike.message.value == "" and unlike.figure.frames


def test_a_page_without_plotly_gets_an_ordinary_output(words):
    words._picture._handle_custom_msg({"plotly": "missing"}, [])
    assert not isinstance(words._picture, Picture)
    assert words.children[-1] is words._picture
    assert "acting" in tokens(words)
    words.sentence.value = "still drawn"
    assert "drawn" in tokens(words)


def test_the_page_is_sent_no_copy_of_plotly(words):
    assert len(words._picture._esm) < 20_000


def test_one_change_draws_once(words, monkeypatch):
    drawings, draw = [], words.draw
    monkeypatch.setattr(words, "draw", lambda: drawings.append(1) or draw())
    words.sentence.value = "a sentence of quite another length than the first"
    words.examples.value = words.examples.options[1][1]
    assert len(drawings) == 2


def test_while_a_sentence_is_empty_the_last_picture_can_be_clicked_and_stored(words):
    words.second.value = "a bad and truly awful evening"
    words.sentence.value = ""
    assert "The sentence is empty" in words.message.value.replace("\xa0", " ")
    words._picture._handle_custom_msg({"panel": 3, "word": 4}, [])
    assert words.words[1].value == 4
    assert "acting" in words._repr_mimebundle_()[PLOTLY_MIME]["layout"]["yaxis"]["ticktext"]


def test_a_model_runs_only_for_a_new_sentence(words, models, monkeypatch):
    runs = []
    monkeypatch.setattr("kdviz.explore.sentences.encode", lambda *args: runs.append(args) or kd.encode(*args))
    words.reach.value = 3
    words.view.value = "angles at the word"
    words.words[0].value = 2
    assert runs == []
    words.sentence.value = "fresh words"
    assert len(runs) == 1
    words.second.value = "and others"
    assert len(runs) == 2


def test_every_control_has_a_label(words, layers):
    for explorer in (words, layers):
        controls = [control for row in explorer.children[:3] for control in row.children]
        assert len(controls) >= 4
        assert all(control.description for control in controls)


def test_what_a_notebook_stores_holds_the_figure_and_stays_small(words):
    bundle = words._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle[PLOTLY_MIME]["layout"]["meta"]["alt"]
    assert len(json.dumps(bundle)) < 310_000


def test_no_model_is_an_error():
    with pytest.raises(ValueError, match="no model"):
        kd.explore.word_relations([])


def test_every_output_has_a_kind_that_editors_know(words, layers, models):
    """VS Code, Notebook 7 and Colab draw the first of these that they know; each output has one beside its widget."""
    import plotly.io as pio

    for explorer in (words, layers):
        bundle = explorer._repr_mimebundle_()
        assert {"application/vnd.jupyter.widget-view+json", PLOTLY_MIME, "text/html"} <= set(bundle)
        assert len(bundle["text/plain"]) > 20
    figure = kd.figures.word_relation(kd.encode(models, "not bad"))
    drawn = pio.renderers["plotly_mimetype"].to_mimebundle(figure.to_dict())
    drawn |= pio.renderers["kdviz_still"].to_mimebundle(figure.to_dict())
    assert {PLOTLY_MIME, "text/html", "text/plain"} <= set(drawn)
