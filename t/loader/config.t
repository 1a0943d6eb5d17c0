# Why: the configuration is the one source of truth, written by hand. A slip
# must be found before anything is touched, and the message must name the
# place in the file; a slip that is passed over can publish the wrong data.

use strict;
use warnings;

use JSON::PP ();
use lib 't/lib';
use ProfileLoader;
use Test::More;

my $loader = loader_path();
my $json = JSON::PP->new->canonical->pretty->utf8->allow_nonref;

my $A = 'a' x 64;
my $B = 'b' x 64;


# -- a configuration, and ways to spoil it ------------------------------------

# Every member that there is, so that each can be spoiled.

sub good {
    my ($store) = @_;

    return {
        store => $store,
        workspaces => [
            workspace(1, 'Acme', [
                entity(1, 'Users', 'id', 'users.ndjson', library_id => 1,
                       refresh => { mode => 'full' }, max_invalid => 5,
                       max_delete => 20),
                entity(2, 'Companies', 'domain', 'companies.ndjson'),
            ], enabled => JSON::PP::true,
               keys => [
                   { name => 'web', sha256 => $A,
                     expires => '2027-01-01T00:00:00Z' },
                   { name => 'batch', sha256 => $B },
               ]),
            workspace(2, 'Globex', [
                entity(1, 'Users', 'id', 'users.ndjson'),
            ], keys => [{ name => 'web', sha256 => 'c' x 64 }]),
        ],
    };
}


# A place such as workspaces[0].keys[1].name: the hash or array that holds the
# last part, and that part.

sub locate {
    my ($config, $place) = @_;

    my @steps = map { /\A\[(\d+)\]\z/ ? \(0 + $1) : $_ }
                $place =~ /(\[\d+\]|[^.\[\]]+)/g;
    my $last = pop @steps;

    for my $step (@steps) {
        $config = ref $step ? $config->[$$step] : $config->{$step};
    }

    return ($config, $last);
}


# The value is JSON text, which may hold what Perl would not write.

sub spoiled {
    my ($store, $place, $value) = @_;

    my $config = good($store);
    my ($holder, $last) = locate($config, $place);

    if (!defined $value) {
        delete $holder->{$last};

    } elsif (ref $last) {
        $holder->[$$last] = '@RAW@';

    } else {
        $holder->{$last} = '@RAW@';
    }

    my $text = $json->encode($config);
    $text =~ s/"\@RAW\@"/$value/ if defined $value;

    return $text;
}


# -- every slip is tried twice: without a store, and with one -----------------

my $box = sandbox({ 'users.ndjson' => qq({"id":"1"}\n),
                    'companies.ndjson' => qq({"domain":"a.example"}\n) });
$box->configure(good($box->{store}));

run_ok($box->loader('sync'),
       { map { $_ => { added => 1 } }
         'Acme/Users', 'Acme/Companies', 'Globex/Users' },
       'the good configuration is good');

my $absent = "$box->{dir}/absent";
my $file = "$box->{dir}/bad.json";
my $before = fingerprint($box->{store});
my $cases = 0;


sub refused {
    my ($name, $make, @patterns) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @commands = (['sync'], ['apply'], ['status'],
                    ['get', 'Acme', 'Users', '1']);
    my $ok = 1;

    for my $store ($absent, $box->{store}) {
        spew($file, $make->($store));

        # All commands read the same configuration; two in turn are enough.
        my @command = @{ $commands[$cases++ % @commands] };
        @command = ('sync') if $store eq $absent;

        my $run = run($loader, '-c', $file, @command);

        $ok &&= $run->{status} eq '2' && $run->{out} eq ''
                && $run->{err} =~ /\Aprofile-loader: \Q$file\E:/
                && $run->{err} !~ /^usage/im
                && !-e $absent;
        $ok &&= $run->{err} =~ $_ for @patterns;
        $ok &&= $run->{err}
                =~ /\A(?:profile-loader: \Q$file\E:[^\n]{1,400}\n){1,20}\z/;

        if (!$ok) {
            fail($name);
            diag_run($run);
            diag("  wanted: $_") for @patterns;
            diag('  a store was made') if -e $absent;
            run('rm', '-rf', $absent);
            return;
        }
    }

    # The store is read as rarely as a slip can hide.
    return pass($name) if $cases % 20;

    return is(fingerprint($box->{store}), $before, $name);
}


# spoil(PLACE, VALUE or undef, WORD): the message names the place.

sub spoil {
    my ($place, $value, $word, $named) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $named //= $place;

    my $shown = defined $value ? substr $value, 0, 40 : '(left out)';

    return refused("$place: $shown",
                   sub { spoiled($_[0], $place, $value) },
                   qr/^.*?\.json: \Q$named\E: \S/m,
                   $word // ());
}


# -- members that are missing -------------------------------------------------

spoil($_, undef, qr/missing|required|must/) for
    'store',
    'workspaces',
    'workspaces[0].id',
    'workspaces[1].id',
    'workspaces[0].name',
    'workspaces[0].keys[0].name',
    'workspaces[0].keys[1].sha256',
    'workspaces[0].entities[0].id',
    'workspaces[0].entities[1].name',
    'workspaces[0].entities[1].primary_key',
    'workspaces[1].entities[0].source',
    'workspaces[0].entities[0].format';

# What may be left out.
for my $place ('workspaces[0].enabled', 'workspaces[0].keys',
               'workspaces[0].keys[0].expires', 'workspaces[0].entities',
               'workspaces[0].entities[0].library_id',
               'workspaces[0].entities[0].refresh',
               'workspaces[0].entities[0].max_invalid',
               'workspaces[0].entities[0].max_delete')
{
    my $other = "$box->{dir}/other";
    spew($file, spoiled($other, $place, undef));

    my $run = run($loader, '-c', $file, 'apply');
    is($run->{status}, 0, "$place may be left out") or diag_run($run);
    run('rm', '-rf', $other);
}


# -- wrong types --------------------------------------------------------------

my %wrong = (
    string => ['1', 'true', 'null', '[]', '{}', '["x"]'],
    name => ['""'],
    number => ['"1"', 'true', 'null', '[]', '{}'],
    boolean => ['1', '0', '"true"', 'null', '[]', '{}'],
    array => ['{}', '"x"', '1', 'true', 'null'],
    object => ['[]', '"x"', '1', 'true', 'null', '[{}]'],
);

for my $place ('store', 'workspaces[0].name', 'workspaces[1].keys[0].name',
               'workspaces[0].keys[1].sha256',
               'workspaces[0].keys[0].expires',
               'workspaces[0].entities[0].name',
               'workspaces[0].entities[0].primary_key',
               'workspaces[0].entities[0].source.file',
               'workspaces[0].entities[0].format',
               'workspaces[0].entities[0].refresh.mode', 'group')
{
    spoil($place, $_) for @{ $wrong{string} }, @{ $wrong{name} };
}

spoil($_->[0], $_->[1]) for map { my $place = $_;
                                  map { [$place, $_] } @{ $wrong{number} } }
    'workspaces[0].id', 'workspaces[0].entities[1].id',
    'workspaces[0].entities[0].library_id',
    'workspaces[0].entities[0].max_invalid',
    'workspaces[0].entities[0].max_delete';

spoil('workspaces[0].enabled', $_) for @{ $wrong{boolean} };

for my $place ('workspaces', 'workspaces[0].keys', 'workspaces[1].entities') {
    spoil($place, $_) for @{ $wrong{array} };
}

for my $place ('workspaces[0]', 'workspaces[1]', 'workspaces[0].keys[1]',
               'workspaces[0].entities[1]',
               'workspaces[0].entities[0].source',
               'workspaces[0].entities[0].refresh')
{
    spoil($place, $_) for @{ $wrong{object} };
}

refused("the whole file: $_->[0]", sub { $_->[0] }, qr/object/)
    for map { [$_] } '[]', '[{}]';

# Other values alone are not JSON for every parser.
for my $text ('"store"', '1', 'true', 'null') {
    refused("the whole file: $text", sub { $text });
}


# -- ids ----------------------------------------------------------------------

for my $place ('workspaces[0].id', 'workspaces[0].entities[1].id',
               'workspaces[0].entities[0].library_id')
{
    spoil($place, $_) for '0', '-1', '-0', '4294967296', '4294967297',
                          '8589934593', '1.5', '1.0', '1e0', '1e2',
                          '9223372036854775807';
}

# The parser may find these to be no integers at all.
for my $value ('9223372036854775808', '18446744073709551617', '1e400',
               '-9223372036854775809')
{
    refused("workspaces[0].id: $value",
            sub { spoiled($_[0], 'workspaces[0].id', $value) });
}


# -- percentages --------------------------------------------------------------

for my $place ('workspaces[0].entities[0].max_invalid',
               'workspaces[0].entities[0].max_delete')
{
    spoil($place, $_) for '-1', '-0.001', '100.001', '101', '1e10', '-1e10';

    for my $good ('0', '100', '0.5', '99.999', '1e1', '0.0') {
        my $other = "$box->{dir}/other";
        spew($file, spoiled($other, $place, $good));

        my $run = run($loader, '-c', $file, 'apply');
        is($run->{status}, 0, "$place may be $good") or diag_run($run);
        run('rm', '-rf', $other);
    }
}


# -- unknown members, at every level ------------------------------------------

for my $place ('colour', 'workspaces[0].colour', 'workspaces[1].colour',
               'workspaces[0].keys[0].colour',
               'workspaces[0].keys[1].key',
               'workspaces[0].entities[0].colour',
               'workspaces[0].entities[1].primarykey',
               'workspaces[0].entities[1].max_deleted',
               'workspaces[0].entities[1].Id',
               'workspaces[0].entities[0].source.colour',
               'workspaces[0].entities[0].source.path',
               'workspaces[0].entities[0].source.commands',
               'workspaces[0].entities[0].source.Stdin',
               'workspaces[0].entities[0].refresh.colour',
               'workspaces[0].entities[0].refresh.every',
               'Store', 'workspace', 'version')
{
    spoil($place, $_, qr/is not a known member/) for 'null', '1';
}

# A name that is no name must not break the message into lines.
refused('an unknown member with control characters',
        sub { my $text = spoiled($_[0], 'colour', '1');
              $text =~ s/"colour"/"a\\nb\\u001b[31m"/;
              $text },
        qr/is not a known member/);

# An empty name is unknown as well.
refused('an unknown member without a name',
        sub { my $text = spoiled($_[0], 'colour', '1');
              $text =~ s/"colour"/""/;
              $text },
        qr/is not a known member/);


# -- formats, sources and refreshes -------------------------------------------

my $entity = 'workspaces[0].entities[0]';


# accepted(NAME, PLACE, VALUE...): good, with these values.

sub accepted {
    my ($name, @values) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $other = "$box->{dir}/other";
    my $config = good($other);

    while (my ($place, $value) = splice @values, 0, 2) {
        my ($holder, $last) = locate($config, $place);
        $holder->{$last} = $json->decode($value);
    }

    spew($file, $json->encode($config));

    my $run = run($loader, '-c', $file, 'apply');
    is($run->{status}, 0, "$name is good") or diag_run($run);
    run('rm', '-rf', $other);

    return;
}


spoil("$entity.format", $_, qr/"ndjson", "json" or "csv"/)
    for '"NDJSON"', '"ndjson "', '"xml"', '"jsonl"', '"CSV"';
accepted("the format $_", "$entity.format", $_)
    for '"ndjson"', '"json"', '"csv"';

# Where an array of objects is.
for my $value ('"."', '".a"', '"a."', '"a..b"', '".."') {
    refused("path $value",
            sub { my $text = spoiled($_[0], "$entity.path", $value);
                  $text =~ s/"format" : "ndjson"/"format" : "json"/;
                  $text },
            qr/: \Q$entity\E\.path: must be names with dots/);
}

spoil("$entity.path", $_) for @{ $wrong{string} }, @{ $wrong{name} };
spoil("$entity.path", '"rows"', qr/is for the format "json"$/m);
refused('path with csv',
        sub { my $config = good($_[0]);
              @{ $config->{workspaces}[0]{entities}[0] }{'format', 'path'}
                  = ('csv', 'rows');
              $json->encode($config) },
        qr/: \Q$entity\E\.path: is for the format "json"$/m);
accepted("the path $_", "$entity.format", '"json"', "$entity.path", $_)
    for '"rows"', '"data.rows"', '"a b.\u00e9"';

# One source, not none and not two.
spoil("$entity.source", $_, qr/must have one of "file", "command" and "stdin"/)
    for '{}', '{"file":"x","command":["echo"]}',
        '{"file":"x","stdin":true}', '{"command":["echo"],"stdin":true}',
        '{"file":"x","command":["echo"],"stdin":true}';

spoil("$entity.source.command", $_, qr/must be an array/)
    for '[]', '{}', '"psql"', '"psql -c x"', '1', 'true', 'null';

for my $case (['[""]', 0], ['[1]', 0], ['[null]', 0], ['[["psql"]]', 0],
              ['["psql",1]', 1], ['["psql","",{}]', 2],
              ['["psql",null]', 1], ['["psql","-c",true]', 2])
{
    my ($value, $index) = @$case;

    spoil("$entity.source.command", $value, qr/must be a string/,
          "$entity.source.command[$index]");
}

accepted("the command $_", "$entity.source", qq({"command":$_}))
    for '["psql"]', '["psql",""]', '["/bin/sh","-c","a | b","{cursor}"]',
        '["{cursor}"]', '["a b"]';

spoil("$entity.source.stdin", $_, qr/must be true/)
    for 'false', '1', '0', '"true"', 'null', '[]', '{}';

accepted('standard input', "$entity.source", '{"stdin":true}');
accepted('standard input after a command',
         "$entity.source", '{"command":["echo"]}',
         'workspaces[0].entities[1].source', '{"stdin":true}');

for my $second ('workspaces[0].entities[1]', 'workspaces[1].entities[0]') {
    refused("standard input twice: $second",
            sub { my $config = good($_[0]);
                  for my $place ($entity, $second) {
                      my ($holder, $last) = locate($config, "$place.source");
                      $holder->{$last} = { stdin => JSON::PP::true };
                  }
                  $json->encode($config) },
            qr/: \Q$second\E\.source: only one entity can be read from/);
}

# What a refresh needs, and what has no meaning for one.
spoil("$entity.refresh.mode", $_, qr/must be "full" or "incremental"/)
    for '"Full"', '"delta"', '"incremental "';
spoil("$entity.refresh", $_, qr/missing/, "$entity.refresh.mode")
    for '{}', '{"cursor":"c"}';
spoil("$entity.refresh", $_, qr/needs "cursor"/)
    for '{"mode":"incremental"}', '{"mode":"incremental","deleted":"d"}';
spoil("$entity.refresh", $_, qr/are for the mode "incremental"/)
    for '{"mode":"full","cursor":"c"}', '{"mode":"full","deleted":"d"}',
        '{"mode":"full","cursor":"c","deleted":"d"}';

for my $member ('cursor', 'deleted') {
    spoil("$entity.refresh.$member", $_)
        for @{ $wrong{string} }, @{ $wrong{name} };
}

accepted("the refresh $_", "$entity.refresh", $_)
    for '{"mode":"full"}', '{"mode":"incremental","cursor":"c"}',
        '{"mode":"incremental","cursor":"c","deleted":"d"}';


# -- duplicates ---------------------------------------------------------------

spoil('workspaces[1].id', '1', qr/already|duplicate|twice|used/i);
spoil('workspaces[1].name', '"Acme"', qr/already|duplicate|twice|used/i);
spoil('workspaces[0].entities[1].id', '1', qr/already|duplicate|twice|used/i);
spoil('workspaces[0].entities[1].name', '"Users"',
      qr/already|duplicate|twice|used/i);
spoil('workspaces[0].keys[1].name', '"web"',
      qr/already|duplicate|twice|used/i);

# The same key for two workspaces would open one of them by chance. The hash
# is a secret's: it must not be repeated.
for my $hash ($A, uc $A, 'aA' x 32) {
    for my $place ('workspaces[0].keys[1].sha256',
                   'workspaces[1].keys[0].sha256')
    {
        spoil($place, qq("$hash"), qr/already|duplicate|twice|used/i);
    }
}

# A disabled workspace's keys and names count as well.
refused('a hash of a disabled workspace',
        sub { my $config = good($_[0]);
              $config->{workspaces}[0]{enabled} = JSON::PP::false;
              $config->{workspaces}[1]{keys}[0]{sha256} = $A;
              $json->encode($config) },
        qr/workspaces\[1\]\.keys\[0\]\.sha256/);

# Names are unique in a workspace only, and compared byte by byte.
{
    my $other = "$box->{dir}/other";
    my $config = good($other);
    $config->{workspaces}[1]{name} = 'acme';
    $config->{workspaces}[0]{entities}[1]{name} = 'users';
    $config->{workspaces}[0]{keys}[1]{name} = 'Web';
    spew($file, $json->encode($config));

    my $run = run($loader, '-c', $file, 'apply');
    is($run->{status}, 0, 'names that differ in case are different')
        or diag_run($run);
    run('rm', '-rf', $other);
}


# -- hashes and dates ---------------------------------------------------------

spoil('workspaces[0].keys[0].sha256', qq("$_"), qr/hex|64|SHA/i)
    for '', 'a', 'a' x 63, 'a' x 65, 'a' x 63 . 'g', 'a' x 63 . ' ',
        ' ' . 'a' x 63, '0x' . 'a' x 62, 'a' x 128, 'a' x 62 . "\xC3\xA9",
        'secret-token:' . 'a' x 51;

# A key itself, pasted in the hash's place, must not be repeated.
{
    my $secret = 'secret-token:' . 'Q' x 43;
    spew($file, spoiled($absent, 'workspaces[0].keys[0].sha256',
                        qq("$secret")));

    my $run = run($loader, '-c', $file, 'sync');
    is($run->{status}, 2, 'a key in place of its hash');
    unlike($run->{err}, qr/\Q$secret\E|QQQQ/, 'is not printed');
}

spoil('workspaces[0].keys[0].expires', qq("$_"))
    for 'tomorrow', 'never', '2027', '2027-01', '2027-01-01',
        '2027-01-01T00:00Z', '2027-01-01T00:00:00', '2027-01-01 00:00:00Z',
        '2027-01-01T00:00:00Zulu', '2027-01-01T00:00:00Z ',
        ' 2027-01-01T00:00:00Z', '2027-1-1T00:00:00Z', '27-01-01T00:00:00Z',
        '2027-00-01T00:00:00Z', '2027-13-01T00:00:00Z',
        '2027-01-00T00:00:00Z', '2027-01-32T00:00:00Z',
        '2027-02-29T00:00:00Z', '2027-04-31T00:00:00Z',
        '2100-02-29T00:00:00Z', '2027-01-01T25:00:00Z',
        '2027-01-01T00:60:00Z', '2027-01-01T00:00:61Z',
        '-027-01-01T00:00:00Z', '+027-01-01T00:00:00Z',
        '2027-01-01T-1:00:00Z', '2027-01-01T+1:00:00Z',
        '2027-01-01T 1:00:00Z', '2027/01/01T00:00:00Z', '1798761600',
        '2027-01-01T00:00:00ZZ', '2027-01-01T00:00:0aZ';

for my $good ('2027-12-31T23:59:59Z', '2028-02-29T00:00:00Z',
              '2000-02-29T12:00:00Z', '2099-01-01T00:00:00Z',
              '9999-12-31T23:59:59Z', '1970-01-01T00:00:01Z')
{
    my $other = "$box->{dir}/other";
    spew($file, spoiled($other, 'workspaces[0].keys[0].expires', qq("$good")));

    my $run = run($loader, '-c', $file, 'apply');
    is($run->{status}, 0, "expires may be $good") or diag_run($run);
    run('rm', '-rf', $other);
}


# -- names --------------------------------------------------------------------

# Longer than the store can hold.
spoil($_, '"' . 'n' x 1001 . '"', qr/long|1000|bytes/)
    for 'workspaces[0].name', 'workspaces[0].entities[0].name',
        'workspaces[0].keys[0].name', 'workspaces[0].entities[0].primary_key';

{
    my $other = "$box->{dir}/other";
    my $config = good($other);
    my $long = "\xC3\xA9" x 500;
    utf8::decode($long);

    $config->{workspaces}[0]{name} = $long;
    $config->{workspaces}[0]{keys}[0]{name} = $long;
    $config->{workspaces}[0]{entities}[0]{name} = $long;
    $config->{workspaces}[0]{entities}[0]{primary_key} = $long;
    spew($file, $json->encode($config));

    my $run = run($loader, '-c', $file, 'apply');
    is($run->{status}, 0, 'names of 1000 bytes') or diag_run($run);
    run('rm', '-rf', $other);
}

spoil('group', '"no-such-group-here"', qr/group/);


# -- not JSON -----------------------------------------------------------------

# [text, line, column or undef where parsers may differ]
for my $case (
    ['', 1],
    [" \n \n", undef],
    ['{', 1],
    ['{ "store": "x", }', 1],
    ["{ \"store\": \"x\",\n  \"workspaces\": [\n    {,}\n  ] }", 3, 6],
    ["{ \"store\": \"x\"\n  \"workspaces\": [] }", 2, 14],
    ["{ 'store': 'x' }", 1, 3],
    ["{\n\n\n\"store\": nul }", 4],
    ["{ \"store\": \"x\", // why\n \"workspaces\": [] }", 1],
    ["{ \"store\": \"x\ty\", \"workspaces\": [] }", 1],
    ["{ \"store\": \"\\x\", \"workspaces\": [] }", 1],
    ["{ \"store\": \"\\ud800\", \"workspaces\": [] }", 1],
    ["{ \"store\": \"a\\u0000b\", \"workspaces\": [] }", 1],
    ["{ \"store\": \"x\", \"workspaces\": [] } x", 1],
    ["{ \"store\": \"x\", \"workspaces\": [] }\n{}", 2],
    ["{ \"store\": \"\xFF\", \"workspaces\": [] }", 1],
    ["{ \"store\": \"\xC0\xAF\", \"workspaces\": [] }", 1],
    ['[' x 100_000, undef],
    ['{"a":' x 100_000, undef],
) {
    my ($text, $line, $column) = @$case;
    my $shown = substr $text, 0, 50;
    $shown =~ s/([^ -~])/sprintf '\x%02x', ord $1/ge;

    my $place = defined $column ? qr/\A.*?\.json:$line:$column: \S.*\n\z/
              : defined $line   ? qr/\A.*?\.json:$line:\d+: \S.*\n\z/
              :                   qr/\A.*?\.json:\d+:\d+: \S.*\n\z/;

    refused("not JSON: $shown", sub { $text }, $place);
}

# The parser would lose some of these; a text file has none.
for my $text ("\0", "{ \"store\": \"x\0y\", \"workspaces\": [] }",
              "{ \"store\": \"x\", \"workspaces\": [] }\0",
              "{ \"store\": \"x\", \"workspaces\": [ 1\0 ] }",
              "{ \"store\": \"x\", \"workspaces\": [ true\0 ] }")
{
    my $shown = $text =~ s/\0/<NUL>/gr;

    refused("a zero byte: $shown", sub { $text }, qr/: holds a zero byte$/m);
}

refused('duplicate members',
        sub { my $text = $json->encode(good($_[0]));
              $text =~ s/"store"/"store" : "elsewhere",\n   "store"/;
              $text },
        qr/\.json:\d+:\d+: .*duplicate/i);
refused('duplicate members far down',
        sub { my $text = $json->encode(good($_[0]));
              $text =~ s/"primary_key" : "id"/"primary_key" : "id", $&/;
              $text },
        qr/\.json:\d+:\d+: .*duplicate/i);
refused('duplicate members, one with an escape',
        sub { my $text = $json->encode(good($_[0]));
              $text =~ s/"primary_key" : "id"/"\\u0070rimary_key" : "x", $&/;
              $text },
        qr/\.json:\d+:\d+: .*duplicate/i);


# -- of several slips one at least is named, and it is a real one -------------

refused('two slips',
        sub { my $config = good($_[0]);
              delete $config->{workspaces}[1]{name};
              $config->{workspaces}[0]{entities}[1]{id} = 'two';
              $json->encode($config) },
        qr/: workspaces\[(?:0\]\.entities\[1\]\.id|1\]\.name): /);


# -- the file itself ----------------------------------------------------------

sub unusable {
    my ($name, $path, $option, @patterns) = @_;

    for my $command (['sync'], ['apply'], ['status'], ['get', '1', '1', '1'])
    {
        my $run = run($option, $loader, '-c', $path, @$command);

        fails_ok($run, 2, qr/\Q$path\E/, @patterns, "$name: @$command");
        is($run->{out}, '', "$name: @$command prints nothing");
    }
}

unusable('a missing file', "$box->{dir}/nowhere.json", {},
         qr/No such file/);
unusable('a missing folder', "$box->{dir}/nowhere/x.json", {},
         qr/No such file/);
unusable('a folder', $box->{dir}, {}, qr/Is a directory/);

SKIP: {
    my %nobody = $> == 0 ? (user => 'nobody') : ();
    my $path = spew("$box->{dir}/secret.json", '{}');
    chmod 0, $path;

    unusable('a file that may not be read', $path, \%nobody,
             qr/Permission denied/);
}

# The place that is looked at when none is given.
SKIP: {
    skip 'this machine has one', 1 if -e '/etc/profile-loader.json';

    fails_ok(run($loader, 'status'), 2, qr{/etc/profile-loader\.json},
             'the default configuration');
}

# A path that is too long.
{
    my $run = run($loader, '-c', 'x' x 5000, 'sync');
    is($run->{status}, 2, 'a path that is too long');
}

# A named pipe is as good as a file: secrets come that way.
{
    my $run = run({ dir => $box->{dir} }, 'sh', '-c',
                  'exec "$0" -c /dev/stdin status <"$1"', $loader,
                  $box->{config});
    is($run->{status}, 0, 'a configuration on standard input')
        or diag_run($run);
}


# -- and after all that -------------------------------------------------------

is(fingerprint($box->{store}), $before, 'the store was never touched');
ok(!-e $absent, 'no store was made');
cmp_ok($cases, '>', 500, 'enough was tried');

# The example of the reference.
{
    my $other = "$box->{dir}/other";
    mkdir "$box->{dir}/exports";
    $box->write('exports/users-1.ndjson' => qq({"id":"1"}\n));

    spew($file, <<"END");
{ "store": "$other",
  "workspaces": [
    { "id": 1, "name": "Acme", "enabled": true,
      "keys": [ { "name": "web", "sha256": "$A", "expires": "2027-01-01T00:00:00Z" } ],
      "entities": [
        { "id": 1, "name": "Users", "library_id": 1, "primary_key": "id",
          "source": { "file": "exports/users-*.ndjson" }, "format": "ndjson" },
        { "id": 2, "name": "Companies", "library_id": 1, "primary_key": "domain", "format": "ndjson",
          "source": { "command": ["echo", "{\\"domain\\":\\"a.example\\",\\"updated_at\\":\\"{cursor}1\\",\\"is_deleted\\":false}"] },
          "refresh": { "mode": "incremental", "cursor": "updated_at", "deleted": "is_deleted" } } ] } ] }
END

    run_ok(run($loader, '-c', $file, 'sync'),
           { 'Acme/Users' => { rows => 1, added => 1 },
             'Acme/Companies' => { rows => 1, added => 1 } }, 'the example');
}

# Limits: no workspaces at all, and the largest ids.
{
    my $other = "$box->{dir}/largest";
    my $config = good($other);
    $config->{workspaces}[0]{id} = 4294967295;
    $config->{workspaces}[0]{entities}[0]{id} = 4294967295;
    $config->{workspaces}[0]{entities}[0]{library_id} = 4294967295;
    spew($file, $json->encode($config));

    run_ok(run($loader, '-c', $file, 'sync'),
           { 'Acme/Users' => { added => 1 } }, 'the largest ids');
    is(run($loader, '-c', $file, 'get', '4294967295', '4294967295', '1')
           ->{out}, qq({"data":{"id":"1"}}\n), 'and get finds them');

    spew($file, $json->encode({ store => $other, workspaces => [] }));
    is(run($loader, '-c', $file, 'sync')->{status}, 0, 'no workspaces');
}

done_testing();
