# Each target is one line; what takes more is in scripts/ or in orderbus itself.
# Arguments go through: make demo ARGS=--json, make test-unit ARGS='-k signature'.

.DEFAULT_GOAL := help
.NOTPARALLEL:
BIN := .venv/bin
COMPOSE ?= docker compose --file docker-compose.yml
ARGS ?=
# native, docker or embedded: the provider of every dependency; else the first of these that is here.
PARTS ?=
PROVIDER = $(if $(PARTS),--parts $(PARTS))
# Files and folders whose change starts runserver and test-watch anew.
WATCH ?= orderbus examples .env
# Where CI is set, how much of orderbus a whole floor runs is measured, and may not sink.
COVER = $(if $(CI),$(if $(ARGS),,--cov --cov-report= --cov-fail-under=$(1)))
RELOAD = $(BIN)/python scripts/reload.py $(addprefix --watch ,$(WATCH))
export PYTHON

.PHONY: help demo run venv install services test test-unit test-integration test-fuzz test-e2e test-long test-py313 \
    integration-tests test-stop install-orders install-processor add-dependency check-deploy \
    freeze test-watch run-server create-superuser dlq-list dlq-replay \
    migrate-orders migrate-processor start stop restart restart-web rebuild logs-orders logs-processor \
    check format lint lint-fix bench bench-long lock schema migrate runserver workers subscriber shell createsuperuser \
    parts seed run-docker setup up down logs db-logs pubsub-logs emulator clean reset

help: ## List the targets
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4)} /^[a-z][a-z0-9 -]*:.*## /{printf "  %-17s %s\n", $$1, $$2}' Makefile

## A newcomer's commands
demo: venv ## Send one order all the way to a receiver, print each step, stop everything
	@$(BIN)/orderbus demo $(PROVIDER) $(ARGS)
run: venv ## Start everything in the foreground, on the dependencies that are here
	@$(BIN)/orderbus up $(PROVIDER) $(ARGS)
test: test-stop test-unit test-integration test-fuzz test-e2e integration-tests test-py313 ## Run every test, setting up whatever is missing

## Setting up
venv: .venv/.installed ## Make .venv with what orderbus runs on
install: .venv/.installed-dev ## Make .venv with the tools of a developer too
install-orders install-processor: install ## The same: both services run from one environment
add-dependency: install ## Add a dependency, dep=NAME, to setup.cfg and the lock files, and install it
	@$(BIN)/python scripts/add-dependency.py "$(dep)"
freeze: install ## Print what is installed in .venv, as pip does
	@$(BIN)/python -m pip freeze --exclude-editable
services: ## Install RabbitMQ and PostgreSQL where apt can; say what to do elsewhere
	@scripts/install-services
schema: install parts ## Write migrations/schema.sql anew from the migrations
	@$(BIN)/python scripts/write_schema.py
lock: install ## Write the lock files anew from setup.cfg; ARGS=--upgrade takes newer releases
	@$(BIN)/tox run -e lock -- $(ARGS)

## Checks
test-unit: install ## Run the tests that need nothing running
	$(BIN)/pytest tests/unit $(call COVER,48) $(ARGS)
test-integration: install parts ## Run the tests against PostgreSQL, RabbitMQ and the emulator
	$(BIN)/pytest tests/integration -n 4 $(call COVER,79) $(ARGS)
test-fuzz: install parts ## Send the front door what nobody would think of, for a minute
	$(BIN)/pytest tests/fuzz $(ARGS)
test-e2e: install parts ## Run the tests of the real commands as processes, native and embedded
	$(BIN)/pytest tests/end_to_end -n 2 --dist loadfile $(ARGS) && $(BIN)/pytest tests/end_to_end -n 2 --dist loadfile --parts embedded $(ARGS)
integration-tests: install parts ## Run the tests that speak HTTP alone, against a system of their own
	$(BIN)/pytest integration_tests $(ARGS)
test-stop: ## Stop the containers that a test run which was killed left behind
	@scripts/test-stop
test-long: install parts ## Run the tests that take minutes each
	$(BIN)/pytest tests/long tests/fuzz --fuzz 10 $(ARGS) && $(BIN)/pytest tests/end_to_end -m long $(ARGS)
test-watch: install ## Run the unit tests, and again each time a file changes
	@$(RELOAD) --watch tests -- $(BIN)/pytest tests/unit -q -x $(ARGS)
test-py313: install parts ## Run the unit and integration tests on Python 3.13 and PostgreSQL 17 as well
	@scripts/test-py313 $(ARGS)
check: install ## Check format, lint, room borders, compose file and types
	@$(BIN)/tox run -e lint,types
format: install ## Format the code
	$(BIN)/ruff format .
lint: install ## Lint the code
	$(BIN)/ruff check .
lint-fix: install ## Lint the code and mend what can be mended
	$(BIN)/ruff check --fix .
bench: install parts ## Measure beside peers and pgbench, write the report; ARGS=--quick, or names
	@$(BIN)/python -m bench $(ARGS)
bench-long: install parts ## What takes an hour: half an hour's memory, and ten million rows
	@$(BIN)/python -m bench --long $(ARGS)

## One process each, on the dependencies that .env or the environment names
migrate: venv ## Bring the database, the topics and the subscriptions up to date
	@$(BIN)/orderbus migrate $(ARGS)
migrate-orders migrate-processor: migrate ## The same: both services share one database
check-deploy: venv ## See whether the settings may go to production
	@$(BIN)/orderbus check --deploy $(ARGS)
runserver run-server: venv ## Start the web server, and start it anew when a file changes
	@$(RELOAD) -- $(BIN)/orderbus web $(ARGS)
workers: venv ## Start the workers
	@$(BIN)/orderbus workers $(ARGS)
subscriber: venv ## Start the bridge, which receives the events from Pub/Sub
	@$(BIN)/orderbus bridge $(ARGS)
shell: venv ## Start Python with the settings, the database and the rooms at hand
	@$(BIN)/python -i scripts/shell.py
createsuperuser create-superuser: venv ## Add somebody who may do everything; asks for name and password
	@$(BIN)/orderbus create-superuser $(ARGS)
seed: venv ## Fill an empty catalogue with examples, for development
	@$(BIN)/orderbus seed
dlq-list: venv ## List the dead letters that nobody has decided about
	@$(BIN)/orderbus dead-letters list $(ARGS)
dlq-replay: venv ## Bring all dead letters back on their way; ARGS='--kind delivery' some
	@$(BIN)/orderbus dead-letters redrive --all $(ARGS)

## Docker
setup: .env venv ## Build and start all containers, and wait until they are migrated and healthy
	$(COMPOSE) up --build --detach --wait && echo 'To read orders, make an API key: $(COMPOSE) exec web orderbus keys create NAME'
run-docker: setup ## The same, and fill an empty catalogue with examples
	$(COMPOSE) exec -T -e DEBUG=true web orderbus seed
start: .env ## Build the images and start all containers in the background
	$(COMPOSE) up --build --detach
up: .env ## Start all containers
	$(COMPOSE) up --detach
stop: ## Stop all containers, and keep them
	$(COMPOSE) stop
restart: ## Stop all containers and start them again
	$(COMPOSE) stop && $(COMPOSE) up --detach
restart-web: ## Start the web server's container again
	$(COMPOSE) restart web
rebuild: .env ## Stop, build without the cache, and start
	$(COMPOSE) down && $(COMPOSE) build --no-cache && $(COMPOSE) up --detach
down: ## Stop all containers and remove them
	$(COMPOSE) down
logs: ## Follow the logs of all containers
	$(COMPOSE) logs --follow
logs-orders: ## Follow the logs of the web server's container
	$(COMPOSE) logs --follow web
logs-processor: ## Follow the logs of the workers' container
	$(COMPOSE) logs --follow workers
db-logs: ## Follow the log of the database
	$(COMPOSE) logs --follow db
pubsub-logs: ## Follow the log of the Pub/Sub emulator
	$(COMPOSE) logs --follow pubsub-emulator
emulator: .env ## Start the Pub/Sub emulator alone
	$(COMPOSE) up --detach --wait pubsub-emulator
clean: ## Remove containers and local runs with their data, caches and what was built
	@scripts/clean
reset: clean setup ## Remove everything and set up again

parts:
	@scripts/install-services --optional
.env:
	@scripts/make-env
.venv/.installed: requirements-embedded.lock setup.cfg pyproject.toml
	@scripts/install requirements-embedded.lock && : > $@
.venv/.installed-dev: .venv/.installed requirements-dev.lock
	@scripts/install requirements-dev.lock && : > $@
