# Why: some promises are about whole replies, byte by byte: HEAD is GET without
# its body, a 304 is the 200 without its body, and what one may not see is what
# does not exist. Test::Nginx compares one header at a time.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $store = profile_store(<<'END');
workspace 1 Acme key=acme
entity 1 Users primary_key=id
{"id":"1","name":"first"}
entity 2 Later primary_key=id unloaded
workspace 2 Globex key=globex
entity 3 Orders primary_key=id
{"id":"1","name":"of globex"}
entity 4 Later primary_key=id unloaded
workspace 3 Gone disabled
key gone
key old expires=2020-01-01T00:00:00Z
END

my $nginx = Test::Nginx::Profile::Daemon->new(config => <<"END")->start();
    location /api/ {
        profile_store $store;
        profile_api;
    }
    location /none/ {
        profile_store $store-none;
        profile_api;
    }
    location /before/ {
        if_modified_since before;
        profile_store $store;
        profile_api;
    }
END


# A reply as it came, but for the time of day.

sub raw {
    my ($reply) = @_;

    my $raw = "$reply->{head}\r\n$reply->{body}";
    $raw =~ s/^Date: [^\r]+\r\n//m or fail('no Date');

    return $raw;
}


# -- HEAD is GET ------------------------------------------------------------------

my $record = '/api/entities/1/record?record_id=1';

for my $case ([200, $record, 'acme'],
              [200, '/api/entities', 'acme'],
              [200, '/api/entities/', 'acme'],
              [304, $record, 'acme', 'If-None-Match: *'],
              [412, $record, 'acme', 'If-Match: "x"'],
              [400, '/api/entities/1/record', 'acme'],
              [400, '/api/entities/1/record?record_id=%zz', 'acme'],
              [400, $record, 'two words'],
              [401, $record],
              [401, $record, 'nope'],
              [404, '/api/x', 'acme'],
              [404, '/api/entities/9/record?record_id=1', 'acme'],
              [404, '/api/entities/1/record?record_id=9', 'acme'],
              [503, '/api/entities/2/record?record_id=1', 'acme'],
              [503, '/none/entities', 'acme'])
{
    my ($status, $path, $key, @headers) = @$case;

    unshift @headers, "Authorization: Bearer $key" if defined $key;

    my $get = $nginx->request('GET', $path, @headers);
    my $head = $nginx->request('HEAD', $path, @headers);

    is($get->{status}, $status, "GET $path: $status");
    is(raw($head), raw({ %$get, body => '' }),
       "HEAD $path: the same head ($status)");
    is($head->{body}, '', "HEAD $path: no body");

    next if $status == 304;

    is($get->{header}{'content-length'}[0], length $get->{body},
       "GET $path: the length of its body");
    is_deeply([sort grep { @{ $get->{header}{$_} } > 1 }
                    keys %{ $get->{header} }], [],
              "GET $path: no header twice");
}


# -- a 304 is the 200 without what describes a body -----------------------------------

for my $path ($record, '/api/entities') {
    my $whole = $nginx->get($path, 'acme');
    my $etag = $whole->{header}{etag}[0];
    my $modified = $whole->{header}{'last-modified'}[0];

    like($etag, qr/^"[0-9a-f]{32}"$/, "$path: an ETag");
    like($modified, qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/,
         "$path: a Last-Modified");

    for my $condition ("If-None-Match: $etag",
                       "If-Modified-Since: $modified")
    {
        my $short = $nginx->get($path, 'acme', $condition);

        is($short->{status}, 304, "$path, $condition: 304");
        is($short->{body}, '', "$path, $condition: no body");

        my %expected = %{ $whole->{header} };
        delete @expected{qw(content-type content-length date)};
        my %got = %{ $short->{header} };
        delete $got{date};

        is_deeply(\%got, \%expected, "$path, $condition: the same headers");
    }

    is($nginx->get($path, 'acme', "If-None-Match: $etag",
                   "If-Modified-Since: $modified")->{status}, 304,
       "$path: both conditions");
    is($nginx->get($path, 'acme', "If-Unmodified-Since: $modified")->{status},
       200, "$path: not modified since it was modified");
    is($nginx->get($path, 'acme', "If-Match: $etag",
                   "If-Modified-Since: $modified")->{status}, 304,
       "$path: If-Match is met, and the date is the same");
    is($nginx->get($path, undef, "If-Modified-Since: $modified")->{status},
       401, "$path: no 304 without a key");
    is($nginx->get($path, 'nope', "If-None-Match: $etag")->{status},
       401, "$path: no 304 with a wrong key");
}

{
    # The list and a record that came at one time still differ.
    isnt($nginx->get($record, 'acme')->{header}{etag}[0],
         $nginx->get('/api/entities', 'acme')->{header}{etag}[0],
         'two contents, two validators');
}


# -- the same question twice has the same answer -----------------------------------------

for my $path ($record, '/api/entities', '/api/x') {
    my %seen;
    $seen{ raw($nginx->get($path, 'acme')) }++ for 1 .. 5;

    is(keys %seen, 1, "$path: the same bytes each time");
}


# -- 49. another one's entity is an unknown one -----------------------------------------------

{
    my $unknown = raw($nginx->get('/api/entities/99/record?record_id=1', 'acme'));

    like($unknown, qr/entity_not_found/, 'an unknown entity');

    for my $id (3, 4, 5, 0, 'x', 4294967296) {
        is(raw($nginx->get("/api/entities/$id/record?record_id=1", 'acme')),
           $unknown, "entity $id of nobody or another: the same bytes");
    }

    is(raw($nginx->get('/api/entities/1/record?record_id=1', 'globex')),
       $unknown, 'and the other way round');
}


# -- one answer for every key that is not valid ---------------------------------------------------

{
    my $unknown = raw($nginx->get($record, 'never'));

    for my $key ('gone', 'old', 'acme2', 'acm', 'Acme', 'x' x 4000) {
        is(raw($nginx->get($record, $key)), $unknown,
           'key ' . substr($key, 0, 10) . ': the same bytes');
    }

    is(raw($nginx->get('/api/x', 'gone')), $unknown,
       'and whatever the path is');
}

$nginx->stop();

done_testing();
