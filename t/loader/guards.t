# Why: a broken export must not empty a customer's data. Too many invalid rows
# or too many deletions fail the refresh, and the old data stays.

use strict;
use warnings;

use lib 't/lib';
use ProfileLoader;
use Test::More;


sub box_of {
    my (%more) = @_;

    return sandbox({ 'users.ndjson' => '', 'other.ndjson' => qq({"id":1}\n) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson', %more),
                              entity(2, 'Other', 'id', 'other.ndjson')]));
}


sub records {
    my ($from, $to, $version) = @_;

    return join '', map { qq({"id":$_,"v":$version}\n) } $from .. $to;
}


sub bad {
    my ($count) = @_;

    return join '', map { "bad $_\n" } 1 .. $count;
}


# A refresh that fails changes nothing, and the others are committed.

sub guarded {
    my ($box, $text, $pattern, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($number) = ($box->get(1, 2, 1) // '') =~ /"n":(\d+)/;
    $number = ($number // 0) + 1;

    my %before = map { $_ => $box->get(1, 1, $_) } 1, 2, 100, 101, 200;
    my $records = entity_records($box);

    $box->write('users.ndjson' => $text,
                'other.ndjson' => qq({"id":1,"n":$number}\n));

    my $run = $box->loader('sync', @args);

    is($run->{status}, 1, "$name: exit status") or diag_run($run);
    like($run->{err},
         qr{^profile-loader: Acme/Users: .*$pattern.*; the old data stays$}m,
         "$name: the reason") or diag_run($run);
    ok(!exists summary($run)->{'Acme/Users'}, "$name: no summary");

    my %after = map { $_ => $box->get(1, 1, $_) } keys %before;
    is_deeply(\%after, \%before, "$name: the old data stays");
    is(entity_records($box), $records, "$name: all of it");

    is($box->get(1, 2, 1), qq({"data":{"id":1,"n":$number}}),
       "$name: the other entity is refreshed");

    return;
}


# Also checks that nothing of a refresh that failed is left behind.

sub entity_records {
    my ($box) = @_;

    my $records = records_of(mdb_pairs($box->generation));
    my @counts = sort { $b <=> $a } map { scalar keys %$_ } values %$records;

    return "@counts";
}


# -- max_invalid --------------------------------------------------------------

# [percent or undef, good rows, bad rows, whether it passes]
for my $case ([undef, 99, 1, 1], [undef, 98, 1, 0], [undef, 990, 10, 1],
              [undef, 990, 11, 0], [undef, 2, 1, 0], [undef, 0, 1, 0],
              [undef, 100, 0, 1], [undef, 0, 0, 1],
              [0, 100, 0, 1], [0, 9999, 1, 0], [0, 0, 0, 1],
              [50, 5, 5, 1], [50, 5, 6, 0], [99.5, 1, 199, 1],
              [99.5, 1, 200, 0], [100, 0, 20, 1], [100, 1, 20, 1],
              [0.1, 999, 1, 1], [0.1, 998, 1, 0], [0.01, 9999, 1, 1],
              [0.01, 9998, 1, 0], [1e-9, 9999, 1, 0])
{
    my ($percent, $good, $bad, $passes) = @$case;
    my $name = ($percent // 'default') . " %: $bad invalid of "
               . ($good + $bad);
    my $box = box_of(defined $percent ? (max_invalid => $percent) : ());

    # A first load has nothing to go back to, but must not be published.
    $box->write('users.ndjson' => records(1, $good, 1) . bad($bad));
    my $run = $box->loader('sync');

    if ($passes) {
        is($run->{status}, 0, $name) or diag_run($run);
        is(summary($run)->{'Acme/Users'}{added}, $good, "$name: loaded");
        is(summary($run)->{'Acme/Users'}{invalid}, $bad, "$name: counted");
        next;
    }

    fails_ok($run, 1, qr{Acme/Users: .*invalid}, $name);
    is($box->get(1, 1, 1), undef, "$name: not loaded");
    is($box->get(1, 2, 1), '{"data":{"id":1}}', "$name: the other is");

    # A refresh goes back to what there was.
    $box->write('users.ndjson' => records(1, 200, 1));
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 200 } },
           "$name: a good load");
    guarded($box, records(1, $good, 2) . bad($bad), qr/invalid/,
            "$name, refreshed");
}

# Where bad rows stand makes no difference, and all kinds count.
{
    my $box = box_of();
    $box->write('users.ndjson' => records(1, 200, 1));
    run_ok($box->loader('sync'), {}, '200 records');

    guarded($box, bad(3) . records(1, 197, 2), qr/invalid/,
            'bad rows at the beginning');
    guarded($box, records(1, 100, 2) . bad(3) . records(101, 197, 2),
            qr/invalid/, 'bad rows in the middle');
    guarded($box, records(1, 197, 2) . records(1, 3, 3), qr/invalid/,
            'duplicates are invalid rows');
    guarded($box, records(1, 197, 2) . "bad\n" . '{"id":null}' . "\n"
                  . records(1, 1, 3), qr/invalid/, 'several kinds');

    # --allow-shrink is about deletions.
    guarded($box, records(1, 197, 2) . bad(3), qr/invalid/,
            '--allow-shrink does not allow invalid rows', '--allow-shrink');

    $box->write('users.ndjson' => records(1, 198, 2) . bad(2));
    my $run = $box->loader('sync');
    is($run->{status}, 0, '1 % in the middle of a life') or diag_run($run);
    my $counts = summary($run)->{'Acme/Users'};
    is_deeply([@$counts{qw(rows invalid changed deleted)}],
              [200, 2, 198, 2], 'its counts');
}


# -- max_delete ---------------------------------------------------------------

# [percent or undef, records, how many of them stay, whether it passes]
for my $case ([undef, 100, 0, 1], [undef, 100, 1, 1], [undef, 101, 51, 1],
              [undef, 101, 50, 0], [undef, 101, 0, 0], [undef, 200, 100, 1],
              [undef, 200, 99, 0], [undef, 1000, 500, 1],
              [undef, 1000, 499, 0], [undef, 1, 0, 1],
              [10, 200, 180, 1], [10, 200, 179, 0], [10, 100, 0, 1],
              [0, 200, 200, 1], [0, 200, 199, 0], [0, 100, 0, 1],
              [0.5, 200, 199, 1], [0.5, 200, 198, 0], [100, 200, 0, 1],
              [99.5, 200, 1, 1], [99.5, 200, 0, 0])
{
    my ($percent, $count, $stay, $passes) = @$case;
    my $name = ($percent // 'default') . ' %: ' . ($count - $stay)
               . " deleted of $count";
    my $box = box_of(defined $percent ? (max_delete => $percent) : ());

    $box->write('users.ndjson' => records(1, $count, 1));
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => $count } },
           "$name: loaded");

    # Which ones go makes no difference: here the first.
    my $text = records($count - $stay + 1, $count, 1);

    if (!$passes) {
        guarded($box, $text, qr/would be deleted.*max_delete/, $name);

        # Many new records do not make up for it.
        guarded($box, $text . records(10_001, 12_000, 1), qr/would be deleted.*max_delete/,
                "$name, 2000 added");

        # --full is no permission either.
        guarded($box, $text, qr/would be deleted.*max_delete/, "$name, --full", '--full');

        $box->write('users.ndjson' => $text);
        run_ok($box->loader('sync', '--allow-shrink'),
               { 'Acme/Users' => { deleted => $count - $stay,
                                   unchanged => $stay } },
               "$name, --allow-shrink");
        is($box->get(1, 1, 1), undef, "$name, --allow-shrink: deleted");
        next;
    }

    $box->write('users.ndjson' => $text);
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { deleted => $count - $stay,
                               unchanged => $stay } }, $name);
}

# Records whose rows became invalid are deletions.
{
    my $box = box_of(max_invalid => 100);

    $box->write('users.ndjson' => records(1, 200, 1));
    run_ok($box->loader('sync'), {}, '200 records, any number may be invalid');
    guarded($box, records(1, 99, 1) . bad(101), qr/would be deleted.*max_delete/,
            'invalid rows delete');
}

# Changes are no deletions.
{
    my $box = box_of(max_delete => 0);

    $box->write('users.ndjson' => records(1, 200, 1));
    run_ok($box->loader('sync'), {}, '200 records, none may be deleted');

    $box->write('users.ndjson' => records(1, 300, 2));
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { changed => 200, added => 100 } },
           'all may be changed, and others added');
}

# The guard holds over several runs: what failed is not forgotten.
{
    my $box = box_of();

    $box->write('users.ndjson' => records(1, 1000, 1));
    run_ok($box->loader('sync'), {}, '1000 records');

    guarded($box, records(1, 400, 1), qr/would be deleted.*max_delete/, "run $_") for 1 .. 3;

    # Removing the entity is the operator's word, not the source's.
    $box->configure(workspace(1, 'Acme', [entity(2, 'Other', 'id',
                                                 'other.ndjson')]));
    run_ok($box->loader('sync'), {}, 'the entity is removed');
    is($box->get(1, 1, 1), undef, 'with all its records');
}

done_testing();
