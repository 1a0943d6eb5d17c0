# Why: clients are slow, send byte by byte, and go away at any moment. None of
# it may cost a worker, leave a snapshot open, or mix two generations in one
# reply.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $size = 1_000_000;
my $path = '/api/entities/1/record?record_id=1';


sub text {
    my ($letter) = @_;

    return <<"END";
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","value":"@{[$letter x $size]}"}
{"id":"small","value":"$letter"}
END
}


sub body {
    my ($letter) = @_;

    return qq({"data":{"id":"1","value":"@{[$letter x $size]}"}});
}


my $store = profile_store(text('a'));

my $nginx = Test::Nginx::Profile::Daemon->new(
    config => <<"END")->start();
        client_header_timeout 60s;
        location /api/ {
            profile_store $store;
            profile_check_interval 50ms;
            profile_api;
        }
        location /bytes/ {
            postpone_output 1;
            output_buffers 1 1;
            profile_store $store;
            profile_api;
        }
        location /gzip/ {
            gzip on;
            gzip_types application/json;
            gzip_buffers 2 1k;
            profile_store $store;
            profile_api;
        }
END

my ($worker) = $nginx->workers();
my $small = '/api/entities/1/record?record_id=small';
my $request = "GET $small HTTP/1.1\r\nHost: localhost\r\n"
              . "Authorization: Bearer key\r\nConnection: close\r\n\r\n";
my ($whole) = $nginx->replies($nginx->exchange($request));

is($whole->{body}, '{"data":{"id":"small","value":"a"}}', 'a whole request');


sub large_request {
    my ($uri) = @_;

    return "GET $uri HTTP/1.1\r\nHost: localhost\r\n"
           . "Authorization: Bearer key\r\nConnection: close\r\n\r\n";
}


# Sends a request and reads a little of the reply.

sub begin {
    my ($uri) = @_;

    my $socket = $nginx->connect();
    my $start = '';

    syswrite $socket, large_request($uri);
    sysread $socket, $start, 500;

    return ($socket, $start);
}


sub descriptors { return scalar(() = glob "/proc/$worker/fd/*") }


# -- byte by byte -----------------------------------------------------------------

{
    my ($reply) = $nginx->replies($nginx->exchange($request, step => 1));

    is($reply->{body}, $whole->{body}, 'sent byte by byte: the same reply');

    ($reply) = $nginx->replies(
        $nginx->exchange(large_request($path =~ s/api/bytes/r)));
    is($reply->{body}, body('a'), 'postpone_output 1: the same reply');

    my ($socket, $start) = begin($path);
    my $got = $start;
    1 while sysread $socket, $got, 7, length $got and length $got < 20_000;
    ($reply) = $nginx->replies($got . $nginx->read_all($socket));
    is($reply->{body}, body('a'), 'read in sevens: the same reply');
}


# -- gone at every byte --------------------------------------------------------------

{
    my $before = descriptors();

    for my $length (0 .. length $request) {
        my $socket = $nginx->connect();
        syswrite $socket, substr $request, 0, $length if $length;
        close $socket;
    }

    for my $length (1 .. length($whole->{head}) + length($whole->{body})) {
        my $socket = $nginx->connect();
        my $part;
        syswrite $socket, $request;
        sysread $socket, $part, $length;
        close $socket;
    }

    ok(profile_until(10, sub { descriptors() <= $before }),
       'gone at every byte: no connection is left')
        or diag(descriptors() . " instead of $before");

    my ($reply) = $nginx->replies($nginx->exchange($request));
    is($reply->{body}, $whole->{body}, 'gone at every byte: still served');
    is_deeply([$nginx->workers()], [$worker],
              'gone at every byte: by the same worker');
}


# -- gone within a large reply ---------------------------------------------------------

{
    my $before = descriptors();

    for my $number (1 .. 50) {
        my ($socket) = begin($number % 2 ? $path : $path =~ s/api/gzip/r);
        my $part;
        sysread $socket, $part, 1000 * $number;
        close $socket;
    }

    ok(profile_until(10, sub { descriptors() <= $before }),
       'gone within a large reply: no connection is left');
    is_deeply([$nginx->workers()], [$worker],
              'gone within a large reply: the same worker');
}


# -- half closed ----------------------------------------------------------------------------

{
    my $socket = $nginx->connect();
    syswrite $socket, $request;
    shutdown $socket, 1;

    my ($reply) = $nginx->replies($nginx->read_all($socket));
    is($reply->{body}, $whole->{body}, 'half closed: the reply comes');
}


# -- 17. the store changes while a slow client reads -------------------------------------------

{
    my ($socket, $start) = begin($path);
    my @more = map { [begin($path)] } 1 .. 5;

    # In place: the pages that the reply came from are written again.
    for my $letter ('b' .. 'f') {
        profile_sync($store, text($letter));
        my ($reply) = $nginx->replies($nginx->exchange($request));
        is($reply->{body}, qq({"data":{"id":"small","value":"$letter"}}),
           "slow client: others see $letter at once");
    }

    # And twice to a new generation.
    for my $number (2, 3) {
        my $other = profile_store(text("$number"));
        my $new = sprintf 'gen-%06d', $number;
        rename profile_generation($other), "$store/$new" or die $!;
        profile_switch($store, $new);

        ok(profile_until(5, sub {
            my ($reply) = $nginx->replies($nginx->exchange($request));
            return $reply->{body} eq
                   qq({"data":{"id":"small","value":"$number"}});
        }), "slow client: others see generation $number");
    }

    ok(profile_until(5, sub {
        !grep { /gen-00000[12]/ } $nginx->maps($worker);
    }), 'slow client: it holds no generation back');

    for my $pair ([$socket, $start], @more) {
        my ($reply) = $nginx->replies($pair->[1] . $nginx->read_all($pair->[0]));

        ok($reply->{body} eq body('a'), 'slow client: its reply is whole');
    }
}


# -- and no snapshot is held by one that does not read at all -----------------------------------

{
    my @idle = map { [begin($path)] } 1 .. 20;
    my $generation = profile_generation($store);
    my @held = grep { /^\s*\d+\s+[0-9a-f]+\s+\d/ } `mdb_stat -r '$generation'`;

    is(scalar @held, 0, 'clients that do not read hold no snapshot')
        or diag(@held);

    close $_->[0] for @idle;
}

$nginx->stop();

done_testing();
