"""Type a sentence and see how models relate its words (`word_relations`) and its layers (`layer_relations`), and, of
models that write, which word they expect next (`next_words`)."""

from __future__ import annotations

import ipywidgets as widgets
import torch

from kdviz import figures
from kdviz.explore.explorer import Explorer
from kdviz.figures import inputs, theme, words
from kdviz.figures.writing import next_log_probs
from kdviz.states import encode

WRITING = (
    "The capital of France is Paris, and the capital of Italy is",
    "One, two, three, four, five,",
    "The plot is thin, but the acting is",
    "She opened the door and saw",
)
EXAMPLES = (
    "the plot is thin but the acting is not bad at all",
    "the acting is bad and not good at all",
    "not a single joke is funny, yet i smiled throughout",
    "the bank by the river lent money to the bank robber",
    "what a waste of a perfectly good evening",
)


class SentenceExplorer(Explorer):
    """A text box, an examples menu and a model picker; `groups` gives what the models make of the text.

    beside, more, last : controls beside the text box, those of the row below, and those beside the examples
    """

    offered = EXAMPLES

    def __init__(self, models, text: str | None, beside=(), more=(), last=()):
        self._choices = _choices(models)
        self._encoded: dict[tuple[str, tuple], list] = {}
        self.sentence = widgets.Text(
            value=self.offered[0] if text is None else text,
            description="Sentence",
            continuous_update=False,
            placeholder="type a sentence and press Enter",
            layout=_at_most(430),
        )
        offered = [("choose one …", ""), *((theme.shortened(example, 48), example) for example in self.offered)]
        self.examples = widgets.Dropdown(options=offered, description="Examples", layout=_at_most(210))
        self.models = widgets.Dropdown(options=list(self._choices), description="Models", layout=_at_most(230))
        super().__init__([[self.sentence, *beside], more, [self.models, self.examples, *last]])

    def texts(self) -> list[str]:
        return [self.sentence.value]

    @property
    def chosen(self) -> list:
        """The models in the picker."""
        return self._choices[self.models.value]

    def groups(self) -> list[list]:
        """States that share their tokens, a list for each sentence, or for each of two models that cut one differently.

        The models run only for what is new.
        """
        if not self.sentence.value.strip():
            raise ValueError("The sentence is empty: type at least one word and press Enter")
        texts = self.texts()
        if len({model.tokenizer_sha256 for model in self.chosen}) == 1:
            wanted = [(text, tuple(self.chosen)) for text in texts]
        elif len(texts) == 1:
            wanted = [(texts[0], (model,)) for model in self.chosen]
        else:
            names = " and ".join(repr(model.name) for model in self.chosen)
            raise ValueError(f"{names} cut texts differently: empty the second sentence, or choose one of the models")
        known = self._encoded
        self._encoded = {key: known.get(key) or encode(list(key[1]), key[0]) for key in wanted}
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
    models = list(models) if isinstance(models, (list, tuple)) else [models]
    if not models:
        raise ValueError("no model to explore: pass one, or a list such as [teacher, student]")
    names = [model.name for model in models]
    names = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, start=1)]
    pairs = {f"{names[0]} | {name}": [models[0], model] for name, model in zip(names[1:], models[1:], strict=True)}
    return pairs | {name: [model] for name, model in zip(names, models, strict=True)}


def bare(token: str) -> str:
    """A token without the marks by which tokenizers tell where a word begins."""
    return token.lstrip("Ġ▁").removeprefix("##").casefold()


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
        groups = self.groups()
        pairs = zip(*inputs.facing_layers(groups))
        steps = inputs.layer_steps([tuple(dict.fromkeys(sum(pair, ()))) for pair in pairs])["steps"]
        if steps != [label for label, _ in self.layer.options]:
            self.layer.options, self.layer.value = list(zip(steps, range(len(steps)))), len(steps) - 1
        for picker, states in zip(self.words, groups):
            offer_tokens(picker, states[0].tokens[0])
        chosen, second = groups[0][0].tokens[0][self.words[0].value], groups[-1][0].tokens[0]
        if (chosen, second) != self._followed:  # the same word in both, until a reader picks another
            self._followed = chosen, second
            alike = [place for place, token in enumerate(second) if bare(token) == bare(chosen)]
            if len(groups) == 2 and alike:
                self.words[1].value = alike[0]
        self.words[1].layout.display = None if len(groups) == 2 else "none"
        window = 2 * self.reach.value + 1 if self.reach.value else None
        places = [picker.value for picker in self.words[: len(groups)]]
        figure = words.chosen_word(groups, self.layer.value, self.view.value, places, window)
        self._drawn = groups
        return figure

    def clicked(self, panel: int, word: int) -> None:
        self.words[panel * len(self._drawn) // sum(t.type == "heatmap" for t in self.figure.data)].value = word

    def still(self):
        several = len({state.name for states in self._drawn for state in states}) > len(self._drawn[0])
        return self.figure if several else figures.word_relation(self._drawn[0])


def word_relations(models, text: str | None = None, second: str = "") -> WordExplorer:
    """Type a sentence and see the relations of its words at a layer; click a word for its row as bars, or its angles.

    models : a Model or a list, teacher first   text, second : the sentences at first, the second to compare, or none
    Models of different tokenizers stand side by side, each with its own words, without a difference.
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
        first = next(iter(_choices(models).values()))
        if len({model.tokenizer_sha256 for model in first}) > 1:
            self.view.value = self.view.options[1]  # all that can be drawn of them
        super().__init__(models, text, more=[self.view, self.word])

    def draw(self):
        groups, paths = self.groups(), self.view.value == "paths of all words"
        offer_tokens(self.word, groups[0][0].tokens[0])
        self.word.disabled = paths
        if paths:
            return figures.layer_path([state for states in groups for state in states])
        if len(groups) == 2:
            names = " and ".join(repr(model.name) for model in self.chosen)
            raise ValueError(f"{names} cut the sentence differently: choose the paths, or one of the models")
        return figures.layer_relation(groups[0], self.word.value)


def layer_relations(models, text: str | None = None) -> LayerExplorer:
    """Type a sentence and see how each word changes from layer to layer; arguments as in `word_relations`."""
    return LayerExplorer(models, text)


class NextWordExplorer(SentenceExplorer):
    """The next word after every prefix of a text, or the text coloured by it."""

    offered = WRITING

    def __init__(self, models, text: str | None = None):
        options = ["next word, prefix by prefix", "the text in colours"]
        self.view = widgets.Dropdown(options=options, description="View", layout=_at_most(260))
        self._known: dict[str, list[str]] = {}  # tokenizer -> its tokens
        super().__init__(models, text, more=[self.view])

    def draw(self):
        groups = self.groups()
        if len(groups) == 2:
            names = " and ".join(repr(model.name) for model in self.chosen)
            raise ValueError(f"{names} know different words: choose one of the models")
        (states,), chosen = groups, self.chosen[0]
        probs = torch.stack(next_log_probs(states)).exp()
        if self.view.value == self.view.options[1]:
            return figures.coloured_text(states)
        if chosen.tokenizer_sha256 not in self._known:
            self._known[chosen.tokenizer_sha256] = chosen.tokenizer.convert_ids_to_tokens(range(len(chosen.tokenizer)))
        known, size = self._known[chosen.tokenizer_sha256], probs.shape[-1]
        known = [*known, *(f"[{place}]" for place in range(len(known), size))][:size]  # a network may have spare rows
        names = [state.name if state.role == "model" else state.role for state in states]
        return figures.next_words(states[0].tokens[0], probs, known, names=names)


def next_words(models, text: str | None = None) -> NextWordExplorer:
    """Type a text and see which word language models expect after each of its prefixes, or where they are unsure.

    models : a Model that writes or a list, teacher first   text : the text at first
    The views: bars of the next word with a slider over the prefixes (`kd.figures.next_words`); the text coloured by
    divergence, acceptance and entropy (`kd.figures.coloured_text`). Models of other tokenizers are seen one by one.
    """
    return NextWordExplorer(models, text)
