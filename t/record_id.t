# Why: the record_id is the one value that a client chooses freely. However it
# is written, it names one record or none, and never another one.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();

sub percent { return join '', map { sprintf '%%%02X', ord } split //, $_[0] }

# Every query of a block has the same outcome: a record by its name, or an
# error code.
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

    my $queries = $block->queries or return;
    $queries = [grep { length } split /\n/, $queries] if !ref $queries;

    my $count = @$queries;
    my ($outcome) = $block->becomes =~ /(.+)/;

    my ($status, $body);

    if ($outcome =~ /^[a-z_]+$/) {
        $body = profile_error($outcome);
        ($status) = $body =~ /(\d+)/;

    } else {
        ($status, $body) = (200, qr/\A\{"data":\{"id":.*"name":"\Q$outcome\E"\}\}\z/s);
    }

    $block->set_value('request',
        [map { length ? "GET /api/v1/entities/1/record?$_"
                      : 'GET /api/v1/entities/1/record' } @$queries]);
    $block->set_value('error_code', [($status) x $count]);
    $block->set_value('response_body', [($body) x $count]);
});

run_tests();

__DATA__

=== TEST 1: spellings of one id
--- profile eval
my $rows = '';
my $row = sub { $rows .= qq({"id":"$_[0]","name":"$_[1]"}\n) };

$row->('478060', 'Digits');
$row->('a b', 'Space');
$row->('a+b', 'Plus');
$row->('a/b', 'Slash');
$row->('a&b', 'Ampersand');
$row->('a=b', 'Equals');
$row->('a;b', 'Semicolon');
$row->('a?b', 'Question');
$row->('a#b', 'Hash');
$row->('a%b', 'Percent');
$row->('a%20b', 'Encoded');
$row->('a\"b', 'Quote');
$row->('a\\\\b', 'Backslash');
$row->('a\/b/', 'Slashes');
$row->('a\tb', 'Tab');
$row->('a\nb', 'Newline');
$row->('\u0001', 'Control');
$row->("\xc3\xa9", 'Composed');
$row->("e\xcc\x81", 'Decomposed');
$row->('\ud83d\ude00', 'Escaped pair');
$row->("\xe2\x82\xac", 'Euro');
$row->(' ', 'One space');
$row->('record_id', 'Own name');
$row->('../2', 'Dots');
$row->('x' x 500, 'Long');
$row->("\xc3\xa9" x 250, 'Long in UTF-8');
$row->('0', 'Zero');
$row->('null', 'Null');

"workspace 1 Acme key=key
entity 1 Users primary_key=id
${rows}entity 2 Others primary_key=id
" . '{"id":"nope","name":"Other entity"}
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"foreign","name":"Other workspace"}
'
--- queries
record_id=478060
record_id=%34%37%38%30%36%30
record_id=4%378060
%72ecord_id=478060
record%5Fid=478060
record%5fid=478060
a=b&record_id=478060
record_id=478060&a=b
&&&record_id=478060&&
record_id=478060&
record_id=478060&record-id=2
record_id=478060&Record_Id=2
record_id=478060&RECORD_ID=2
record_id[]=2&record_id=478060
record_id.x=2&record_id=478060
xrecord_id=2&record_id=478060
record_idx=2&record_id=478060
=&record_id=478060
=2&record_id=478060
--- becomes: Digits



=== TEST 2: bad escapes in other parameters are ignored
--- queries
a=%&record_id=478060
a=%zz&record_id=478060
a=%2&record_id=478060
%=1&record_id=478060
%zz&record_id=478060
record_id%zz=1&record_id=478060
record_id%=1&record_id=478060
record_id%00=1&record_id=478060
a=%00&record_id=478060
record_id=478060&a=%
record_id=478060&%
--- becomes: Digits



=== TEST 3: a space
--- queries
record_id=a+b
record_id=a%20b
--- becomes: Space



=== TEST 4: a plus
--- queries
record_id=a%2Bb
record_id=a%2bb
--- becomes: Plus



=== TEST 5: a slash
--- queries
record_id=a/b
record_id=a%2Fb
record_id=a%2fb
--- becomes: Slash



=== TEST 6: an ampersand
--- queries
record_id=a%26b
record_id=%61%26%62
--- becomes: Ampersand



=== TEST 7: an equals sign
--- queries
record_id=a=b
record_id=a%3Db
--- becomes: Equals



=== TEST 8: a semicolon does not separate
--- queries
record_id=a;b
record_id=a%3Bb
--- becomes: Semicolon



=== TEST 9: a question mark
--- queries
record_id=a?b
record_id=a%3Fb
--- becomes: Question



=== TEST 10: a hash sign
--- queries
record_id=a%23b
--- becomes: Hash



=== TEST 11: a percent sign
--- queries
record_id=a%25b
--- becomes: Percent



=== TEST 12: decoded once, not twice
--- queries
record_id=a%2520b
--- becomes: Encoded



=== TEST 13: a quote
--- queries
record_id=a"b
record_id=a%22b
--- becomes: Quote



=== TEST 14: a backslash
--- queries
record_id=a\b
record_id=a%5Cb
--- becomes: Backslash



=== TEST 15: slashes that JSON may escape
--- queries
record_id=a/b/
record_id=a%2Fb%2F
--- becomes: Slashes



=== TEST 16: a tab
--- queries
record_id=a%09b
--- becomes: Tab



=== TEST 17: a line feed
--- queries
record_id=a%0Ab
record_id=a%0ab
--- becomes: Newline



=== TEST 18: a control character
--- queries
record_id=%01
--- becomes: Control



=== TEST 19: UTF-8, encoded and raw
--- queries eval
["record_id=%C3%A9", "record_id=%c3%a9", "record_id=\xc3\xa9", "record_id=%C3\xa9"]
--- becomes: Composed



=== TEST 20: another spelling of the same letter is another id
--- queries
record_id=e%CC%81
--- becomes: Decomposed



=== TEST 21: an id that the source wrote with escapes
--- queries
record_id=%F0%9F%98%80
--- becomes: Escaped pair



=== TEST 22: three bytes
--- queries
record_id=%E2%82%AC
--- becomes: Euro



=== TEST 23: one space is an id
--- queries
record_id=+
record_id=%20
--- becomes: One space



=== TEST 24: the parameter's name as its value
--- queries
record_id=record_id
--- becomes: Own name



=== TEST 25: dots do not climb
--- queries
record_id=../2
record_id=..%2F2
record_id=%2E%2E%2F2
--- becomes: Dots



=== TEST 26: the longest id
--- queries eval
['record_id=' . 'x' x 500, 'record_id=' . '%78' x 500,
 'record_id=' . 'x' x 499 . '%78']
--- becomes: Long



=== TEST 27: the longest id in UTF-8
--- queries eval
['record_id=' . '%C3%A9' x 250, 'record_id=' . "\xc3\xa9" x 250]
--- becomes: Long in UTF-8



=== TEST 28: zero and null are ids like others
--- queries
record_id=0
--- becomes: Zero



=== TEST 29: the word null
--- queries
record_id=null
--- becomes: Null



=== TEST 30: missing
--- queries eval
['',
 '&',
 '&&&',
 '=',
 '=478060',
 'record_id',
 'record_id=',
 '%72ecord_id=',
 'record_id=&a=b',
 'a=b&record_id=',
 'a=b&record_id',
 'a=b',
 'Record_Id=478060',
 'RECORD_ID=478060',
 'record_Id=478060',
 'record_id[]=478060',
 'record_id%5B%5D=478060',
 'record_id[0]=478060',
 'record-id=478060',
 'recordid=478060',
 'record_id%20=478060',
 'record_id+=478060',
 '+record_id=478060',
 '%20record_id=478060',
 'record_id%00=478060',
 'record_id%zz=478060',
 '%2572ecord_id=478060',
 'record%255Fid=478060',
 'a=1;record_id=478060',
 'record_id;=478060',
 'record_id%3D478060',
 'id=478060',
 '?record_id=478060']
--- becomes: missing_record_id



=== TEST 31: given twice
--- queries
record_id=478060&record_id=478060
record_id=478060&record_id=0
record_id=478060&record_id=
record_id=478060&record_id
record_id=&record_id=
record_id&record_id
record_id=&record_id=478060
record_id&record_id=478060
record_id=478060&a=b&record_id=478060
record_id=478060&%72ecord_id=478060
record%5Fid=478060&record%5fid=478060
record_id=478060&record_id=478060&record_id=478060
--- becomes: invalid_record_id



=== TEST 32: bad escapes
--- queries
record_id=%
record_id=%%
record_id=%2
record_id=478060%
record_id=478060%3
record_id=%zz
record_id=%2z
record_id=%z2
record_id=%GG
record_id=%-1
record_id=%+1
record_id=%u0041
record_id=%&a=b
record_id=%3&a=b
%72ecord_id=%
record_id=%25%
record_id=%0x
--- becomes: invalid_record_id



=== TEST 33: NUL
--- queries
record_id=%00
record_id=478060%00
record_id=%00478060
record_id=478060%00x
%72ecord_id=478060%00
--- becomes: invalid_record_id



=== TEST 34: longer than the store allows
--- queries eval
[(map { 'record_id=' . 'x' x $_ } 501, 510, 511, 512, 513, 1024, 2048, 7500),
 (map { 'record_id=' . '%78' x $_ } 501, 511, 512, 2048),
 'record_id=' . '%C3%A9' x 251,
 'record_id=' . '+' x 501]
--- becomes: invalid_record_id



=== TEST 35: longer than nginx reads
--- request eval
"GET /api/v1/entities/1/record?record_id=" . 'x' x 9000
--- error_code: 414



=== TEST 36: unknown ids
--- queries eval
['record_id=nope', 'record_id=foreign', 'record_id=47806', 'record_id=4780600',
 'record_id=0478060', 'record_id=478060.0', 'record_id=+478060',
 'record_id=478060+', 'record_id=%20478060', 'record_id=%EF%BB%BF478060',
 'record_id=478060%0D%0AX-Injected:%201', 'record_id=478060%0A',
 'record_id="478060"',
 'record_id=478060;x=1', 'record_id=478060,0', 'record_id=*',
 'record_id=A%20B', 'record_id=%FF', 'record_id=%80', 'record_id=%C0%AF',
 'record_id=a%C0%AFb', 'record_id=%ED%A0%80', 'record_id=%ED%A0%BD%ED%B8%80',
 'record_id=%F4%90%80%80', 'record_id=%01%02', 'record_id=%1F',
 'record_id=%7F', 'record_id=%7C', 'record_id=%01478060',
 'record_id=x', 'record_id=' . 'x' x 499, 'record_id=' . 'y' x 500,
 'record_id=%C3', 'record_id=%C3%A9%C3%A9', 'record_id=%65%CC',
 'record_id=%26record_id=478060', 'record_id=NULL', 'record_id=true',
 'record_id=1%2C1', "record_id='or'1'='1"]
--- becomes: record_not_found



=== TEST 37: raw bytes of every value name no other record
--- queries eval
[map { sprintf 'record_id=%%%02X', $_ } 2 .. 8, 11 .. 31, 127 .. 255]
--- becomes: record_not_found



=== TEST 38: the record_id is checked before the entity
--- request eval
["GET /api/v1/entities/99/record",
 "GET /api/v1/entities/99/record?record_id=",
 "GET /api/v1/entities/99/record?record_id=%zz",
 "GET /api/v1/entities/99/record?record_id=1&record_id=1",
 "GET /api/v1/entities/abc/record",
 "GET /api/v1/entities/99/record?record_id=1"]
--- error_code eval
[400, 400, 400, 400, 400, 404]
--- response_body eval
[map { profile_error($_) }
     qw(missing_record_id missing_record_id invalid_record_id
        invalid_record_id missing_record_id entity_not_found)]



=== TEST 39: the list asks for no record_id
--- request eval
[map { "GET /api/v1/entities?$_" } 'record_id=%zz', 'record_id=1&record_id=2',
                                   'record_id=' . 'x' x 600]
--- error_code eval
[(200) x 3]



=== TEST 40: nothing of an id comes back
--- request
GET /api/v1/entities/1/record?record_id=%3Cscript%3Ealert(1)%3C/script%3E%0D%0ASet-Cookie:a=b
--- error_code: 404
--- raw_response_headers_unlike: (?i)set-cookie|script
--- response_body eval
profile_error('record_not_found')
