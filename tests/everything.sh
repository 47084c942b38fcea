#!/usr/bin/env bash
# Every test, once all is built: `make test` calls it after its checks and builds, and sets PATH.
# FRESH=N: how many of the simulator's seeds come from the clock. The first of them is printed.
set -euxo pipefail
cd "$(dirname "$0")/.."

# Where a browser and DynamoDB Local can be had, their tests must not be left out.
case "$(uname -s)-$(uname -m)" in
Linux-x86_64) export MAYFLY_BROWSER=required MAYFLY_DYNAMODB_LOCAL=required ;;
Linux-aarch64) export MAYFLY_DYNAMODB_LOCAL=required ;;
esac
# Every request of the stories to an AWS API, which recorded.py then holds to AWS's own descriptions.
export MAYFLY_REQUESTS=target/requests

python runner/tests/signature.py
python infra/tests/run.py
cargo test --workspace --no-run
rm -rf "$MAYFLY_REQUESTS"
target/debug/simulate --seeds 200 --fresh "${FRESH:-5}"
target/debug/stack with cargo test --workspace --no-fail-fast -- --include-ignored --skip on_a_bare_stack
target/debug/stack bare cargo test --workspace --test stories on_a_bare_stack -- --include-ignored
python tests/aws/recorded.py "$MAYFLY_REQUESTS"
