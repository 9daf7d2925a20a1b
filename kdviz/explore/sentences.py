"""Type a sentence and see how models relate its words (`word_relations`) and its layers (`layer_relations`)."""

from __future__ import annotations

import ipywidgets as widgets

from kdviz import figures
from kdviz.explore.explorer import Explorer
from kdviz.figures import theme
from kdviz.states import encode

EXAMPLES = (
    "the plot is thin but the acting is not bad at all",
    "the acting is bad and not good at all",
    "not a single joke is funny, yet i smiled throughout",
    "the bank by the river lent money to the bank robber",
    "what a waste of a perfectly good evening",
)


class SentenceExplorer(Explorer):
    """A text box, an examples menu and a model picker; `states` gives what the models make of the text."""

    def __init__(self, models, text: str | None, more: list[widgets.Widget]):
        self._choices = _choices(list(models) if isinstance(models, (list, tuple)) else [models])
        self._encoded: tuple = (None, None)
        self.sentence = widgets.Text(
            value=EXAMPLES[0] if text is None else text,
            description="Sentence",
            continuous_update=False,
            placeholder="type a sentence and press Enter",
            layout=_at_most(640),
        )
        offered = [("choose one …", ""), *((theme.shortened(example, 48), example) for example in EXAMPLES)]
        self.examples = widgets.Dropdown(options=offered, description="Examples", layout=_at_most(380))
        self.models = widgets.Dropdown(options=list(self._choices), description="Models")
        super().__init__([[self.sentence, self.examples], [self.models, *more]])

    def states(self) -> list:
        """States of the chosen models; a model runs only when the sentence or the choice has changed."""
        if not self.sentence.value.strip():
            raise ValueError("The sentence is empty: type at least one word and press Enter")
        wanted = (self.sentence.value, self.models.value)
        if self._encoded[0] != wanted:
            self._encoded = wanted, encode(self._choices[self.models.value], self.sentence.value)
        return self._encoded[1]

    def _changed(self, change=None) -> None:
        if change is not None and change["owner"] is self.examples:
            self.sentence.value = change["new"] or self.sentence.value  # which draws, when it is a new sentence
        else:
            super()._changed(change)


def _at_most(pixels: int) -> widgets.Layout:
    return widgets.Layout(width=f"min({pixels}px, 95%)")


def _choices(models) -> dict[str, list]:
    """What the model picker offers: the first model beside each other one, and each of them alone."""
    if not models:
        raise ValueError("no model to explore: pass one, or a list such as [teacher, student]")
    names = [model.name for model in models]
    names = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, start=1)]
    pairs = {f"{names[0]} | {name}": [models[0], model] for name, model in zip(names[1:], models[1:], strict=True)}
    return pairs | {name: [model] for name, model in zip(names, models, strict=True)}


def offer_tokens(picker: widgets.Dropdown, tokens) -> None:
    """Put a sentence's tokens into a picker; the chosen place is kept when the sentence has it."""
    options = [(f"{place}: {theme.visible(token)}", place) for place, token in enumerate(tokens)]
    if options != list(picker.options):
        place = picker.value
        picker.options = options
        picker.value = place if place is not None and place < len(options) else len(options) // 2


class WordExplorer(SentenceExplorer):
    """Relations of the words of a sentence, in pairs or as angles at a vertex word."""

    def __init__(self, models, text: str | None = None):
        self.view = widgets.Dropdown(options=["pairs of words", "angles at a word"], description="View")
        self.vertex = widgets.Dropdown(description="Vertex", disabled=True)
        look = {"continuous_update": False, "layout": _at_most(420)}
        self.reach = widgets.IntSlider(0, 0, 10, description="Window δ (0: whole sentence)", **look)
        super().__init__(models, text, [self.view, self.vertex, self.reach])

    def draw(self):
        states = self.states()
        offer_tokens(self.vertex, states[0].tokens[0])
        self.vertex.disabled = self.view.value == "pairs of words"
        window = 2 * self.reach.value + 1 if self.reach.value else None
        if self.vertex.disabled:
            return figures.word_relation(states, window=window)
        return figures.word_angles(states, self.vertex.value, window=window)


def word_relations(models, text: str | None = None) -> WordExplorer:
    """Type a sentence and see the relations of its words, pair by pair or as angles at a word you pick.

    models : a Model or a list, teacher first   text : the first sentence
    The controls: sentence (Enter), examples, models, view, vertex (for angles), δ (how far apart two words may
    stand; the window is 2δ+1 words wide). What cannot be drawn is said above the picture, which stays.
    """
    return WordExplorer(models, text)


class LayerExplorer(SentenceExplorer):
    """Relations of one word's vectors across layers, or the path of every word through the layers."""

    def __init__(self, models, text: str | None = None):
        self.view = widgets.Dropdown(options=["layers of one word", "paths of all words"], description="View")
        self.word = widgets.Dropdown(description="Word")
        super().__init__(models, text, [self.view, self.word])

    def draw(self):
        states = self.states()
        offer_tokens(self.word, states[0].tokens[0])
        self.word.disabled = self.view.value == "paths of all words"
        if self.word.disabled:
            return figures.layer_path(states)
        return figures.layer_relation(states, self.word.value)


def layer_relations(models, text: str | None = None) -> LayerExplorer:
    """Type a sentence and see how each word changes from layer to layer; arguments as in `word_relations`."""
    return LayerExplorer(models, text)
