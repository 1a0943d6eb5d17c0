# Why: the API only reads. Every other method gets the same answer, whoever
# asks, and old versions of HTTP get theirs.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

our @Refused = qw(POST PUT DELETE OPTIONS PATCH PROPFIND PROPPATCH MKCOL COPY
                  MOVE LOCK UNLOCK PURGE SEARCH GETX XGET GE HEADER FOO);

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('config', <<'END') if !defined $block->config;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END
});

run_tests();

__DATA__

=== TEST 1: other methods, with a key
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
--- request eval
[map { "$_ /api/v1/entities/1/record?record_id=1" } @main::Refused]
--- more_headers
Authorization: Bearer key
--- error_code eval
[(405) x @main::Refused]
--- response_headers eval
[("Allow: GET, HEAD\nContent-Type: application/json\nCache-Control: no-store\n"
  . "Vary: Authorization, Authentication\n! WWW-Authenticate\n! ETag")
 x @main::Refused]
--- response_body eval
[(profile_error('method_not_allowed')) x @main::Refused]



=== TEST 2: the method is checked first, before the key, the path and the id
--- request eval
["POST /api/v1/entities", "DELETE /api/v1/nowhere", "PUT /api/v1/",
 "OPTIONS /api/v1/entities/9/record", "POST /api/v1/entities/1/record?record_id=%zz"]
--- error_code eval
[(405) x 5]
--- response_headers eval
[("Allow: GET, HEAD\n! WWW-Authenticate") x 5]
--- response_body eval
[(profile_error('method_not_allowed')) x 5]



=== TEST 3: the method is checked before the store
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request
POST /api/v1/entities
--- error_code: 405
--- response_headers
! Retry-After
--- error_log
there is no store yet



=== TEST 4: POST with a body
--- request
POST /api/v1/entities
{"query":"everything"}
--- error_code: 405
--- response_body eval
profile_error('method_not_allowed')



=== TEST 5: a header does not change the method
--- request
POST /api/v1/entities
--- more_headers
Authorization: Bearer key
X-HTTP-Method-Override: GET
--- error_code: 405



=== TEST 6: HEAD of errors has headers and no body
--- request eval
["HEAD /api/v1/entities", "HEAD /api/v1/entities/1/record?record_id=2",
 "HEAD /api/v1/entities/2/record?record_id=1", "HEAD /api/v1/x",
 "HEAD /api/v1/entities/1/record"]
--- more_headers eval
["X: 1", ("Authorization: Bearer key") x 4]
--- error_code eval
[401, 404, 404, 404, 400]
--- response_headers eval
[map { "Content-Type: application/json\nCache-Control: no-store\nContent-Length: "
       . length profile_error($_) }
     qw(missing_credentials record_not_found entity_not_found not_found
        missing_record_id)]
--- response_body eval
[('') x 5]



=== TEST 7: TRACE and CONNECT are refused by nginx
nginx 1.26 takes a path as the target of CONNECT and refuses the method, nginx
1.30 wants a host and a port there.
--- request eval
["TRACE /api/v1/entities", "CONNECT /api/v1/entities"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[405, $Test::Nginx::Util::NginxVersion < 1.027 ? 405 : 400]
--- response_body_like eval
[('<html>') x 2]



=== TEST 8: methods are upper-case
--- request eval
["get /api/v1/entities", "Get /api/v1/entities", "head /api/v1/entities"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[(400) x 3]



=== TEST 9: HTTP/0.9 has no headers, and so no key
--- raw_request eval
"GET /api/v1/entities\r\n"
--- http09
--- response_body eval
profile_error('missing_credentials')



=== TEST 10: HTTP/1.0
--- raw_request eval
"GET /api/v1/entities/1/record?record_id=1 HTTP/1.0\r
Authorization: Bearer key\r
\r
"
--- response_headers
Connection: close
Content-Length: 34
! Transfer-Encoding
--- response_body chomp
{"data":{"id":"1","name":"first"}}



=== TEST 11: unknown versions are refused by nginx
--- raw_request eval
"GET /api/v1/entities HTTP/2.0\r\nHost: localhost\r\nAuthorization: Bearer key\r\n\r\n"
--- error_code: 505



=== TEST 12: no Host header
--- raw_request eval
"GET /api/v1/entities HTTP/1.1\r\nAuthorization: Bearer key\r\nConnection: close\r\n\r\n"
--- error_code: 400
--- response_body_like: <html>
