#!/bin/sh
#
# misc/fuzz.sh NAME... - run the fuzzers build/fuzz/NAME on t/fuzz/corpus/NAME,
# two at a time, each for FUZZ_SECONDS (60).  What they find is kept in
# build/fuzz, NAME-crash-* and the like, next to NAME.log; running the fuzzer
# with such a file as its only argument shows it again.  New inputs are
# forgotten: the corpus is made by hand.

set -u

seconds=${FUZZ_SECONDS:-60}
top=build/fuzz
scratch=$(mktemp -d "${TMPDIR:-/tmp}/profile-fuzz.XXXXXX")

# shellcheck disable=SC2317 # called by the trap
finish() {
    # A run that is interrupted takes its fuzzers along.
    for pid in ${first_pid:-} ${second_pid:-}; do
        kill "$pid" 2>/dev/null
    done
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Memory is allocated and freed for most of the time: nothing is gained by
# filling it, nor by keeping much of it from being used again.
options=max_malloc_fill_size=0:quarantine_size_mb=16
export ASAN_OPTIONS="${ASAN_OPTIONS-$options}"

# Messages of the loader go nowhere (close_fd_mask); what libFuzzer and the
# sanitizers say does not.

fuzz() {
    mkdir -p "$scratch/$1"
    rm -f "$top/$1".log "$top/$1"-crash-* "$top/$1"-leak-* \
        "$top/$1"-timeout-* "$top/$1"-oom-*

    exec "$top/$1" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
        -rss_limit_mb=1024 -malloc_limit_mb=256 -close_fd_mask=3 \
        -print_final_stats=1 -artifact_prefix="$top/$1-" \
        "$scratch/$1" "t/fuzz/corpus/$1" >"$top/$1.log" 2>&1
}

# The last line of progress, and why it ended if something was found.
summary() {
    sed -n 's/^#[0-9]*\tDONE */&/p' "$top/$1.log" | sed "s/^/$1: /"

    if [ "$2" = 0 ]; then
        sed -n "s/^Done /$1: done /p" "$top/$1.log"
    else
        echo "$1: FAILED with status $2; see $top/$1.log, which ends:"
        tail -n 30 "$top/$1.log" | sed 's/^/    /'
        failed="$failed $1"
    fi
}

failed=

while [ $# -gt 0 ]; do
    first=$1 second=${2:-}
    shift
    (fuzz "$first") &
    first_pid=$! second_pid=

    if [ -n "$second" ]; then
        shift
        (fuzz "$second") &
        second_pid=$!
    fi

    wait "$first_pid"
    summary "$first" $?

    if [ -n "$second" ]; then
        wait "$second_pid"
        summary "$second" $?
    fi

    first_pid='' second_pid=''
done

if [ -n "$failed" ]; then
    echo "Result: FAIL ($failed )"
    exit 1
fi

echo "Result: PASS"
