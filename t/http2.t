# Why: browsers and proxies speak HTTP/2, where header names are in lower case
# and a reply has no reason phrase. The API is the same.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

# Test::Nginx writes "http2 on" for nginx 1.19.9 and later, but nginx knows
# that directive from 1.25.1 on; before that it is a parameter of "listen".
add_block_preprocessor(sub {
    my $block = shift;

    $Test::Nginx::Util::NginxVersion = '1.019008'
        if $Test::Nginx::Util::NginxVersion < 1.025001;

    $block->set_value('http2', 1);

    $block->set_value('config', <<'END') if !defined $block->config;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END

    $block->set_value('more_headers', 'Authorization: Bearer key')
        if !defined $block->more_headers;
});

run_tests();

__DATA__

=== TEST 1: a record
--- profile eval
'workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
{"id":"long","text":"' . 'abcdefgh' x 100000 . '"}
'
--- request
GET /api/v1/entities/1/record?record_id=1
--- response_headers
Content-Type: application/json
Content-Length: 34
Cache-Control: private, no-cache
Vary: Authorization, Authentication
--- response_body chomp
{"data":{"id":"1","name":"first"}}



=== TEST 2: the list
--- request
GET /api/v1/entities
--- response_body chomp
{"data":[{"id":1,"name":"Users","library_id":1}]}



=== TEST 3: HEAD
--- request
HEAD /api/v1/entities/1/record?record_id=1
--- response_headers
Content-Type: application/json
Content-Length: 34
--- response_body



=== TEST 4: Authentication
--- request
GET /api/v1/entities
--- more_headers
Authentication: Bearer key
--- response_body chomp
{"data":[{"id":1,"name":"Users","library_id":1}]}



=== TEST 5: no key
--- request
GET /api/v1/entities
--- more_headers
X-Nothing: 1
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer realm="profile"
Content-Type: application/json
--- response_body eval
profile_error('missing_credentials')



=== TEST 6: two Authentication headers
--- request
GET /api/v1/entities
--- more_headers
Authentication: Bearer key
authentication: Bearer key
--- error_code: 400
--- response_body eval
profile_error('invalid_credentials')



=== TEST 7: another method
--- request
POST /api/v1/entities
--- error_code: 405
--- response_headers
Allow: GET, HEAD
--- response_body eval
profile_error('method_not_allowed')



=== TEST 8: a method of which only the name is known
--- request
DELETE /api/v1/entities/1/record?record_id=1
--- error_code: 405
--- response_body eval
profile_error('method_not_allowed')



=== TEST 9: more than a window of data
--- request
GET /api/v1/entities/1/record?record_id=long
--- response_body eval
'{"data":{"id":"long","text":"' . 'abcdefgh' x 100000 . '"}}'



=== TEST 10: with gzip
--- config
    location /api/v1/ {
        gzip on;
        gzip_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=long
--- more_headers
Authorization: Bearer key
Accept-Encoding: gzip
--- response_headers
Content-Encoding: gzip



=== TEST 11: errors
--- request
GET /api/v1/entities/1/record?record_id=none
--- error_code: 404
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body eval
profile_error('record_not_found')



=== TEST 12: If-None-Match
--- request
GET /api/v1/entities/1/record?record_id=1
--- more_headers
Authorization: Bearer key
If-None-Match: *
--- error_code: 304
