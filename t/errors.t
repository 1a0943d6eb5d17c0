# Why: programs read these replies. Each error has one status, one code, one
# body and its headers, and no other part of nginx puts an HTML page over it.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

# What every error of the module carries, and never carries.
our $Common = "Content-Type: application/json\nCache-Control: no-store\n"
              . "Vary: Authorization, Authentication\n"
              . "! ETag\n! Last-Modified\n! Accept-Ranges\n! Expires";

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('more_headers', 'Authorization: Bearer key')
        if !defined $block->more_headers;

    $block->set_value('config', <<'END') if !defined $block->config;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END
});

run_tests();

__DATA__

=== TEST 1: 400 missing_record_id
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
entity 2 Later primary_key=id unloaded
--- request
GET /api/v1/entities/1/record
--- error_code: 400
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":400,"code":"missing_record_id","message":"Give the record's primary key in the parameter record_id."}



=== TEST 2: 400 invalid_record_id
--- request
GET /api/v1/entities/1/record?record_id=%zz
--- error_code: 400
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":400,"code":"invalid_record_id","message":"The parameter record_id must be given once, be form-encoded, and not be longer than 500 bytes."}



=== TEST 3: 400 invalid_credentials
--- request
GET /api/v1/entities
--- more_headers
Authorization: Bearer two words
--- error_code: 400
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":400,"code":"invalid_credentials","message":"The credentials are malformed or given twice."}



=== TEST 4: 401 missing_credentials
--- request
GET /api/v1/entities
--- more_headers
X-Nothing: 1
--- error_code: 401
--- response_headers eval
"$main::Common\n! Allow\n! Retry-After\nWWW-Authenticate: Bearer realm=\"profile\""
--- response_body chomp
{"status":401,"code":"missing_credentials","message":"Give a key in the header Authorization: Bearer."}



=== TEST 5: 401 invalid_key
--- request
GET /api/v1/entities
--- more_headers
Authorization: Bearer nope
--- error_code: 401
--- response_headers eval
"$main::Common\n! Allow\n! Retry-After\n"
. 'WWW-Authenticate: Bearer realm="profile", error="invalid_token"'
--- response_body chomp
{"status":401,"code":"invalid_key","message":"The key is not valid."}



=== TEST 6: 404 not_found
--- request
GET /api/v1/nowhere
--- error_code: 404
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":404,"code":"not_found","message":"There is no such endpoint."}



=== TEST 7: 404 entity_not_found
--- request
GET /api/v1/entities/9/record?record_id=1
--- error_code: 404
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":404,"code":"entity_not_found","message":"There is no such entity."}



=== TEST 8: 404 record_not_found
--- request
GET /api/v1/entities/1/record?record_id=9
--- error_code: 404
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":404,"code":"record_not_found","message":"The entity has no record with this primary key."}



=== TEST 9: 405 method_not_allowed
--- request
DELETE /api/v1/entities
--- error_code: 405
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Retry-After\nAllow: GET, HEAD"
--- response_body chomp
{"status":405,"code":"method_not_allowed","message":"Only GET and HEAD are allowed."}



=== TEST 10: 412 precondition_failed
--- request
GET /api/v1/entities/1/record?record_id=1
--- more_headers
Authorization: Bearer key
If-Match: "x"
--- error_code: 412
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\n! Retry-After"
--- response_body chomp
{"status":412,"code":"precondition_failed","message":"What is there is not what the request's condition names."}



=== TEST 11: 503 store_unavailable
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request
GET /api/v1/entities
--- error_code: 503
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\nRetry-After: 1"
--- response_body chomp
{"status":503,"code":"store_unavailable","message":"The data cannot be read at present."}



=== TEST 12: 503 entity_not_ready
--- request
GET /api/v1/entities/2/record?record_id=1
--- error_code: 503
--- response_headers eval
"$main::Common\n! WWW-Authenticate\n! Allow\nRetry-After: 10"
--- response_body chomp
{"status":503,"code":"entity_not_ready","message":"The entity has not been loaded yet."}
--- error_log eval
qr/\[error\] .*entity 2 of workspace 1 has not been loaded yet/



=== TEST 13: Retry-After is the check interval, and a second at least
--- config
    profile_store $TEST_NGINX_PROFILE_TMP/none;

    location /a/ {
        profile_api;
        profile_check_interval 7s;
    }
    location /b/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none2;
        profile_api;
        profile_check_interval 2m;
    }
    location /c/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none3;
        profile_api;
        profile_check_interval 200ms;
    }
    location /d/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none4;
        profile_api;
        profile_check_interval 1500ms;
    }
--- request eval
["GET /a/entities", "GET /b/entities", "GET /c/entities", "GET /d/entities"]
--- error_code eval
[(503) x 4]
--- response_headers_like eval
["Retry-After: 7", "Retry-After: 120", "Retry-After: 1", "Retry-After: [12]"]



=== TEST 14: a missing store says no more to a client without a key
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request eval
[("GET /api/v1/entities") x 3]
--- more_headers eval
["X: 1", "Authorization: Bearer two words", "Authorization: Bearer nope"]
--- error_code eval
[401, 400, 503]



=== TEST 15: errors are one line in an access log, with their sizes
--- request
GET /api/v1/nowhere
--- error_code: 404
--- access_log
"GET /api/v1/nowhere HTTP/1.1" 404 72



=== TEST 16: a client's mistakes are nothing to the error log's higher levels
--- request eval
["GET /api/v1/entities", "GET /api/v1/entities", "GET /api/v1/entities",
 "GET /api/v1/x", "GET /api/v1/entities/1/record",
 "GET /api/v1/entities/1/record?record_id=%zz", "POST /api/v1/entities"]
--- more_headers eval
["X: 1", "Authorization: Bearer nope", "Authorization: Bearer a b",
 ("Authorization: Bearer key") x 4]
--- error_code eval
[401, 401, 400, 404, 400, 400, 405]
--- no_error_log
[warn]
[error]
[crit]



=== TEST 17: error_page does not replace them, whatever its form
--- config
    error_page 400 401 404 405 412 503 /page;
    error_page 401 =200 /page;
    error_page 404 = @named;
    error_page 405 http://example.com/;

    location = /page {
        return 200 "page\n";
    }
    location @named {
        return 200 "named\n";
    }
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /none/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request eval
["GET /api/v1/entities", "GET /api/v1/x", "GET /api/v1/entities/1/record",
 "PUT /api/v1/entities", "GET /none/entities"]
--- more_headers eval
["X: 1", ("Authorization: Bearer key") x 4]
--- error_code eval
[401, 404, 400, 405, 503]
--- response_body eval
[map { profile_error($_) }
     qw(missing_credentials not_found missing_record_id method_not_allowed
        store_unavailable)]



=== TEST 18: recursive_error_pages changes nothing
--- config
    location /api/v1/ {
        recursive_error_pages on;
        error_page 404 =200 /api/v1/entities;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/x
--- error_code: 404
--- response_body eval
profile_error('not_found')



=== TEST 19: what nginx itself refuses follows error_page
--- config
    location /api/v1/ {
        deny all;
        error_page 403 = @json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location @json {
        default_type application/json;
        return 403 '{"status":403,"code":"forbidden","message":"not from here"}';
    }
--- request
GET /api/v1/entities
--- error_code: 403
--- response_headers
Content-Type: application/json
--- response_body chomp
{"status":403,"code":"forbidden","message":"not from here"}



=== TEST 20: deny comes before the key
--- config
    location /api/v1/ {
        deny all;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities
--- error_code: 403
--- response_body_like: <html>



=== TEST 21: satisfy any does not let anybody in without a key
--- config
    location /api/v1/ {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_basic "closed";
        auth_basic_user_file /dev/null;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities", "GET /api/v1/entities", "GET /api/v1/entities"]
--- more_headers eval
["X: 1", "Authorization: Bearer nope", "Authorization: Bearer key"]
--- error_code eval
[401, 401, 200]
--- response_headers eval
['WWW-Authenticate: Bearer realm="profile"',
 'WWW-Authenticate: Bearer realm="profile", error="invalid_token"',
 '! WWW-Authenticate']



=== TEST 22: satisfy any, and nobody is satisfied
--- config
    location /api/v1/ {
        satisfy any;
        deny all;
        auth_basic "closed";
        auth_basic_user_file /dev/null;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities
--- error_code: 401
--- response_headers
WWW-Authenticate: Basic realm="closed"



=== TEST 23: auth_request in front, which lets in or not
--- config
    location = /yes {
        internal;
        return 204;
    }
    location = /no {
        internal;
        return 403;
    }
    location /a/ {
        auth_request /yes;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /b/ {
        auth_request /no;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /a/entities", "GET /a/entities", "GET /b/entities"]
--- more_headers eval
["Authorization: Bearer key", "X: 1", "Authorization: Bearer key"]
--- error_code eval
[200, 401, 403]



=== TEST 24: limit_req, with a page of its own
--- http_config
    limit_req_zone $binary_remote_addr zone=api:64k rate=1r/m;
--- config
    location /api/v1/ {
        limit_req zone=api;
        limit_req_status 429;
        error_page 429 @json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location @json {
        internal;
        default_type application/json;
        add_header Retry-After 60 always;
        return 429 '{"status":429}';
    }
--- request eval
["GET /api/v1/entities", "GET /api/v1/entities"]
--- error_code eval
[200, 429]
--- response_headers eval
["! Retry-After", "Retry-After: 60"]
--- response_body_like eval
['"Users"', '^\{"status":429\}$']



=== TEST 25: limit_req alone gives nginx's own page
--- http_config
    limit_req_zone $binary_remote_addr zone=api:64k rate=1r/m;
--- config
    location /api/v1/ {
        limit_req zone=api;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities", "GET /api/v1/entities"]
--- error_code eval
[200, 503]
--- response_body_like eval
['"Users"', '<html>']



=== TEST 26: an error in an error: the API as an error page without a key
--- config
    location /old/ {
        error_page 404 /api/v1/entities;
        return 404;
    }
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /old/
--- more_headers
X: 1
--- error_code_like: ^40[14]$
--- response_body eval
profile_error('missing_credentials')



=== TEST 27: an internal location is not there for clients
--- config
    location /api/v1/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities
--- error_code: 404
--- response_body_like: <html>



=== TEST 28: an error that error_page calls a 200 is still no 304 or 412
--- config
    location /old/ {
        error_page 403 =200 /api/v1/entities;
        return 403;
    }
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /old/", "GET /old/"]
--- more_headers eval
["Authorization: Bearer nope\nIf-None-Match: *",
 "Authorization: Bearer nope\nIf-Match: \"x\""]
--- error_code eval
[200, 200]
--- response_body eval
[profile_error('invalid_key'), profile_error('invalid_key')]
