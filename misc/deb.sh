#!/bin/sh
#
# misc/deb.sh VERSION - build the Debian packages, unsigned, into build/deb,
# from a clean export: what is committed, or, where this is no clone, what is
# there.  debian/changelog is made of CHANGES.
#
# From the environment: DEB_SUFFIX, added to the version, for one who builds
# the same release again ("+2"), and dpkg's DEB_BUILD_OPTIONS.

set -eu
umask 022

release=$1
version=$release${DEB_SUFFIX:-}
deb=$PWD/build/deb
src=$deb/src/libnginx-mod-http-profile-$version

# What make exports for its own builds is not meant for the packages.
unset CC NGINX_SRC NGINX_CONFIGURE MAKEFLAGS MFLAGS MAKELEVEL V

misc/deps.sh deb

git() {
    command git -c safe.directory="$PWD" "$@"
}

rm -rf "$deb/src"
mkdir -p "$src"
if [ -e .git ]; then
    if [ -n "$(git status --porcelain)" ]; then
        echo "what is not committed is not packaged" >&2
    fi
    git archive HEAD | tar -x -C "$src"
    now=$(git log -1 --format=%ct)
else
    tar -c --exclude=./build . | tar -x -C "$src"
    now=$(stat -c %Y CHANGES)
fi
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$now}"

{
    echo "libnginx-mod-http-profile ($version) unstable; urgency=medium"
    # The paragraphs below the release's number, up to the next one's.
    awk -v release="$release" '
        /^[^ ]/ { on = $0 == release; next }
        !on     { next }
        /^$/    { first = 1; next }
        first   { print ""; sub(/^    /, "  * "); first = 0 }
                { print }' CHANGES
    echo
    sed -n 's/^Maintainer: / -- /p' debian/control | tr '\n' ' '
    echo " $(date -R -u -d "@$SOURCE_DATE_EPOCH")"
} >"$src/debian/changelog"

# A debugger's symbols are a package of each package; who needs them sets
# DEB_BUILD_OPTIONS= to nothing.
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-noautodbgsym}"

log=$deb/build.log
echo "  DEB   libnginx-mod-http-profile $version: build/deb/build.log"
if ! (cd "$src" && dpkg-buildpackage --no-sign) >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    exit 1
fi

find "$deb" -maxdepth 1 -type f ! -name build.log -delete
for file in "$deb/src"/*.*; do
    [ ! -f "$file" ] || mv "$file" "$deb"
done
rm -rf "$deb/src"

for file in "$deb"/*.deb; do
    echo "  DEB   build/deb/${file##*/}"
done
