#!/bin/sh
#
# misc/install.sh install|uninstall BUILD - copy what BUILD holds and what
# belongs to it to where it is used, or remove it from there.
#
# From the environment: DESTDIR, PREFIX, MODULESDIR and UNITDIR.  Files that
# name the loader by its path get PREFIX's.

set -eu

action=$1
build=$2

if [ -z "$MODULESDIR" ]; then
    echo "no nginx tells where its modules go: give MODULESDIR=/..." >&2
    exit 1
fi

doc=$PREFIX/share/doc/profile-loader/examples
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT

while read -r mode source target; do
    target=$DESTDIR$target
    if [ "$action" = uninstall ]; then
        rm -f "$target"
        continue
    fi
    case $source in
    debian/* | man/*)
        sed "s|/usr\(/local\)\?\(/bin/profile-loader\)|$PREFIX\2|" \
            "$source" >"$scratch"
        source=$scratch
        ;;
    esac
    # It takes the old file away first: a running nginx keeps what it has
    # mapped.
    install -D -m "$mode" "$source" "$target"
    echo "  INST  $target"
done <<END
644 $build/ngx_http_profile_module.so $MODULESDIR/ngx_http_profile_module.so
755 $build/profile-loader $PREFIX/bin/profile-loader
644 man/profile-loader.8 $PREFIX/share/man/man8/profile-loader.8
644 share/entities.html $PREFIX/share/profile/entities.html
644 debian/examples/profile-loader.json $doc/profile-loader.json
644 debian/examples/profile-loader.cron $doc/profile-loader.cron
644 debian/examples/site.conf $doc/site.conf
644 debian/profile-loader.service $UNITDIR/profile-loader.service
644 debian/profile-loader.timer $UNITDIR/profile-loader.timer
644 debian/profile-loader.profile-loader-full.service \
    $UNITDIR/profile-loader-full.service
644 debian/profile-loader.profile-loader-full.timer \
    $UNITDIR/profile-loader-full.timer
END

if [ "$action" = uninstall ]; then
    rmdir "$DESTDIR$doc" "$DESTDIR${doc%/*}" "$DESTDIR$PREFIX/share/profile" \
        2>/dev/null || :
fi
