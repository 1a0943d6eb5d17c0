#!/bin/sh
#
# misc/bench.sh PROGRAM... - run programs of t/bench one after the other, all of
# them whatever becomes of one, and say at the end which failed.

set -u

trap 'exit 130' INT
trap 'exit 143' TERM HUP

failed=
first=1

for name; do
    [ "$first" = 1 ] || echo
    first=
    echo "== t/bench/$name"
    if [ ! -x "t/bench/$name" ]; then
        echo "there is no such program" >&2
        failed="$failed $name"
    elif ! "t/bench/$name"; then
        failed="$failed $name"
    fi
done

if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    exit 1
fi
