# Everything is done by src/launcher, which needs Python 3.11 or newer and nothing else; this finds it one.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up test run worker migrate demo check bench chaos mutants clean
export ARGS
export LITESTAR_APP ?= app.server:create_app

LAUNCH = @for python in .venv/bin/python python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		PYTHONPATH=src exec $$python -m launcher $@; \
	fi; \
done; \
echo "Cannot go on: Python 3.11 or newer was not found (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv)." >&2; \
echo "Or use containers, which bring their own: docker compose up" >&2; \
exit 1

help:  ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  make test ARGS=\"-k holds\" and make bench ARGS=\"...\" pass arguments on; .env.example lists the settings."

up:  ## everything, until Ctrl-C: packages, database, demo data, API, worker, sandbox
	$(LAUNCH)

test:  ## the whole suite on a PostgreSQL of its own, over all cores
	$(LAUNCH)

run:  ## the API alone
	$(LAUNCH)

worker:  ## the worker alone
	$(LAUNCH)

migrate:  ## bring the database to the newest schema
	$(LAUNCH)

demo:  ## load the demo data again and show the accounts
	$(LAUNCH)

check:  ## format, lint, types, architecture
	$(LAUNCH)

bench:  ## the load generators, on a durable database
	$(LAUNCH)

chaos:  ## the race and failure tests with all their rounds
	$(LAUNCH)

mutants:  ## planted bugs, and the tests that notice them
	$(LAUNCH)

clean:  ## remove .venv, var and the private databases with their data
	$(LAUNCH)
