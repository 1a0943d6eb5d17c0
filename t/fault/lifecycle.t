# Why: nginx starts, reloads, upgrades and loses workers while it serves. The
# store must be opened where requests are answered and nowhere else, and each
# of these changes must leave nothing behind.
#
# expect-alert: exited on signal 9
# expect-alert: \[emerg\] .*"profile_api" directive is not allowed here

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $path = '/api/entities/1/record?record_id=1';


sub text {
    my ($value) = @_;

    return <<"END";
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","value":"$value"}
END
}


sub location {
    my ($store) = @_;

    return <<"END";
        location /api/ {
            profile_store $store;
            profile_check_interval 100ms;
            profile_api;
        }
END
}


sub value {
    my ($nginx) = @_;

    my ($value) = $nginx->get($path, 'key')->{body} =~ /"(?:value|code)":"(.*?)"/;

    return $value;
}


sub mapped {
    my ($nginx, $pid) = @_;

    return scalar grep { /data\.mdb|lock\.mdb/ } $nginx->maps($pid);
}


# Slots in the lock table that belong to a process.

sub readers {
    my ($store) = @_;

    my $generation = profile_generation($store);
    my @lines = `mdb_stat -r '$generation' 2>&1`;

    return grep { /^\s*\d+\s+[0-9a-f]+\s+/ } @lines;
}


# -- 10. the ways to run --------------------------------------------------------

for my $master ('on', 'off') {
    for my $daemon ('on', 'off') {
        my $store = profile_store(text('served'));
        my $nginx = Test::Nginx::Profile::Daemon->new(
            master => $master, daemon => $daemon,
            config => location($store))->start();

        is(value($nginx), 'served', "master $master, daemon $daemon: served");

        profile_sync($store, text('changed'));
        is(value($nginx), 'changed', "master $master, daemon $daemon: a refresh");

        my $other = profile_store(text('switched'));
        rename profile_generation($other), "$store/gen-000002" or die $!;
        profile_switch($store, 'gen-000002');

        ok(profile_until(5, sub { value($nginx) eq 'switched' }),
           "master $master, daemon $daemon: a switch");

        $nginx->stop();
    }
}


# -- 9. who has the store open ----------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $cache = profile_tmp() . '/manager-cache';

    my $nginx = Test::Nginx::Profile::Daemon->new(
        workers => 3,
        http => "proxy_cache_path $cache keys_zone=c:1m loader_threshold=1ms;",
        config => location($store))->start();

    is(value($nginx), 'x', 'processes: served');

    profile_until(5, sub { $nginx->workers() == 3 });

    my %worker = map { $_ => 1 } $nginx->workers();
    is(keys %worker, 3, 'processes: three workers');

    my @others = grep { !$worker{$_} } $nginx->processes();
    ok(@others >= 2, 'processes: a master and a cache manager');

    is(mapped($nginx, $_), 0, 'processes: neither has the store') for @others;

    profile_until(5, sub { !grep { !mapped($nginx, $_) } keys %worker });
    ok(mapped($nginx, $_) > 0, 'processes: a worker has the store')
        for keys %worker;

    my @readers = readers($store);
    is(@readers, 3, 'processes: a reader for each worker') or diag(@readers);

    $nginx->stop();
    is(scalar readers($store), 0, 'processes: none is left');
}


# -- reload -------------------------------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        workers => 2, config => location($store))->start();

    for (1 .. 10) {
        is(value($nginx), 'x', 'reload: served before');
        $nginx->reload();
        is(value($nginx), 'x', 'reload: served after');
    }

    ok(profile_until(10, sub { $nginx->workers() == 2 }),
       'reload: the old workers are gone');
    ok(profile_until(5, sub { readers($store) <= 2 }),
       'reload: and so are their readers') or diag(readers($store));

    $nginx->stop();
}


# -- 5. reload to another store, while an old worker is still sending ----------------

{
    my $big = 'o' x 2_000_000;
    my $old = profile_store(text($big));
    my $new = profile_store(text('new'));

    my $nginx = Test::Nginx::Profile::Daemon->new(
        config => location($old))->start();

    my $socket = $nginx->connect();
    syswrite $socket, "GET $path HTTP/1.1\r\nHost: x\r\n"
                      . "Authorization: Bearer key\r\nConnection: close\r\n\r\n";
    sysread $socket, my $start, 1000;
    like($start, qr/^HTTP\/1\.1 200/, 'another store: the old answer has begun');

    $nginx->configure(config => location($new))->reload();
    is(value($nginx), 'new', 'another store: new requests see the new one');

    my ($reply) = $nginx->replies($start . $nginx->read_all($socket));
    is($reply->{body}, qq({"data":{"id":"1","value":"$big"}}),
       'another store: the old answer is whole');

    ok(profile_until(10, sub { !readers($old) }),
       'another store: the old one is let go');

    $nginx->stop();
}


# -- 6. reload to a store that is not there, and back ------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        config => location($store))->start();

    is(value($nginx), 'x', 'broken path: served before');

    $nginx->configure(config => location("$store-none"))->reload();
    is(value($nginx), 'store_unavailable', 'broken path: 503');

    $nginx->configure(config => "profile_store $store; profile_api;");
    kill 'HUP', $nginx->pid();
    ok(profile_until(5, sub { $nginx->error_log() =~ /\[emerg\].*profile_api/ }),
       'broken configuration: named');
    is(value($nginx), 'store_unavailable',
       'broken configuration: the workers go on');

    $nginx->{expected} = qr/\[emerg\].*"profile_api" directive is not allowed/;
    $nginx->configure(config => location($store))->reload();
    is(value($nginx), 'x', 'broken path: served after');

    $nginx->stop();
}


# -- the module leaves at a reload, and comes back -----------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        config => location($store))->start();

    is(value($nginx), 'x', 'unused: served before');

    $nginx->configure(config => 'location / { return 200 "bare\n"; }')->reload();
    is($nginx->get('/')->{body}, "bare\n", 'unused: no API');
    ok(profile_until(5, sub { !grep { mapped($nginx, $_) } $nginx->workers() }),
       'unused: no store is open');

    $nginx->configure(config => location($store))->reload();
    is(value($nginx), 'x', 'unused: served again');

    $nginx->stop();
}


# -- 7. a worker is killed -------------------------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        config => location($store), expected => qr/exited on signal 9/)->start();

    for (1 .. 20) {
        my ($worker) = $nginx->workers();

        is(value($nginx), 'x', 'killed: served before');
        kill 'KILL', $worker;

        profile_until(10, sub {
            my @workers = $nginx->workers();
            return @workers && !grep { $_ == $worker } @workers;
        });
        is(value($nginx), 'x', 'killed: served by the next worker');
    }

    ok(profile_until(10, sub { readers($store) <= 2 }),
       'killed: slots of dead workers are used again') or diag(readers($store));

    profile_sync($store, text('y'));
    is(value($nginx), 'y', 'killed: a refresh is seen');

    $nginx->stop();
}


# -- 8. upgrade of the program -----------------------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        daemon => 'on', config => location($store))->start();

    my $old = $nginx->pid();
    is(value($nginx), 'x', 'upgrade: served before');

    kill 'USR2', $old;

    my $new;
    ok(profile_until(10, sub {
        $new = $nginx->_read('nginx.pid');
        return $new && $new != $old && -s "$nginx->{prefix}/nginx.pid.oldbin";
    }), 'upgrade: a new master');

    is(value($nginx), 'x', 'upgrade: served by both') for 1 .. 5;

    kill 'QUIT', $old;
    ok(profile_until(10, sub { !kill 0, $old }), 'upgrade: the old one leaves');

    $nginx->{pid} = $new + 0;
    is(value($nginx), 'x', 'upgrade: served by the new one') for 1 .. 5;

    ok(profile_until(10, sub { readers($store) == 1 }),
       'upgrade: one reader is left') or diag(readers($store));

    $nginx->stop();
}


# -- several stores in one worker ---------------------------------------------------------------

{
    my @stores = map { profile_store(text("s$_")) } 1 .. 10;
    my $config = join '', map { location($stores[$_]) =~ s{/api/}{/s$_/}r }
                          0 .. $#stores;
    my $link = profile_tmp() . '/link';
    symlink $stores[0], $link;

    # The same store by another name must not be opened a second time.
    $config .= location($link) =~ s{/api/}{/link/}r;

    my $nginx = Test::Nginx::Profile::Daemon->new(config => $config)->start();

    for my $number (0 .. $#stores) {
        my $reply = $nginx->get("/s$number/entities/1/record?record_id=1", 'key');
        my $expected = 's' . ($number + 1);
        like($reply->{body}, qr/"$expected"/, "several stores: $number");
    }

    like($nginx->get('/link/entities/1/record?record_id=1', 'key')->{body},
         qr/"s1"/, 'several stores: one by another name');

    # A second time would make LMDB forget who reads through the first.
    my ($worker) = $nginx->workers();
    is(scalar(grep { m{\Q$stores[0]\E/.*data\.mdb} } $nginx->maps($worker)), 1,
       'several stores: which is opened once');
    is(scalar readers($stores[0]), 1,
       'several stores: with one reader') or diag(readers($stores[0]));

    profile_sync($stores[0], text('changed'));
    like($nginx->get("/$_/entities/1/record?record_id=1", 'key')->{body},
         qr/"changed"/, "several stores: a refresh is seen by /$_/")
        for 's0', 'link';

    $nginx->stop();
}

done_testing();
