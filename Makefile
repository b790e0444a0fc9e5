# `make demo` and `make test` need nothing but Python 3.11 or 3.12; `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REQUIREMENTS := pyproject.toml constraints.txt
# pip is silent for minutes; a dot every five seconds says that it is alive. Left to pip, compiling every module of every
# package takes half of that time; Python compiles the few that are imported, once.
install = @echo "installing into $(VENV), for some minutes the first time"; \
	(while sleep 5; do printf . >&2; done) & dots=$$!; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e $(1); \
	code=$$?; kill $$dots; echo >&2; exit $$code
# Also where the environment says not to, what is compiled is kept: each start would otherwise compile all that it
# imports.
export PYTHONDONTWRITEBYTECODE :=
# One thread for each process, and as many processes as there are cores, up to four: each holds a torch of its own.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-slurm campaign lint bench site clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## install, train an Attention U-Net on generated data, say where the results are
	$(BIN)/python src/run.py model=attunet model.width=8 loss=dice optimizer.lr=0.005 scheduler=cosine
	@echo "Results: $$(ls -td outputs/runs/*/ | head -n 1) (scores in summary.json, pictures in figures/)"

test: $(VENV)/.installed-test  ## run tests that touch every promise of the README
	$(PYTEST) $(ARGS)

test-all: $(VENV)/.installed-test  ## run all tests, slow ones too, but those that need a GPU or a Slurm
	$(PYTEST) -m 'not gpu and not slurm' $(ARGS)

test-slurm: $(VENV)/.installed-test  ## sweep by every launcher, with a Slurm of one node that is begun for it (Debian, root)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm tests/slurm $(ARGS)

campaign: $(VENV)/.installed-test  ## try faults and attacks, for about 45 minutes; goes on where it was interrupted
	OMP_NUM_THREADS=1 $(BIN)/python -m campaign $(ARGS)

lint: $(VENV)/.installed-dev  ## ruff check, ruff format --check, mypy, lint-imports, hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

bench: $(VENV)/.installed  ## measure our overhead, reduced precision and the cache, as ratios
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks

site: $(VENV)/.installed-test  ## build the documentation as a site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Documentation: site/index.html (with its search: $(BIN)/python -m http.server -d site)"

clean:  ## remove the environment and tool caches (outputs/ and data caches stay)
	rm -rf $(VENV) build dist site src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks campaign -type d -name __pycache__ -prune -exec rm -rf {} +

# A stamp for each set of packages: pip runs again only when the requirements changed.
$(VENV)/.installed: $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null || \
		{ echo "Python 3.11 or 3.12 is needed, $(PYTHON) is not: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call install,.)
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(call install,'.[test]')
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(call install,'.[dev]')
	@touch $@
