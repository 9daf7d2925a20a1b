"""What kind of answer a task asks for: the one place that knows labels, losses, answers and scores.

`kdviz.data.kind` says what a kind is. Kinds of answers about a text stand here, that of texts in `kdviz.data.language`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from kdviz.data import questions
from kdviz.data.kind import Kind
from kdviz.data.language import LanguageModelling
from kdviz.losses import logits as losses
from kdviz.losses.logits import UNLABELLED


class Classification(Kind):
    """One of several classes. labels (N,) integers, -100 for none; accuracy, macro F1."""

    name, primary, named = "classification", "accuracy", True
    spread: str | None = "share"

    def unlabelled(self, rows, shape=()):
        return np.full(rows, UNLABELLED)

    def known(self, labels):
        return labels != UNLABELLED

    def strata(self, labels):
        return np.asarray(labels)

    def hard(self, logits, labels, *, reduction="mean"):
        return losses.cross_entropy(logits, labels, reduction=reduction)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        return losses.soft_kl(student_logits, teacher_logits, temperature, reduction=reduction)

    def answers(self, logits):
        return logits.argmax(-1)

    def said(self, logits, labels):
        shares = logits.softmax(-1)
        names = [labels[index] for index in shares.argmax(-1).tolist()]
        return {"label": names} | {f"p({label})": shares[:, place].numpy() for place, label in enumerate(labels)}

    def scores(self, logits, labels):
        from sklearn.metrics import f1_score

        guesses = logits.argmax(-1)
        return {
            "accuracy": (guesses == labels).double().mean().item(),
            "loss": F.cross_entropy(logits.double(), labels).item(),
            "macro_f1": float(f1_score(labels, guesses, average="macro")),
        }


class Regression(Kind):
    """A number for each text (STS-B). labels (N,) floats, NaN for none; logits (B, 1); Pearson and Spearman.

    There is nothing to soften: the soft loss is the squared distance to the teacher's value, whatever the temperature.
    """

    name, primary, problem = "regression", "pearson", "regression"
    spread: str | None = "correlation"
    parts = 10  # of equal size, from which rows are drawn

    def unlabelled(self, rows, shape=()):
        return np.full(rows, np.nan)

    def known(self, labels):
        return labels == labels  # noqa: PLR0124  NaN is not equal to itself, in arrays and in tensors

    def strata(self, labels):
        order = np.argsort(np.argsort(np.asarray(labels, float), kind="stable"), kind="stable")
        return order * self.parts // max(1, len(order))

    def hard(self, logits, labels, *, reduction="mean"):
        known, labels = self.known(labels), labels.float()
        gaps = torch.where(known, logits.float().squeeze(-1) - torch.where(known, labels, 0), 0).square()
        return gaps if reduction == "none" else gaps.sum() / known.sum().clamp(min=1)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        return losses.mse(student_logits, teacher_logits, reduction=reduction)

    def answers(self, logits):
        return logits.squeeze(-1)

    def said(self, logits, labels):
        return {labels[0]: logits.squeeze(-1).numpy()}

    def scores(self, logits, labels):
        from scipy import stats

        values, labels = logits.squeeze(-1).double(), labels.double()
        varied = len(labels) > 1 and float(values.std()) > 0 and float(labels.std()) > 0
        found = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
        made = {name: float(of(values, labels).statistic) if varied else 0.0 for name, of in found.items()}
        return made | {"loss": float((values - labels).square().mean())}


class MultiLabel(Kind):
    """Any number of labels for each text. labels (N, C) of 0 and 1, rows of NaN for none; logits (B, C); F1, exact.

    Each label is a question of its own with the answers yes and no: logits (z, 0), probabilities σ(z) and 1 - σ(z).
    The losses are those of two classes, mean over the labels; so the soft one is their τ²·KL [ours].
    """

    name, primary, problem, named = "multi-label", "micro_f1", "multi_label_classification", True

    def unlabelled(self, rows, shape=()):
        return np.full((rows, *(shape or (1,))), np.nan)

    def known(self, labels):
        return labels[:, 0] == labels[:, 0]

    def strata(self, labels):
        """By the rarest label that a row has, so that rare ones are drawn too [ours]."""
        said = np.nan_to_num(np.asarray(labels, float))
        return np.where(said.any(1), np.where(said > 0, said.sum(0), np.inf).argmin(1), said.shape[1])

    def hard(self, logits, labels, *, reduction="mean"):
        if logits.shape != labels.shape:
            shapes = f"labels {tuple(labels.shape)} for logits {tuple(logits.shape)}"
            raise ValueError(f"{shapes}: pass a 0 or a 1 for each row and label")
        known, labels = self.known(labels), labels.float().nan_to_num()
        rows = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none").mean(-1)
        rows = torch.where(known, rows, 0)
        return rows if reduction == "none" else rows.sum() / known.sum().clamp(min=1)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        yes_or_no = [torch.stack([z, torch.zeros_like(z)], -1) for z in (student_logits, teacher_logits)]
        rows = losses.soft_kl(*yes_or_no, temperature, reduction="none").mean(-1)
        return rows if reduction == "none" else rows.mean()

    def answers(self, logits):
        """(N, C) bool: which labels have a probability above ½."""
        return logits > 0

    def said(self, logits, labels):
        names = [tuple(label for label, yes in zip(labels, row) if yes) for row in self.answers(logits).tolist()]
        shares = logits.sigmoid().numpy()
        return {"labels": names} | {f"p({label})": shares[:, place] for place, label in enumerate(labels)}

    def scores(self, logits, labels):
        from sklearn.metrics import f1_score

        guesses, truth = self.answers(logits).numpy(), labels.numpy() > 0
        f1 = {f"{how}_f1": float(f1_score(truth, guesses, average=how, zero_division=0)) for how in ("micro", "macro")}
        loss = self.hard(logits, labels).item()
        return {
            "micro_f1": f1["micro_f1"],
            "macro_f1": f1["macro_f1"],
            "exact": float((guesses == truth).all(1).mean()),
            "loss": loss,
        }


class MultipleChoice(Classification):
    """Which of K endings fits a beginning (HellaSwag). labels (N,) as of classification; logits (B, K); accuracy.

    A row is K texts, the beginning with each ending, and what a network makes of texts is by texts: inputs (B·K, n),
    hidden states (B·K, L+1, n, d), one logit for each. The K logits of a row are its classes.
    """

    name, head, named = "multiple-choice", "MultipleChoice", False

    def choices(self, labels):
        return len(labels)

    def outputs(self, labels):
        return ("fits",)

    def shaped(self, logits, labels):
        if not labels or logits.numel() % len(labels):
            raise ValueError(f"{logits.numel()} texts for {len(labels)} endings: pass all endings of each row")
        return logits.reshape(-1, len(labels))


class QuestionAnswering(Kind):
    """A span of a context, or none (SQuAD 1.1 and 2.0); see `kdviz.data.questions`. Exact match and F1 of words.

    Logits are (B, n, 2), of a start and an end at each token, far below 0 outside of the context. A row is a window of
    a context, its label (N, 2) tokens; the scores are of questions, over all of their windows. In a table the label is
    (N, 2) characters of the context. (0, 0) is "no answer" in both, -100 no label.
    """

    name, primary, head, tokens = "question-answering", "f1", "QuestionAnswering", True
    spread: str | None = "share"  # the F1 of a question lies between 0 and 1: no mean varies more than a share

    def outputs(self, labels):
        return questions.SPAN

    def unlabelled(self, rows, shape=()):
        return np.full((rows, 2), UNLABELLED)

    def known(self, labels):
        return labels[..., 0] != UNLABELLED

    def encode(self, dataset, tokenizer, max_length: int) -> tuple[list, list, np.ndarray, list]:
        """Ids and types of every window, its labels, and the `Window`s."""
        names, count = dataset.column_names, len(dataset)
        spans = np.asarray(dataset["label"][:] if "label" in names else self.unlabelled(count))
        right = dataset["answers"][:] if "answers" in names else [()] * count
        rows = zip(dataset["text"][:], dataset["text_b"][:], self.known(spans), right)
        asked = [questions.Question(*texts, tuple(some) if known else None) for *texts, known, some in rows]
        return questions.windows(tokenizer, asked, spans, max_length)

    def inside(self, logits, input_ids, attention_mask, token_type_ids, tokenizer):
        return questions.inside(logits, input_ids, attention_mask, token_type_ids, tokenizer)

    def strata(self, labels):
        return (np.asarray(labels)[:, 1] > 0).astype(int)  # with an answer, or without

    def hard(self, logits, labels, *, reduction="mean"):
        ends = (losses.cross_entropy(logits[..., end], labels[:, end], reduction=reduction) for end in (0, 1))
        return sum(ends) / 2

    @staticmethod
    def _apart(student_logits, teacher_logits):
        """Both as (B, 2, n), and the tokens that count, (B, 2, n): those inside of the context and the first."""
        student, teacher = student_logits.transpose(1, 2), teacher_logits.transpose(1, 2)
        return student, teacher, student > questions.AWAY / 2

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        student, teacher, mask = self._apart(student_logits, teacher_logits)
        rows = losses.soft_kl(student, teacher, temperature, mask, reduction=reduction)
        return rows if reduction == "mean" else rows.mean(-1)

    def squared(self, student_logits, teacher_logits, *, reduction="mean"):
        student, teacher, mask = self._apart(student_logits, teacher_logits)
        rows = losses.mse(*(torch.where(mask, x, 0) for x in (student, teacher)), reduction="none") * mask.shape[-1]
        rows = (rows / mask.sum(-1).clamp(min=1)).mean(-1)
        return rows.mean() if reduction == "mean" else rows

    def answers(self, logits):
        return questions.best_spans(logits)[1]

    def said(self, logits, labels):
        shares = logits.double().softmax(1).numpy()
        return {f"p({label})": shares[..., place] for place, label in enumerate(labels)}

    def scores(self, logits, labels):
        return {"loss": float(self.hard(logits, labels))}

    def judged(self, logits, rows, threshold=0.0):
        labelled = self._labelled(rows)
        logits, labels = logits[labelled], torch.from_numpy(rows.labels[labelled])
        found = questions.answers(logits, [rows.about[row] for row in labelled])
        f1, exact = questions.measured(found.texts(threshold), found.questions)
        return {"f1": float(f1.mean()), "exact": float(exact.mean())} | self.scores(logits, labels)

    def counted(self, rows):
        return len({id(rows.about[row].question) for row in self._labelled(rows)})

    def given(self, logits, rows, threshold=0.0):
        return torch.from_numpy(questions.answers(logits, rows.about).chosen(threshold))

    def threshold(self, logits, rows):
        labelled = self._labelled(rows)
        return questions.threshold(questions.answers(logits[labelled], [rows.about[row] for row in labelled]))

    def _labelled(self, rows) -> np.ndarray:
        return np.flatnonzero(self.known(rows.labels))


CLASSIFICATION, REGRESSION, MULTI_LABEL = Classification(), Regression(), MultiLabel()
MULTIPLE_CHOICE, QUESTION_ANSWERING, LANGUAGE_MODELLING = MultipleChoice(), QuestionAnswering(), LanguageModelling()
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (CLASSIFICATION, REGRESSION, MULTI_LABEL, MULTIPLE_CHOICE, QUESTION_ANSWERING, LANGUAGE_MODELLING)
}


def kind_of(name: str) -> Kind:
    """The kind of this name. ValueError naming those that there are."""
    if name not in KINDS:
        raise ValueError(f"no kind of task {name!r}: choose among {', '.join(KINDS)}")
    return KINDS[name]
