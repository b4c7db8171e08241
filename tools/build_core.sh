#!/usr/bin/env bash
# Builds libhami_core.so for glibc 2.17 and later, and for musl; usage: tools/build_core.sh VENV OUTPUT [CARGO OPTIONS]
set -euo pipefail
venv=$(realpath "$1")
output=$(realpath -m "$2")
mkdir -p "$(dirname "$output")"
shift 2
cd "$(dirname "$0")/.."
triple=$(uname -m)-unknown-linux-gnu

# `rustc --crate-type cdylib`: beside an rlib cargo leaves link-time optimisation out (twice the size, slower to load).
PATH="$venv/bin:$PATH" cargo-zigbuild rustc --package hami-core --lib --crate-type cdylib --release \
    --target "$triple.2.17" "$@"

# Written beside and renamed, so that a process that runs with the old file keeps it whole.
new=$(mktemp "$output.XXXXXX")
trap 'rm -f "$new"' EXIT
cp "${CARGO_TARGET_DIR:-target}/$triple/release/libhami_core.so" "$new"
python3 tools/slim_elf.py "$new"
chmod 755 "$new"
mv -f "$new" "$output"
