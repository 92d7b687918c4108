# Runs with any POSIX make from GNU make 3.81 on. `make` alone lists the targets.

# The first Python that PyTorch has wheels for: the usual one if it fits, else the newest that does.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
    "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1 \
    && echo "$$p" && break; done)
VENV_PYTHON = .venv/bin/python
NEED_PYTHON = @test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.14 found; install one (https://www.python.org/downloads/), or name it: PYTHON=/path/to/python3" >&2; exit 2; }
GRADER = $(VENV_PYTHON) -m autograder $(if $(TERM_NAME),--term "$(TERM_NAME)")
NEED_FROM = @test -n "$(FROM)" || { echo "error: FROM is missing; name the file that Moodle or Canvas made, for example: make $@ FROM=class.csv" >&2; exit 2; }
NEED_LESSON = @test -n "$(LESSON)" || { echo "error: LESSON is missing; name one, for example: make $@ LESSON=04" >&2; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help core dev lab check reset progress submit test lint build site screenshots roster collect grade regrade grade-demo formgrader feedback similarity export baselines bench bench-grading

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

core:
	$(NEED_PYTHON)
	@"$(PYTHON)" tools/bootstrap.py core

dev:
	$(NEED_PYTHON)
	@"$(PYTHON)" tools/bootstrap.py dev

# For students

lab: core ## set everything up, copy new lessons to workbook/, open JupyterLab there (ARGS="--no-browser --port 9999")
	@$(VENV_PYTHON) tools/lab.py $(ARGS)

check: core ## grade your own workbook/ here and now (LESSON=04)
	$(NEED_LESSON)
	@$(GRADER) check "$(LESSON)" $(ARGS)

reset: core ## put a lesson or one exercise back as released, keeping a backup (LESSON=04 EXERCISE=magnitude_scores)
	@$(VENV_PYTHON) tools/reset.py "$(LESSON)" "$(EXERCISE)"

progress: core ## what is done in each lesson of your workbook/
	@$(VENV_PYTHON) -m shrinklab.progress $(ARGS)

submit: core ## make the file to hand in, and say what is not complete (LESSON=04)
	$(NEED_LESSON)
	@$(GRADER) submit "$(LESSON)" $(ARGS)

# For instructors

roster: core ## take a class list from Moodle or Canvas (FROM=class.csv)
	$(NEED_FROM)
	@$(GRADER) roster "$(FROM)" $(ARGS)

collect: core ## take the submissions of Moodle's or Canvas' zip (LESSON=04 FROM=all.zip WORKSHEET=grades.csv)
	$(NEED_LESSON)
	$(NEED_FROM)
	@$(GRADER) collect "$(LESSON)" --from "$(FROM)" $(if $(WORKSHEET),--worksheet "$(WORKSHEET)") $(ARGS)

grade: core ## grade the submissions of a class, write feedback and grades.csv (LESSON=04)
	$(NEED_LESSON)
	@$(GRADER) grade "$(LESSON)" $(ARGS)

regrade: core ## grade one exercise again for everyone; shows who gains or loses (LESSON=04 EXERCISE=prune_mask)
	$(NEED_LESSON)
	@test -n "$(EXERCISE)" || { echo "error: EXERCISE is missing; for example: make regrade LESSON=04 EXERCISE=prune_mask" >&2; exit 2; }
	@$(GRADER) grade "$(LESSON)" --regrade "$(EXERCISE)" $(ARGS)

grade-demo: core ## grade a made class of four, from submission to feedback
	@$(GRADER) grade-demo $(LESSON) $(ARGS)

formgrader: core ## open nbgrader's formgrader on this course
	@$(GRADER) formgrader $(ARGS)

feedback: core ## write the feedback pages again, after marking by hand; ZIP=moodle: to give back (LESSON=04)
	$(NEED_LESSON)
	@$(GRADER) feedback "$(LESSON)" $(if $(ZIP),--zip "$(ZIP)") $(ARGS)

export: core ## write grades into a file that Moodle or Canvas exported (LESSON=04 INTO=grades.csv)
	$(NEED_LESSON)
	@test -n "$(INTO)" || { echo "error: INTO is missing; name Moodle's grading worksheet or Canvas' gradebook: make export LESSON=04 INTO=grades.csv" >&2; exit 2; }
	@$(GRADER) export "$(LESSON)" --into "$(INTO)" $(ARGS)

similarity: core ## which submissions of a lesson are the same after renaming: a table and a page (LESSON=04)
	$(NEED_LESSON)
	@$(GRADER) similarity "$(LESSON)" $(ARGS)

# For maintainers

# A process for each core; each file's tests stay together, long ones start first (tests/conftest.py).
SIDE_BY_SIDE = -n logical --maxprocesses 4 --no-loadscope-reorder

test: dev ## set everything up, with Chromium and bubblewrap, and run what CI runs
	@$(VENV_PYTHON) tools/system.py
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m autograder.authoring build --check
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(VENV_PYTHON) -m pytest $(SIDE_BY_SIDE) $(ARGS)

lint: dev ## ruff on all code and on the lessons' sources
	$(VENV_PYTHON) -m ruff check .

build: core ## lessons: solutions/*.py -> course/; with TERM_NAME=autumn-2026: a release with questions of its own
	$(VENV_PYTHON) -m autograder.authoring build $(if $(TERM_NAME),--term "$(TERM_NAME)") $(ARGS)

site: dev ## the course as web pages, with everything that moves: site/_build/html/index.html
	$(VENV_PYTHON) site

screenshots: dev ## take the README's screenshots with the browser test
	@$(VENV_PYTHON) tools/system.py
	SCREENSHOTS=1 $(VENV_PYTHON) -m pytest tests/browser -k "lessons or lesson" $(ARGS)

baselines: dev ## retrain the bundled networks
	$(VENV_PYTHON) benchmarks/baselines.py $(ARGS)

bench: dev ## tables beside the best tools, into benchmarks/results/ (one of them: ARGS="channels")
	$(VENV_PYTHON) benchmarks $(ARGS)

bench-grading: dev ## grading beside stock nbgrader: throughput, overhead, 1,000 submissions (a part: ARGS="throughput")
	@$(VENV_PYTHON) tools/system.py
	$(VENV_PYTHON) benchmarks/grading.py $(ARGS)
