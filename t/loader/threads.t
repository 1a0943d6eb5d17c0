# Why: rows are parsed by as many threads as there are processors, and sorted
# in whatever memory there is. What comes of it, and what is said of invalid
# rows, must be the same with one thread and with many, with little memory and
# with much.

use strict;
use warnings;

use lib 't/lib';
use ProfileLoader;
use Test::More;

my ($cpu) = slurp('/proc/self/status') =~ /^Cpus_allowed_list:\s+(\d+)/m;
my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;
note("$cpus processors");

my $rows = slow() > 1 ? 8_000 : 40_000;

# [name, memory, on one processor]
my @ways = (['as it comes', undef, 0], ['one thread', undef, 1],
            ['little memory', 200_000, 0],
            ['little memory, one thread', 200_000, 1],
            ['memory for a row or two', 1000, 0]);


# Several files, in none of which ids are in order, with rows of all sizes,
# duplicates far from each other, and invalid rows here and there.

sub files {
    my (%option) = @_;

    my @files = ('') x 3;
    my $seed = 20260101;

    for my $i (1 .. $rows) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;

        my $id = int($seed / 7) % $rows;
        my $size = $i % 5000 == 0 ? 300_000 : $seed % 300;
        my $row = $i % 977 == 0 ? '{"id":'
                  : $i % 1311 == 0 ? '{"id":null}'
                  : sprintf '{"id":"%d","at":%d,"v":%d,"gone":%s,"x":"%s"}',
                    $id, $seed, $i, $i % 11 == 0 ? 'true' : 'false',
                    'x' x $size;

        $files[$i * 3 / ($rows + 1)] .= "$row\n";
    }

    return map { ("part-$_.ndjson" => $files[$_]) } 0 .. 2;
}


# What a way leads to: all of the records, the cursor and what was said.

sub outcome {
    my ($box, $memory, $one, $name) = @_;

    my $run = run({ env => { PROFILE_SORT_MEMORY => $memory } },
                  $one ? ('taskset', '-c', $cpu) : (), loader_path(),
                  '-c', $box->{config}, 'sync');

    is($run->{status}, 0, "$name: exit status") or diag_run($run);

    my (%seen, $live, $entity);

    mdb_each($box->generation, sub {
        my ($tag, $number) = unpack 'C N', $_[0];

        if ($tag == 5) {
            # without the incarnation and the times
            $live = unpack 'x16 N', $_[1];
            $seen{entity} = unpack 'H*', substr($_[1], 24, 16);

        } elsif ($tag == 7) {
            $seen{cursor} = $_[1];

        } elsif ($tag == 0x20 && $number == $live) {
            # the hash, the length and the body, without the sum: it is of
            # the time, too
            $seen{ substr $_[0], 5 } = substr($_[1], 16, 20)
                                       . substr $_[1], 40;
        }
    });

    my $summary = summary($run)->{'Acme/Users'} || {};

    return { records => \%seen, said => $run->{err}, counts => $summary };
}


for my $mode ('full', 'incremental') {
    my %first;
    my %refresh = (mode => $mode,
                   $mode eq 'full' ? () : (cursor => 'at', deleted => 'gone'));

    for my $way (@ways) {
        my ($name, $memory, $one) = @$way;
        my $box = sandbox({ files() }, workspace(1, 'Acme',
            [entity(1, 'Users', 'id', 'part-*.ndjson', refresh => \%refresh,
                    max_invalid => 100, max_delete => 100)]));

        $name = "$mode, $name";

        my %got = (load => outcome($box, $memory, $one, "$name, a load"));

        # and a second time, with the first file alone
        unlink "$box->{dir}/part-$_.ndjson" for 1, 2;
        $got{refresh} = outcome($box, $memory, $one, "$name, a refresh");

        if (!%first) {
            %first = %got;

            my $count = keys %{ $got{load}{records} };
            cmp_ok($count, '>', $rows / 3, "$mode: $count records");
            cmp_ok($got{load}{counts}{invalid}, '>', $rows / 5,
                   "$mode: there are duplicates");

            my @lines = $got{load}{said} =~ /:(\d+): /g;
            is(@lines, 10, "$mode: ten invalid rows are named");
            is("@lines", join(' ', sort { $a <=> $b } @lines),
               "$mode: in the order of the source");
            next;
        }

        for my $step ('load', 'refresh') {
            is($got{$step}{said}, $first{$step}{said},
               "$name, $step: what is said of invalid rows");
            is_deeply($got{$step}{counts}, $first{$step}{counts},
                      "$name, $step: the counts");

            # not is_deeply, which would print records of 300 KB
            my ($one, $two) = ($got{$step}{records}, $first{$step}{records});
            my @differ = grep { ($one->{$_} // '') ne ($two->{$_} // '') }
                         sort keys %{ { %$one, %$two } };
            is(@differ, 0, "$name, $step: all records, byte by byte")
                or diag("first: $differ[0]");
        }
    }
}

done_testing();
