# SPDX-License-Identifier: Apache-2.0
# Targets for developers; `make help` lists them. The commands are defined in tox.ini and lab/.

# The virtual environment for development, which also contains tox.
VENV := .venv
TOX := $(VENV)/bin/tox

.DEFAULT_GOAL := help
.PHONY: help unit test test-coverage lint demo demo-ha ring lab-up lab-down

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

unit: $(VENV)/installed  ## unit tests; 1 min; no tox, no root, no lab
	PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/$(VENV)/pycache \
		$(VENV)/bin/pytest -n 2 --dist worksteal -m "not replay"

test: $(VENV)/installed  ## all fast tests, linters and documents; no root, no lab
	$(TOX) run-parallel

test-coverage: $(VENV)/installed  ## the same, and fail if branch coverage has decreased
	$(TOX) run-parallel -e linters,coverage,blocks,heat,tosca,docs

lint: $(VENV)/installed  ## linters only
	$(TOX) run -e linters

demo:  ## create a cluster in a lab on this machine and check it; root
	lab/lab demo

demo-ha:  ## the same with three control-plane nodes and workers with both runtimes; root
	lab/lab demo ha

ring:  ## all tests on the running cluster, including losses and rotation; over an hour; root
	$${HEATGEN_LAB_STATE:-/var/lib/heatgen-lab}/venv/bin/pytest -p no:cacheprovider -s tests/lab

lab-up:  ## start only the lab: a real OpenStack in a namespace; root
	lab/lab up

lab-down:  ## remove the lab, in any state; root
	lab/lab down

# uv installs in seconds, pip in minutes.
$(VENV)/installed: setup.cfg pyproject.toml
	python3 -m venv --clear $(VENV) || { echo "on Debian, run: apt-get install python3-venv" >&2; exit 1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --editable . --group test --group tox
	touch $@
