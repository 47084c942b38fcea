# One line per command. All of it lands in .venv and target; `rm -rf .venv target` undoes it.
PYTHON ?= python3
EVENT ?= $(wildcard $(addprefix events/$*/,queued.json wakes.json registration.json stopped.json tick.json))
STACK ?= mayfly
WHERE = --stack $(STACK) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes)
GIVEN = $(if $(VPC),VpcId=$(VPC)) $(if $(SUBNETS),SubnetIds=$(SUBNETS)) $(if $(ALARMS),AlarmTopicArn=$(ALARMS)) $(PARAMETERS)
LOCAL := target/debug/stack
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
export __SAM_CLI_APP_DIR := $(CURDIR)/target/sam/home
# Demo and tests take the functions without link-time optimisation, which is most of the time of their build; bench and deploy take them with it.
demo up test: export CARGO_PROFILE_RELEASE_LTO := off
demo up test: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS := 16
.PHONY: help tools build check docs deny audit openapi browser dynamodb test test-fast simulate bench counts demo promise up down status env deploy undeploy validate shellcheck models

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {gsub(/\$$\$$/, "$$", $$2); printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
tools: .venv/ready ## what is not Rust, into .venv
# Its programs name the place that they were installed at, so a clone that was moved or copied installs them again.
$(if $(filter $(realpath .venv),$(shell cat .venv/ready 2>/dev/null)),,$(eval .PHONY: .venv/ready))
.venv/ready: requirements.txt
	@echo "installing SAM, cargo-lambda and the AWS emulator into .venv (the first time a minute or two)"
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	realpath .venv > $@
models: ## the programs of the local stack, and mayfly
	@echo "building mayfly and the programs of the local stack (the first time some minutes on 2 cores)"
	cargo build $(addprefix -p mayfly-,cli fargate-model github-model local-stack simulator) --bins
build: tools models ## the functions as they run on Lambda, for this machine, and the local stack's programs
	infra/build.sh

check: ## formatting and lints; builds nothing that runs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
docs: ## the documentation of the crates, into target/doc; a broken link fails
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
deny: tools ## licenses and sources of what is linked, by deny.toml
	cargo deny check bans licenses sources
audit: tools ## known vulnerabilities of what is linked; needs the network, for the database at GitHub
	cargo deny check advisories
validate: tools ## the template, by SAM, by cfn-lint in five regions, and its policies by AWS's service authorization reference
	tests/aws/validate.sh
shellcheck: tools ## the scripts that run in containers
	shellcheck runner/*.sh infra/*.sh infra/local/*.sh infra/local/bin/* tests/*.sh tests/aws/*.sh .ci/run

openapi: tools ## what GitHub publishes about its API, into target/openapi
browser: tools ## a headless Chromium for tests, into target/browser (Linux on x86_64)
dynamodb: tools ## Amazon's DynamoDB Local for tests, into target/dynamodb (Linux)
openapi browser dynamodb:
	python tests/$@/fetch.py
test-fast: ## every test that needs neither the local stack nor a browser nor the network, and 20 simulated seeds
	cargo test --workspace --no-fail-fast
	target/debug/simulate --seeds 20
test: check docs deny validate shellcheck build counts openapi browser dynamodb ## every check and every test, simulated days and those over the wire against the local stack included
	tests/everything.sh
simulate: ## stories in virtual time, everything going wrong in them: make simulate SEEDS=1000 START=0
	cargo run --quiet --profile simulation -p mayfly-simulator --bin simulate -- --seeds $(or $(SEEDS),300) --start $(or $(START),0)
bench: counts ## what a delivery costs, as deployed: start-up, time, CPU, memory, size, AWS calls, instructions, against the limits
	python functions/webhook/bench.py target/lambda/mayfly-webhook/bootstrap
counts: build ## what of it can be counted, whatever else the machine does: AWS calls, bytes, instructions (where valgrind is)
	python functions/webhook/bench.py --counts $(if $(CARGO_PROFILE_RELEASE_LTO),--without-lto) target/lambda/mayfly-webhook/bootstrap

promise: ; @echo "$(if $(wildcard target/lambda/mayfly-webhook/bootstrap),the demo takes about 20 seconds once everything is built,the first demo takes about 10 minutes on two cores and 6 GB of disk; nearly all of it is compiling. Later ones take 20 seconds)"
demo: promise build ## thirty jobs of every kind through the local stack, with a table of what became of them
	$(LOCAL) with target/debug/demo
# Only if it is not there: a stack must go down whatever state the sources are in.
$(LOCAL): ; cargo build -p mayfly-local-stack --bin stack
up: build ## the local stack; target/local/stack.json tells where everything is
down: $(LOCAL) ## end the local stack, whatever state it is in
status: $(LOCAL) ## the local stack, if it is up
up down status:
	$(LOCAL) $@
env: $(LOCAL) ## what a shell needs to use the local stack: eval "$$(make -s env)"
	@$(LOCAL) env
invoke-%: $(LOCAL) ## hand an event to a function of the local stack: make invoke-webhook EVENT=events/...
	$(LOCAL) invoke $* $(EVENT)
deploy: tools ## build and deploy to AWS; the first time with VPC=vpc-... SUBNETS=subnet-...,subnet-...; ALARMS=<an SNS topic's ARN> STACK= REGION= PARAMETERS="Key=Value ..." YES=1
	python infra/deploy.py deploy $(strip $(WHERE) $(GIVEN))
undeploy: tools ## delete what was deployed, once its runners ended; STACK= REGION= YES=1; FORCE=1 ends their jobs
	python infra/deploy.py undeploy $(strip $(WHERE) $(if $(FORCE),--force))
