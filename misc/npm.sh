#!/bin/sh
#
# misc/npm.sh DIRECTORY - make what DIRECTORY/package-lock.json names available
# and print what has to go into NODE_PATH.
#
# It is installed below build/deps, once for each state of the lock file, by
# npm's ordinary client and from the registry that this machine is set up for;
# the lock file holds checksums and no addresses.  No package runs a script,
# and nothing is written elsewhere, not even into npm's cache.

set -eu

lock=$1/package-lock.json
hash=$(sha256sum <"$lock" | cut -c 1-16)
deps=$PWD/build/deps/npm-$hash

if [ ! -d "$deps" ]; then
    echo "installing the npm packages of $lock into build/deps" >&2
    mkdir -p build/deps
    work=$(mktemp -d "$PWD/build/deps/npm.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    mkdir "$work/new"
    cp "$1/package.json" "$lock" "$work/new"
    if ! (cd "$work/new" && npm ci --cache "$work/cache" --ignore-scripts \
              --no-audit --no-fund --no-update-notifier --loglevel=error \
              </dev/null >"$work/log" 2>&1)
    then
        cat "$work/log" >&2
        echo "npm could not install what $lock names" >&2
        exit 1
    fi
    # Another one may have been faster.
    mv -T "$work/new" "$deps" 2>/dev/null || [ -d "$deps" ]
fi

echo "$deps/node_modules"
