#!/usr/bin/env bash
# Writes tools/hot_functions.txt anew: the functions of libhami_core.so that every process with a device runs, as valgrind
# sees them run in the benchmarks' client. After `make build`; usage: tools/profile_core.sh VENV
set -euo pipefail
venv=$(realpath "$1")
cd "$(dirname "$0")/.."
artefacts=${HAMI_ARTIFACTS:-${CARGO_TARGET_DIR:-target}/release}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
library=$folder/libhami_core.so
PLAIN_LAYOUT=1 tools/build_core.sh "$venv" "$library" --locked

export LD_LIBRARY_PATH=$(realpath "$artefacts/simgpu-libs")
sources=(-O2 -I benches/client -I ffi-headers/include benches/client/*.c)
gcc "${sources[@]}" -DDOOR_DIRECT -o "$folder/direct" -L "$LD_LIBRARY_PATH" -lcuda -lnvidia-ml
gcc "${sources[@]}" -o "$folder/dlsym" -ldl
records=()
record() { # NAME CLIENT ARGUMENTS...
    records+=("$folder/$1.out")
    "$artefacts/simgpu" --memory 2GiB -- env LD_PRELOAD="$library" CUDA_DEVICE_MEMORY_LIMIT=1g \
        CUDA_DEVICE_MEMORY_SHARED_CACHE="$folder/$1.region" \
        valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$folder/$1.out" \
        "$folder/$2" "${@:3}" </dev/null >"$folder/$1.log" 2>&1 || { cat "$folder/$1.log" >&2; exit 1; }
}
record first-direct direct first-calls
record first-dlsym dlsym first-calls
record pairs dlsym one-call pair-2MiB-1 100
python3 tools/layout.py list "$(basename "$library")" "${records[@]}" >"$folder/list"
cp "$folder/list" tools/hot_functions.txt
echo "tools/hot_functions.txt: $(grep -vc '^#' tools/hot_functions.txt) functions"
