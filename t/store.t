# Why: the store comes and goes on its own, moved by another program. nginx
# must start without it, notice it, follow it, and never say "not found" of
# what it cannot look up.

use strict;
use warnings;

use Test::More;

# It starts and reloads its own nginx.
plan skip_all => 'nothing here depends on TEST_NGINX_USE_HUP'
    if $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $unloaded = $ENV{TEST_NGINX_USE_VALGRIND} ? 5 : 1;
my $path = '/api/entities/1/record?record_id=1';


sub text {
    my ($value) = @_;

    return <<"END";
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","value":"$value"}
END
}


sub nginx {
    my ($store, %option) = @_;

    my $interval = delete $option{interval};
    $interval = $interval ? "profile_check_interval $interval;" : '';

    return Test::Nginx::Profile::Daemon->new(%option, config => <<"END");
        location /api/ {
            profile_store "$store";
            $interval
            profile_api;
        }
END
}


# What a client gets, in a word.

sub answer {
    my ($nginx) = @_;

    my $reply = $nginx->get($path, 'key');

    return $1 if $reply->{body} =~ /"value":"(.*?)"/;
    return $1 if $reply->{body} =~ /"code":"(.*?)"/;
    return $reply->{body};
}


sub becomes {
    my ($nginx, $expected, $seconds, $name) = @_;

    my $got;
    my $done = profile_until($seconds * $unloaded, sub {
        $got = answer($nginx);
        return $got eq $expected;
    });

    return ok($done, $name) || diag("last answer: $got");
}


# Lines about a store at a level, of one worker.

sub lines {
    my ($log, $level) = @_;

    return grep { /\[$level\].*profile store "/ } split /\n/, $log;
}


sub listing {
    my ($dir) = @_;

    return `ls -lAR --time-style=full-iso '$dir' 2>&1`;
}


sub spew {
    my ($path, $text) = @_;

    open my $out, '>', $path or die "$path: $!";
    print {$out} $text;
    close $out;
}


# -- 1. a store that is not there yet ------------------------------------------

{
    my $place = profile_tmp() . '/later';
    my $nginx = nginx($place)->start();

    for (1 .. 5) {
        my $reply = $nginx->get($path, 'key');

        is($reply->{status}, 503, 'absent: 503');
        is($reply->{body}, profile_error('store_unavailable'),
           'absent: the reply is JSON');
        is($reply->{header}{'retry-after'}[0], 1, 'absent: Retry-After');
    }

    is($nginx->get($path)->{status}, 401, 'absent: no key is still a 401');

    my $log = $nginx->new_errors();
    is(scalar lines($log, 'error'), 1, 'absent: one line in the log');
    like($log, qr/profile store "\Q$place\E": /, 'absent: it names the store');

    rename profile_store(text('late')), $place or die $!;

    becomes($nginx, 'late', 2, 'appeared: served within 2 seconds, no reload');
    is(scalar lines($nginx->new_errors(), 'notice'), 1,
       'appeared: one notice');

    $nginx->stop();
}


# -- 2. nginx -t touches nothing -----------------------------------------------

{
    my $none = profile_tmp() . '/none';
    my $nginx = nginx($none);

    is($nginx->test(), 0, 'nginx -t without a store: exit 0');
    ok(!-e $none, 'nginx -t without a store: makes none');

    my $store = profile_store(text('x'));
    my $before = listing($store);
    $nginx = nginx($store);

    is($nginx->test(), 0, 'nginx -t with a store: exit 0');
    is(listing($store), $before, 'nginx -t with a store: changes nothing');

    # It neither needs a lock nor makes one.
    unlink profile_generation($store) . '/lock.mdb';
    $before = listing($store);

    is($nginx->test(), 0, 'nginx -t without a lock file: exit 0');
    is(listing($store), $before, 'nginx -t without a lock file: makes none');

    spew(profile_generation($store) . '/data.mdb', 'not a database');
    is($nginx->test(), 0, 'nginx -t with a damaged store: exit 0');
}


# -- the worker makes nothing either -------------------------------------------

{
    my $store = profile_store(text('x'));
    unlink profile_generation($store) . '/lock.mdb';

    my $before = listing($store);
    my $nginx = nginx($store)->start();

    is(answer($nginx), 'store_unavailable', 'no lock file: 503');
    is(listing($store), $before, 'no lock file: none is made');
    like($nginx->error_log(), qr/profile store ".*lock\.mdb/,
         'no lock file: the log names it');

    $nginx->stop();
}


# -- 3. files that are still empty ---------------------------------------------

for my $file ('data.mdb', 'CURRENT') {
    my $store = profile_store(text('whole'));
    my $path = $file eq 'CURRENT' ? "$store/CURRENT"
                                  : profile_generation($store) . "/$file";

    rename $path, "$path.good" or die $!;
    spew($path, '');
    chmod 0644, $path;

    my $nginx = nginx($store, interval => '100ms')->start();

    is(answer($nginx), 'store_unavailable', "empty $file: 503") for 1 .. 3;

    my $log = $nginx->new_errors();
    is(lines($log, 'warn') + lines($log, 'error'), 1,
       "empty $file: one line in the log");

    rename "$path.good", $path or die $!;
    becomes($nginx, 'whole', 2, "whole $file: served");

    $nginx->stop();
}


# -- what CURRENT may say -------------------------------------------------------

for my $content ("gen-000009\n", "\n", "gen-\n", "../gen-000001\n", "/etc\n",
                 "gen-000001/../gen-000001\n", "gen-000001x\n", 'x' x 5000,
                 "\0" x 11, "gen-99999999999\n", "gen-000001\nmore\n")
{
    (my $shown = substr $content, 0, 30) =~ s/[^ -~]/?/g;

    my $store = profile_store(text('right'));
    spew("$store/CURRENT", $content);

    my $nginx = nginx($store, interval => '100ms')->start();
    is(answer($nginx), 'store_unavailable', "CURRENT \"$shown\": 503");

    profile_switch($store, 'gen-000001');
    becomes($nginx, 'right', 2, "CURRENT \"$shown\": and repaired");

    $nginx->stop();
}


# -- a new generation -----------------------------------------------------------

{
    my $store = profile_store(text('one'));
    my $nginx = nginx($store)->start();

    my $first = $nginx->get($path, 'key');
    is($first->{body}, '{"data":{"id":"1","value":"one"}}', 'switch: before');
    is(scalar(grep { /gen-000001/ } $nginx->maps(($nginx->workers())[0])) > 0,
       1, 'switch: the worker has the first generation mapped');

    my $other = profile_store(text('two'));
    rename profile_generation($other), "$store/gen-000002" or die $!;
    profile_switch($store, 'gen-000002');

    becomes($nginx, 'two', 2, 'switch: noticed within 2 seconds');

    my $second = $nginx->get($path, 'key');
    isnt($second->{header}{etag}[0], $first->{header}{etag}[0],
         'switch: another ETag');
    is($nginx->get($path, 'key', "If-None-Match: $first->{header}{etag}[0]")
       ->{status}, 200, 'switch: the old ETag is no longer good');

    ok(profile_until(2, sub {
        !grep { /gen-000001/ } $nginx->maps(($nginx->workers())[0]);
    }), 'switch: the old generation is let go');

    is(scalar lines($nginx->new_errors(), 'notice'), 1, 'switch: one notice');

    $nginx->stop();
}


# -- a new generation that is no good -------------------------------------------

{
    my $store = profile_store(text('good'));
    my $nginx = nginx($store, interval => '50ms')->start();

    is(answer($nginx), 'good', 'bad switch: before');

    mkdir "$store/gen-000002";
    spew("$store/gen-000002/data.mdb", 'x' x 100_000);
    spew("$store/gen-000002/lock.mdb", '');
    chmod 0666, glob "$store/gen-000002/*";
    chmod 0755, "$store/gen-000002";
    $nginx->new_errors();
    profile_switch($store, 'gen-000002');

    my $log = '';
    ok(profile_until(3, sub { $log .= $nginx->new_errors(); $log =~ /profile store/ }),
       'bad switch: noticed');
    is(answer($nginx), 'good', 'bad switch: the old generation stays') for 1 .. 5;

    unlink "$store/CURRENT";
    is(answer($nginx), 'good', 'no CURRENT: the old generation stays');
    ok(profile_until(3, sub { $log .= $nginx->new_errors(); $log =~ /CURRENT/ }),
       'no CURRENT: noticed');

    $log .= $nginx->new_errors();
    my @lines = (lines($log, 'error'), lines($log, 'warn'));
    is(@lines, 2, 'two causes, two lines') or diag($log);

    profile_switch($store, 'gen-000001');
    is(answer($nginx), 'good', 'repaired: served');

    my $third = profile_store(text('third'));
    rename profile_generation($third), "$store/gen-000003" or die $!;
    profile_switch($store, 'gen-000003');
    becomes($nginx, 'third', 2, 'repaired: the next switch is followed');

    $nginx->stop();
}


# -- many generations -----------------------------------------------------------

{
    my $store = profile_store(text('g10'));
    my $nginx = nginx($store, interval => '20ms')->start();
    my $worker = ($nginx->workers())[0];

    is(answer($nginx), 'g10', 'generations: the first');
    my $files = () = glob "/proc/$worker/fd/*";

    # Values of one length: a body's length is part of its header.

    for my $number (11 .. 24) {
        profile_rewrite($store, sub {
            my ($key, $value) = @_;
            my $old = 'g' . ($number - 1);
            my $new = "g$number";
            $value =~ s/"$old"/"$new"/;
            return [$key, $value];
        });

        becomes($nginx, "g$number", 2, "generations: number $number");
    }

    is(scalar(() = glob "/proc/$worker/fd/*"), $files,
       'generations: no file is left open');
    is(scalar(grep { /data\.mdb/ && !/gen-000015/ } $nginx->maps($worker)), 0,
       'generations: none is left mapped');

    $nginx->stop();
}


# -- files that are not the ones that are open ----------------------------------

{
    my $store = profile_store(text('locked'));
    my $data = profile_generation($store) . '/data.mdb';
    my $lock = profile_generation($store) . '/lock.mdb';
    my $nginx = nginx($store, interval => '20ms')->start();

    is(answer($nginx), 'locked', 'lock file: before');

    # Without its lock file a reader would follow no commit any more.

    unlink $lock or die $!;
    profile_apply($store, text('locked') =~ s/key=key/key=other/r);
    becomes($nginx, 'invalid_key', 2, 'lock file: a revoked key is noticed');
    profile_sync($store, text('again'));
    becomes($nginx, 'again', 2, 'lock file: and so is new data');
    $nginx->new_errors();

    # The old inode stays open, and the loader writes to another.

    system('cp', '-p', $data, "$data.copy") == 0 or die;
    rename "$data.copy", $data or die $!;

    my $told = profile_until(2 * $unloaded, sub {
        return $nginx->error_log() =~ /\[error\].*was removed or replaced/;
    });
    ok($told, 'data file replaced: the log says so');
    is(answer($nginx), 'again', 'data file replaced: the old one is served');

    $nginx->stop();
}


# -- a fault that comes back is told again -----------------------------------------

{
    my $store = profile_store(text('steady'));
    my $nginx = nginx($store, interval => '20ms')->start();

    for my $time (1, 2) {
        is(answer($nginx), 'steady', "CURRENT, time $time: before");
        $nginx->new_errors();

        rename "$store/CURRENT", "$store/CURRENT.away" or die $!;
        my $log = '';
        profile_until(2 * $unloaded, sub {
            $log .= $nginx->new_errors();
            return lines($log, 'error');
        });
        is(scalar lines($log, 'error'), 1, "CURRENT, time $time: one line");
        is(answer($nginx), 'steady', "CURRENT, time $time: still served");

        rename "$store/CURRENT.away", "$store/CURRENT" or die $!;
        $log = '';
        profile_until(2 * $unloaded, sub {
            $log .= $nginx->new_errors();
            return lines($log, 'notice');
        });
        is(scalar lines($log, 'notice'), 1,
           "CURRENT, time $time: one line when it is over");
    }

    $nginx->stop();
}


# -- more causes than are remembered -----------------------------------------------

# Each is told once, and no number of causes fills the log with every request.

{
    my ($few, $many) = (200, 300);
    my $store = profile_store("workspace 1 Acme key=key\n" . join '', map {
        "entity $_ Entity$_ primary_key=id unloaded\n"
    } 1 .. $many);
    my $nginx = nginx($store)->start();
    my $begun = time;

    my $ask = sub {
        my ($last) = @_;

        for my $entity (1 .. $last) {
            my $path = "/api/entities/$entity/record?record_id=1";

            $nginx->get($path, 'key')->{status} == 503 or die $path;
        }

        return scalar lines($nginx->error_log(), 'error');
    };

    is($ask->($few), $few, "$few causes: a line for each");
    is($ask->($few), $few, "$few causes: no more lines");

    cmp_ok($ask->($many), '>', $few, "$many causes: more lines");
    $ask->($many) for 1 .. 2;

    my $lines = $ask->($many);
    my $minutes = int((time - $begun) / 60) + 1;

    # As many as are remembered, and as many more in each minute.
    cmp_ok($lines, '<=', (1 + $minutes) * 256,
           "$many causes: not at each request");

    $nginx->stop();
}


# -- in place: what the loader commits is there at once ---------------------------

{
    my $store = profile_store(text('before'));
    my $nginx = nginx($store, interval => '1h')->start();

    is(answer($nginx), 'before', 'refresh: before');
    profile_sync($store, text('after'));
    is(answer($nginx), 'after', 'refresh: the next request sees it');

    profile_apply($store, text('after') =~ s/key=key/key=other/r);
    is(answer($nginx), 'invalid_key',
       'a revoked key: the next request sees it');
    is($nginx->get($path, 'other')->{status}, 200,
       'a new key: the next request sees it');

    profile_apply($store, text('after') =~ s/key=key/key=other disabled/r);
    is($nginx->get($path, 'other')->{status}, 401,
       'a disabled workspace: the next request sees it');

    $nginx->stop();
}


# -- permissions ------------------------------------------------------------------

SKIP: {
    skip 'only root has workers of another user', 12 if $> != 0;

    my ($one, $two, $three) = map { profile_store(text('a')) } 1 .. 3;

    my %closed = (
        'data.mdb'  => [profile_generation($one) . '/data.mdb', 0600, $one],
        'lock.mdb'  => [profile_generation($two) . '/lock.mdb', 0640, $two],
        'directory' => [$three, 0700, $three],
    );

    for my $what (sort keys %closed) {
        my ($file, $mode, $store) = @{ $closed{$what} };
        my $good = (stat $file)[2] & 07777;

        chmod $mode, $file;
        my $nginx = nginx($store, interval => '100ms')->start();

        is(answer($nginx), 'store_unavailable', "$what closed: 503");
        like($nginx->error_log(), qr/\[error\].*profile store "\Q$store\E": /,
             "$what closed: an error in the log");
        like($nginx->error_log(), qr/\Q$file\E/,
             "$what closed: the log names it");

        chmod $good, $file;
        becomes($nginx, 'a', 2, "$what opened: served without a reload");

        $nginx->stop();
    }
}

done_testing();
