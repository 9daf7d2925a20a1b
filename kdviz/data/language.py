"""Language modelling: the answer to a prompt is a text, and every token of it is predicted from those before it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import datasets
import numpy as np
import torch

from kdviz.data.files import Table
from kdviz.data.kind import Kind
from kdviz.losses import language, logits as losses
from kdviz.losses.logits import UNLABELLED
from kdviz.states import text_to_ids

COLUMNS = ("prompt", "completion")
FEATURES = datasets.Features({"text": datasets.Value("string"), "label": datasets.Value("string")})
MOST = 700.0  # nats: e to the power of more is no number of a file


@dataclass(frozen=True)
class Stored:
    """The k likeliest next tokens at each position, in the place of a teacher's logits (B, n, V).

    ids : (B, n, k)   log_probs : (B, n, k), of all V tokens together, so that the mass of the others is known
    """

    ids: torch.Tensor
    log_probs: torch.Tensor

    def __mul__(self, factor):
        raise ValueError(f"this method needs all logits, the cache keeps {self.ids.shape[-1]}: leave cache_top out")

    __rmul__ = __mul__


class LanguageModelling(Kind):
    """The next token at every position of a completion. Logits (B, n, V) over the tokenizer's ids.

    In a table the label is the completion of the prompt in ``text`` (which is "" for a text alone), None where nobody
    wrote one. Among `kdviz.data.batches.Rows` it is the place of the completion's first token, -100 for none. In a
    batch it is (B, n): at each position the token that comes *next*, -100 where that is part of the prompt or padding.
    `targets` is the only place that shifts by one; losses and scores lay logits and labels side by side.

    mask : (B, n), positions that count for `soft` and `squared`, from `of`; None counts all of them
    """

    name, primary, head, tokens, writes = "language-modelling", "log_likelihood", "CausalLM", True, True

    def __init__(self, mask: torch.Tensor | None = None):
        self.mask = mask

    def outputs(self, labels):
        return ("token",)

    def of(self, batch):
        return self if batch is None else LanguageModelling(batch.labels != UNLABELLED)

    def unlabelled(self, rows, shape=()):
        return np.full(rows, None)

    def known(self, labels):
        if labels.ndim == 2:
            return (labels != UNLABELLED).any(1)
        if isinstance(labels, np.ndarray) and labels.dtype.kind in "OU":
            return np.array([label is not None for label in labels], bool)
        return labels != UNLABELLED

    def encode(self, dataset, tokenizer, max_length: int) -> tuple[list, list, np.ndarray, list]:
        """Ids and types of every row, and the place of its first completion token.

        A row is a mark of the beginning, prompt, completion and a mark of the end, so far as the tokenizer has them;
        prompt and completion are cut into tokens each by itself. What is longer than max_length is cut off, and a
        prompt that leaves no room is a row without a completion.
        """
        plain = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
        written = dataset["label"][:] if "label" in dataset.column_names else [None] * len(dataset)
        prompts, completions = (
            text_to_ids(tokenizer, [text or "" for text in texts], **plain)["input_ids"]
            for texts in (dataset["text"][:], written)
        )
        (begin, end), ids, first = marks(tokenizer), [], []
        for prompt, completion, text in zip(prompts, completions, written):
            before, known = [*begin, *prompt], text is not None
            row = np.array([*before, *completion, *(end if known else ())], np.int64)[:max_length]
            ids.append(row if len(row) else np.array([tokenizer.pad_token_id], np.int64))
            first.append(max(1, len(before)) if known and len(row) > max(1, len(before)) else UNLABELLED)
        return ids, [np.zeros_like(row) for row in ids], np.array(first, np.int64), []

    def targets(self, labels, input_ids, attention_mask):
        following = np.roll(input_ids, -1, 1)
        place = np.arange(1, input_ids.shape[1] + 1)  # of what comes next
        counted = (place >= labels[:, None]) & (labels[:, None] != UNLABELLED)
        return np.where(counted & (place < attention_mask.sum(1, keepdims=True)), following, UNLABELLED)

    def strata(self, labels):
        return np.zeros(len(labels), int)

    def hard(self, logits, labels, *, reduction="mean"):
        counted = labels != UNLABELLED
        tokens = losses.cross_entropy(logits[counted], labels[counted], reduction="none")
        return _mean(tokens, counted, reduction)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        counted = self._counted(student_logits)
        if isinstance(teacher_logits, Stored) and temperature != 1:
            problem = f"temperature={temperature}, but what is stored of the teacher are probabilities at 1"
            raise ValueError(f"{problem}: pass temperature=1, or leave cache_top out")

        def loss(rows):
            given = student_logits[rows], counted[rows]
            if isinstance(teacher_logits, Stored):
                stored = teacher_logits.ids[rows], teacher_logits.log_probs[rows]
                return language.sparse_kl(given[0], *stored, given[1])
            return language.forward_kl(given[0], teacher_logits[rows], given[1], temperature=temperature)

        if reduction == "mean":
            return loss(slice(None))
        return torch.stack([loss(slice(row, row + 1)) for row in range(len(counted))])

    def squared(self, student_logits, teacher_logits, *, reduction="mean"):
        counted = self._counted(student_logits)
        if isinstance(teacher_logits, Stored):
            teacher_logits = 1 * teacher_logits  # refused there, by name
        tokens = losses.mse(student_logits[counted], teacher_logits[counted], reduction="none")
        return _mean(tokens, counted, reduction)

    def _counted(self, logits) -> torch.Tensor:
        shape = logits.shape[:2]
        if self.mask is None:
            return torch.ones(shape, dtype=torch.bool, device=logits.device)
        if self.mask.shape != shape:
            raise ValueError(
                f"logits of {tuple(shape)} tokens, but those of a batch of {tuple(self.mask.shape)} count: "
                "take the kind of that batch, task.kind.of(batch)"
            )
        return self.mask

    def answers(self, logits):
        """(N, n) the likeliest next token at each position."""
        return logits.argmax(-1)

    def said(self, logits, labels):
        return {labels[0]: self.answers(logits).tolist()}

    def kept(self, logits, labels):
        """(B, n, 3) of each position: log probability of the label, whether it is the likeliest, whether it counts."""
        counted = labels != UNLABELLED
        made = logits.new_zeros((*labels.shape, 3), dtype=torch.float32)
        chosen, right = logits[counted].float(), labels[counted]
        of_label = chosen.gather(-1, right[:, None])[:, 0] - chosen.logsumexp(-1)
        made[counted] = torch.stack([of_label, chosen.argmax(-1) == right, torch.ones_like(of_label)], -1)
        return made

    def scores(self, logits, labels):
        return _scores(self.kept(logits, labels))

    def judged(self, logits, rows, threshold=0.0):
        return _scores(logits)

    def given(self, logits, rows, threshold=0.0):
        """(N,) log probability of each row's completion, end included; 0 for a row without one."""
        return logits[..., 0].double().sum(1)


def _mean(tokens, counted, reduction: str):
    """Mean of what counts, of all together or of each row; 0 where nothing does."""
    if reduction == "mean":
        return tokens.sum() / max(1, len(tokens))
    rows = counted.nonzero()[:, 0]
    sums = tokens.new_zeros(len(counted)).index_add(0, rows, tokens)
    return sums / counted.sum(1).clamp(min=1)


def _scores(kept) -> dict[str, float]:
    """log_likelihood: mean over the tokens, in nats. exact: share of completions of which every token is the likeliest,
    so that a greedy reader of the prompt writes just them."""
    of_label, right, counted = kept.double().unbind(-1)
    tokens, known = counted.sum(), counted.any(1)
    loss = -(of_label.sum() / tokens).item()
    return {
        "log_likelihood": -loss,
        "perplexity": math.exp(min(loss, MOST)),
        "token_accuracy": (right.sum() / tokens).item(),
        "exact": (right.sum(1) == counted.sum(1))[known].double().mean().item(),
        "loss": loss,
    }


def marks(tokenizer) -> tuple[list[int], list[int]]:
    """The ids that begin and end a text, an empty list for a mark that the tokenizer does not have.

    The beginning is the token made for it (bos, or BERT's [CLS]); else the end of the text before, as in GPT-2.
    """
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "cls", "eos", "sep")}
    first = lambda *names: [ids[name] for name in names if ids[name] is not None][:1]
    return first("bos", "cls", "eos"), first("eos", "sep")


def written_of(table: Table, columns: dict[str, str], labelled: bool = True) -> datasets.Dataset:
    """A split of a task of language modelling: the prompt as text, the completion as label.

    columns : what the table calls prompt and completion, or text (a text alone, of which every token counts)
    labelled : False leaves the completions out
    Raises BadFile by row and column for what is no text, and for columns that are missing.
    """
    table = table.called(columns)
    names = [name for name in (*COLUMNS, "text") if name in table.columns]
    found = ", ".join(table.columns)
    if "prompt" not in names and ("text" not in names or not labelled):
        column, fix = ("text", "prompt and completion, or text") if labelled else ("prompt", "prompt")
        problem = f"the column is missing; there are: {found}"
        raise table.bad(
            problem, f"Rename the columns that hold {fix}, or say so: columns={{{column!r}: …}}", None, column
        )
    if "prompt" not in names:
        return datasets.Dataset.from_dict({"text": [""] * len(table), "label": table.texts("text")}, features=FEATURES)
    if labelled and "completion" not in names:
        fix = "Add it; prompts that nobody has completed go into transfer=…"
        raise table.bad(f"the column is missing; there are: {found}", fix, column="completion")
    labels = table.texts("completion") if labelled else [None] * len(table)
    return datasets.Dataset.from_dict({"text": table.texts("prompt"), "label": labels}, features=FEATURES)
