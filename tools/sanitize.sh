#!/usr/bin/env bash
# Runs the crates' own tests under AddressSanitizer with LeakSanitizer, and a hooked program under valgrind. No arguments.
#
# A stable compiler takes -Zsanitizer with RUSTC_BOOTSTRAP=1. ThreadSanitizer would need a standard library built with it
# (-Zbuild-std and the component rust-src), or reports races where there are none; `make model-check` looks for those.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 0 ] || { echo "sanitize.sh: unknown argument '$1': none is accepted" >&2; exit 2; }
triple=$(uname -m)-unknown-linux-gnu
target=${CARGO_TARGET_DIR:-target}
built=${HAMI_ARTIFACTS:-target/release}
command -v valgrind >/dev/null || { echo "sanitize.sh: no valgrind: run \`make setup\`" >&2; exit 2; }

flags=-Zsanitizer=address
[ "$triple" != x86_64-unknown-linux-gnu ] || flags+=" -Ctarget-feature=+cmpxchg16b"
under_asan() {
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags ASAN_OPTIONS=detect_leaks=1 cargo test --locked --target "$triple" \
        --target-dir "$target/sanitize" "$@"
}
under_asan --package shared-region
under_asan --package simulator --lib
# Not hami-core's tests: a program with a dlsym of its own ends by SIGSEGV before the sanitizer has started. Nor the simulated
# driver, which its tests load as a library.

# The library as it is shipped, under a program that allocates. Leaks are not looked for: what a vendor library that was
# closed again leaves behind has no name any more.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
gcc -std=gnu11 -g -D_GNU_SOURCE -Itests/programs -Iffi-headers/include -o "$folder/client" tests/programs/client.c \
    "$built/simgpu-libs/libcuda.so.1"
# Little memory, and no look for leaks: that reads every address that a device may use.
"$built/simgpu" --memory 2GiB -- env LD_PRELOAD="$(realpath "$built/libhami_core.so")" CUDA_DEVICE_MEMORY_LIMIT=1g \
    CUDA_DEVICE_MEMORY_SHARED_CACHE="$folder/region" \
    valgrind --quiet --leak-check=no --error-exitcode=9 \
    "$folder/client" init retain create2 alloc a 64m async b 1m pitch c 1000 1000 info many 100 4096 free-many \
    free a free-async b free c destroy release
