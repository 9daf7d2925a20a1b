# make lab        open the course in JupyterLab          make lab ARGS=--no-browser on a server
# make test       run every test                          make test ARGS=tests/unit/losses for some of them
# make notebooks  run every lesson: time, memory, size    make notebooks ARGS=02_word_relation for some
# make book       write the course as pages: build/book   make book ARGS=02 for some lessons
# make page       write build/page, where teacher and student run in a browser
# make bench      measure speed and memory                make bench ARGS=word_angle for some
# make lint       format, imports, types: what .pre-commit-config.yaml checks too
# make lock       resolve the dependencies anew
# make address    where this repository is; make address TO=OWNER/REPOSITORY writes it into every badge and link
PYTHON ?= python3
ARGS ?=
KDVIZ := .venv/bin/python -m kdviz.cli

.PHONY: lab test notebooks book page bench lint lock address course

course:
	@$(PYTHON) .ci/prepare.py

lab: course
	@$(KDVIZ) lab $(ARGS)

test:
	@$(PYTHON) .ci/prepare.py test
	@.venv/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

notebooks: course
	@$(KDVIZ) run notebooks $(ARGS)

book: course
	@$(KDVIZ) run book $(ARGS)

page: course
	@$(KDVIZ) page build/page

bench: course
	@$(KDVIZ) run bench $(ARGS)

lint: course
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/mypy
	@.venv/bin/python .ci/stored_blank.py

lock:
	@$(PYTHON) .ci/prepare.py lock

address:
	@$(PYTHON) .ci/address.py $(TO)
