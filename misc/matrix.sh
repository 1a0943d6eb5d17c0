#!/bin/sh
#
# misc/matrix.sh - run the whole suite on other Debian releases: `make test` of
# what is committed (HEAD), in a bare root for each release and with each
# compiler, and a table of the results at the end.
#
# From the environment: SUITES ("bookworm trixie forky"), COMPILERS ("gcc
# clang"), T (only these tests), JOBS, MATRIX_SECONDS (of one run, 3600).
#
# A root is made by debootstrap below build/matrix, from the mirror of this
# machine's own apt sources and with Debian's signatures verified, and is kept:
# the next run needs no mirror.  `make clean` removes it.  The packages that
# are missing in it are installed by what the make targets call, as anywhere.
#
# Everything that is mounted is mounted in a private mount namespace, so that
# nothing outside ever sees a root with a /proc or /dev in it.  Every run has
# its own process ids, and what it leaves running ends with it.  The tests have
# a network of their own, too: no other's ports, and nowhere to go but
# 127.0.0.1.  Needs root.

set -eu
umask 022

self=misc/matrix.sh
matrix=$PWD/build/matrix
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
limit=${MATRIX_SECONDS:-3600}
child=
table=

# --- inside the namespaces ---

# A mount point of which only these namespaces know.
quiet_mount() {
    mkdir -p "${dir:?}$1"
    shift
    mount "$@"
}

# mounts ROOT: what programs expect to find.  Nodes are those of this machine:
# where it is a container itself, it may not make any.
mounts() {
    dir=$1

    # The root of a namespace that a test makes has to be a mount point.
    mount --bind "$dir" "$dir"

    quiet_mount /proc -t proc -o nosuid,nodev,noexec proc "$dir/proc"
    quiet_mount /dev -t tmpfs -o nosuid,mode=755,size=1m dev "$dir/dev"

    for node in null zero full random urandom tty; do
        : >"$dir/dev/$node"
        mount --bind "/dev/$node" "$dir/dev/$node"
    done

    quiet_mount /dev/shm -t tmpfs -o nosuid,nodev,mode=1777 shm "$dir/dev/shm"
    quiet_mount /dev/pts -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 \
        devpts "$dir/dev/pts"
    ln -s pts/ptmx "$dir/dev/ptmx"
    ln -s /proc/self/fd "$dir/dev/fd"
    ln -s fd/0 "$dir/dev/stdin"
    ln -s fd/1 "$dir/dev/stdout"
    ln -s fd/2 "$dir/dev/stderr"
}

# enter ROOT: it becomes the namespace's root.  With chroot(1) a test that
# enters a namespace of its own would find itself outside.
enter() {
    cd "$1"
    pivot_root . mnt
    cd /
    umount -l /mnt
}

# in_root COMMAND...: with an environment of its own.
in_root() {
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} \
        ${https_proxy:+https_proxy="$https_proxy"} "$@"
}

# This shell is process 1 of its namespace, so it must not become the command
# by exec: it reaps what daemons leave behind.
case ${1:-} in
--debootstrap)
    shift
    status=0
    debootstrap "$@" || status=$?
    exit $status
    ;;
--run | --test)
    [ "$1" != --test ] || ip link set lo up
    mounts "$2"
    enter "$2"
    shift 2
    status=0
    in_root "$@" || status=$?
    exit $status
    ;;
esac

# --- outside ---

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

# isolated LOG STEP ARGUMENT...: this script once more, in namespaces of its
# own.  timeout(1) makes itself the leader of a group, which the trap above
# needs.
isolated() {
    log=$1
    shift
    net=
    [ "$1" != --test ] || net=--net
    status=0
    timeout -k 10 "$limit" unshare --mount --pid --ipc $net --fork \
        --kill-child sh "$self" "$@" </dev/null >>"$log" 2>&1 &
    child=$!
    wait "$child" || status=$?
    child=
    return $status
}

# make_root SUITE: build/matrix/SUITE, if it is not there yet.  Half of one has
# another name.
make_root() {
    root=$matrix/$1
    log=$matrix/$1.log
    : >"$log"

    [ ! -d "$root" ] || return 0

    # debootstrap has a script for each name that its authors knew.  sid's is
    # the one that new names begin with.
    script=
    if [ ! -e "/usr/share/debootstrap/scripts/$1" ]; then
        script=/usr/share/debootstrap/scripts/sid
    fi

    for mirror in $(misc/mirrors.sh); do
        echo "  ROOT  $1"
        rm -rf --one-file-system "$root.new"
        # What is needed to enter it and to begin; the rest is what the make
        # targets ask for.
        if isolated "$log" --debootstrap --variant=minbase --force-check-gpg \
               --keyring="$keyring" --include=mount,make,ca-certificates \
               "$1" "$root.new" "$mirror" $script
        then
            # The signature counts, not the expiry date: a mirror that is
            # behind does as well.
            echo "deb [signed-by=$keyring] $mirror $1 main" \
                >"$root.new/etc/apt/sources.list"
            echo 'Acquire::Check-Valid-Until "false";' \
                >"$root.new/etc/apt/apt.conf.d/90matrix"
            echo '127.0.0.1 localhost' >"$root.new/etc/hosts"
            mv "$root.new" "$root"
            return 0
        fi
        tail -n 3 "$log"
    done
    rm -rf --one-file-system "$root.new"
    echo "there is no root of Debian $1; see $log" >&2
    return 1
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

    # A machine's resolver may have changed since, and a run that was
    # interrupted leaves its files.
    cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || :
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
    isolated "$log" --run "$root" env CC="$2" sh -c \
        'cd "$1" && misc/deps.sh build test && misc/test-nginx.sh' sh "$src" \
    && isolated "$log" --test "$root" make -C "$src" test CC="$2" \
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

# The proxy that apt uses, for wget in debootstrap and apt in the roots.
eval "$(apt-config shell http_proxy Acquire::http::Proxy \
    https_proxy Acquire::https::Proxy)"
export http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}"

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
