#!/bin/sh
#
# misc/modules-dir.sh - print the folder in which nginx looks for modules with
# a relative name: that of the nginx which NGINX_SRC has built, if it has, else
# of the installed one.  Prints nothing where there is none.

set -eu

PATH=$PATH:/usr/sbin:/sbin

for nginx in ${NGINX_SRC:+"$NGINX_SRC/objs/nginx"} nginx; do
    arguments=$("$nginx" -V 2>&1 | sed -n 's/^configure arguments:/ /p')
    [ -z "$arguments" ] || break
done
[ -n "$arguments" ] || exit 0

# option NAME DEFAULT
option() {
    found=$(printf '%s\n' "$arguments" | sed -n "s|.* --$1=\([^ ]*\).*|\1|p")
    echo "${found:-$2}"
}

prefix=$(option prefix /usr/local/nginx)
dir=$(option modules-path modules)

case $dir in
/*) echo "$dir" ;;
*)  echo "$prefix/$dir" ;;
esac
