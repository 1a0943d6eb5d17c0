# Why: nginx's filters and its proxy cache work on what this module sends. None
# may break a reply, and none may hand one client what another one asked for.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

use IO::Uncompress::Gunzip qw(gunzip);

no_long_string();

our $Long = '{"data":{"id":"1","text":"' . 'abcdefgh' x 2000 . '"}}';
our $Path = 'GET /api/v1/entities/1/record?record_id=1';

sub inflate {
    my ($body) = @_;

    gunzip(\$body => \my $plain) or return 'not gzip';

    return $plain;
}

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('more_headers', 'Authorization: Bearer key')
        if !defined $block->more_headers;
});

run_tests();

__DATA__

=== TEST 1: gzip
--- profile eval
'workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","text":"' . 'abcdefgh' x 2000 . '"}
{"id":"2","text":"<b>two</b>"}
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"1","text":"of globex"}
'
--- config
    location /api/v1/ {
        gzip on;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- more_headers
Authorization: Bearer key
Accept-Encoding: gzip
--- response_headers_like
Content-Encoding: gzip
Content-Type: application/json
ETag: W/"[0-9a-f]{32}"
Cache-Control: private, no-cache
Vary: Authorization, Authentication
--- response_body_filters eval
\&main::inflate
--- response_body eval
$main::Long



=== TEST 2: gzip that the client does not want
--- config
    location /api/v1/ {
        gzip on;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- response_headers_like eval
'ETag: "[0-9a-f]{32}"
Content-Length: ' . length $main::Long
--- response_body eval
$main::Long



=== TEST 3: without gzip_types JSON is not compressed
--- config
    location /api/v1/ {
        gzip on;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- more_headers
Authorization: Bearer key
Accept-Encoding: gzip
--- response_headers
! Content-Encoding
--- response_body eval
$main::Long



=== TEST 4: gzip_vary adds to Vary
--- config
    location /api/v1/ {
        gzip on;
        gzip_vary on;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
[$main::Path, $main::Path]
--- more_headers eval
["Authorization: Bearer key\nAccept-Encoding: gzip", "Authorization: Bearer key"]
--- raw_response_headers_like eval
[('(?s)(?=.*^Vary: Accept-Encoding\r$)(?=.*^Vary: Authorization, Authentication\r$)' =~ s/\(\?s\)/(?sm)/r) x 2]



=== TEST 5: HEAD with gzip
--- config
    location /api/v1/ {
        gzip on;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
HEAD /api/v1/entities/1/record?record_id=1
--- more_headers
Authorization: Bearer key
Accept-Encoding: gzip
--- response_body



=== TEST 6: errors with gzip
--- config
    location /api/v1/ {
        gzip on;
        gzip_min_length 1;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities/1/record?record_id=3"]
--- more_headers eval
["Authorization: Bearer key\nAccept-Encoding: gzip"]
--- error_code eval
[404]
--- response_headers
Content-Encoding: gzip
Cache-Control: no-store
--- response_body_filters eval
\&main::inflate
--- response_body eval
profile_error('record_not_found')



=== TEST 7: a refusal with gzip on
--- config
    location /api/v1/ {
        gzip on;
        gzip_min_length 1;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- more_headers
Accept-Encoding: gzip
--- error_code: 401
--- response_headers
! Content-Encoding
WWW-Authenticate: Bearer realm="profile"
--- response_body eval
profile_error('missing_credentials')



=== TEST 8: gunzip and gzip_static do not mind
--- config
    location /api/v1/ {
        gunzip on;
        gzip_static always;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- response_body eval
$main::Long



=== TEST 9: sub_filter
--- config
    location /api/v1/ {
        sub_filter '<b>' '<i>';
        sub_filter '</b>' '</i>';
        sub_filter_once off;
        sub_filter_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=2
--- response_headers
! Content-Length
! Last-Modified
--- response_body chomp
{"data":{"id":"2","text":"<i>two</i>"}}



=== TEST 10: sub_filter does not touch the store
--- config
    location /changed/ {
        sub_filter 'a' 'A';
        sub_filter_once off;
        sub_filter_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /changed/entities/1/record?record_id=1", $main::Path]
--- response_body eval
[$main::Long =~ tr/a/A/r, $main::Long]



=== TEST 11: addition to JSON
--- config
    location /api/v1/ {
        add_after_body /tail;
        addition_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /tail {
        return 200 "tail";
    }
--- request
GET /api/v1/entities/1/record?record_id=2
--- response_body chomp
{"data":{"id":"2","text":"<b>two</b>"}}tail



=== TEST 12: charset
--- config
    location /api/v1/ {
        charset utf-8;
        charset_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=2
--- response_headers
Content-Type: application/json; charset=utf-8
--- response_body chomp
{"data":{"id":"2","text":"<b>two</b>"}}



=== TEST 13: add_header, on success and always
--- config
    location /api/v1/ {
        add_header Access-Control-Allow-Origin https://example.com always;
        add_header X-Content-Type-Options nosniff;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities", "GET /api/v1/x"]
--- error_code eval
[200, 404]
--- response_headers eval
["Access-Control-Allow-Origin: https://example.com\nX-Content-Type-Options: nosniff",
 "Access-Control-Allow-Origin: https://example.com\n! X-Content-Type-Options"]



=== TEST 14: postpone_output and small buffers give the same bytes
--- config
    location /api/v1/ {
        postpone_output 1;
        output_buffers 1 1;
        sendfile off;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
[$main::Path, "GET /api/v1/x"]
--- error_code eval
[200, 404]
--- response_body eval
[$main::Long, profile_error('not_found')]



=== TEST 15: chunked by a filter that does not know the length
--- config
    location /api/v1/ {
        ssi on;
        ssi_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- response_headers
Transfer-Encoding: chunked
--- response_body eval
$main::Long



=== TEST 16: a proxy cache keeps nothing, since replies are private
--- http_config
    proxy_cache_path $TEST_NGINX_PROFILE_TMP/cache levels=1 keys_zone=c:1m use_temp_path=off;
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /edge/ {
        proxy_cache c;
        proxy_cache_key $uri$is_args$args;
        proxy_cache_valid any 1m;
        add_header X-Cache $upstream_cache_status always;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/api/v1/;
    }
--- request eval
[("GET /edge/entities/1/record?record_id=1") x 5]
--- more_headers eval
["Authorization: Bearer key", "Authorization: Bearer key",
 "Authorization: Bearer globex", "X: 1", "Authorization: Bearer nope"]
--- error_code eval
[200, 200, 200, 401, 401]
--- response_headers eval
[("X-Cache: MISS") x 5]
--- response_body eval
[$main::Long, $main::Long, '{"data":{"id":"1","text":"of globex"}}',
 profile_error('missing_credentials'), profile_error('invalid_key')]



=== TEST 17: a cache that is told to keep them keeps them apart
--- http_config
    proxy_cache_path $TEST_NGINX_PROFILE_TMP/cache2 levels=1 keys_zone=c2:1m use_temp_path=off;
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_cache_control "public, max-age=60";
        profile_api;
    }
    location /edge/ {
        proxy_cache c2;
        proxy_cache_key $uri$is_args$args;
        add_header X-Cache $upstream_cache_status always;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/api/v1/;
    }
--- request eval
[("GET /edge/entities/1/record?record_id=1") x 9]
--- more_headers eval
["Authorization: Bearer key", "Authorization: Bearer key",
 "Authorization: Bearer globex", "Authorization: Bearer globex",
 "X: 1", "Authorization: Bearer nope", "Authentication: Bearer key",
 "Authentication: Bearer globex", "Authentication: Bearer globex"]
--- error_code eval
[200, 200, 200, 200, 401, 401, 200, 200, 200]
--- response_headers eval
[map { "X-Cache: $_" } qw(MISS HIT MISS HIT MISS MISS MISS MISS HIT)]
--- response_body eval
my $globex = '{"data":{"id":"1","text":"of globex"}}';
[$main::Long, $main::Long, $globex, $globex,
 profile_error('missing_credentials'), profile_error('invalid_key'),
 $main::Long, $globex, $globex]



=== TEST 18: a proxy in front passes everything on
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /edge/ {
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/api/v1/;
    }
--- request eval
["GET /edge/entities/1/record?record_id=2", "HEAD /edge/entities/1/record?record_id=2",
 "GET /edge/x", "DELETE /edge/entities"]
--- error_code eval
[200, 200, 404, 405]
--- response_headers eval
["Vary: Authorization, Authentication\nCache-Control: private, no-cache",
 "Content-Length: 39", "Cache-Control: no-store", "Allow: GET, HEAD"]
--- response_body eval
['{"data":{"id":"2","text":"<b>two</b>"}}', '', profile_error('not_found'),
 profile_error('method_not_allowed')]



=== TEST 19: limit_rate
--- config
    location /api/v1/ {
        limit_rate 100k;
        limit_rate_after 1k;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
$main::Path
--- response_body eval
$main::Long
