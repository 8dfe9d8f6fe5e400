# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PYTHON chooses the interpreter (names in order of preference), VENV the folder of its environment:
#   make test PYTHON=python3.13 VENV=.venv-3.13
# ARGS goes to pytest:
#   make test ARGS="-k codec"
PYTHON ?= python3.12 python3.11 python3.13 python3
VENV ?= .venv
ARGS ?=

python := $(shell .ci/find-python $(PYTHON))
# The interpreter is part of the stamp's name, so that another one makes the environment anew.
stamp := $(VENV)/.made-with-$(subst /,_,$(python))
lint_stamp := $(stamp)-lint
molecule_stamp := $(stamp)-molecule
bin := $(VENV)/bin
# Some checkers call ansible's commands by name.
with_path := PATH="$(CURDIR)/$(bin):$$PATH"
pip_install := $(bin)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help venv check lint sanity test test-full test-vm molecule bench demo lab-start lab-stop options docs changelog-lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(stamp) ## make the environment with all that the tests and the lab need

# Linked as an installed collection, so that imports and Ansible find it with no configuration;
# the link is in a folder of its own because mypy does not check what is inside site-packages.
$(stamp): tests/requirements.txt tests/requirements-data.txt
	@test -n "$(python)"
	$(python) -m venv --clear $(VENV)
	$(pip_install) -r tests/requirements.txt
	$(pip_install) --no-deps -r tests/requirements-data.txt
	mkdir -p $(VENV)/collections/ansible_collections/steward
	ln -sfn "$(CURDIR)" $(VENV)/collections/ansible_collections/steward/proxmox
	cd $(VENV)/lib/python3.*/site-packages && ln -sfn ../../../collections/ansible_collections .
	touch $@

$(lint_stamp): $(stamp) tests/requirements-lint.txt
	$(pip_install) --no-warn-conflicts -r tests/requirements-lint.txt
	touch $@

$(molecule_stamp): $(stamp) tests/requirements-molecule.txt
	$(pip_install) --no-warn-conflicts -r tests/requirements-molecule.txt
	touch $@

check: $(stamp) ## ruff and mypy: seconds
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	MYPYPATH=$(VENV)/collections $(bin)/mypy -p ansible_collections.steward.proxmox.plugins -p tests

lint: check $(lint_stamp) ## check, yamllint and ansible-lint
	$(bin)/yamllint --strict .
	$(with_path) $(bin)/ansible-lint

sanity: $(stamp) ## ansible-test sanity
	$(bin)/python tests/sanity/run.py

# Three at a time, on two cores: playbooks wait for the tasks that they started.
test: check ## check, then all tests but the slow ones
	$(bin)/python -m pytest -n 3 -m "not slow" $(ARGS)

test-full: check ## check, then all tests
	$(bin)/python -m pytest -n 3 $(ARGS)

# The first run makes an image, as root, in the user's cache: docs/test-vm.md
test-vm: $(stamp) ## disks, sensors and USB sticks of an emulated Debian 13; not in test-full
	$(bin)/python -m pytest tests/vm $(ARGS)

# Nothing of the user's: neither settings nor another copy of the collection; nor a folder of molecule, which it prunes.
molecule: $(molecule_stamp) ## the scenarios in extensions/molecule, each with a lab of its own
	env -u MOLECULE_EPHEMERAL_DIRECTORY -u MOLECULE_PROJECT_DIRECTORY $(with_path) ANSIBLE_HOME="$(CURDIR)/.ansible" ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/$(VENV)/collections" \
		$(bin)/molecule test --all --no-command-borders

bench: $(stamp) ## measure requests, CPU time, the ledger and the connection pct
	$(bin)/python -m tests.benchmark
	$(bin)/python -m tests.benchmark.ledger
	$(bin)/python -m tests.benchmark.pct

demo: $(stamp) ## the main job from beginning to end, in the lab
	$(bin)/python -m tests.demo

lab-start: $(stamp) ## start a Proxmox lab on loopback, its files in .lab
	$(bin)/python -m tests.lab start --dir .lab

lab-stop: $(stamp) ## stop it
	$(bin)/python -m tests.lab stop --dir .lab

options: $(stamp) ## write docs/options.md from the tables
	$(bin)/python -m tests.options_table

docs: $(lint_stamp) ## check the documentation of all plugins and roles
	$(with_path) $(bin)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .

changelog-lint: $(lint_stamp) ## check the changelog's fragments
	$(bin)/antsibull-changelog lint

clean: ## remove what the targets made
	rm -rf .venv* .lab .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache changelogs/.plugin-cache.yaml
