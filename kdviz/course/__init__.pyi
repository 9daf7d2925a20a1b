from . import check as check
from .digits import teacher_path as teacher_path
from .results import chosen as chosen, recorded as recorded
