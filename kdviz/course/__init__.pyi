from . import check as check
from .results import recorded as recorded
