# Why: nginx is reloaded, upgraded and told to reopen its logs while requests
# come. No client may notice: each reply is checked for its content, its
# version, its ETag and its length.
#
# Lines 4, 8 and 11 of docs/testing.md.

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::More;
use Test::Nginx::Profile::Daemon;

my $fewer = slow() > 1 ? 10 : 1;
my $goal = long(20_000, 1_000_000) / $fewer;


# Kilobytes of the largest worker.

sub memory {
    my ($nginx) = @_;

    my ($most) = sort { $b <=> $a } map {
        my ($pages) = (eval { slurp("/proc/$_/statm") } // '')
                      =~ /^\d+ (\d+)/;
        4 * ($pages // 0)
    } $nginx->workers();

    return $most;
}


# -- 4. reloads ---------------------------------------------------------------

{
    my $reloads = long(10, 100);
    my $store = load_store();
    my $nginx = load_nginx($store);

    # With and without connections that wait for the next request.
    my @loads = (load_start($nginx, '-c', 12),
                 load_start($nginx, '-c', 4, '-k', 1));
    $_->tell('max', $store->{version}) for @loads;

    my @memory;

    for my $reload (1 .. $reloads) {
        $nginx->reload();
        $_->await($goal / $reloads / 2) for @loads;
        push @memory, memory($nginx) if $reload > $reloads / 2;
    }

    my @reports = map { $_->finish } @loads;

    load_clean($reports[0], "$reloads reloads", $goal / 2);
    load_clean($reports[1], "$reloads reloads, new connections", $goal / 2);

    my $workers = $reports[0]{workers};
    cmp_ok($workers, '>=', 2 * $reloads, "$workers workers answered");

    wait_for('old workers leave', sub { $nginx->workers() == 4 });
    cmp_ok(scalar reader_slots($store->{store}), '<=', 4,
           'no reader slot is left behind');

    SKIP: {
        skip 'a sanitizer keeps what was freed', 1 if $ENV{ASAN_OPTIONS};

        # Less than one page for each reload.
        cmp_ok($memory[-1] - $memory[0], '<', 4 * @memory + 1024,
               "workers do not grow: $memory[0] to $memory[-1] KiB");
    }

    $nginx->stop();
}


# -- 8. signals ---------------------------------------------------------------

{
    my $upgrades = long(2, 20);
    my $store = load_store();
    my $nginx = load_nginx($store, daemon => 'on', workers => 2);
    my @loads = (load_start($nginx, '-c', 12),
                 load_start($nginx, '-c', 4, '-k', 1));

    for my $upgrade (1 .. $upgrades) {
        my $old = $nginx->pid();

        kill 'USR1', $old;
        $_->await(200) for @loads;

        kill 'USR2', $old;
        my $new;
        wait_for("upgrade $upgrade: a new master", sub {
            $new = $nginx->_read('nginx.pid');
            return $new && $new != $old && $nginx->_children($new + 0) >= 2;
        }) or last;
        $_->await(200) for @loads;

        kill 'QUIT', $old;
        wait_for("upgrade $upgrade: the old master leaves",
                 sub { !kill 0, $old }) or last;
        $nginx->{pid} = $new + 0;
        $_->await(200) for @loads;
    }

    my @reports = map { $_->finish } @loads;

    load_clean($reports[0], "$upgrades upgrades", 600);
    load_clean($reports[1], "$upgrades upgrades, new connections", 600);

    cmp_ok(scalar reader_slots($store->{store}), '<=', 2,
           'upgrades leave no reader slot behind');

    # Told to end at once, it does, and leaves no slot.
    my $load = load_start($nginx, '-c', 8);
    $load->await(200);
    kill 'TERM', $nginx->pid();
    wait_for('TERM: it ends', sub { !kill 0, $nginx->pid() });
    delete $nginx->{pid};

    load_clean($load->finish, 'TERM', 200, 'lost', 'cut', 'refused');
    is(scalar reader_slots($store->{store}), 0, 'TERM: no slot is left');
    $nginx->log_is_clean();
}


# -- 11. many workers ---------------------------------------------------------

# A full set of slots is taken at each reload, and old workers keep theirs
# while they still send to somebody who reads slowly.

{
    my ($workers, $reloads) = (long(20, 200), 5);
    my $store = load_store();
    my $large = 2_000_000;

    spew("$store->{box}{dir}/large.ndjson",
         '{"id":"1","text":"' . 'x' x $large . "\"}\n");
    push @{ $store->{more} }, entity(9, 'Large', 'id', 'large.ndjson');
    run_ok($store->configure->loader('sync'), {}, 'a large record');

    my $nginx = load_nginx($store, workers => $workers);
    my $load = load_start($nginx, '-c', 16);
    my @slow;

    for my $reload (1 .. $reloads) {
        for (1 .. 20) {
            my $socket = $nginx->connect();
            syswrite $socket, "GET /api/entities/9/record?record_id=1 "
                . "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-of-acme"
                . "\r\nConnection: close\r\n\r\n";
            sysread $socket, my $start, 100;
            push @slow, [$socket, $start];
        }

        $nginx->reload();
        $load->await(1000 / $fewer);
    }

    my $slots = reader_slots($store->{store});
    load_clean($load->finish, "$workers workers", 1000 / $fewer);

    my $whole = grep {
        my ($reply) = $nginx->replies($_->[1] . $nginx->read_all($_->[0]));
        $reply->{status} == 200 && length $reply->{body} > $large;
    } @slow;

    is($whole, @slow, 'every slow client has its whole record');
    cmp_ok($slots, '>', $workers, "$slots slots were in use");
    unlike($nginx->error_log(), qr/\[error\]/, 'and they were enough');

    $nginx->stop();
    is(scalar reader_slots($store->{store}), 0, 'none is left');
}

done_testing();
