# Why: over HTTP/2 a body may come in the same packet as its request, later, in
# pieces, or not at all. Whatever it does there is one reply to a request, and
# the other streams of the connection go on. curl gives up where a reply
# overtakes a body, so frames are written by hand here (RFC 9113).

use strict;
use warnings;

use Test::More;

use IO::Select;
use IO::Socket::UNIX;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my ($DATA, $HEADERS, $RST, $SETTINGS, $PING) = (0, 1, 3, 4, 6);
my ($END_STREAM, $ACK, $END_HEADERS) = (1, 1, 4);

my $store = profile_store(<<'END');
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
END

my $socket_path = profile_tmp() . '/http2';
my $record = '/api/entities/1/record?record_id=1';
my $body = '{"data":{"id":"1","name":"first"}}';

my $nginx = Test::Nginx::Profile::Daemon->new(http => <<"END")->start();
    server {
        listen unix:$socket_path http2;
        location /api/ {
            profile_store "$store";
            profile_api;
        }
    }
END


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    $payload //= '';
    my $length = length $payload;

    return pack('CnCCN', $length >> 16, $length & 0xffff, $type, $flags,
                $stream) . $payload;
}


# Fields as literals without an index: nothing has to be remembered.

sub headers {
    my ($stream, $flags, $method, $path, %fields) = @_;

    my @fields = (':method', $method, ':scheme', 'http', ':path', $path,
                  ':authority', 'localhost', %fields);
    my $block = '';

    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= "\0" . join '', map { chr(length) . $_ } $name, $value;
    }

    return frame($HEADERS, $flags | $END_HEADERS, $stream, $block);
}


sub get {
    my ($stream) = @_;

    return headers($stream, $END_STREAM, 'GET', $record,
                   authorization => 'Bearer key');
}


# Writes the pieces, each on its own, then a PING; reads all that comes until
# its answer. Returns what each stream got.

sub exchange {
    my (@pieces) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $socket_path) or die $!;
    $socket->autoflush(1);
    local $SIG{PIPE} = 'IGNORE';

    print $socket "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame($SETTINGS, 0, 0);

    for my $piece (@pieces) {
        print $socket $piece;
        select undef, undef, undef, 0.02;
    }

    print $socket frame($PING, 0, 0, 'the end.');

    my ($in, %stream) = ('');

    while (IO::Select->new($socket)->can_read(15)) {
        sysread $socket, $in, 65536, length $in or last;

        while (length $in >= 9) {
            my ($high, $low, $type, $flags, $id) = unpack 'CnCCN', $in;
            my $length = $high << 16 | $low;
            last if length $in < 9 + $length;

            my $payload = substr $in, 9, $length;
            substr $in, 0, 9 + $length, '';

            return \%stream if $type == $PING && $flags & $ACK;

            my $got = $stream{$id} //= { replies => 0, body => '' };

            if ($type == $HEADERS) {
                $got->{replies}++;
                $got->{status} = $payload =~ /\A[\x20-\x3f]*\x88/ ? 200
                                 : $payload =~ /\A[\x20-\x3f]*\x8c/ ? 400
                                 : $payload =~ /\x03(\d\d\d)/ ? $1 : '?';
            } elsif ($type == $DATA) {
                $got->{body} .= $payload;
            }
        }
    }

    return \%stream;
}


sub one_reply {
    my ($name, $stream, $status, $expected) = @_;

    is($stream->{replies}, 1, "$name: one reply");
    is($stream->{status}, $status, "$name: its status");
    is($stream->{body}, $expected, "$name: its body");
}


my $refused = profile_error('method_not_allowed');
my $length = 30_000;
my $data = 'x' x ($length / 2);

for my $case (['GET', 200, $body], ['POST', 405, $refused],
              ['PUT', 405, $refused])
{
    my ($method, $status, $expected) = @$case;
    my @request = ($method, $record, authorization => 'Bearer key');

    my %way = (
        'a body at once' => [headers(1, 0, @request)
                             . frame($DATA, 0, 1, $data)
                             . frame($DATA, $END_STREAM, 1, $data) . get(3)],
        'a body that follows' => [headers(1, 0, @request),
                                  frame($DATA, 0, 1, $data),
                                  frame($DATA, $END_STREAM, 1, $data),
                                  get(3)],
        'a body of no length' => [headers(1, 0, @request)
                                  . frame($DATA, $END_STREAM, 1), get(3)],
        'a body that never comes' => [headers(1, 0, @request), get(3)],
        'a body that is called off' => [headers(1, 0, @request),
                                        frame($DATA, 0, 1, $data)
                                        . frame($RST, 0, 1, pack 'N', 8),
                                        get(3)],
        'no body' => [headers(1, $END_STREAM, @request), get(3)],
    );

    for my $way (sort keys %way) {
        my $stream = exchange(@{ $way{$way} });

        one_reply("$method, $way", $stream->{1}, $status, $expected);
        one_reply("$method, $way: the next", $stream->{3}, 200, $body);
    }
}

# -- what nginx takes off a header of HTTP/1 ----------------------------------

for my $case (['Bearer ', 401, 'missing_credentials'],
              ['Bearer   ', 401, 'missing_credentials'],
              ['Basic ', 401, 'missing_credentials'],
              ['Bearer key ', 400, 'invalid_credentials'])
{
    my ($value, $status, $code) = @$case;

    my $stream = exchange(headers(1, $END_STREAM, 'GET', $record,
                                  authorization => $value), get(3));

    one_reply("\"$value\"", $stream->{1}, $status, profile_error($code));
    one_reply("\"$value\": the next", $stream->{3}, 200, $body);
}

$nginx->stop();

done_testing();
