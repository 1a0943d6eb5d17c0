# Why: a body that is left unread is read as the next request, and that is how
# one client's words become another one's. Whatever comes with a request, it
# gets one reply, and what is inside of it is never answered.

use strict;
use warnings;

use Test::More;

# It starts and reloads its own nginx.
plan skip_all => 'nothing here depends on TEST_NGINX_USE_HUP'
    if $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $store = profile_store(<<'END');
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
{"id":"last","name":"the last one"}
{"id":"hidden","name":"answer to a body"}
END

my $nginx = Test::Nginx::Profile::Daemon->new(config => <<"END")->start();
    client_max_body_size 10m;
    location /api/ {
        profile_store $store;
        profile_api;
    }
    location /none/ {
        profile_store $store-none;
        profile_api;
    }
    location /unlimited/ {
        client_max_body_size 0;
        profile_store $store;
        profile_api;
    }
END

my $key = "Authorization: Bearer key\r\n";
my $path = '/api/entities/1/record?record_id=1';

# A whole request, which is put into bodies. Its answer must never be seen.
my $hidden = "GET /api/entities/1/record?record_id=hidden HTTP/1.1\r\n"
             . "Host: localhost\r\n$key\r\n";

my $last = "GET /api/entities/1/record?record_id=last HTTP/1.1\r\n"
           . "Host: localhost\r\n${key}Connection: close\r\n\r\n";


sub head {
    my ($line, @headers) = @_;

    return "$line HTTP/1.1\r\nHost: localhost\r\n"
           . join('', map { "$_\r\n" } @headers) . "\r\n";
}


sub with_length {
    my ($line, $body, @headers) = @_;

    return head($line, @headers, 'Content-Length: ' . length $body) . $body;
}


sub chunks {
    my (@parts) = @_;

    return join '', (map { sprintf("%x\r\n", length) . "$_\r\n" } @parts),
                    "0\r\n\r\n";
}


sub chunked {
    my ($line, $body, @headers) = @_;

    return head($line, @headers, 'Transfer-Encoding: chunked') . $body;
}


# The statuses of all replies, and what must be so whatever they are.

sub outcome {
    my ($name, $bytes, $methods, %option) = @_;

    my $got = $nginx->exchange($bytes, %option);
    my @replies = eval { $nginx->replies($got, @$methods) };

    is($@, '', "$name: whole replies") or diag($got);
    unlike($got, qr/answer to a body/, "$name: nothing of the body is answered");

    return @replies;
}


sub statuses { return join ' ', map { $_->{status} } @_ }


# Sends a request and then the last one on the same connection.

sub followed {
    my ($name, $expected, $bytes, $method, %option) = @_;

    my @replies = outcome($name, $bytes . $last, [$method, 'GET'], %option);

    is(statuses(@replies), "$expected 200", "$name: one reply");
    is(@replies ? $replies[-1]{body} : '',
       '{"data":{"id":"last","name":"the last one"}}',
       "$name: the next request is answered next");
}


# Sends what nginx cannot go on after, and then the last request.

sub ended {
    my ($name, $expected, $bytes, $method) = @_;

    my @replies = outcome($name, $bytes . $last, [$method || 'GET']);

    is(statuses(@replies), $expected, "$name: one reply, and the end");

    return @replies;
}


# The same for a body that nginx reads as far as it can for the module, which
# answers in JSON as it always does.

sub refused {
    my @replies = ended(@_);

    is(@replies ? $replies[0]{body} : '', profile_error('invalid_body'),
       "$_[0]: in JSON");
}


# -- every method and outcome, with a length and in chunks -------------------

my @requests = (
    ['GET',    $path,                  200, $key],
    ['HEAD',   $path,                  200, $key],
    ['GET',    '/api/entities',        200, $key],
    ['POST',   $path,                  405, $key],
    ['PUT',    '/api/x',               405, ''],
    ['DELETE', '/api/entities',        405, $key],
    ['OPTIONS','/api/entities',        405, ''],
    ['GET',    $path,                  401, ''],
    ['HEAD',   $path,                  401, ''],
    ['GET',    $path,                  401, "Authorization: Bearer nope\r\n"],
    ['GET',    $path,                  400, "Authorization: Bearer a b\r\n"],
    ['GET',    '/api/entities/1/record', 400, $key],
    ['GET',    '/api/entities/9/record?record_id=1', 404, $key],
    ['GET',    '/api/x',               404, $key],
    ['GET',    '/none/entities',       503, $key],
    ['HEAD',   '/none/entities',       503, $key],
);

for my $request (@requests) {
    my ($method, $uri, $status, $headers) = @$request;

    my $line = "$method $uri";
    my @headers = split /\r\n/, $headers;
    my $name = "$method $uri ($status)";

    followed("$name, length", $status,
             with_length($line, $hidden, @headers), $method);
    followed("$name, chunked", $status,
             chunked($line, chunks($hidden), @headers), $method);
    followed("$name, many chunks", $status,
             chunked($line, chunks(split //, $hidden), @headers), $method);
}

for my $request (@requests[0, 1, 3, 7]) {
    my ($method, $uri, $status, $headers) = @$request;

    my @headers = split /\r\n/, $headers;

    followed("$method, byte by byte", $status,
             with_length("$method $uri", $hidden, @headers), $method,
             step => 1);
    followed("$method, chunked, byte by byte", $status,
             chunked("$method $uri", chunks($hidden), @headers), $method,
             step => 1);
}


# -- forms of bodies ----------------------------------------------------------

followed('an empty body', 200, with_length("GET $path", '', $key =~ s/\r\n//r));
followed('no chunks', 200, chunked("GET $path", chunks(), $key =~ s/\r\n//r));
followed('a chunk with an extension', 200,
         chunked("GET $path", "5;x=y\r\nhello\r\n0;z\r\n\r\n",
                 'Authorization: Bearer key'));
followed('a chunked body with trailers', 200,
         chunked("GET $path", "5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
                 'Authorization: Bearer key'));
followed('chunk sizes in capitals and with zeros', 200,
         chunked("GET $path", "00A\r\n0123456789\r\n000\r\n\r\n",
                 'Authorization: Bearer key'));
followed('a large body', 405,
         with_length("POST $path", $hidden x 20000));
followed('a large chunked body', 405,
         chunked("POST $path", chunks(($hidden) x 5000)));
followed('Expect', 200,
         with_length("GET $path", $hidden, 'Authorization: Bearer key',
                     'Expect: 100-continue'));
followed('Expect, chunked', 405,
         chunked("POST $path", chunks($hidden), 'Expect: 100-continue'));

{
    my $got = $nginx->exchange(
        head("POST /unlimited/entities", 'Content-Length: 1073741824')
        . 'a little of it', quiet => 1);
    my @replies = $nginx->replies($got);

    is(statuses(@replies), '405', 'a gigabyte: answered before it comes');
}

{
    my $got = $nginx->exchange(
        head("GET /unlimited/entities", 'Authorization: Bearer key',
             'Expect: 100-continue', 'Content-Length: 1073741824'),
        quiet => 1);
    my @replies = $nginx->replies($got);

    is(statuses(@replies), '200', 'a gigabyte that is expected: one reply');
}

ended('too large for the server', 413,
      head("POST $path", 'Content-Length: 1073741824'));


# -- what is no body, and attempts to smuggle ---------------------------------

my $auth = 'Authorization: Bearer key';

refused('a chunk size that is none', 400,
      chunked("GET $path", "zz\r\n$hidden", $auth));
refused('a negative chunk size', 400,
      chunked("GET $path", "-1\r\n$hidden", $auth));
refused('a chunk size that overflows', 400,
      chunked("GET $path", "ffffffffffffffffff\r\n$hidden", $auth));
refused('a chunk that is longer than it says', 400,
      chunked("GET $path", "3\r\n$hidden\r\n0\r\n\r\n", $auth));
ended('length and chunks', 400,
      head("GET $path", $auth, 'Content-Length: 5',
           'Transfer-Encoding: chunked') . "0\r\n\r\n$hidden");
ended('chunks and length', 400,
      head("GET $path", $auth, 'Transfer-Encoding: chunked',
           'Content-Length: ' . length $hidden) . $hidden);

for my $value ('-1', '+5', '0x5', '1e1', '5, 5', '5 5', 'five', '', '5.0',
               '99999999999999999999')
{
    ended("length \"$value\"", 400,
          head("GET $path", $auth, "Content-Length: $value") . $hidden);
}

ended('two lengths', 400,
      head("GET $path", $auth, 'Content-Length: 0',
           'Content-Length: ' . length $hidden) . $hidden);

for my $value ('gzip', 'identity', 'xchunked', 'chunked, chunked',
               'gzip, chunked', "\tchunked", 'chunked;q=1')
{
    ended("coding \"$value\"", 501,
          head("GET $path", $auth, "Transfer-Encoding: $value") . $hidden);
}

ended('two codings', 400,
      head("GET $path", $auth, 'Transfer-Encoding: chunked',
           'Transfer-Encoding: identity') . "0\r\n\r\n");
ended('a space before the colon', 400,
      head("GET $path", $auth, 'Transfer-Encoding : chunked') . $hidden);
ended('chunks in HTTP/1.0', 400,
      "GET $path HTTP/1.0\r\n$key" . "Transfer-Encoding: chunked\r\n\r\n"
      . chunks($hidden));

{
    # The end of a body that is promised and does not come is the connection's.
    my $socket = $nginx->connect();
    syswrite $socket, with_length("GET $path", 'x' x 10, $auth)
                      =~ s/x{5}\z//r;
    shutdown $socket, 1;

    my @replies = $nginx->replies($nginx->read_all($socket));
    is(statuses(@replies), '200', 'half a body: one reply');
}


# -- pipelining ---------------------------------------------------------------

for my $number (1, 2, 100) {
    my @replies = outcome("$number requests at once",
                          head("GET $path", $auth) x ($number - 1) . $last,
                          []);

    is(statuses(@replies), join(' ', (200) x $number),
       "$number requests at once: as many replies");
}

{
    my $methods = [map { $_ % 2 ? 'HEAD' : 'GET' } 1 .. 100];
    my @replies = outcome('HEAD and GET in turn', join('',
        (map { head("$_ $path", $auth) } @$methods), $last),
        [@$methods, 'GET']);

    is(@replies, 101, 'HEAD and GET in turn: 101 replies');
}

{
    my @replies = outcome('a hundred with bodies', join('',
        (with_length("GET $path", $hidden, $auth),
         chunked("GET $path", chunks($hidden), $auth)) x 50, $last), []);

    is(statuses(@replies), join(' ', (200) x 101),
       'a hundred with bodies: 101 replies');
}

{
    my @statuses = (200, 401, 404, 405, 400) x 20;
    my %request = (
        200 => head("GET $path", $auth),
        401 => with_length("GET $path", $hidden),
        404 => chunked('GET /api/x', chunks($hidden), $auth),
        405 => with_length("POST $path", $hidden, $auth),
        400 => head('GET /api/entities/1/record', $auth),
    );

    my @replies = outcome('every outcome in turn',
                          join('', map({ $request{$_} } @statuses), $last), []);

    is(statuses(@replies), "@statuses 200", 'every outcome in turn');
}

{
    my @replies = outcome('byte by byte',
                          head("GET $path", $auth) x 5 . $last, [], step => 1);

    is(statuses(@replies), '200 200 200 200 200 200', 'byte by byte');
}

{
    my @replies = outcome('empty lines between requests',
                          join("\r\n", (head("GET $path", $auth)) x 3, $last),
                          []);

    is(statuses(@replies), '200 200 200 200', 'empty lines between requests');
}

$nginx->stop();

done_testing();
