#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing; says nothing when all are there. Needs root only to
# install.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || die "unknown argument '$1': none is accepted"
list=$(dirname "$0")/packages.txt
missing=()
while read -r package _; do
    case $package in '' | '#'*) continue ;; esac
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
    [ "$status" = installed ] || missing+=("$package")
done <"$list"
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" -eq 0 ] || die "these packages are missing, and only root can install them: apt-get install ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Indexes that are a little old still name the packages as a rule; refreshing them first would cost every run.
if ! apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    quietly apt-get update || die "apt-get update failed"
    quietly apt-get install -y --no-install-recommends "${missing[@]}" || die "apt could not install: ${missing[*]}"
fi
for package in "${missing[@]}"; do
    say "$package $(dpkg-query -W -f '${Version}' "$package")"
done
