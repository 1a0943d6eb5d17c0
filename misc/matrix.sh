#!/bin/sh
#
# misc/matrix.sh - run the whole suite on other Debian releases: `make test` of
# what is committed (HEAD), in a bare root for each release and with each
# compiler, and a table of the results at the end.
#
# From the environment: SUITES ("bookworm trixie forky"), COMPILERS ("gcc
# clang"), T (only these tests), JOBS, MATRIX_SECONDS (of one run, 3600).
#
# A root is made by misc/root.sh below build/matrix and is kept: the next run
# needs no mirror.  `make clean` removes it.  The packages that are missing in
# it are installed by what the make targets call, as anywhere.  The tests run
# without a network.  Needs root.

set -eu
umask 022

matrix=$PWD/build/matrix
limit=${MATRIX_SECONDS:-3600}
child=
table=

if [ "$(id -u)" != 0 ]; then
    echo "make check-matrix needs root: debootstrap, and mounts in" \
        "private namespaces" >&2
    exit 1
fi

# An interrupted run is ended by ending unshare(1), whose child is process 1
# of everything that the run has started.
# shellcheck disable=SC2317 # called by the trap
finish() {
    status=$?
    trap - EXIT
    rm -f "$table"
    [ -z "$child" ] || kill -KILL "-$child" 2>/dev/null || :
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# isolated LOG MODE ARGUMENT...: misc/root.sh.  timeout(1) makes itself the
# leader of a group, which the trap above needs.
isolated() {
    log=$1
    shift
    status=0
    timeout -k 10 "$limit" misc/root.sh "$@" </dev/null >>"$log" 2>&1 &
    child=$!
    wait "$child" || status=$?
    child=
    return $status
}

# make_root SUITE: build/matrix/SUITE, if it is not there yet.  It holds what is
# needed to enter it and to begin; the rest is what the make targets ask for.
make_root() {
    root=$matrix/$1
    log=$matrix/$1.log
    : >"$log"

    [ ! -d "$root" ] || return 0

    echo "  ROOT  $1"
    if ! isolated "$log" make "$1" "$root" mount,make,ca-certificates; then
        tail -n 3 "$log"
        echo "there is no root of Debian $1; see $log" >&2
        return 1
    fi
}

# version ROOT PACKAGE: the upstream part of it.
version() {
    found=$(dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${Version}' "$2" \
            2>/dev/null) || found='?'
    echo "$found" | sed 's/^[0-9]*://; s/[-+~].*//'
}

# run_suite SUITE COMPILER: make test.
run_suite() {
    root=$matrix/$1
    log=$matrix/$1-$2.log
    src=/usr/src/profile
    began=$(date +%s)

    echo "  TEST  $1, $2: build/matrix/$1-$2.log"

    # A run that was interrupted leaves its files.
    rm -rf --one-file-system "$root$src"
    find "$root/tmp" -xdev -mindepth 1 -delete
    mkdir -p "$root$src"
    git archive "$commit" | tar -x -C "$root$src"

    # The one package that older releases do not have is kept, too.
    mkdir -p "$root$src/build" "$root/var/cache/profile-deps"
    ln -s /var/cache/profile-deps "$root$src/build/deps"

    result=PASS
    : >"$log"
    # shellcheck disable=SC2016 # the root's shell expands it
    isolated "$log" run "$root" env CC="$2" sh -c \
        'cd "$1" && misc/deps.sh build test && misc/test-nginx.sh' sh "$src" \
    && isolated "$log" test "$root" make -C "$src" test CC="$2" \
        T="${T:-}" ${JOBS:+JOBS="$JOBS"} \
    || result=FAIL

    if [ $result = FAIL ]; then
        failed=1
        grep -E '^(not ok|Result: |  Failed test|t/.*Failed)|error:' "$log" \
        | tail -n 20
    fi

    printf '%-9s %-6s %-8s %-8s %-8s %-8s %-8s %-6s %5d s\n' \
        "$1" "$2" "$(version "$root" "$2")" \
        "$(version "$root" nginx)" "$(version "$root" liblmdb-dev)" \
        "$(version "$root" libjansson-dev)" "$(version "$root" libssl-dev)" \
        $result $(($(date +%s) - began)) >>"$table"
}

misc/deps.sh matrix

git() {
    command git -c safe.directory="$PWD" "$@"
}

commit=$(git rev-parse HEAD)
echo "== matrix of $(git log -1 --format='%h %s')"
if [ -n "$(git status --porcelain)" ]; then
    echo "what is not committed is not tested" >&2
fi

mkdir -p "$matrix"
table=$(mktemp "$matrix/table.XXXXXX")
printf '%-9s %-15s %-8s %-8s %-8s %-8s %-6s\n' Debian compiler nginx lmdb \
    jansson openssl result >"$table"

failed=
for suite in ${SUITES:-bookworm trixie forky}; do
    # Nobody else in this root, neither now nor by what a killed run has left.
    exec 9>"$matrix/$suite.lock"
    if ! flock -n 9; then
        failed=1
        printf '%-9s in use by another run\n' "$suite" >>"$table"
        continue
    fi
    if ! make_root "$suite"; then
        failed=1
        printf '%-9s no root\n' "$suite" >>"$table"
        continue
    fi
    for compiler in ${COMPILERS:-gcc clang}; do
        run_suite "$suite" "$compiler"
    done
done

cat "$table"
if [ -n "$failed" ]; then
    echo "Result: FAIL"
    exit 1
fi
