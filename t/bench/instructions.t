#!/usr/bin/perl

# A record and the list of entities in instructions, beside `return 200` of the
# same run (t/bench/lib/ProfileInstructions.pm): a bound that holds on a busy
# machine as well. Part of `make check-valgrind`, which has valgrind and runs
# what is slow under it; t/bench/instructions prints all the figures.

use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use ProfileBench;
use ProfileInstructions;
use Test::More;

# How often the instructions of `return 200`, those of libcrypto left out: there
# they depend on the processor, and are many on the one that valgrind shows it,
# which has no instructions for SHA-256. With nginx 1.22 and LMDB 0.9.24 they
# are 1.87 and 1.72 times the 5,054 of `return 200`. One more lookup in the
# store, with what is checked of what it finds, adds 0.35: a third of that is
# the room for other versions.
my %most = (record => 2.0, list => 1.85);

my @kinds = grep { $_->{name} eq 'return 200' || $most{ $_->{name} } }
    instruction_kinds();
my %count = count_instructions(100, @kinds);
my $base = $count{'return 200'}{total};

# What is counted is what is meant: neither nothing, nor the start of nginx.
cmp_ok($base, '>', 1000, 'return 200 is counted');
cmp_ok($base, '<', 20_000, 'and nothing else');
is($count{'return 200'}{module}, 0, 'it does not call the module');

for my $name (sort keys %most) {
    my $count = $count{$name};

    cmp_ok($count->{module}, '>', 500, "$name: the module is counted");

    cmp_ok(($count->{total} - $count->{crypto}) / $base, '<=', $most{$name},
           "$name: instructions, `return 200` = 1")
        or diag(join ', ', map { "$_ $count->{$_}" } sort keys %$count);
}

done_testing();
