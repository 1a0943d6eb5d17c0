# Why: most of a server's sites do not use the module. Where it is loaded and
# not configured, nothing is different.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();
repeat_each(2);

run_tests();

__DATA__

=== TEST 1: no directive at all
--- config
    location /t {
        return 200 "fine\n";
    }
--- request
GET /t
--- response_headers
! Vary
! Cache-Control
! WWW-Authenticate
--- response_body
fine
--- no_error_log
profile store
profile handler



=== TEST 2: credentials mean nothing elsewhere
--- config
    location /t {
        return 200 "$http_authorization\n";
    }
--- request
GET /t
--- more_headers
Authorization: Bearer two words
Authentication: Bearer x
--- response_body
Bearer two words



=== TEST 3: another location of the same server
--- profile
workspace 1 Acme key=key
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;
    profile_realm "elsewhere";
    profile_cache_control "public";
    profile_check_interval 5s;

    location /api/ {
        profile_api;
    }
    location /t {
        return 200 "fine\n";
    }
--- request eval
["GET /t", "POST /t", "GET /t/entities"]
--- response_headers eval
[("! Cache-Control\n! Vary") x 3]
--- response_body eval
[("fine\n") x 3]



=== TEST 4: a body still reaches its own handler
--- config
    location /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location /echo {
        return 200 "$request_method $http_content_length\n";
    }
--- request
POST /t
hello
--- response_body
POST 5



=== TEST 5: a store without an API is nothing to anybody
--- config
    profile_store $TEST_NGINX_PROFILE_TMP/none;

    location /t {
        return 200 "fine\n";
    }
--- request
GET /t
--- response_body
fine



=== TEST 6: a location inside an API location is not the API
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        location /api/static/ {
            return 200 "static\n";
        }
        location ~ \.txt$ {
            return 200 "text\n";
        }
    }
--- request eval
["GET /api/static/entities", "GET /api/entities.txt"]
--- response_body eval
["static\n", "text\n"]



=== TEST 7: nor is one that has no handler of its own
--- profile
workspace 1 Acme key=key
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;

        location /api/files/ {
            root $TEST_NGINX_PROFILE_TMP;
        }
    }
--- request eval
["GET /api/files/entities", "GET /api/entities", "POST /api/files/x"]
--- error_code eval
[404, 200, 404]
--- response_body_like eval
['<html>', '^\{"data":\[\]\}$', '<html>']
