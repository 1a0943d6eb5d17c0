# Why: a damaged page may end LMDB, and the worker with it. Where that is a page
# which is read when a store is opened, nginx would start workers as fast as it
# can, and nothing on the whole server would be answered.
#
# Line 41 of docs/testing.md.
#
# expect-alert: exited on signal (6|7|11)

use strict;
use warnings;

use Test::More;

# A sanitizer reports the signal, and valgrind stops.
plan skip_all => 'workers end by a signal here'
    if $ENV{ASAN_OPTIONS} || $ENV{TEST_NGINX_USE_VALGRIND};

use lib 't/lib';
use ProfileFault;
use ProfileLoader qw(spew);
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $page = 4096;
my $text = <<'END';
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1"}
END
my $store = profile_store($text);
my $path = '/api/entities/1/record?record_id=1';

sub config {
    return <<"END";
location /api/ {
    profile_store $store;
    profile_api;
    profile_check_interval 50ms;
}
location = /other { return 200 other; }
END
}


# Another generation, in which the entries of every page lie beyond the end of
# the file.

sub damage {
    my ($file) = @_;

    open my $out, '+<:raw', $file or die "$file: $!";
    my $bytes = do { local $/; <$out> };

    for my $number (2 .. length($bytes) / $page - 1) {
        seek $out, $number * $page + 16, 0;
        print $out "\xFE\xFF" x 200;
    }

    close $out or die "$file: $!";

    return;
}

my $clock = profile_tmp() . '/clock';

sub set_clock {
    my ($shift) = @_;

    spew("$clock.new", $shift);
    chmod 0644, "$clock.new";
    rename "$clock.new", $clock or die $!;

    return;
}

set_clock(0);

my $library = preload('shift_time');
chmod 0755, $library;

local $ENV{FAULT_CLOCK} = $clock;
local $ENV{TEST_NGINX_LD_PRELOAD} = $library;

my $nginx = Test::Nginx::Profile::Daemon->new(workers => 2,
    config => config(), main => 'worker_rlimit_core 0; env FAULT_CLOCK;',
    expected => qr/exited on signal/)->start();

is($nginx->get($path, 'key')->{status}, 200, 'a store');

my $good = profile_generation($store);
profile_copy($store, sub { damage("$_[0]/data.mdb") });

my $refused = qr/has ended workers that opened it, as a damaged page does/;

ok(profile_until(30, sub {
    my @workers = $nginx->workers();
    return @workers == 2 && 2 == (() = $nginx->error_log() =~ /$refused/g);
}), 'workers come that do not open it');

my @workers = sort $nginx->workers();
my $ended = () = $nginx->error_log() =~ /exited on signal/g;

cmp_ok($ended, '>', 0, 'workers have ended');
cmp_ok($ended, '<=', 4, 'but few');

my %replies;

for (1 .. 20) {
    my $reply = $nginx->get('/other');
    $replies{"$reply->{status} $reply->{body}"}++;

    # An old worker may have been kept from it, and serves what it has open.
    $reply = $nginx->get($path, 'key');
    $replies{ $reply->{body} eq '{"data":{"id":"1"}}' ? 503
                                                      : $reply->{status} }++;
    select undef, undef, undef, 0.02;
}

is_deeply(\%replies, { '200 other' => 20, 503 => 20 },
          'the rest of the server is served, what is damaged is not');
is_deeply([sort $nginx->workers()], \@workers, 'and no worker ends');

# Somebody sets the clock: no minute has gone by for that.
for my $days (1, -1) {
    my $known = 0;

    set_clock($days * 86400);

    for (1 .. 20) {
        $known += profile_until(10, sub {
            my $day = (gmtime(time + $days * 86400))[3];
            return $nginx->get('/other')->{head} =~ /^Date: \w+, 0?$day /m;
        });
        select undef, undef, undef, 0.02;
    }

    is($known, 20, "the clock is set by $days: they know");
    is_deeply([sort $nginx->workers()], \@workers,
              "the clock is set by $days: nor then");
}

set_clock(0);

# It is looked at again as soon as there is something else.
profile_switch($store, $good);

ok(profile_until(30, sub {
    return !grep { $nginx->get($path, 'key')->{status} != 200 } 1 .. 8;
}), 'another generation is opened without a reload');

$nginx->stop();

done_testing();
