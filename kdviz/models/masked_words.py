"""What word could stand here? The packaged MiniLM with a masked-word head, adapted to the texts of the embedded tasks.

MiniLM was packaged without such a head. The one kept in ``data/masked_words`` (made by
``python -m data.make.masked_words``) is BERT's: a dense layer, a norm, and the model's own word table.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from kdviz.hub import quiet
from kdviz.models.load import SAFE
from kdviz.models.teachers import checked_adapter
from kdviz.models.tokenizers import load_tokenizer, verified_folder
from kdviz.paths import restore
from kdviz.states import text_to_ids

Span = tuple[int, int]
BATCH = 64  # texts read at a time
LIKELIEST = 20  # words that one is drawn among: far down the list most words are wrong
MAX_LENGTH = 128


class MaskedWords(nn.Module):
    """Scores of words for hidden places. words (W,): the tokenizer ids that may be written; the table is the body's."""

    def __init__(self, body, tokenizer, words: Tensor):
        super().__init__()
        self.body, self.tokenizer = body, tokenizer
        width = body.config.hidden_size
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(len(words)))
        self.register_buffer("words", words)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, hidden: Tensor) -> Tensor:
        """ids (B, n) with [MASK] in them, hidden (B, n) bool with k places -> (k, W), row by row."""
        states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[hidden]
        return self.norm(F.gelu(self.dense(states))) @ self.body.get_input_embeddings().weight[self.words].T + self.bias

    def head(self) -> dict[str, Tensor]:
        """What is trained beside the body, and the ids of the words, by name."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("body.")}

    def put_head(self, head: dict[str, Tensor]) -> None:
        """Take over what `head` gave, in whatever number type it was stored."""
        for name, tensor in self.head().items():
            tensor.copy_(head[name])

    @torch.inference_mode()
    def fill(self, texts: list[str], places: list[list[Span]], seeds: list[int]) -> list[list[str]]:
        """A word for every place of every text, drawn among the 20 likeliest ones by their probability.

        places : per text, (start, end) of the words that the model must not see, in the order of the text
        seeds  : per text, of its draws
        Text is data: a typed "[MASK]" is read as it stands. A place that begins after 128 tokens keeps its word.
        """
        found: list[list[str]] = [[] for _ in texts]
        for start in range(0, len(texts), BATCH):
            rows = range(start, min(start + BATCH, len(texts)))
            ids, mask, hidden, read = self._hide([texts[row] for row in rows], [places[row] for row in rows])
            likely, which = self(ids, mask, hidden).topk(min(LIKELIEST, len(self.words)))
            scores = iter(zip(likely, self.words[which].tolist()))
            for row, seen in zip(rows, read):
                noise = torch.Generator().manual_seed(seeds[row])
                for span, visible in zip(places[row], seen):
                    if not visible:
                        found[row].append(texts[row][slice(*span)])
                        continue
                    score, words = next(scores)
                    drawn = torch.multinomial(score.softmax(-1), 1, generator=noise).item()
                    found[row].append(self.tokenizer.convert_ids_to_tokens(words[drawn]))
        return found

    def _hide(self, texts, places):
        """ids, mask, hidden (B, n), per text and place whether it was read. A word of several pieces is one [MASK]."""
        how = {"truncation": True, "max_length": MAX_LENGTH, "return_offsets_mapping": True}
        encoding = text_to_ids(self.tokenizer, texts, **how)
        rows, read = [], []
        for ids, offsets, spans in zip(encoding["input_ids"], encoding["offset_mapping"], places):
            seen, row = set(), []
            for token, (begin, end) in zip(ids, offsets):
                inside = next((k for k, span in enumerate(spans) if begin < end and span[0] <= begin < span[1]), None)
                if inside is None or inside not in seen:
                    row.append(token if inside is None else self.tokenizer.mask_token_id)
                seen.add(inside)
            rows.append(torch.tensor(row))
            read.append([k in seen for k in range(len(spans))])
        ids = pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        return ids, mask, ids == self.tokenizer.mask_token_id, read


def encoder():
    """The packaged MiniLM's layers, without a head."""
    from transformers import BertModel

    with quiet():
        return BertModel.from_pretrained(str(verified_folder()), dtype=torch.float32, add_pooling_layer=False, **SAFE)


@lru_cache(maxsize=1)
def load_masked_words(folder: Path) -> MaskedWords:
    """The masked-word model kept in `folder`, ``data/masked_words``: adapter merged in, ready to `fill`.

    Raises FileNotFoundError or ValueError naming the file and the command that restores it.
    """
    from peft import PeftModel
    from safetensors.torch import load_file

    folder = Path(folder)
    fix = f"restore it with: {restore('data/masked_words', 'python -m data.make.masked_words')}"
    files = [folder / name for name in ("adapter_config.json", "adapter_model.safetensors", "head.safetensors")]
    checked_adapter(files, folder / "log.json", fix)
    head = load_file(files[2])
    with quiet():
        body = PeftModel.from_pretrained(encoder(), str(folder), local_files_only=True).merge_and_unload().float()
    model = MaskedWords(body, load_tokenizer(), head["words"].long())
    model.put_head(head)
    return model.requires_grad_(False).eval()
