# Why: programs read what sync --json prints, and mails from cron hold what it
# prints without. Each entity has one line, also one that failed, and standard
# output holds nothing else.

use strict;
use warnings;

use JSON::PP ();
use lib 't/lib';
use ProfileLoader;
use Test::More;

my $json = JSON::PP->new->utf8;

my %types = (workspace => 'integer', entity => 'integer', name => 'string',
             done => 'boolean', error => 'string or null', mode => 'string',
             rows => 'integer', invalid => 'integer', added => 'integer',
             changed => 'integer', deleted => 'integer',
             unchanged => 'integer', records => 'integer',
             seconds => 'real', rows_per_second => 'real',
             bytes_written => 'integer');


# A value as it is written, without asking Perl what it is.

sub type {
    my ($text) = @_;

    return $text =~ /\A-?\d+\z/ ? 'integer'
           : $text =~ /\A-?\d+(?:\.\d+)?(?:e[-+]?\d+)?\z/i ? 'real'
           : $text =~ /\A"/ ? 'string'
           : $text =~ /\A(?:true|false)\z/ ? 'boolean'
           : $text;
}


# The lines, checked one by one, as { 'Acme/Users' => object }.

sub lines_ok {
    my ($run, $count, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my (@wrong, %objects);

    push @wrong, 'the last line has no end'
        if $run->{out} ne '' && $run->{out} !~ /\n\z/;

    my @lines = split /\n/, $run->{out}, -1;
    pop @lines;

    for my $line (@lines) {
        my $object = eval { $json->decode($line) };

        if (ref $object ne 'HASH') {
            push @wrong, "not an object: $line";
            next;
        }

        my %found;
        $found{$1} = type($2)
            while $line =~ /[{,]"(\w+)":("(?:[^"\\]|\\.)*"|[^,}]+)/g;

        my %wanted = (%types, error => $object->{done} ? 'null' : 'string');
        $wanted{cursor} = 'string' if exists $object->{cursor};

        push @wrong, map { "$_ is $found{$_}, not " . ($wanted{$_} // 'there') }
                     grep { $found{$_} ne ($wanted{$_} // '') }
                     sort keys %found;
        push @wrong, map { "no $_" } grep { !exists $found{$_} }
                     sort keys %wanted;
        push @wrong, "$object->{name} comes twice"
            if $objects{ $object->{name} // '' };

        $objects{ $object->{name} // '' } = $object;
    }

    push @wrong, scalar(@lines) . " lines, not $count" if @lines != $count;

    ok(!@wrong, $name) or do {
        diag("  $_") for @wrong;
        diag_run($run);
    };

    return \%objects;
}


sub counts {
    my ($object) = @_;

    return join ' ', map { "$_=" . ($object->{$_} // '-') }
                     qw(rows invalid added changed deleted unchanged records);
}


# -- what was done ------------------------------------------------------------

my $box = sandbox({
    'users.ndjson' => join('', map { qq({"id":$_}\n) } 1 .. 300) . "bad\n",
    'orders.csv' => "id,at\n1,10\n2,9\n",
    'none.ndjson' => '',
    'quotes.ndjson' => qq({"id":1,"at":"a\\"b\\\\c\\u00e9"}\n),
},
    workspace(7, 'Acme', [
        entity(1, 'Users', 'id', 'users.ndjson'),
        entity(22, 'Orders', 'id', 'orders.csv', format => 'csv',
               refresh => { mode => 'incremental', cursor => 'at' }),
        entity(3, 'None', 'id', 'none.ndjson'),
    ]),
    workspace(8, 'G"l\\ob/ex', [
        entity(1, "Caf\x{e9} {x}", 'id', 'quotes.ndjson',
               refresh => { mode => 'incremental', cursor => 'at' }),
    ]));

my $strange = qq(G"l\\ob/ex/Caf\x{e9} {x});

{
    my $run = $box->loader('sync', '--json');
    my $found = lines_ok($run, 4, 'a first load');

    is($run->{status}, 0, 'exit status');
    is_deeply([map { $json->decode($_)->{name} } split /\n/, $run->{out}],
              ['Acme/Users', 'Acme/Orders', 'Acme/None', $strange],
              'in the order of the configuration');

    is(counts($found->{'Acme/Users'}), 'rows=301 invalid=1 added=300 '
       . 'changed=0 deleted=0 unchanged=0 records=300', 'counts');
    is($found->{'Acme/Users'}{workspace}, 7, 'the workspace');
    is($found->{'Acme/Orders'}{entity}, 22, 'the entity');
    is_deeply([map { $_->{mode} } values %$found], [('full') x 4],
              'all first loads are full ones');
    is_deeply([map { $_->{error} } values %$found], [(undef) x 4],
              'none has failed');
    cmp_ok($found->{'Acme/Users'}{bytes_written}, '>', 300 * 40,
           'bytes were written');
    cmp_ok($found->{'Acme/Users'}{seconds}, '>', 0, 'it took some time');
    cmp_ok($found->{'Acme/Users'}{rows_per_second}, '>', 0, 'and has a rate');

    ok(!exists $found->{'Acme/Users'}{cursor}, 'a full one has no cursor');
    is($found->{'Acme/Orders'}{cursor}, '10', 'the cursor');
    is($found->{$strange}{cursor}, qq(a"b\\c\x{e9}),
       'a cursor with what JSON escapes');

    like($run->{err}, qr{^profile-loader: Acme/Users: .*:301: invalid JSON$}m,
         'invalid rows are said on standard error');
}

{
    $box->write('orders.csv' => "id,at\n3,11\n");

    my $run = $box->loader('sync', '--json', '--workspace', '7',
                           '--entity', 'Orders');
    my $found = lines_ok($run, 1, 'one entity');

    is($run->{err}, '', 'nothing on standard error');
    is($found->{'Acme/Orders'}{mode}, 'incremental', 'its mode');
    is($found->{'Acme/Orders'}{cursor}, '11', 'its cursor');
    is(counts($found->{'Acme/Orders'}), 'rows=1 invalid=0 added=1 changed=0 '
       . 'deleted=0 unchanged=0 records=3', 'records are those of the entity');

    $run = $box->loader('sync', '--json', '--workspace', '7',
                        '--entity', 'Orders');
    $found = lines_ok($run, 1, 'once more');
    is($found->{'Acme/Orders'}{bytes_written}, 0, 'nothing is written');

    $run = $box->loader('sync', '--json', '--full', '--workspace', '7',
                        '--entity', 'Orders');
    is(lines_ok($run, 1, '--full')->{'Acme/Orders'}{mode}, 'full', 'its mode');
}


# -- what was not -------------------------------------------------------------

{
    $box->write('users.ndjson' => join '', map { qq({"id":$_}\n) } 1 .. 100);
    $box->write('orders.csv' => "id,at\n4,99\nbad\n");
    unlink "$box->{dir}/none.ndjson" or die "unlink: $!";

    my $run = $box->loader('sync', '--json');
    my $found = lines_ok($run, 4, 'three fail, one does not');

    is($run->{status}, 1, 'exit status');
    is(join(' ', map { "$_=$found->{$_}{done}" } sort keys %$found),
       "Acme/None=0 Acme/Orders=0 Acme/Users=0 $strange=1", 'which ones');

    like($found->{'Acme/Users'}{error}, qr/^200 of 300 records would be /,
         'the error of the first');
    like($found->{'Acme/Orders'}{error}, qr/^1 of 2 rows are invalid/,
         'of the second');
    like($found->{'Acme/None'}{error}, qr/none\.ndjson.*; the old data stays$/,
         'of the third');
    is(counts($found->{'Acme/Users'}), 'rows=100 invalid=0 added=0 changed=0 '
       . 'deleted=0 unchanged=0 records=300', 'what was refused is not counted');
    is(counts($found->{'Acme/Orders'}), 'rows=2 invalid=1 added=0 changed=0 '
       . 'deleted=0 unchanged=0 records=1', 'nor what comes before it');
    is(counts($found->{'Acme/None'}), 'rows=0 invalid=0 added=0 changed=0 '
       . 'deleted=0 unchanged=0 records=0', 'an entity without records');
    like($run->{err}, qr{^profile-loader: \Q$_: $found->{$_}{error}\E$}m,
         "$_: the same is on standard error")
        for 'Acme/Users', 'Acme/Orders', 'Acme/None';
    is($found->{'Acme/Orders'}{rows}, 2, 'rows that were read are counted');
    ok(!exists $found->{'Acme/Orders'}{cursor},
       'a cursor that was not stored is not shown');

    my $text = $box->loader('sync');
    is($text->{status}, 1, 'without --json');
    ok(utf8::decode($text->{out}), 'UTF-8');
    like($text->{out}, qr{\A\Q$strange\E: 1 rows, [^\n"]*\n\z},
         'the entity that has not failed has a line, the others have none');
}

# A name that is not UTF-8 is still a line that can be read.
{
    my $box = sandbox({}, workspace(1, 'Acme',
                      [entity(1, 'Users', 'id', 'u*.ndjson')]));
    mkdir "$box->{dir}/u\xff\xc3.ndjson" or die "mkdir: $!";

    my $run = $box->loader('sync', '--json');
    my $found = lines_ok($run, 1, 'a file whose name is not UTF-8');

    is($run->{status}, 1, 'exit status');
    like($found->{'Acme/Users'}{error}, qr/u\?\?\.ndjson is a folder/,
         'its error');
}

# What fails before there is anything to refresh prints nothing.
for my $case ([2, 'configuration', sub { $_[0]->write('profile-loader.json',
                                                      '{') }],
              [3, 'store', sub { mkdir $_[0]{store};
                                 $_[0]->write('store/other', '') }])
{
    my ($status, $what, $break) = @$case;
    my $box = sandbox({ 'users.ndjson' => '' },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    $break->($box);

    my $run = $box->loader('sync', '--json');
    is($run->{status}, $status, "a wrong $what: exit status");
    is($run->{out}, '', "a wrong $what: nothing on standard output");
}

# A line that could not be written must not look like a success.
SKIP: {
    skip 'no /dev/full', 3 if !-c '/dev/full';

    $box->write('orders.csv' => "id,at\n1,10\n");
    run_ok($box->loader('sync', '--workspace', '7', '--entity', 'Orders',
                        '--full'), {}, 'a refresh that does not fail');

    for my $args (['sync'], ['sync', '--json']) {
        my $run = run('sh', '-c', 'exec "$0" "$@" >/dev/full', loader_path(),
                      '-c', $box->{config}, @$args, '--workspace', '7',
                      '--entity', 'Orders', '--full');

        isnt($run->{status}, 0, "@$args: standard output is full");
    }
}

done_testing();
