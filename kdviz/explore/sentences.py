"""Type a sentence and see how models relate its words (`word_relations`) and its layers (`layer_relations`)."""

from __future__ import annotations

import ipywidgets as widgets

from kdviz import figures
from kdviz.explore.explorer import Explorer
from kdviz.figures import inputs, theme, words
from kdviz.states import encode

EXAMPLES = (
    "the plot is thin but the acting is not bad at all",
    "the acting is bad and not good at all",
    "not a single joke is funny, yet i smiled throughout",
    "the bank by the river lent money to the bank robber",
    "what a waste of a perfectly good evening",
)


class SentenceExplorer(Explorer):
    """A text box, an examples menu and a model picker; `states` gives what the models make of the text.

    beside, more, last : controls beside the text box, those of the row below, and those beside the examples
    """

    def __init__(self, models, text: str | None, beside=(), more=(), last=()):
        self._choices = _choices(list(models) if isinstance(models, (list, tuple)) else [models])
        self._encoded: dict[tuple[str, str], list] = {}
        self.sentence = widgets.Text(
            value=EXAMPLES[0] if text is None else text,
            description="Sentence",
            continuous_update=False,
            placeholder="type a sentence and press Enter",
            layout=_at_most(430),
        )
        offered = [("choose one …", ""), *((theme.shortened(example, 48), example) for example in EXAMPLES)]
        self.examples = widgets.Dropdown(options=offered, description="Examples", layout=_at_most(210))
        self.models = widgets.Dropdown(options=list(self._choices), description="Models", layout=_at_most(230))
        super().__init__([[self.sentence, *beside], more, [self.models, self.examples, *last]])

    def texts(self) -> list[str]:
        return [self.sentence.value]

    def states(self) -> list[list]:
        """For each sentence the States of the chosen models, which run only for what is new."""
        if not self.sentence.value.strip():
            raise ValueError("The sentence is empty: type at least one word and press Enter")
        known, wanted = self._encoded, [(text, self.models.value) for text in self.texts()]
        self._encoded = {key: known.get(key) or encode(self._choices[key[1]], key[0]) for key in wanted}
        return [self._encoded[key] for key in wanted]

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
    """Relations of the words of one sentence or of two, at one layer; a word is chosen by a click or in a menu."""

    def __init__(self, models, text: str | None = None, second: str = ""):
        typed = {"continuous_update": False, "placeholder": "a second sentence, to compare"}
        self.second = widgets.Text(second, description="Second sentence", layout=_at_most(400), **typed)
        self.layer = widgets.SelectionSlider(options=[("0", 0)], description="Layer", layout=_at_most(230))
        self.view = widgets.Dropdown(options=words.QUANTITIES, description="View", layout=_at_most(200))
        self.words = [widgets.Dropdown(description=name, layout=_at_most(160)) for name in ("Word", "Its word")]
        self.reach = widgets.IntSlider(0, 0, 10, description="Window δ (0: all)", layout=_at_most(260))
        self.reach.continuous_update = False
        self._followed: tuple = ()
        self._drawn: list[list] = []  # the States on screen, which stay there while a new text cannot be drawn
        super().__init__(models, text, [self.second], [self.layer, self.view, *self.words], [self.reach])

    def texts(self) -> list[str]:
        return [self.sentence.value] + [self.second.value] * bool(self.second.value.strip())

    def draw(self):
        sentences = self.states()
        steps = inputs.layer_steps(inputs.matched_layers(sentences[0]))["steps"]
        if steps != [label for label, _ in self.layer.options]:
            self.layer.options, self.layer.value = list(zip(steps, range(len(steps)))), len(steps) - 1
        for picker, states in zip(self.words, sentences):
            offer_tokens(picker, states[0].tokens[0])
        chosen, second = sentences[0][0].tokens[0][self.words[0].value], sentences[-1][0].tokens[0]
        if (chosen, second) != self._followed:  # the same word in both, until a reader picks another
            self._followed = chosen, second
            if len(sentences) == 2 and chosen in second:
                self.words[1].value = second.index(chosen)
        self.words[1].layout.display = None if len(sentences) == 2 else "none"
        window = 2 * self.reach.value + 1 if self.reach.value else None
        places = [picker.value for picker in self.words[: len(sentences)]]
        figure = words.chosen_word(sentences, self.layer.value, self.view.value, places, window)
        self._drawn = sentences
        return figure

    def clicked(self, panel: int, word: int) -> None:
        self.words[panel * len(self._drawn) // sum(t.type == "heatmap" for t in self.figure.data)].value = word

    def still(self):
        return figures.word_relation(self._drawn[0])


def word_relations(models, text: str | None = None, second: str = "") -> WordExplorer:
    """Type a sentence and see the relations of its words at a layer; click a word for its row as bars, or its angles.

    models : a Model or a list, teacher first   text, second : the sentences at first, the second to compare, or none
    The controls: both sentences (Enter), examples, models; layer; view (three relations of pairs, angles at a word);
    the chosen word of each sentence; δ (how far apart two words may stand; the window is 2δ+1 words wide).
    What cannot be drawn is said above the picture, which stays.
    """
    return WordExplorer(models, text, second)


class LayerExplorer(SentenceExplorer):
    """Relations of one word's vectors across layers, or the path of every word through the layers."""

    def __init__(self, models, text: str | None = None):
        self.view = widgets.Dropdown(options=["layers of one word", "paths of all words"], description="View")
        self.word = widgets.Dropdown(description="Word")
        super().__init__(models, text, more=[self.view, self.word])

    def draw(self):
        (states,) = self.states()
        offer_tokens(self.word, states[0].tokens[0])
        self.word.disabled = self.view.value == "paths of all words"
        if self.word.disabled:
            return figures.layer_path(states)
        return figures.layer_relation(states, self.word.value)


def layer_relations(models, text: str | None = None) -> LayerExplorer:
    """Type a sentence and see how each word changes from layer to layer; arguments as in `word_relations`."""
    return LayerExplorer(models, text)
