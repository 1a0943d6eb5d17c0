# Why: workers are killed, by the machine's memory killer or by an operator.
# That may cost the requests that they were at work on, and nothing else: no
# other request, no reader slot for good, and no growth of the store.
#
# Lines 7 and 12 of docs/testing.md.
#
# expect-alert: exited on signal 9

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::More;

my $fewer = slow() > 1 ? 10 : 1;
my $seed = $ENV{PROFILE_TEST_SEED} || (time ^ $$) % 1_000_000;
srand $seed;
note("PROFILE_TEST_SEED=$seed");


# -- 7. workers are killed ----------------------------------------------------

# Some die within a transaction. While they are dead and nobody knows, a writer
# cannot use again what they might still read; each new worker clears them.

{
    my $kills = long(20, 200);
    my $store = load_store(step => 50);
    my $nginx = load_nginx($store, expected => qr/exited on signal 9/);

    # Until the file has the free pages that refreshes need.
    $store->refresh for 1 .. 10;
    my $size = $store->size;

    my $connections = 16;
    my $load = load_start($nginx, '-c', $connections);
    my %killed;

    $load->await(1000 / $fewer);

    for my $n (1 .. $kills) {
        my @workers = grep { !$killed{$_} } $nginx->workers();
        my $pid = $workers[rand @workers];

        $killed{$pid} = 1;
        kill 'KILL', $pid;

        # Refreshes come at any time, also before the next worker is there.
        if ($n % 4 == 0) {
            run_ok($store->refresh, {}, "kill $n: a refresh");
            $load->tell('min', $store->{version});
        }

        wait_for("kill $n: the next worker", sub {
            return 4 == grep { !$killed{$_} } $nginx->workers();
        }) or last;

        $load->await(500 / $fewer);
    }

    my $report = $load->finish;

    # Of those that were killed and, where the connection was new, of one that
    # had not said who it is.
    my @others = grep { $_ && !$killed{$_} } @{ $report->{ended_by} };
    my $lost = $report->{lost} + $report->{cut} + $report->{retried};

    is("@others", '', 'only workers that were killed ended a connection');
    cmp_ok($lost, '<=', $kills * $connections, 'at most those in flight');
    load_clean($report, "$kills killed workers", $kills * 500 / $fewer,
               'lost', 'cut');
    figure("$lost requests were in flight on a worker that was killed");

    my $log = $nginx->error_log();
    is(scalar(() = $log =~ /exited on signal 9/g), $kills,
       'each was killed once');
    unlike($log, qr/\[(?:error|crit|emerg)\]/, 'nothing else in the log');

    $store->refresh for 1, 2;
    my $grown = $store->size;
    cmp_ok($grown, '<', 1.05 * $size,
           "growth below 5 %: from $size to $grown bytes");
    cmp_ok(scalar reader_slots($store->{store}), '<=', 4,
           'the slots of the dead are cleared');
    is(scalar $nginx->workers(), 4, 'four workers');

    $nginx->stop();
}


# -- a worker is killed within its transaction --------------------------------

# A reader that holds a snapshot dies with it: whoever comes next, a worker or
# the loader, lets the pages go.

for my $who ('a worker', 'the loader') {
    my $store = load_store(step => 50);
    my $generation = generation_dir($store->{store});
    my $nginx = load_nginx($store, workers => 1);

    $store->refresh for 1 .. 10;
    my $size = $store->size;

    my $reader = outsider('hold', $generation);

    $reader->kill('KILL');
    $reader->finish;

    my $slots = sub {
        return scalar grep { /^\s*$reader->{pid} / }
                      reader_slots($store->{store});
    };

    is($slots->(), 1, "$who: a slot is left");

    $who eq 'a worker' ? $nginx->reload() : $store->refresh;
    is($slots->(), 0, "$who: it is cleared");

    $store->refresh for 1 .. 10;
    cmp_ok($store->size, '<', 1.05 * $size, "$who: and the file does not grow");

    $nginx->stop();
}


# -- 12. a lock file with few slots -------------------------------------------

# Somebody's tool made it, with room for four. The fifth worker has none.

{
    my $store = load_store();
    my $lock = generation_dir($store->{store}) . '/lock.mdb';

    spew($lock, '');
    my $outsider = outsider('open', generation_dir($store->{store}), 4);

    my $nginx = load_nginx($store, workers => 6);

    wait_for('somebody finds no slot', sub {
        return $nginx->error_log() =~ /has no free reader slot/;
    });

    my %seen;
    for (1 .. 60) {
        my $reply = $nginx->get('/api/entities/1/record?record_id=1',
                                'key-of-acme');
        $seen{ $reply->{status} }++;
    }

    is(join(' ', sort grep { $_ != 200 && $_ != 503 } keys %seen), '',
       '200 or 503, and nothing else');
    is(scalar $nginx->workers(), 6, 'six workers, none has crashed');
    is(scalar reader_slots($store->{store}), 4, 'four have a slot');

    # Two leave: the others take their places.
    my @pids = map { /^\s*(\d+)/ } reader_slots($store->{store});
    $nginx->configure(workers => 3)->reload();

    wait_for('three workers', sub { $nginx->workers() == 3 });
    wait_for('all of them have a slot', sub {
        my %slot = map { /^\s*(\d+)/ ? ($1 => 1) : () }
                   reader_slots($store->{store});
        return 3 == grep { $slot{$_} } $nginx->workers();
    });

    for (1 .. 20) {
        my $reply = $nginx->get('/api/entities/1/record?record_id=1',
                                'key-of-acme');
        is($reply->{status}, 200, 'served by any') or last;
    }

    is($store->{box}->status->{max_readers}, 4, 'status tells of four');

    $nginx->stop();
    $outsider->kill('KILL');
    $outsider->finish;
}

done_testing();
