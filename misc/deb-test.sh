#!/bin/sh
#
# misc/deb-test.sh VERSION - build the Debian packages and try them, on a bare
# root of this machine's own release: t/deb/*.t.  Needs root.
#
# The root is made below build/deb-test and is kept, with the packages that it
# had to fetch: the next run needs no mirror.  Each run tries the packages on a
# copy of it, without a network.

set -eu
umask 022

test=$PWD/build/deb-test
bare=$test/bare
copy=$test/root
boot=$test/boot
later=$test/later

unset DEB_SUFFIX DEB_BUILD_OPTIONS
export PROFILE_DEB_VERSION="$1"

if [ "$(id -u)" != 0 ]; then
    echo "make check-deb needs root: debootstrap, and mounts in private" \
        "namespaces" >&2
    exit 1
fi

misc/deps.sh check-deb
misc/deb.sh "$PROFILE_DEB_VERSION"

# A container may not be allowed to make namespaces.  What needs none is tested
# all the same.
if ! unshare --mount --pid --ipc --net --fork true; then
    exec prove t/deb/install.t t/deb/packages.t </dev/null
fi

# The packages of the next release: nothing but the version differs.
rm -rf "$later"
mkdir -p "$later"
for file in build/deb/*.deb; do
    dpkg-deb -R "$file" "$later/tree"
    sed -i 's/^Version: .*/&+later/' "$later/tree/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$later/tree" "$later" >/dev/null
    rm -rf "$later/tree"
done

# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")

if [ ! -d "$bare" ]; then
    echo "  ROOT  $suite"
    if ! misc/root.sh make "$suite" "$bare" >"$test/bare.log" 2>&1; then
        tail -n 3 "$test/bare.log" >&2
        exit 1
    fi
fi

# What a container boots with, and what the page's commands want.
systemd='systemd-sysv curl'

# fetch [COMMAND]: what the packages depend on, after COMMAND.
fetch() {
    misc/root.sh run "$bare" sh -c "${1:-:} && apt-get -y --download-only \
        install $systemd /srv/packages/*.deb" >"$test/fetch.log" 2>&1 </dev/null
}

rm -rf "$bare/srv/packages"
mkdir -p "$bare/srv/packages"
cp build/deb/*.deb "$bare/srv/packages"
echo "  GET   what they depend on"
if ! fetch && ! fetch 'apt-get update'; then
    tail -n 10 "$test/fetch.log" >&2
    exit 1
fi

rm -rf --one-file-system "$copy"
cp -a "$bare" "$copy"
mkdir "$copy/srv/later"
cp "$later"/*.deb "$copy/srv/later"

# try ROOT COMMAND...: which fails where COMMAND does, and then keeps ROOT.
status=0
try() {
    root=$1
    shift
    if "$@" </dev/null; then
        rm -rf --one-file-system "$root"
    else
        status=1
        echo "the root of this run: $root" >&2
    fi
}

PROFILE_DEB_ROOT=$copy try "$copy" misc/root.sh beside "$copy" \
    prove t/deb/install.t t/deb/packages.t

# A second copy boots, where this machine lets a container.
rm -rf --one-file-system "$boot"
cp -a "$bare" "$boot"
# shellcheck disable=SC2086
misc/root.sh test "$boot" apt-get -y install $systemd \
    >"$test/boot.log" 2>&1 </dev/null
if timeout -k 10 60 systemd-nspawn --quiet --register=no --keep-unit \
    --private-network --boot --directory "$boot" systemd.unit=poweroff.target \
    >>"$test/boot.log" 2>&1 </dev/null; then
    PROFILE_DEB_BOOT=$boot try "$boot" prove t/deb/systemd.t
else
    rm -rf --one-file-system "$boot"
    echo "no container boots here: systemd does not run" >&2
fi

exit $status
