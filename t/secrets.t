# Why: logs are copied, kept and mailed. No key and no record id of a client
# may come into one through this module. (The access log is the operator's; its
# usual format has the query string, and here it is told not to.)

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

# The debug level of nginx prints whole requests.
log_level('info');

our @Secrets = ('secret-of-acme', 'secret-that-is-wrong', 'secret-expired',
                'id-of-a-person', 'id-of-nobody', 'secret bad',
                'c2VjcmV0LW9mLWFjbWU', 'YmVhcmVyOnNlY3JldC1vZi1hY21l');

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config', <<'END');
    log_format bare '$remote_addr $status $uri $bytes_sent';
END

    my $config = $block->config // <<'END';
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END

    $block->set_value('config', <<"END" . $config);
    access_log logs/access.log bare;
END

    $block->set_value('no_error_log', [@main::Secrets]);
    $block->set_value('no_access_log', [@main::Secrets]);
});

run_tests();

__DATA__

=== TEST 1: what is found, and what is not
--- profile
workspace 1 Acme key=secret-of-acme
key secret-expired expires=2020-01-01T00:00:00Z
entity 1 Users primary_key=id
{"id":"id-of-a-person","email":"a@example.com"}
--- request eval
["GET /api/v1/entities/1/record?record_id=id-of-a-person",
 "GET /api/v1/entities/1/record?record_id=id-of-nobody",
 "GET /api/v1/entities/9/record?record_id=id-of-a-person",
 "GET /api/v1/entities/1/record?record_id=id-of-a-person&record_id=id-of-nobody",
 "GET /api/v1/entities/1/record?record_id=id-of-a-person%zz",
 "POST /api/v1/entities/1/record?record_id=id-of-a-person",
 "GET /api/v1/x?record_id=id-of-a-person"]
--- more_headers
Authorization: Bearer secret-of-acme
--- error_code eval
[200, 404, 404, 400, 400, 405, 404]



=== TEST 2: refused keys, in every form
--- request eval
[("GET /api/v1/entities/1/record?record_id=id-of-a-person") x 6]
--- more_headers eval
["Authorization: Bearer secret-that-is-wrong",
 "Authorization: Bearer secret-expired",
 "Authorization: Bearer secret bad",
 "Authentication: Bearer secret-that-is-wrong",
 "Authorization: Basic c2VjcmV0LW9mLWFjbWU=",
 "Authentication: Bearer secret-of-acme\nAuthentication: Bearer secret-of-acme"]
--- error_code eval
[401, 401, 400, 401, 400, 400]



=== TEST 3: Basic that is right
--- request
GET /api/v1/entities/1/record?record_id=id-of-a-person
--- more_headers
Authorization: Basic YmVhcmVyOnNlY3JldC1vZi1hY21l
--- error_code: 200



=== TEST 4: a store that is missing
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_TMP/none;
        profile_api;
    }
--- request eval
[("GET /api/v1/entities/1/record?record_id=id-of-a-person") x 3]
--- more_headers
Authorization: Bearer secret-of-acme
--- error_code eval
[503, 503, 503]



=== TEST 5: a damaged record
--- profile
workspace 1 Acme key=secret-of-acme
entity 1 Users primary_key=id
{"id":"id-of-a-person","email":"a@example.com"}
--- init
profile_rewrite($ENV{TEST_NGINX_PROFILE_STORE}, sub {
    my ($key, $value) = @_;
    substr($value, 4, 4) = pack 'N', 77 if $key =~ /^\x20/;
    return [$key, $value];
});
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_check_interval 10ms;
        profile_api;
    }
--- request eval
[("GET /api/v1/entities/1/record?record_id=id-of-a-person") x 20]
--- more_headers
Authorization: Bearer secret-of-acme
--- error_code_like eval
[("200|503") x 19, 503]



=== TEST 6: a key of the location
--- config
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_bearer $arg_key;
        profile_api;
    }
--- request eval
["GET /api/v1/entities?key=secret-that-is-wrong", "GET /api/v1/entities?key=secret%20bad"]
--- error_code eval
[401, 401]
