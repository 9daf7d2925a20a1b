from . import (
    course as course,
    data as data,
    explore as explore,
    figures as figures,
    losses as losses,
    methods as methods,
    models as models,
    relations as relations,
    robustness as robustness,
    training as training,
)
from .analysis import compare as compare, recommend as recommend
from .course import check as check
from .course.results import recorded as recorded
from .data.load import load_task as load_task
from .data.task import Task as Task
from .figures import save as save, theme as theme
from .methods import (
    ALPKD as ALPKD,
    CKD as CKD,
    GKD as GKD,
    KD as KD,
    PD as PD,
    PKD as PKD,
    RKD as RKD,
    RWKD as RWKD,
    SWA as SWA,
    TAKD as TAKD,
    AnnealingKD as AnnealingKD,
    CoDistillation as CoDistillation,
    CombinedKD as CombinedKD,
    ContinuationKD as ContinuationKD,
    DistilBERT as DistilBERT,
    Glitter as Glitter,
    HardKD as HardKD,
    KroneckerBERT as KroneckerBERT,
    LabelRefinement as LabelRefinement,
    LabelsOnly as LabelsOnly,
    MateKD as MateKD,
    Method as Method,
    MiniLM as MiniLM,
    MobileBERT as MobileBERT,
    Phase as Phase,
    ProKD as ProKD,
    SeqKD as SeqKD,
    TinyBERT as TinyBERT,
    UniversalKD as UniversalKD,
)
from .models.kronecker import compress as compress
from .models.students import build_student as build_student
from .models.teachers import load_student as load_student, load_teacher as load_teacher
from .page.build import save_page as save_page
from .states import States as States, encode as encode
from .training.distill import distill as distill
from .training.measure import measure as measure
from .training.run import Run as Run
from .training.tune import tune as tune

__version__: str
