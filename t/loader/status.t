# Why: an operator, and a monitoring system, learn from `status` whether the
# data is there and fresh. What it says must be what the API serves.

use strict;
use warnings;

use JSON::PP ();
use POSIX ();
use lib 't/lib';
use ProfileLoader;
use Test::More;
use Time::HiRes ();

my $false = JSON::PP::false;


# A time as RFC 3339 has it, in seconds since 1970.

sub seconds {
    my ($text) = @_;

    my @parts = ($text // '')
                =~ /\A(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z\z/ or return;

    local $ENV{TZ} = 'UTC';
    POSIX::tzset();

    return POSIX::mktime(@parts[5, 4, 3, 2], $parts[1] - 1, $parts[0] - 1900);
}


# { workspace id => { entity id => entity } }, without the age, which changes
# by itself.

sub entities {
    my ($status) = @_;

    delete $_->{age} for map { @{ $_->{entities} } } @{ $status->{workspaces} };

    return { map { my $workspace = $_;
                   $workspace->{id} => { map { $_->{id} => $_ }
                                         @{ $workspace->{entities} } } }
             @{ $status->{workspaces} } };
}


sub next_second {
    my $now = time;

    Time::HiRes::sleep(0.02) while time == $now;

    return;
}


my $box = sandbox({ 'users.ndjson' => qq({"id":1}\n{"id": 22}\n),
                    'orders.ndjson' => qq({"no":"x"}\n) },
    workspace(10, "Acme \x{e9}", [
        entity(9, 'Users', 'id', 'users.ndjson'),
        entity(10, 'Orders', 'no', 'orders.ndjson', library_id => 4),
        entity(11, 'Never', 'id', 'missing.ndjson')],
        keys => [key_of('one'), key_of('two')]),
    workspace(2, 'Globex', []),
    workspace(3, 'Off', [entity(1, 'Users', 'id', 'users.ndjson')],
              enabled => $false, keys => [key_of('three')]));


# -- before and after the first load ------------------------------------------

{
    run_ok($box->loader('apply'), {}, 'apply');

    my $status = $box->status;
    my $entity = entities($status)->{10}{9};

    is($entity->{ready}, $false, 'an entity without data is not ready');
    is($entity->{records}, 0, 'and has no records');
    is($entity->{refreshed_at}, undef, 'nor was it refreshed');
    is($entity->{changed_at}, undef, 'nor changed');

    like($box->loader('status')->{out}, qr/Users: not loaded/,
         'the text says so');
}

my $begun = time;
is($box->loader('sync')->{status}, 1, 'sync, with one source missing');
my $ended = time;

my $first = $box->status;

{
    my $data = $box->data;

    is_deeply([sort keys %$first],
              [sort qw(store generation sealed transaction size used free
                       readers stale_readers max_readers workspaces)], 'the members');
    is($first->{store}, $box->{store}, 'store');
    is($first->{generation}, 1, 'generation');
    is($first->{sealed}, $false, 'sealed');
    is($first->{size}, -s $data, 'size');
    cmp_ok($first->{used}, '<=', $first->{size}, 'used');
    is($first->{max_readers}, 1024, 'max_readers');
    is($first->{readers}, 0, 'readers, but for itself');
    is($first->{stale_readers}, 0, 'and dead ones');

    my ($transaction) = run('mdb_stat', '-e', $box->generation)
                        ->{out} =~ /Last transaction ID: (\d+)/;
    is($first->{transaction}, $transaction, 'transaction');

    is_deeply([map { "$_->{id} $_->{name} $_->{keys}" }
               @{ $first->{workspaces} }],
              ['2 Globex 0', "10 Acme \x{e9} 2"],
              'workspaces in order of their ids, without the disabled one');

    my $workspace = $first->{workspaces}[1];
    is_deeply([map { $_->{id} } @{ $workspace->{entities} }], [9, 10, 11],
              'entities in order of their ids');

    my ($users, $orders, $never) = @{ $workspace->{entities} };

    is_deeply([sort keys %$users],
              [sort qw(id name library_id primary_key ready records bytes
                       changed_at refreshed_at age cursor failed_at error)],
              'an entity\'s members');
    is_deeply([@$users{qw(name library_id primary_key records bytes)}],
              ['Users', 1, 'id', 2,
               length('{"data":{"id":1}}{"data":{"id":22}}')], 'Users');
    is_deeply([@$orders{qw(name library_id primary_key records)}],
              ['Orders', 4, 'no', 1], 'Orders');
    ok($users->{ready} && $orders->{ready} && !$never->{ready}, 'ready');

    for my $member ('changed_at', 'refreshed_at') {
        my $seconds = seconds($users->{$member});

        ok(defined $seconds && $seconds >= $begun && $seconds <= $ended,
           "$member is the time of the load");
        is($never->{$member}, undef, "$member of what was not loaded");
    }

    cmp_ok($users->{age}, '<=', time - $begun + 1, 'age, in seconds');
    cmp_ok($users->{age}, '>=', 0, 'is a number');
    is($never->{age}, undef, 'what was not loaded has none');
    is($users->{$_}, undef, "no $_ of what went well")
        for 'failed_at', 'error';

    # Numbers are numbers and truth is truth, for other programs.
    my $text = $box->loader('status', '--json')->{out};
    like($text, qr/"records": ?2\b/, 'records is a number');
    like($text, qr/"ready": ?true\b/, 'ready is a boolean');
    like($text, qr/"refreshed_at": ?null\b/, 'no time is null');
    like($text, qr/\A\{.*\}\n\z/s, 'one object and a newline');
}


# -- text ---------------------------------------------------------------------

{
    my $run = $box->loader('status');

    run_ok($run, {}, 'status');

    for my $what ($box->{store}, 'generation 1', -s $box->data,
                  "Acme \xC3\xA9", 'Users', 'Orders', 'Never', 'Globex',
                  '2 records', '1 records',
                  entities($first)->{10}{9}{refreshed_at})
    {
        like($run->{out}, qr/\Q$what\E/, "it says $what");
    }

    unlike($run->{out}, qr/\bOff\b/, 'nothing of the disabled workspace');
    unlike($run->{out}, qr/[0-9a-f]{64}/, 'nor of the keys');
}


# A path need not be UTF-8, as JSON has to be.
{
    mkdir "$box->{dir}/\xFF";
    my $config = spew("$box->{dir}/\xFF/loader.json",
                      '{"store":"../store","workspaces":[]}');

    my $run = run(loader_path(), '-c', $config, 'status', '--json');

    run_ok($run, {}, 'status of a store whose path is not UTF-8');
    like($run->{out}, qr{"store": "\Q$box->{dir}\E/\?/\.\./store"},
         'shows what it can of it');
}


# -- what a refresh changes in it ---------------------------------------------

{
    next_second();
    my $before = entities($box->status)->{10};

    $box->write('orders.ndjson' => qq({"no":"x"}\n{"no":"y"}\n));
    my $begun = time;
    is($box->loader('sync')->{status}, 1, 'sync: one of two has changed');

    my $after = entities($box->status)->{10};

    is($after->{9}{changed_at}, $before->{9}{changed_at},
       'what has not changed keeps its time of change');
    cmp_ok(seconds($after->{9}{refreshed_at}), '>=', $begun,
           'but was refreshed');
    cmp_ok(seconds($after->{10}{changed_at}), '>=', $begun,
           'what has changed has a new time');
    cmp_ok(seconds($after->{10}{refreshed_at}), '>=', $begun,
           'and was refreshed');
    is($after->{10}{records}, 2, 'with more records');
    is($after->{11}{refreshed_at}, undef, 'what failed was not');

    # A refresh that fails makes nothing fresh.
    next_second();
    unlink "$box->{dir}/users.ndjson";
    $box->write('orders.ndjson' => "bad\n");
    is($box->loader('sync')->{status}, 1, 'sync: all fail');

    my $failed = entities($box->status)->{10};
    my %said = map { $_ => [delete @{ $failed->{$_} }{qw(failed_at error)}] }
               keys %$failed;

    for my $entity (sort keys %said) {
        cmp_ok(seconds($said{$entity}[0]), '>=', $begun,
               "entity $entity: when it failed");
        like($said{$entity}[1], $entity == 11
             ? qr/; nothing has been loaded yet\z/
             : qr/; the old data stays\z/, "entity $entity: why");
    }

    delete @{ $after->{$_} }{qw(failed_at error)} for keys %$after;
    is_deeply($failed, $after, 'changes nothing else');

    # apply is no refresh.
    next_second();
    run_ok($box->loader('apply'), {}, 'apply');

    my $applied = entities($box->status)->{10};
    is_deeply({ map { $_ => [delete @{ $applied->{$_} }{qw(failed_at error)}] }
                keys %$applied }, \%said, 'and does not hide a failure');
    is_deeply($applied, $after, 'nor does apply');

    # Deleting is a change as well.
    next_second();
    $begun = time;
    $box->write('users.ndjson' => qq({"id":1}\n),
                'orders.ndjson' => qq({"no":"x"}\n{"no":"y"}\n));
    is($box->loader('sync')->{status}, 1, 'sync: one is deleted');
    $after = entities($box->status)->{10};
    cmp_ok(seconds($after->{9}{changed_at}), '>=', $begun, 'a deletion');
    is($after->{9}{records}, 1, 'is counted');
    is($after->{9}{bytes}, length '{"data":{"id":1}}', 'in bytes too');
    cmp_ok(seconds($after->{10}{changed_at}), '<', $begun,
           'the other has not changed');
}


# -- why the last refresh failed ----------------------------------------------

{
    my $box = sandbox({ 'users.ndjson' => qq({"id":1}\n) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    run_ok($box->loader('sync'), {}, 'sync');

    my $note = $box->generation . '/failed-1-1';

    spew($note, "1700000000 the source is gone \xC3\xBC\n");
    my $entity = entities($box->status)->{1}{1};
    is($entity->{failed_at}, '2023-11-14T22:13:20Z', 'failed_at');
    is($entity->{error}, "the source is gone \x{fc}", 'error');
    like($box->loader('status')->{out},
         qr/^ +failed 2023-11-14T22:13:20Z: the source is gone \xC3\xBC$/m,
         'in text as well');

    for my $bad ('', "\n", "no time\n", "1700000000\n", "-1 x\n",
                 "99999999999999999999999 x\n", "17 x\0y\n")
    {
        spew($note, $bad);
        is(entities($box->status)->{1}{1}{error}, undef,
           'what is no such note is none');
    }

    spew($note, "1700000000 \xFF\n");
    like(entities($box->status)->{1}{1}{error}, qr/not UTF-8/,
         'a text that is no text');

    spew($note, "1700000000 gone\n");
    run_ok($box->loader('sync'), {}, 'a refresh that changes nothing');
    ok(!-e $note, 'ends it');
}


# -- readers and free pages ---------------------------------------------------

{
    my $box = sandbox({ 'users.ndjson' => join '', map { qq({"id":$_}\n) }
                                              1 .. 5000 },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    run_ok($box->loader('sync'), {}, 'many records');
    my $before = $box->status->{free};
    $box->write('users.ndjson' => qq({"id":1}\n));
    run_ok($box->loader('sync', '--allow-shrink'), {}, 'all but one deleted');

    my $after = $box->status;
    my ($pages) = run('mdb_stat', '-f', $box->generation)
                  ->{out} =~ /Free pages: (\d+)/;
    cmp_ok($after->{free}, '>', $before + 50_000, 'their pages are free');
    is($after->{free}, $pages * 4096, 'as LMDB counts them');
    cmp_ok($after->{free}, '<', $after->{size}, 'and less than the file');
}


# -- an entity that comes back is as new --------------------------------------

{
    my $box = sandbox({ 'users.ndjson' => qq({"id":1}\n) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    run_ok($box->loader('sync'), {}, 'sync') for 1, 2;

    for my $way ('removed', 'disabled') {
        my @entities = (entity(1, 'Users', 'id', 'users.ndjson'));

        $box->configure(workspace(1, 'Acme',
                                  $way eq 'removed' ? [] : \@entities,
                                  $way eq 'removed' ? ()
                                                    : (enabled => $false)));
        run_ok($box->loader('sync'), {}, "$way: sync");
        is(entities($box->status)->{1}{1}, undef, "$way: not in status");
        is(join(' ', glob $box->generation . '/refreshed-*'), '',
           "$way: nothing of it is left");

        $box->configure(workspace(1, 'Acme', \@entities));
        run_ok($box->loader('apply'), {}, "$way: apply");

        my $entity = entities($box->status)->{1}{1};
        is($entity->{ready}, $false, "$way: back, not ready");
        is($entity->{$_}, undef, "$way: $_ is that of no other life")
            for 'refreshed_at', 'changed_at';
        is($entity->{records}, 0, "$way: no records");

        run_ok($box->loader('sync'), {}, "$way: loaded again") for 1, 2;
    }
}


# -- an empty store, and a reader ---------------------------------------------

{
    my $box = sandbox({}, { store => 'x', workspaces => [] });
    $box->configure({ store => $box->{store}, workspaces => [] });

    run_ok($box->loader('apply'), {}, 'a store with nothing in it');
    is_deeply($box->status->{workspaces}, [], 'has no workspaces');
    run_ok($box->loader('status'), {}, 'in text as well');
}

# Status reads one snapshot and disturbs nobody.
{
    my $before = fingerprint($box->{store});
    my @jobs = map { $box->start('status', '--json') } 1 .. 10;
    my @runs = map { $_->finish } @jobs;

    is(scalar(grep { $_->{status} eq '0' } @runs), 10, 'ten at a time');
    is(fingerprint($box->{store}), $before, 'change nothing');
    is($box->status->{readers}, 0, 'and leave no reader behind');
}

# Keys stand in the order of their hashes, whosever they are.
{
    my @counts = (0, 3, 0, 1, 12, 0);
    my $many = sandbox({}, map { my $id = $_ + 1;
        workspace($id, "W$id", [],
                  keys => [map { key_of("$id-$_") } 1 .. $counts[$id - 1]]) }
        0 .. $#counts);

    run_ok($many->loader('apply'), {}, 'many keys');
    is_deeply([map { $_->{keys} } @{ $many->status->{workspaces} }], \@counts,
              'are counted for each workspace');
}

done_testing();
