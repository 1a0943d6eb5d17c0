# Why: exports come as JSON arrays and as CSV, too. Every value must be served
# with the bytes that the source wrote, a bad row must be reported where it
# stands, and a file in which rows cannot be told apart must change nothing.

use strict;
use warnings;

use lib 't/lib';
use ProfileLoader;
use Test::More;

my $stays = '; the old data stays';


# A store with one entity, whose source is the one file users.FORMAT.

sub box_of {
    my ($format, $text, %more) = @_;

    return sandbox({ "users.$format" => $text }, acme($format, %more));
}


sub acme {
    my ($format, %more) = @_;

    return workspace(1, 'Acme', [entity(1, 'Users', 'id', "users*.$format",
                                        format => $format,
                                        max_invalid => 100, %more)]);
}


# All records of the store, as they would be served: { id => row }

sub stored {
    my ($box) = @_;

    my @loads = values %{ records_of(mdb_pairs($box->generation)) };
    my %rows = @loads ? %{ $loads[0] } : ();

    s/\A\{"data":(.*)\}\z/$1/s or fail("no body: $_") for values %rows;

    return \%rows;
}


# loads_ok(FORMAT, BYTES, \%rows, NAME, [members of the entity])

sub loads_ok {
    my ($format, $text, $rows, $name, %more) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $count = keys %$rows;
    my $box = box_of($format, $text, %more);

    if (run_ok($box->loader('sync'),
               { 'Acme/Users' => { rows => $count, invalid => 0,
                                   added => $count } }, $name))
    {
        is_deeply(stored($box), $rows, "$name: the same bytes");
    }

    return;
}


# -- JSON -------------------------------------------------------------------

loads_ok('json', '[]', {}, 'an empty array');
loads_ok('json', "\xEF\xBB\xBF [\r\n ] \r\n", {}, 'one with white space');
loads_ok('json', '[{"id":1},{"id":"b"}]',
         { 1 => '{"id":1}', b => '{"id":"b"}' }, 'two elements');
loads_ok('json', <<'END', { 1 => '{"id":1,"n":[0.10,1e400]}',
[
  {
    "id": 1,
    "n": [ 0.10, 1e400 ]
  },
  {
    "id": 12345678901234567890,
    "s": " ]},[{ \" \\"
  }
]
END
           '12345678901234567890' =>
               '{"id":12345678901234567890,"s":" ]},[{ \" \\\\"}' },
         'pretty-printed');
loads_ok('json', qq([{"id":"\\u0041\\"","a":"\xC3\xA9\\u00e9\\/"}]),
         { 'A"' => qq({"id":"\\u0041\\"","a":"\xC3\xA9\\u00e9\\/"}) },
         'escapes');

loads_ok('json', '{"rows":[{"id":1}]}', { 1 => '{"id":1}' }, 'at a path',
         path => 'rows');
loads_ok('json', <<'END', { 1 => '{"id":1}', 2 => '{"id":2}' },
{ "total": 2, "rows": [ { "id": "no" } ],
  "meta": { "data": { "rows": [ "]}" ] } },
  "data": { "next": null, "rows": [ { "id": 1 }, { "id": 2 } ],
            "links": [ "\"rows\":[" ] },
  "took": 1.5e-3 }
END
         'at a longer path, with much beside it', path => 'data.rows');
loads_ok('json', '{"\u0064ata":{"r\u006fws":[{"id":1}]}}',
         { 1 => '{"id":1}' }, 'at a path with escapes', path => 'data.rows');

# Elements that are wrong by themselves.
{
    my $box = box_of('json', <<'END');
[
{"id":1},
{"id":2,},
{"id":[3}},
4,
{"id":null},
{"a":5}, {"id":1},
tru,
{"id":"\ud800"}
, {"id":"last"}]
END
    my $run = $box->loader('sync');

    is($run->{status}, '0', 'invalid elements: exit status');
    is_deeply(summary($run)->{'Acme/Users'} && {
                  map { $_ => summary($run)->{'Acme/Users'}{$_} }
                      qw(rows invalid added) },
              { rows => 10, invalid => 8, added => 2 },
              'invalid elements: counts') or diag_run($run);

    my @said = map { /^profile-loader: Acme\/Users: users\.json:(\d+: .*)$/ }
               split /\n/, $run->{err};

    is_deeply([sort @said],
              ['3: invalid JSON', '4: invalid JSON', '5: not an object',
               '6: primary key is null', '7: duplicate primary key',
               '7: no primary key', '8: invalid JSON', '9: invalid JSON'],
              'invalid elements: their lines') or diag_run($run);
    is_deeply(stored($box), { 1 => '{"id":1}', last => '{"id":"last"}' },
              'invalid elements: left out');
    is($box->get('Acme', 'Users', 'last'), '{"data":{"id":"last"}}',
       'invalid elements: what follows them is found');
}

my $no_path = 'expected an array, found an object; if the array lies in it, '
            . 'say where with "path"';
my $value = 'expected a value, found';
my $comma = 'expected a comma or "]", found';
my $open = 'expected an end of the value that begins here, found the end of '
         . 'the stream';

# [name, path, bytes, what is said]
my @broken_json = (
    ['an empty file', undef, '',
     '1: expected an array, found the end of the stream'],
    ['white space', undef, "\n\n",
     '3: expected an array, found the end of the stream'],
    ['NDJSON', undef, qq({"id":"new"}\n{"id":"other"}\n), "1: $no_path"],
    ['an object', undef, '{"rows":[]}', "1: $no_path"],
    ['CSV', undef, "id\nnew\n", '1: expected an array, found something else'],
    ['gzip', undef, "\x1F\x8B\x08\0", '1: expected an array, found something '
     . 'else'],
    ['cut within an element', undef, qq([{"id":"new"},\n{"id":"oth),
     "2: $open"],
    ['cut between elements', undef, qq([{"id":"new"},\n), "2: $value the end "
     . 'of the stream'],
    ['cut after an element', undef, qq([{"id":"new"}\n), "2: $comma the end "
     . 'of the stream'],
    ['no comma', undef, qq([{"id":"new"}\n\n{"id":"other"}]),
     "3: $comma an object"],
    ['a comma too many', undef, qq([{"id":"new"},\n]), "2: $value \"]\""],
    ['two commas', undef, '[{"id":"new"},,{"id":"other"}]',
     "1: $value a comma"],
    ['the wrong bracket', undef, '[{"id":"new"}}', "1: $comma \"}\""],
    ['a second array', undef, qq([{"id":"new"}]\n[]),
     '2: expected the end of the text, found an array'],
    ['rubbish after the array', undef, qq([{"id":"new"}]\0),
     '1: expected the end of the text, found something else'],
    ['a quote that does not end', undef, qq([{"id":"new},\n{"id":"b"}]),
     "1: $open"],

    ['no object', 'rows', '[{"id":"new"}]', '1: expected an object, through '
     . 'which "path" leads, found an array'],
    ['no such member', 'rows', qq({"row":[{"id":"new"}]\n}),
     '2: the object that ends here has no member "rows", which "path" names'],
    ['no such member within', 'data.rows', '{"data":{},"rows":[]}',
     '1: the object that ends here has no member "rows", which "path" names'],
    ['the member twice', 'rows', qq({"rows":[{"id":"new"}],\n"rows":[]}),
     '2: the member "rows" is there twice, so that "path" may mean either'],
    ['no array', 'rows', '{"rows":{"id":"new"}}',
     '1: expected an array at the end of "path", found an object'],
    ['null', 'rows', '{"rows":null}',
     '1: expected an array at the end of "path", found something else'],
    ['no object on the way', 'data.rows', '{"data":[{"rows":[]}]}',
     '1: expected an object, through which "path" leads, found an array'],
    ['cut after the array', 'data.rows', qq({"data":{"rows":[{"id":"new"}]}\n),
     '2: expected a comma or "}", found the end of the stream'],
    ['a second text', 'rows', qq({"rows":[{"id":"new"}]}\n{"rows":[]}),
     '2: expected the end of the text, found an object'],
);

keeps_old('json', '[{"id":"old"}]', @broken_json);


# -- CSV --------------------------------------------------------------------

loads_ok('csv', "id\n", {}, 'a header alone');
loads_ok('csv', "id,b\n1,2\n3,4\n",
         { 1 => '{"id":"1","b":"2"}', 3 => '{"id":"3","b":"4"}' },
         'two records');
loads_ok('csv', "b,id\r\n1,2\r\n\r\n3,4",
         { 2 => '{"b":"1","id":"2"}', 4 => '{"b":"3","id":"4"}' },
         'CRLF, a blank line, no last end');
loads_ok('csv', "\xEF\xBB\xBFid,b\n1,2\n", { 1 => '{"id":"1","b":"2"}' },
         'a byte order mark');
loads_ok('csv', qq(id,"b"\n"1","x, ""y""\r\nz"\n"2,3",\n4,""\n" ", 5 \n),
         { 1 => '{"id":"1","b":"x, \"y\"\r\nz"}',
           '2,3' => '{"id":"2,3","b":null}', 4 => '{"id":"4","b":""}',
           ' ' => '{"id":" ","b":" 5 "}' },
         'quotes, null and empty');
loads_ok('csv', qq(id,"a ""b"",\n\\c"\n007,1e400\n),
         { '007' => '{"id":"007","a \"b\",\n\\\\c":"1e400"}' },
         'names that must be escaped, values that look like numbers');
loads_ok('csv', qq(id,b\na\\n\t,"\x01\x1F\x7F</>\xC3\xA9"\n),
         { "a\\n\t" => qq({"id":"a\\\\n\\t","b":"\\u0001\\u001f\x7F</>\xC3\xA9"}) },
         'backslashes and control characters');
loads_ok('csv', "id,,B\n1,2,3\n", { 1 => '{"id":"1","":"2","B":"3"}' },
         'a column without a name');

# Records that are wrong by themselves.
{
    my $box = box_of('csv', join "\n", 'id,b', 'good,1', 'few', 'many,1,2',
        'x"y,1', '"x" ,1', 'x"', "\"two\nlines\"x,1", "nul\0,1", "\xFF,1",
        ',1', '"",1', ('k' x 501) . ',1', 'good,2', 'last,3', '');
    my $run = $box->loader('sync');

    is($run->{status}, '0', 'invalid records: exit status');

    my @said = map { /^profile-loader: Acme\/Users: users\.csv:(\d+: .*)$/ }
               split /\n/, $run->{err};

    is_deeply([sort { ($a =~ /(\d+)/)[0] <=> ($b =~ /(\d+)/)[0] } @said],
              ['3: not as many fields as the header',
               '4: not as many fields as the header',
               '5: quotes out of place', '6: quotes out of place',
               '7: quotes out of place', '8: quotes out of place',
               '10: a NUL character', '11: invalid UTF-8',
               '12: primary key is null', '13: primary key is empty'],
              'invalid records: the first ten lines') or diag_run($run);
    is_deeply(stored($box), { good => '{"id":"good","b":"1"}',
                              last => '{"id":"last","b":"3"}' },
              'invalid records: left out');
}

my $header = 'expected a header with the names of the columns, found';
my $quoted = 'in the record that begins here, a quoted field does not end '
           . 'before the stream does';

my @broken_csv = (
    ['an empty file', undef, '', "1: $header the end of the stream"],
    ['blank lines', undef, "\r\n\n", "3: $header the end of the stream"],
    ['a byte order mark alone', undef, "\xEF\xBB\xBF",
     "1: $header the end of the stream"],
    ['a column twice', undef, "id,b,b\nnew,1,2\n",
     '1: the header has the column "b" twice'],
    ['a column twice, once in quotes', undef, qq(id,b,"b"\nnew,1,2\n),
     '1: the header has the column "b" twice'],
    ['no primary key', undef, "ID,b\nnew,1\n",
     '1: the header has no column "id", which is the entity\'s primary_key'],
    ['semicolons', undef, "id;b\nnew;1\n",
     '1: the header has no column "id", which is the entity\'s primary_key'],
    ['quotes in the header', undef, qq(id,"b"c\nnew,1\n),
     "1: $header a record that is invalid: quotes out of place"],
    ['UTF-16', undef, "\xFF\xFEi\0d\0\n\0",
     "1: $header a record that is invalid: a NUL character"],
    ['a quote that does not end', undef, qq(id,b\nnew,1\n\n"x,1\ny,2\n),
     "4: $quoted"],
    ['one in the header', undef, qq(id,"b\nnew,1\n), "1: $quoted"],
    ['a control character in a name', undef, "id,\e[1m,\e[1m\nnew,1,2\n",
     '1: the header has the column "\u001b[1m" twice'],
);

keeps_old('csv', "id\nold\n", @broken_csv);


# -- several files ------------------------------------------------------------

{
    my $box = sandbox({ 'users-1.json' => '[{"id":1},{"id":2}]',
                        'users-2.json' => '[]',
                        'users-3.json' => "\n[{\"id\":3},\n{\"id\":1}]" },
                      acme('json'));
    my $run = $box->loader('sync');

    like($run->{err},
         qr/\Aprofile-loader: Acme\/Users: users-3\.json:3: duplicate primary key$/m,
         'several arrays: lines are those of the file');
    is_deeply([sort keys %{ stored($box) }], [1, 2, 3],
              'several arrays: all of them');

    spew("$box->{dir}/users-2.json", '');
    fails_ok($box->loader('sync'), 1,
             qr/^profile-loader: Acme\/Users: users-2\.json:1: expected an array/m,
             'several arrays: each has to be there');
}

{
    my $box = sandbox({ 'users-1.csv' => "id,b\n1,one\n",
                        'users-2.csv' => "\xEF\xBB\xBF\"b\",\"id\"\r\n\"two\",2\r\n",
                        'users-3.csv' => "id,c,b\n\n3,,three" },
                      acme('csv'));

    run_ok($box->loader('sync'), { 'Acme/Users' => { rows => 3, added => 3 } },
           'several tables');
    is_deeply(stored($box), { 1 => '{"id":"1","b":"one"}',
                              2 => '{"b":"two","id":"2"}',
                              3 => '{"id":"3","c":null,"b":"three"}' },
              'several tables: each has its own header');

    spew("$box->{dir}/users-2.csv", "b\ntwo\n");
    fails_ok($box->loader('sync'), 1,
             qr/^profile-loader: Acme\/Users: users-2\.csv:1: the header has no column "id"/m,
             'several tables: each header has the primary key');
    is($box->get('Acme', 'Users', 2), '{"data":{"b":"two","id":"2"}}',
       'several tables: the old data stays');
}


# -- much of it ---------------------------------------------------------------

# The longest rows are larger than what is read at once.

{
    my $count = int(100_000 / slow());
    my (@rows, @json, @csv, %size);

    for my $i (1 .. $count) {
        my $text = "row $i, " . 'x' x ($i % 50 == 7 ? 3000 : $i % 100);

        $text = 'y' x 700_000 if $i % 30_000 == 11;
        $text .= "\n\"$i\"" if $i % 3 == 0;
        push @rows, [$i * 7919 % 1_000_003, $text];
    }

    for my $row (@rows) {
        my $text = $row->[1] =~ s/"/\\"/gr =~ s/\n/\\n/gr;

        push @json, qq({"id":"$row->[0]","text":"$text"});
        push @csv, $row->[0] . ',"' . $row->[1] =~ s/"/""/gr . '"';
        $row->[2] = $json[-1];
    }

    my %source = (json => "[\n" . join(",\n", @json) . "\n]\n",
                  csv => join("\r\n", 'id,text', @csv, ''));
    my %wanted = map { $_->[0] => $_->[2] } @rows;

    for my $format ('json', 'csv') {
        my $box = box_of($format, $source{$format});

        run_ok($box->loader('sync'),
               { 'Acme/Users' => { rows => $count, invalid => 0,
                                   added => $count } },
               "$format: $count rows");

        my $got = stored($box);
        my @wrong = grep { ($got->{$_} // '') ne $wanted{$_} } keys %wanted;

        is(scalar @wrong, 0, "$format: each its own bytes");
        is(scalar keys %$got, $count, "$format: and no others");

        run_ok($box->loader('sync'),
               { 'Acme/Users' => { rows => $count, unchanged => $count,
                                   written => 0 } },
               "$format: again");
        is($box->get('Acme', 'Users', $rows[10][0]),
           qq({"data":$rows[10][2]}), "$format: a large one by get");
    }
}

done_testing();


# Loads a good file, then broken ones, which fail and change nothing.

sub keeps_old {
    my ($format, $good, @cases) = @_;

    for my $case (@cases) {
        my ($name, $path, $bytes, $said) = @$case;

        # The good one lies where the broken one is looked for.
        my $old = $good;

        for my $member (reverse split /\./, $path // '') {
            $old = qq({"$member":$old});
        }

        my $box = box_of($format, $old, $path ? (path => $path) : ());

        run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } },
               "$format, before: $name") or next;

        my $before = fingerprint($box->data);

        spew("$box->{dir}/users.$format", $bytes);

        my $run = $box->loader('sync');

        is($run->{status}, '1', "$format: $name: exit status");
        is($run->{err}, "profile-loader: Acme/Users: users.$format:"
           . "$said$stays\n", "$format: $name: what is said");
        is($run->{out}, '', "$format: $name: no summary");
        is(fingerprint($box->data), $before, "$format: $name: not touched");
        ok(defined $box->get('Acme', 'Users', 'old'),
           "$format: $name: the old data stays");
    }

    return;
}
