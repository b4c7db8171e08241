#!/usr/bin/env bash
# Builds libhami_core.so for glibc 2.17 and later, and for musl; usage: tools/build_core.sh VENV OUTPUT [CARGO OPTIONS]
# PLAIN_LAYOUT=1 leaves the order of its parts to the linker (tools/profile_core.sh measures such a one).
set -euo pipefail
venv=$(realpath "$1")
output=$(realpath -m "$2")
mkdir -p "$(dirname "$output")"
shift 2
cd "$(dirname "$0")/.."
triple=$(uname -m)-unknown-linux-gnu
built=$(realpath -m "${CARGO_TARGET_DIR:-target}/$triple/core")

layout=()
if [ -z "${PLAIN_LAYOUT:-}" ]; then
    mkdir -p "$built/layout"
    new=$(mktemp "$built/layout/XXXXXX")
    python3 tools/layout.py script tools/core.ld tools/hot_functions.txt >"$new"
    # Named by its content, since cargo links again when an option changes, not when a file does.
    script=$built/layout/$(sha256sum "$new" | cut -c1-16).ld
    mv "$new" "$script"
    layout=(-- -C "link-arg=-Wl,-T,$script")
fi

# `rustc --crate-type cdylib`: beside an rlib cargo leaves link-time optimisation out (twice the size, slower to load).
PATH="$venv/bin:$PATH" cargo-zigbuild rustc --package hami-core --lib --crate-type cdylib --profile core \
    --target "$triple.2.17" "$@" "${layout[@]}"

# Written beside and renamed, so that a process that runs with the old file keeps it whole.
new=$(mktemp "$output.XXXXXX")
trap 'rm -f "$new"' EXIT
cp "$built/libhami_core.so" "$new"
python3 tools/slim_elf.py "$new"
chmod 755 "$new"
mv -f "$new" "$output"
