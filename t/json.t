# Why: the values belong to the source, and clients parse them. Each byte of a
# string and each digit of a number comes out as it went in, whatever it is.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

use JSON::PP ();

no_long_string();

# What a source may give: id => the row's other members, as bytes.
our @Rows = (
    quote     => '"a":"say \\"yes\\""',
    backslash => '"a":"C:\\\\dir\\\\"',
    slash     => '"a":"\\/ and /"',
    script    => '"a":"</script><script>alert(1)</script><!--"',
    escapes   => '"a":"\\b\\f\\n\\r\\t"',
    unicode   => '"a":"\\u00e9\\u20AC\\u20ac"',
    pair      => '"a":"\\ud83d\\ude00"',
    control   => '"a":"\\u0001\\u001f\\u007f"',
    delete    => "\"a\":\"\x7f\"",
    utf8      => "\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    lines     => "\"a\":\"\xe2\x80\xa8\xe2\x80\xa9\"",
    escaped_lines => '"a":"\\u2028\\u2029"',
    bom       => "\"a\":\"\xef\xbb\xbf\"",
    bidi      => "\"a\":\"\xe2\x80\xae\"",
    noncharacter => "\"a\":\"\xef\xbf\xbf\"",
    spaces    => '"a":"  two  spaces	"' =~ s/\t/ /r,
    entities  => '"a":"&lt;&amp;&#39;%00%0d%0a"',
    ssi       => '"a":"<!--#include virtual=\\"/\\" -->"',
    empty     => '"":"","a":""',
    names     => "\"a b\":1,\"A\":2,\"\\u0061\":3,\"\xc3\xa9\":4,\"\$x\":5",
    big       => '"a":12345678901234567890',
    bigger    => '"a":123456789012345678901234567890123456789012345678901234567890',
    negative  => '"a":-12345678901234567890',
    limits    => '"a":9223372036854775807,"b":9223372036854775808,"c":-9223372036854775809',
    cents     => '"a":0.10',
    precise   => '"a":0.1000000000000000055511151231257827021181583404541015625',
    huge      => '"a":1e400',
    tiny      => '"a":1e-400',
    zero      => '"a":-0,"b":-0.0,"c":0,"d":0e0,"e":0E+5',
    exponents => '"a":1E5,"b":1e+05,"c":1.0e-05,"d":100',
    literals  => '"a":true,"b":false,"c":null',
    arrays    => '"a":[],"b":{},"c":[[],[[]],{}],"d":[null,1,"x",true]',
    nested    => '"a":{"b":{"c":{"data":{"id":"other"}}}}',
    deep      => '"a":' . '[' x 1000 . ']' x 1000,
    wide      => '"a":[' . join(',', 1 .. 5000) . ']',
    order     => '"z":1,"y":2,"b":3,"a":4,"10":5,"9":6',
    lookalike => '"data":{"id":"x"},"status":404,"code":"record_not_found"',
);

sub pairs {
    my @rows = @Rows;
    my @pairs;

    push @pairs, [splice @rows, 0, 2] while @rows;

    return @pairs;
}

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('more_headers', 'Authorization: Bearer key');
    $block->set_value('config', <<'END');
    location /api/v1/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
END
});

# Whatever is sent is JSON, and UTF-8.
add_response_body_check(sub {
    my ($block, $body, $request, $repeated, $dry_run) = @_;

    return if $dry_run;

    my $json = JSON::PP->new->utf8->max_depth(2000)->allow_bignum;
    my $value = eval { $json->decode($body) };

    ok(ref $value eq 'HASH', $block->name . " - JSON (request $request)")
        or diag($@);
});

run_tests();

__DATA__

=== TEST 1: every value comes out as it went in
--- profile eval
"workspace 1 \"A \\\\ B\" key=key
entity 1 Rows primary_key=id
" . CORE::join '', map { qq({"id":"$_->[0]",$_->[1]}\n) } main::pairs()
--- request eval
[map { "GET /api/v1/entities/1/record?record_id=$_->[0]" } main::pairs()]
--- response_body eval
[map { qq({"data":{"id":"$_->[0]",$_->[1]}}) } main::pairs()]



=== TEST 2: white space goes, inside strings it stays
--- profile
workspace 1 Acme key=key
entity 1 Rows primary_key=id
  { "id" : "1" , "a" : [ 1 ,  2 , { } , [ ] ] , "b" : " x  y " , "c" : "\" : ," }  
{	"id"	:	"2",	"a" : "tab\t"	}
{"id":"3","a":"ends with a backslash\\" , "b" : "\\\" "  }
--- request eval
[map { "GET /api/v1/entities/1/record?record_id=$_" } 1 .. 3]
--- response_body eval
['{"data":{"id":"1","a":[1,2,{},[]],"b":" x  y ","c":"\" : ,"}}',
 '{"data":{"id":"2","a":"tab\t"}}' =~ s/\t/\\t/r,
 '{"data":{"id":"3","a":"ends with a backslash\\\\","b":"\\\\\" "}}']



=== TEST 3: ids with odd bytes
--- profile eval
'workspace 1 Acme key=key
entity 1 Rows primary_key=id
{"id":"\"","n":1}
{"id":"\\\\","n":2}
{"id":"</script>","n":3}
{"id":"\u2028","n":4}
{"id":"\u0007","n":5}
{"id":"' . "\xe2\x80\xa9" . '","n":6}
{"id":"\ud83d\ude00","n":7}
{"id":"\/","n":8}
'
--- request eval
[map { "GET /api/v1/entities/1/record?record_id=$_" }
     qw(%22 %5C %3C/script%3E %E2%80%A8 %07 %E2%80%A9 %F0%9F%98%80 /)]
--- response_body eval
['{"data":{"id":"\"","n":1}}',
 '{"data":{"id":"\\\\\\\\","n":2}}' =~ s/\\\\/\\/gr,
 '{"data":{"id":"</script>","n":3}}',
 '{"data":{"id":"\u2028","n":4}}',
 '{"data":{"id":"\u0007","n":5}}',
 '{"data":{"id":"' . "\xe2\x80\xa9" . '","n":6}}',
 '{"data":{"id":"\ud83d\ude00","n":7}}',
 '{"data":{"id":"\/","n":8}}']



=== TEST 4: names of entities with odd bytes
--- profile eval
'workspace 1 Acme key=key
entity 1 </script> primary_key=id
entity 2 back\\slash primary_key=id
entity 3 ' . "\xe2\x80\xa8\xc3\xa9" . ' primary_key=id
entity 4 it\'s primary_key=id
entity 5 quo"te primary_key=id
'
--- request
GET /api/v1/entities
--- response_body_like eval
'^\{"data":\[\{"id":1,"name":"<\\\\?/script>","library_id":1\},'
. '\{"id":2,"name":"back\\\\\\\\slash","library_id":1\},.*'
. '"name":"quo\\\\"te"'



=== TEST 5: a value of a megabyte
--- profile eval
'workspace 1 Acme key=key
entity 1 Rows primary_key=id
{"id":"1","a":"' . 'x' x 1048576 . '"}
'
--- request
GET /api/v1/entities/1/record?record_id=1
--- response_body eval
'{"data":{"id":"1","a":"' . 'x' x 1048576 . '"}}'
