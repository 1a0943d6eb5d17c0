# Why: the entity's id comes out of a path that anybody can write. Whatever
# stands there, it is one entity's own number or an error, in JSON.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

our $Record = '{"data":{"id":"1","name":"first"}}';

# A block lists paths, and says what becomes of every one of them.
add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('more_headers', 'Authorization: Bearer key');

    $block->set_value('config', <<'END') if !defined $block->config;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END

    my $paths = $block->paths or return;
    $paths = [grep { length } split /\n/, $paths] if !ref $paths;

    my $count = @$paths;
    my ($outcome) = $block->becomes =~ /(\w+)/;

    my %body = (
        record => $main::Record,
        list => qr/\A\{"data":\[\{"id":1,"name":"Users","library_id":1\}/,
    );

    my $body = $body{$outcome} || profile_error($outcome);
    my ($status) = $body{$outcome} ? 200 : $body =~ /(\d+)/;

    $block->set_value('request', [map { "GET $_" } @$paths]);
    $block->set_value('error_code', [($status) x $count]);
    $block->set_value('response_body', [($body) x $count]);
    $block->set_value('response_headers',
        [("Content-Type: application/json") x $count]);
});

run_tests();

__DATA__

=== TEST 1: paths to one record
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
entity 2 Companies primary_key=id
{"id":"1","name":"second"}
entity 11 Eleven primary_key=id
{"id":"1","name":"eleven"}
entity 4294967295 Last primary_key=id
{"id":"1","name":"last"}
--- paths
/api/v1/entities/1/record?record_id=1
/api/v1/entities/1/record/?record_id=1
/api/v1//entities/1/record?record_id=1
/api/v1/entities//1///record?record_id=1
//api/v1/entities/1/record//?record_id=1
/api/v1/entities/%31/record?record_id=1
/api/v1/%65ntities/1/%72ecord?record_id=1
/api/v1/entities%2F1%2Frecord?record_id=1
/api/v1/./entities/1/record?record_id=1
/api/v1/x/../entities/1/record?record_id=1
/api/v1/entities/2/../1/record?record_id=1
/api/v1/entities/2/%2e%2e/1/record?record_id=1
/api/v1/entities/1/record/x/..?record_id=1
--- becomes: record



=== TEST 2: paths to the list
--- paths
/api/v1/entities
/api/v1/entities/
/api/v1/entities?
/api/v1/entities?x
/api/v1/entities//
/api/v1/entities/.
/api/v1/entities/1/..
/api/v1/entities/1/record/../..
--- becomes: list



=== TEST 3: the largest id
--- request
GET /api/v1/entities/4294967295/record?record_id=1
--- response_body chomp
{"data":{"id":"1","name":"last"}}



=== TEST 4: ids that are nobody's
--- paths
/api/v1/entities/3/record?record_id=1
/api/v1/entities/111/record?record_id=1
/api/v1/entities/4294967294/record?record_id=1
--- becomes: entity_not_found



=== TEST 5: numbers that are not ids
--- paths
/api/v1/entities/0/record?record_id=1
/api/v1/entities/00/record?record_id=1
/api/v1/entities/01/record?record_id=1
/api/v1/entities/001/record?record_id=1
/api/v1/entities/+1/record?record_id=1
/api/v1/entities/-1/record?record_id=1
/api/v1/entities/1.0/record?record_id=1
/api/v1/entities/1./record?record_id=1
/api/v1/entities/1e0/record?record_id=1
/api/v1/entities/0x1/record?record_id=1
/api/v1/entities/1,2/record?record_id=1
/api/v1/entities/%201/record?record_id=1
/api/v1/entities/1%20/record?record_id=1
/api/v1/entities/1%09/record?record_id=1
/api/v1/entities/1%0A/record?record_id=1
/api/v1/entities/1%0d%0a/record?record_id=1
/api/v1/entities/%2B1/record?record_id=1
/api/v1/entities/%EF%BC%91/record?record_id=1
/api/v1/entities/%D9%A1/record?record_id=1
/api/v1/entities/%C2%B9/record?record_id=1
--- becomes: entity_not_found



=== TEST 6: numbers that are too large, and would wrap
--- paths
/api/v1/entities/4294967296/record?record_id=1
/api/v1/entities/4294967297/record?record_id=1
/api/v1/entities/8589934593/record?record_id=1
/api/v1/entities/42949672951/record?record_id=1
/api/v1/entities/9999999999/record?record_id=1
/api/v1/entities/18446744073709551615/record?record_id=1
/api/v1/entities/18446744073709551616/record?record_id=1
/api/v1/entities/18446744073709551617/record?record_id=1
/api/v1/entities/340282366920938463463374607431768211457/record?record_id=1
--- becomes: entity_not_found



=== TEST 7: words in the place of an id
--- paths eval
[map { "/api/v1/entities/$_/record?record_id=1" }
     'Users', 'a', '*', ';x', '1;x', '1;jsessionid=2', '...', '%25', '%2500',
     '1%3Frecord_id=1', '%23', '~', '$', '{id}', '%7Bid%7D', "'", '%22', '%5C',
     '..%5C..', '%252e%252e', '%3Cscript%3E', '%FF', '%C0%AE%C0%AE',
     '%ED%A0%80', '%F0%9F%98%80', "\xc3\xa9", '1' x 5000, '0' x 5000 . '1',
     'x' x 7000]
--- becomes: entity_not_found



=== TEST 8: paths to nothing
--- paths
/api/v1/
/api/v1/x
/api/v1/entity
/api/v1/entitiesx
/api/v1/entitie
/api/v1/entities1
/api/v1/entities.json
/api/v1/entities;x
/api/v1/entities%20
/api/v1/entities%3F
/api/v1/entities/1
/api/v1/entities/1/
/api/v1/entities/Users
/api/v1/entities/1/records?record_id=1
/api/v1/entities/1/recor?record_id=1
/api/v1/entities/1/recordx?record_id=1
/api/v1/entities/1/record.json?record_id=1
/api/v1/entities/1/record;x?record_id=1
/api/v1/entities/1/record%3Frecord_id=1
/api/v1/entities/1/record/1
/api/v1/entities/1/record/record?record_id=1
/api/v1/entities/1/2/record?record_id=1
/api/v1/entities/record?record_id=1
/api/v1/entities//record?record_id=1
/api/v1/entities/../record?record_id=1
/api/v1/entities/%2e%2e/record?record_id=1
/api/v1/entities/%2F/record?record_id=1
/api/v1/entities/1%2F2/record?record_id=1
/api/v1/1/record?record_id=1
/api/v1/record?record_id=1
/api/v1/api/v1/entities
/api/v1/entities/..
/api/v1/entities/1\record?record_id=1
--- becomes: not_found



=== TEST 9: out of the prefix is out of the API
--- request eval
["GET /api/v1/../entities",
 "GET /api/v1/entities/../../../x",
 "GET /api/v1/%2e%2e/%2e%2e/x"]
--- error_code eval
[(404) x 3]
--- response_body_like eval
[('<html>') x 3]



=== TEST 10: out of the root is refused by nginx
--- request eval
["GET /api/v1/../../../entities",
 "GET /api/v1/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
 "GET /../api/v1/entities"]
--- error_code eval
[(400) x 3]



=== TEST 11: bad escapes in a path are refused by nginx
--- request eval
["GET /api/v1/entities/%/record?record_id=1",
 "GET /api/v1/entities/%zz/record?record_id=1",
 "GET /api/v1/entities%00",
 "GET /api/v1/entities/1%00/record?record_id=1"]
--- error_code eval
[(400) x 4]



=== TEST 12: longer than nginx reads
--- request eval
"GET /api/v1/entities/" . '1' x 10240 . "/record?record_id=1"
--- error_code: 414



=== TEST 13: an absolute URI
--- raw_request eval
"GET http://localhost/api/v1/entities/1/record?record_id=1 HTTP/1.1\r
Host: localhost\r
Authorization: Bearer key\r
Connection: close\r
\r
"
--- response_body chomp
{"data":{"id":"1","name":"first"}}



=== TEST 14: many dots and slashes stay in the workspace
--- http_config
    merge_slashes off;
--- paths
/api/v1//entities
/api/v1/entities//
/api/v1/entities//record?record_id=1
/api/v1/entities//1/record?record_id=1
/api/v1/entities/1//record?record_id=1
/api/v1/entities/1/record//?record_id=1
--- becomes: not_found
