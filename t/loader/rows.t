# Why: exports contain everything. A bad row must be left out and reported with
# its file and line, and never be served; a good row must come out with the
# bytes that went in, however strange they are.

use strict;
use warnings;

use Encode qw(encode_utf8);
use lib 't/lib';
use ProfileLoader;
use Test::More;

my $loader = loader_path();
my $grin = "\x{1F600}";


sub box_of {
    my ($text, %more) = @_;

    utf8::encode($text) if utf8::is_utf8($text);

    return sandbox({ 'users.ndjson' => $text },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson',
                                     max_invalid => 100, %more)]));
}


# All records of a store that has one entity.

sub stored {
    my ($box) = @_;

    my @loads = values %{ records_of(mdb_pairs($box->generation)) };

    return @loads ? $loads[0] : {};
}


# -- every kind of invalid row ------------------------------------------------

my %reason = (
    syntax    => 'invalid JSON',
    utf8      => 'invalid UTF-8',
    nul       => 'a NUL character',
    deep      => 'nested too deeply',
    member    => 'a duplicate member',
    object    => 'not an object',
    none      => 'no primary key',
    null      => 'primary key is null',
    type      => 'primary key is neither a string nor an integer',
    empty     => 'primary key is empty',
    long      => 'primary key is longer than 500 bytes',
    duplicate => 'duplicate primary key',
);

# [name, kind, bytes]
my @invalid = (
    # not JSON
    ['a word', syntax => 'hello'],
    ['CSV', syntax => 'id,name'],
    ['cut short', syntax => '{"id":"x"'],
    ['cut short in a string', syntax => '{"id":"x'],
    ['cut short after a backslash', syntax => '{"id":"x\\'],
    ['cut short after a colon', syntax => '{"id":'],
    ['a bracket alone', syntax => '{'],
    ['a quote alone', syntax => '"'],
    ['a minus alone', syntax => '-'],
    ['a closing bracket alone', syntax => '}'],
    ['the wrong bracket', syntax => '{"id":"x"]'],
    ['text after the object', syntax => '{"id":"x"} x'],
    ['a comma after the object', syntax => '{"id":"x"},'],
    ['two objects', syntax => '{"id":"x"}{"id":"y"}'],
    ['two objects with a space', syntax => '{"id":"x"} {"id":"y"}'],
    ['a bracket too many', syntax => '{"id":"x"}}'],
    ['a comma too many', syntax => '{"id":"x",}'],
    ['a comma at the beginning', syntax => '{,"id":"x"}'],
    ['no comma', syntax => '{"id":"x" "a":1}'],
    ['no colon', syntax => '{"id" "x"}'],
    ['two colons', syntax => '{"id"::"x"}'],
    ['a name without quotes', syntax => '{id:"x"}'],
    ['single quotes', syntax => q({'id':'x'})],
    ['a number for a name', syntax => '{1:"x","id":"x"}'],
    ['a comment', syntax => '{"id":"x"} // x'],
    ['a comment within', syntax => '{"id":/**/"x"}'],
    ['a comma too many in an array', syntax => '{"id":"x","a":[1,]}'],
    ['an array without commas', syntax => '{"id":"x","a":[1 2]}'],
    ['two numbers that touch', syntax => '{"id":"x","a":[1-2]}'],
    ['a number and a word', syntax => '{"id":"x","a":1true}'],
    ['a number and a string', syntax => '{"id":"x","a":1"b"}'],
    ['a word and a number', syntax => '{"id":"x","a":true1}'],
    ['a number with a space', syntax => '{"id":"x","a":1 2}'],
    ['a number with a space after its sign', syntax => '{"id":"x","a":- 1}'],
    ['a leading zero', syntax => '{"id":"x","a":01}'],
    ['a leading zero after the sign', syntax => '{"id":"x","a":-01}'],
    ['a leading zero in the key', syntax => '{"id":007}'],
    ['a plus', syntax => '{"id":"x","a":+1}'],
    ['a point first', syntax => '{"id":"x","a":.5}'],
    ['a point last', syntax => '{"id":"x","a":1.}'],
    ['two points', syntax => '{"id":"x","a":1.2.3}'],
    ['an exponent without digits', syntax => '{"id":"x","a":1e}'],
    ['an exponent with a sign only', syntax => '{"id":"x","a":1e+}'],
    ['an exponent with a point', syntax => '{"id":"x","a":1e1.5}'],
    ['two minus', syntax => '{"id":"x","a":--1}'],
    ['a hexadecimal number', syntax => '{"id":"x","a":0x10}'],
    ['NaN', syntax => '{"id":"x","a":NaN}'],
    ['Infinity', syntax => '{"id":"x","a":Infinity}'],
    ['-Infinity', syntax => '{"id":"x","a":-Infinity}'],
    ['True', syntax => '{"id":"x","a":True}'],
    ['nul', syntax => '{"id":"x","a":nul}'],
    ['nulll', syntax => '{"id":"x","a":nulll}'],
    ['undefined', syntax => '{"id":"x","a":undefined}'],
    ['an unknown escape', syntax => '{"id":"x","a":"\\x41"}'],
    ['an escaped single quote', syntax => q({"id":"x","a":"\\'"})],
    ['a short \u', syntax => '{"id":"x","a":"\\u12"}'],
    ['a \u without digits', syntax => '{"id":"x","a":"\\uzzzz"}'],
    ['a raw tab in a string', syntax => qq({"id":"x","a":"a\tb"})],
    ['a raw control character', syntax => qq({"id":"x","a":"a\x01b"})],
    ['a raw escape character', syntax => qq({"id":"x","a":"\x1b[31m"})],
    ['a raw carriage return', syntax => qq({"id":"x","a":"a\rb"})],
    ['a form feed between', syntax => qq({"id":\f"x"})],
    ['a no-break space between', 'syntax|utf8' => qq({"id":\xC2\xA0"x"})],
    ['a NUL byte in a string', 'syntax|nul' => qq({"id":"x","a":"a\0b"})],
    ['a NUL byte in a name', 'syntax|nul' => qq({"id":"x","a\0b":1})],
    ['a NUL byte in the key', 'syntax|nul' => qq({"id":"a\0b"})],
    ['a NUL byte between', 'syntax|nul' => qq({"id":"x",\0"a":1})],
    ['a NUL byte after a number', 'syntax|nul' => qq({"id":"x","a":1\0})],
    ['a NUL byte after a number in an array', 'syntax|nul' =>
        qq({"id":"x","a":[1\0,2]})],
    ['a NUL byte after the number that is the key', 'syntax|nul' =>
        qq({"id":7\0})],
    ['a NUL byte after true', 'syntax|nul' => qq({"id":"x","a":true\0})],
    ['a NUL byte after null', 'syntax|nul' => qq({"id":"x","a":[null\0]})],
    ['a NUL byte in a number', 'syntax|nul' => qq({"id":"x","a":1\0002})],
    ['a NUL byte in a word', 'syntax|nul' => qq({"id":"x","a":tr\0ue})],
    ['a NUL byte first', 'syntax|nul' => qq(\0{"id":"x"})],
    ['a NUL byte after the object', 'syntax|nul' => qq({"id":"x"}\0)],
    ['NUL bytes', 'syntax|nul' => "\0\0\0\0"],

    # not Unicode
    ['a lone high surrogate', 'syntax|utf8' => '{"id":"x","a":"\\ud800"}'],
    ['a lone low surrogate', 'syntax|utf8' => '{"id":"x","a":"\\udc00"}'],
    ['surrogates the wrong way round', 'syntax|utf8' =>
        '{"id":"x","a":"\\udc00\\ud800"}'],
    ['a high surrogate and a letter', 'syntax|utf8' =>
        '{"id":"x","a":"\\ud800\\u0041"}'],
    ['two high surrogates', 'syntax|utf8' =>
        '{"id":"x","a":"\\ud800\\ud800"}'],
    ['a lone surrogate in the key', 'syntax|utf8' => '{"id":"\\ud83d"}'],
    ['a lone surrogate in a name', 'syntax|utf8' => '{"id":"x","\\ud83d":1}'],
    ['the byte FF', utf8 => qq({"id":"x","a":"\xFF"})],
    ['a lone continuation', utf8 => qq({"id":"x","a":"\x80"})],
    ['Latin-1', utf8 => qq({"id":"x","a":"caf\xE9"})],
    ['overlong', utf8 => qq({"id":"x","a":"\xC0\xAF"})],
    ['overlong with three bytes', utf8 => qq({"id":"x","a":"\xE0\x80\xAF"})],
    ['an overlong NUL', utf8 => qq({"id":"x","a":"\xC0\x80"})],
    ['an encoded surrogate', utf8 => qq({"id":"x","a":"\xED\xA0\x80"})],
    ['beyond Unicode', utf8 => qq({"id":"x","a":"\xF4\x90\x80\x80"})],
    ['five bytes', utf8 => qq({"id":"x","a":"\xF8\x88\x80\x80\x80"})],
    ['a character cut by a quote', utf8 => qq({"id":"x","a":"\xC3"})],
    ['a character cut by the end', 'utf8|syntax' => qq({"id":"x\xE2\x82)],
    ['bad bytes in a name', utf8 => qq({"id":"x","\xFF":1})],
    ['bad bytes in the key', utf8 => qq({"id":"\xFF"})],
    ['bad bytes outside strings', 'utf8|syntax' => qq({"id":"x"}\xFF)],
    ['UTF-16', 'utf8|syntax|nul' => "\xFF\xFE{\0\"\0i\0d\0\"\0:\0"],
    ['gzip', 'utf8|syntax|nul' => "\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\x03"],

    # NUL characters
    ['an escaped NUL', nul => '{"id":"x","a":"\\u0000"}'],
    ['an escaped NUL within', nul => '{"id":"x","a":["b\\u0000c"]}'],
    ['an escaped NUL in the key', nul => '{"id":"a\\u0000b"}'],
    ['an escaped NUL in a name', nul => '{"id":"x","a\\u0000b":1}'],
    ['an escaped NUL in the key\'s name', nul => '{"id\\u0000":"x"}'],

    # depth
    ['10,000 arrays', deep =>
        '{"id":"x","a":' . '[' x 10_000 . ']' x 10_000 . '}'],
    ['10,000 objects', deep =>
        '{"id":"x","a":' . '{"a":' x 10_000 . '1' . '}' x 10_000 . '}'],
    ['a million open arrays', 'deep|syntax' => '[' x 1_000_000],
    ['a million open objects', 'deep|syntax' => '{"a":' x 200_000],

    # members
    ['a member twice', member => '{"id":"x","a":1,"a":1}'],
    ['the primary key twice', member => '{"id":"x","id":"y"}'],
    ['the primary key twice, at both ends', member =>
        '{"id":"x","a":1,"b":2,"id":"x"}'],
    ['a member twice, once escaped', member => '{"id":"x","a":1,"\\u0061":2}'],
    ['the primary key twice, once escaped', member =>
        '{"id":"x","\\u0069d":"y"}'],
    ['a member twice, within', member => '{"id":"x","a":{"b":1,"b":2}}'],
    ['a member twice, far within', member =>
        '{"id":"x","a":[[{"b":[{"c":1,"c":2}]}]]}'],
    ['a member without a name twice', member => '{"id":"x","":1,"":2}'],

    # not objects
    ['an array', object => '[{"id":"x"}]'],
    ['an empty array', object => '[]'],
    ['a string', object => '"x"'],
    ['a number', object => '1'],
    ['a huge number', object => '1' x 400],
    ['null', object => 'null'],
    ['true', object => 'true'],

    # primary keys
    ['an empty object', none => '{}'],
    ['another member', none => '{"Id":"x"}'],
    ['the name with a space', none => '{"id ":"x"}'],
    ['the key within', none => '{"a":{"id":"x"}}'],
    ['the key in an array', none => '{"a":[{"id":"x"}]}'],
    ['the key in a string', none => '{"a":"\\"id\\":\\"x\\""}'],
    ['null for a key', null => '{"id":null}'],
    ['true for a key', type => '{"id":true}'],
    ['false for a key', type => '{"id":false}'],
    ['an object for a key', type => '{"id":{}}'],
    ['an object with an id for a key', type => '{"id":{"id":"x"}}'],
    ['an array for a key', type => '{"id":["x"]}'],
    ['a fraction for a key', type => '{"id":1.5}'],
    ['a whole fraction for a key', type => '{"id":1.0}'],
    ['an exponent for a key', type => '{"id":1e2}'],
    ['a big exponent for a key', type => '{"id":1E400}'],
    ['an empty key', empty => '{"id":""}'],
    ['a key of 501 bytes', long => '{"id":"' . 'x' x 501 . '"}'],
    ['a key of 251 two-byte letters', long =>
        '{"id":"' . "\xC3\xA9" x 251 . '"}'],
    ['a key of 251 escaped letters', long =>
        '{"id":"' . '\\u00e9' x 251 . '"}'],
    ['a key of 126 four-byte letters', long =>
        '{"id":"' . '\\ud83d\\ude00' x 126 . '"}'],
    ['a key of 501 digits', long => '{"id":' . '1' x 501 . '}'],
    ['a key of a million bytes', long => '{"id":"' . 'x' x 1_000_000 . '"}'],

    # duplicate keys: the good row stands before all of these
    ['a key again', duplicate => '{"id":"good","a":2}'],
    ['the very same row again', duplicate => '{"id":"good"}'],
    ['a key again, escaped', duplicate => '{"id":"\\u0067ood"}'],
);

for my $case (@invalid) {
    my ($name, $kinds, $bytes) = @$case;

    my $box = box_of(qq({"id":"good"}\n$bytes\n{"id":"last"}\n));
    my $run = $box->loader('sync');
    my $counts = summary($run)->{'Acme/Users'} || {};

    my $wanted = join '|', map { $reason{$_} } split /\|/, $kinds;

    my $ok = $run->{status} eq '0'
        && ($counts->{rows} // 0) == 3 && ($counts->{invalid} // 0) == 1
        && ($counts->{added} // 0) == 2
        && $run->{err} =~ m{^profile-loader: Acme/Users: users\.ndjson:2: (?:$wanted)$}m
        && $run->{err} !~ /[^\n -~]/;

    if (ok($ok, "$name: reported")) {
        my $records = stored($box);

        is_deeply($records, { good => '{"data":{"id":"good"}}',
                              last => '{"data":{"id":"last"}}' },
                  "$name: left out");

    } else {
        diag("  wanted $kinds");
        diag_run($run);
    }
}


# -- rows whose bytes come out as they went in --------------------------------

my @numbers = qw(0 -0 0.0 -0.0 0.10 1.0 1.50 12345678901234567890
                 -12345678901234567890 123456789012345678901234567890
                 0.1000000000000000055511151231257827 1e400 -1e400 1E+2 1e-2
                 1E400 1e-400 1.5E00 0e0 0E+0 -0e-0 9007199254740993
                 9223372036854775807 9223372036854775808 18446744073709551616
                 3.141592653589793238462643383279502884197
                 1e99999999999999999999);
push @numbers, '1' x 5000, '0.' . '3' x 5000, '-' . '9' x 400 . 'e' . '9' x 40;

# [name, id, the row as written, the row as served]
my @valid = (
    (map { my $shown = substr $_, 0, 24;
           ["the number $shown", 'x', qq({"id":"x","n":$_}),
            qq({"id":"x","n":$_})] } @numbers),
    ['all numbers', 'x', '{"id":"x","n":[' . join(' , ', @numbers) . ']}',
     '{"id":"x","n":[' . join(',', @numbers) . ']}'],
    ['numbers before the key', '31', '{"a":[5,6,[7]],"id":31,"b":8}',
     '{"a":[5,6,[7]],"id":31,"b":8}'],
    ['keys in front of numbers', '2', '{"a":{"id":1},"id":2,"b":{"id":3}}',
     '{"a":{"id":1},"id":2,"b":{"id":3}}'],

    # white space
    ['white space everywhere', 'a b',
     qq( \t{ "id" \t: "a b" , "x" : [ 1 , 2 ,\t{ } , [ ] ] , "y" : { "z" : true } } \t ),
     '{"id":"a b","x":[1,2,{},[]],"y":{"z":true}}'],
    ['white space in strings', 'x',
     '{"id":"x", "  a  b ": "  c  d  ", "e": "\\t \\n \\r"}',
     '{"id":"x","  a  b ":"  c  d  ","e":"\\t \\n \\r"}'],
    ['quotes and backslashes', 'x',
     '{"id":"x", "a": "\\" , : \\"", "b": "\\\\", "c": " \\\\\\" ", "d": "\\\\\\\\" }',
     '{"id":"x","a":"\\" , : \\"","b":"\\\\","c":" \\\\\\" ","d":"\\\\\\\\"}'],
    ['brackets in strings', 'x', '{"id":"x", "a": "} ] {[ , :"}',
     '{"id":"x","a":"} ] {[ , :"}'],
    ['carriage returns', 'x', qq({"id":"x",\r"a":1}\r), '{"id":"x","a":1}'],

    # strings
    ['every short escape', 'x',
     '{"id":"x","a":"\\" \\\\ \\/ \\b \\f \\n \\r \\t"}',
     '{"id":"x","a":"\\" \\\\ \\/ \\b \\f \\n \\r \\t"}'],
    ['escapes that need not be', 'x',
     '{"id":"x","a":"\\u0041\\u002f\\u00E9\\u00e9\\/"}',
     '{"id":"x","a":"\\u0041\\u002f\\u00E9\\u00e9\\/"}'],
    ['escaped control characters', 'x', '{"id":"x","a":"\\u0001\\u001f\\u007f"}',
     '{"id":"x","a":"\\u0001\\u001f\\u007f"}'],
    ['surrogates', 'x', '{"id":"x","a":"\\ud83d\\uDE00\\uDBFF\\udfff"}',
     '{"id":"x","a":"\\ud83d\\uDE00\\uDBFF\\udfff"}'],
    ['raw Unicode', 'x', encode_utf8(qq({"id":"x","a":"\x{e9}\x{20AC}$grin\x{10FFFF}\x{FFFE}\x{FEFF}"})),
     encode_utf8(qq({"id":"x","a":"\x{e9}\x{20AC}$grin\x{10FFFF}\x{FFFE}\x{FEFF}"}))],
    ['line separators', 'x', encode_utf8(qq({"id":"x","a":"\x{2028}\x{2029}\x{85}\x{a0}"})),
     encode_utf8(qq({"id":"x","a":"\x{2028}\x{2029}\x{85}\x{a0}"}))],
    ['a raw DEL', 'x', qq({"id":"x","a":"\x7f"}), qq({"id":"x","a":"\x7f"})],
    ['HTML', 'x', '{"id":"x","a":"</script><!--&amp;"}',
     '{"id":"x","a":"</script><!--&amp;"}'],
    ['empty strings and names', 'x', '{"id":"x","":"","a":""}',
     '{"id":"x","":"","a":""}'],
    ['names that differ in case', 'x', '{"id":"x","ID":1,"Id":2,"iD":3}',
     '{"id":"x","ID":1,"Id":2,"iD":3}'],
    ['names that differ by composition', 'x',
     qq({"id":"x","\xC3\xA9":1,"e\xCC\x81":2}),
     qq({"id":"x","\xC3\xA9":1,"e\xCC\x81":2})],
    ['the same name on different levels', 'x',
     '{"id":"x","a":{"id":"y","a":{"id":"z"}}}',
     '{"id":"x","a":{"id":"y","a":{"id":"z"}}}'],
    ['words', 'x', '{"id":"x","a":null,"b":true,"c":false}',
     '{"id":"x","a":null,"b":true,"c":false}'],
    ['1,000 arrays', 'x', '{"id":"x","a":' . '[' x 1000 . ']' x 1000 . '}',
     '{"id":"x","a":' . '[' x 1000 . ']' x 1000 . '}'],
    ['10,000 members', 'x',
     '{"id":"x",' . join(', ', map { qq("m$_":$_) } 1 .. 10_000) . '}',
     '{"id":"x",' . join(',', map { qq("m$_":$_) } 1 .. 10_000) . '}'],

    # keys
    ['an integer key', '42', '{"id":42}', '{"id":42}'],
    ['zero', '0', '{"id":0}', '{"id":0}'],
    ['minus zero', '-0', '{"id":-0}', '{"id":-0}'],
    ['a negative key', '-17', '{"id": -17 }', '{"id":-17}'],
    ['a big integer key', '12345678901234567890',
     '{"id":12345678901234567890}', '{"id":12345678901234567890}'],
    ['a big negative key', '-99999999999999999999999',
     '{"id":-99999999999999999999999}', '{"id":-99999999999999999999999}'],
    ['500 digits', '7' x 500, '{"id":' . '7' x 500 . '}',
     '{"id":' . '7' x 500 . '}'],
    ['500 bytes', 'x' x 500, '{"id":"' . 'x' x 500 . '"}',
     '{"id":"' . 'x' x 500 . '"}'],
    ['500 bytes of two-byte letters', "\xC3\xA9" x 250,
     '{"id":"' . "\xC3\xA9" x 250 . '"}',
     '{"id":"' . "\xC3\xA9" x 250 . '"}'],
    ['500 bytes, escaped', "\xC3\xA9" x 250,
     '{"id":"' . '\\u00e9' x 250 . '"}', '{"id":"' . '\\u00e9' x 250 . '"}'],
    ['500 bytes, escaped quotes', '"' x 500,
     '{"id":"' . '\\"' x 500 . '"}', '{"id":"' . '\\"' x 500 . '"}'],
    ['an escaped key', "\xC3\xA9\xF0\x9F\x98\x80/",
     '{"id":"\\u00e9\\ud83d\\ude00\\/"}', '{"id":"\\u00e9\\ud83d\\ude00\\/"}'],
    ['a key with control characters', "a\x01\n\tb",
     '{"id":"a\\u0001\\n\\tb"}', '{"id":"a\\u0001\\n\\tb"}'],
    ['a key of white space', ' ', '{"id":" "}', '{"id":" "}'],
    ['a key with quotes', '"\\', '{"id":"\\"\\\\"}', '{"id":"\\"\\\\"}'],
    ['a key that looks like a fraction', '1.0', '{"id":"1.0"}',
     '{"id":"1.0"}'],
    ['the key\'s name escaped', '7', '{"\\u0069\\u0064":"7"}',
     '{"\\u0069\\u0064":"7"}'],
    ['the key last', 'z', '{"a":1,"b":[2],"id":"z"}',
     '{"a":1,"b":[2],"id":"z"}'],
);

for my $case (@valid) {
    my ($name, $id, $row, $served) = @$case;

    my $box = box_of("$row\n");
    my $run = $box->loader('sync');

    next if !run_ok($run, { 'Acme/Users' => { rows => 1, invalid => 0,
                                              added => 1 } }, $name);

    my $body = $box->get('Acme', 'Users', $id) // '(not found)';

    ok($body eq qq({"data":$served}), "$name: the same bytes")
        or diag("  got    " . substr($body, 0, 500) . "\n  wanted "
                . substr qq({"data":$served}), 0, 500);
}

# All of them together: none gets another's bytes.
{
    my %seen;
    my @rows = grep { !$seen{ $_->[1] }++ } @valid;
    my $box = box_of(join '', map { "$_->[2]\n" } @rows);

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => scalar @rows, invalid => 0,
                               added => scalar @rows } }, 'all keys in one');
    is_deeply(stored($box), { map { $_->[1] => qq({"data":$_->[3]}) } @rows },
              'and each its own row');
}

# Primary keys with odd names.
for my $name ('a.b', 'a b', "\x{e9}", '$', '0', 'a"b', 'a\\b') {
    my $escaped = $name;
    $escaped =~ s/(["\\])/\\$1/g;

    my $box = sandbox({ 'u.ndjson' => encode_utf8(qq({"$escaped":"x"}\n)) },
        workspace(1, 'Acme', [entity(1, 'Users', $name, 'u.ndjson')]));

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } },
           'the primary key ' . encode_utf8($name));
    is($box->get(1, 1, 'x'), '{"data":' . encode_utf8(qq({"$escaped":"x"}})),
       'its record');
}


# -- large rows ---------------------------------------------------------------

for my $case (['20 MB in one string',
               '{"id":"big","a":"' . 'x' x 20_000_000 . '"}'],
              ['20 MB in many numbers',
               '{"id":"big","a":[' . join(',', 1000000 .. 3499999) . ']}'],
              ['a row of exactly 32 MiB',
               '{"id":"big","a":"' . 'y' x (32 * 1024 * 1024 - 19) . '"}'])
{
    my ($name, $row) = @$case;
    my $box = box_of(qq({"id":"first"}\n$row\n{"id":"last"}\n));

    run_ok($box->loader('sync'), { 'Acme/Users' => { rows => 3, added => 3 } },
           $name);
    ok(($box->get(1, 1, 'big') // '') eq qq({"data":$row}),
       "$name: the same bytes");
    is($box->get(1, 1, 'last'), '{"data":{"id":"last"}}',
       "$name: the row after it");

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { unchanged => 3, written => 0 } },
           "$name: unchanged");
}

for my $case (['a byte more than 32 MiB',
               '{"id":"big","a":"' . 'y' x (32 * 1024 * 1024 - 18) . '"}'],
              ['64 MB', '{"id":"big","a":"' . 'x' x 64_000_000 . '"}'],
              ['64 MB of white space', ' ' x 64_000_000],
              ['100 MB', '{"id":"big","a":"' . 'x' x 100_000_000 . '"}'])
{
    my ($name, $row) = @$case;

    for my $end ("\n{\"id\":\"last\"}\n", "\n", '') {
        my $box = box_of(qq({"id":"first"}\n$row$end));
        my $run = $box->loader('sync');
        my $shown = length $end > 1 ? 'a row after it' : $end ? 'a newline'
                                                       : 'no newline';

        is(summary($run)->{'Acme/Users'}{invalid}, 1, "$name, $shown")
            or diag_run($run);
        like($run->{err}, qr/users\.ndjson:2: .*\blong.*32 MiB/,
             "$name, $shown: reported");
        cmp_ok(length $run->{err}, '<', 1000, "$name, $shown: not repeated");
        is_deeply([sort keys %{ stored($box) }],
                  length $end > 1 ? ['first', 'last'] : ['first'],
                  "$name, $shown: the others are served");

        last if $name ne '64 MB';
    }
}


# -- reports ------------------------------------------------------------------

{
    # The second file's lines are counted from 1 again, empty ones included.
    my $box = sandbox({
            'u-1.ndjson' => qq({"id":1}\nbad\n\n{"id":2}\n\r\n{"id":null}\n),
            'u-2.ndjson' => qq(\n\n{"id":1,"again":true}\nworse) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'u-*.ndjson',
                                     max_invalid => 100)]));

    my $run = $box->loader('sync');

    is($run->{status}, 0, 'two files with invalid rows') or diag_run($run);
    is_deeply([sort $run->{err} =~ m{^profile-loader: Acme/Users: (\S+:\d+): .}mg],
              ['u-1.ndjson:2', 'u-1.ndjson:6', 'u-2.ndjson:3',
               'u-2.ndjson:4'], 'lines of files') or diag_run($run);
    is_deeply(summary($run)->{'Acme/Users'}{invalid}, 4, 'four invalid');
    like($run->{err}, qr{u-2\.ndjson:3: duplicate primary key},
         'a key of another file');
    is($box->get(1, 1, 1), '{"data":{"id":1}}', 'the first row wins');
}

{
    # 10 lines, then a count per reason.
    my @rows = ((map { qq({"id":$_}) } 1 .. 100),
                (map { "bad $_" } 1 .. 25), ('{"id":null}') x 7, '[]');
    my $box = box_of(join '', map { "$_\n" } @rows);
    my $run = $box->loader('sync');

    my @lines = $run->{err} =~ /users\.ndjson:(\d+): /g;

    is_deeply([sort { $a <=> $b } @lines], [101 .. 110],
              'the first ten by line') or diag_run($run);
    like($run->{err}, qr{^profile-loader: Acme/Users: 25 invalid: invalid JSON$}m,
         'a count of the first reason');
    like($run->{err}, qr/: 7 invalid: primary key is null$/m,
         'a count of the second');
    like($run->{err}, qr/: 1 invalid: not an object$/m,
         'a count of the third');
    is(summary($run)->{'Acme/Users'}{invalid}, 33, 'the summary has all');
    cmp_ok(scalar(() = $run->{err} =~ /\n/g), '==', 13, 'not one line more');
}

{
    # A report repeats nothing of a row: rows are personal data, and may hold
    # what a terminal would obey.
    my $secret = 'boris@getcensus.com';
    my $box = box_of(join '', map { "$_\n" } qq({"id":"$secret"}),
                     qq({"id":"$secret","a":}), qq({"email":"$secret"}),
                     qq({"id":"$secret"}), qq($secret),
                     qq({"$secret":1,"$secret":2}));
    my $run = $box->loader('sync');

    is(summary($run)->{'Acme/Users'}{invalid}, 5, 'five invalid rows');
    unlike($run->{err} . $run->{out}, qr/boris/, 'no row is repeated');
}

done_testing();
