#!/bin/sh
#
# misc/root.sh - bare roots of Debian, and commands in them.  Needs root.
#
#   make SUITE DIR PACKAGES  make DIR with debootstrap, with these packages
#                            (a list with commas, perhaps empty) beside those
#                            that every Debian has
#   run DIR COMMAND...       COMMAND, for which DIR is the root
#   test DIR COMMAND...      the same, with a network of its own: no other's
#                            ports, and nowhere to go but 127.0.0.1
#   beside DIR COMMAND...    as test, but COMMAND sees this machine, and enters
#                            DIR with chroot(8) when it wants to
#
# A root comes from the mirror of this machine's own apt sources, with Debian's
# signatures verified.  It is there when it is complete.
#
# Everything that is mounted is mounted in a private mount namespace, so that
# nothing outside ever sees a root with a /proc or /dev in it.  Every command
# has its own process ids, and what it leaves running ends with it.

set -eu
umask 022

self=misc/root.sh
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

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

# enter ROOT: it becomes the namespace's root.  With chroot(8) a test that
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
--beside)
    ip link set lo up
    mounts "$2"
    # Programs of this machine ask for what it has mounted there as well.
    mount -t proc -o nosuid,nodev,noexec proc /proc
    shift 2
    status=0
    "$@" || status=$?
    exit $status
    ;;
esac

# --- outside ---

if [ "$(id -u)" != 0 ]; then
    echo "$self needs root: debootstrap, and mounts in private namespaces" >&2
    exit 1
fi

# The proxy that apt uses, for wget in debootstrap and apt in the roots.
eval "$(apt-config shell http_proxy Acquire::http::Proxy \
    https_proxy Acquire::https::Proxy)"
export http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}"

# make_root SUITE DIR PACKAGES: half of one has another name.
make_root() {
    # debootstrap has a script for each name that its authors knew.  sid's is
    # the one that new names begin with.
    script=
    if [ ! -e "/usr/share/debootstrap/scripts/$1" ]; then
        script=/usr/share/debootstrap/scripts/sid
    fi

    mkdir -p "$(dirname "$2")"

    for mirror in $(misc/mirrors.sh); do
        rm -rf --one-file-system "$2.new"
        if unshare --mount --pid --ipc --fork --kill-child \
               sh "$self" --debootstrap --variant=minbase --force-check-gpg \
               --keyring="$keyring" ${3:+--include="$3"} \
               "$1" "$2.new" "$mirror" $script
        then
            # The signature counts, not the expiry date: a mirror that is
            # behind does as well.
            echo "deb [signed-by=$keyring] $mirror $1 main" \
                >"$2.new/etc/apt/sources.list"
            echo 'Acquire::Check-Valid-Until "false";' \
                >"$2.new/etc/apt/apt.conf.d/90bare"
            echo '127.0.0.1 localhost' >"$2.new/etc/hosts"
            mv "$2.new" "$2"
            return 0
        fi
    done
    rm -rf --one-file-system "$2.new"
    return 1
}

case ${1:-} in
make)
    make_root "$2" "$3" "${4:-}"
    ;;
run)
    # A machine's resolver may have changed since the root was made.
    cp -L /etc/resolv.conf "$2/etc/resolv.conf" 2>/dev/null || :
    shift
    exec unshare --mount --pid --ipc --fork --kill-child \
        sh "$self" --run "$@"
    ;;
test | beside)
    mode=$1
    shift
    exec unshare --mount --pid --ipc --net --fork --kill-child \
        sh "$self" "--$mode" "$@"
    ;;
*)
    echo "root.sh: make, run, test or beside?" >&2
    exit 2
    ;;
esac
