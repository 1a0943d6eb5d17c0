# Why: rows change while requests come, in place, a commit after the other.
# No request may wait for a commit or see half of one, and none may see what
# an earlier one has seen to be over.
#
# Lines 13, 18, 21, 22 and 39 of docs/testing.md.

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::More;
use Time::HiRes ();

my $fewer = slow() > 1 ? 10 : 1;
my $goal = long(20_000, 1_000_000) / $fewer;

# The targets of the load: users and companies of workspace 1, users of
# workspace 3.
my ($users, $companies, $others) = (0, 1, 2);


# -- 13. small commits --------------------------------------------------------

# One program commits without a pause; a reader looks at whole snapshots
# meanwhile, so that a mixture of two commits would be seen.

{
    my ($seconds, $commits) = (long(1, 60), long(500, 30_000) / $fewer);
    my $store = load_store();
    my $size = $store->size;
    my $nginx = load_nginx($store);
    my $load = load_start($nginx, '-c', 16);
    my $last = $store->{version};

    $load->tell('max', $last, $users, $companies);

    my $watcher = start({ seconds => 1000 }, fault_program('record'), 'watch',
                        $store->{store}, 5000, 1000);
    my $writer = start({ seconds => 1000 }, fault_program('commit'),
                       $store->{store}, 3, 1, $last);

    my $begun = Time::HiRes::time();
    my $now = $last;

    while ($writer->running) {
        Time::HiRes::sleep(0.05);

        # Whoever asks after a commit sees it.
        $now = (slurp($writer->{out}) =~ /^(\d+)\n/mg)[-1] // $last;
        $load->tell('min', $now, $others);

        my $took = Time::HiRes::time() - $begun;

        last if $took > 300 + 2 * $seconds
                || $took > $seconds && $now - $last >= $commits
                   && $load->report->{checked} >= $goal;
    }

    my $took = Time::HiRes::time() - $begun;
    $writer->kill('TERM');
    my $run = $writer->finish;

    is($run->{status}, 0, 'the writer ends well') or diag_run($run);
    $now = ($run->{out} =~ /^(\d+)\n/mg)[-1] // 0;

    $load->tell($_, $now, $others) for 'min', 'max';
    $load->await(2000 / $fewer);
    load_clean($load->finish, $now - $last . ' commits', $goal);
    cmp_ok($now - $last, '>=', $commits, 'there were as many commits');

    $watcher->kill('TERM');
    $run = $watcher->finish;
    is($run->{status}, 0, 'no snapshot mixes two commits') or diag_run($run);

    figure(sprintf '%d commits in %.0f s; the file grew from %d to %d bytes',
           $now - $last, $took, $size, $store->size);

    run_ok($store->loader('check'), {}, 'check');
    $nginx->stop();
}


# -- 18. a loader that stands still -------------------------------------------

# Stopped at every call by which it changes the store, within its transaction
# for most of them.

{
    my $store = load_store();
    my $nginx = load_nginx($store, workers => 2);
    my $load = load_start($nginx, '-c', 8);
    my $stops = 0;

    $load->await(1000 / $fewer);
    my $before = $load->report;

    for my $n (0 .. 200) {
        my $mark = "$store->{box}{dir}/mark";
        unlink $mark;

        $store->feed;
        my $job = $store->{box}->start({ env => fault_env('fail_io',
            FAULT_FOLDER => $store->{store}, FAULT_AT => $n,
            FAULT_HOW => 'stop', FAULT_MARK => $mark) }, 'sync');

        wait_for("stop $n", sub { -e $mark || !$job->running }) or last;

        if (-e $mark) {
            $stops++;
            $load->await(long(200, 20_000) / $fewer);
            $job->kill('CONT');
        }

        my $run = $job->finish;
        is($run->{status}, 0, "stop $n: it goes on and ends well")
            or diag_run($run);

        $load->tell('min', $store->{version});
        $load->await(100);
        last if !-e $mark;
    }

    my $report = $load->finish;

    cmp_ok($stops, '>', 5, "loaders stood still at $stops places");
    load_clean($report, 'a loader that stands still',
               long(200, 20_000) / $fewer * $stops);
    figure("p99 before $before->{p99} us, with loaders that stand still "
           . "$report->{p99} us");
    $nginx->stop();
}


# -- 21, 22. a workspace is disabled, and enabled again -----------------------

{
    my $store = load_store();
    my $nginx = load_nginx($store, workers => 2);
    my $load = load_start($nginx, '-c', 8);

    for my $round (1 .. long(5, 50)) {
        $load->tell('closing', 0, $users, $companies);
        $store->{disabled}{1} = 1;
        run_ok($store->configure->loader('apply'), {}, "$round: disabled");

        # A request from now on is refused; not one is not.
        $load->tell('closed', 0, $users, $companies);
        $load->await(300);

        is((grep { $_->{id} == 1 } @{ $store->{box}->status->{workspaces} })
           [0], undef, "$round: nothing is left of it");

        # Another version than the one that was there.
        $store->feed;
        $store->{disabled}{1} = 0;
        $load->tell('closing', 0, $users, $companies);
        $load->tell('min', $store->{version}, $users, $companies);
        $store->configure;
        run_ok($store->loader('apply'), {}, "$round: enabled, and empty");

        my $reply = $nginx->get('/api/entities/1/record?record_id=1',
                                'key-of-acme');
        like($reply->{body}, qr/"entity_not_ready"/, "$round: no old data")
            or diag($reply->{head});

        run_ok($store->loader('sync'), {}, "$round: loaded again");
        $load->tell('open', 0, $users, $companies);
        $load->await(300);
    }

    my $report = $load->finish;

    # Between the two commits there is an entity that has no data yet.
    load_clean($report, 'disabled and enabled', 1000, 'failed');
    cmp_ok($report->{denied}, '>', 100, 'keys were refused');
    like($nginx->error_log(), qr/has not been loaded yet/, '503 was for that');
    unlike($nginx->error_log() =~ s/.*has not been loaded yet.*//gr,
           qr/\[error\]/, 'and for nothing else');
    $nginx->stop();
}


# -- 39. tools beside it ------------------------------------------------------

# A copy holds a snapshot for as long as it takes; what is written meanwhile
# cannot use that one's pages again.

{
    my $store = load_store();
    my $nginx = load_nginx($store, workers => 2);
    my $load = load_start($nginx, '-c', 8);
    my $generation = generation_dir($store->{store});

    $store->refresh for 1 .. 3;
    my $size = $store->size;

    # Nobody reads from the pipe: mdb_copy is stuck in its snapshot.
    pipe my $out, my $in or die "pipe: $!";
    my $copy = start({ seconds => 300, before => sub {
        open STDOUT, '>&', $in or die "dup: $!\n";
    } }, 'mdb_copy', $generation);
    close $in;

    wait_for('mdb_copy reads', sub {
        return grep { /^\s*$copy->{pid} / } reader_slots($store->{store});
    });

    for my $round (1 .. 10) {
        run_ok($store->refresh, {}, "a refresh beside mdb_copy, $round");
        $load->tell('min', $store->{version});
        is(run('mdb_stat', '-rref', $generation)->{status}, 0,
           "mdb_stat, $round");
        $load->await(200 / $fewer);
    }

    my $status = $store->{box}->status;
    cmp_ok($status->{readers}, '>=', 3, 'status counts mdb_copy as a reader');
    my $grown = $store->size;
    cmp_ok($grown, '>', $size, "the file grows: $size to $grown bytes");

    # Its copy is what it saw first.
    my $bytes = '';
    1 while sysread $out, $bytes, 1 << 20, length $bytes;
    is($copy->finish->{status}, 0, 'mdb_copy ends well');

    my $place = new_dir('copy');
    spew("$place/data.mdb", $bytes);
    my %states = %{ entity_states($place) };
    is(scalar(grep { !ref } values %states), 0, 'and its copy is whole');

    # Then the pages are used again.
    $store->refresh for 1 .. 3;
    $grown = $store->size;
    $store->refresh for 1 .. 10;
    cmp_ok($store->size, '<=', $grown * 1.2, 'the file grows no more');

    load_clean($load->finish, 'tools beside it', 1000 / $fewer);
    $nginx->stop();
}

done_testing();
