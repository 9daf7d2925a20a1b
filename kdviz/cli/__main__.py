"""``python -m kdviz.cli``: what `accelerate launch -m kdviz.cli distill …` runs."""

import sys

from kdviz.cli import main

sys.exit(main())
