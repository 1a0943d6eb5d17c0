# Why: generations are replaced while requests come, each opened by workers on
# their own. Every reply has to be whole and of a generation that is or was
# just live, and nothing may keep the old one.
#
# Lines 16 and 19 of docs/testing.md.

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::More;
use Test::Nginx::Profile::Daemon;
use Time::HiRes ();

my $fewer = slow() > 1 ? 10 : 1;
my $goal = long(20_000, 1_000_000) / $fewer;
my $workers = 4;


# -- 16. generations ----------------------------------------------------------

# In turn, a generation with the next version of all rows, made elsewhere and
# published, and one that `compact` makes of the live one.

{
    my $switches = long(10, 200);
    my $other = load_store();
    my $store = load_store();
    my $nginx = load_nginx($store, workers => $workers);
    my $load = load_start($nginx, '-c', 16);
    my $slowest = 0;

    $load->tell('max', $store->{version});

    for my $switch (1 .. $switches) {
        my $old = generation_dir($store->{store});
        my $number;

        if ($switch % 2) {
            $store->feed;
            $other->refresh;
            $load->tell('max', $store->{version});
        }

        my $begun = Time::HiRes::time();

        if ($switch % 2) {
            $number = $store->publish($other);

        } else {
            last if !run_ok($store->loader('compact'), {}, 'compact');
            ($number) = generation_dir($store->{store}) =~ /gen-0*(\d+)\z/;
        }

        load_follow($nginx, $number, $workers) or last;

        my $took = Time::HiRes::time() - $begun;
        $slowest = $took if $took > $slowest;

        # Nobody answers from the old one any more, nor holds it.
        $load->tell('min', $store->{version});

        is(scalar(grep { mapped($nginx, $_, qr{\Q$old\E/}) }
                  $nginx->workers()), 0, "switch $switch: the old is let go")
            or last;

        run_ok($store->loader('sync'), {}, "switch $switch: nothing is new");
        ok(!-e $old, "switch $switch: the old one is gone");

        $load->await($goal / $switches);
    }

    my $report = $load->finish;

    load_clean($report, "$switches switches", $goal);
    figure(sprintf 'from publishing to the last worker: at most %.2f s',
           $slowest);

    is(scalar(() = glob "$store->{store}/gen-*"), 1, 'one is left');
    run_ok($store->loader('check'), {}, 'check');

    $nginx->stop();
}


# -- 19. the map grows --------------------------------------------------------

# A worker maps as much as the writer did when it opened the generation. Where
# the data outgrows that, it maps it anew, with nothing of it in use.

{
    my $rounds = 5;
    my $other = load_store();
    my $store = load_store();
    my $nginx = load_nginx($store, workers => 2);
    my $load = load_start($nginx, '-c', 16);

    for my $round (1 .. $rounds) {
        $store->feed;
        $other->refresh;

        my $small = $store->publish($other, 'tight');
        load_follow($nginx, $small, 2) or last;

        my @before = map { mapped($nginx, $_, qr/data\.mdb/) }
                     $nginx->workers();
        cmp_ok($_, '<', 16 << 20, "round $round: a small map") for @before;

        # Every row changes, in place: that takes more than there is.
        run_ok($store->refresh, {}, "round $round: a refresh");
        cmp_ok($store->size, '>', $before[0], 'outgrows the map');
        $other->{version} = $store->{version};
        $load->tell('min', $store->{version});

        wait_for("round $round: every worker maps more", sub {
            return !grep { mapped($nginx, $_, qr/data\.mdb/) < $store->size }
                   $nginx->workers();
        }) or last;

        $load->await(1000 / $fewer);
    }

    load_clean($load->finish, "$rounds times a larger map", 5000 / $fewer);
    $nginx->stop();
}

done_testing();
