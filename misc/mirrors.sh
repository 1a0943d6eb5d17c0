#!/bin/sh
#
# misc/mirrors.sh - print the mirrors of Debian that this machine's apt knows,
# one a line: those of its own release.  First those that apt knows to be
# Debian's, then the rest, since apt knows that only of lists that it has
# downloaded.  A mirror of something else has no signature of Debian's, so
# whoever uses one verifies that.

set -eu

command -v apt-get >/dev/null || exit 0

# shellcheck disable=SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")

# shellcheck disable=SC2016 # apt's own variables
{
    apt-get indextargets --format '$(LABEL) $(CODENAME) $(REPO_URI)' \
        'Created-By: Packages' \
    | sed -n "s/^Debian $codename //p"

    apt-get update --print-uris \
    | sed -n "s|^'\([^']*/\)dists/$codename/InRelease'.*|\1|p"
} 2>/dev/null | awk '!seen[$0]++'
