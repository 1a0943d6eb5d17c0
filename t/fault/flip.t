# Why: a disk or a memory flips a bit of a live store. LMDB 0.9 has no
# checksums: a worker may end, and a record may come with that bit flipped, or,
# where the bit is one of its id, as another record of its entity. But never may
# one workspace see what is another's, a worker that ended has to be replaced,
# and `profile-loader check` has to find every bit that matters.
#
# Each bit is flipped in a generation of its own; they are published one after
# the other, while requests come.
#
# Line 43 of docs/testing.md.
#
# expect-alert: exited on signal (6|7|11)

use strict;
use warnings;

use Test::More;

# A sanitizer reports the signal, and valgrind stops.
plan skip_all => 'workers end by a signal here'
    if $ENV{ASAN_OPTIONS} || $ENV{TEST_NGINX_USE_VALGRIND};

use lib 't/lib';
use Digest::SHA qw(sha256);
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::Nginx::Profile::Daemon;
use Time::HiRes ();

my $seed = $ENV{PROFILE_TEST_SEED} || (time ^ $$) % 1_000_000;
srand $seed;
note("PROFILE_TEST_SEED=$seed");

my $flips = long(100, 10_000);

$ProfileLoad::Rows = 60;

my $store = load_store();
my $good = $store->{store};
run_ok($store->loader('compact'), {}, 'compact');

my ($number) = generation_dir($good) =~ /gen-0*(\d+)\z/;
my $bytes = slurp($store->{box}->data);

my $nginx = load_nginx($store, workers => 1, interval => '5ms',
    main => 'worker_rlimit_core 0;', expected => qr/exited on signal/);
my $load = load_start($nginx, '-c', 4);
$load->tell($_, $store->{version}) for 'min', 'max';

# What came into the log since the last call.
open my $log, '<', "$nginx->{prefix}/error.log" or die "error.log: $!";

sub more {
    local $/;
    seek $log, 0, 1;
    return scalar(<$log>) // '';
}


# Publishes bytes as the next generation. Returns its number.

sub publish {
    my ($data) = @_;

    my $new = sprintf 'gen-%06d', ++$number;
    my @stat = stat $good;

    mkdir "$good/$new" or die "$new: $!";
    spew("$good/$new/data.mdb", $data);
    spew("$good/$new/lock.mdb", '');
    spew("$good/.new", "$new\n");

    for my $file ("$good/$new", glob("$good/$new/*"), "$good/.new") {
        chown @stat[4, 5], $file if $> == 0;
        chmod -d $file ? 0750 : $file =~ /lock/ ? 0660 : 0640, $file;
    }

    rename "$good/.new", "$good/CURRENT" or die "CURRENT: $!";

    return $number;
}


sub drop {
    my ($name) = @_;

    unlink glob "$good/$name/*";
    rmdir "$good/$name";

    return;
}


# Waits until workers have met a generation in some way, then until so many
# requests have. Returns whether it was opened, how many workers have ended,
# and what the replies were meanwhile.

sub meet {
    my ($n, $replies) = @_;

    my ($said, $crashes, $opened) = ('', 0, 0);
    my $before;
    my $until = Time::HiRes::time() + 60;

    while (Time::HiRes::time() < $until) {
        $said .= more();
        $crashes = () = $said =~ /exited on signal/g;
        $opened = $said =~ /generation $n is open/;

        last if $replies && $crashes >= 3;

        # Of a sound one nothing less will do: what else is said may still be of
        # the damaged one before it.
        if ($opened || $replies && ($crashes || $said =~ /\[error\]/)) {
            my $report = $load->report;

            # Those that were under way may be of the one before.
            $before //= $report;
            last if $report->{replies} >= $before->{replies} + 10;
        }

        Time::HiRes::sleep(0.002);
    }

    $before = $load->report;
    my $after = $before;

    while ($replies && $after->{replies} < $before->{replies} + $replies
           && Time::HiRes::time() < $until && $crashes < 3)
    {
        Time::HiRes::sleep(0.002);
        $crashes += () = more() =~ /exited on signal/g;
        $after = $load->report;
    }

    return ($opened, $crashes,
            { map { $_ => $after->{$_} - $before->{$_} }
              @ProfileLoad::Bad });
}


# Bits at random, and those that say whose a key is: its value stands behind its
# SHA-256, and the workspace is in its fifth byte to its eighth.

my @bits;

for my $key ('key-of-acme', 'key-of-globex') {
    my $value = index($bytes, sha256($key)) + 32;
    push @bits, map { 8 * $value + $_ } long(56, 0) .. long(63, 8 * 20 - 1);
}

push @bits, map { int rand 8 * length $bytes } 1 .. $flips;

my (%count, @wrong);
my $begun = Time::HiRes::time();

my ($done, $renamed) = (0, 0);

for my $at (@bits) {
    figure("$done bits") if ++$done % 2000 == 0;

    my $data = $bytes;
    vec($data, $at, 1) ^= 1;

    # A damaged one must not be met in the place of a refused one.
    meet(publish($bytes), 0);

    my $n = publish($data);
    my ($opened, $crashes, $seen) = meet($n, 300);
    my $check = $store->loader('check');

    # What came of it; a reply that is right is none of these.
    my $bad = join ' ', map { "$seen->{$_} $_" } grep { $seen->{$_} }
                        sort keys %$seen;
    my $what = $crashes ? 'crash' : $bad ? 'trouble' : $opened ? 'unnoticed'
               : 'refused';

    $count{"$what, " . ($check->{status} ? 'found' : 'not found')}++;
    $count{"workers ended"} += $crashes;

    if ($check->{status} ne '3' && $check->{status} ne '0') {
        push @wrong, "bit $at: check: $check->{status} $check->{err}";

    } elsif ($check->{status} eq '0' && !$crashes
             && $bad =~ /\A\d+ unexpected\z/)
    {
        # A record whose id is another one now, in the same place.
        $count{'404 for a record whose id has changed, not found'}++;
        push @wrong, "bit $at: check finds nothing, but: $bad"
            if ++$renamed > 1 + @bits / 1000;

    } elsif ($check->{status} eq '0' && ($crashes || $bad)) {
        push @wrong, "bit $at: check finds nothing, but: $bad, "
                     . "$crashes crashes";
    }

    drop(sprintf 'gen-%06d', $n - $_) for 1, 2;
    last if @wrong > 10 || $seen->{foreign} || $seen->{wrong};
}

my $took = Time::HiRes::time() - $begun;
my $n = publish($bytes);

wait_for('a sound generation is opened',
         sub { more() =~ /generation $n is open/ });
my $before = $load->report;
$load->await(500);
my $report = $load->finish;

is($report->{foreign}, 0, @bits . " bits: no body of another")
    or diag($report->{first});
is($report->{wrong}, 0, @bits . " bits: no body but a record's own")
    or diag($report->{first});
is(join("\n", @wrong), '', 'check finds every bit that matters');
is(join(' ', map { $report->{$_} - $before->{$_} }
             @ProfileLoad::Bad), join(' ', map { 0 } @ProfileLoad::Bad),
   'and then all is well again');
is(scalar $nginx->workers(), 1, 'there is a worker');

figure(sprintf '%d bits in %.0f s, %d replies: %s', scalar @bits, $took,
       $report->{replies},
       join '; ', map { "$_: $count{$_}" } sort keys %count);
figure(join ', ', map { "$report->{$_} $_" } 'checked', 'retried',
       @ProfileLoad::Bad);

$nginx->stop();

done_testing();
