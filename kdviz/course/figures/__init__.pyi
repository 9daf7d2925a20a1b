from .attention_layers import layer_attention as layer_attention, probe_accuracy as probe_accuracy
from .costs import tradeoff as tradeoff
from .factors import factor_shapes as factor_shapes
from .language import (
    accepted_drafts as accepted_drafts,
    drafted_text as drafted_text,
    kept_and_lost as kept_and_lost,
    mode_mass as mode_mass,
)
from .logits import (
    doubts as doubts,
    growing_teacher as growing_teacher,
    logit_path as logit_path,
    soft_targets as soft_targets,
)
from .matches import brought_nearer as brought_nearer
from .picks import picked_copies as picked_copies, picked_share as picked_share
from .rewriting import disagreement as disagreement, rewrites as rewrites
from .samples import checkpoint_search as checkpoint_search, memorised as memorised, sample_weights as sample_weights
from .slices import landscape as landscape
