# Why: disks rot, people copy files while they are written, and LMDB has no
# checksums. Whoever runs `check` before a backup, or after an accident, must
# be able to believe what it says: nothing wrong stays unseen, nothing healthy
# is called damaged, and no file, however broken, crashes it.

use strict;
use warnings;

use Digest::SHA qw(sha256);
use File::Basename qw(dirname);
use lib 't/lib';
use POSIX ();
use ProfileFormat;
use ProfileLoader;
use Test::More;

my @rows = map { qq({"id":$_,"v":"row-$_-of-many"}\n) } 1 .. 300;

my $box = sandbox({ 'users.ndjson' => join('', @rows),
                    'orders.ndjson' => qq({"no":"x"}\n{"no":"y"}\n) },
    workspace(1, 'Acme', [
        entity(1, 'Users', 'id', 'users.ndjson'),
        entity(2, 'Orders', 'no', 'orders.ndjson'),
        entity(3, 'Never', 'id', 'missing.ndjson')],
        keys => [key_of('one'), key_of('two')]),
    workspace(2, 'Globex', [entity(1, 'Users', 'id', 'users.ndjson')],
        keys => [key_of('three')]));

is($box->loader('sync')->{status}, 1, 'a store, one entity not loaded');

my $generation = $box->generation;
my @honest = mdb_pairs($generation);


# -- a healthy store ----------------------------------------------------------

{
    my $bytes = 0;
    $bytes += length body_of($_->[1]) for grep { ord $_->[0] == 0x20 } @honest;

    my $before = fingerprint($box->{store});
    my $run = $box->loader('check');

    run_ok($run, {}, 'a healthy store');
    like($run->{out}, qr/\Ageneration\ 1:\ no\ damage:\ 2\ workspaces,\ 3\ keys,
                         \ 4\ entities,\ 602\ records,\ $bytes\ bytes,
                         \ 0\ records\ to\ be\ deleted,\ \d+\.\d\ s\n\z/x,
         'its counts');
    is(fingerprint($box->{store}), $before, 'nothing is changed');

    restore_pairs($generation, @honest);
    run_ok($box->loader('check'), {}, 'the same from a dump');
}

# A record's id is what its body says, in whichever way.
{
    my $odd = sandbox({ 'odd.ndjson' => <<'ROWS', 'odd.csv' => <<'CSV' },
{"id":"a\"b"}
{"\u0069d":"\u00e9"}
{"v":{"id":7},"id":8}
{"v":"\"id\":9","id":-10}
{ "v" : 1, "id" : "\u00e9t\u00e9" }
ROWS
"i""d",v
"a,""b""
c",1
CSV
        workspace(1, 'Acme', [
            entity(1, 'Odd', 'id', 'odd.ndjson'),
            { %{ entity(2, 'CSV', 'i"d', 'odd.csv') }, format => 'csv' }]));

    run_ok($odd->loader('sync'), {}, 'odd ids');
    run_ok($odd->loader('check'), {}, 'are no damage');
    like($odd->loader('check')->{out}, qr/ 6 records,/, 'all of them');
}

# Records that no one points at are no damage while the loader knows of them.
{
    my ($entity) = grep { $_->[0] eq pack 'C N N', 5, 2, 1 } @honest;
    my $incarnation = unpack 'x16 N', $entity->[1];
    my ($list) = grep { $_->[0] eq pack 'C N', 4, 2 } @honest;

    my @pairs = map { [@$_] } grep { $_ != $entity && $_ != $list } @honest;
    my $body = '{"data":[]}';
    push @pairs, [pack('C N', 6, $incarnation), pack 'C x3 N N x8', 6, 2, 1],
        [$list->[0], substr($list->[1], 0, 16) . substr(sha256($body), 0, 16)
                     . pack('N x4', length $body) . $body];
    restore_pairs($generation, sort { $a->[0] cmp $b->[0] } @pairs);

    my $run = $box->loader('check');
    run_ok($run, {}, 'an entity that is being deleted');
    like($run->{out}, qr/ 302 records, .* 300 records to be deleted,/,
         'is counted apart');
}


# -- damage to what the file holds --------------------------------------------

# damaged(NAME, PATTERN, CODE): CODE gets copies of the pairs and returns what
# is to be in the store.

sub damaged {
    my ($name, $pattern, $code, $count) = @_;

    my @pairs = $code->(map { [@$_] } @honest);
    restore_pairs($generation, sort { $a->[0] cmp $b->[0] } @pairs);

    my $run = $box->loader('check');

    fails_ok($run, 3, $pattern, qr/generation 1 of .* has \d+ damages;/, $name);
    is($run->{out}, '', "$name: nothing on standard output");
    unlike($run->{err}, qr/row-|of-many/, "$name: nothing of a row");
    like($run->{err}, qr/has $count damages/, "$name: how many") if $count;

    return;
}


# Changes the value of one key, given as its bytes.

sub changed {
    my ($key, $change) = @_;

    return sub {
        $change->($_) for grep { $_->[0] eq $key } @_;
        return @_;
    };
}

my ($user) = grep { $_->[0] eq pack 'C N N', 5, 1, 1 } @honest;
my $incarnation = unpack 'x16 N', $user->[1];
my $next = unpack 'x24 N', $honest[0][1];
my $record = pack 'C N a*', 0x20, $incarnation, '17';
my $sorted = 1 + grep { $_ lt '17' } 1 .. 300;
my $place = qr/record $sorted of entity 1 of workspace 1/;
my $undecoded = qr/cannot be decoded, or is not what its key says/;

damaged('a byte of a body', qr/^profile-loader: $place does not have the hash/m,
        changed($record, sub { $_[0][1] =~ s/of-many/of-mans/ }), 1);
damaged('a byte of the hash', qr/$place does not have the hash/,
        changed($record, sub { substr($_[0][1], 16, 1) ^= "\1" }), 1);
damaged('a body cut short', qr/$place $undecoded/,
        changed($record, sub { chop $_[0][1] }));
damaged('an empty value', qr/$place $undecoded/,
        changed($record, sub { $_[0][1] = '' }));
damaged('a flag of a later version', qr/$place $undecoded/,
        changed($record, sub { substr($_[0][1], 1, 1) = "\1" }));
damaged('a time in a record', qr/$place $undecoded/,
        changed($record, sub { substr($_[0][1], 15, 1) ^= "\1";
                               $_[0][2] = 'as it is' }));
damaged('another workspace', qr/$place says that it belongs to another entity/,
        changed($record, sub { substr($_[0][1], 4, 4) = pack 'N', 2 }), 1);
damaged('another entity', qr/$place says that it belongs to another entity/,
        changed($record, sub { substr($_[0][1], 8, 4) = pack 'N', 2 }), 1);

# Its place in the order is the same, and no hash is of it.
damaged('a record id',
        qr/^profile-loader: $place does not have the record id that its body/m,
        sub { $_->[0] =~ s/17\z/16~/ for grep { $_->[0] eq $record } @_; @_ }, 1);
damaged('a record id made shorter', qr/does not have the record id that its/,
        sub { $_->[0] =~ s/299\z/29/ for grep { $_->[0] =~ /\A\x20.*299\z/s
                                               && $_->[0] !~ /\A....\x02/s } @_;
              @_ });

damaged('a record is missing',
        qr/entity 1 of workspace 1 has 299 records, but says that it has 300/,
        sub { grep { $_->[0] ne $record } @_ }, 1);
damaged('a wrong count of records',
        qr/entity 1 of workspace 1 has 300 records, but says that it has 301/,
        changed($user->[0], sub { substr($_[0][1], 24, 8) = pack 'Q>', 301 }),
        1);
damaged('a wrong count of bytes',
        qr/entity 1 of workspace 1 has bodies of \d+ bytes, but .* 7$/m,
        changed($user->[0], sub { substr($_[0][1], 32, 8) = pack 'Q>', 7 }), 1);
damaged('records of nobody', qr/record 1 of load 4000000 belongs to no entity/,
        sub { (@_, [pack('C N a*', 0x20, 4_000_000, 'z'), $honest[-1][1]]) }, 1);
damaged('an entity is missing', qr/record 1 of load $incarnation belongs to no/,
        sub { grep { $_->[0] ne $user->[0] } @_ });
damaged('a load from the future', qr/has a load that the version record does not/,
        changed("\1", sub { substr($_[0][1], 24, 4) = pack 'N', $next - 1 }), 1);
damaged('records in use are to be deleted', qr/to be deleted/,
        sub { (@_, [pack('C N', 6, $incarnation), pack 'C x3 N N x8', 6, 1, 1]) });
damaged('an orphan of the future', qr/note that load 99 is to be deleted is of/,
        sub { (@_, [pack('C N', 6, 99), pack 'C x3 N N x8', 6, 1, 1]) }, 1);
damaged('an orphan that is none', qr/$undecoded/,
        sub { (@_, [pack('C N', 6, 1), 'x']) });

damaged('a key of a workspace that is missing',
        qr/key \d of workspace 9 is of a workspace that is missing/,
        sub { my ($key) = grep { ord $_->[0] == 2 } @_;
              substr($key->[1], 4, 4) = pack 'N', 9; @_ }, 1);
damaged('a key cut short', qr/key \d of workspace 0 $undecoded/,
        sub { my ($key) = grep { ord $_->[0] == 2 } @_; chop $key->[1]; @_ }, 1);
damaged('a workspace that is missing', qr/is of a workspace that is missing/,
        sub { grep { $_->[0] ne pack 'C N', 3, 2 } @_ });
damaged('a workspace of another id', qr/workspace 7 $undecoded/,
        changed(pack('C N', 3, 2),
                sub { substr($_[0][1], 4, 4) = pack 'N', 7 }));
damaged('no entity list', qr/workspace 2 has no entity list/,
        sub { grep { $_->[0] ne pack 'C N', 4, 2 } @_ }, 1);
damaged('a list of another workspace', qr/entity list of workspace 1 $undecoded/,
        changed(pack('C N', 4, 2),
                sub { substr($_[0][1], 4, 4) = pack 'N', 1 }));
damaged('an old list', qr/entity list of workspace 2 is not that of its entities/,
        changed(pack('C N', 4, 2), sub {
            my $body = body_of($_[0][1]) =~ s/Users/Loser/r;
            substr($_[0][1], 16, 16) = substr sha256($body), 0, 16;
            substr($_[0][1], 40) = $body }), 1);
damaged('a changed list', qr/entity list of workspace 2 does not have the hash/,
        changed(pack('C N', 4, 2), sub { $_[0][1] =~ s/Users/Loser/ }), 1);
damaged('an entity of another id', qr/entity 8 of workspace 1 $undecoded/,
        changed($user->[0], sub { substr($_[0][1], 8, 4) = pack 'N', 8 }));
damaged('a workspace cut short', qr/workspace \d $undecoded/,
        changed(pack('C N', 3, 2), sub { chop $_[0][1] }));
damaged('a list cut short', qr/entity list of workspace \d $undecoded/,
        changed(pack('C N', 4, 2), sub { chop $_[0][1] }));
damaged('a list of an entity', qr/entity list of workspace 2 $undecoded/,
        changed(pack('C N', 4, 2),
                sub { substr($_[0][1], 8, 4) = pack 'N', 1 }));
damaged('an entity with a byte more', qr/entity \d of workspace \d $undecoded/,
        changed($user->[0], sub { $_[0][1] .= 'x' }));

# What an incremental refresh has come to: column and value.
my $cursor = [pack('C N N', 7, 1, 1),
              pack('C x n N N n x10', 7, 2, 1, 1, 4) . 'at2026'];

restore_pairs($generation, sort { $a->[0] cmp $b->[0] } @honest, $cursor);
run_ok($box->loader('check'), {}, 'a cursor is nothing wrong');

damaged('a cursor cut short', qr/cursor of entity \d of workspace \d $undecoded/,
        sub { (@_, [$cursor->[0], substr $cursor->[1], 0, -1]) }, 1);
damaged('a cursor of another entity',
        qr/cursor of entity 1 of workspace 1 $undecoded/,
        sub { (@_, [pack('C N N', 7, 1, 9), $cursor->[1]]) }, 1);
damaged('a cursor of no entity',
        qr/cursor of entity 9 of workspace 1 is of an entity that is missing/,
        sub { (@_, [pack('C N N', 7, 1, 9),
                    $cursor->[1] =~ s/\A.{8}\K.{4}/pack 'N', 9/ers]) }, 1);

# Names are printed, too, and JSON takes UTF-8 only.
for my $thing (
    ["an entity's name", qr/entity 1 of workspace 1/, $user->[0],
     's(?=id\z)', 'User?'],
    ["an entity's primary key", qr/entity 1 of workspace 1/, $user->[0],
     'd\z', 'i?'],
    ["a workspace's name", qr/workspace 2/, pack('C N', 3, 2), 'x\z', 'Globe?'],
) {
    my ($name, $where, $key, $character, $shown) = @$thing;

    damaged("$name is no text", qr/$where holds a text that is not UTF-8/,
            changed($key, sub { $_[0][1] =~ s/$character/\xFF/ }),
            # no record has a member of that name
            $name =~ /key/ ? undef : 1);

    my $status = $box->loader('status', '--json');
    is($status->{status}, 0, "$name is no text: status goes on")
        or diag_run($status);
    like($status->{out}, qr/: "\Q$shown\E"/, "$name is no text: it is shown");
}

damaged('an unknown kind', qr/entry \d+ is of no kind that this version knows/,
        sub { (@_, ["\x7E", 'x']) }, 1);
damaged('a key too short', qr/$undecoded/,
        sub { (@_, ["\x20\0\0", 'x']) }, 1);

# The first ten are named, the others counted.
damaged('many', qr/\A(?:profile-loader: record .*\n){10}profile-loader: gen.*\n\z/,
        sub { map { $_->[1] =~ s/of-many/of-mans/ if ord $_->[0] == 0x20; $_ } @_ },
        600);


# -- damage that a refresh meets ----------------------------------------------

# It walks over keys, workspaces, entities, orphans and records.

my ($any_key) = grep { ord $_->[0] == 2 } @honest;

for my $case (['a key', $any_key->[0]],
              ['a workspace', pack 'C N', 3, 2],
              ['an entity', $user->[0]],
              ['an orphan', pack 'C N', 6, 1],
              ['a record', $record])
{
    my ($name, $key) = @$case;
    my %pair = map { $_->[0] => [@$_] } @honest;

    $pair{$key} //= [$key, pack 'C x3 N N', 6, 1, 1];
    chop $pair{$key}[1];
    restore_pairs($generation, @pair{sort keys %pair});

    fails_ok($box->loader('sync'), 3, qr/damaged/, "a refresh meets $name");
    is_deeply([mdb_pairs($generation)],
              [map { [$_, summed($_, $pair{$_}[1])] } sort keys %pair],
              "a refresh meets $name: and changes nothing");
}

restore_pairs($generation, @honest);
run_ok($box->loader('check'), {}, 'restored');


# -- damage to the file itself ------------------------------------------------

my $page = 4096;
my $data = $box->data;


# Pages of records: their header has the flag of a leaf at offset 10.

sub leaves {
    my ($bytes) = @_;

    return grep { unpack('v', substr $bytes, $_ * $page + 10, 2) == 2 }
           2 .. length($bytes) / $page - 1;
}


# Many pages, none of them free.
my $big = sandbox({ 'users.ndjson' => join '', map { qq({"id":$_,"v":"$_-)
                                      . 'x' x 300 . qq("}\n) } 1 .. 3000 },
    workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

run_ok($big->loader('sync'), {}, 'a larger store');
run_ok($big->loader('compact'), {}, 'without free pages');

my $file = $big->data;
our $bytes = slurp($file);


sub broken {
    my ($name, $pattern, $damage) = @_;

    my $broken = $bytes;

    $damage->($broken);
    spew($file, $broken);

    my $run = $big->loader('check');
    my $ok = fails_ok($run, 3, qr/\Q$big->{store}\E/, $pattern, $name);

    is($run->{out}, '', "$name: nothing on standard output");
    is(slurp($file), $broken, "$name: the file is not touched");

    return $run;
}

for my $length (0, $page, 2 * $page, length($bytes) / 2, length($bytes) - 1) {
    broken("truncated to $length", qr/truncated|not an LMDB|made/,
           sub { $_[0] = substr $_[0], 0, $length });
}

broken('a byte in the file', qr/record \d+ of entity 1 .* hash/,
       sub { $_[0] =~ s/1234-xxx/1234-xxy/g or die });

# The last page of records refers to bytes beyond the end of the file.
{
    my $last = (leaves($bytes))[-1];

    my $run = broken('a page that crashes LMDB',
        qr/data\.mdb\ is\ damaged:\ LMDB\ ended\ with\ signal\ (?:7|11)\ after
           \ record\ \d+\ of\ entity\ 1\ of\ workspace\ 1;\ restore\ it\ or/x,
        sub { substr($_[0], $last * $page + 16, 40) = "\xF0\xFF" x 20 });

    unlike($run->{err}, qr/mdb\.c|core dumped/, 'and nothing else is said');

    my $before = fingerprint($big->{store});
    fails_ok($big->loader('compact'), 3, qr/LMDB ended with signal/,
             'compact does not crash either');
    is($big->generation, dirname($file), 'nor publish anything');
}

# A lookup finds its way by the keys of the pages above, which a walk from
# record to record never reads: one of them made greater hides records.
{
    my ($branch) = grep { unpack('v', substr $bytes, $_ * $page + 10, 2) == 1 }
                   2 .. length($bytes) / $page - 1;
    my $nodes = (unpack('v', substr $bytes, $branch * $page + 12, 2) - 16) / 2;
    my $node = unpack 'v', substr $bytes,
                                  $branch * $page + 16 + 2 * int $nodes / 2, 2;
    my $size = unpack 'v', substr $bytes, $branch * $page + $node + 6, 2;
    my $end = $branch * $page + $node + 8 + $size - 1;

    my $run = broken('a key of a page above the records',
        qr/record\ \d+\ of\ entity\ 1\ of\ workspace\ 1\ is\ there,\ but\ a
           \ lookup\ does\ not\ find\ it/x,
        sub { substr($_[0], $end, 1) = '~' });

    fails_ok($big->loader('compact'), 3, qr/a lookup does not find it/,
             'compact does not take it for a healthy one');
    is($big->generation, dirname($file), 'nor publish anything');
}

# The next commits write to the pages that the list of free ones names: those
# with records on them must not be there, nor any page twice.
{
    spew("$big->{dir}/users.ndjson", join '', map { qq({"id":$_,"v":"$_)
        . ($_ % 30 ? '-' . 'x' x 300 : 'y' x 9000) . qq("}\n) } 1 .. 3000);
    $big->configure(workspace(1, 'Acme', [
        { %{ entity(1, 'Users', 'id', 'users.ndjson') } }]));
    spew($file, $bytes);
    run_ok($big->loader('sync'), {}, 'changes leave free pages');

    $file = $big->data;
    local $bytes = slurp($file);
    my $meta = unpack('Q<', substr $bytes, 144, 8)
               > unpack('Q<', substr $bytes, $page + 144, 8) ? 0 : $page;
    my $root = unpack 'Q<', substr $bytes, $meta + 80, 8;
    my $at = $root * $page + unpack 'v', substr $bytes, $root * $page + 16, 2;
    my ($txn, $count, @free) = unpack 'Q< Q< Q<*',
        substr $bytes, $at + 8, unpack 'V', substr $bytes, $at, 4;

    my %free = map { $_ => 1 } @free;
    my ($leaf) = grep { !$free{$_} && index(substr($bytes, $_ * $page, $page),
                                            '"id":1234,') >= 0 } leaves($bytes);
    my ($large) = grep { unpack('v', substr $bytes, $_ * $page + 10, 2) == 4
                         && !$free{$_} } 2 .. length($bytes) / $page - 2;

    for ([$leaf, qr/record \d+ of entity 1 .* is on a page that counts as free/],
         [$large, qr/record \d+ of entity 1 .* is on a page that counts as free/],
         [$large + 1, qr/record \d+ of .* is on a page that counts as free/],
         [$free[1], qr/its list of free pages cannot be right/],
         [1, qr/its list of free pages cannot be right/],
         [length($bytes) / $page, qr/its list of free pages cannot be right/])
    {
        my ($number, $pattern) = @$_;

        broken("page $number as a free one", $pattern, sub {
            substr($_[0], $at + 24, 8) = pack 'Q<', $number });
    }

    spew($file, $bytes);
    run_ok($big->loader('check'), {}, 'free pages as they should be');
}

# Whatever else is on the pages: an error or a crash, said in one way.
srand 7;

for my $try (1 .. 40 / (slow() > 1 ? 4 : 1)) {
    my @pages = map { 2 + int rand length($bytes) / $page - 2 } 1 .. 3;

    broken("garbage, $try", qr/damage|not a profile store/, sub {
        for my $number (@pages) {
            substr($_[0], $number * $page, $page) =
                join '', map { chr int rand 256 } 1 .. $page;
        }
    });
}

spew($file, $bytes);
run_ok($big->loader('check'), {}, 'the larger store, restored');


# -- without a store, and beside others ---------------------------------------

{
    my $none = sandbox({}, workspace(1, 'Acme', []));

    fails_ok($none->loader('check'), 3, qr/there is no store yet/, 'no store');
    ok(!-e $none->{store}, 'none is made');
}

# A loader that is at work does not disturb it, nor is it disturbed.
{
    my $fifo = "$box->{dir}/users.ndjson";

    unlink $fifo;
    POSIX::mkfifo($fifo, 0666) or BAIL_OUT("mkfifo: $!");

    my $job = $box->start('sync', '--workspace', 'Acme', '--entity', 'Users');
    open my $out, '>', $fifo or BAIL_OUT("$fifo: $!");

    run_ok($box->loader('check'), {}, 'beside a loader');
    ok($job->running, 'which is at work');

    print {$out} @rows[0 .. 298], qq({"id":300,"v":"new"}\n);
    close $out;
    run_ok($job->finish, { 'Acme/Users' => { changed => 1 } }, 'and ends well');
    run_ok($box->loader('check'), {}, 'after it');
}

# What nobody may write can be verified all the same.
SKIP: {
    skip 'needs root', 1 if $>;

    my $copy = $big->{store};
    my $generation = $big->generation;

    spew("$generation/SEALED", '');
    unlink "$generation/lock.mdb";
    chown 0, (getpwnam 'nobody')[3], $copy, $generation, "$copy/CURRENT",
        "$generation/data.mdb";
    chmod 0550, $copy, $generation;
    chmod 0440, "$copy/CURRENT", "$generation/data.mdb";

    my $before = fingerprint($copy);
    my $run = $big->loader({ user => 'nobody' }, 'check');
    run_ok($run, {}, 'a sealed generation, read-only');
    like($run->{out}, qr/ 3000 records, /, 'all of it');
    is(fingerprint($copy), $before, 'nothing is touched');
}

done_testing();
