# shellcheck shell=sh
# Sourced by the set-up scripts: Debian packages unpacked into a folder, without root and without touching the system.
# apt works on package lists of its own under .tools/apt, so it neither needs nor changes those of the machine.

# apt_unpack SUITE PACKAGE FOLDER: SUITE is `own` for the machine's own sources, or another one of Debian (`sid`).
# Silent: what apt says is in .tools/apt/SUITE/log.
apt_unpack() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    apt_configure "$1" && apt_with_lists apt_download "$2" && dpkg -x "$apt_home/packages/$2"_*.deb "$3" &&
        rm "$apt_home/packages/$2"_*.deb
}

apt_configure() {
    apt_home=$PWD/.tools/apt/$1
    mkdir -p "$apt_home/lists/partial" "$apt_home/cache/archives/partial" "$apt_home/packages"
    cat >"$apt_home/apt.conf" <<EOF
Dir::State::lists "$apt_home/lists";
Dir::Cache "$apt_home/cache";
Acquire::Languages "none";
// Run by root, apt would turn into a user who may not even enter this folder.
APT::Sandbox::User "root";
// What the machine does after its own updates is no business of these.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
EOF
    [ "$1" = own ] || apt_use_suite "$1"
}

# Another suite comes from the mirror, and is signed by the keys, that the machine trusts for its own.
apt_use_suite() {
    mirror=$(apt_configure own && apt_with_lists apt_own_mirror) || return 1
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] && option="[signed-by=$keyring]" || option=
    echo "deb $option $mirror $1 main" >"$apt_home/sources.list"
    cat >>"$apt_home/apt.conf" <<EOF
Dir::Etc::sourcelist "$apt_home/sources.list";
Dir::Etc::sourceparts "-";
EOF
}

# Lists from an earlier run still fit most often; where there are none, or old ones, they are fetched.
apt_with_lists() {
    "$@" 2>"$apt_home/log" && return 0
    apt-get -qq -c "$apt_home/apt.conf" update >"$apt_home/log" 2>&1 || true # one broken source may not matter
    "$@" 2>>"$apt_home/log"
}

apt_download() {
    rm -f "$apt_home/packages/$1"_*.deb
    (cd "$apt_home/packages" && apt-get -qq -c "$apt_home/apt.conf" download "$1" >&2)
}

# shellcheck disable=SC2016 # apt expands it
apt_own_mirror() {
    apt-get -c "$apt_home/apt.conf" indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | grep -m 1 .
}
