from .annealing import AnnealingKD as AnnealingKD
from .base import At as At, Method as Method, Phase as Phase, StepInfo as StepInfo
from .baselines import (
    PKD as PKD,
    RKD as RKD,
    DistilBERT as DistilBERT,
    MiniLM as MiniLM,
    MobileBERT as MobileBERT,
    TinyBERT as TinyBERT,
)
from .ckd import CKD as CKD
from .combined_kd import CombinedKD as CombinedKD
from .continuation import ContinuationKD as ContinuationKD
from .glitter import Glitter as Glitter
from .kd import KD as KD, HardKD as HardKD, LabelsOnly as LabelsOnly
from .kronecker import KroneckerBERT as KroneckerBERT
from .mate_kd import MateKD as MateKD
from .noisy import CoDistillation as CoDistillation, LabelRefinement as LabelRefinement
from .pd import PD as PD
from .pro_kd import ProKD as ProKD
from .rw_kd import RWKD as RWKD
from .swa import SWA as SWA
from .takd import TAKD as TAKD
from .universal_kd import ALPKD as ALPKD, UniversalKD as UniversalKD
from .written import GKD as GKD, SeqKD as SeqKD
