#!/usr/bin/env bash
# Fetches the real programs that the tests run on simulated devices: nvidia-smi of two drivers, nvtop, and a Python
# environment.
# Usage: clients.sh [--dir DIR] [nvidia-535|nvidia-550|nvtop|venv]…   (default: all, in target/clients)
# Says nothing about what is there already. Nothing fetched here enters the repository.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

destination=$repo_root/target/clients
wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    --dir) [ $# -ge 2 ] || die "--dir needs a directory"
        destination=$2
        shift ;;
    nvidia-535 | nvidia-550 | nvtop | venv) wanted+=("$1") ;;
    *) die "unknown argument '$1': accepted are --dir DIR, nvidia-535, nvidia-550, nvtop, venv" ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(nvidia-535 nvidia-550 nvtop venv)
work_area "$destination"

# Debian links nvidia-smi through its alternatives system; the tests want one fixed path, so the real binary is linked
# there.
nvidia_smi() {
    local series=$1 version=$2 suite=$3 dest=$clients_dir/nvidia-$1 binary
    [ ! -x "$dest/nvidia-smi" ] || return 0
    unpack_package nvidia-smi "$version" "$suite" "$dest.new"
    binary=$(cd "$dest.new" && find usr -type f -name nvidia-smi -perm -u+x -print -quit)
    [ -n "$binary" ] || die "package nvidia-smi of driver $series holds no program nvidia-smi"
    ln -s "$binary" "$dest.new/nvidia-smi"
    rm -rf "$dest"
    mv "$dest.new" "$dest"
}

nvtop() {
    local dest=$clients_dir/nvtop
    [ ! -x "$dest/nvtop" ] || return 0
    unpack_package nvtop 3.0.1-1 bookworm "$dest.new"
    ln -s usr/bin/nvtop "$dest.new/nvtop"
    rm -rf "$dest"
    mv "$dest.new" "$dest"
}

python_environment() {
    local dest=$clients_dir/venv list=$repo_root/tests/setup/requirements.txt python=${PYTHON:-python3} stamp
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than 3.11: set PYTHON to a newer one"
    stamp=$("$python" -c 'import sys; print(sys.version)' | cat - "$list" | sha256sum)
    if [ -f "$dest/.installed" ] && [ "$(cat "$dest/.installed")" = "$stamp" ]; then return 0; fi
    rm -rf "$dest"
    quietly "$python" -m venv "$dest" || die "cannot make a Python environment (Debian: python3-venv)"
    quietly "$dest/bin/python" -m pip install --disable-pip-version-check --requirement "$list" || die "pip could not install $list"
    printf '%s\n' "$stamp" >"$dest/.installed"
    say "$("$dest/bin/python" -m pip list --disable-pip-version-check --format freeze | grep -cv '^pip=') Python packages -> $dest"
}

for client in "${wanted[@]}"; do
    case $client in
    nvidia-535) nvidia_smi 535 535.261.03-1 bookworm ;;
    nvidia-550) nvidia_smi 550 550.163.01-2 trixie ;;
    nvtop) nvtop ;;
    venv) python_environment ;;
    esac
done
