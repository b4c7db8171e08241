#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS (600); what it has found useful stays in target/fuzz/corpus. Usage: tools/fuzz.sh [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-600}
folder=${CARGO_TARGET_DIR:-target}/fuzz
triple=$(uname -m)-unknown-linux-gnu

# What cargo-fuzz passes, for a stable compiler. --target: build scripts are not instrumented.
coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
[ "$triple" != x86_64-unknown-linux-gnu ] || coverage+=(-Ctarget-feature=+cmpxchg16b)
RUSTFLAGS="${coverage[*]}" cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target "$triple" \
    --target-dir "$folder"

[ $# -gt 0 ] || set -- size region visible_devices
for target; do
    mkdir -p "$folder/corpus/$target" "$folder/findings"
    "$folder/$triple/release/$target" -max_total_time="$seconds" -print_final_stats=1 -timeout=10 -verbosity=0 \
        -artifact_prefix="$folder/findings/$target-" "$folder/corpus/$target" 2>&1 |
        sed "s/^/$target: /"
done
