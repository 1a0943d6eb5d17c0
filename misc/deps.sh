#!/bin/sh
#
# misc/deps.sh GROUP... - install the Debian packages that a make target
# needs and that are missing.  Groups: build run test lint sanitize valgrind
# fuzz cpanm bench.  Says what it installs, installs packages and nothing
# else, and takes a few milliseconds when nothing is missing.
#
# Where there is no dpkg (another distribution) it stays silent: the compiler
# and nginx's configure then name what they cannot find.

set -eu

# An entry PACKAGE:COMMAND is also satisfied by COMMAND in the PATH, whoever
# put it there; PACKAGE alone has to be installed.

group() {
    case $1 in
    build)
        echo gcc:"${CC:-cc}" libc6-dev liblmdb-dev libjansson-dev libssl-dev \
            zlib1g-dev
        if [ -n "${NGINX_SRC:-}" ]; then
            echo libpcre2-dev
        else
            echo nginx-dev
        fi
        ;;
    run)
        echo nginx:nginx perl iso-codes curl:curl
        ;;
    test)
        # What Test::Nginx::Socket loads, then what our own tests call.
        echo perl libtest-base-perl libtext-diff-perl \
            liblist-moreutils-perl libtest-longstring-perl liburi-perl \
            libwww-perl libipc-run-perl procps psmisc debian-archive-keyring
        echo nginx:"${TEST_NGINX_BINARY:-nginx}" curl:curl lmdb-utils
        ;;
    lint)
        group build
        echo clang:clang cppcheck:cppcheck shellcheck:shellcheck git:git
        group test
        ;;
    sanitize)
        # gcc brings the sanitizers' libraries.
        group test
        ;;
    valgrind)
        group test
        echo valgrind:valgrind
        ;;
    fuzz)
        # clang's own sanitizers and libFuzzer, which its package only
        # recommends.
        group build
        echo clang:clang libclang-rt-dev
        ;;
    cpanm)
        echo cpanminus:cpanm
        ;;
    bench)
        group test
        echo wrk:wrk
        ;;
    *)
        echo "deps.sh: unknown group \"$1\"" >&2
        exit 2
        ;;
    esac
}

if ! command -v dpkg-query >/dev/null; then
    exit 0
fi

wanted=
for name; do
    wanted="$wanted $(group "$name")"
done

packages=
for entry in $wanted; do
    case $entry in
    *:*)
        # /usr/sbin: where nginx is, and not in an ordinary user's PATH.
        if PATH=$PATH:/usr/sbin:/sbin command -v "${entry#*:}" >/dev/null; then
            continue
        fi
        ;;
    esac
    packages="$packages ${entry%%:*}"
done

# shellcheck disable=SC2086 # a list of package names
present=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages \
          2>/dev/null | sed -n 's/ installed$//p') || :

missing=
for package in $packages; do
    case "
$present
$missing " in
    *"
$package
"* | *" $package "*) ;;
    *) missing="$missing $package" ;;
    esac
done

if [ -z "$missing" ]; then
    exit 0
fi

if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }
then
    sudo=sudo
else
    cat >&2 <<END
cannot install them: neither root nor sudo.  Let root run
    apt-get update && apt-get install --no-install-recommends$missing
and try again.
END
    exit 1
fi

echo "installing packages (nothing else):$missing"

# The package nginx starts a web server on port 80 as soon as it is unpacked.
# Nobody asked for that here, so nginx's own service is not started, as the
# machine's policy for services can say: /usr/sbin/policy-rc.d is what both
# invoke-rc.d and deb-systemd-invoke ask (an environment variable such as
# RUNLEVEL=1 reaches only the former).  The file is made only where there is
# none, speaks of nginx alone and of starting it alone, and is gone again when
# apt-get ends.  A policy that is already there is left to decide.

policy=/usr/sbin/policy-rc.d
mine=

cleanup() {
    [ -z "$mine" ] || $sudo rm -f "$policy"
    mine=
}

case " $missing " in
*" nginx "* | *" nginx-dev "*)
    if [ ! -e "$policy" ] && ! dpkg-query -W -f '${db:Status-Status}\n' nginx \
         2>/dev/null | grep -qx installed
    then
        mine=1
        trap cleanup EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        # The arguments: perhaps options, the service, the action, which is
        # "(start)" where there is no runlevel.
        # shellcheck disable=SC2016 # $* is for the policy's shell
        printf '%s\n' '#!/bin/sh' \
            '# temporary: made and removed by misc/deps.sh of' \
            '# ngx_http_profile_module, so that installing nginx starts none' \
            'case "$*" in' \
            '*nginx*start*) exit 101 ;;' \
            'esac' \
            'exit 0' | $sudo tee "$policy" >/dev/null
        $sudo chmod 755 "$policy"
    fi
    ;;
esac

# apt-get's own environment goes through env(1), as sudo drops it.
apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# Lists that cannot be refreshed may still do: the installation decides.
apt update || echo "apt-get update failed; trying with the lists at hand" >&2

# shellcheck disable=SC2086
if ! apt install -y --no-install-recommends $missing; then
    echo "could not install:$missing" >&2
    exit 1
fi

if [ -n "$mine" ]; then
    cleanup
    if [ -d /run/systemd/system ]; then
        cat <<'END'
The nginx that came along was not started.  Its package has enabled the
service for the next boot; "systemctl disable nginx" undoes that.
END
    fi
fi
