#!/bin/sh
#
# misc/test.sh MODE [FILE...] - run the tests with prove.  Without FILE all
# that the mode is for:
#
#   plain     unit tests, t/*.t, t/loader/*.t, t/fault/*.t
#   hup       t/*.t, nginx reloaded between the blocks of a file
#   api       t/api/*.t: the API's description, with packages from npm
#   proxies   t/proxy/*.t: docs/proxies.md, with the programs that it names
#   long      those of t/fault/*.t that have a long form, in that form
#   asan      as plain, with the instrumented module and loader of build/asan
#   coverage  as plain, with what misc/coverage.sh has built and looks at
#   valgrind  unit tests and $valgrind_tests under memcheck; the last of these
#             counts instructions
#   browser   t/browser/*.t, with a real Chromium
#
# A FILE is a .t, or a unit test's source.  JOBS=n runs n at a time.  What is
# left of a failed run is kept in build/test/MODE.

set -eu

valgrind_tests="t/api.t t/auth.t t/bench/instructions.t"

mode=$1
shift

top=$PWD
build=build
packages="test"

case $mode in
plain | hup | long) ;;
api)      packages=api ;;
proxies)  packages=proxies ;;
asan)     build=build/asan packages=sanitize ;;
coverage) build=build/coverage ;;
valgrind) packages=valgrind ;;
browser)  packages=browser ;;
*)
    echo "test.sh: unknown mode \"$mode\"" >&2
    exit 2
    ;;
esac

misc/deps.sh $packages

nginx=${TEST_NGINX_BINARY:-$(PATH=$PATH:/usr/sbin command -v nginx)}
perl5lib=$(misc/test-nginx.sh)
node_path=
if [ "$mode" = api ]; then
    node_path=$(misc/npm.sh t/api)
fi

# Everything happens in a directory of its own that shows the project through
# links.  Test::Nginx puts a server's root into the t/ of the directory that it
# runs in; there it would be out of the workers' reach where root has cloned
# into a directory that only root may enter (root's /tmp is for everyone).

if [ "$(id -u)" = 0 ]; then
    TMPDIR=/tmp
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/profile-test.XXXXXX")
view=$work/view

# shellcheck disable=SC2317 # called by the trap
finish() {
    status=$?
    trap - EXIT

    # An interrupted test leaves its nginx behind.
    for pid in "$view"/t/servroot*/logs/nginx.pid; do
        [ ! -s "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || :
    done

    rm -rf "build/test/$mode"
    if [ "$status" != 0 ]; then
        mkdir -p "build/test/$mode"
        cp -r "$work/logs" "$work/reports" "build/test/$mode" 2>/dev/null || :
        echo "logs of this run: build/test/$mode" >&2
    fi

    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

chmod 755 "$work"
mkdir -p "$view/t" "$work/logs" "$work/reports" "$work/tmp"

# Workers write reports, and a loader that has changed its user writes both.
chmod 1777 "$work/reports" "$work/tmp"

for entry in "$top"/*; do
    [ "$entry" = "$top/t" ] || ln -s "$entry" "$view"
done
for entry in "$top"/t/*; do
    case $entry in
    */servroot*) ;;
    *) ln -s "$entry" "$view/t" ;;
    esac
done

# nginx with one more error log, for alerts alone: it survives Test::Nginx
# removing the logs between blocks, and sees what is logged while nginx ends.

preload=
nginx_asan=
globals="error_log \$PROFILE_TEST_ALERTS alert;"

if [ "$mode" = coverage ]; then
    # nginx drops what it is not told of from its environment.
    globals="env GCOV_PREFIX; $globals"
fi

if [ "$mode" = asan ]; then
    preload=$(${CC:-gcc} -print-file-name=libasan.so)

    # No leak detection in nginx: it frees its pools by exiting, and what the
    # distribution's nginx and OpenSSL keep is not ours to judge (valgrind
    # looks for our leaks).  The loader is ours alone, so there leaks count.

    nginx_asan=detect_leaks=0:log_path=$work/reports/nginx
    export ASAN_OPTIONS="detect_leaks=1:log_path=$work/reports/loader"
    export UBSAN_OPTIONS="print_stacktrace=1:log_path=$work/reports/ubsan"
fi

cat >"$work/nginx" <<END
#!/bin/sh
${preload:+export LD_PRELOAD="$preload\${LD_PRELOAD:+ \$LD_PRELOAD}"}
${preload:+export ASAN_OPTIONS="$nginx_asan"}
exec "$nginx" \\
    \${PROFILE_TEST_ALERTS:+-g "$globals"} "\$@"
END
chmod 755 "$work/nginx"

unset TEST_NGINX_SERVROOT TEST_NGINX_USE_HUP TEST_NGINX_USE_VALGRIND

export TMPDIR="$work/tmp"
export PROFILE_TEST_LOGS="$work/logs"
export PROFILE_TEST_MODE="$mode"
export PROFILE_LOADER="$top/$build/profile-loader"
export PERL5LIB="${perl5lib:+$perl5lib:}${PERL5LIB:-}"
export TEST_NGINX_BINARY="$work/nginx"
export TEST_NGINX_LOAD_MODULES="$top/$build/ngx_http_profile_module.so"
export TEST_NGINX_RANDOMIZE=1

case $mode in
api)
    export NODE_PATH="$node_path"
    ;;
hup)
    export TEST_NGINX_USE_HUP=1
    ;;
long)
    export PROFILE_TEST_LONG=1
    ;;
asan | coverage)
    export TEST_NGINX_TIMEOUT="${TEST_NGINX_TIMEOUT:-30}"
    export PROFILE_TEST_SLOW="${PROFILE_TEST_SLOW:-4}"
    ;;
browser)
    mkdir -p build/browser
    export PROFILE_TEST_PICTURES="$top/build/browser"
    ;;
valgrind)
    export PROFILE_TEST_SLOW="${PROFILE_TEST_SLOW:-4}"
    # The wrapper is a shell script: valgrind is to see nginx itself.
    options="--leak-check=full --show-leak-kinds=definite"
    options="$options --errors-for-leak-kinds=definite --num-callers=30"
    options="$options --gen-suppressions=all"
    options="$options --log-file=$work/reports/valgrind.%p"
    if [ -f valgrind.suppress ]; then
        options="$options --suppressions=$top/valgrind.suppress"
    fi

    export TEST_NGINX_BINARY="$nginx"
    export TEST_NGINX_USE_VALGRIND="$options"
    export TEST_NGINX_TIMEOUT="${TEST_NGINX_TIMEOUT:-30}"
    export PROFILE_TEST_RUNNER="valgrind -q $options"
    ;;
esac

# The files, as prove is to see them.

if [ $# -gt 0 ]; then
    given=1
    count=$#
    for file; do
        case $file in
        t/unit/*.c) file=${file%.c}; file=$build/unit/${file##*/} ;;
        esac
        set -- "$@" "$file"
    done
    shift "$count"
else
    given=
    # shellcheck disable=SC2046,SC2086 # lists of files
    case $mode in
    api)      set -- t/api/*.t ;;
    proxies)  set -- t/proxy/*.t ;;
    hup)      set -- t/*.t ;;
    long)     set -- $(grep -l '\<long(' t/fault/*.t) ;;
    valgrind) set -- "$build"/unit/* $valgrind_tests ;;
    browser)  set -- t/browser/*.t ;;
    *)        set -- "$build"/unit/* t/*.t t/loader/*.t t/fault/*.t ;;
    esac
fi

count=$#
for file; do
    case $mode:$given:$file in
    # Reloading concerns Test::Nginx files only.
    hup:1:t/*/* | hup:1:build/*) continue ;;
    esac
    if [ -e "$file" ]; then
        set -- "$@" "$file"
    elif [ -n "$given" ]; then
        echo "there is no test $file" >&2
        exit 2
    fi
done
shift "$count"

if [ $# = 0 ]; then
    if [ "$mode:$given" = hup:1 ]; then
        exit 0
    fi
    echo "there are no tests" >&2
    exit 2
fi

jobs=${JOBS:-$(nproc)}
if [ "$jobs" -lt 2 ] && [ -z "${JOBS:-}" ]; then
    jobs=2
fi

echo "== tests, $mode, $jobs at a time, $("$nginx" -v 2>&1)"

status=0
(cd "$view" && prove -j "$jobs" --exec misc/test-one.sh "$@" </dev/null) \
    || status=1

# A report is a failure, whatever the tests thought of it.

# But where a process is killed while it looks for leaks, that search says so.

killed='^==[0-9]+==Unable to get registers from thread [0-9]+\.$'

found=
for report in "$work"/reports/*; do
    if [ -s "$report" ] && grep -Eqv "$killed" "$report"; then
        found="$found $report"
    fi
done

if [ -n "$found" ]; then
    # shellcheck disable=SC2086 # a list of files
    echo "reports of $mode: $(echo $found | wc -w)" >&2
    for report in $found; do
        echo "--- ${report##*/}" >&2
        head -n 40 "$report" >&2
        break
    done
    status=1
fi

if [ $status != 0 ] && [ -n "$found" ]; then
    echo "Result: FAIL"
fi

exit $status
