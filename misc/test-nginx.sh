#!/bin/sh
#
# misc/test-nginx.sh - make Test::Nginx::Socket (openresty's) available and
# print what has to go into PERL5LIB: nothing where perl finds it already.
#
# Debian has it as libtest-nginx-perl from forky on.  Older releases get that
# one package, unpacked below build/deps: through an apt configuration of its
# own, which takes the mirror from the machine's apt sources (misc/mirrors.sh),
# verifies Debian's signatures as ever, and leaves the machine's configuration
# alone.

set -eu

deps=$PWD/build/deps
apt=$deps/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

have() {
    PERL5LIB=$1${1:+${PERL5LIB:+:}}${PERL5LIB:-} \
        perl -MTest::Nginx::Socket -e 1 >/dev/null 2>&1
}

for dir in '' "$deps/test-nginx/usr/share/perl5" "$deps/cpan/lib/perl5"; do
    if { [ -z "$dir" ] || [ -d "$dir/Test/Nginx" ]; } && have "$dir"; then
        echo "$dir"
        exit 0
    fi
done

# apt's sandbox user may not get into a checkout, hence root's own hands.  The
# signature counts, the expiry date does not: for a test library a mirror that
# is behind does as well.
private_apt() {
    apt-get -q -o Dir::Etc::sourcelist="$apt/sources.list" \
        -o Dir::Etc::sourceparts=- -o Dir::State::lists="$apt/lists" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root \
        -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none \
        -o Acquire::Check-Valid-Until=false "$@"
}

# from_debian URI SUITE
from_debian() {
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/package"
    echo "deb [signed-by=$keyring] $1 $2 main" >"$apt/sources.list"

    private_apt -o APT::Update::Error-Mode=any update \
    && (cd "$apt/package" && private_apt download libtest-nginx-perl) \
    && rm -rf "$deps/test-nginx" \
    && dpkg-deb -x "$apt"/package/libtest-nginx-perl_*.deb "$deps/test-nginx"
}

mkdir -p "$deps"

if command -v apt-get >/dev/null && [ -f "$keyring" ]; then
    for suite in forky sid; do
        for uri in $(misc/mirrors.sh); do
            echo "fetching libtest-nginx-perl of Debian $suite" \
                "into build/deps" >&2
            dir=$deps/test-nginx/usr/share/perl5

            if from_debian "$uri" "$suite" >"$deps/apt.log" 2>&1 && have "$dir"
            then
                rm -rf "$apt"
                echo "$dir"
                exit 0
            fi
            tail -n 3 "$deps/apt.log" >&2
        done
    done
    rm -rf "$apt"
fi

echo "installing Test::Nginx with cpanm into build/deps" >&2
if ! command -v cpanm >/dev/null; then
    misc/deps.sh cpanm >&2
fi
if cpanm --notest --local-lib-contained "$deps/cpan" Test::Nginx::Socket \
       >"$deps/cpanm.log" 2>&1 && have "$deps/cpan/lib/perl5"
then
    echo "$deps/cpan/lib/perl5"
    exit 0
fi

cat >&2 <<END
Test::Nginx::Socket is not to be had, neither from Debian (package
libtest-nginx-perl) nor with cpanm; see the logs in $deps
END
exit 1
