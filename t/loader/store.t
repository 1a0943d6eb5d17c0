# Why: nginx's workers are another user, cron may be root, and disks fill up
# with other things. Wrong owners or modes mean an outage; a loader that takes
# a foreign or damaged folder for its own means lost data.

use strict;
use warnings;

use Fcntl qw(:mode O_WRONLY O_NONBLOCK);
use IO::Handle ();
use POSIX ();
use lib 't/lib';
use ProfileLoader;
use Test::More;
use Time::HiRes ();

my $root = $> == 0;
my @nobody = getpwnam 'nobody';


sub box_of {
    my ($text) = @_;

    my $box = sandbox({ 'users.ndjson' => $text // qq({"id":1,"v":"old"}\n) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    return $box;
}


sub loaded {
    my $box = box_of(@_);

    my $run = $box->loader('sync');
    BAIL_OUT('a first sync fails') if $run->{status} ne '0' && diag_run($run);

    return $box;
}


# For tests in which another user runs the loader.

sub give {
    my ($box, $user) = @_;

    my @user = getpwnam $user;
    my @files = split /\n/, run('find', $box->{dir})->{out};

    chown $user[2], $user[3], @files;

    return;
}


sub mode_of {
    my ($path) = @_;

    return sprintf '%04o', S_IMODE((stat $path)[2]);
}


# A source that gives rows when the test says so. open() below waits for the
# loader to open the other end.

sub fifo {
    my ($box, $name) = @_;

    my $path = "$box->{dir}/$name";

    unlink $path;
    POSIX::mkfifo($path, 0666) or BAIL_OUT("mkfifo: $!");
    chmod 0666, $path;

    return $path;
}


sub open_fifo {
    my ($path) = @_;

    my $fifo = until_true(20, sub {
        sysopen my $out, $path, O_WRONLY | O_NONBLOCK or return;
        return $out;
    }) or return;

    $fifo->autoflush(1);
    $fifo->blocking(1);

    return $fifo;
}

$SIG{PIPE} = 'IGNORE';


# -- modes and owners ---------------------------------------------------------

sub modes_ok {
    my ($box, $name, $uid, $gid) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $generation = $box->generation;

    is(mode_of($box->{store}), '0750', "$name: the folder's mode");
    is(mode_of($generation), '0750', "$name: the generation's mode");
    is(mode_of("$generation/data.mdb"), '0640', "$name: the data's mode");
    is(mode_of("$generation/lock.mdb"), '0660', "$name: the lock's mode");
    like(mode_of("$box->{store}/CURRENT"), qr/\A06[04]0\z/,
         "$name: CURRENT's mode");
    is(mode_of("$box->{store}/.loader.lock"), '0600',
       "$name: the loader's lock is for nobody else");

    is(mode_of($_), '0640', "$name: the mode of the time of a refresh")
        for glob "$generation/refreshed-*";

    my %owners;

    for my $path (split /\n/, run('find', $box->{store})->{out}) {
        my @stat = lstat $path;
        $owners{"$stat[4]:$stat[5]"}++;
    }

    is_deeply([keys %owners], ["$uid:$gid"], "$name: one owner, one group");

    is(slurp("$box->{store}/CURRENT"), "gen-000001\n", "$name: CURRENT");

    return;
}


for my $umask (0, 022, 077, 0777) {
    my $box = box_of();
    my $name = sprintf 'umask %04o', $umask;

    my $run = $box->loader({ before => sub { umask $umask } }, 'sync');
    run_ok($run, { 'Acme/Users' => { added => 1 } }, $name) or next;

    $run = $box->loader({ before => sub { umask $umask } }, 'sync');
    run_ok($run, { 'Acme/Users' => { unchanged => 1 } }, "$name, again");
    modes_ok($box, $name, $>, $) + 0);
}

SKIP: {
    skip 'needs root', 1 if !$root;

    my $gid = getgrnam 'www-data';
    skip 'no group www-data', 1 if !defined $gid;

    # A new folder gets the group that is configured.
    my $box = box_of();
    my $config = slurp($box->{config});
    $config =~ s/\{/{ "group" : "www-data",/;
    spew($box->{config}, $config);

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } }, 'group');
    modes_ok($box, 'group', 0, $gid);

    # An existing folder's group is the one that counts.
    $box = box_of();
    mkdir $box->{store}, 0750;
    chown 0, 12345, $box->{store};
    run_ok($box->loader('sync'), {}, 'an existing folder');
    modes_ok($box, 'an existing folder', 0, 12345);

    # As its owner, though the user has other groups.
    $box = box_of();
    give($box, 'nobody');
    run_ok($box->loader({ user => 'nobody' }, 'sync'), {}, 'nobody');
    modes_ok($box, 'nobody', $nobody[2], $nobody[3]);

    # A user gives the store to a group that it belongs to, and no other.
    $box = box_of();
    give($box, 'nobody');
    $config = slurp($box->{config});
    $config =~ s/\{/{ "group" : "www-data",/;
    spew($box->{config}, $config);

    fails_ok($box->loader({ user => 'nobody' }, 'sync'), 3, qr/group/,
             'a group that the user is not in');
    ok(!-e "$box->{store}/CURRENT", 'leaves no store');

    run_ok($box->loader({ user => 'nobody', groups => [$gid] }, 'sync'), {},
           'a group that the user is in');
    modes_ok($box, 'a group that the user is in', $nobody[2], $gid);

    # What a setgid folder above would make of it does not matter.
    $box = box_of();
    chown 0, 12345, $box->{dir};
    chmod 02755, $box->{dir};
    run_ok($box->loader('sync'), {}, 'a setgid folder above');
    modes_ok($box, 'a setgid folder above', 0, $) + 0);
}


# -- root over another user's store -------------------------------------------

SKIP: {
    skip 'needs root', 1 if !$root;

    my $box = box_of();
    give($box, 'nobody');
    run_ok($box->loader({ user => 'nobody' }, 'sync'), {}, 'nobody\'s store');

    # Root may read this; the user that the loader becomes may not.
    $box->write('users.ndjson' => qq({"id":1,"v":"secret"}\n));
    chown 0, 0, "$box->{dir}/users.ndjson";
    chmod 0600, "$box->{dir}/users.ndjson";

    fails_ok($box->loader('sync'), 1, qr/users\.ndjson.*Permission denied/,
             'root becomes the store\'s owner');
    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"old"}}', 'the data stays');

    chmod 0644, "$box->{dir}/users.ndjson";
    run_ok($box->loader('sync'), { 'Acme/Users' => { changed => 1 } },
           'root refreshes');
    run_ok($box->loader('apply'), {}, 'root applies');
    modes_ok($box, 'after root', $nobody[2], $nobody[3]);

    # Seen while it runs: no id of it is root's, nor any group.
    my $fifo = fifo($box, 'users.ndjson');
    my $job = $box->start('sync');
    my $out = open_fifo($fifo);

    my $status = slurp("/proc/$job->{pid}/status");
    like($status, qr/^Uid:\s+$nobody[2]\s+$nobody[2]\s+$nobody[2]\s/m,
         'its user');
    like($status, qr/^Gid:\s+$nobody[3]\s+$nobody[3]\s+$nobody[3]\s/m,
         'its group');
    unlike($status, qr/^Groups:.*\b0\b/m, 'root\'s groups are gone');

    print {$out} qq({"id":1,"v":"fifo"}\n) if $out;
    close $out if $out;
    run_ok($job->finish, { 'Acme/Users' => { changed => 1 } },
           'a named pipe is a source');

    # get and status as root make nothing that the user cannot write.
    my $lock = $box->generation . '/lock.mdb';
    unlink $lock;

    fails_ok($box->loader('status'), 3, qr/lock\.mdb/,
             'status without a lock file');
    fails_ok($box->loader('get', 1, 1, 1), 3, qr/lock\.mdb/,
             'get without a lock file');
    ok(!-e $lock, 'they make none');

    run_ok($box->loader('apply'), {}, 'apply makes one');
    modes_ok($box, 'after root made the lock', $nobody[2], $nobody[3]);
    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"fifo"}}', 'get as root');
    $box->status;
    spew("$box->{dir}/users.ndjson.new", qq({"id":2}\n));
    rename "$box->{dir}/users.ndjson.new", "$box->{dir}/users.ndjson";
    run_ok($box->loader({ user => 'nobody' }, 'sync'),
           { 'Acme/Users' => { added => 1 } }, 'the user goes on');

    # Somebody else may not, and is told so.
    SKIP: {
        my @other = getpwnam 'daemon' or skip 'no user daemon', 1;

        my $before = fingerprint($box->{store});
        my $run = $box->loader({ user => 'daemon' }, 'sync');
        fails_ok($run, 3, qr/\Q$box->{store}\E/, 'another user');
        is(fingerprint($box->{store}), $before, 'changes nothing');
    }
}


# -- folders that cannot be stores --------------------------------------------

# refuses(BOX, PATTERN, NAME): sync and apply exit 3, touching nothing.

sub refuses {
    my ($box, $pattern, $name, $option) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $before = fingerprint($box->{store});

    for my $command ('sync', 'apply') {
        my $run = $box->loader($option || {}, $command);

        fails_ok($run, 3, $pattern, "$name: $command");
        is($run->{out}, '', "$name: $command prints nothing");
        is(fingerprint($box->{store}), $before, "$name: nothing is touched");
    }

    return;
}


for my $case (['a file', sub { spew($_[0], "x\n") }],
              ['an empty file', sub { spew($_[0], '') }],
              ['a dangling link', sub { symlink 'nowhere', $_[0] }],
              ['a folder with a file',
               sub { mkdir $_[0]; spew("$_[0]/index.html", 'x') }],
              ['a folder with a folder',
               sub { mkdir $_[0]; mkdir "$_[0]/www" }],
              ['somebody\'s LMDB',
               sub { mkdir $_[0]; spew("$_[0]/data.mdb", 'x' x 8192) }],
              ['a folder that is nowhere',
               sub { my ($dir) = $_[0] =~ m{(.*)/};
                     chmod 0755, $dir;
                     spew("$dir/profile-loader.json",
                          slurp("$dir/profile-loader.json")
                          =~ s{\Q$_[0]\E}{$_[0]/a/b/c}r) }])
{
    my ($name, $make) = @$case;
    my $box = box_of();

    $make->($box->{store});
    refuses($box, qr/\Q$box->{store}\E/, $name);
    ok(!-e "$box->{store}/CURRENT", "$name: no store is made of it");
}

# An empty folder is one to use, as is a new file system.
for my $case (['an empty folder', sub {}],
              ['lost+found', sub { mkdir "$_[0]/lost+found", 0700 }],
              ['hidden files', sub { spew("$_[0]/.keep", '') }])
{
    my ($name, $make) = @$case;
    my $box = box_of();

    mkdir $box->{store};
    $make->($box->{store});
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } }, $name);
}

# A link to a store is that store.
{
    my $box = loaded();

    rename $box->{store}, "$box->{dir}/real";
    symlink 'real', $box->{store};
    run_ok($box->loader('sync'), { 'Acme/Users' => { unchanged => 1 } },
           'a link');
    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"old"}}', 'get through it');
}

# No store at all is an error of get and status, which make none.
{
    my $box = box_of();

    for my $args (['get', 1, 1, 1], ['status'], ['status', '--json']) {
        my $run = $box->loader(@$args);

        fails_ok($run, 3, qr/\Q$box->{store}\E/, "@$args without a store");
        is($run->{out}, '', "@$args without a store prints nothing");
        ok(!-e $box->{store}, "@$args makes none");
    }
}

# A folder that may not be written.
{
    my %option = $root ? (user => 'nobody') : ();

    my $box = box_of();
    chmod 0555, $box->{dir};
    give($box, 'nobody') if $root;
    refuses($box, qr/Permission denied/, 'no room for a folder', \%option);
    chmod 0755, $box->{dir};

    SKIP: {
        skip 'needs root', 1 if !$root;

        $box = loaded();
        chmod 0700, $box->{store};
        refuses($box, qr/Permission denied/, 'a closed folder', \%option);
    }
}


# -- modes that went wrong ----------------------------------------------------

# [what, its path, a mode that is too narrow, the one it gets]
my @narrow = (
    ['the folder', sub { $_[0]{store} }, 0550, '0750'],
    ['the folder', sub { $_[0]{store} }, 0700, '0750'],
    ['the generation', sub { $_[0]->generation }, 0500, '0750'],
    ['CURRENT', sub { "$_[0]{store}/CURRENT" }, 0600, '0640'],
    ['data.mdb', sub { $_[0]->data }, 0440, '0640'],
    ['data.mdb', sub { $_[0]->data }, 0600, '0640'],
    ['lock.mdb', sub { $_[0]->generation . '/lock.mdb' }, 0644, '0664'],
    ['lock.mdb', sub { $_[0]->generation . '/lock.mdb' }, 0000, '0660'],
);

# Who owns a file sets its mode right, and adds nothing to wider ones.
for my $case (@narrow, ['data.mdb', sub { $_[0]->data }, 0664, '0664'],
              ['the folder', sub { $_[0]{store} }, 0755, '0755'])
{
    my ($what, $path, $mode, $wanted) = @$case;
    my %option = $root ? (user => 'nobody') : ();
    my $name = sprintf '%s with mode %04o', $what, $mode;
    my $box = box_of();

    give($box, 'nobody') if $root;
    run_ok($box->loader(\%option, 'sync'), {}, "$name: a store");

    my $file = $path->($box);
    chmod $mode, $file;
    run_ok($box->loader(\%option, 'apply'), {}, "$name: apply");
    is(mode_of($file), $wanted, "$name: is $wanted then");
}

# An empty folder, too, before a store is made in it.
{
    my %option = $root ? (user => 'nobody') : ();
    my $box = box_of();

    mkdir $box->{store}, 0750;
    give($box, 'nobody') if $root;
    chmod 0550, $box->{store};
    run_ok($box->loader(\%option, 'sync'), { 'Acme/Users' => { added => 1 } },
           'an empty folder, read-only');
    is(mode_of($box->{store}), '0750', 'an empty folder: its mode');
}

# Who does not own it is told what is wrong and what to do.
SKIP: {
    skip 'needs root', 1 if !$root;

    my $nobody = quotemeta "$nobody[2](nobody)";
    my $nogroup = quotemeta "$nobody[3](" . getgrgid($nobody[3]) . ')';

    for my $case (@narrow[2 .. $#narrow]) {
        my ($what, $path, $mode, $wanted) = @$case;
        my $name = sprintf 'root\'s %s with mode %04o', $what, $mode;
        my $box = box_of();

        give($box, 'nobody');
        run_ok($box->loader({ user => 'nobody' }, 'sync'), {},
               "$name: a store");

        my $file = $path->($box);
        my $said = sprintf '%04o', $mode;

        chmod $mode, $file;
        chown 0, $nobody[3], $file;
        my $run = $box->loader({ user => 'nobody' }, 'apply');
        fails_ok($run, 3, qr/user $nobody (?:may not|cannot) .*\Q$file\E/,
                 "$name: refused");
        next if $run->{err} !~ /may not/;
        like($run->{err}, qr/belongs to 0\(root\):$nogroup with mode $said\b/,
             "$name: owner and mode are named");
        like($run->{err}, qr/mode 0\d+; do it as its owner or as root: \S/,
             "$name: and what to do");
        is(mode_of($file), $said, "$name: its mode stays");
    }

    # A number that nobody has.
    my $named = loaded();

    chmod 0755, $named->{store}, $named->generation;
    chmod 0644, "$named->{store}/CURRENT";
    chown 54321, 54322, $named->data;
    chmod 0600, $named->data;
    fails_ok($named->loader({ user => 'nobody' }, 'status'), 3,
             qr/user $nobody \(group $nogroup\) may not read /,
             qr/belongs to 54321:54322 with mode 0600/,
             'an owner without a name');

    # A group that nobody meant: the workers would be shut out.
    my $box = loaded();

    for my $file ($box->{store} . '/CURRENT', $box->generation, $box->data,
                  $box->generation . '/lock.mdb')
    {
        chown 0, 12345, $file;
        run_ok($box->loader('apply'), {}, "another group of $file");
        is((stat $file)[5], (stat $box->{store})[5], 'is made the folder\'s');
    }

    # Modes are right, but this user is neither the owner nor in the group.
    $box = loaded();
    chmod 0755, $box->{store}, $box->generation;
    chmod 0666, "$box->{store}/.loader.lock";
    chmod 0644, $box->data, "$box->{store}/CURRENT";
    fails_ok($box->loader({ user => 'nobody' }, 'apply'), 3,
             qr/user $nobody may not write \Q@{[ $box->data ]}\E, which /,
             qr/ belongs to 0\(root\):\d+\S* with mode 0644; start profile/,
             qr/ profile-loader as user 0\(root\) or as root: /, 'data of somebody else');
    chmod 0640, "$box->{store}/.loader.lock";
    fails_ok($box->loader({ user => 'nobody' }, 'apply'), 3,
             qr/user $nobody may not write .*\.loader\.lock/,
             'somebody else\'s lock');
}


# -- damage -------------------------------------------------------------------

# [name, code that damages data.mdb]
for my $case (
    ['no bytes', sub { spew($_[0], '') }],
    ['one byte', sub { truncate $_[0], 1 }],
    ['4096 bytes', sub { truncate $_[0], 4096 }],
    ['8192 bytes', sub { truncate $_[0], 8192 }],
    ['half', sub { truncate $_[0], (-s $_[0]) / 2 }],
    ['the last page is missing', sub { truncate $_[0], (-s $_[0]) - 4096 }],
    ['text', sub { spew($_[0], "hello\n" x 5000) }],
    ['zeros', sub { spew($_[0], "\0" x 65536) }],
    ['random bytes', sub {
        spew($_[0], join '', map { chr int rand 256 } 1 .. 65536) }],
    ['SQLite', sub { spew($_[0], "SQLite format 3\0" . "\0" x 65520) }],
    ['gzip', sub { spew($_[0], "\x1F\x8B\x08" . 'x' x 65536) }],
    ['another version of LMDB\'s format', sub {
        my $bytes = slurp($_[0]);
        # the magic and the version of both meta pages
        $bytes =~ s/\xDE\xC0\xEF\xBE\x01/\xDE\xC0\xEF\xBE\x03/g;
        spew($_[0], $bytes) }],
    ['the other byte order', sub {
        my $bytes = slurp($_[0]);
        $bytes =~ s/\xDE\xC0\xEF\xBE\x01\0\0\0/\xBE\xEF\xC0\xDE\0\0\0\x01/g;
        spew($_[0], $bytes) }],
    ['a folder', sub { unlink $_[0]; mkdir $_[0] }],
    ['missing', sub { unlink $_[0] },
     qr/data\.mdb is missing; restore it or, to load everything again, remove /],
    ['a dangling link', sub { unlink $_[0]; symlink 'nowhere', $_[0] }],
) {
    my ($name, $damage, $advice) = @$case;
    my $box = loaded(join '', map { qq({"id":$_,"v":"old"}\n) } 1 .. 5000);

    $damage->($box->data);
    refuses($box, $advice // qr/\Q$box->{store}\E/, "data: $name");

    for my $args (['get', 1, 1, 1], ['status']) {
        fails_ok($box->loader(@$args), 3, $advice // qr/\Q$box->{store}\E/,
                 "data: $name: @$args");
    }
}

# A healthy LMDB file that is no store, or not one that this version knows.
for my $case (
    ['no meta', sub { grep { $_->[0] ne "\x01" } @_ }],
    ['empty', sub { () }],
    ['another program\'s', sub { ["key", "value"] }],
    ['another magic', sub {
        map { $_->[0] eq "\x01" ? ["\x01", 'x' . substr $_->[1], 1] : $_ }
            @_ }],
    ['a short meta', sub {
        map { $_->[0] eq "\x01" ? ["\x01", substr $_->[1], 0, 11] : $_ } @_ }],
    ['a long meta', sub {
        map { $_->[0] eq "\x01" ? ["\x01", "$_->[1]x"] : $_ } @_ }],
    ['version 0', sub {
        map { substr($_->[1], 8, 4) = pack 'N', 0 if $_->[0] eq "\x01"; $_ }
            @_ }],
    ['version 2', sub {
        map { substr($_->[1], 8, 4) = pack 'N', 2 if $_->[0] eq "\x01"; $_ }
            @_ }],
    ['not complete', sub {
        map { substr($_->[1], 12, 4) = pack 'N', 0 if $_->[0] eq "\x01"; $_ }
            @_ }],
) {
    my ($name, $change) = @$case;
    my $box = loaded();

    restore_pairs($box->generation, $change->(mdb_pairs($box->generation)));
    refuses($box, qr/\Q$box->{store}\E/, "store: $name");
    fails_ok($box->loader('get', 1, 1, 1), 3, qr/\Q$box->{store}\E/,
             "store: $name: get");
}

# The helper itself changes nothing that matters.
{
    my $box = loaded();

    restore_pairs($box->generation, mdb_pairs($box->generation));
    run_ok($box->loader('sync'), { 'Acme/Users' => { unchanged => 1 } },
           'a store from a dump');
}

# A record's header that names another workspace must not be served.
{
    my $box = loaded();

    for my $offset (0 .. 35) {
        my @pairs = mdb_pairs($box->generation);
        my $generation = $box->generation;

        my ($record) = grep { $_->[0] =~ /\A\x20/ } @pairs;
        my $honest = $record->[1];

        substr($record->[1], $offset, 1) ^= "\x40";
        restore_pairs($generation, @pairs);

        my $run = $box->loader('get', 1, 1, 1);
        my $told = $run->{status} == 3 && $run->{out} eq '';
        my $same = $run->{status} == 0
                   && $run->{out} eq qq({"data":{"id":1,"v":"old"}}\n);

        # The time and the hash may be anything; the rest says what the value
        # is, whose it is and how long.
        my $free = $offset >= 12 && $offset < 32;

        ok($told || $free && $same, "a record's header, byte $offset")
            or diag_run($run);

        $record->[1] = $honest;
        restore_pairs($generation, @pairs);
    }

    for my $change (['short', sub { substr $_[0], 0, 35 }],
                    ['cut', sub { substr $_[0], 0, -1 }],
                    ['long', sub { "$_[0] " }],
                    ['empty', sub { '' }],
                    ['another workspace', sub {
                        $_[0] =~ s/\x00\x00\x00\x01/\x00\x00\x00\x02/r }])
    {
        my @pairs = mdb_pairs($box->generation);
        my ($record) = grep { $_->[0] =~ /\A\x20/ } @pairs;
        my $honest = $record->[1];

        $record->[1] = $change->[1]->($honest);
        restore_pairs($box->generation, @pairs);
        fails_ok($box->loader('get', 1, 1, 1), 3, qr/damaged/,
                 "a record that is $change->[0]");

        $record->[1] = $honest;
        restore_pairs($box->generation, @pairs);
    }

    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"old"}}', 'restored');
}


# -- CURRENT ------------------------------------------------------------------

for my $case (['empty', ''], ['a newline', "\n"], ['a word', "hello\n"],
              ['another folder', "../store/gen-000001\n"],
              ['an absolute path', "/etc\n"], ['a dot', ".\n"],
              ['two dots', "..\n"], ['not cut', "gen-000001\ngen-000002\n"],
              ['a space', "gen-000001 \n"], ['a space first', " gen-000001\n"],
              ['a slash', "gen-000001/\n"], ['too short', "gen-1\n"],
              ['no number', "gen-\n"], ['a minus', "gen--00001\n"],
              ['a plus', "gen-+00001\n"], ['a letter', "gen-00000a\n"],
              ['zero', "gen-000000\n"], ['too large', "gen-4294967297\n"],
              ['a NUL', "gen-000001\0\n"], ['long', 'gen-' . '1' x 5000],
              ['random', join '', map { chr int rand 256 } 1 .. 100],
              ['capitals', "GEN-000001\n"],
              ['a generation that is missing', "gen-000007\n"],
              ['a generation that is a file', "gen-000008\n"])
{
    my ($name, $text) = @$case;
    my $box = loaded();

    spew("$box->{store}/CURRENT", $text);
    spew("$box->{store}/gen-000008", 'x');
    refuses($box, qr/CURRENT|gen-/, "CURRENT: $name");
    fails_ok($box->loader('get', 1, 1, 1), 3, qr/\Q$box->{store}\E/,
             "CURRENT: $name: get");
}

# Without it there is no live generation: the next load makes one, and what
# lies there is left alone until everything is in the new one.
{
    my $box = loaded();
    my $old = $box->generation;

    unlink "$box->{store}/CURRENT";
    fails_ok($box->loader('get', 1, 1, 1), 3, qr/\Q$box->{store}\E/,
             'CURRENT is missing: get');

    my $before = fingerprint($old);
    rename "$box->{dir}/users.ndjson", "$box->{dir}/away";
    fails_ok($box->loader('sync'), 1, qr/no file is there/,
             'CURRENT is missing: sync fails');
    isnt($box->generation, $old, 'with a new generation');
    is(fingerprint($old), $before, 'the old one is left alone');
    rename "$box->{dir}/away", "$box->{dir}/users.ndjson";
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } },
           'CURRENT is missing: sync loads again');
    isnt($box->generation, $old, 'into a new generation');
    ok(!-e $old, 'the old one is removed');
    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"old"}}', 'served');
}


# -- one loader at a time -----------------------------------------------------

{
    my $box = loaded();
    my $fifo = fifo($box, 'users.ndjson');

    my $first = $box->start('sync');
    my $out = open_fifo($fifo) or BAIL_OUT('the loader opens no source');

    for my $args (['sync'], ['apply'], ['sync', '--entity', 'Users']) {
        my $begun = Time::HiRes::time();
        my $second = $box->loader({ seconds => 20 * slow() }, @$args);

        fails_ok($second, 75, qr/\Q$box->{store}\E: another profile-loader is running/,
                 "@$args while another is at work");
        is($second->{out}, '', "@$args prints nothing");
        cmp_ok(Time::HiRes::time() - $begun, '<', 5 * slow(), 'at once');
    }

    # Readers do not wait for it.
    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"old"}}', 'get works');
    ok($box->status, 'status works');
    is($box->loader('key')->{status}, 0, 'key works');

    ok($first->running, 'the first one is still at work');
    print {$out} qq({"id":1,"v":"new"}\n);

    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"old"}}',
       'rows are not seen before the end');

    close $out;
    run_ok($first->finish, { 'Acme/Users' => { changed => 1 } },
           'the first one ends well');
    is($box->get(1, 1, 1), '{"data":{"id":1,"v":"new"}}', 'with its rows');

    unlink $fifo;
    $box->write('users.ndjson' => qq({"id":1,"v":"newer"}\n));
    run_ok($box->loader('sync'), { 'Acme/Users' => { changed => 1 } },
           'then another may run');
}

# Two that start together: one at least does its work, none breaks anything.
{
    my $box = box_of(join '', map { qq({"id":$_}\n) } 1 .. 1000);

    my @runs = map { $_->finish } map { $box->start('sync') } 1 .. 8;
    my @done = grep { $_->{status} eq '0' } @runs;
    my @busy = grep { $_->{status} eq '75' } @runs;

    cmp_ok(scalar @done, '>=', 1, 'of eight loaders one works');
    is(@done + @busy, 8, 'the others work or find it busy')
        or diag_run($_) for grep { $_->{status} !~ /\A(?:0|75)\z/ } @runs;
    is($box->get(1, 1, 1000), '{"data":{"id":1000}}', 'the data is there');

    my $records = records_of(mdb_pairs($box->generation));
    is_deeply([map { scalar keys %$_ } values %$records], [1000], 'once');
}

# The lock belongs to the store, not to its name.
{
    my $box = loaded();
    my $fifo = fifo($box, 'users.ndjson');

    symlink 'store', "$box->{dir}/alias";
    my $other = spew("$box->{dir}/alias.json", slurp($box->{config})
                     =~ s{/store"}{/alias"}r);

    my $first = $box->start('sync');
    my $out = open_fifo($fifo) or BAIL_OUT('the loader opens no source');

    is(run(loader_path(), '-c', $other, 'apply')->{status}, 75,
       'the same store by another name');

    $first->kill('KILL');
    close $out;
    $first->finish;

    is(run(loader_path(), '-c', $other, 'apply')->{status}, 0,
       'a lock ends with its process');
}

# Only LMDB's first process in a lock file gives it a size.
{
    my $box = loaded();
    my $lock = $box->generation . '/lock.mdb';
    my $fifo = fifo($box, 'users.ndjson');
    my $first = $box->start('sync');
    my $out = open_fifo($fifo) or BAIL_OUT('the loader opens no source');

    spew($lock, '');
    fails_ok($box->loader('status'), 3,
             qr/lock\.mdb was emptied while it was in use; remove that file /,
             qr/and run profile-loader apply$/m, 'an emptied lock file');
    is(-s $lock, 0, 'it is left alone');

    $first->kill('KILL');
    close $out;
    $first->finish;

    unlink $lock;
    run_ok($box->loader('apply'), {}, 'without it: apply');
    is(mode_of($lock), '0660', 'makes one');
    run_ok($box->loader('status'), {}, 'which status can use');
}

# -- a loader that ends in the middle -----------------------------------------

# Nothing but a store's own files may be there afterwards, nor anything where
# temporary files go.

sub debris {
    my ($box, $tmp) = @_;

    return join ' ', sort grep { !m{/(?:CURRENT|\.loader\.lock|gen-\d{6}|
                                  gen-\d{6}/(?:(?:data|lock)\.mdb|
                                              refreshed-1-1))?\z}x }
                     grep { $_ ne $box->{store} && $_ ne $tmp }
                     split /\n/, run('find', $box->{store}, $tmp)->{out};
}


for my $signal ('TERM', 'INT', 'HUP', 'KILL') {
    for my $first (1, 0) {
        my $name = "SIG$signal, " . ($first ? 'a first load' : 'a refresh');
        my $box = box_of(join '', map { qq({"id":$_,"v":"old"}\n) }
                                  1 .. 1000);
        my $tmp = new_dir('tmp');

        $first ? $box->loader('apply') : $box->loader('sync');
        my $fifo = fifo($box, 'users.ndjson');

        # Little memory, so that it has files of its own by then.
        my $job = $box->start({ env => { PROFILE_SORT_MEMORY => 65536,
                                         TMPDIR => $tmp } }, 'sync');
        my $out = open_fifo($fifo) or BAIL_OUT('the loader opens no source');

        print {$out} map { qq({"id":$_,"v":"new"}\n) } 1 .. 20_000;

        ok($job->running, "$name: it is at work") or diag_run($job->finish);
        $job->kill($signal);
        my $run = $job->finish;
        close $out;

        isnt($run->{status}, 0, "$name: it ends") or diag_run($run);
        isnt($run->{status}, 'timeout', "$name: in time");
        is(summary($run)->{'Acme/Users'}, undef, "$name: without a summary");

        is($box->get(1, 1, 7), $first ? undef : '{"data":{"id":7,"v":"old"}}',
           "$name: the old data stays");

        is(debris($box, $tmp), '', "$name: no file is left")
            if $signal ne 'KILL';

        unlink $fifo;
        $box->write('users.ndjson' => join '', map { qq({"id":$_,"v":"new"}\n) }
                                               1 .. 1000);
        run_ok($box->loader({ env => { TMPDIR => $tmp } }, 'sync'),
               { 'Acme/Users' => { rows => 1000,
                                   added => $first ? 1000 : 0,
                                   changed => $first ? 0 : 1000 } },
               "$name: the next run works");
        is($box->get(1, 1, 7), '{"data":{"id":7,"v":"new"}}',
           "$name: and its data is served");
        is(debris($box, $tmp), '', "$name: no file is left by then");

        my $records = records_of(mdb_pairs($box->generation));
        is_deeply([map { scalar keys %$_ } values %$records], [1000],
                  "$name: no other records");
    }
}

done_testing();
