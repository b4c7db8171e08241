# Shared by the set-up scripts: messages, stamps, and a private apt configuration that leaves the system's own alone.

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# work_area DIR: makes DIR absolute, creates it, and takes a lock so that two set-ups do not write it at the same time.
work_area() {
    mkdir -p "$1" || die "cannot create $1"
    clients_dir=$(cd "$1" && pwd)
    exec 9>"$clients_dir/.lock"
    flock 9
}

# quietly CMD…: runs CMD and shows what it printed only when it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 9>&- || status=$?
    if [ "$status" -ne 0 ]; then
        printf '%s: failed with status %s: %s\n' "${0##*/}" "$status" "$*" >&2
        cat "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

# debian_mirror: the base address of the Debian archive this machine already uses, from its own apt sources. apt
# itself reads them, so both source formats, options and proxies are understood as apt understands them.
debian_mirror() {
    local id codename mirror
    id=$(. /etc/os-release && printf '%s' "${ID:-}")
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    [ "$id" = debian ] || die "this machine's ID in /etc/os-release is '$id': the real clients come from Debian packages, so 'debian' is needed"
    mirror=$(archive_of "$codename")
    if [ -z "$mirror" ]; then
        # apt knows its sources only once it has read their indexes, which a fresh image has not: they go into a
        # folder of ours.
        local lists=(-o "Dir::State::lists=$clients_dir/.apt/machine" -o "APT::Sandbox::User=$(id -un)")
        mkdir -p "$clients_dir/.apt/machine/partial"
        # A source that cannot be read is shown; it may be one that does not matter here.
        quietly apt-get "${lists[@]}" -o "Dir::Cache=$clients_dir/.apt" update || true
        mirror=$(archive_of "$codename" "${lists[@]}")
    fi
    [ -n "$mirror" ] || die "the apt sources name no archive for '$codename main': add one to /etc/apt/sources.list.d"
    printf '%s' "${mirror%/}"
}

# archive_of CODENAME [APT_OPTION…]: where apt gets the main component of the Debian release from; empty when it does
# not know.
archive_of() {
    apt-get "${@:2}" indextargets --format '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)' |
        awk -v release="$1" '$1 == "Packages" && $2 == release && $3 == "main" { print $4; exit }'
}

# The keyring the Debian archive signs with; empty where the package is absent, and apt then uses the keys it trusts
# anyway.
debian_keyring() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ -r "$keyring" ]; then printf '%s' "$keyring"; fi
}

# private_apt_prepare: own source list, index and cache directories beneath the work area, for the suites with
# NVIDIA's tools.
private_apt_prepare() {
    private_apt_dir=$clients_dir/.apt
    [ -z "${private_apt_ready:-}" ] || return 0
    local mirror keyring option=
    mirror=$(debian_mirror) || exit 1
    keyring=$(debian_keyring)
    if [ -n "$keyring" ]; then option="[signed-by=$keyring] "; fi
    mkdir -p "$private_apt_dir"/{lists/partial,archives/partial,parts}
    printf 'deb %s%s %s contrib non-free\n' "$option" "$mirror" bookworm "$option" "$mirror" trixie >"$private_apt_dir/sources.list"
    quietly private_apt update || die "apt could not read $mirror (bookworm and trixie, contrib non-free)"
    private_apt_ready=yes
}

private_apt() {
    apt-get -o "Dir::Etc::sourcelist=$private_apt_dir/sources.list" -o "Dir::Etc::sourceparts=$private_apt_dir/parts" \
        -o "Dir::State::lists=$private_apt_dir/lists" -o "Dir::Cache=$private_apt_dir" -o "APT::Sandbox::User=$(id -un)" \
        -o APT::Update::Error-Mode=any "$@"
}

# unpack_package NAME PINNED_VERSION SUITE DEST: downloads the .deb and unpacks it in DEST (a trailing ".new", for a
# directory that is renamed when complete, is left out of the message). Debian keeps one version per suite, so where
# the pinned one has been replaced the suite's is taken and said.
unpack_package() {
    local name=$1 pinned=$2 suite=$3 dest=$4 download version=$2
    private_apt_prepare
    download=$(mktemp -d "$clients_dir/.download.XXXXXX")
    if ! (cd "$download" && private_apt -qq download "$name=$pinned") >/dev/null 2>&1; then
        (cd "$download" && quietly private_apt -qq download "$name/$suite") || die "the archive has no $name in $suite"
    fi
    set -- "$download/$name"_*.deb
    [ -f "$1" ] || die "apt said it downloaded $name, but left no file"
    version=$(dpkg-deb -f "$1" Version)
    rm -rf "$dest"
    dpkg -x "$1" "$dest"
    rm -rf "$download"
    if [ "$version" = "$pinned" ]; then say "$name $version -> ${dest%.new}"; else
        say "$name $version -> ${dest%.new} (the pinned $pinned is no longer in $suite)"
    fi
    printf '%s\n' "$version" >"$dest/.version"
}
