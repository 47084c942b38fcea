#!/usr/bin/env bash
# Builds the six functions for this machine and packs them as `sam` deploys them. `make build` calls
# it, which sets PATH, and CARGO_PROFILE_RELEASE_LTO for demo and tests.
set -euo pipefail
cd "$(dirname "$0")/.."

# cargo's bar names the crates that compile at this moment. cargo-lambda stands between cargo and
# the terminal, so cargo would show none.
if [ -n "${MAKE_TERMERR:-}" ]; then
    export CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=80
fi

# cargo builds the functions all at once, on all cores; sam goes through them one by one and finds them done.
minutes=8
if [ -n "${CARGO_PROFILE_RELEASE_LTO:-}" ]; then minutes=5; fi
echo "building the six functions (the first time some $minutes minutes on 2 cores)"
cargo lambda build --release

echo "packing the functions with sam (some seconds)"
cd infra
# Lambda's name for this machine: the local stack runs the functions as they are.
architecture=$(uname -m)
sam build --config-env local --parameter-overrides "Architecture=${architecture/aarch64/arm64}"
