#!/bin/bash
#
# misc/module.sh BUILD - build BUILD/ngx_http_profile_module.so the way nginx
# builds its own dynamic modules: configure, then its Makefile.
#
# From the environment: CC, CC_OPT and LD_OPT (compiler, flags), NGINX_SRC (an
# unpacked nginx source tree; without it the installed nginx, through Debian's
# nginx-dev) and NGINX_CONFIGURE (more arguments for configure).
#
# bash, not sh: nginx-dev's conf_flags is a bash array.

set -eu

top=$PWD
build=$top/$1
src=${NGINX_SRC:-/usr/share/nginx/src}
objs=$build/nginx
tree=$build/nginx-src

if [[ $top =~ [[:space:]] ]]; then
    echo "nginx cannot be built in a path with white space: $top" >&2
    exit 1
fi

if [ ! -f "$src/src/core/nginx.h" ]; then
    echo "no nginx sources in $src" >&2
    exit 1
fi

src=$(cd "$src" && pwd)

NGX_CONF_FLAGS=(--with-compat)
if [ -f "$src/conf_flags" ]; then
    # shellcheck disable=SC1091
    . "$src/conf_flags"
fi
read -ra more <<<"${NGINX_CONFIGURE:-}"

args=(
    "${NGX_CONF_FLAGS[@]}" "${more[@]}"
    "--with-cc=$CC" "--with-cc-opt=$CC_OPT" "--with-ld-opt=$LD_OPT"
    "--builddir=$objs" "--add-dynamic-module=$top"
)

# configure runs again when anything that it looks at has changed.

stamp=$(
    printf '%s\n' "$src" "${args[@]}"
    "$CC" --version
    cksum "$top/config" "$src/src/core/nginx.h" "$src/auto/make"
)

if [ ! -f "$objs/Makefile" ] || [ ! -f "$objs/stamp" ] \
   || [ "$stamp" != "$(cat "$objs/stamp")" ]
then
    # configure and make write into the directory that they run in, so they
    # get one made of links; the nginx source tree may belong to someone else.

    rm -rf "$objs" "$tree"
    mkdir -p "$objs" "$tree"
    for entry in "$src"/*; do
        case ${entry##*/} in
        Makefile | objs) ;;
        *) ln -s "$entry" "$tree" ;;
        esac
    done

    configure=./configure
    if [ ! -f "$src/configure" ]; then
        configure=./auto/configure
    fi

    echo "  CONF  nginx in $src"

    # CFLAGS in the environment would replace nginx's own flags.  The probe
    # programs that configure runs are not worth a leak report.

    if ! (cd "$tree" \
          && env -u CFLAGS -u MAKEFLAGS ASAN_OPTIONS=detect_leaks=0 \
             sh $configure "${args[@]}") >"$build/configure.log" 2>&1
    then
        tail -n 20 "$build/configure.log" >&2
        echo "nginx's configure failed; see $build/configure.log" >&2
        exit 1
    fi

    printf '%s\n' "$stamp" >"$objs/stamp"
fi

quiet=(--silent)
if [ -n "${V:-}" ]; then
    quiet=()
fi

"${MAKE:-make}" --no-print-directory "${quiet[@]}" \
    -C "$tree" -f "$objs/Makefile" modules

# Replaced by renaming: a running nginx keeps the file that it has mapped.

so=ngx_http_profile_module.so
if ! cmp -s "$objs/$so" "$build/$so"; then
    cp "$objs/$so" "$build/$so.new"
    mv "$build/$so.new" "$build/$so"
    echo "  LINK  $1/$so"
fi
