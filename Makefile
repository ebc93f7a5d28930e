# The front door. Each target is a thin call; everything it needs is in this repository's files.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
WORKERS ?= 3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# pip compiles on one core; here all of them do, once it is through. As with pip, a file that this
# Python can't read (a test of a newer one) is left as it is.
INSTALL := $(PIP) install --quiet --no-compile
COMPILE := $(BIN)/python -c "import compileall; compileall.compile_dir('.venv/lib', quiet=2, workers=0)"

.PHONY: demo up test check deep bench css vendor openapi lock clean

demo: .venv/.ready  ## the main job on real text; FILE=my.csv for yours, ARGS=--once to stop at the end
	$(BIN)/modelyard demo $(if $(FILE),--file "$(FILE)") $(ARGS)

up: .venv/.ready  ## the whole product on this machine
	$(BIN)/modelyard up $(ARGS)

test: .venv/.ready-dev node_modules/.ready check  ## static checks and all tests, on real parts
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/.ready-dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

deep: .venv/.ready-dev node_modules/.ready  ## the long form of the tests: more seeds and stories
	MODELYARD_DEEP=1 $(BIN)/python -m pytest tests --ignore=tests/bench $(ARGS)

bench: .venv/.ready-dev  ## ratios of interleaved runs, see docs/benchmarks.md
	$(BIN)/python -m pytest tests/bench -q -s $(ARGS)

css: node_modules/.ready  ## compile static/css/app.css (committed)
	npm run css

vendor: node_modules/.ready  ## bundle third-party modules into static/vendor (committed)
	npm run vendor

openapi: .venv/.ready  ## write docs/api/openapi.json anew
	DJANGO_SETTINGS_MODULE=modelyard.settings.test $(BIN)/python -m modelyard spectacular --format openapi-json --validate --file docs/api/openapi.json

lock: .venv/.ready-dev  ## pin every dependency anew
	$(BIN)/python .ci/lock.py
	$(BIN)/python .ci/image_locks.py

clean:
	rm -rf .venv node_modules var

.venv/.made:
	$(PYTHON) -m venv .venv
	touch $@

.venv/.ready: .venv/.made requirements.lock pyproject.toml
	$(INSTALL) torch==2.13.0
	$(INSTALL) --no-deps --require-hashes -r requirements.lock
	$(INSTALL) --no-deps -e .
	$(COMPILE)
	touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.lock
	$(INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	$(COMPILE)
	touch $@

node_modules/.ready: package.json package-lock.json
	npm ci --no-audit --no-fund --ignore-scripts
	touch $@
