#!/bin/sh
#
# misc/test-one.sh FILE - what prove runs for each test (see misc/test.sh): a
# Perl test or a compiled one.  Besides the test's own result it wants that
# nginx logged nothing that no test may cause: no [alert], no [emerg], no
# sanitizer's report.  A test that provokes such a line on purpose says so in
# a comment, one extended regular expression a line:
#
#     # expect-alert: exited on signal 7

set -u

log=$PROFILE_TEST_LOGS/$(echo "$1" | tr / _)

# The former is what misc/test.sh has nginx log alerts to; the latter is where
# Test::Nginx keeps a copy of each block's error log.
export PROFILE_TEST_ALERTS="$log.alerts" TEST_NGINX_ERROR_LOG="$log.error.log"

# Workers may be told to open it anew before the master has given it to them.
: >"$log.alerts"
chmod 666 "$log.alerts"

case $1 in
*.t)
    perl "$1"
    ;;
*)
    # shellcheck disable=SC2086 # a command and its options
    ${PROFILE_TEST_RUNNER:-} "$1"
    ;;
esac
status=$?

found=$(
    {
        cat "$log.alerts" 2>/dev/null
        grep -a Sanitizer "$log.error.log" 2>/dev/null
    } | if expected=$(grep -a '^# expect-alert: ' "$1"); then
        grep -avE "$(echo "$expected" | sed 's/^# expect-alert: //')"
    else
        cat
    fi
)

if [ -n "$found" ]; then
    echo "# nginx logged, and $1 does not expect it:" >&2
    echo "$found" | head -n 20 | sed 's/^/#   /' >&2
    exit 1
fi

exit $status
