# SPDX-License-Identifier: Apache-2.0
# What one does here; `make help` tells. The work is in tox.ini and lab/.

# A tox of our own, beside its environments.
TOX := .tox/runner/bin/tox

.DEFAULT_GOAL := help
.PHONY: help test lint demo demo-ha ring lab-up lab-down

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: $(TOX)  ## fast tests and linters; no root, no lab
	$(TOX) run-parallel

lint: $(TOX)  ## linters only
	$(TOX) run -e linters

demo:  ## from a bare Debian 12 to a proven cluster, in a lab on this machine; root
	lab/lab demo

demo-ha:  ## the same with three control plane servers and workers of both runtimes; root
	lab/lab demo ha

ring:  ## the whole lab ring on the cluster that stands, losses and rotation included; an hour; root
	$${HEATGEN_LAB_STATE:-/var/lib/heatgen-lab}/venv/bin/pytest -p no:cacheprovider -s tests/lab

lab-up:  ## the lab alone: a real OpenStack in a namespace; root
	lab/lab up

lab-down:  ## end the lab, whatever state it is in; root
	lab/lab down

$(TOX):
	python3 -m venv .tox/runner || { echo "Debian needs: apt-get install python3-venv" >&2; exit 1; }
	.tox/runner/bin/pip install --quiet --disable-pip-version-check tox==4.67.15
