#!/usr/bin/env bash
# Makes a Debian bullseye root (glibc 2.31) by debootstrap, to load the library on an older system. Needs root.
# Usage: bullseye.sh [DIR]   (default: target/clients/bullseye). Says nothing when it is there already.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -le 1 ] || die "one argument at most, the directory; got $#: $*"
root=${1:-$repo_root/target/clients/bullseye}
work_area "$(dirname "$root")"
root=$clients_dir/$(basename "$root")
[ ! -f "$root/.complete" ] || exit 0

[ "$(id -u)" -eq 0 ] || die "debootstrap needs root to make $root"
command -v debootstrap >/dev/null || die "debootstrap is missing: run tests/setup/packages.sh"
mirror=$(debian_mirror)
keyring=$(debian_keyring)
[ -n "$keyring" ] || die "the Debian archive's keyring is missing (package debian-archive-keyring)"
rm -rf "$root"
quietly debootstrap --variant=minbase --include=python3-minimal --keyring="$keyring" bullseye "$root" "$mirror" ||
    die "debootstrap could not make $root"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
touch "$root/.complete"
say "Debian $(cat "$root/etc/debian_version") root -> $root"
