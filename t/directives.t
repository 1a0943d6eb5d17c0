# Why: an operator's mistake must be found by "nginx -t" and named in a
# sentence, and each directive must do what the reference says in each of its
# contexts.
#
# expect-alert: \[emerg\] .*(profile_|open socket)

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('request', 'GET /api/entities')
        if !defined $block->request;
    $block->set_value('more_headers', 'Authorization: Bearer key')
        if !defined $block->more_headers;
});

our $List = '{"data":[{"id":1,"name":"Users","library_id":1}]}';

run_tests();

__DATA__

=== TEST 1: profile_store in http
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1"}
workspace 2 Globex key=globex
entity 7 Orders primary_key=id
{"id":"1"}
--- http_config
    profile_store $TEST_NGINX_PROFILE_STORE;
--- config
    location /api/ {
        profile_api;
    }
--- response_body eval
$main::List



=== TEST 2: profile_store in server
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_api;
    }
--- response_body eval
$main::List



=== TEST 3: profile_store in location, after profile_api
--- config
    location /api/ {
        profile_api;
        profile_store $TEST_NGINX_PROFILE_STORE;
    }
--- response_body eval
$main::List



=== TEST 4: the nearest profile_store counts
--- http_config
    profile_store $TEST_NGINX_PROFILE_TMP/none1;
--- config
    profile_store $TEST_NGINX_PROFILE_TMP/none2;

    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- response_body eval
$main::List



=== TEST 5: a path with a trailing slash, or with more than one
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE/;
        profile_api;
    }
    location /b/ {
        profile_store $TEST_NGINX_PROFILE_STORE//.//;
        profile_api;
    }
    location /c/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/entities", "GET /b/entities", "GET /c/entities"]
--- response_body eval
[($main::List) x 3]



=== TEST 6: a path with a space
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1"}
--- post_setup_server_root
rename $ENV{TEST_NGINX_PROFILE_STORE}, "$ENV{TEST_NGINX_PROFILE_TMP}/a store";
--- config
    location /api/ {
        profile_store "$TEST_NGINX_PROFILE_TMP/a store";
        profile_api;
    }
--- response_body eval
$main::List



=== TEST 7: the store twice
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1"}
workspace 2 Globex key=globex
entity 7 Orders primary_key=id
{"id":"1"}
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_store" directive is duplicate



=== TEST 8: a store without a path
--- config
    profile_store "";
--- must_die
--- error_log
[emerg]
"profile_store" directive must not be empty



=== TEST 9: a store with two paths
--- config
    profile_store /a /b;
--- must_die
--- error_log
[emerg]
invalid number of arguments in "profile_store" directive



=== TEST 10: a store in an if block
--- config
    location /api/ {
        if ($arg_x) {
            profile_store /a;
        }
    }
--- must_die
--- error_log
[emerg]
"profile_store" directive is not allowed here



=== TEST 11: profile_api without a store
--- config
    location /api/ {
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api"
requires "profile_store"
/api/



=== TEST 12: profile_api in a regular expression location
--- config
    location ~ ^/api/ {
        profile_store /a;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api" cannot be used in the regular expression location



=== TEST 13: profile_api in a case-insensitive one
--- config
    location ~* ^/api/ {
        profile_store /a;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api" cannot be used in the regular expression location



=== TEST 14: profile_api in a named location
--- config
    location @api {
        profile_store /a;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api" cannot be used in the named location



=== TEST 15: profile_api in an exact location
--- config
    location = /api/entities {
        profile_store /a;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api" cannot be used in the exact location



=== TEST 16: profile_api in a server
--- config
    profile_store /a;
    profile_api;
--- must_die
--- error_log
[emerg]
"profile_api" directive is not allowed here



=== TEST 17: profile_api in http
--- http_config
    profile_api;
--- config
--- must_die
--- error_log
[emerg]
"profile_api" directive is not allowed here



=== TEST 18: profile_api in an if block
--- config
    location /api/ {
        profile_store /a;
        if ($arg_x) {
            profile_api;
        }
    }
--- must_die
--- error_log
[emerg]
"profile_api" directive is not allowed here



=== TEST 19: profile_api twice
--- config
    location /api/ {
        profile_store /a;
        profile_api;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api" directive is duplicate



=== TEST 20: profile_api with a value
--- config
    location /api/ {
        profile_store /a;
        profile_api on;
    }
--- must_die
--- error_log
[emerg]
invalid number of arguments in "profile_api" directive



=== TEST 21: profile_bearer, a constant
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer globex;
        profile_api;
    }
--- request eval
["GET /api/entities", "GET /api/entities", "GET /api/entities"]
--- more_headers eval
["X: 1", "Authorization: Bearer key", "Authorization: Bearer two words"]
--- response_body eval
[('{"data":[{"id":7,"name":"Orders","library_id":1}]}') x 3]



=== TEST 22: profile_bearer, with variables
--- http_config
    map $http_x_tenant $tenant_key {
        acme    key;
        globex  globex;
        bad     "two words";
        unknown nope;
        default "";
    }
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $tenant_key;
        profile_api;
    }
    location /parts/ {
        set $part ey;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer "k$part";
        profile_api;
    }
--- request eval
[("GET /api/entities") x 5, "GET /parts/entities"]
--- more_headers eval
["X-Tenant: acme", "X-Tenant: globex", "X-Tenant: bad", "X-Tenant: unknown",
 "Authorization: Bearer key", "X-Tenant: bad"]
--- error_code eval
[200, 200, 400, 401, 401, 200]
--- response_body eval
[$main::List, '{"data":[{"id":7,"name":"Orders","library_id":1}]}',
 profile_error('invalid_credentials'), profile_error('invalid_key'),
 profile_error('missing_credentials'), $main::List]



=== TEST 23: profile_bearer, empty, does not fall back to the client's key
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer "";
        profile_api;
    }
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer realm="profile"
--- response_body eval
profile_error('missing_credentials')



=== TEST 24: profile_bearer is the key alone, without a scheme
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer "Bearer key";
        profile_api;
    }
--- error_code: 400



=== TEST 25: profile_bearer twice
--- config
    location /api/ {
        profile_store /a;
        profile_bearer a;
        profile_bearer b;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_bearer" directive is duplicate



=== TEST 26: profile_bearer with an unknown variable
--- config
    location /api/ {
        profile_store /a;
        profile_bearer $no_such_variable;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
unknown "no_such_variable" variable



=== TEST 27: profile_bearer in a server
--- config
    profile_bearer key;
--- must_die
--- error_log
[emerg]
"profile_bearer" directive is not allowed here



=== TEST 28: profile_bearer in http
--- http_config
    profile_bearer key;
--- config
--- must_die
--- error_log
[emerg]
"profile_bearer" directive is not allowed here



=== TEST 29: profile_bearer without a value
--- config
    location /api/ {
        profile_bearer;
    }
--- must_die
--- error_log
[emerg]
invalid number of arguments in "profile_bearer" directive



=== TEST 30: profile_realm in every context
--- http_config
    profile_realm "of http";
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_api;
    }
    location /b/ {
        profile_realm "of location";
        profile_api;

        location /b/c/ {
            profile_api;
        }
    }
--- request eval
["GET /api/entities", "GET /b/entities", "GET /b/c/entities"]
--- more_headers
Authorization: Bearer nope
--- error_code eval
[401, 401, 401]
--- response_headers eval
['WWW-Authenticate: Bearer realm="of http", error="invalid_token"',
 'WWW-Authenticate: Bearer realm="of location", error="invalid_token"',
 'WWW-Authenticate: Bearer realm="of location", error="invalid_token"']



=== TEST 31: profile_realm in server
--- http_config
    profile_realm "of http";
--- config
    profile_realm "of server";
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_api;
    }
--- more_headers
X: 1
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer realm="of server"



=== TEST 32: profile_realm with quotes and backslashes
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_realm 'the "inner" C:\\x';
        profile_api;
    }
    location /b/ {
        profile_realm "";
        profile_api;
    }
    location /c/ {
        profile_realm "Überall, $uri {ok}; a=b";
        profile_api;
    }
--- request eval
["GET /api/entities", "GET /b/entities", "GET /c/entities"]
--- more_headers
X: 1
--- error_code eval
[401, 401, 401]
--- response_headers eval
['WWW-Authenticate: Bearer realm="the \"inner\" C:\\\\x"',
 'WWW-Authenticate: Bearer realm=""',
 'WWW-Authenticate: Bearer realm="Überall, $uri {ok}; a=b"']



=== TEST 33: profile_realm with a line break
--- config
    profile_realm "a
b";
--- must_die
--- error_log
[emerg]
"profile_realm" directive must not hold control characters



=== TEST 34: profile_realm with another control character
--- config eval
"    profile_realm \"a\x7f\";"
--- must_die
--- error_log
[emerg]
"profile_realm" directive must not hold control characters



=== TEST 35: profile_realm twice
--- config
    profile_realm a;
    profile_realm b;
--- must_die
--- error_log
[emerg]
"profile_realm" directive is duplicate



=== TEST 36: profile_realm in an if block
--- config
    location /api/ {
        if ($arg_x) {
            profile_realm x;
        }
    }
--- must_die
--- error_log
[emerg]
"profile_realm" directive is not allowed here



=== TEST 37: profile_cache_control in every context, on success only
--- http_config
    profile_cache_control "private, max-age=1";
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_api;
    }
    location /b/ {
        profile_cache_control "private, max-age=2";
        profile_api;
    }
--- request eval
["GET /api/entities", "GET /b/entities", "GET /b/x",
 "GET /b/entities"]
--- more_headers eval
[("Authorization: Bearer key") x 3,
 "Authorization: Bearer key\nIf-None-Match: *"]
--- error_code eval
[200, 200, 404, 304]
--- response_headers eval
["Cache-Control: private, max-age=1", "Cache-Control: private, max-age=2",
 "Cache-Control: no-store", "Cache-Control: private, max-age=2"]



=== TEST 38: profile_cache_control in server
--- http_config
    profile_cache_control "private, max-age=1";
--- config
    profile_cache_control "private, max-age=3";
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_api;
    }
--- response_headers
Cache-Control: private, max-age=3



=== TEST 39: profile_cache_control, empty, sends none
--- config
    location /api/ {
        profile_cache_control "";
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/entities", "GET /api/x"]
--- error_code eval
[200, 404]
--- response_headers eval
["! Cache-Control", "Cache-Control: no-store"]



=== TEST 40: nginx's expires replaces it, and does not add a second
--- config
    location /api/ {
        expires 1h;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- response_headers
Cache-Control: max-age=3600



=== TEST 41: profile_cache_control twice
--- config
    profile_cache_control a;
    profile_cache_control b;
--- must_die
--- error_log
[emerg]
"profile_cache_control" directive is duplicate



=== TEST 42: profile_cache_control with a line break
--- config
    profile_cache_control "no-store
X-Injected: 1";
--- must_die
--- error_log
[emerg]
"profile_cache_control" directive must not hold control characters



=== TEST 43: profile_check_interval in every context
--- http_config
    profile_check_interval 500ms;
--- config
    profile_check_interval 2s;
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /api/ {
        profile_check_interval 1m;
        profile_api;
    }
--- response_body eval
$main::List



=== TEST 44: profile_check_interval of nothing
--- config
    profile_check_interval 0;
--- must_die
--- error_log
[emerg]
"profile_check_interval" directive must not be zero



=== TEST 45: profile_check_interval that is no time
--- config
    profile_check_interval soon;
--- must_die
--- error_log
[emerg]
"profile_check_interval" directive invalid value



=== TEST 46: profile_check_interval, negative
--- config
    profile_check_interval -1s;
--- must_die
--- error_log
[emerg]
"profile_check_interval" directive invalid value



=== TEST 47: profile_check_interval twice
--- config
    profile_check_interval 1s;
    profile_check_interval 2s;
--- must_die
--- error_log
[emerg]
"profile_check_interval" directive is duplicate



=== TEST 48: profile_check_interval in an if block
--- config
    location /api/ {
        if ($arg_x) {
            profile_check_interval 1s;
        }
    }
--- must_die
--- error_log
[emerg]
"profile_check_interval" directive is not allowed here



=== TEST 49: two handlers in one location: the last one in the file is used
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        if ($arg_elsewhere) {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
        }
    }
    location /api/entities/elsewhere {
        return 200 "elsewhere\n";
    }
--- request eval
["GET /api/entities", "GET /api/entities/elsewhere?elsewhere=1"]
--- response_body eval
[$main::List, "elsewhere\n"]



=== TEST 50: return comes before the API
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        if ($arg_stop) {
            return 410;
        }
    }
--- request eval
["GET /api/entities", "GET /api/entities?stop=1"]
--- error_code eval
[200, 410]
