import kdviz.course.figures as _course

from . import theme as theme
from .bubbles import measured as measured
from .curves import best_of_draws as best_of_draws, curves as curves, schedule as schedule
from .heads import attention as attention
from .kinds import choices as choices, spans as spans, values as values
from .layers import layer_path as layer_path, layer_relation as layer_relation
from .saving import save as save
from .tables import table as table
from .timelapse import replay as replay
from .words import word_angles as word_angles, word_relation as word_relation
from .writing import coloured_text as coloured_text, next_words as next_words

# of the course, found when asked for
accepted_drafts = _course.accepted_drafts
checkpoint_search = _course.checkpoint_search
disagreement = _course.disagreement
drafted_text = _course.drafted_text
factor_shapes = _course.factor_shapes
growing_teacher = _course.growing_teacher
kept_and_lost = _course.kept_and_lost
landscape = _course.landscape
layer_attention = _course.layer_attention
logit_path = _course.logit_path
memorised = _course.memorised
mode_mass = _course.mode_mass
picked_copies = _course.picked_copies
picked_share = _course.picked_share
probe_accuracy = _course.probe_accuracy
rewrites = _course.rewrites
sample_weights = _course.sample_weights
soft_targets = _course.soft_targets
tradeoff = _course.tradeoff
