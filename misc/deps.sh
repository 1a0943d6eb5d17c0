#!/bin/sh
#
# misc/deps.sh GROUP... - install the Debian packages that a make target
# needs and that are missing.  Groups: build run test api proxies lint
# sanitize valgrind browser fuzz coverage cpanm bench matrix deb check-deb.
# Says what it installs, installs packages and nothing else, and takes a few
# milliseconds when nothing is missing.
#
# Where there is no dpkg (another distribution) it stays silent: the compiler
# and nginx's configure then name what they cannot find.

set -eu

# An entry PACKAGE:COMMAND is also satisfied by COMMAND in the PATH, whoever
# put it there; PACKAGE alone has to be installed.

group() {
    case $1 in
    build)
        case ${CC:-cc} in
        clang | clang-[0-9]*) echo "$CC:$CC" ;;
        *)                    echo gcc:"${CC:-cc}" ;;
        esac
        echo libc6-dev liblmdb-dev libjansson-dev libssl-dev zlib1g-dev
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
        echo nginx:"${TEST_NGINX_BINARY:-nginx}" curl:curl gdb:gdb lmdb-utils
        echo postgresql systemd:systemd-analyze mount:mount \
            python3-prometheus-client python3:python3 openssl:openssl
        ;;
    api)
        group test
        echo nodejs:node npm:npm
        ;;
    proxies)
        # apache2-bin is the server without a service.
        group test
        echo haproxy:haproxy varnish:varnishd hitch:hitch \
            apache2-bin:apache2 openssl:openssl
        ;;
    lint)
        group build
        echo clang:clang cppcheck:cppcheck shellcheck:shellcheck git:git \
            mandoc:mandoc
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
    browser)
        # The browser's package only recommends a font.
        group test
        echo chromium:chromium chromium-driver:chromedriver fonts-dejavu-core
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
    coverage)
        group build
        group test
        echo gcc:gcc gcovr:gcovr
        ;;
    bench)
        group test
        echo wrk:wrk nghttp2-client:h2load openssl:openssl valgrind:valgrind
        # What the module is compared with.  lua-nginx-redis would bring
        # nginx-extras, two dozen modules: t/bench/peers unpacks it.
        echo libnginx-mod-http-lua lua-nginx-string
        echo redis-server:redis-server memcached:memcached \
            lmdb-utils:mdb_load
        ;;
    matrix)
        echo debootstrap:debootstrap debian-archive-keyring git:git \
            iproute2:ip util-linux:unshare
        ;;
    deb)
        # debian/control's Build-Depends, and what reads it.
        group build
        echo build-essential debhelper
        ;;
    check-deb)
        group deb
        group matrix
        echo lintian:lintian perl strace:strace systemd:systemd-analyze \
            systemd-container:systemd-nspawn curl:curl
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

# The package nginx starts a web server on port 80 as soon as it is unpacked,
# those of other proxies start theirs, and that of PostgreSQL makes a database
# cluster and starts it.  Nobody asked for that here; the tests start their
# own.  A service is not started if the machine's policy for services says so:
# /usr/sbin/policy-rc.d is what both invoke-rc.d and deb-systemd-invoke ask (an
# environment variable such as RUNLEVEL=1 reaches only the former).  A cluster
# is not made if a file in createcluster.d says so.
#
# Such a file is made only where there is none, speaks of nothing but starting
# what is being installed, and is gone again when apt-get ends.  A policy that
# is already there is left to decide.

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d
cluster=$clusters/ngx_http_profile_module.conf
made=
quiet=

cleanup() {
    for file in $made; do
        $sudo rm -f "$file"
        # No package has a folder of that name.
        [ "$file" != $cluster ] || $sudo rmdir -p $clusters 2>/dev/null || :
    done
    made=
}

# make_file FILE MODE: what is on standard input, for the time being.
make_file() {
    made="$made $1"
    $sudo mkdir -p "${1%/*}"
    $sudo tee "$1" >/dev/null
    $sudo chmod "$2" "$1"
}

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null \
    | grep -qx installed
}

case " $missing " in
*" nginx "* | *" nginx-dev "*) installed nginx || quiet="$quiet nginx" ;;
esac

case " $missing " in
*" postgresql "*)
    installed postgresql-common || quiet="$quiet postgresql"
    ;;
esac

for name in redis-server memcached haproxy varnish hitch; do
    case " $missing " in
    *" $name "*) installed $name || quiet="$quiet $name" ;;
    esac
done

if [ -n "$quiet" ]; then
    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
fi

if [ -n "$quiet" ] && [ ! -e "$policy" ]; then
    # The arguments: perhaps options, the service, the action, which is
    # "(start)" where there is no runlevel.
    # shellcheck disable=SC2086 # a list of names
    rules=$(printf '*%s*start*) exit 101 ;;\n' $quiet)
    make_file "$policy" 755 <<END
#!/bin/sh
# temporary: made and removed by misc/deps.sh of ngx_http_profile_module, so
# that installing a package starts no service
case "\$*" in
$rules
esac
exit 0
END
fi

case $quiet in
*postgresql*)
    if [ ! -e $cluster ]; then
        make_file $cluster 644 <<END
# temporary: made and removed by misc/deps.sh of ngx_http_profile_module
create_main_cluster = false
END
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

cleanup

if [ -n "$quiet" ] && [ -d /run/systemd/system ]; then
    cat <<END
Not started, as nobody asked for it:$quiet.  The packages have enabled the
services for the next boot; "systemctl disable$quiet" undoes that.
END
fi
