"""A distillation of language models handed over to another trainer, for what one machine does not hold.

What is written is what transformers and TRL read; docs/language_models.md shows the way there and back.
"""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset

from kdviz.disk import whole_folder
from kdviz.losses.logits import UNLABELLED


def hand_over(folder, teacher, student, task, max_length: int = 128) -> Path:
    """Write teacher, student and texts of a task of language modelling into `folder`, which must not exist yet.

    ``teacher/`` and ``student/`` are transformers folders with the tokenizer; each split that has completions is a
    Parquet file with the columns prompt and completion (text), and input_ids, attention_mask and completion_mask: the
    tokens as kdviz reads them, marks of beginning and end included, and 1 where a token belongs to the completion, its
    end among them. A trainer that takes these columns repeats no cutting into tokens.

    max_length : most tokens of a row, as of `kd.distill`
    Raises ValueError for a task of another kind, and when teacher and student have different tokenizers.
    """
    if not task.kind.writes:
        raise ValueError(f"task {task.name!r} is one of {task.kind.name}: hand over a task of language-modelling")
    if teacher.tokenizer_sha256 != student.tokenizer_sha256:
        raise ValueError(
            f"{teacher.name!r} and {student.name!r} have different tokenizers, so no trainer can compare word with "
            "word: build the student with tokenizer=teacher.tokenizer"
        )
    with whole_folder(folder) as made:
        for name, model in (("teacher", teacher), ("student", student)):
            model.save_pretrained(made / name)
        for split, rows in task.splits.items():
            if table := _rows(rows, student.tokenizer, task.kind, max_length):
                Dataset.from_list(table).to_parquet(made / f"{split}.parquet")
    return Path(folder)


def _rows(dataset, tokenizer, kind, max_length: int) -> list[dict]:
    ids, _, first, _ = kind.encode(dataset, tokenizer, max_length)
    return [
        {
            "prompt": prompt,
            "completion": completion,
            "input_ids": row.tolist(),
            "attention_mask": [1] * len(row),
            "completion_mask": [int(place >= begin) for place in range(len(row))],
        }
        for prompt, completion, row, begin in zip(dataset["text"][:], dataset["label"][:], ids, first.tolist())
        if begin != UNLABELLED
    ]
