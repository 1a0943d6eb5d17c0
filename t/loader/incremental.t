# Why: an incremental refresh is told where to go on, by a cursor. One that is
# lost loads everything again; one that is too great loses changes for good,
# and nobody notices. So the cursor and the rows belong together, whatever
# happens.

use strict;
use warnings;

use lib 't/lib';
use ProfileLoader;
use Test::More;


# -- helpers ------------------------------------------------------------------

# The source notes the cursor that it was given, in both ways, and prints a
# file, with an exit status from another one.

my $script = 'printf "%s|%s\n" "$PROFILE_CURSOR" "$2" >>"$1/asked"; '
             . 'cat "$1/feed"; exit `cat "$1/status"`';

sub box {
    my (%more) = @_;

    my $box = sandbox({ feed => '', status => 0, asked => '' });

    return reconfigure($box, %more);
}


# %more: members of the entity; those of refresh by their names.

sub reconfigure {
    my ($box, %more) = @_;

    my %refresh = (mode => 'incremental', cursor => 'at',
                   deleted => 'gone');

    for my $name (qw(mode cursor deleted)) {
        $refresh{$name} = delete $more{$name} if exists $more{$name};
        delete $refresh{$name} if !defined $refresh{$name};
    }

    return $box->configure(workspace(1, 'Acme', [
        entity(1, 'Users', 'id', undef,
               source => { command => ['sh', '-c', $script, 'sh', $box->{dir},
                                       '{cursor}'] },
               refresh => \%refresh, %more)]));
}


# A refresh with these lines; the cursors that the source was asked with, the
# one that is stored then, and the counts, "added changed deleted unchanged".

sub refresh_ok {
    my ($box, $rows, $asked, $stored, $counts, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $run = refresh($box, $rows, @args);
    my $got = summary($run)->{'Acme/Users'} || {};
    my $found = join ' ', map { $got->{$_} // '-' }
                          qw(added changed deleted unchanged);

    is("status $run->{status}, asked " . asked($box) . ', stored '
       . stored($box) . ", $found",
       "status 0, asked $asked, stored $stored, $counts", $name)
        or diag_run($run);

    return $run;
}


sub refresh {
    my ($box, $rows, @args) = @_;

    $box->write(feed => ref $rows ? join('', map { "$_\n" } @$rows) : $rows,
                asked => '');

    return $box->loader('sync', @args);
}


sub asked {
    my ($box) = @_;

    my $asked = slurp("$box->{dir}/asked");

    return $asked =~ /\A(.*)\|\1\n\z/ ? $1 : "twice or never: $asked";
}


# docs/store-format.md: the cursor

sub stored {
    my ($box) = @_;

    my @found = map { $_->[1] } grep { ord $_->[0] == 7 }
                mdb_pairs($box->generation);

    return '-' if !@found;

    my ($column, $value) = unpack 'x2 n x8 n', $found[0];

    return @found > 1 ? 'several' : substr $found[0], 24 + $column, $value;
}


sub column {
    my ($box) = @_;

    my ($found) = map { $_->[1] } grep { ord $_->[0] == 7 }
                  mdb_pairs($box->generation);

    return substr $found, 24, unpack 'x2 n', $found;
}


# "ID ID ..." of all records that are visible.

sub ids {
    my ($box) = @_;

    my $live = 0;
    my %records;

    for my $pair (mdb_pairs($box->generation)) {
        $live = unpack 'x16 N', $pair->[1] if ord $pair->[0] == 5;
        $records{ unpack 'x N', $pair->[0] }{ substr $pair->[0], 5 } = 1
            if ord $pair->[0] == 0x20;
    }

    return join ' ', sort keys %{ $records{$live} || {} };
}


sub row {
    my ($id, $at, %more) = @_;

    my $more = join '', map { qq(,"$_":$more{$_}) } sort keys %more;

    return qq({"id":"$id","at":$at$more});
}


# -- from run to run ----------------------------------------------------------

{
    my $box = box();

    refresh_ok($box, [row('a', 1), row('b', 3), row('c', 2)], '', 3,
               '3 0 0 0', 'the first run gets an empty cursor');
    is(column($box), 'at', 'the column is stored with it');
    refresh_ok($box, [row('b', 3)], 3, 3, '0 0 0 1',
               'the next one the greatest');
    refresh_ok($box, [row('a', 10), row('d', 9)], 3, 10, '1 1 0 0',
               'changes are applied');
    is(ids($box), 'a b c d', 'what was not named stays');
    is($box->get(1, 1, 'a'), '{"data":{"id":"a","at":10}}', 'a change');
    is($box->get(1, 1, 'b'), '{"data":{"id":"b","at":3}}', 'no change');

    # Numbers: "9" is the greater text.
    refresh_ok($box, [row('e', 9)], 10, 10, '1 0 0 0',
               'an older row is applied, the cursor does not go back');
    refresh_ok($box, [row('e', 100), row('e2', '99.5')], 10, 100, '1 1 0 0',
               'numbers are compared as numbers');
    refresh_ok($box, [row('f', '18446744073709551616'),
                      row('g', '18446744073709551615')], 100,
               '18446744073709551616', '2 0 0 0', 'of more than 64 bits');
    refresh_ok($box, [row('h', '18446744073709551616.5'),
                      row('i', '"18446744073709551617"')],
               '18446744073709551616', '18446744073709551617', '2 0 0 0',
               'with fractions, and in strings');
    refresh_ok($box, [row('j', '1E400')], '18446744073709551617', '1E400',
               '1 0 0 0', 'as they are written');
    refresh_ok($box, [row('j', '1e400')], '1E400', '1E400', '0 1 0 0',
               'the same number in other words does not move it');

    refresh_ok($box, [], '1E400', '1E400', '0 0 0 0', 'a source without rows');
    is(ids($box), 'a b c d e e2 f g h i j', 'all records are there');
    refresh_ok($box, '', '1E400', '1E400', '0 0 0 0', 'once more');
}

{
    my $box = box();

    refresh_ok($box, [row('a', '"2026-01-01T10:00:00Z"'),
                      row('b', '"2026-01-01T09:59:59Z"')], '',
               '2026-01-01T10:00:00Z', '2 0 0 0', 'timestamps');
    refresh_ok($box, [row('a', '"2026-01-01T10:00:00.5Z"')],
               '2026-01-01T10:00:00Z', '2026-01-01T10:00:00Z', '0 1 0 0',
               'a point is less than a Z, byte by byte');
    refresh_ok($box, [row('a', '"2026-01-02"')], '2026-01-01T10:00:00Z',
               '2026-01-02', '0 1 0 0', 'a later one');
    refresh_ok($box, [row('a', '"\u00e9\u4e2d \"$(x)\" \\\\"')],
               '2026-01-02', "\xc3\xa9\xe4\xb8\xad \"\$(x)\" \\", '0 1 0 0',
               'any characters');
    refresh_ok($box, [], "\xc3\xa9\xe4\xb8\xad \"\$(x)\" \\",
               "\xc3\xa9\xe4\xb8\xad \"\$(x)\" \\", '0 0 0 0',
               'get to the source as they are');
}

{
    my $box = box();
    my $long = 'x' x 1000;

    refresh_ok($box, [row('a', qq("$long"))], '', $long, '1 0 0 0',
               'a cursor of 1000 bytes');

    my $run = refresh($box, [row('a', qq("${long}x"))]);
    fails_ok($run, 1, qr/:1: cursor is longer than 1000 bytes$/m,
             'one of 1001');
    is(stored($box), $long, 'is no cursor');
}


# -- rows without a cursor ----------------------------------------------------

{
    my $box = box();
    my @rows = map { row("r$_", $_) } 1 .. 200;
    my %bad = ('no cursor' => ['{"id":"x"}', row('y', 'null'),
                               row('z', '""')],
               'cursor is neither a string nor a number' =>
                   [row('x', 'true'), row('y', '[1]'), row('z', '{}')]);

    refresh_ok($box, \@rows, '', 200, '200 0 0 0', '200 rows');

    for my $reason (sort keys %bad) {
        for my $row (@{ $bad{$reason} }) {
            my $run = refresh($box, [row('r1', 201), $row]);

            fails_ok($run, 1, qr/:2: \Q$reason\E$/m,
                     qr/1 of 2 rows are invalid/, "$row: invalid");
            is(stored($box), 200, 'the cursor stays');
            is($box->get(1, 1, 'r1'), '{"data":{"id":"r1","at":1}}',
               'and the data');

            # 1 % may be
            $run = refresh($box, [@rows[0 .. 197], $row, $rows[199]]);
            is($run->{status}, 0, "$row: one of 200") or diag_run($run);
            is(summary($run)->{'Acme/Users'}{invalid}, 1, 'is counted');
            is($box->get(1, 1, substr $row, 7, 1), undef, 'and no record');
        }
    }

    # An invalid row's cursor counts no more than the row does.
    refresh_ok($box, [@rows, '{"at":999}'], 200, 200, '0 0 0 200',
               'the cursor of a row without a key');
    refresh_ok($box, [@rows, row('x', 999, gone => '"perhaps"')], 200, 200,
               '0 0 0 200', 'nor that of a row that may be deleted');
}


# -- deleted rows -------------------------------------------------------------

{
    my %deleted = (true => ['true', '"t"', '"true"', '"TRUE"', '1', '"1"'],
                   false => ['false', 'null', '"f"', '"false"', '0', '"0"',
                             '""'],
                   invalid => ['2', '"y"', '"yes"', '"tr"', '"no"', '[]',
                               '{}', '1.0', '-1', '" "', '"truex"', '10']);

    for my $value (@{ $deleted{true} }) {
        my $box = box();

        refresh_ok($box, [row('a', 1), row('b', 1)], '', 1, '2 0 0 0',
                   "$value: two rows");
        refresh_ok($box, [row('a', 2, gone => $value)], 1, 2, '0 0 1 0',
                   "$value: one is deleted");
        is(ids($box), 'b', "$value: the other is there");
        refresh_ok($box, [row('a', 2, gone => $value)], 2, 2, '0 0 0 0',
                   "$value: not twice");
        refresh_ok($box, [row('a', 3)], 2, 3, '1 0 0 0', "$value: it is back");
        refresh_ok($box, [row('x', 4, gone => $value)], 3, 4, '0 0 0 0',
                   "$value: one that never was");
        is(ids($box), 'a b', "$value: what is there");
    }

    for my $value (@{ $deleted{false} }) {
        my $box = box();

        refresh_ok($box, [row('a', 1, gone => $value)], '', 1, '1 0 0 0',
                   "$value: not deleted");
        is($box->get(1, 1, 'a'), qq({"data":{"id":"a","at":1,"gone":$value}}),
           "$value: the row is stored as it is");
    }

    for my $value (@{ $deleted{invalid} }) {
        my $box = box();

        refresh_ok($box, [row('a', 1)], '', 1, '1 0 0 0', "$value: a row");
        fails_ok(refresh($box, [row('a', 2, gone => $value)]), 1,
                 qr/:1: neither deleted nor not$/m, "$value: invalid");
        is(stored($box) . ' ' . ids($box), '1 a', "$value: all stays");
    }

    # The first load, and --full.
    my $box = box();
    refresh_ok($box, [row('a', 1), row('b', 5, gone => 'true')], '', 5,
               '1 0 0 0', 'deleted rows in a first load');
    is(ids($box), 'a', 'are not there');
    refresh_ok($box, [row('a', 1, gone => 'true'), row('b', 5)], '', 5,
               '1 0 1 0', 'nor with --full', '--full');
    is(ids($box), 'b', 'and go');

    # All of them, and only them.
    refresh_ok($box, [row('b', 7, gone => 'true')], 5, 7, '0 0 1 0',
               'the last one is deleted');
    is(ids($box), '', 'none is left');
    refresh_ok($box, [row('c', 8)], 7, 8, '1 0 0 0', 'the next one comes');

    # Without such a column the member is as good as any.
    $box = box(deleted => undef);
    refresh_ok($box, [row('a', 1, gone => 'true')], '', 1, '1 0 0 0',
               'no deleted column');
}


# -- duplicates ---------------------------------------------------------------

{
    my @rows = map { row("r$_", $_) } 1 .. 200;
    my @twice = (row('x', 300, v => 1), @rows, row('x', 299, v => 2));

    my $box = box();
    my $run = refresh_ok($box, \@twice, '', 300, '201 0 0 0',
                         'a duplicate in a first load');
    like($run->{err}, qr{Acme/Users: .*:1: duplicate primary key$}m,
         'the earlier row is reported');
    like($run->{err}, qr{Acme/Users: 1 invalid: duplicate primary key$}m,
         'and counted');
    is(summary($run)->{'Acme/Users'}{invalid}, 1, 'in the summary, too');
    is($box->get(1, 1, 'x'), '{"data":{"id":"x","at":299,"v":2}}',
       'the later one counts');

    refresh_ok($box, [@rows, row('y', 301), row('y', 302, gone => 'true')],
               300, 302, '0 0 0 200', 'changed, then deleted');
    is($box->get(1, 1, 'y'), undef, 'is deleted');
    refresh_ok($box, [@rows, row('y', 303, gone => 'true'), row('y', 304)],
               302, 304, '1 0 0 200', 'deleted, then changed');
    is($box->get(1, 1, 'y'), '{"data":{"id":"y","at":304}}', 'is there');

    # three of one, in the order of the source
    $run = refresh_ok($box, [row('z', 1), row('z', 2), @rows, row('z', 3)],
                      304, 304, '1 0 0 200', 'three times');
    is(join(' ', $run->{err} =~ /:(\d+): duplicate primary key$/mg), '1 2',
       'all but the last are reported');
    is($box->get(1, 1, 'z'), '{"data":{"id":"z","at":3}}', 'the last');

    reconfigure($box, mode => 'full', cursor => undef, deleted => undef);
    $run = refresh_ok($box, \@twice, '', '-', '0 1 2 200',
                      'in a full refresh');
    like($run->{err}, qr{:202: duplicate primary key$}m,
         'the later row is reported');
    is($box->get(1, 1, 'x'), '{"data":{"id":"x","at":300,"v":1}}',
       'the first one counts');
}


# -- guards -------------------------------------------------------------------

{
    my $box = box();
    my @rows = map { row("r$_", 1) } 1 .. 200;
    my @gone = map { row("r$_", 2, gone => 'true') } 1 .. 200;

    refresh_ok($box, \@rows, '', 1, '200 0 0 0', '200 records');

    my $before = fingerprint($box->{store});

    for my $n (1, 2) {
        my $run = refresh($box, [@gone[0 .. 100]]);

        fails_ok($run, 1, qr/101 of 200 records would be deleted, more than/,
                 "more than half of them, run $n");
        is($run->{out}, '', 'no summary');
        is(asked($box), 1, 'the cursor it was asked with');
        is(fingerprint($box->{store}), $before, 'nothing is written');
    }

    refresh_ok($box, [@gone[0 .. 100]], 1, 2, '0 0 101 0', '--allow-shrink',
               '--allow-shrink');
    is(stored($box), 2, 'the cursor goes on');
    refresh_ok($box, [@gone[101 .. 199]], 2, 2, '0 0 99 0',
               'fewer than 100 may all go');

    # Rows that a source does not name are not missed.
    $box = box(max_delete => 0);
    refresh_ok($box, \@rows, '', 1, '200 0 0 0', '200 records');
    refresh_ok($box, [row('new', 2)], 1, 2, '1 0 0 0',
               'no guard against few rows');
    fails_ok(refresh($box, [$gone[0]]), 1, qr/would be deleted/,
             'max_delete 0: not a single one');
    is(stored($box), 2, 'the cursor stays');

    # --full asks for everything, and misses what it does not get.
    fails_ok(refresh($box, [@rows[0 .. 50]], '--full'), 1,
             qr/150 of 201 records would be deleted/,
             '--full does not get everything');
    is(asked($box) . ' ' . stored($box), ' 2',
       'it was asked for everything, and the cursor stays');
    refresh_ok($box, [@rows[0 .. 50]], '', 1, '0 0 150 51',
               'it is allowed, and the cursor begins again', '--full',
               '--allow-shrink');
    refresh_ok($box, [], 1, 1, '0 0 0 0', 'from there it goes on');

    # nothing at all
    refresh_ok($box, [], '', '-', '0 0 51 0', '--full without rows', '--full',
               '--allow-shrink');
    refresh_ok($box, [row('a', 1)], '', 1, '1 0 0 0', 'begins anew');
}


# -- nothing new --------------------------------------------------------------

{
    my $box = box();
    my @rows = map { row("r$_", $_) } 1 .. 500;

    refresh_ok($box, \@rows, '', 500, '500 0 0 0', '500 records');

    my $data = slurp($box->data);

    for my $feed ([], [$rows[499]], \@rows,
                  [row('x', 500, gone => 'true')])
    {
        my $run = refresh($box, $feed);

        run_ok($run, { 'Acme/Users' => { added => 0, changed => 0,
                                         deleted => 0, written => 0 } },
               @$feed . ' rows, none of them new');
        ok($data eq slurp($box->data), 'the data file stays, byte by byte');
        is(asked($box), 500, 'the cursor too');
    }
}


# -- failures -----------------------------------------------------------------

{
    my $box = box();
    refresh_ok($box, [row('a', 1), row('b', 2)], '', 2, '2 0 0 0', 'two rows');

    my $before = fingerprint($box->{store});

    $box->write(status => 1);
    fails_ok(refresh($box, [row('a', 3), row('c', 4)]), 1,
             qr{^profile-loader: Acme/Users: .*; the old data stays$}m,
             'a source that fails after its rows');
    is(asked($box), 2, 'the cursor it was asked with');
    is(fingerprint($box->{store}), $before, 'the store stays');

    $box->write(status => 0);
    fails_ok(refresh($box, [row('a', 3), 'bad', row('c', 4)]), 1,
             qr/1 of 3 rows are invalid/, 'too many invalid rows');
    is(fingerprint($box->{store}), $before, 'the store stays');

    refresh_ok($box, [row('a', 3), row('c', 4)], 2, 4, '1 1 0 0',
               'then all of it comes');

    # the first load of an entity
    $box = box();
    $box->write(status => 7);
    fails_ok(refresh($box, [row('a', 1)]), 1, qr/nothing has been loaded yet/,
             'a first load that fails');
    is(stored($box), '-', 'leaves no cursor');
    $box->write(status => 0);
    refresh_ok($box, [row('a', 1)], '', 1, '1 0 0 0', 'and is tried again');
}

# A damaged one is no reason to load everything again, unasked.
{
    my $box = box();
    refresh_ok($box, [row('a', 1)], '', 1, '1 0 0 0', 'a row');

    my @pairs = mdb_pairs($box->generation);
    my ($cursor) = grep { ord $_->[0] == 7 } @pairs;
    my $value = $cursor->[1];

    for my $damage (['of another entity', substr($value, 0, 11) . "\2"
                                          . substr($value, 12)],
                    ['cut off', substr $value, 0, -1],
                    ['with a flag', "\7\1" . substr $value, 2],
                    ['of no bytes', ''])
    {
        $cursor->[1] = $damage->[1];
        restore_pairs($box->generation, @pairs);

        my $run = refresh($box, [row('a', 2)]);

        fails_ok($run, 3, qr/^profile-loader: Acme\/Users: .*cursor/m,
                 "a cursor $damage->[0]");
        is(slurp("$box->{dir}/asked"), '', 'the source is not asked');
        is($box->get(1, 1, 'a'), '{"data":{"id":"a","at":1}}',
           'the data stays');
    }

    refresh_ok($box, [row('a', 2)], '', 2, '0 1 0 0', '--full mends it',
               '--full');
}


# -- changes of the configuration ---------------------------------------------

{
    my $box = box();
    refresh_ok($box, [row('a', 5, k => '"x"', n => 1),
                      row('b', 6, k => '"y"', n => 2)], '', 6, '2 0 0 0',
               'two rows');

    # another column
    reconfigure($box, cursor => 'n');
    refresh_ok($box, [row('a', 5, k => '"x"', n => 1)], '', 1, '0 0 1 1',
               'another cursor column: everything is asked for');
    is(column($box) . ' ' . ids($box), 'n a', 'as in a full load');
    refresh_ok($box, [], 1, 1, '0 0 0 0', 'then it goes on');

    # another key
    reconfigure($box, cursor => 'n', primary_key => 'k');
    refresh_ok($box, [row('a', 5, k => '"x"', n => 1),
                      row('b', 6, k => '"y"', n => 2)], '', 2, '2 0 0 0',
               'another primary key: everything is asked for');
    is(ids($box), 'x y', 'nothing of the old is left');
    refresh_ok($box, [row('c', 6, k => '"z"', n => 3)], 2, 3, '1 0 0 0',
               'then it goes on');

    # A change that fails is still to be made.
    reconfigure($box);
    $box->write(status => 1);
    fails_ok(refresh($box, [row('a', 5)]), 1, qr/the old data stays/,
             'both change, and it fails');
    is(ids($box) . ' ' . stored($box), 'x y z 3', 'all stays');
    $box->write(status => 0);
    refresh_ok($box, [row('a', 5)], '', 5, '1 0 2 0',
               'everything is asked for again');
    is(ids($box), 'a', 'and nothing of the old is left');

    # another deleted column, name or guard is no reason to begin again
    reconfigure($box, deleted => 'off', name => 'People', max_invalid => 5);
    my $run = refresh($box, [row('a', 6, off => 'true')]);
    is($run->{status}, 0, 'another deleted column') or diag_run($run);
    is(asked($box), 5, 'goes on');
    is(ids($box), '', 'and deletes');
}

# full and back
{
    my $box = box();
    my @full = (mode => 'full', cursor => undef, deleted => undef);

    refresh_ok($box, [row('a', 1), row('b', 2)], '', 2, '2 0 0 0',
               'incremental');
    reconfigure($box, @full);
    refresh_ok($box, [row('b', 2), '{"id":"c"}'], '', '-', '1 0 1 1',
               'full: what is missing goes, the cursor too');
    refresh_ok($box, [row('b', 2), '{"id":"c"}'], '', '-', '0 0 0 2',
               'full, nothing new');
    reconfigure($box);
    refresh_ok($box, [row('b', 2), row('d', 1)], '', 2, '1 0 1 1',
               'incremental: it begins with everything');
    refresh_ok($box, [row('e', 3)], 2, 3, '1 0 0 0', 'and goes on');

    # a full refresh that changes no row deletes the cursor as well: what
    # happens meanwhile is not known to it
    reconfigure($box, @full);
    refresh_ok($box, [row('b', 2), row('d', 1), row('e', 3)], '', '-',
               '0 0 0 3', 'full, and all rows are there already');
    reconfigure($box);
    refresh_ok($box, [row('b', 2), row('d', 1), row('e', 3)], '', 3,
               '0 0 0 3', 'incremental: with everything again');

    # a full one that fails leaves the cursor, too
    reconfigure($box, @full);
    $box->write(status => 1);
    is(refresh($box, [row('x', 1)])->{status}, 1, 'a full one fails');
    $box->write(status => 0);
    reconfigure($box);
    refresh_ok($box, [], 3, 3, '0 0 0 0', 'the cursor is still there');

    # --full
    refresh_ok($box, [row('b', 2), row('z', 1)], '', 2, '1 0 2 1',
               '--full asks for everything and deletes the rest', '--full');
    refresh_ok($box, [row('y', 9)], 2, 9, '1 0 0 0',
               'and the next one goes on from what it found');
}

# gone and back
for my $case (['entity', sub { $_[0]->configure(workspace(1, 'Acme', [])) }],
              ['workspace', sub { $_[0]->configure(workspace(2, 'G', [])) }],
              ['workspace, disabled',
               sub { reconfigure($_[0]);
                     my $text = slurp($_[0]{config});
                     $text =~ s/"entities"/"enabled":false,"entities"/;
                     spew($_[0]{config}, $text); }])
{
    my ($what, $remove) = @$case;

    for my $command ('apply', 'sync') {
        my $box = box();

        refresh_ok($box, [row('a', 7)], '', 7, '1 0 0 0', 'a row');
        $remove->($box);
        my $run = $box->loader($command);
        is($run->{status}, 0, "$what: gone, $command") or diag_run($run);
        is(stored($box), '-', 'its cursor, too');
        reconfigure($box);
        refresh_ok($box, [row('b', 3)], '', 3, '1 0 0 0',
                   "$what: back, with an empty cursor");
        is(ids($box), 'b', 'and without the old rows');
    }
}

# Others' cursors are their own.
{
    my $box = sandbox({ a => "{\"id\":1,\"at\":5}\n",
                        b => "{\"id\":1,\"at\":6}\n", asked => '' });
    my @entity = map { entity($_->[0], $_->[1], 'id', undef,
        source => { command => ['sh', '-c',
                                'echo "$0 $PROFILE_CURSOR" >>"$1/asked"; '
                                . 'cat "$1/$0"', $_->[1], $box->{dir}] },
        refresh => { mode => 'incremental', cursor => 'at' }) }
        [1, 'a'], [2, 'b'];

    $box->configure(workspace(1, 'W', [@entity]), workspace(2, 'X', [@entity]));
    run_ok($box->loader('sync'), {}, 'two entities of two workspaces');
    run_ok($box->loader('sync'), {}, 'once more');
    is(slurp("$box->{dir}/asked"), "a \nb \na \nb \na 5\nb 6\na 5\nb 6\n",
       'each has its own cursor');
    $box->configure(workspace(1, 'W', [$entity[1]]),
                    workspace(2, 'X', [@entity]));
    $box->write(asked => '');
    run_ok($box->loader('sync'), {}, 'one goes');
    is(slurp("$box->{dir}/asked"), "b 6\na 5\nb 6\n", 'the others stay');
}


# -- other formats and sources ------------------------------------------------

{
    my $box = box(format => 'csv');
    my $header = "id,at,gone,v\n";

    refresh_ok($box, $header . "a,9,f,1\nb,10,,1\nc,1,true,1\n", '', 10,
               '2 0 0 0', 'csv: numbers');
    is($box->get(1, 1, 'b'),
       '{"data":{"id":"b","at":"10","gone":null,"v":"1"}}', 'csv: a row');
    refresh_ok($box, $header . "a,11,t,1\r\n\"d\",\"2\",\"\",\"x,\ny\"\r\n",
               10, 11, '1 0 1 0', 'csv: deleted, quoted');
    refresh_ok($box, $header, 11, 11, '0 0 0 0', 'csv: a header alone');
    fails_ok(refresh($box, $header . "e,,f,1\n"), 1, qr/: no cursor$/m,
             'csv: an empty cursor');
    fails_ok(refresh($box, $header . "e,1,x,1\n"), 1,
             qr/: neither deleted nor not$/m, 'csv: perhaps deleted');
    fails_ok(refresh($box, "id,gone,v\na,f,1\n"), 1, qr/"at"/,
             'csv: no cursor column');
    is(ids($box) . ' ' . stored($box), 'b d 11', 'csv: all stays');
}

{
    my $box = box(format => 'json');

    refresh_ok($box, '[' . row('a', 9) . ',' . row('b', 10) . ']', '', 10,
               '2 0 0 0', 'json: an array');
    refresh_ok($box, '[]', 10, 10, '0 0 0 0', 'json: an empty one');
    refresh_ok($box, "[\n" . row('a', 11, gone => 'true') . "\n]\n", 10, 11,
               '0 0 1 0', 'json: deleted');
    fails_ok(refresh($box, '[' . row('c', 12)), 1, qr/the old data stays/,
             'json: cut off');
    is(ids($box) . ' ' . stored($box), 'b 11', 'json: all stays');
}

{
    my $box = box(format => 'json', path => 'data.rows');

    refresh_ok($box, '{"data":{"at":99,"rows":[' . row('a', 1) . ']}}', '', 1,
               '1 0 0 0', 'json: at a path');
    refresh_ok($box, '{"data":{"rows":[' . row('a', 2) . '],"at":99}}', 1, 2,
               '0 1 0 0', 'json: and again');
}

# Files and standard input are not asked, but their rows are changes.
{
    my $box = sandbox({ 'u.1' => row('a', 1) . "\n", 'u.2' => row('b', 2) });
    my %refresh = (refresh => { mode => 'incremental', cursor => 'at' });

    $box->configure(workspace(1, 'Acme', [entity(1, 'Users', 'id', 'u.*',
                                                 %refresh)]));
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 2 } }, 'files');
    unlink "$box->{dir}/u.1";
    $box->write('u.2' => row('c', 3));
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1,
                                                     deleted => 0 } },
           'the next files hold changes');
    is(ids($box) . ' ' . stored($box), 'a b c 3', 'the rest stays');
}

# -- many rows ----------------------------------------------------------------

# A large entity and few changes, with all ids among the records'.
{
    my $many = 20_000;
    my $box = box();

    refresh_ok($box, [map { row("r$_", 1) } 1 .. $many], '', 1,
               "$many 0 0 0", "$many records");

    my $run = refresh_ok($box, [row('r1', 2), row('r777', 2, gone => 'true'),
                                row("r$many", 3), row('q', 2), row('s', 2)],
                         1, 3, '2 2 1 0', 'five changes');
    cmp_ok(summary($run)->{'Acme/Users'}{written}, '<', 2000,
           'little is written');

    my $entity = $box->status->{workspaces}[0]{entities}[0];
    is($entity->{records}, $many + 1, 'records');

    my $bytes = 0;
    for my $pair (mdb_pairs($box->generation)) {
        $bytes += length body_of($pair->[1]) if ord $pair->[0] == 0x20;
    }
    is($entity->{bytes}, $bytes, 'bytes');
}

# More changes than are made in place.
{
    my $old = 10_000;
    my $new = 12_000;
    my $pad = '"' . 'x' x 2500 . '"';
    my $box = box();

    refresh_ok($box, [map { row("k$_", 1) } 1 .. $old], '', 1, "$old 0 0 0",
               "$old records");
    refresh_ok($box, [(map { row("n$_", 2, pad => $pad) } 1 .. $new),
                      row('k1', 2), row('k2', 3, gone => 'true')], 1, 3,
               "$new 1 1 0", "$new more");

    my @pairs = mdb_pairs($box->generation);
    my ($live) = map { unpack 'x16 N', $_->[1] } grep { ord $_->[0] == 5 }
                 @pairs;

    cmp_ok($live, '>', 1, 'it was built anew');
    is(keys %{ records_of(@pairs)->{$live} }, $old + $new - 1,
       'what was not named is there');
    is(join(' ', keys %{ records_of(@pairs) }), $live,
       'and nothing is left over');
    is($box->get(1, 1, 'k3'), '{"data":{"id":"k3","at":1}}', 'an old one');

    refresh_ok($box, [row('k4', 4)], 3, 4, '0 1 0 0', 'then it goes on');
}

done_testing();
