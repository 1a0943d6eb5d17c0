# Why: rows come in any order and in any number, and are sorted with bounded
# memory. Each must come out once, under its own key, wherever the runs of the
# sort were cut; of rows with one key the first must win.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use List::Util qw(shuffle);
use lib 't/lib';
use ProfileLoader;
use Test::More;

# A seed, so that a failure can be had again.
my $seed = $ENV{PROFILE_TEST_SEED} || time ^ $$;
srand $seed;
note("PROFILE_TEST_SEED=$seed");


# Compares the store with { id => body without {"data":...} }, which it eats.
# Also that the records are in the order of their keys' bytes.

sub same_records {
    my ($box, $wanted, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $count = keys %$wanted;
    my ($seen, $wrong, $unknown, $disorder) = (0, 0, 0, 0);
    my $last = '';

    mdb_each($box->generation, sub {
        my ($tag, $incarnation, $id) = unpack 'C N a*', $_[0];
        return if $tag != 0x20;

        $seen++;
        $disorder++ if $_[0] le $last;
        $last = $_[0];

        my $row = delete $wanted->{$id};

        if (!defined $row) {
            $unknown++;

        } elsif (body_of($_[1]) ne qq({"data":$row})) {
            $wrong++;
        }
    });

    is_deeply({ seen => $seen, wrong => $wrong, unknown => $unknown,
                disorder => $disorder, missing => scalar keys %$wanted },
              { seen => $count, wrong => 0, unknown => 0, disorder => 0,
                missing => 0 }, $name);

    return;
}


# The row of an id; digits make an integer of some of them.

sub row {
    my ($id, $n) = @_;

    my $json = $id =~ /\A(?:0|[1-9]\d*)\z/ && $n % 2 ? $id
             : '"' . join('', map { $_ eq '"' || $_ eq '\\' ? "\\$_"
                                    : ord $_ < 32 ? sprintf '\\u%04x', ord $_
                                    : $_ } split //, $id) . '"';

    return qq({"n":$n,"id":$json,"x":") . substr(sha1_hex($n), 0, $n % 40)
           . '"}';
}


# Ids on which a comparison could stumble: prefixes of others, bytes above
# 0x7f, control characters, digits of all lengths, equal first bytes.

sub odd_ids {
    my %ids;

    for my $text ('', 'a', 'ab', 'aaaaaaa', 'aaaaaaaa', 'aaaaaaaaa',
                  'aaaaaaaab', "\x01", "\x1f", "\x7f", "\xC2\x80",
                  "\xC3\xBF", "\xEF\xBF\xBF", "\xF0\x9F\x98\x80",
                  "\xF4\x8F\xBF\xBF", '0', '00', '9', '10', '99', 'A', 'z',
                  'x' x 499)
    {
        $ids{$text . $_}++ for '', 'a', "\x01", "\xC2\x80", '0', '1', ' ';
    }

    return grep { length $_ && length $_ <= 500 } keys %ids;
}


sub box_of {
    my ($pattern, %files) = @_;

    return sandbox(\%files, workspace(1, 'Acme', [
        entity(1, 'Users', 'id', $pattern, max_invalid => 100)]));
}


# -- small numbers, every bound -----------------------------------------------

# With a bound of one byte each row is a run of its own.
for my $memory (1, 100, 1000, 4096, 65536, 1 << 20, undef) {
    for my $count (0, 1, 2, 3, 10, 100, 500) {
        my @ids = shuffle(odd_ids(), map { "id $_" } 1 .. $count);
        @ids = @ids[0 .. $count - 1] if $count < 10;

        my $n = 0;
        my %rows = map { $_ => row($_, $n++) } @ids;
        my $box = box_of('u.ndjson', 'u.ndjson' => join '',
                         map { "$rows{$_}\n" } @ids);

        my $name = @ids . ' rows, a bound of ' . ($memory // 'the default');
        my %option = (env => { PROFILE_SORT_MEMORY => $memory });

        run_ok($box->loader(\%option, 'sync'),
               { 'Acme/Users' => { rows => scalar @ids, invalid => 0,
                                   added => scalar @ids } }, $name);
        same_records($box, { %rows }, "$name: the records");

        # Again: the pass that compares sees the same order.
        @ids = shuffle(@ids);
        $box->write('u.ndjson' => join '', map { "$rows{$_}\n" } @ids);
        run_ok($box->loader(\%option, 'sync'),
               { 'Acme/Users' => { unchanged => scalar @ids, written => 0 } },
               "$name: in another order, unchanged");
    }
}

# A bound that is no number is no bound.
for my $memory ('', '0', 'x', '1k', '-1', '99999999999999999999999') {
    my $box = box_of('u.ndjson', 'u.ndjson' => join '',
                     map { qq({"id":$_}\n) } 1 .. 1000);

    run_ok($box->loader({ env => { PROFILE_SORT_MEMORY => $memory } },
                        'sync'),
           { 'Acme/Users' => { added => 1000 } }, "a bound of \"$memory\"");
}


# -- duplicates ---------------------------------------------------------------

# Three files; the same ids in each, in any order. The first row of the first
# file that has one wins, whatever run it is in.
for my $memory (1, 1000, 20_000, undef) {
    my %first;
    my %files;
    my ($rows, $n) = (0, 0);

    for my $file ('u-1', 'u-2', 'u-3') {
        for my $id (shuffle((odd_ids()) x 2, map { "$_" } 1 .. 300)) {
            next if $file eq 'u-1' && $id =~ /^\d*5$/;

            my $row = row($id, $n++);

            $files{"$file.ndjson"} .= "$row\n";
            $first{$id} //= $row;
            $rows++;
        }
    }

    my $box = box_of('u-*.ndjson', %files);
    my $run = $box->loader({ env => { PROFILE_SORT_MEMORY => $memory } },
                           'sync');
    my $name = 'duplicates, a bound of ' . ($memory // 'the default');
    my $counts = summary($run)->{'Acme/Users'};

    is($run->{status}, 0, $name) or diag_run($run);
    is_deeply([@$counts{qw(rows added invalid)}],
              [$rows, scalar keys %first, $rows - keys %first],
              "$name: counts") or diag_run($run);
    is(scalar(() = $run->{err} =~ /ndjson:\d+: duplicate primary key$/mg), 10,
       "$name: ten are named");

    # Each that is named is a row whose id stands before it.
    my $innocent = 0;

    for my $place ($run->{err} =~ /(u-\d\.ndjson:\d+): duplicate/g) {
        my ($file, $line) = split /:/, $place;
        my $row = (split /\n/, $files{$file})[$line - 1];

        $innocent++ if grep { $_ eq $row } values %first;
    }

    is($innocent, 0, "$name: the right ones");
    same_records($box, { %first }, "$name: the first rows are served");
}


# -- large rows among small ones ----------------------------------------------

for my $memory (1000, 300_000, 3_000_000) {
    my %rows = map { $_ => row($_, $_) } 1 .. 500;
    $rows{"big$_"} = qq({"id":"big$_","x":") . 'y' x (100_000 * $_) . '"}'
        for 1 .. 12;

    my $box = box_of('u.ndjson', 'u.ndjson' => join '',
                     map { "$rows{$_}\n" } shuffle keys %rows);

    run_ok($box->loader({ env => { PROFILE_SORT_MEMORY => $memory } },
                        'sync'),
           { 'Acme/Users' => { added => 512 } },
           "rows of up to 1.2 MB, a bound of $memory");
    same_records($box, \%rows, "a bound of $memory: the records");
}


# -- many ---------------------------------------------------------------------

{
    my $count = 300_000;
    my $n = 0;
    my %rows;

    for (1 .. $count / 3) {
        # integers of all lengths, text, and bytes of all values
        my $integer = int rand 10 ** (1 + rand 15);
        my $text = 'user-' . sha1_hex($_);
        my $odd = join '', map { ("\x01", "\x7f", "\xC2\x80", "\xC3\xBF",
                                  "\xF0\x9F\x98\x80", 'a', 'Z', '0', ' ')
                                 [rand 9] } 1 .. 4 + rand 12;

        $rows{$_} //= row($_, $n++) for $integer, $text, $odd;
    }

    my @ids = shuffle keys %rows;
    my $box = box_of('u-*.ndjson');

    # In three files, with a row of every 1000th id again at the very end.
    my @again = grep { !($n++ % 1000) } @ids;
    my $third = int(@ids / 3);

    $box->write(
        'u-1.ndjson' => join('', map { "$rows{$_}\n" } @ids[0 .. $third]),
        'u-2.ndjson' => join('', map { "$rows{$_}\n" }
                                 @ids[$third + 1 .. $#ids]),
        'u-3.ndjson' => join('', map { row($_, 12345) . "\n" } @again));

    # 4 MB: some 15 runs.
    my $run = $box->loader({ env => { PROFILE_SORT_MEMORY => 4 << 20 } },
                           'sync');
    my $counts = summary($run)->{'Acme/Users'};

    is($run->{status}, 0, 'many rows') or diag_run($run);
    is_deeply([@$counts{qw(rows added invalid)}],
              [@ids + @again, scalar @ids, scalar @again], 'their counts');
    is($box->status->{workspaces}[0]{entities}[0]{records}, scalar @ids,
       'status has as many');

    for my $id (@ids[0 .. 19], @again[0 .. 9]) {
        my $shown = $id;
        $shown =~ s/([^ -~])/sprintf '\x%02x', ord $1/ge;

        is($box->get(1, 1, $id), qq({"data":$rows{$id}}), "get $shown");
    }

    same_records($box, { %rows }, 'all records');

    # Another bound, another order; some change, some go, some are new.
    my %changed = map { $_ => 1 } @ids[0 .. 999];
    my %gone = map { $_ => 1 } @ids[1000 .. 2999];

    delete @rows{keys %gone};
    $rows{$_} = row($_, 777) for keys %changed;
    $rows{"new-$_"} = row("new-$_", $_) for 1 .. 500;

    @ids = shuffle keys %rows;
    unlink glob "$box->{dir}/u-*.ndjson";
    $box->write('u-1.ndjson' => join '', map { "$rows{$_}\n" } @ids);

    run_ok($box->loader({ env => { PROFILE_SORT_MEMORY => 1 << 20 } },
                        'sync'),
           { 'Acme/Users' => { rows => scalar @ids, invalid => 0,
                               added => 500, changed => 1000,
                               deleted => 2000,
                               unchanged => @ids - 1500 } },
           'a refresh of many');
    same_records($box, \%rows, 'all records after it');
}


# -- no room for the temporary file -------------------------------------------

# A limit on the size of files stands for a full disk: the sort's own file
# reaches it first.
{
    my $box = box_of('u.ndjson', 'u.ndjson' => qq({"id":1}\n));

    run_ok($box->loader('sync'), {}, 'one record');

    $box->write('u.ndjson' => join '', map { row($_, $_) . "\n" }
                                       1 .. 50_000);
    my $before = fingerprint($box->{store});

    my $run = run({ env => { PROFILE_SORT_MEMORY => 100_000 } }, 'bash', '-c',
                  'trap "" XFSZ; ulimit -f 1000; exec "$0" "$@"',
                  loader_path(), '-c', $box->{config}, 'sync');

    fails_ok($run, 3, qr/File too large|temporary/, 'no room');
    is(fingerprint($box->{store}), $before, 'the old data stays');

    run_ok($box->loader('sync'), { 'Acme/Users' => { rows => 50_000 } },
           'with room again');
}

done_testing();
