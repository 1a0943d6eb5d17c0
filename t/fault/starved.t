# Why: a worker may be short of what it takes for granted: addresses for a map
# that has grown, a digest of libcrypto's, a log that somebody reads. It answers
# 503, says why where it may, and goes on when it can.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use ProfileFault qw(preload);
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $path = '/api/entities/1/record?record_id=1';
my $instrumented = ($ENV{PROFILE_TEST_MODE} || '') =~ /asan|valgrind/;

my $text = <<'END';
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","value":"x"}
END


sub nginx {
    my ($store, %option) = @_;

    my $config = <<"END";
        location /api/ {
            profile_store $store;
            profile_check_interval 100ms;
            profile_api;
        }
END

    return Test::Nginx::Profile::Daemon->new(config => $config, %option);
}


sub becomes {
    my ($nginx, $status, $name) = @_;

    my $got;
    profile_until(10, sub {
        $got = $nginx->get($path, 'key');
        return $got->{status} == $status;
    });

    is($got->{status}, $status, $name);

    return $got;
}


# -- no addresses ---------------------------------------------------------------

SKIP: {
    skip 'instruments need addresses of their own', 1 if $instrumented;
    my $wrapper = profile_tmp() . '/limited';
    my $binary = Test::Nginx::Profile::Daemon::_binary();
    open my $out, '>', $wrapper or die "$wrapper: $!";
    print {$out} "#!/bin/sh\nulimit -v 4194304\nexec '$binary' \"\$@\"\n";
    close $out;
    chmod 0755, $wrapper;

    # A generation whose map is small, and nginx with no more than it needs.
    my $store = profile_store($text);
    my $first = profile_generation($store);
    my $small = "$store/gen-000002";
    mkdir $small or die $!;
    is(system("mdb_dump '$first' | sed s/^mapsize=.*/mapsize=1048576/"
              . " | mdb_load '$small' 2>/dev/null"), 0,
       'no addresses: a small map');
    for my $command ('chmod', 'chown') {
        system($command, "--reference=$first$_", "$small$_") == 0 or die $!
            for '', '/data.mdb', '/lock.mdb';
    }
    profile_switch($store, 'gen-000002');

    local $ENV{TEST_NGINX_BINARY} = $wrapper;
    my $nginx = nginx($store)->start();

    becomes($nginx, 200, 'no addresses: served');
    $nginx->new_errors();
    my ($worker) = $nginx->workers();

    # It grows, as a loader lets it: records that nobody points at.
    open my $load, '|-', "mdb_load '$small' 2>/dev/null" or die $!;
    print {$load} "VERSION=3\nformat=bytevalue\ntype=btree\n",
                  "mapsize=8589934592\nHEADER=END\n",
                  (map { sprintf " 20000000ff%08x\n %s\n", $_, '20' x 3000 }
                       1 .. 700), "DATA=END\n";
    ok(close $load, 'no addresses: the map grows');

    my $reply = becomes($nginx, 503, 'no addresses: unavailable');
    is($reply->{body}, profile_error('store_unavailable'),
       'no addresses: it says so');
    $nginx->get($path, 'key') for 1 .. 5;

    my $log = $nginx->new_errors();
    my @said = $log =~ /\[error\] .*?(profile store .*)/g;
    like($log, qr/profile store .*mdb_env_set_mapsize/,
         'no addresses: the log says why');
    cmp_ok(scalar @said, '<=', 3, 'no addresses: once for each cause')
        || diag(join "\n", @said);

    # Another generation, which fits.
    my $other = profile_store($text);
    rename profile_generation($other), "$store/gen-000003" or die $!;
    profile_switch($store, 'gen-000003');

    becomes($nginx, 200, 'no addresses: served from another generation');
    is(($nginx->workers())[0], $worker, 'no addresses: by the same worker');

    $nginx->stop();
}


# -- no digest ------------------------------------------------------------------

{
    my $library = preload('fail_digest');
    chmod 0755, $library;

    my $store = profile_store($text);
    local $ENV{TEST_NGINX_LD_PRELOAD} = $library;
    my $nginx = nginx($store)->start();

    is($nginx->get($path, 'key')->{status}, 503,
       'no digest: unavailable, not an invalid key') for 1 .. 3;
    is($nginx->request('GET', $path)->{status}, 401,
       'no digest: where no key has to be looked up nothing is missing');

    my @said = $nginx->error_log() =~ /\[error\] .*?(profile store .*)/g;
    is(scalar @said, 1, 'no digest: the log says why, once');
    like($said[0] // '', qr/SHA-256/, 'no digest: and what is missing');

    $nginx->stop();
}


# -- no log ---------------------------------------------------------------------

{
    my $store = profile_tmp() . '/late';
    mkdir $store or die "$store: $!";

    my $nginx = nginx($store, log_level => 'emerg')->start();

    is($nginx->get($path, 'key')->{status}, 503, 'no log: there is no store');

    for my $number (1 .. 2) {
        my $other = profile_store($text);
        my $name = sprintf 'gen-%06d', $number;

        rename profile_generation($other), "$store/$name" or die $!;
        profile_switch($store, $name);
        becomes($nginx, 200, "no log: generation $number");
    }

    is($nginx->error_log(), '', 'no log: nothing is said');
    $nginx->stop();
}


# -- no "http" ------------------------------------------------------------------

for my $master ('on', 'off') {
    my $nginx = nginx('/nowhere', master => $master);
    my $conf = "$nginx->{prefix}/nginx.conf";

    open my $in, '<', $conf or die "$conf: $!";
    my $text = do { local $/; <$in> };
    $text =~ s/^http \{.*//ms;
    open my $out, '>', $conf or die "$conf: $!";
    print {$out} $text;
    close $out;

    my $pid = $nginx->{child} = $nginx->_spawn();

    ok(profile_until($nginx->patience(), sub {
           return -s "$nginx->{prefix}/nginx.pid"
                  && $nginx->error_log() =~ /start(?:ed)? worker process|epoll/;
       }), "no \"http\", master $master: it starts");

    $nginx->{pid} = $pid;
    $nginx->stop();
    unlike($nginx->error_log(), qr/exited on signal|profile/,
           "no \"http\", master $master: and ends, with nothing to say");
}

done_testing();
