# Why: applications keep what they got and ask whether it is still good. A 304
# must be said only of the same bytes, and only to somebody with a key.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

use Digest::SHA qw(sha256_hex);

no_long_string();

our $Body = '{"data":{"id":"1","text":"' . 'a' x 200 . '"}}';
our $List = '{"data":[{"id":1,"name":"Users","library_id":1}]}';
our $Path = 'GET /api/v1/entities/1/record?record_id=1';

# The documented ETag: the first half of the body's SHA-256.
our $Etag = '"' . substr(sha256_hex($Body), 0, 32) . '"';
our $ListEtag = '"' . substr(sha256_hex($List), 0, 32) . '"';

our $NotModified = "ETag: $Etag\n"
                   . "Cache-Control: private, no-cache\n"
                   . "Vary: Authorization, Authentication\n"
                   . "! Content-Type\n! Content-Length\n! Content-Encoding\n"
                   . "! Transfer-Encoding";

# A block lists conditions, one set of headers each, with one outcome.
add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('config', <<'END') if !defined $block->config;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END

    my $conditions = $block->conditions or return;
    my $count = @$conditions;

    my %outcome = (
        whole => [200, $Body, "ETag: $Etag\n! Accept-Ranges\n! Content-Range"],
        not_modified => [304, '', $NotModified],
        precondition_failed => [412, profile_error('precondition_failed'),
            "Content-Type: application/json\nCache-Control: no-store\n"
            . "Vary: Authorization, Authentication\n! Last-Modified"],
    );

    my ($word) = $block->becomes =~ /(\w+)/;
    my ($status, $body, $headers) = @{ $outcome{$word} };

    $block->set_value('request', [($Path) x $count]);
    $block->set_value('more_headers',
        [map { "Authorization: Bearer key\n$_" } @$conditions]);
    $block->set_value('error_code', [($status) x $count]);
    $block->set_value('response_body', [($body) x $count]);
    $block->set_value('response_headers', [($headers) x $count]);
});

run_tests();

__DATA__

=== TEST 1: the client has it
--- profile eval
'workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","text":"' . 'a' x 200 . '"}
{"id":"2","text":"' . 'b' x 200 . '"}
'
--- conditions eval
["If-None-Match: $main::Etag",
 "If-None-Match: W/$main::Etag",
 "If-None-Match: *",
 "If-None-Match: \"x\", $main::Etag",
 "If-None-Match: $main::Etag, \"x\"",
 "If-None-Match: \"x\",W/$main::Etag,\"y\"",
 "If-None-Match:   $main::Etag"]
--- becomes: not_modified



=== TEST 2: the client has something else, or makes no sense
--- conditions eval
(my $cut = $main::Etag) =~ s/^"|"$//g;
["If-None-Match: \"x\"",
 "If-None-Match: \"\"",
 "If-None-Match:",
 "If-None-Match: $cut",
 "If-None-Match: \"$cut",
 "If-None-Match: \"" . uc($cut) . "\"",
 "If-None-Match: \"" . substr($cut, 0, 31) . "\"",
 "If-None-Match: \"x\", \"y\", W/\"z\"",
 "If-None-Match: \"x $main::Etag\"",
 "If-None-Match: ,,,",
 "If-None-Match: \"",
 "If-None-Match: W/",
 "If-None-Match: **",
 "If-None-Match: \xff\xfe",
 "If-None-Match: $main::ListEtag"]
--- becomes: whole



=== TEST 3: the list
--- request eval
[('GET /api/v1/entities') x 3]
--- more_headers eval
["Authorization: Bearer key",
 "Authorization: Bearer key\nIf-None-Match: $main::ListEtag",
 "Authorization: Bearer key\nIf-None-Match: $main::Etag"]
--- error_code eval
[200, 304, 200]
--- response_headers eval
[("ETag: $main::ListEtag\nCache-Control: private, no-cache\n"
  . "Vary: Authorization, Authentication") x 3]
--- response_body eval
[$main::List, '', $main::List]



=== TEST 4: HEAD
--- request
HEAD /api/v1/entities/1/record?record_id=1
--- more_headers eval
"Authorization: Bearer key\nIf-None-Match: $main::Etag"
--- error_code: 304
--- response_headers eval
$main::NotModified



=== TEST 5: one record's validator is not another's
--- request
GET /api/v1/entities/1/record?record_id=2
--- more_headers eval
"Authorization: Bearer key\nIf-None-Match: $main::Etag"
--- response_body_like: ^\{"data":\{"id":"2",



=== TEST 6: dates, where nginx is told to compare them
--- config
    location /api/v1/ {
        if_modified_since before;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- conditions eval
["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
 "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\nIf-None-Match: $main::Etag"]
--- becomes: not_modified



=== TEST 7: older dates, malformed dates, and a validator that does not match
--- config
    location /api/v1/ {
        if_modified_since before;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- conditions eval
["If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
 "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
 "If-Modified-Since: tomorrow",
 "If-Modified-Since:",
 "If-Modified-Since: -1",
 "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\nIf-None-Match: \"x\""]
--- becomes: whole



=== TEST 8: by default a date must be the very same
--- conditions eval
["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]
--- becomes: whole



=== TEST 9: beside a tag a date does not count
--- conditions eval
["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\nIf-None-Match: $main::Etag",
 "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\nIf-None-Match: $main::Etag",
 "If-None-Match: W/$main::Etag\nIf-Modified-Since: tomorrow"]
--- becomes: not_modified



=== TEST 10: preconditions that are met; with If-Match the date does not count
--- conditions eval
["If-Match: $main::Etag",
 "If-Match: *",
 "If-Match: \"x\", $main::Etag",
 "If-Match: \"x\",\t$main::Etag",
 "If-Match: ,, \"x\" ,, $main::Etag, ,",
 "If-Match: W/\"x\", $main::Etag",
 "If-Match: ${main::Etag}x",
 "If-Match: $main::Etag \"x\"",
 "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
 "If-Unmodified-Since: yesterday",
 "If-Match: $main::Etag\nIf-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
 "If-Match: $main::Etag\nIf-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"]
--- becomes: whole



=== TEST 11: preconditions that are not met
--- conditions eval
["If-Match: \"x\"",
 "If-Match: W/$main::Etag",
 "If-Match: \"x\", \"y\"",
 "If-Match: \"x\",",
 "If-Match: ,",
 "If-Match: \"" . '0' x 32 . "\"",
 "If-Match: x",
 "If-Match: W",
 "If-Match: Wx",
 "If-Match: W/",
 "If-Match: *, \"x\"",
 "If-Match: \"x",
 "If-Match: \"x\" y, $main::Etag",
 "If-Match: " . substr($main::Etag, 0, -1),
 "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
 "If-Match: \"x\"\nIf-None-Match: $main::Etag"]
--- becomes: precondition_failed



=== TEST 12: a precondition on the list, and by HEAD
--- request eval
["GET /api/v1/entities", "HEAD /api/v1/entities"]
--- more_headers
Authorization: Bearer key
If-Match: "x"
--- error_code eval
[412, 412]
--- response_body eval
[profile_error('precondition_failed'), '']



=== TEST 13: error_page does not replace the 412
--- config
    location /api/v1/ {
        error_page 412 = /other;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /other {
        return 200 "other\n";
    }
--- conditions eval
["If-Match: \"x\""]
--- becomes: precondition_failed



=== TEST 14: ranges are ignored
--- conditions eval
["Range: bytes=0-3",
 "Range: bytes=-5",
 "Range: bytes=0-1,3-4",
 "Range: bytes=1000000-",
 "Range: bytes=x",
 "Range: bytes=0-3\nIf-Range: $main::Etag",
 "Range: bytes=0-3\nIf-Range: Fri, 01 Jan 2100 00:00:00 GMT"]
--- becomes: whole



=== TEST 15: gzip makes the validator weak, and that one is still known
--- config
    location /api/v1/ {
        gzip on;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
[($main::Path) x 3]
--- more_headers eval
[map { "Authorization: Bearer key\nAccept-Encoding: gzip\n$_" }
     "X: 1", "If-None-Match: W/$main::Etag", "If-None-Match: \"x\""]
--- error_code eval
[200, 304, 200]
--- response_headers eval
["ETag: W/$main::Etag\nContent-Encoding: gzip",
 "Cache-Control: private, no-cache\n! Content-Encoding\n! Content-Length",
 "ETag: W/$main::Etag\nContent-Encoding: gzip"]



=== TEST 16: without a valid key there is no 304
--- request eval
[($main::Path) x 4]
--- more_headers eval
["If-None-Match: $main::Etag",
 "If-None-Match: *\nAuthorization: Bearer nope",
 "If-None-Match: *\nAuthorization: Bearer a b",
 "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]
--- error_code eval
[401, 401, 400, 401]
--- response_headers eval
[("! ETag\n! Last-Modified\nCache-Control: no-store") x 4]



=== TEST 17: nor a 412
--- request eval
[($main::Path) x 2]
--- more_headers eval
["If-Match: \"x\"", "If-Match: \"x\"\nAuthorization: Bearer nope"]
--- error_code eval
[401, 401]



=== TEST 18: what is not there is not unmodified
--- request eval
["GET /api/v1/entities/1/record?record_id=3",
 "GET /api/v1/entities/9/record?record_id=1",
 "GET /api/v1/x"]
--- more_headers
Authorization: Bearer key
If-None-Match: *
--- error_code eval
[404, 404, 404]
--- response_headers eval
[("! ETag") x 3]



=== TEST 19: as an error page a document has the status that is asked for
--- config
    location /old/ {
        error_page 404 /api/v1/entities;
        return 404;
    }
    location /older/ {
        error_page 404 =203 /api/v1/entities;
        return 404;
    }
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /old/", "GET /old/", "HEAD /old/", "GET /older/"]
--- more_headers eval
[map { "Authorization: Bearer key\n$_" }
     "If-None-Match: $main::ListEtag", "If-Match: \"x\"",
     "If-None-Match: $main::ListEtag", "If-None-Match: *"]
--- error_code eval
[404, 404, 404, 203]
--- response_headers eval
[("Content-Type: application/json\nETag: $main::ListEtag\n"
  . "Content-Length: " . length $main::List) x 4]
--- response_body eval
[$main::List, $main::List, '', $main::List]



=== TEST 20: and one with a 200 may be a 304 or a 412
--- config
    location /old/ {
        error_page 404 =200 /api/v1/entities;
        return 404;
    }
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /old/", "GET /old/", "GET /old/"]
--- more_headers eval
[map { "Authorization: Bearer key\n$_" }
     "If-None-Match: \"x\"", "If-None-Match: $main::ListEtag",
     "If-Match: \"x\""]
--- error_code eval
[200, 304, 412]
--- response_body eval
[$main::List, '', profile_error('precondition_failed')]
