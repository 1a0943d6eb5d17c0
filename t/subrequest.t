# Why: pages are put together from records with SSI, and other modules make
# requests of their own. nginx's access phase does not run for those, so the
# API itself must hold, and a reply must fit into its page.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

our $First = '{"data":{"id":"1","name":"first"}}';
our $Second = '{"data":{"id":"2","name":"second"}}';

run_tests();

__DATA__

=== TEST 1: SSI with the client's own key
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
{"id":"2","name":"second"}
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"1","name":"of globex"}
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/api/v1/entities/1/record?record_id=1" -->]';
    }
--- request
GET /page
--- more_headers
Authorization: Bearer key
--- response_headers
Content-Type: text/html
! WWW-Authenticate
! ETag
--- response_body eval
"[$main::First]"



=== TEST 2: SSI without a key has the refusal inside, and the page stands
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/api/v1/entities/1/record?record_id=1" -->]';
    }
--- request eval
["GET /page", "GET /page", "GET /page"]
--- more_headers eval
["X: 1", "Authorization: Bearer nope", "Authorization: Bearer a b"]
--- response_headers eval
[("Content-Type: text/html\n! WWW-Authenticate\n! Allow") x 3]
--- response_body eval
["[" . profile_error('missing_credentials') . "]",
 "[" . profile_error('invalid_key') . "]",
 "[" . profile_error('invalid_credentials') . "]"]



=== TEST 3: SSI with a key that the browser does not hold
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/records/entities/1/record?record_id=$arg_id" -->]';
    }
--- request eval
["GET /page?id=1", "GET /page?id=2", "GET /page?id=3", "GET /page",
 "GET /records/entities"]
--- error_code eval
[200, 200, 200, 200, 404]
--- response_body_like eval
['\A\[\{"data":\{"id":"1","name":"first"\}\}\]\z',
 '\A\[\{"data":\{"id":"2","name":"second"\}\}\]\z',
 '\A\[\{"status":404,"code":"record_not_found",.*\}\]\z',
 '\A\[\{"status":400,"code":"missing_record_id",.*\}\]\z',
 '<html>']



=== TEST 4: the location's key wins over the client's
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/records/entities/1/record?record_id=1" -->]';
    }
--- request eval
["GET /page", "GET /page"]
--- more_headers eval
["Authorization: Bearer globex", "Authorization: Bearer a b"]
--- response_body eval
[("[$main::First]") x 2]



=== TEST 5: several records and two workspaces in one page
--- config
    location /acme/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location /globex/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer globex;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '<!--#include virtual="/acme/entities/1/record?record_id=1" -->|<!--#include virtual="/globex/entities/1/record?record_id=1" -->|<!--#include virtual="/acme/entities/1/record?record_id=2" wait="yes" -->|<!--#include virtual="/globex/entities/1/record?record_id=2" -->|<!--#include virtual="/acme/entities" -->';
    }
--- request
GET /page
--- response_body eval
CORE::join '|', $main::First, '{"data":{"id":"1","name":"of globex"}}',
          $main::Second, profile_error('record_not_found'),
          '{"data":[{"id":1,"name":"Users","library_id":1}]}'



=== TEST 6: the same record many times
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /four {
        ssi on;
        default_type text/html;
        return 200 '<!--#include virtual="/records/entities/1/record?record_id=1" --><!--#include virtual="/records/entities/1/record?record_id=1" --><!--#include virtual="/records/entities/1/record?record_id=1" --><!--#include virtual="/records/entities/1/record?record_id=1" -->';
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '<!--#include virtual="/four" --><!--#include virtual="/four" --><!--#include virtual="/four" --><!--#include virtual="/four" -->';
    }
--- request
GET /page
--- response_body eval
$main::First x 16



=== TEST 7: a condition on the page is not one on its records
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/records/entities/1/record?record_id=1" -->]';
    }
--- request eval
["GET /page", "GET /page", "GET /page"]
--- more_headers eval
["If-None-Match: \"x\"", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
 "Range: bytes=0-3"]
--- response_body eval
[("[$main::First]") x 3]



=== TEST 8: a page that was posted to
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/records/entities/1/record?record_id=1" -->]';
    }
--- request
POST /page
name=value
--- response_body eval
"[$main::First]"



=== TEST 9: HEAD of a page
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/records/entities/1/record?record_id=1" -->]';
    }
--- request
HEAD /page
--- response_body



=== TEST 10: a missing store in a page
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/records/entities" -->]';
    }
--- request
GET /page
--- response_headers
! Retry-After
--- error_log
profile store "
--- response_body eval
"[" . profile_error('store_unavailable') . "]"



=== TEST 11: addition, which takes a path without a query
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location /others/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer nope;
        profile_api;
    }
    location = /page {
        default_type text/html;
        add_before_body /records/entities;
        add_after_body /others/entities;
        return 200 "|middle|";
    }
--- request
GET /page
--- response_headers
! WWW-Authenticate
--- response_body eval
'{"data":[{"id":1,"name":"Users","library_id":1}]}|middle|'
. profile_error('invalid_key')



=== TEST 12: mirror, from elsewhere into the API
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location = /page {
        mirror /records/entities;
        return 200 "page\n";
    }
--- request eval
["GET /page", "POST /page\nbody"]
--- response_body eval
[("page\n") x 2]



=== TEST 13: mirror, from the API to elsewhere
--- config
    location /api/v1/ {
        mirror /copy;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /copy {
        internal;
        return 200 "copy\n";
    }
--- request eval
["GET /api/v1/entities/1/record?record_id=1", "GET /api/v1/entities/1/record?record_id=1"]
--- more_headers eval
["Authorization: Bearer key", "X: 1"]
--- error_code eval
[200, 401]
--- response_body eval
[$main::First, profile_error('missing_credentials')]



=== TEST 14: mirror, from the API into the API
--- config
    location /api/v1/ {
        mirror /records/entities;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/v1/entities/1/record?record_id=1
--- more_headers
Authorization: Bearer key
--- response_body eval
$main::First



=== TEST 15: auth_request asks the API whether a key is good
--- config
    location /check/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /page {
        auth_request /check/entities;
        add_header X-Page yes;
        return 204;
    }
    location /files/ {
        auth_request /check/entities;
        alias $TEST_NGINX_PROFILE_TMP/;
    }
--- request eval
["GET /files/none", "GET /files/none", "GET /files/none"]
--- more_headers eval
["Authorization: Bearer key", "X: 1", "Authorization: Bearer nope"]
--- error_code eval
[404, 401, 401]
--- response_headers eval
["! WWW-Authenticate", 'WWW-Authenticate: Bearer realm="profile"',
 'WWW-Authenticate: Bearer realm="profile", error="invalid_token"']



=== TEST 16: an error page that is a record
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /old/ {
        error_page 404 =200 /api/v1/entities/1/record?record_id=1;
        return 404;
    }
    location /older/ {
        error_page 410 = /api/v1/entities/1/record?record_id=2;
        return 410;
    }
--- request eval
["GET /old/x", "GET /older/x"]
--- more_headers
Authorization: Bearer key
--- response_headers eval
[("Content-Type: application/json\nCache-Control: private, no-cache") x 2]
--- response_body eval
[$main::First, $main::Second]



=== TEST 17: X-Accel-Redirect into an internal API location
--- config
    location /records/ {
        internal;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
    }
    location /app/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
    }
    location = /backend {
        add_header X-Accel-Redirect /records/entities/1/record?record_id=1;
        return 204;
    }
--- request
GET /app/
--- response_headers
Content-Type: application/json
--- response_body eval
$main::First



=== TEST 18: SSI inside the API's own location leaves records alone
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"<!--#include virtual=\"/secret\" -->"}
--- config
    location /api/v1/ {
        ssi on;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /secret {
        return 200 "secret";
    }
--- request
GET /api/v1/entities/1/record?record_id=1
--- more_headers
Authorization: Bearer key
--- response_body chomp
{"data":{"id":"1","name":"<!--#include virtual=\"/secret\" -->"}}



=== TEST 19: a map chooses the key, for each record of a page
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"1","name":"of globex"}
--- http_config
    map $uri $tenant {
        volatile;
        ~^/acme/ key;
        ~^/globex/ globex;
    }
--- config
    profile_store $TEST_NGINX_PROFILE_STORE;

    location /acme/ {
        internal;
        profile_bearer $tenant;
        profile_api;
    }
    location /globex/ {
        internal;
        profile_bearer $tenant;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        return 200 '[<!--#include virtual="/acme/entities/1/record?record_id=1" -->|<!--#include virtual="/globex/entities/1/record?record_id=1" -->]';
    }
--- request
GET /page
--- response_body eval
"[$main::First|" . '{"data":{"id":"1","name":"of globex"}}]'



=== TEST 20: what is written into a record is not carried out
--- profile
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"<!--#include virtual='/secret' -->"}
--- config
    ssi on;
    ssi_types application/json;

    location /api/v1/ {
        ssi off;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location = /page {
        default_type application/json;
        return 200 '[<!--#include virtual="/api/v1/entities/1/record?record_id=1" -->]';
    }
    location /secret {
        return 200 "secret";
    }
--- request
GET /page
--- more_headers
Authorization: Bearer key
--- response_body chomp
[{"data":{"id":"1","name":"<!--#include virtual='/secret' -->"}}]
