# Why: rows come from other people's files and programs. What comes in must be
# all of it or nothing: a file that was cut off, a program that failed, or one
# that hangs, must leave the old data, and no run may leave a program behind.

use strict;
use warnings;

use IO::Compress::Gzip qw(gzip $GzipError);
use JSON::PP ();
use POSIX qw(mkfifo);
use lib 't/lib';
use ProfileLoader;
use Test::More;

require 'syscall.ph';

my $loader = loader_path();
my $json = JSON::PP->new->canonical->utf8->allow_nonref;

# What a test has started and must not leave.
my @left;
my $owner = $$;

END {
    if ($$ == $owner) {
        local $?;
        kill 'KILL', @left if @left;
    }
}


# -- helpers ------------------------------------------------------------------

# An entity with one record, "old", and then this source.

sub box {
    my ($source, %files) = @_;

    my $box = sandbox({ 'old.ndjson' => qq({"id":"old"}\n), %files },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'old.ndjson')]));

    my $run = $box->loader('sync');
    diag_run($run) if $run->{status};

    return source($box, $source);
}


sub source {
    my ($box, $source, %more) = @_;

    return $box->configure(workspace(1, 'Acme',
        [entity(1, 'Users', 'id', undef, source => $source, %more)]));
}


sub command {
    my (@command) = @_;

    return box({ command => [@command] });
}


# The run fails, says so, and the old data is there, byte by byte.

sub keeps_ok {
    my ($box, $run, @patterns) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $name = pop @patterns;

    fails_ok($run, 1, qr{^profile-loader: Acme/Users: .*; the old data stays$}m,
             @patterns, $name);
    is($run->{out}, '', "$name: no summary");
    is($box->get(1, 1, 'old'), '{"data":{"id":"old"}}',
       "$name: the old data is served");

    return;
}


sub packed {
    my ($text, %option) = @_;

    my $packed;
    gzip(\$text => \$packed, %option) or die "gzip: $GzipError";

    return $packed;
}


# The number that a program writes to a file as soon as it runs.

sub pid_in {
    my ($path) = @_;

    my $pid = until_true(30, sub { -s $path && slurp($path) =~ /^(\d+)\n/
                                   && $1 });

    push @left, $pid if $pid;

    return $pid // 0;
}


# Nobody may be there to wait for it: a zombie is gone, too.

sub gone {
    my ($pid) = @_;

    return $pid && until_true(30, sub {
        my $stat = eval { slurp("/proc/$pid/stat") } // return 1;
        return $stat =~ /\) [ZX] /;
    });
}


# -- files --------------------------------------------------------------------

{
    my $box = sandbox({},
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'in/u*',
                                     max_invalid => 100)]));
    mkdir "$box->{dir}/in";

    # Plain and compressed ones are one list, in the order of their bytes.
    my @names = ('u-1.ndjson.gz', 'u-10.ndjson', 'u-2.ndjson.gz', 'u-3.gz',
                 'u.gz.ndjson', "u\xC3\xA9.gz");

    for my $name (reverse @names) {
        my $text = qq({"id":"$name"}\nno row\n);

        $box->write("in/$name" => $name =~ /\.gz\z/ ? packed($text) : $text);
    }

    my $run = $box->loader('sync');

    is($run->{status}, 0, 'files, plain and compressed') or diag_run($run);
    is(summary($run)->{'Acme/Users'}{added}, @names, 'all of them are read');
    is(join(' ', $run->{err} =~ m{in/(\S+):2: }g), "@names", 'in order');
    is($box->get(1, 1, $names[0]), qq({"data":{"id":"$names[0]"}}),
       'a record of a compressed file');
}

# How something may be compressed.
{
    my $rows = join '', map { qq({"id":$_,"v":") . $_ ** 3 . qq("}\n) }
                        1 .. 50_000;
    my $half = length($rows) / 2 + 3;
    my @parts = (substr($rows, 0, $half), substr $rows, $half);
    my %good = (
        'one member' => packed($rows),
        'stored' => packed($rows, -Level => 0),
        'two members' => packed($parts[0]) . packed($parts[1]),
        'an empty member' => packed('') . packed($parts[0]) . packed('')
                             . packed($parts[1]) . packed(''),
        'header fields' => packed($rows, -Name => 'x', -Comment => 'y',
 -ExtraField => ['AB', 'z']),
        'a thousand members' => join('', map { packed($_) }
                                         $rows =~ /((?:.*\n){50})/g),
    );

    for my $name (sort keys %good) {
        my $box = box({ file => 'in.gz' }, 'in.gz' => $good{$name});

        run_ok($box->loader('sync'),
               { 'Acme/Users' => { rows => 50_000, invalid => 0 } },
               "compressed: $name");
        is($box->get(1, 1, 50_000),
           '{"data":{"id":50000,"v":"125000000000000"}}',
           "compressed: $name: the last record");
    }

    my $box = box({ file => 'in.gz' }, 'in.gz' => packed(''));

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 0, deleted => 1 } },
           'compressed: nothing');
}

# How it may be damaged. Rows that came out before do not count.
{
    my $text = join '', map { qq({"id":$_}\n) } 1 .. 20_000;
    my $whole = packed($text);
    my $box = box({ file => 'in*.gz' });

    my $try = sub {
        my ($bytes, $pattern, $name) = @_;

        $box->write('in.gz' => $bytes);
        keeps_ok($box, $box->loader('sync'),
                 qr/cannot decompress in\.gz: $pattern/, $name);
    };

    $try->(substr($whole, 0, $_), qr/it was cut off/, "cut off after $_")
        for 2, 3, 9, 10, 11, length($whole) / 2, length($whole) - 9,
            length($whole) - 8, length($whole) - 1;
    $try->($whole . substr($whole, 0, $_), qr/it was cut off/,
           "cut off after $_ of the second member")
        for 2, 10, length($whole) - 1;

    $try->('', qr/it is not in the gzip format/, 'empty');
    $try->("\x1f", qr/it is not in the gzip format/, 'half a signature');
    $try->($text, qr/it is not in the gzip format/, 'plain text');
    $try->("\x1f\x8c" . substr($whole, 2), qr/it is not in the gzip format/,
           'another signature');
    $try->("$whole$text", qr/something else follows/, 'followed by text');
    $try->("$whole\x1f", qr/something else follows/, 'followed by a byte');
    $try->("$whole\0", qr/something else follows/, 'followed by a zero');

    for my $place (2, 3, length($whole) / 2, length($whole) - 8,
                   length($whole) - 4)
    {
        my $bytes = $whole;
        substr($bytes, $place, 1) ^= "\xFF";
        $try->($bytes, qr/\w/, "damaged at $place");
    }

    # A good one before it does not count either.
    $box->write('in-1.gz' => packed(qq({"id":"new"}\n)));
    $try->(substr($whole, 0, -4), qr/it was cut off/, 'the second of two');

    run_ok($box->write('in.gz' => $whole)->loader('sync'),
           { 'Acme/Users' => { rows => 20_001, added => 20_001 } },
           'and once it is whole again');
}

# Pipes have a name, too.
{
    my $box = box({ file => 'pipe*' });

    mkfifo("$box->{dir}/pipe$_", 0600) for '', '.gz';
    $box->write('text' => qq({"id":"plain"}\n),
                'text.gz' => packed(qq({"id":"packed"}\n)));

    my $job = $box->start('sync');

    # The loader waits for the second writer while the first one ends.
    run({ dir => $box->{dir} }, 'sh', '-c',
        'cat text >pipe && sleep 0.2 && cat text.gz >pipe.gz');
    run_ok($job->finish,
           { 'Acme/Users' => { rows => 2, added => 2, deleted => 1 } },
           'named pipes');

    $job = $box->start('sync');
    until_true(30, sub { waits($job->{pid}) });
    $job->kill('TERM');

    is($job->finish->{signal}, 15, 'a signal ends waiting for a pipe');
    is($box->get(1, 1, 'plain'), '{"data":{"id":"plain"}}',
       'and the data stays');
}


# A process that sleeps in poll().

sub waits {
    my ($pid) = @_;

    my $where = eval { slurp("/proc/$pid/wchan") } // '';

    return $where =~ /poll/ || $where =~ /\A0?\z/ && do {
        # the kernel does not tell: it has slept for long enough
        my $stat = eval { slurp("/proc/$pid/stat") } // '';
        select undef, undef, undef, 0.5;
        $stat =~ /\) S /;
    };
}


# -- commands: what they are given --------------------------------------------

my $show = 'use JSON::PP; print JSON::PP->new->canonical->encode('
           . '{ id => "x", v => [@ARGV] }), "\n"';

{
    my @args = ('a b', '$HOME', '`id`', '$(id)', ';', '&', '|', '*', '?', '~',
                '<x', '>x', '"', "'", '\\', '', "\xC3\xA9", "a\nb", '-',
                '%s', '{', '{}', '{Cursor}', '{cursor', '{cursor}',
                'a{cursor}b{cursor}', "'{cursor}'");
    my @want = map { s/\{cursor\}//gr } @args;

    utf8::decode($_) for @args, @want;

    my $box = command($^X, '-e', $show, @args);

    run_ok($box->loader('sync'), { 'Acme/Users' => { rows => 1, added => 1 } },
           'a command');

    my $data = $json->decode($box->get(1, 1, 'x'))->{data}{v};

    utf8::decode($_) for @$data;
    is_deeply($data, \@want, 'its arguments are untouched, but for {cursor}');
    ok(!-e "$box->{dir}/x", 'no shell has seen them');
}

# What it finds: its environment, folder, files, signals, group, terminal.
{
    my $probe = <<'END';
use Cwd ();
use JSON::PP;

my ($sig) = join '', do { open my $in, '<', '/proc/self/status'; <$in> };
my @stat = split ' ', do { open my $in, '<', '/proc/self/stat'; <$in> };
opendir my $dir, '/proc/self/fd' or die;
my %fd = map { ($_ => readlink "/proc/self/fd/$_") }
         grep { /\d/ && $_ != fileno $dir } readdir $dir;
my ($null, @others) = map { $fd{$_} =~ s/:.*//r } sort keys %fd;

print JSON::PP->new->canonical->encode({
    id => 'x', cursor => $ENV{PROFILE_CURSOR}, kept => $ENV{KEPT},
    folder => Cwd::getcwd(), fds => join(' ', sort keys %fd),
    files => "$null @others", group => $stat[4] == $$ ? 1 : 0,
    session => $stat[5] == $$ ? 1 : 0, terminal => $stat[6],
    blocked => $sig =~ /^SigBlk:\s*0+$/m ? 'none' : 'some',
    input => scalar(<STDIN>), arguments => scalar @ARGV,
}), "\n";
END

    my $box = command($^X, 'probe.pl');
    $box->write('probe.pl' => $probe);

    my $name = $box->{dir} =~ s{.*/}{}r;
    my $run = run({ dir => "$box->{dir}/..", stdin => $box->{config},
                    env => { PROFILE_CURSOR => 'x', KEPT => 'y' },
                    before => sub {
                        POSIX::sigprocmask(POSIX::SIG_BLOCK(),
                            POSIX::SigSet->new(POSIX::SIGUSR1()));
                    } },
                  $loader, '-c', "$name/profile-loader.json", 'sync');

    run_ok($run, { 'Acme/Users' => { added => 1 } }, 'a command that looks');
    is_deeply($json->decode($box->get(1, 1, 'x'))->{data},
        { id => 'x', cursor => '', kept => 'y', folder => $box->{dir},
          fds => '0 1 2', files => '/dev/null pipe pipe', group => 1,
          session => 1, terminal => '0', blocked => 'none', input => undef,
          arguments => 0 },
        'sees nothing of the loader, and what it should of the rest');

    # Perl itself ignores a signal; sed does not. All 64 are ignored in the
    # loader, the two that the C library keeps to itself included.
    my $sed = 's/^SigIgn:\t(.*)/{"id":"x","v":"\1"}/p';
    source($box, { command => ['sed', '-nE', $sed, '/proc/self/status'] });

    $run = $box->loader({ before => \&ignore_all }, 'sync');
    run_ok($run, { 'Acme/Users' => { rows => 1 } },
           'a command, where signals are ignored');
    like($box->get(1, 1, 'x'), qr/"v":"0+"/, 'ignores none');
}


# By the kernel's own call, as sigaction() leaves signals 32 and 33 alone.

sub ignore_all {
    my $ignore = pack 'J*', 1, (0) x 20;

    for my $signal (1 .. 64) {
        syscall(SYS_rt_sigaction(), $signal, $ignore, 0, 8)
            if $signal != POSIX::SIGKILL() && $signal != POSIX::SIGSTOP();
    }

    return;
}


# Where the program is found.
{
    my $row = "#!/bin/sh\necho '{\"id\":\"x\"}'\n";
    my $box = box({ file => 'x' }, 'own-row' => $row, '{cursor}' => $row,
                  'plain' => 'echo', 'denied' => $row,
                  'lost' => "#!/nowhere/sh\n");
    mkdir "$box->{dir}/bin";
    mkdir "$box->{dir}/lib";
    $box->write("bin/there" => $row, "lib/there" => $row,
                "lib/barred" => $row);
    chmod 0755, map { "$box->{dir}/$_" } qw(own-row plain lost bin/there
                                            {cursor});
    chmod 0644, map { "$box->{dir}/$_" } qw(denied lib/there lib/barred);

    my $path = "$box->{dir}/lib:$box->{dir}/none:$box->{dir}/plain"
               . ":$box->{dir}/bin:/usr/bin:/bin";

    my @good = (
        ['./own-row', $path, 'relative to the configuration'],
        ["$box->{dir}/own-row", $path, 'by its whole path'],
        ['there', $path, 'by PATH, past what cannot be run'],
        ['./{cursor}', $path, 'its name is not filled in'],
        ['own-row', ":$path", 'by PATH, with an empty part'],
        ['own-row', 'lib:.', 'by PATH, with a relative part'],
        ['bin/there', '', 'with a slash, without PATH'],
    );

    for my $case (@good) {
        my ($program, $in, $name) = @$case;

        source($box, { command => [$program] });
        run_ok($box->loader({ dir => '/', env => { PATH => $in } }, 'sync'),
               { 'Acme/Users' => { rows => 1 } }, "a program: $name");
    }

    source($box, { command => ['sh', '-c', 'echo "{\"id\":\"old\"}"'] });
    run_ok($box->loader({ env => { PATH => undef } }, 'sync'),
           { 'Acme/Users' => { rows => 1 } }, 'a program: PATH is not set');

    my @bad = (
        ['./nowhere', qr/No such file/, 'is not there'],
        ['nowhere', qr/No such file/, 'is not in PATH'],
        ['own-row', qr/No such file/, 'is in the folder, not in PATH'],
        ['./denied', qr/Permission denied/, 'is not executable'],
        ['barred', qr/Permission denied/, 'is not executable, in PATH'],
        ['./lib', qr/Permission denied/, 'is a folder'],
        ['./plain', qr/Exec format error/, 'is no program'],
        ['./lost', qr/No such file/, 'has no interpreter'],
        ['sh -c true', qr/No such file/, 'is a whole line'],
    );

    for my $case (@bad) {
        my ($program, $reason, $name) = @$case;

        source($box, { command => [$program] });
        keeps_ok($box, $box->loader({ env => { PATH => $path } }, 'sync'),
                 qr/cannot run \Q$program\E: $reason/, "a program $name");
    }

    source($box, { command => ['true', 'x' x 3_000_000] });
    keeps_ok($box, $box->loader('sync'),
             qr/cannot run true: Argument list too long/,
             'an argument that is too long');
}

# The folder may be closed to the loader.
SKIP: {
    skip 'root may enter all folders', 3 if $> == 0;

    my $box = command('true');

    chmod 0400, $box->{dir};
    my $run = run($loader, '-c', $box->{config}, 'sync');
    chmod 0755, $box->{dir};

    isnt($run->{status}, 0, 'a folder that cannot be entered');
}


# -- commands: what they give -------------------------------------------------

# A lot of both, at once: neither may block the other.
{
    my $box = command($^X, '-e', '$| = 1; for (1 .. 50_000) {
        print qq({"id":$_,"v":"), "x" x 100, qq("}\n);
        print STDERR "line $_\n" if $_ % 25 == 0;
    }');
    my $run = $box->loader('sync');

    is($run->{status}, 0, 'rows and messages') or diag_run($run);
    is(summary($run)->{'Acme/Users'}{added}, 50_000, 'all rows are there');
    is($run->{err}, join('', map { "profile-loader: Acme/Users: line "
                                   . 25 * $_ . "\n" } 1 .. 2000),
       'and all messages, with the name of the entity');
}

# Standard error, as it may come.
{
    my @cases = (
        ['a line', 'one\n', 'one'],
        ['without an end', 'one', 'one'],
        ['lines', 'one\ntwo\nthree', 'one', 'two', 'three'],
        ['CRLF', 'one\r\ntwo\r\n', 'one', 'two'],
        ['empty lines', '\n\none\n\r\n\n', 'one'],
        ['control characters', '\e[31mone\e[0m\ttwo\a\n', '?[31mone?[0m?two?'],
        ['a zero byte', 'one\0two\n', 'one?two'],
        ['format characters', '%s%n%d\n', '%s%n%d'],
        ['a long line', 'x' x 1000 . '\ny\n', 'x' x 1000, 'y'],
        ['one too long', 'x' x 1001 . '\ny\n', 'x' x 1000 . '...', 'y'],
        ['one far too long', '" . "x" x 300_000 . "\ny', 'x' x 1000 . '...',
         'y'],
        ['a name that is not its own', '\nprofile-loader: Acme: x\n',
         'profile-loader: Acme: x'],
    );

    my $box = command('true');

    for my $case (@cases) {
        my ($name, $text, @want) = @$case;

        source($box, { command => [$^X, '-e', "print STDERR \"$text\";"
                                   . 'print qq({"id":"old"}\n)'] });
        my $run = $box->loader('sync');

        is($run->{status}, 0, "standard error: $name") or diag_run($run);
        is($run->{err},
           join('', map { "profile-loader: Acme/Users: $_\n" } @want),
           "standard error: $name: what is passed on");
    }
}

# Ends that are failures. Good rows came before.
{
    my $row = 'echo "{\"id\":\"new\"}"';
    my @cases = (
        ['status 1', "$row; exit 1", qr/sh ended with status 1/],
        ['status 3', "$row; exit 3", qr/sh ended with status 3/],
        ['status 255', "$row; exit 255", qr/sh ended with status 255/],
        ['status 127', 'nowhere-at-all', qr/sh ended with status 127/,
         qr{^profile-loader: Acme/Users: .*nowhere-at-all}m],
        ['no rows', 'exit 1', qr/sh ended with status 1/],
        ['SIGKILL', "$row; kill -9 \$\$", qr/sh was ended by signal 9/],
        ['SIGTERM', "$row; kill \$\$", qr/sh was ended by signal 15/],
        ['SIGPIPE', "$row; kill -PIPE \$\$", qr/sh was ended by signal 13/],
        ['a reason', "$row; echo gone wrong >&2; exit 4",
         qr{^profile-loader: Acme/Users: gone wrong\n.*sh ended with status 4;}m],
        ['half a row', "printf '{\"id\":'; exit 1",
         qr/sh ended with status 1/],
    );

    for my $case (@cases) {
        my ($name, $script, @patterns) = @$case;

        my $box = command('sh', '-c', $script);
        keeps_ok($box, $box->loader('sync'), @patterns, "a command: $name");
        is($box->get(1, 1, 'new'), undef, "a command: $name: nothing new");
    }

    # With any status of the one that started it.
    my $box = command('sh', '-c', "$row; exit 5");
    keeps_ok($box, $box->loader({ before => sub { $SIG{CHLD} = 'IGNORE' } },
                                'sync'),
             qr/sh ended with status 5/, 'where SIGCHLD is ignored');
}

# The others are refreshed all the same.
{
    my $box = command('true');

    $box->configure(workspace(1, 'Acme', [
        entity(1, 'Users', 'id', undef, source => { command => ['false'] }),
        entity(2, 'Orders', 'id', undef,
               source => { command => ['echo', '{"id":"x"}'] }) ]));

    my $run = $box->loader('sync');

    is($run->{status}, 1, 'one entity fails');
    is(summary($run)->{'Acme/Orders'}{added}, 1, 'the other does not');
    is($box->get(1, 1, 'old'), '{"data":{"id":"old"}}', 'old data');
    is($box->get(1, 2, 'x'), '{"data":{"id":"x"}}', 'and new data');
}

# Nothing at all is no failure; the guards are for that.
run_ok(command('true')->loader('sync'),
       { 'Acme/Users' => { rows => 0, deleted => 1 } }, 'no output');

# It closes its output, and goes on.
{
    my $rows = q(print qq({"id":"new"}\n); close STDOUT;);
    my $late = q(select undef, undef, undef, 0.3; print STDERR "late\n";);

    my $box = command($^X, '-e', "$rows $late exit 3");

    keeps_ok($box, $box->loader('sync'), qr{^profile-loader: Acme/Users: late$}m,
             qr/ended with status 3/, 'it closes its output and fails');

    source($box, { command => [$^X, '-e', "$rows $late"] });
    my $run = $box->loader('sync');

    is($run->{status}, 0, 'it closes its output and succeeds')
        or diag_run($run);
    is($run->{err}, "profile-loader: Acme/Users: late\n", 'late words count');
    is($box->get(1, 1, 'new'), '{"data":{"id":"new"}}', 'and rows do');

    # Both, as a daemon would.
    source($box, { command => [$^X, '-e', "$rows close STDERR;"
                               . 'select undef, undef, undef, 0.3; exit 6'] });
    fails_ok($box->loader('sync'), 1, qr/ended with status 6/,
             'it closes all and fails');
}

# What it leaves behind has its standard error, and must not hold us.
{
    my $box = command('sh', '-c', 'sleep 600 >/dev/null & echo $! >pid;'
                                  . 'echo "{\"id\":\"new\"}"');
    my $run = $box->start('sync')->finish(60 * slow());

    run_ok($run, { 'Acme/Users' => { rows => 1, added => 1 } },
           'a process is left that holds standard error');

    my $pid = pid_in("$box->{dir}/pid");

    ok($pid && kill(0, $pid), 'it is not our business to end it');
    kill 'KILL', $pid if $pid;

    source($box, { command => ['sh', '-c',
        'yes >&2 2>/dev/null & yes chatter >&2 & echo $! >pid;'
        . 'echo "{\"id\":\"new\"}"'] });
    unlink "$box->{dir}/pid";
    $run = $box->start('sync')->finish(60 * slow());

    is($run->{status}, 0, 'one is left that never stops talking');

    ok(gone(pid_in("$box->{dir}/pid")), 'it ends when nobody listens');
}


# -- a flood ------------------------------------------------------------------

SKIP: {
    skip 'too slow with a sanitizer, which needs the memory, too', 5
        if slow() > 1;

    # 128 MiB of memory, not counting the store, which is mapped.
    my $sync = 'ulimit -d 131072; "$0" -c "$1" sync 2>&1 >out; echo $? >status';
    my $flood = sub {
        my ($code) = @_;

        my $box = command($^X, '-e', "$code; print qq({\"id\":\"new\"}\\n)");
        my $run = run({ dir => $box->{dir} }, 'sh', '-c',
                      "{ $sync; } | wc -lc >count", $loader, $box->{config});

        is(slurp("$box->{dir}/status"), "0\n", "a flood: $code")
            or diag_run($run);

        return split ' ', slurp("$box->{dir}/count");
    };

    my ($lines, $bytes) = $flood->('print STDERR "x" x 999, "\n" for 1 .. 1e5');

    is($lines, 100_000, '100 MB of messages are passed on');
    cmp_ok($bytes, '>', 100_000_000, 'whole');

    ($lines, $bytes) = $flood->('print STDERR "x" x 1e6 for 1 .. 100');

    is("$lines " . ($bytes < 2000 ? 'short' : $bytes), '1 short',
       '100 MB in one line are cut off');
}


# -- no process is left -------------------------------------------------------

# A command that waits, with a child, both in the group.
my $waiting = 'sleep 600 & echo $! >child; echo $$ >pid; wait; exit 0';

for my $case (['TERM', 15], ['INT', 2], ['HUP', 1]) {
    my ($signal, $number) = @$case;

    my $box = box(undef);

    # The entity after it must not be begun.
    $box->configure(workspace(1, 'Acme', [
        entity(1, 'Users', 'id', undef,
               source => { command => ['sh', '-c', $waiting] }),
        entity(2, 'Orders', 'id', undef,
               source => { command => ['touch', 'begun'] }) ]));

    my $job = $box->start('sync');
    my ($pid, $child) = map { pid_in("$box->{dir}/$_") } 'pid', 'child';

    $job->kill($signal);
    my $run = $job->finish;

    is($run->{signal}, $number, "SIG$signal: the loader dies of it");
    like($run->{err}, qr{^profile-loader: Acme/Users: interrupted by a signal; the old data stays$}m,
         "SIG$signal: the entity is named");
    like($run->{err}, qr/^profile-loader: interrupted by signal $number; .*run it again$/m,
         "SIG$signal: and the signal");
    ok(gone($pid), "SIG$signal: the command is gone");
    ok(gone($child), "SIG$signal: what it has started, too");
    ok(!-e "$box->{dir}/begun", "SIG$signal: the next one is not begun");
    is($box->get(1, 1, 'old'), '{"data":{"id":"old"}}',
       "SIG$signal: the old data stays");
}

# Ignored below nohup.
{
    my $box = command('sh', '-c', 'echo $$ >pid; '
                      . 'while ! test -e go; do sleep 0.05; done; '
                      . 'echo "{\"id\":\"new\"}"');
    my $job = $box->start({ before => sub { $SIG{HUP} = 'IGNORE' } }, 'sync');

    pid_in("$box->{dir}/pid");
    $job->kill('HUP');
    $box->write('go' => '');

    run_ok($job->finish, { 'Acme/Users' => { added => 1 } },
           'SIGHUP where it is ignored');
}

# It ignores the signal.
{
    my $box = command($^X, '-e', '$SIG{$_} = "IGNORE" for qw(TERM INT HUP);
        open my $out, ">", "pid"; print $out "$$\n"; close $out;
        sleep 1 while 1');
    my $job = $box->start('sync');
    my $pid = pid_in("$box->{dir}/pid");

    $job->kill('TERM');

    is($job->finish->{signal}, 15, 'a command that ignores SIGTERM');
    ok(gone($pid), 'ends all the same');

    # Stopped, as by a terminal.
    source($box, { command => ['sh', '-c', 'echo $$ >pid2; kill -STOP $$'] });
    $job = $box->start('sync');
    $pid = pid_in("$box->{dir}/pid2");
    $job->kill('TERM');

    is($job->finish->{signal}, 15, 'a command that is stopped');
    ok(gone($pid), 'ends all the same');
}

# It has closed its output and goes on; and it has its last word.
{
    my $box = command($^X, '-e', '$SIG{TERM} = sub { open my $out, ">", "word";
            exit 0 };
        close STDOUT; open my $out, ">", "pid"; print $out "$$\n"; close $out;
        sleep 1 while 1');
    my $job = $box->start('sync');
    my $pid = pid_in("$box->{dir}/pid");

    $job->kill('TERM');

    is($job->finish->{signal}, 15, 'a command that has closed its output');
    ok(gone($pid), 'ends');
    ok(-e "$box->{dir}/word", 'it was asked before it was made to');
}

# Nobody is left to end it.
{
    my $box = command('sh', '-c', 'echo $$ >pid; exec sleep 600');
    my $job = $box->start('sync');
    my $pid = pid_in("$box->{dir}/pid");

    $job->kill('KILL');

    is($job->finish->{signal}, 9, 'the loader is killed');
    ok(gone($pid), 'the command is gone');

    source($box, { file => 'old.ndjson' });
    run_ok($box->loader('sync'), { 'Acme/Users' => { unchanged => 1 } },
           'the next run finds nothing in its way');
}

# The rows are no good: the rest is not waited for.
{
    my $box = command('sh', '-c', 'echo $$ >pid; exec yes');
    my $job = $box->start({ env => { PROFILE_SORT_MEMORY => 1 } }, 'sync');
    my $pid = pid_in("$box->{dir}/pid");

    $job->kill('TERM');

    is($job->finish->{signal}, 15, 'a command that never ends');
    ok(gone($pid), 'it ends');
}


# -- standard input -----------------------------------------------------------

{
    my $box = box({ stdin => JSON::PP::true }, 'in' => qq({"id":"a"}\n),
                  'bad' => "no row\n", 'two' => qq({"id":1}\n{"id":2}\n));

    run_ok($box->loader({ stdin => "$box->{dir}/in" }, 'sync'),
           { 'Acme/Users' => { rows => 1, added => 1, deleted => 1 } },
           'standard input is a file');

    my $sync = sub {
        my ($script) = @_;

        return run({ dir => $box->{dir} }, 'sh', '-c', $script, $loader,
                   $box->{config});
    };

    run_ok($sync->('{ echo "{\"id\":1}"; sleep 0.2; echo "{\"id\":2}"; }'
                   . ' | "$0" -c "$1" sync'),
           { 'Acme/Users' => { rows => 2, added => 2, deleted => 1 } },
           'a pipe');
    run_ok($sync->('{ read line; "$0" -c "$1" sync; } <two'),
           { 'Acme/Users' => { rows => 1, unchanged => 1, deleted => 1 } },
           'a file of which something was read');
    run_ok($sync->('"$0" -c "$1" sync </dev/null'),
           { 'Acme/Users' => { rows => 0, deleted => 1 } }, 'nothing');

    $box->write('old.ndjson' => qq({"id":"old"}\n));
    $sync->('"$0" -c "$1" sync <old.ndjson');

    keeps_ok($box, $box->loader({ stdin => "$box->{dir}/bad" }, 'sync'),
             qr/^profile-loader: Acme\/Users: standard input:1: /m,
             'a row that is none');
    keeps_ok($box, $sync->('"$0" -c "$1" sync <.'),
             qr/cannot read standard input: Is a directory/, 'a folder');
    keeps_ok($box, $sync->('exec "$0" -c "$1" sync <&-'),
             qr/cannot read standard input: Bad file/, 'closed');

    # Waiting for what does not come. The writer goes with the reader.
    my $job = start({ dir => $box->{dir} }, 'sh', '-c',
                    'mkfifo in2; exec 3<>in2; exec "$0" -c "$1" sync <&3',
                    $loader, $box->{config});

    until_true(30, sub { (slurp("/proc/$job->{pid}/cmdline") =~ /\0sync\0/)
                         && waits($job->{pid}) });
    $job->kill('TERM');

    is($job->finish->{signal}, 15, 'a signal ends waiting for input');
    is($box->get(1, 1, 'old'), '{"data":{"id":"old"}}', 'the data stays');

    # It is one stream, for one entity.
    $box->configure(workspace(1, 'Acme', [
        map { entity($_, "E$_", 'id', undef,
                     source => { stdin => JSON::PP::true }) } 1, 2 ]));
    fails_ok($box->loader('sync'), 2,
             qr/entities\[1\]\.source: only one entity can be read from/,
             'standard input for two entities');
}

# Closed descriptors must not become the store's files.
{
    my $box = box({ file => 'new.ndjson' }, 'new.ndjson' => qq({"id":"new"}\n));

    for my $closed ('>&-', '<&- >&-', '2>&-', '<&- >&- 2>&-') {
        $box->write('new.ndjson' => qq({"id":"$closed"}\nno row\n));
        source($box, { file => 'new.ndjson' }, max_invalid => 100);

        my $run = run('sh', '-c', "exec \"\$0\" -c \"\$1\" sync $closed",
                      $loader, $box->{config});

        is($run->{status}, $closed =~ /(?:^| )>&-/ ? 1 : 0,
           "sync $closed: its status");
        is($box->get(1, 1, $closed), qq({"data":{"id":"$closed"}}),
           "sync $closed: the store is whole");
    }
}

done_testing();
