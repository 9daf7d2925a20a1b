"""Distillation losses: pure functions, tensors in, scalar out. They need torch and numpy; numba makes them faster.

logits     : what the classifier says (Hinton et al. 2015)
contextual : relations between words and between layers (Park et al. 2021), from Gram matrices
language   : language models, over the vocabulary at every position (forward and reverse KL, GKD, DistiLLM, ULD, top-k)
features   : hidden states, attention maps, and relations between sentences (the methods CKD is compared with)
fast       : the sums that `contextual` defines, faster
"""

from kdviz.losses import contextual, features, language, logits

__all__ = ["contextual", "features", "language", "logits"]
