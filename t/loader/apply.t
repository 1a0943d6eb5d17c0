# Why: a revoked key, a removed entity or a disabled workspace must be gone
# from the store when the command returns, whatever happens to the data.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use lib 't/lib';
use ProfileLoader;
use Test::More;

my $false = JSON::PP::false;


sub box_of {
    return sandbox({ 'users.ndjson' => qq({"id":1,"mark":"users-old"}\n),
                     'orders.ndjson' => qq({"id":1,"mark":"orders-old"}\n),
                     'other.ndjson' => qq({"id":1,"mark":"other-old"}\n) },
                   @_);
}


sub users { return entity(1, 'Users', 'id', 'users.ndjson', @_) }
sub orders { return entity(2, 'Orders', 'id', 'orders.ndjson', @_) }


# The keys that a request may use: { hash => [workspace, expires, name] }.

sub keys_of {
    my ($box) = @_;

    my %keys;

    for my $pair (mdb_pairs($box->generation)) {
        my ($tag, $hash) = unpack 'C H*', $pair->[0];
        next if $tag != 2;

        my (undef, undef, undef, $workspace, $expires, $name)
            = unpack 'C C n N Q> x8 a*', $pair->[1];
        $keys{$hash} = [$workspace, $expires, $name];
    }

    return \%keys;
}


# The body of a workspace's entity list, undef where it has none.

sub list_of {
    my ($box, $workspace) = @_;

    my ($pair) = grep { $_->[0] eq pack 'CN', 4, $workspace }
                 mdb_pairs($box->generation);

    return if !$pair;
    return body_of($pair->[1]);
}


# How often a text stands in the live records and everything else that a
# transaction can see.

sub visible {
    my ($box, $text) = @_;

    return scalar grep { index("$_->[0]$_->[1]", $text) >= 0 }
                  mdb_pairs($box->generation);
}


sub applied {
    my ($box, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $run = $box->loader('apply');

    run_ok($run, {}, $name);
    is_deeply(summary($run), {}, "$name: apply loads nothing");

    return;
}


# -- keys ---------------------------------------------------------------------

{
    my ($one, $two, $three) = map { sha256_hex($_) } qw(one two three);
    my $box = box_of(workspace(1, 'Acme', [users()], keys => [
        key_of('one'), key_of('two', expires => '2027-01-01T00:00:00Z')]),
        workspace(2, 'Globex', [], keys => [key_of('three')]));

    applied($box, 'apply makes a store');
    is_deeply(keys_of($box), { $one => [1, 0, 'key of one'],
                               $two => [1, 1798761600, 'key of two'],
                               $three => [2, 0, 'key of three'] }, 'keys');

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } }, 'sync');

    my $before = fingerprint($box->{store});
    applied($box, 'apply again');
    is(fingerprint($box->{store}), $before, 'changes nothing');

    # Revoked, added, moved, renamed; another expiry.
    $box->configure(
        workspace(1, 'Acme', [users()], keys => [
            key_of('two', name => 'renamed',
                   expires => '2028-02-29T23:59:59Z')]),
        workspace(2, 'Globex', [], keys => [key_of('one'), key_of('four')]));
    applied($box, 'other keys');
    is_deeply(keys_of($box), { $two => [1, 1835481599, 'renamed'],
                               $one => [2, 0, 'key of one'],
                               sha256_hex('four') => [2, 0, 'key of four'] },
              'revoked, added, moved, renamed, another expiry');
    is($box->get(1, 1, 1), '{"data":{"id":1,"mark":"users-old"}}',
       'the data stays');

    # An expired key may be in the configuration.
    $box->configure(workspace(1, 'Acme', [users()], keys => [
        key_of('one', expires => '2001-09-09T01:46:40Z'), key_of('two')]));
    applied($box, 'an expired key, and one that has no expiry now');
    my $keys = keys_of($box);
    is_deeply($keys->{$two}, [1, 0, 'key of two'], 'the expiry is gone');
    ok(!$keys->{$one} || $keys->{$one}[1] == 1_000_000_000,
       'the expired key is no better than that');

    # In capitals it is the same hash.
    $box->configure(workspace(1, 'Acme', [users()], keys => [
        { name => 'web', sha256 => uc $one }]));
    applied($box, 'a hash in capitals');
    is_deeply([keys %{ keys_of($box) }], [$one], 'is the same');

    $box->configure(workspace(1, 'Acme', [users()]));
    applied($box, 'no keys');
    is_deeply(keys_of($box), {}, 'all are gone');
    is(list_of($box, 1),
       '{"data":[{"id":1,"name":"Users","library_id":1}]}',
       'the entities stay');
}

# Many keys, in one commit.
{
    my $box = box_of(workspace(1, 'Acme', [], keys => [
        map { key_of("k$_") } 1 .. 2000]));

    applied($box, '2000 keys');
    is(scalar keys %{ keys_of($box) }, 2000, 'are there');
}


# -- names and entities -------------------------------------------------------

{
    my $box = box_of(workspace(1, 'Acme', [users()]));

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } }, 'sync');

    $box->configure(workspace(1, 'Acme Inc', [
        users(name => 'People', library_id => 5), orders()]));
    applied($box, 'other names, and a new entity');

    is(list_of($box, 1),
       '{"data":[{"id":1,"name":"People","library_id":5}]}',
       'the list has the new name and not the entity without data');
    is($box->get('Acme Inc', 'People', 1),
       '{"data":{"id":1,"mark":"users-old"}}', 'the data stays');
    is($box->get(1, 2, 1), undef, 'the new entity has no data');

    my ($pair) = grep { $_->[0] eq pack 'CNN', 5, 1, 2 }
                 mdb_pairs($box->generation);
    ok($pair, 'the new entity is declared');

    my ($workspace) = grep { $_->[0] eq pack 'CN', 3, 1 }
                      mdb_pairs($box->generation);
    like($workspace->[1], qr/Acme Inc\z/, 'the workspace has its new name');
    is(visible($box, 'Users'), 0, 'the old name is nowhere');

    run_ok($box->loader('sync'),
           { 'Acme Inc/People' => { unchanged => 1, added => 0 },
             'Acme Inc/Orders' => { added => 1 } }, 'sync loads it');
    is(list_of($box, 1),
       '{"data":[{"id":1,"name":"People","library_id":5},'
       . '{"id":2,"name":"Orders","library_id":1}]}', 'and the list has it');

    # A removed entity disappears at once, with sync its records as well.
    $box->configure(workspace(1, 'Acme Inc', [orders()]));
    applied($box, 'an entity is removed');

    is(list_of($box, 1), '{"data":[{"id":2,"name":"Orders","library_id":1}]}',
       'from the list');
    is($box->get(1, 1, 1), undef, 'from get');
    is(scalar(grep { $_->[0] eq pack 'CNN', 5, 1, 1 }
              mdb_pairs($box->generation)), 0, 'from the declared ones');

    run_ok($box->loader('sync'), {}, 'sync');
    is(visible($box, 'users-old'), 0, 'its records are gone after sync');
    is(visible($box, 'orders-old'), 1, 'the other\'s are not');

    # It comes back with what the source has now.
    $box->write('users.ndjson' => qq({"id":2,"mark":"users-new"}\n));
    $box->configure(workspace(1, 'Acme Inc', [users(), orders()]));
    applied($box, 'the entity again');
    is($box->get(1, 1, 1), undef, 'its old records do not come back');

    run_ok($box->loader('sync'),
           { 'Acme Inc/Users' => { added => 1, deleted => 0 } },
           'sync loads it');
    is($box->get(1, 1, 1), undef, 'not the old record');
    is($box->get(1, 1, 2), '{"data":{"id":2,"mark":"users-new"}}',
       'but the new one');

    # An entity of another id with the same name is another entity.
    $box->configure(workspace(1, 'Acme Inc', [users(id => 7), orders()]));
    applied($box, 'another id');
    is($box->get(1, 7, 2), undef, 'has no data');
    is($box->get(1, 1, 2), undef, 'and the old id has none any more');

    # All of them.
    $box->configure(workspace(1, 'Acme Inc', []));
    applied($box, 'no entities');
    is(list_of($box, 1) // '{"data":[]}', '{"data":[]}', 'an empty list');
    run_ok($box->loader('sync'), {}, 'sync');
    is_deeply(records_of(mdb_pairs($box->generation)), {}, 'no records');
}

# Another primary key: the old records have the wrong keys.
{
    my $box = box_of(workspace(1, 'Acme', [users()]));

    $box->write('users.ndjson' => qq({"id":1,"mail":"a"}\n{"id":2,"mail":"1"}\n));
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 2 } }, 'by id');

    $box->configure(workspace(1, 'Acme', [users(primary_key => 'mail')]));
    run_ok($box->loader('sync'), {}, 'by mail');
    is($box->get(1, 1, 'a'), '{"data":{"id":1,"mail":"a"}}', 'get by mail');
    is($box->get(1, 1, '1'), '{"data":{"id":2,"mail":"1"}}',
       'a key that was another record\'s id');
    is($box->get(1, 1, '2'), undef, 'the old id is none');
    is(visible($box, '"mail":'), 2, 'two records are left');

    # Until then, a request must not get a record by the wrong column.
    $box->configure(workspace(1, 'Acme', [users(primary_key => 'id')]));
    applied($box, 'by id again');
    my $body = $box->get(1, 1, '1');
    ok(!defined $body || $body eq '{"data":{"id":2,"mail":"1"}}',
       'apply makes no third thing of it');

    run_ok($box->loader('sync'), {}, 'by id again');
    is($box->get(1, 1, '1'), '{"data":{"id":1,"mail":"a"}}', 'get by id');
}


# -- workspaces ---------------------------------------------------------------

sub both {
    my (%more) = @_;

    return (workspace(1, 'Acme', [users(), orders()], keys => [key_of('one')],
                      %more),
            workspace(2, 'Globex', [entity(1, 'Users', 'id', 'other.ndjson')],
                      keys => [key_of('two')]));
}


for my $way ('disabled', 'removed') {
    my $box = box_of(both());

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 },
                                   'Globex/Users' => { added => 1 } },
           "$way: two workspaces");

    my $off = sub { $box->configure($way eq 'disabled'
                                    ? both(enabled => $false)
                                    : (both())[1]) };

    # With apply the way in is closed.
    $off->();
    applied($box, "$way: apply");
    is_deeply([keys %{ keys_of($box) }], [sha256_hex('two')],
              "$way: its keys are gone");
    is(list_of($box, 1), undef, "$way: its list is gone");
    is($box->get(1, 1, 1), undef, "$way: its records cannot be got");
    fails_ok($box->loader('get', 1, 1, 1), 2,
             $way eq 'disabled' ? qr/"Acme" is disabled in /
                                : qr/there is no workspace "1" in /,
             "$way: get says why");
    is($box->get(2, 1, 1), '{"data":{"id":1,"mark":"other-old"}}',
       "$way: the other workspace is as it was");

    # With sync the data is gone.
    my $run = $box->loader('sync');
    run_ok($run, { 'Globex/Users' => { unchanged => 1 } }, "$way: sync");
    is(scalar(grep { m{^Acme/} } keys %{ summary($run) }), 0,
       "$way: its entities are not loaded");
    is(visible($box, $_), 0, "$way: no $_ in the store")
        for 'users-old', 'orders-old', 'Acme';
    is(visible($box, 'other-old'), 1, "$way: the other's data is there");

    my @before = fingerprint($box->{store}, qr{/refreshed-2-1\z});
    run_ok($box->loader('sync'), {}, "$way: sync again");
    is(fingerprint($box->{store}, qr{/refreshed-2-1\z}), $before[0],
       "$way: changes nothing but the time of the other's refresh");

    # Enabled again: only what the sources have now.
    $box->configure(both());
    $box->write('users.ndjson' => qq({"id":2,"mark":"users-new"}\n));
    unlink "$box->{dir}/orders.ndjson";

    applied($box, "$way: back again");
    fails_ok($box->loader('get', 1, 1, 1), 1,
             qr{Acme/Users has not been loaded yet; run profile-loader sync},
             "$way: apply brings no data back");
    is(list_of($box, 1) // '{"data":[]}', '{"data":[]}',
       "$way: nor entities");

    is($box->loader('sync')->{status}, 1, "$way: one source is missing");
    fails_ok($box->loader('get', 1, 1, 1), 1,
             qr{Acme/Users has no such record}, "$way: the old record is gone");
    is($box->get(1, 1, 2), '{"data":{"id":2,"mark":"users-new"}}',
       "$way: the new one is there");
    is($box->get(1, 2, 1), undef, "$way: what is not loaded has no data");
    is(visible($box, '-old'), 1, "$way: only the other workspace's old data");
}

# Disabled from the beginning.
{
    my $box = box_of(both(enabled => $false));

    run_ok($box->loader('sync'), { 'Globex/Users' => { added => 1 } },
           'disabled from the beginning');
    is(visible($box, 'users-old'), 0, 'nothing is loaded');

    fails_ok($box->loader('sync', '--workspace', 'Acme'), 2,
             qr/"Acme" is disabled/, 'to sync it alone is an error');
    is(visible($box, 'users-old'), 0, 'nor with --workspace');
}

# sync of one entity applies the whole configuration: a key that was revoked
# is revoked by whatever runs next.
{
    my $box = box_of(both());

    run_ok($box->loader('sync'), {}, 'two workspaces');

    $box->configure(workspace(1, 'Acme', [users(), orders()]),
                    workspace(2, 'Globex', [entity(1, 'Users', 'id',
                                                   'other.ndjson')]));
    run_ok($box->loader('sync', '--workspace', 'Globex'),
           { 'Globex/Users' => { unchanged => 1 } }, 'sync of one workspace');
    is_deeply(keys_of($box), {}, 'revokes keys of all');
}

# A sync that fails for one entity has applied the configuration.
{
    my $box = box_of(both());

    run_ok($box->loader('sync'), {}, 'two workspaces');

    my @workspaces = both();
    $workspaces[0]{keys} = [];
    $box->configure(@workspaces);
    unlink "$box->{dir}/users.ndjson";

    is($box->loader('sync')->{status}, 1, 'a source is missing');
    is_deeply([keys %{ keys_of($box) }], [sha256_hex('two')],
              'the key is revoked');
}

# Many records of a workspace that goes away are deleted in batches.
{
    my $box = box_of(both());

    $box->write('users.ndjson' => join '', map { qq({"id":$_,"mark":"many"}\n) }
                                           1 .. 50_000);
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 50_000 } },
           '50,000 records');

    my $size = -s $box->data;

    $box->configure(both(enabled => $false));
    run_ok($box->loader('sync'), {}, 'disabled');
    is(visible($box, '"many"'), 0, 'all are gone');

    # Their space is used again.
    $box->configure(both());
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 50_000 } },
           'loaded again');
    cmp_ok(-s $box->data, '<', 2 * $size, 'in the space that was freed');
}

done_testing();
