# Why: two companies share a server. What one may not see must look exactly
# like what does not exist, and no spelling of a request may cross over.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

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

=== TEST 1: the same id in every workspace
--- profile
workspace 1 Acme key=acme
entity 1 Users primary_key=id
{"id":"1","of":"acme users"}
{"id":"acme-only","of":"acme users"}
entity 2 Companies primary_key=id
{"id":"1","of":"acme companies"}
entity 16777216 Large primary_key=id
{"id":"1","of":"acme large"}
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"1","of":"globex users"}
entity 3 Orders primary_key=id
{"id":"1","of":"globex orders"}
entity 4 Later primary_key=id unloaded
workspace 256 Initech key=initech
entity 1 Users primary_key=id
{"id":"1","of":"initech users"}
workspace 3 Hooli disabled
key hooli
entity 1 Users primary_key=id
{"id":"1","of":"hooli users"}
entity 9 Secret primary_key=id
{"id":"1","of":"hooli secret"}
--- request eval
[("GET /api/v1/entities/1/record?record_id=1") x 3]
--- more_headers eval
[map { "Authorization: Bearer $_" } qw(acme globex initech)]
--- response_body eval
[map { qq({"data":{"id":"1","of":"$_ users"}}) } qw(acme globex initech)]



=== TEST 2: every entity of others is an unknown one
--- request eval
[map { "GET /api/v1/entities/$_/record?record_id=1" }
     3, 4, 9, 5, 16777217, 65536, 4294967295, 0]
--- more_headers
Authorization: Bearer acme
--- error_code eval
[(404) x 8]
--- raw_response_headers_like eval
my $length = length profile_error('entity_not_found');
[("\\AHTTP/1.1 404 Not Found\r\nServer: [^\r\n]+\r\nDate: [^\r\n]+\r\n"
  . "Content-Type: application/json\r\nContent-Length: $length\r\n"
  . "Connection: close\r\n"
  . "Cache-Control: no-store\r\nVary: Authorization, Authentication\r\n\\z") x 8]
--- response_body eval
[(profile_error('entity_not_found')) x 8]



=== TEST 3: an entity of others that is not loaded is unknown too
--- request eval
[("GET /api/v1/entities/4/record?record_id=1") x 2]
--- more_headers eval
["Authorization: Bearer acme", "Authorization: Bearer globex"]
--- error_code eval
[404, 503]
--- response_body eval
[profile_error('entity_not_found'), profile_error('entity_not_ready')]



=== TEST 4: each list has its own entities
--- request eval
[("GET /api/v1/entities") x 3]
--- more_headers eval
[map { "Authorization: Bearer $_" } qw(acme globex initech)]
--- response_body eval
['{"data":[{"id":1,"name":"Users","library_id":1},'
 . '{"id":2,"name":"Companies","library_id":1},'
 . '{"id":16777216,"name":"Large","library_id":1}]}',
 '{"data":[{"id":1,"name":"Users","library_id":1},'
 . '{"id":3,"name":"Orders","library_id":1}]}',
 '{"data":[{"id":1,"name":"Users","library_id":1}]}']



=== TEST 5: record ids that look like the store's own keys
--- request eval
[map { "GET /api/v1/entities/1/record?record_id=$_" }
     '%01', '%02', '%20', '+%01', '%20%01%01%01%01', '%011', '2%2F1', '1%2F1',
     '1%01', '%01%01%01%021', '2%3A1%3A1', 'globex%2F1', '1&workspace=2',
     '1%20', '..%2F2%2F1']
--- more_headers
Authorization: Bearer acme
--- error_code eval
[(404) x 12, 200, (404) x 2]
--- response_body_unlike eval
[('globex|initech|hooli') x 15]



=== TEST 6: a workspace in the query, the path or a header does not count
--- request eval
["GET /api/v1/entities/1/record?record_id=1&workspace_id=2",
 "GET /api/v1/entities/1/record?record_id=1&key=globex",
 "GET /api/v1/entities/1/record?record_id=1"]
--- more_headers
Authorization: Bearer acme
X-Workspace-Id: 2
X-Forwarded-User: globex
--- response_body eval
[('{"data":{"id":"1","of":"acme users"}}') x 3]



=== TEST 7: two keys on one connection
--- pipelined_requests eval
[("GET /api/v1/entities/1/record?record_id=1") x 10]
--- more_headers eval
[map { "Authorization: Bearer $_" } (qw(acme globex)) x 5]
--- response_body eval
[map { qq({"data":{"id":"1","of":"$_ users"}}) } (qw(acme globex)) x 5]



=== TEST 8: a disabled workspace is nobody's
--- request eval
["GET /api/v1/entities/9/record?record_id=1", "GET /api/v1/entities"]
--- more_headers
Authorization: Bearer hooli
--- error_code eval
[401, 401]
--- response_body eval
[(profile_error('invalid_key')) x 2]



=== TEST 9: a location's key decides, whatever the client holds
--- config
    location /acme/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer acme;
        profile_api;
    }
--- request eval
[("GET /acme/entities/1/record?record_id=1") x 2]
--- more_headers eval
["Authorization: Bearer globex", "Authentication: Bearer globex"]
--- response_body eval
[('{"data":{"id":"1","of":"acme users"}}') x 2]
