# Why: a key is all that stands between two companies' customers. Each form of
# credentials that clients send, and each way to get it wrong, has one answer.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

use MIME::Base64 qw(encode_base64);

no_long_string();

my $missing = 'Bearer realm="profile"';
my $invalid = 'Bearer realm="profile", error="invalid_token"';

our $Key = 'secret-token:1234';
our $Good = "Authorization: Bearer $Key";
our $Path = 'GET /api/v1/entities/1/record?record_id=1';
our $Body = '{"data":{"id":"1"}}';

our $MissingHeaders = "WWW-Authenticate: $missing\n"
                      . "Content-Type: application/json\n"
                      . "Cache-Control: no-store\n"
                      . "Vary: Authorization, Authentication\n"
                      . "! ETag\n! Last-Modified\n! Retry-After";

(our $InvalidHeaders = $MissingHeaders) =~ s/^.*$/WWW-Authenticate: $invalid/m;

our $MalformedHeaders = "! WWW-Authenticate\n"
                        . "Content-Type: application/json\n"
                        . "Cache-Control: no-store\n"
                        . "Vary: Authorization, Authentication";

# A block lists headers, one set a line in the table, and says what becomes of
# every one of them.
add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('config', <<'END') if !defined $block->config;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END

    my $headers = $block->each_header or return;
    my $count = @$headers;

    my %outcome = (
        accepted  => [200, $Body, ''],
        missing   => [401, profile_error('missing_credentials'),
                      $MissingHeaders],
        invalid   => [401, profile_error('invalid_key'), $InvalidHeaders],
        malformed => [400, profile_error('invalid_credentials'),
                      $MalformedHeaders],
    );

    my ($word) = $block->becomes =~ /(\w+)/;
    my ($status, $body, $reply_headers) = @{ $outcome{$word} };

    $block->set_value('request', [($Path) x $count]);
    $block->set_value('more_headers', $headers);
    $block->set_value('error_code', [($status) x $count]);
    $block->set_value('response_body', [($body) x $count]);
    $block->set_value('response_headers', [($reply_headers) x $count]);
});

sub basic { return 'Basic ' . encode_base64($_[0], '') }

run_tests();

__DATA__

=== TEST 1: every form of credentials
--- profile
workspace 1 Acme key=secret-token:1234 key=other-key
key !"#$%&'()*+,-./0123456789:;<=>?@ABCXYZ[\]^_`abcxyz{|}~ name=visible
key old-key expires=2020-01-01T00:00:00Z
key new-key expires=2099-12-31T23:59:59Z
key : name=colon
key bearer:bearer name=twice
entity 1 Users primary_key=id
{"id":"1"}
workspace 2 Gone disabled
key disabled-key
entity 1 Users primary_key=id
{"id":"1"}
--- each_header eval
["Authorization: Bearer $main::Key",
 "Authorization: bearer $main::Key",
 "Authorization: BEARER $main::Key",
 "Authorization: bEaReR $main::Key",
 "authorization: Bearer $main::Key",
 "Authorization: Bearer  $main::Key",
 "Authorization: Bearer" . ' ' x 100 . $main::Key,
 "Authorization: Bearer $main::Key ",
 "Authentication: Bearer $main::Key",
 "Authentication: bearer   $main::Key",
 "AUTHENTICATION: Bearer $main::Key",
 "Authorization: " . main::basic("bearer:$main::Key"),
 "Authorization: basic " . MIME::Base64::encode_base64("bearer:$main::Key", ''),
 "Authorization: BASIC   " . MIME::Base64::encode_base64("bearer:$main::Key", ''),
 "Authorization: Bearer other-key",
 "Authorization: Bearer new-key"]
--- becomes: accepted



=== TEST 2: among more headers than nginx keeps in one piece
--- each_header eval
[map { my $n = $_;
       join "\n", (map { "X-$_: $_" } 1 .. $n),
                  "Authentication: Bearer $main::Key",
                  map { "X-$_: $_" } $n + 1 .. 45 } 0, 17 .. 22, 37 .. 45]
--- becomes: accepted



=== TEST 3: and twice, wherever they are
--- each_header eval
[map { my $n = $_;
       join "\n", "Authentication: Bearer $main::Key",
                  (map { "X-$_: $_" } 1 .. $n),
                  "Authentication: Bearer $main::Key" } 0, 17 .. 22, 40]
--- becomes: malformed



=== TEST 4: a key may hold any visible character
--- each_header eval
my $visible = q{!"#$%&'()*+,-./0123456789:;<=>?@ABCXYZ[\]^_`abcxyz{|}~};
["Authorization: Bearer $visible",
 "Authentication: Bearer $visible",
 "Authorization: " . main::basic("bearer:$visible"),
 "Authorization: Bearer :",
 "Authorization: " . main::basic("bearer::"),
 "Authorization: Bearer bearer:bearer",
 "Authorization: " . main::basic("bearer:bearer:bearer")]
--- becomes: accepted



=== TEST 5: no credentials
--- each_header eval
["X-Nothing: 1",
 "Authorization:",
 "Authorization:    ",
 "Authorization: Bearer",
 "Authorization: Bearer ",
 "Authorization: Bearer      ",
 "Authorization: bearer",
 "Authorization: Basic",
 "Authorization: Basic   ",
 "Authentication:",
 "Authentication: Bearer",
 "Authentication: Bearer  ",
 "Authorization: " . main::basic("bearer:"),
 "Authorization: Bearer\nAuthentication: Bearer",
 "Authorization: Digest username=\"bearer\", response=\"$main::Key\"",
 "Authorization: Token $main::Key",
 "Authorization: Negotiate $main::Key",
 "Authorization: $main::Key",
 "Authorization: Bearer$main::Key",
 "Authorization: Bearers $main::Key",
 "Authorization: Bear $main::Key",
 "Authorization: =Bearer $main::Key",
 "Authentication: Digest $main::Key"]
--- becomes: missing



=== TEST 6: Basic for somebody else
--- each_header eval
[map { "Authorization: " . main::basic($_) }
     "admin:$main::Key", ":$main::Key", "bearer2:$main::Key",
     "bear:er:$main::Key", " bearer:$main::Key", "nobody:$main::Key",
     "bearer :$main::Key", "bearer\0:$main::Key", "beare:$main::Key"]
--- becomes: missing



=== TEST 7: Basic is a form of Authorization only
--- each_header eval
["Authentication: " . main::basic("bearer:$main::Key")]
--- becomes: missing



=== TEST 8: keys in other places do not count
--- each_header eval
["X-API-Key: $main::Key",
 "Cookie: Authorization=$main::Key; access_token=$main::Key",
 "Proxy-Authorization: Bearer $main::Key",
 "X-Authorization: Bearer $main::Key",
 "Authorization-: Bearer $main::Key",
 "Authentication2: Bearer $main::Key",
 "Authenticatio: Bearer $main::Key"]
--- becomes: missing



=== TEST 9: a key in the query string does not count
--- request eval
[map { "GET /api/v1/entities/1/record?record_id=1&$_=$main::Key" }
     qw(access_token token key api_key Authorization bearer)]
--- error_code eval
[(401) x 6]
--- response_headers eval
[($main::MissingHeaders) x 6]
--- response_body eval
[(profile_error('missing_credentials')) x 6]



=== TEST 10: unknown keys
--- each_header eval
[map { "Authorization: Bearer $_" }
     'nope', 'x' x 7000, 'a,b', '"secret-token:1234"',
     'secret-token:1235', 'secret-token:123', 'secret-token:12345',
     'Secret-token:1234', '1234', 'secret-token', '1234%20', '*', '%',
     '0', 'null', '../../etc/passwd', "'or'1'='1"]
--- becomes: invalid



=== TEST 11: the stored form of a key is not a key
--- each_header eval
use Digest::SHA qw(sha256 sha256_hex sha256_base64);
["Authorization: Bearer " . sha256_hex($main::Key),
 "Authorization: Bearer " . uc sha256_hex($main::Key),
 "Authorization: Bearer " . sha256_base64($main::Key),
 "Authorization: Bearer key1"]
--- becomes: invalid



=== TEST 12: unknown, expired and disabled keys look the same
--- each_header eval
["Authorization: Bearer old-key",
 "Authorization: Bearer disabled-key",
 "Authorization: Bearer never-was",
 "Authentication: Bearer old-key",
 "Authentication: Bearer disabled-key",
 "Authorization: " . main::basic('bearer:old-key'),
 "Authorization: " . main::basic('bearer:disabled-key'),
 "Authorization: " . main::basic('bearer:never-was')]
--- becomes: invalid



=== TEST 13: malformed keys
--- each_header eval
[map { "Authorization: $_" }
     "Bearer $main::Key $main::Key",
     "Bearer $main::Key, Bearer $main::Key",
     "Bearer $main::Key,\tx",
     "Bearer\t$main::Key",
     "Bearer \t$main::Key",
     "Bearer $main::Key\t",
     "Bearer a\tb",
     "Bearer caf\xc3\xa9",
     "Bearer \x80",
     "Bearer \xff",
     "Bearer a\x7f",
     "Bearer \x01",
     "Bearer a\x1f",
     "bearer a b"]
--- becomes: malformed



=== TEST 14: malformed Basic
--- each_header eval
["Authorization: Basic !!!",
 "Authorization: Basic \xff\xff\xff\xff",
 "Authorization: Basic YmVhcmVyOjEyMzQ=YmVhcmVyOjEyMzQ=",
 "Authorization: " . main::basic('bearer'),
 "Authorization: " . main::basic($main::Key =~ tr/://dr),
 "Authorization: " . main::basic('bearer:a b'),
 "Authorization: " . main::basic("bearer:$main::Key\n"),
 "Authorization: " . main::basic("bearer:$main::Key\r\nX: y"),
 "Authorization: " . main::basic("bearer:$main::Key\0"),
 "Authorization: " . main::basic("bearer:\0"),
 "Authorization: " . main::basic("bearer:\xc3\xa9")]
--- becomes: malformed



=== TEST 15: Authentication twice
--- each_header eval
["Authentication: Bearer $main::Key\nAuthentication: Bearer $main::Key",
 "Authentication: Bearer $main::Key\nAuthentication: Bearer other-key",
 "Authentication: Bearer $main::Key\nauthentication: Bearer $main::Key",
 "Authentication: Bearer $main::Key\nX-Between: 1\nAuthentication: Digest x"]
--- becomes: malformed



=== TEST 16: the first usable credentials win
--- each_header eval
["Authorization: Bearer $main::Key\nAuthentication: Bearer nope",
 "Authentication: Bearer nope\nAuthorization: Bearer $main::Key",
 "Authorization: Bearer $main::Key\nAuthentication: Bearer a b",
 "Authorization: Bearer $main::Key\n" . "Authentication: Bearer nope\n" x 2,
 "Authorization: Bearer\nAuthentication: Bearer $main::Key",
 "Authorization: Digest x\nAuthentication: Bearer $main::Key",
 "Authorization: Bearer a b\nAuthentication: Bearer $main::Key",
 "Authorization: " . main::basic('bearer:nope')
    . "\nAuthentication: Bearer $main::Key",
 "Authorization: " . main::basic("admin:x")
    . "\nAuthentication: Bearer $main::Key",
 "Authorization: Basic !!!\nAuthentication: Bearer $main::Key",
 "Authorization: " . main::basic("bearer:$main::Key") . "\nAuthentication:",
 "Authorization: " . main::basic("bearer:$main::Key")
    . "\nAuthentication: Digest x",
 "Authorization: " . main::basic("bearer:$main::Key")
    . "\nAuthentication: Bearer a b",
 "Authorization: " . main::basic("bearer:$main::Key")
    . "\nAuthentication: Bearer x" x 2]
--- becomes: accepted



=== TEST 17: credentials that are used and wrong are not made good by others
--- each_header eval
["Authorization: Bearer nope\nAuthentication: Bearer $main::Key",
 "Authorization: Bearer old-key\nAuthentication: Bearer $main::Key",
 "Authorization: Bearer disabled-key\nAuthentication: Bearer $main::Key",
 "Authorization: " . main::basic("bearer:$main::Key")
    . "\nAuthentication: Bearer nope"]
--- becomes: invalid



=== TEST 18: malformed credentials and none are malformed
--- each_header eval
["Authorization: Bearer a b\nAuthentication: Bearer",
 "Authorization: Digest x\nAuthentication: Bearer a b",
 "Authorization: Basic !!!\nAuthentication: Digest x",
 "Authorization: " . main::basic("admin:x") . "\nAuthentication: Bearer a b"]
--- becomes: malformed



=== TEST 19: two Authorization headers are refused by nginx
--- request
GET /api/v1/entities
--- more_headers
Authorization: Bearer secret-token:1234
Authorization: Bearer secret-token:1234
--- error_code: 400
--- response_body_like: <html>



=== TEST 20: NUL in a header is refused by nginx
--- raw_request eval
"GET /api/v1/entities HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
. "Authorization: Bearer secret-token:1234\0\r\n\r\n"
--- error_code: 400
--- response_body_like: <html>



=== TEST 21: a key longer than nginx reads
--- request
GET /api/v1/entities
--- more_headers eval
"Authorization: Bearer " . 'x' x 9000
--- error_code: 400
--- response_body_like: <html>



=== TEST 22: a header continued on the next line is not one
--- raw_request eval
"GET /api/v1/entities HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
. "Authorization: Bearer\r\n secret-token:1234\r\n\r\n"
--- error_code_like: ^40[01]$



=== TEST 23: underscores do not make another header into ours
--- config
    underscores_in_headers on;
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request eval
["GET /api/v1/entities", "GET /api/v1/entities"]
--- more_headers eval
["Authorization_: Bearer $main::Key", "Authen_tication: Bearer $main::Key"]
--- error_code eval
[401, 401]
--- response_body eval
[(profile_error('missing_credentials')) x 2]



=== TEST 24: the same client, key after key, on one connection
--- pipelined_requests eval
[($main::Path) x 6]
--- more_headers eval
["Authorization: Bearer $main::Key", "X: 1", "Authorization: Bearer nope",
 "Authorization: Bearer a b", "Authentication: Bearer other-key", "X: 1"]
--- error_code eval
[200, 401, 401, 400, 200, 401]
--- response_body eval
[$main::Body, profile_error('missing_credentials'),
 profile_error('invalid_key'), profile_error('invalid_credentials'),
 $main::Body, profile_error('missing_credentials')]



=== TEST 25: credentials are checked before the path and the record
--- request eval
["GET /api/v1/nowhere", "GET /api/v1/entities/99/record",
 "GET /api/v1/entities/1/record?record_id=%zz", "GET /api/v1/"]
--- error_code eval
[(401) x 4]
--- response_body eval
[(profile_error('missing_credentials')) x 4]



=== TEST 26: a key that was replaced
--- profile
workspace 1 Acme key=before
entity 1 Users primary_key=id
{"id":"1"}
--- init
profile_apply($ENV{TEST_NGINX_PROFILE_STORE}, <<'END');
workspace 1 Acme key=after
entity 1 Users primary_key=id
{"id":"1"}
END
--- request eval
[($main::Path) x 2]
--- more_headers eval
["Authorization: Bearer before", "Authorization: Bearer after"]
--- error_code eval
[401, 200]
--- response_body eval
[profile_error('invalid_key'), $main::Body]
