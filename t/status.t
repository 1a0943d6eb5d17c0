# Why: an operator writes a few lines and puts a load balancer and a monitoring
# system on them. What does not make sense must be refused when it is written,
# and the page must be answered whatever the site around it does.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

our $Pages = <<'END';
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /status {
        profile_status;
    }
    location = /metrics {
        profile_status prometheus;
    }
END

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('config', $main::Pages) if !defined $block->config;
    $block->set_value('request', 'GET /status') if !defined $block->request;
});

run_tests();

__DATA__

=== TEST 1: the page in JSON, which is the default
--- profile
workspace 1 Acme key=key
entity 7 Users primary_key=id
{"id":"1","name":"first"}
entity 9 Later primary_key=id unloaded
workspace 2 Globex key=globex
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /status {
        profile_status;
    }
    location = /json {
        profile_status json;
    }
--- request eval
["GET /status", "GET /json"]
--- response_headers eval
[("Content-Type: application/json\nCache-Control: no-store\n"
  . "! ETag\n! Last-Modified\n! Retry-After\n! WWW-Authenticate") x 2]
--- response_body_like eval
[('\A\{"status":200,"code":"ok","message":"","store":"/[^"]+/store",'
  . '"generation":1,"sealed":false,"transaction":\d+,"size":\d+,'
  . '"used":\d+,"readers":[1-9]\d*,"max_readers":1024,'
  . '"requests":\{"hit":\d+,"not_modified":\d+,"miss":\d+,"denied":\d+,'
  . '"invalid":\d+,"unavailable":\d+\},'
  . '"lookups":\{"count":\d+,"seconds":\d+\.\d{9},'
  . '"buckets":\[\{"le":0\.000001,"count":\d+\},.*'
  . '\{"le":0\.1,"count":\d+\}\]\},'
  . '"workspaces":\[\{"id":1,"name":"Acme","entities":\['
  . '\{"id":7,"name":"Users","ready":true,"records":1,"bytes":34,'
  . '"changed_at":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ",'
  . '"refreshed_at":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ","age":\d+\},'
  . '\{"id":9,"name":"Later","ready":false,"records":0,"bytes":0,'
  . '"changed_at":null,"refreshed_at":null,"age":null\}\]\},'
  . '\{"id":2,"name":"Globex","entities":\[\]\}\]\}\n\z') x 2]



=== TEST 2: the page for Prometheus
--- request
GET /metrics
--- response_headers
Content-Type: text/plain; version=0.0.4; charset=utf-8
Cache-Control: no-store
! Retry-After
--- response_body_like eval
'(?s)\A# HELP profile_up Whether the store can be served\.\n'
. '# TYPE profile_up gauge\nprofile_up 1\n.*'
. '\nprofile_entity_records\{workspace="1",entity="7"\} 1\n.*\n\z'



=== TEST 3: nobody needs a key, and a key is nothing here
--- request eval
[("GET /status") x 3]
--- more_headers eval
["X: 1", "Authorization: Bearer nope", "Authorization: Bearer a b"]
--- error_code eval
[200, 200, 200]



=== TEST 4: conditions and ranges do not count
--- request eval
[("GET /status", "GET /metrics") x 3]
--- more_headers eval
[("If-None-Match: *") x 2,
 ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT") x 2,
 ("Range: bytes=0-3") x 2]
--- error_code eval
[(200) x 6]



=== TEST 5: other methods
--- request eval
["POST /status\nbody", "PUT /metrics\nbody", "DELETE /status",
 "OPTIONS /metrics"]
--- error_code eval
[(405) x 4]
--- response_headers eval
[("Content-Type: application/json\nAllow: GET, HEAD\n"
  . "Cache-Control: no-store") x 4]
--- response_body eval
[('{"status":405,"code":"method_not_allowed",'
  . '"message":"Only GET and HEAD are allowed."}') x 4]



=== TEST 6: any kind of location, and all that is below a prefix
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /prefix/ {
        profile_status;
    }
    location ^~ /strong/ {
        profile_status;
    }
    location ~ \.status$ {
        profile_status;
    }
    location @named {
        profile_status;
    }
    location = /named {
        error_page 418 = @named;
        return 418;
    }
--- request eval
["GET /prefix/", "GET /prefix/x?y=1", "GET /strong/x", "GET /a.status",
 "GET /named"]
--- error_code eval
[(200) x 5]
--- response_body_like eval
[('^\{"status":200,"code":"ok",') x 5]



=== TEST 7: if and limit_except blocks are parts of their location
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status;
        profile_max_age 100d;

        if ($arg_x) {
            add_header X-Block if;
        }
        limit_except GET {
            deny all;
        }
    }
    location /metrics {
        profile_status prometheus;

        if ($arg_x) {
            add_header X-Block if;
        }
    }
--- request eval
["GET /status", "GET /status?x=1", "POST /status", "GET /metrics?x=1"]
--- error_code eval
[503, 503, 403, 200]
--- response_headers eval
["! X-Block\nRetry-After: 1", "Retry-After: 1", "! X-Block",
 "X-Block: if\nContent-Type: text/plain; version=0.0.4; charset=utf-8"]
--- response_body_like eval
['"code":"entity_stale"', '"code":"entity_stale"', '<html>',
 '^# HELP profile_up ']



=== TEST 8: a location inside is not the page
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status;

        location /status/files {
            root $TEST_NGINX_PROFILE_TMP;
        }
        location /status/metrics {
            profile_status prometheus;
        }
        location /status/api {
            profile_api;
        }
    }
--- request eval
["GET /status/files", "GET /status/metrics", "GET /status/api/entities",
 "GET /status/other"]
--- error_code eval
[404, 200, 401, 200]
--- response_body_like eval
['<html>', '^# HELP', 'missing_credentials', '^\{"status":200']



=== TEST 9: a store that is not there
--- config
    location = /status {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_status;
    }
    location = /metrics {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_status prometheus;
    }
--- request eval
["GET /status", "GET /metrics"]
--- error_code eval
[503, 503]
--- response_headers eval
["Retry-After: 1\nContent-Type: application/json\nCache-Control: no-store",
 "Retry-After: 1\nContent-Type: text/plain; version=0.0.4; charset=utf-8"]
--- response_body_like eval
['\A\{"status":503,"code":"store_unavailable","message":"there is no store '
 . 'yet: /[^"]+/none/CURRENT does not exist; profile-loader sync makes it",'
 . '"store":"/[^"]+/none","generation":null,"sealed":null,'
 . '"transaction":null,"size":null,"used":null,"readers":null,'
 . '"max_readers":null,"requests":\{.*\},"lookups":\{.*\},'
 . '"workspaces":\[\]\}\n\z',
 '(?s)\A# HELP profile_up [^\n]+\n# TYPE profile_up gauge\nprofile_up 0\n'
 . '# HELP profile_requests_total (?!.*profile_(store|entity|degraded)).*\n\z']



=== TEST 10: Retry-After is the check interval in whole seconds
--- config
    location = /status {
        profile_store $TEST_NGINX_PROFILE_TMP/slow;
        profile_check_interval 2001ms;
        profile_status;
    }
--- error_code: 503
--- response_headers
Retry-After: 3



=== TEST 11: a site's own error pages do not replace it
--- config
    error_page 405 503 /sorry;
    profile_store $TEST_NGINX_PROFILE_TMP/none;

    location = /status {
        profile_status;
    }
    location = /sorry {
        return 200 "sorry\n";
    }
--- request eval
["GET /status", "POST /status"]
--- error_code eval
[503, 405]
--- response_body_like eval
['"code":"store_unavailable"', '"code":"method_not_allowed"']



=== TEST 12: compressed like any reply of its type
--- config
    gzip on;
    gzip_min_length 1;
    gzip_types text/plain application/json;
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /status {
        profile_status;
    }
    location = /metrics {
        profile_status prometheus;
    }
--- request eval
["GET /status", "GET /metrics"]
--- more_headers
Accept-Encoding: gzip
--- response_headers eval
["Content-Encoding: gzip\nContent-Type: application/json",
 "Content-Encoding: gzip\n"
 . "Content-Type: text/plain; version=0.0.4; charset=utf-8"]
--- response_body_like eval
[('\A\x1f\x8b') x 2]



=== TEST 13: the charset of the page is its own
--- config
    charset koi8-r;
    charset_types text/plain application/json;
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /metrics {
        profile_status prometheus;
    }
--- request
GET /metrics
--- response_headers
Content-Type: text/plain; version=0.0.4; charset=utf-8



=== TEST 14: nginx's own guards
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /status {
        deny all;
        profile_status;
    }
--- error_code: 403
--- response_body_like: <html>



=== TEST 15: the page inside another one
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /status {
        internal;
        profile_status;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/status" -->]';
    }
--- request
GET /page
--- response_body_like: \A\[\{"status":200,"code":"ok",.*\}\n\]\z



=== TEST 16: profile_max_age is inherited, and one of its own counts
--- profile
workspace 1 Acme key=key
entity 9 Later primary_key=id unloaded
--- http_config
    profile_max_age 1d;
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location = /status {
        profile_status;
    }
    location = /own {
        profile_max_age 2d;
        profile_status;
    }
    location /api/ {
        profile_api;
    }
--- request eval
["GET /status", "GET /own", "GET /api/entities"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[503, 503, 200]
--- response_body_like eval
['^\{"status":503,"code":"entity_stale","message":"entity 9 of workspace 1 '
 . 'has not been loaded yet","store"', '"code":"entity_stale"', '^\{"data":']



=== TEST 17: without profile_max_age an entity that is not loaded is no failure
--- error_code: 200



=== TEST 18: profile_status without a store
--- config
    location /status {
        profile_status;
    }
--- must_die
--- error_log
[emerg]
"profile_status" in location "/status" requires "profile_store"



=== TEST 19: profile_status twice
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status;
        profile_status prometheus;
    }
--- must_die
--- error_log
[emerg]
"profile_status" directive is duplicate



=== TEST 20: profile_status of another word
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status html;
    }
--- must_die
--- error_log
[emerg]
"profile_status" directive must be "json" or "prometheus"



=== TEST 21: profile_status of a word in capitals
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status JSON;
    }
--- must_die
--- error_log
[emerg]
"profile_status" directive must be "json" or "prometheus"



=== TEST 22: profile_status of two words
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status json prometheus;
    }
--- must_die
--- error_log
[emerg]
invalid number of arguments in "profile_status" directive



=== TEST 23: profile_status after profile_api
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_api;
        profile_status;
    }
--- must_die
--- error_log
[emerg]
"profile_status" directive cannot be used beside "profile_api"



=== TEST 24: profile_api after profile_status
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        profile_status;
        profile_api;
    }
--- must_die
--- error_log
[emerg]
"profile_api" directive cannot be used beside "profile_status"



=== TEST 25: profile_status in server
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;
    profile_status;
--- must_die
--- error_log
[emerg]
"profile_status" directive is not allowed here



=== TEST 26: profile_status in http
--- http_config
    profile_status;
--- must_die
--- error_log
[emerg]
"profile_status" directive is not allowed here



=== TEST 27: profile_status in an if block
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /status {
        if ($arg_x) {
            profile_status;
        }
    }
--- must_die
--- error_log
[emerg]
"profile_status" directive is not allowed here



=== TEST 28: profile_max_age of nothing
--- config
    profile_max_age 0;
--- must_die
--- error_log
[emerg]
"profile_max_age" directive must not be zero



=== TEST 29: profile_max_age that is no time
--- config
    profile_max_age old;
--- must_die
--- error_log
[emerg]
"profile_max_age" directive invalid value



=== TEST 30: profile_max_age, negative
--- config
    profile_max_age -1h;
--- must_die
--- error_log
[emerg]
"profile_max_age" directive invalid value



=== TEST 31: profile_max_age twice
--- config
    profile_max_age 1h;
    profile_max_age 2h;
--- must_die
--- error_log
[emerg]
"profile_max_age" directive is duplicate



=== TEST 32: profile_max_age in an if block
--- config
    location /status {
        if ($arg_x) {
            profile_max_age 1h;
        }
    }
--- must_die
--- error_log
[emerg]
"profile_max_age" directive is not allowed here



=== TEST 33: a path with a slash at its end names the same store
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE/;
        profile_api;
    }
    location = /status {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_status;
    }
--- request eval
["GET /api/entities", "GET /status"]
--- more_headers
Authorization: Bearer key
--- response_body_like eval
['^\{"data":\[', '"store":"/[^"]+/store",.*"requests":\{"hit":[1-9]']
