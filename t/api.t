# Why: these are the two endpoints that the module exists for. Every way to
# mount them in a configuration must give the same documented answers.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

# Twice, so that a worker's second request finds nothing left of the first.
repeat_each(2);

no_long_string();

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('more_headers', "Authorization: Bearer secret-token:1234")
        if !defined $block->more_headers;
});

run_tests();

__DATA__

=== TEST 1: the list of entities
--- profile
workspace 1 Acme key=secret-token:1234 key=second
entity 2 Companies primary_key=domain library_id=7
{"domain":"example.com","employees":12}
entity 1 Users primary_key=id library_id=1
{"id":"478060","email":"boris@getcensus.com"}
{ "id" : "2", "tags" : [ "a b", "c" ],	"ratio" : 0.10 }
entity 3 Numbers primary_key=n
{"n":42,"text":"forty-two"}
{"n":-7}
entity 10 Empty primary_key=id
entity 11 "Not yet" primary_key=id unloaded
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"478060","email":"hank@globex.example"}
workspace 3 Bare key=bare
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities
--- response_headers
Content-Type: application/json
Cache-Control: private, no-cache
Vary: Authorization, Authentication
! WWW-Authenticate
! Transfer-Encoding
! Accept-Ranges
--- response_body chomp
{"data":[{"id":1,"name":"Users","library_id":1},{"id":2,"name":"Companies","library_id":7},{"id":3,"name":"Numbers","library_id":1},{"id":10,"name":"Empty","library_id":1}]}



=== TEST 2: a record
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=478060
--- response_headers
Content-Type: application/json
Content-Length: 54
Cache-Control: private, no-cache
Vary: Authorization, Authentication
! Transfer-Encoding
! Accept-Ranges
--- response_body chomp
{"data":{"id":"478060","email":"boris@getcensus.com"}}



=== TEST 3: the validators of a record and of the list
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities/1/record?record_id=478060",
 "GET /api/v1/entities"]
--- response_headers_like eval
['ETag: "[0-9a-f]{32}"
Last-Modified: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT',
'ETag: "[0-9a-f]{32}"
Last-Modified: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT']
--- response_body_like eval
['\A\{"data":\{', '\A\{"data":\[']



=== TEST 4: each header of a record comes once
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=478060
--- raw_response_headers_unlike: (?mi)^(ETag|Vary|Cache-Control|Last-Modified|Content-Type|Content-Length):.*^\1:



=== TEST 5: white space of the source goes, its values stay as they are
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=2
--- response_body chomp
{"data":{"id":"2","tags":["a b","c"],"ratio":0.10}}



=== TEST 6: integer keys, found by their digits
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities/3/record?record_id=42",
 "GET /api/v1/entities/3/record?record_id=-7"]
--- response_body eval
['{"data":{"n":42,"text":"forty-two"}}',
 '{"data":{"n":-7}}']



=== TEST 7: only the digits as written
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities/3/record?record_id=042",
 "GET /api/v1/entities/3/record?record_id=42.0",
 "GET /api/v1/entities/3/record?record_id=%2B42",
 "GET /api/v1/entities/3/record?record_id=4.2e1"]
--- error_code eval
[404, 404, 404, 404]
--- response_body eval
[(profile_error('record_not_found')) x 4]



=== TEST 8: HEAD of the list
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
HEAD /api/v1/entities
--- response_headers
Content-Type: application/json
Content-Length: 173
Cache-Control: private, no-cache
Vary: Authorization, Authentication
--- response_body



=== TEST 9: HEAD of a record
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
HEAD /api/v1/entities/1/record?record_id=478060
--- response_headers
Content-Type: application/json
Content-Length: 54
Cache-Control: private, no-cache
Vary: Authorization, Authentication
--- response_body



=== TEST 10: one trailing slash is accepted
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities/3/record/?record_id=-7",
 "GET /api/v1/entities/"]
--- response_body_like eval
['\A\{"data":\{"n":-7\}\}\z', '\A\{"data":\[\{"id":1,']



=== TEST 11: two trailing slashes are not, where nginx keeps them
--- http_config
    merge_slashes off;
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities//",
 "GET /api/v1//entities",
 "GET /api/v1/entities/3/record//?record_id=-7",
 "GET /api/v1/entities//record?record_id=-7"]
--- error_code eval
[(404) x 4]
--- response_body eval
[(profile_error('not_found')) x 4]



=== TEST 12: unknown parameters are ignored
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities/3/record?verbose=1&record_id=-7&callback=alert",
 "GET /api/v1/entities?record_id=5&record_id=6",
 "GET /api/v1/entities/3/record?&&record_id=-7&"]
--- response_body_like eval
['\A\{"data":\{"n":-7\}\}\z', '\A\{"data":\[\{"id":1,', '\A\{"data":\{"n":-7\}\}\z']



=== TEST 13: each workspace sees its own
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- more_headers
Authorization: Bearer globex
--- request eval
["GET /api/v1/entities/1/record?record_id=478060",
 "GET /api/v1/entities"]
--- response_body eval
['{"data":{"id":"478060","email":"hank@globex.example"}}',
 '{"data":[{"id":1,"name":"Users","library_id":1}]}']



=== TEST 14: a workspace without entities has an empty list
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- more_headers
Authorization: Bearer bare
--- request
GET /api/v1/entities
--- response_body chomp
{"data":[]}



=== TEST 15: an entity with no rows has no records, but is there
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/10/record?record_id=1
--- error_code: 404
--- response_body eval
profile_error('record_not_found')



=== TEST 16: a second key of the same workspace
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- more_headers
Authorization: Bearer second
--- request
GET /api/v1/entities/3/record?record_id=-7
--- response_body chomp
{"data":{"n":-7}}



=== TEST 17: a prefix without a trailing slash
--- config
    location /api {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/entities/3/record?record_id=-7",
 "GET /api/entities"]
--- response_body_like eval
['\A\{"data":\{"n":-7\}\}\z', '\A\{"data":\[\{"id":1,']



=== TEST 18: a prefix is whole, not the beginning of a word
--- config
    location /api {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /apientities",
 "GET /api",
 "GET /api/",
 "GET /apis/entities",
 "GET /api-entities/3/record?record_id=-7"]
--- error_code eval
[(404) x 5]
--- response_body eval
[(profile_error('not_found')) x 5]



=== TEST 19: the root as the prefix
--- http_config
    server {
        listen $TEST_NGINX_SERVER_PORT;
        server_name api.example.com;

        location / {
            profile_store $TEST_NGINX_PROFILE_STORE;
            profile_api;
        }
    }
--- config
--- more_headers
Host: api.example.com
Authorization: Bearer secret-token:1234
--- request eval
["GET /entities/3/record?record_id=-7",
 "GET /entities"]
--- response_body_like eval
['\A\{"data":\{"n":-7\}\}\z', '\A\{"data":\[\{"id":1,']



=== TEST 20: a prefix that looks like a route
--- config
    location /entities/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /entities/entities",
 "GET /entities/entities/3/record?record_id=-7"]
--- response_body_like eval
['\A\{"data":\[\{"id":1,', '\A\{"data":\{"n":-7\}\}\z']



=== TEST 21: a prefix with a space and with UTF-8
--- config
    location "/my api/é/" {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /my%20api/%C3%A9/entities/3/record?record_id=-7
--- response_body chomp
{"data":{"n":-7}}



=== TEST 22: a nested location counts its own prefix
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;

        location /api/v1/ {
            profile_api;
        }
    }
--- request
GET /api/v1/entities/3/record?record_id=-7
--- response_body chomp
{"data":{"n":-7}}



=== TEST 23: a location inside an API location, for one path
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        location = /api/health {
            return 200 "fine\n";
        }
    }
--- request eval
["GET /api/entities/3/record?record_id=-7", "GET /api/health"]
--- response_body eval
['{"data":{"n":-7}}', "fine\n"]



=== TEST 24: two stores in one server
--- config
    location /a/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }

    location /b/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request eval
["GET /a/entities/3/record?record_id=-7", "GET /b/entities/3/record?record_id=-7"]
--- error_code eval
[200, 503]
--- response_body eval
['{"data":{"n":-7}}', profile_error('store_unavailable')]



=== TEST 25: inside an if block
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        if ($arg_debug) {
            add_header X-Debug $arg_debug;
        }
    }
--- request eval
["GET /api/v1/entities/3/record?record_id=-7",
 "GET /api/v1/entities/3/record?record_id=-7&debug=1",
 "GET /api/v1/entities/?debug=2"]
--- response_headers eval
["! X-Debug", "X-Debug: 1", "X-Debug: 2"]
--- response_body_like eval
['\A\{"data":\{"n":-7\}\}\z', '\A\{"data":\{"n":-7\}\}\z', '\A\{"data":\[\{"id":1,']



=== TEST 26: with limit_except
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        limit_except GET {
            deny all;
        }
    }
--- request eval
["GET /api/v1/entities/3/record?record_id=-7",
 "HEAD /api/v1/entities/3/record?record_id=-7",
 "POST /api/v1/entities"]
--- error_code eval
[200, 200, 403]



=== TEST 27: what limit_except lets through is still refused by the API
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        limit_except GET {
            allow all;
        }
    }
--- request
DELETE /api/v1/entities
--- error_code: 405
--- response_body eval
profile_error('method_not_allowed')



=== TEST 28: rewritten into the API
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }

    location /users/ {
        rewrite ^/users/(.+)$ /api/v1/entities/1/record?record_id=$1? last;
    }
--- request
GET /users/478060?record_id=2
--- response_body chomp
{"data":{"id":"478060","email":"boris@getcensus.com"}}



=== TEST 29: rewritten inside the API location
--- config
    location /api/v1/ {
        rewrite ^/api/v1/numbers$ /api/v1/entities/3/record break;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/numbers?record_id=-7
--- response_body chomp
{"data":{"n":-7}}



=== TEST 30: rewritten out of the prefix, still in the location
--- config
    location /api/v1/ {
        rewrite ^ /x break;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities
--- error_code: 404
--- response_body eval
profile_error('not_found')



=== TEST 31: rewritten to a longer path that is not below the prefix
--- config
    location /api/v1/ {
        rewrite ^ /api/v2/entities break;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities
--- error_code: 404
--- response_body eval
profile_error('not_found')



=== TEST 32: try_files into the API
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }

    location /try/ {
        root $TEST_NGINX_PROFILE_TMP;
        try_files /no/such/file /api/v1/entities/3/record?record_id=-7;
    }
--- request
GET /try/this
--- response_body chomp
{"data":{"n":-7}}



=== TEST 33: paths are case-sensitive
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/Entities",
 "GET /api/v1/ENTITIES/1/record?record_id=478060",
 "GET /api/v1/entities/1/Record?record_id=478060",
 "GET /API/v1/entities"]
--- error_code eval
[(404) x 4]
--- response_body_like eval
[('"code":"not_found"') x 3, '<html>']



=== TEST 34: HTTP/1.0 without a Host header
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- raw_request eval
"GET /api/v1/entities/3/record?record_id=-7 HTTP/1.0\r
Authorization: Bearer secret-token:1234\r
\r
"
--- response_headers
Content-Length: 17
Connection: close
--- response_body chomp
{"data":{"n":-7}}



=== TEST 35: twenty requests on one connection
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- pipelined_requests eval
[map { "GET /api/v1/entities/1/record?record_id=" . ($_ % 2 ? 2 : 478060) } 1 .. 20]
--- response_body eval
[map { $_ % 2
       ? '{"data":{"id":"2","tags":["a b","c"],"ratio":0.10}}'
       : '{"data":{"id":"478060","email":"boris@getcensus.com"}}' } 1 .. 20]



=== TEST 36: an entity whose first load is not complete
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/11/record?record_id=1
--- error_code: 503
--- response_headers
Retry-After: 10
--- response_body eval
profile_error('entity_not_ready')
