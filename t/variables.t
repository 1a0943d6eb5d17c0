# Why: limits, maps and headers hang on the variables, and are asked in any
# phase and any location. What they say must be of this request, in this
# location, by this key: a value that is somebody else's lets one tenant pass
# for another.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

# One header that tells all.
our $Headers = <<'END';
    add_header X-Who "[$profile_workspace][$profile_key][$profile_entity][$profile_result][$profile_generation]" always;
    add_header X-When "[$profile_refreshed_at][$profile_age]" always;
END

add_block_preprocessor(sub {
    my $block = shift;

    my $config = $block->config // <<'END';
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END

    $block->set_value('config', $main::Headers . $config)
        if !defined $block->must_die;
});

run_tests();

__DATA__

=== TEST 1: a record
--- profile
workspace 1 Acme key=key
key other name=sidebar
key expired expires=2020-01-01T00:00:00Z
key long-lived expires=2100-01-01T00:00:00Z
entity 1 Users primary_key=id
{"id":"1","name":"first"}
{"id":"page","name":"<!--#include virtual='/globex/entities/3/record?record_id=1' -->"}
entity 2 Later primary_key=id unloaded
workspace 2 Globex key=globex
key hey name=of-the-same-length
entity 3 Orders primary_key=id
{"id":"1","name":"of globex"}
workspace 3 Initech
key initech name=a;/"b\
--- request eval
["GET /api/entities/1/record?record_id=1",
 "HEAD /api/entities/1/record?record_id=1",
 "GET /api/entities/1/record?record_id=1",
 "GET /api/entities/1/record?record_id=1",
 "GET /api/entities/3/record?record_id=1",
 "GET /api/entities"]
--- more_headers eval
["Authorization: Bearer key", "Authorization: Bearer key",
 "Authentication: Bearer other", "Authorization: Bearer long-lived",
 "Authorization: Basic YmVhcmVyOmdsb2JleA==",
 "Authorization: Bearer initech"]
--- response_headers eval
["X-Who: [1][key1][1][hit][1]", "X-Who: [1][key1][1][hit][1]",
 "X-Who: [1][sidebar][1][hit][1]", "X-Who: [1][key4][1][hit][1]",
 "X-Who: [2][key1][3][hit][1]",
 "X-Who: [3][a;/\"b\\][][hit][1]\nX-When: [][]"]



=== TEST 2: when it was refreshed
--- request eval
[("GET /api/entities/1/record?record_id=1") x 2, "GET /api/entities",
 "GET /api/entities/2/record?record_id=1",
 "GET /api/entities/1/record?record_id=none"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[200, 200, 200, 503, 404]
--- raw_response_headers_like eval
[("X-When: \\[17\\d{8}\\]\\[\\d+\\]\r\n") x 2, ("X-When: \\[\\]\\[\\]\r\n") x 2,
 "X-When: \\[17\\d{8}\\]\\[\\d+\\]\r\n"]



=== TEST 3: every kind of failure
--- request eval
["GET /api/entities/1/record?record_id=none",
 "GET /api/entities/9/record?record_id=1",
 "GET /api/entities/3/record?record_id=1",
 "GET /api/other",
 "GET /api/entities/1/record",
 "GET /api/entities/1/record?record_id=%",
 "GET /api/entities/2/record?record_id=1",
 "GET /api/entities/01/record?record_id=1"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[404, 404, 404, 404, 400, 400, 503, 404]
--- response_headers eval
["X-Who: [1][key1][1][miss][1]", "X-Who: [1][key1][][miss][1]",
 "X-Who: [1][key1][][miss][1]", "X-Who: [1][key1][][miss][1]",
 "X-Who: [1][key1][1][invalid][1]", "X-Who: [1][key1][1][invalid][1]",
 "X-Who: [1][key1][2][unavailable][1]", "X-Who: [1][key1][][miss][1]"]



=== TEST 4: nobody
--- request eval
[("GET /api/entities/1/record?record_id=1") x 5]
--- more_headers eval
["X: 1", "Authorization: Bearer nope", "Authorization: Bearer expired",
 "Authorization: Bearer a b",
 "Authentication: Bearer key\nAuthentication: Bearer key"]
--- error_code eval
[401, 401, 401, 400, 400]
--- response_headers eval
["X-Who: [][][][denied][]\nX-When: [][]", "X-Who: [][][][denied][1]",
 "X-Who: [][][][denied][1]\nX-When: [][]", "X-Who: [][][][invalid][]",
 "X-Who: [][][][invalid][]"]



=== TEST 5: conditions, other methods
--- request eval
["GET /api/entities/1/record?record_id=1",
 "GET /api/entities/1/record?record_id=1",
 "POST /api/entities/1/record?record_id=1\nbody",
 "DELETE /api/entities"]
--- more_headers eval
["Authorization: Bearer key\nIf-None-Match: *",
 "Authorization: Bearer key\nIf-Match: \"x\"", "Authorization: Bearer key",
 "Authorization: Bearer nope"]
--- error_code eval
[304, 412, 405, 405]
--- response_headers eval
["X-Who: [1][key1][1][hit][1]", "X-Who: [1][key1][1][invalid][1]",
 "X-Who: [1][key1][1][invalid][1]", "X-Who: [][][][invalid][1]"]



=== TEST 6: outside of the API they are empty
--- config
    location /t {
        return 200 "ok\n";
    }
    location /status {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_status;
    }
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        location /api/inside/ {
            return 200 "ok\n";
        }
    }
--- request eval
["GET /t", "GET /status", "GET /api/inside/entities", "GET /none"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[200, 200, 200, 404]
--- response_headers eval
[("X-Who: [][][][][]\nX-When: [][]") x 4]



=== TEST 7: before the content phase
--- config
    location /api/ {
        set $before "[$profile_workspace][$profile_key][$profile_entity][$profile_result][$profile_generation]";
        add_header X-Before $before always;
        add_header X-After "[$profile_workspace][$profile_key][$profile_entity][$profile_result][$profile_generation]" always;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/entities/1/record?record_id=1",
 "GET /api/entities/1/record?record_id=none",
 "GET /api/entities/1/record?record_id=1",
 "GET /api/entities/1/record?record_id=1",
 "GET /api/entities/1/record?record_id=1",
 "POST /api/entities/1/record?record_id=1"]
--- more_headers eval
[("Authorization: Bearer key") x 2, "Authorization: Bearer nope",
 "Authorization: Bearer a b", "X: 1", "Authorization: Bearer key"]
--- error_code eval
[200, 404, 401, 400, 401, 405]
--- response_headers eval
["X-Before: [1][key1][1][][1]\nX-After: [1][key1][1][hit][1]",
 "X-Before: [1][key1][1][][1]\nX-After: [1][key1][1][miss][1]",
 "X-Before: [][][][denied][1]\nX-After: [][][][denied][1]",
 "X-Before: [][][][invalid][]\nX-After: [][][][invalid][]",
 "X-Before: [][][][denied][]\nX-After: [][][][denied][]",
 "X-Before: [1][key1][1][][1]\nX-After: [1][key1][1][invalid][1]"]



=== TEST 8: if blocks
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        if ($profile_workspace = 2) {
            return 403;
        }
        if ($profile_key = sidebar) {
            add_header X-Block "[$profile_workspace][$profile_key][$profile_entity][$profile_result]" always;
        }
        if ($profile_workspace = "") {
            return 421;
        }
    }
--- request eval
[("GET /api/entities/1/record?record_id=1") x 4]
--- more_headers eval
[map { "Authorization: Bearer $_" } qw(key other globex nope)]
--- error_code eval
[200, 200, 403, 421]
--- response_headers eval
["X-Who: [1][key1][1][hit][1]\n! X-Block",
 "X-Block: [1][sidebar][1][hit]", "X-Who: [2][key1][][][1]",
 "X-Who: [][][][denied][1]"]



=== TEST 9: maps
--- http_config
    map $profile_workspace $tenant {
        volatile;
        ""       nobody;
        1        acme;
        default  other;
    }
    map "$profile_workspace:$profile_key" $reader {
        1:sidebar  yes;
        default    no;
    }
--- config
    location /api/ {
        add_header X-Map "$tenant $reader" always;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
[("GET /api/entities") x 4]
--- more_headers eval
[map { "Authorization: Bearer $_" } qw(key other globex nope)]
--- error_code eval
[200, 200, 200, 401]
--- response_headers eval
["X-Map: acme no", "X-Map: acme yes", "X-Map: other no", "X-Map: nobody no"]



=== TEST 10: rewritten to another location, with another key
--- config
    location /a/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer key;
        profile_api;
        set $before "[$profile_workspace][$profile_key][$profile_entity]";
        rewrite ^/a/(.*)$ /b/$1 last;
    }
    location /b/ {
        add_header X-Before $before always;
        add_header X-After "[$profile_workspace][$profile_key][$profile_entity][$profile_result]" always;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $arg_key;
        profile_api;
    }
--- request eval
["GET /a/entities/1/record?record_id=1&key=globex",
 "GET /a/entities/3/record?record_id=1&key=globex",
 "GET /a/entities/1/record?record_id=1&key=other",
 "GET /a/entities/1/record?record_id=1&key=nope",
 "GET /a/entities/1/record?record_id=1",
 "GET /a/entities/3/record?record_id=1&key=hey"]
--- error_code eval
[404, 200, 200, 401, 401, 200]
--- response_headers eval
["X-Before: [1][key1][1]\nX-After: [2][key1][][miss]",
 "X-Before: [1][key1][]\nX-After: [2][key1][3][hit]",
 "X-Before: [1][key1][1]\nX-After: [1][sidebar][1][hit]",
 "X-Before: [1][key1][1]\nX-After: [][][][denied]",
 "X-Before: [1][key1][1]\nX-After: [][][][denied]",
 "X-Before: [1][key1][]\nX-After: [2][of-the-same-length][3][hit]"]



=== TEST 11: rewritten within the API, to another entity
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $before "[$profile_entity]";
        rewrite ^/api/users/(.*)$ /api/entities/1/record?record_id=$1 break;
        rewrite ^/api/entities/9/ /api/entities/1/record break;
        add_header X-Entity "$before[$profile_entity]" always;
    }
    location /swap/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $before "[$profile_entity]";
        rewrite ^/swap/entities/1/ /swap/entities/2/record break;
        add_header X-Entity "$before[$profile_entity]" always;
    }
--- request eval
["GET /api/users/1", "GET /api/entities/2/record?record_id=1",
 "GET /api/entities/9/record?record_id=1",
 "GET /swap/entities/1/record?record_id=1"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[200, 503, 200, 503]
--- response_headers eval
["X-Entity: [][1]", "X-Entity: [2][2]", "X-Entity: [][1]", "X-Entity: [1][2]"]



=== TEST 12: rewritten to another store, with the same key
--- config eval
$ENV{TEST_NGINX_PROFILE_OTHER} = $main::Other //= profile_store(<<'END2');
workspace 44 Other
key key name=of-the-other
entity 1 Users primary_key=id
{"id":"1"}
END2
<<'END';
    location /a/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $before "[$profile_workspace][$profile_key]";
        rewrite ^/a/(.*)$ /b/$1 last;
    }
    location /b/ {
        add_header X-Before $before always;
        add_header X-After "[$profile_workspace][$profile_key][$profile_result]" always;
        profile_store $TEST_NGINX_PROFILE_OTHER;
        profile_api;
    }
END
--- request eval
["GET /a/entities/1/record?record_id=1",
 "GET /a/entities/1/record?record_id=1"]
--- more_headers eval
["Authorization: Bearer key", "Authorization: Bearer other"]
--- error_code eval
[200, 401]
--- response_headers eval
["X-Before: [1][key1]\nX-After: [44][of-the-other][hit]",
 "X-Before: [1][sidebar]\nX-After: [][][denied]"]



=== TEST 13: rewritten out of the API
--- config
    location /a/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $tenant $profile_workspace;
        rewrite ^ /out last;
    }
    location /out {
        return 200 "$tenant [$profile_workspace]\n";
    }
--- request
GET /a/entities
--- more_headers
Authorization: Bearer key
--- response_body
1 []



=== TEST 14: redirected inside
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /globex/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer globex;
        profile_api;
    }
    location /try/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $before $profile_workspace;
        try_files /none /globex/entities;
    }
    location /denied/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $before $profile_workspace;
        error_page 403 = /api/entities/1/record?record_id=1;
        return 403;
    }
    location /out/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        set $before $profile_workspace;
        error_page 403 = /page;
        return 403;
    }
    location = /page {
        return 200 "page\n";
    }
    location /named/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
        error_page 403 = @named;
        set $before $profile_workspace;
        return 403;
    }
    location @named {
        return 200 "named\n";
    }
--- request eval
["GET /try/x", "GET /denied/entities", "GET /out/entities",
 "GET /named/entities", "GET /try/x"]
--- more_headers eval
[("Authorization: Bearer key") x 4, "X: 1"]
--- response_headers eval
["X-Who: [2][key1][][hit][1]", "X-Who: [1][key1][1][hit][1]",
 "X-Who: [][][][][]", "X-Who: [][][][][]", "X-Who: [2][key1][][hit][1]"]



=== TEST 15: what nginx answers itself
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;

        if ($request_method = OPTIONS) {
            return 204;
        }
        limit_except GET OPTIONS {
            deny all;
        }
    }
--- request eval
["OPTIONS /api/entities", "OPTIONS /api/entities", "POST /api/entities"]
--- more_headers eval
["X: 1", "Authorization: Bearer key", "Authorization: Bearer key"]
--- error_code eval
[204, 204, 403]
--- response_headers eval
["X-Who: [][][][denied][]", "X-Who: [1][key1][][][1]",
 "X-Who: [1][key1][][][1]"]



=== TEST 16: a page with records of two workspaces, and its own
--- config
    location /api/ {
        ssi on;
        ssi_types application/json;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
    location /globex/ {
        set $seen "$seen<$profile_workspace>";
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer globex;
        profile_api;
    }
    location = /page {
        ssi on;
        default_type text/html;
        set $seen "";
        return 200 '<!--#echo var="profile_workspace" default="-" --><!--#include virtual="/globex/entities" wait="yes" --><!--#echo var="profile_workspace" default="-" --><!--#echo var="profile_result" default="-" -->';
    }
    location = /own {
        profile_store $TEST_NGINX_PROFILE_STORE;
        return 200 "own\n";
    }
--- request eval
["GET /api/entities/1/record?record_id=page", "GET /page"]
--- more_headers
Authorization: Bearer key
--- response_headers eval
["X-Who: [1][key1][1][hit][1]", "X-Who: [][][][][]"]
--- response_body eval
['{"data":{"id":"page","name":"{"data":{"id":"1","name":"of globex"}}"}}',
 '-{"data":[{"id":3,"name":"Orders","library_id":1}]}--']



=== TEST 17: profile_bearer with a variable that depends on it
--- http_config
    map $profile_workspace $circle {
        ""       key;
        default  other;
    }
--- config
    location /key/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $profile_key;
        profile_api;
    }
    location /all/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer "$profile_key$profile_workspace$profile_entity$profile_result$profile_age";
        profile_api;
    }
    location /map/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $circle;
        profile_api;
    }
    location /set/ {
        set $early "$profile_workspace$profile_key";
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $profile_key;
        profile_api;
    }
--- request eval
["GET /key/entities", "GET /all/entities", "GET /map/entities",
 "GET /set/entities"]
--- more_headers
Authorization: Bearer key
--- error_code eval
[401, 401, 200, 401]
--- response_headers eval
["X-Who: [][][][denied][]", "X-Who: [][][][denied][]",
 "X-Who: [1][key1][][hit][1]", "X-Who: [][][][denied][]"]
--- no_error_log
cycle while evaluating variable
[error]



=== TEST 18: profile_bearer by another header
--- config
    location /api/ {
        set $before "[$profile_workspace][$profile_key]";
        add_header X-Before $before always;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $http_x_api_key;
        profile_api;
    }
--- request eval
[("GET /api/entities") x 2]
--- more_headers eval
["X-Api-Key: other\nAuthorization: Bearer globex",
 "Authorization: Bearer globex"]
--- error_code eval
[200, 401]
--- response_headers eval
["X-Before: [1][sidebar]", "X-Before: [][]"]



=== TEST 19: a store that is missing
--- config
    location /api/ {
        set $before "[$profile_workspace][$profile_result]";
        add_header X-Before $before always;
        add_header X-After "[$profile_workspace][$profile_key][$profile_entity][$profile_result][$profile_generation][$profile_age]" always;
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request eval
["GET /api/entities/1/record?record_id=1", "GET /api/entities"]
--- more_headers eval
["Authorization: Bearer key", "X: 1"]
--- error_code eval
[503, 401]
--- response_headers eval
["X-Before: [][unavailable]\nX-After: [][][][unavailable][][]",
 "X-Before: [][denied]\nX-After: [][][][denied][][]"]



=== TEST 20: in front of other handlers of a server
--- config
    set $early "[$profile_workspace]";

    location /api/ {
        add_header X-Early "$early[$profile_workspace]" always;
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/entities
--- more_headers
Authorization: Bearer key
--- response_headers
X-Early: [][1]



=== TEST 21: they cannot be set
--- config
    location /api/ {
        set $profile_workspace 2;
    }
--- must_die
--- error_log
[emerg]
the duplicate "profile_workspace" variable



=== TEST 22: nor mapped
--- http_config
    map $arg_x $profile_key {
        default x;
    }
--- config
    location /api/ {
        return 200;
    }
--- must_die
--- error_log
[emerg]
the duplicate "profile_key" variable



=== TEST 23: they are there where no API is
--- config
    location /t {
        return 200 "[$profile_workspace$profile_key$profile_entity$profile_result$profile_refreshed_at$profile_age$profile_generation]\n";
    }
--- request
GET /t
--- more_headers
Authorization: Bearer key
--- response_body
[]
