from . import theme as theme
from .attention_layers import layer_attention as layer_attention, probe_accuracy as probe_accuracy
from .costs import tradeoff as tradeoff
from .factors import factor_shapes as factor_shapes
from .heads import attention as attention
from .layers import layer_path as layer_path, layer_relation as layer_relation
from .picks import picked_copies as picked_copies, picked_share as picked_share
from .rewriting import disagreement as disagreement, rewrites as rewrites
from .samples import (
    checkpoint_search as checkpoint_search,
    curves as curves,
    memorised as memorised,
    sample_weights as sample_weights,
)
from .saving import save as save
from .schedules import growing_teacher as growing_teacher, logit_path as logit_path, schedule as schedule
from .slices import landscape as landscape
from .soft import soft_targets as soft_targets
from .tables import table as table
from .timelapse import replay as replay
from .words import word_angles as word_angles, word_relation as word_relation
