#!/bin/sh
#
# misc/coverage.sh [FILE...] - run the tests with what `make coverage` has
# built, and say which lines and branches of the module and of the store they
# have reached: a table by file, and in build/coverage/missed.txt what they
# have not.  Without FILE the whole suite has to reach the goals.
#
# What a test may fail to reach without counting as missed is here, and in
# docs/testing.md: the branches of nginx's macros for debugging.

set -u

lines=95 branches=90
not_counted='^\s*ngx_log_debug[0-9]*\('

build=build/coverage
goals=$(($# == 0))
src=ngx_http_profile_module

# Counters are written by processes of several users into files that are
# there before them, in a folder that all may enter: in memory where that is
# possible, as each of thousands of processes writes them all.

top=/tmp
free=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
if [ -w /dev/shm ] && [ "${free:-0}" -gt 200000 ]; then
    top=/dev/shm
fi
GCOV_PREFIX=$(mktemp -d "$top/profile-coverage.XXXXXX")
export GCOV_PREFIX

# shellcheck disable=SC2064 # the folder's name as it is now
trap "rm -rf '$GCOV_PREFIX'" EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

chmod 755 "$GCOV_PREFIX"
find "$PWD/$build" -name '*.gcno' | while read -r notes; do
    file=$GCOV_PREFIX${notes%.gcno}.gcda
    (umask 022 && mkdir -p "${file%/*}")
    : >"$file"
    chmod 666 "$file"
done

find $build -name '*.gcda' -exec rm -f {} +

status=0
misc/test.sh coverage "$@" || status=1

(cd "$GCOV_PREFIX$PWD/$build" \
 && find . -name '*.gcda' -size +0 -exec cp --parents {} "$OLDPWD/$build" \;)

# The headers of nginx are found from where its Makefile has run, our sources
# from here.

if ! gcovr --root . --object-directory $build/nginx-src \
         --filter "$src/module/" --filter "$src/store/" \
         --exclude-branches-by-pattern "$not_counted" \
         --json-summary $build/coverage.json --txt $build/missed.txt \
         --json $build/lines.json $build 2>$build/gcovr.log
then
    cat $build/gcovr.log >&2
    exit 1
fi

# shellcheck disable=SC2016 # Perl's variables
table='
    use strict;
    use warnings;
    use JSON::PP qw(decode_json);

    my ($lines, $branches, $goals, $path) = @ARGV;
    my (%sum, %names);

    sub row {
        my ($name, @n) = @_;
        my @share = map { $n[$_ + 1] ? 100 * $n[$_] / $n[$_ + 1] : 100 } 0, 2;
        printf "%-34s %5d /%5d %6.1f %% %6d /%5d %6.1f %%\n", $name,
            @n[0, 1], $share[0], @n[2, 3], $share[1];
        return @share;
    }

    open my $in, "<", $path or die "$path: $!\n";
    my $report = decode_json(do { local $/; <$in> });

    for my $file (@{ $report->{files} }) {
        my ($part, $name) = $file->{filename} =~ m{(\w+)/([^/]+)$};
        my @n = @$file{qw(line_covered line_total
                          branch_covered branch_total)};
        push @{ $names{$part} }, [$name, @n];
        $sum{$part}[$_] += $n[$_] for 0 .. 3;
    }

    my $failed = 0;
    printf "%-34s %21s %23s\n", "file", "lines", "branches";

    for my $part (sort keys %sum) {
        row(@$_) for sort { $a->[0] cmp $b->[0] } @{ $names{$part} };
        my @share = row("== $part", @{ $sum{$part} });
        $failed ||= $share[0] < $lines || $share[1] < $branches;
    }

    if ($goals) {
        print "goal: $lines % of the lines and $branches % of the branches ",
              $failed ? "missed\n" : "reached\n";
        exit 1 if $failed;
    }
'

perl -e "$table" $lines $branches "$goals" $build/coverage.json || status=1

echo "missed lines: $build/missed.txt"
if [ $status = 0 ]; then
    echo "Result: PASS"
else
    echo "Result: FAIL"
fi

exit $status
