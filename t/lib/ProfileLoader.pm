package ProfileLoader;

# Runs profile-loader from outside, as cron would: a command line, files, an
# exit status, what it prints and the LMDB files that it leaves. Used by
# t/loader/*.t. The program is $ENV{PROFILE_LOADER}, else
# build/profile-loader.
#
# Perl's own modules only.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Fcntl qw(:mode);
use File::Basename qw(dirname);
use File::Find ();
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();
use ProfileFormat;
use Test::More ();
use Time::HiRes ();

our @EXPORT = qw(
    body_of
    diag_run
    entity
    fails_ok
    fingerprint
    generation_dir
    key_of
    loader_path
    mdb_each
    mdb_pairs
    new_dir
    records_of
    restore_pairs
    run
    run_ok
    sandbox
    slow
    slurp
    spew
    start
    summary
    until_true
    workspace
);

my $Root = abs_path(dirname(__FILE__) . '/../..');
my $Json = JSON::PP->new->canonical->pretty->utf8;

# Children must not remove what belongs to the process that made it.
my $Owner = $$;
my $Tmp;
my $Count = 0;
my %Running;

# A test that is interrupted cleans up as well.
$SIG{$_} ||= sub { exit 1 } for qw(INT TERM HUP);

END {
    if ($$ == $Owner) {
        local $?;
        kill 'KILL', keys %Running if %Running;
    }
}


# -- processes --------------------------------------------------------------

sub loader_path {
    return $ENV{PROFILE_LOADER} || "$Root/build/profile-loader";
}


# Sanitizers and valgrind make everything slower. PROFILE_TEST_SLOW is the
# factor by which a test should wait longer, or do less.

sub slow {
    return $ENV{PROFILE_TEST_SLOW} || 1;
}


# start(\%options, COMMAND...) starts a command; $job->finish waits for it and
# returns what run() returns. Options: dir, env (a hash), user (a name; root
# only), stdin (a path), seconds, groups, before (code run in the child).

sub start {
    my ($option, @command) = @_;

    my $dir = new_dir();
    my ($out, $err) = ("$dir/stdout", "$dir/stderr");

    # They are there even if the child is killed before it does anything.
    spew($_, '') for $out, $err;

    # Nor does the child end by a handler of the test's own.
    my $signals = POSIX::SigSet->new(POSIX::SIGHUP(), POSIX::SIGINT(),
                                     POSIX::SIGTERM());
    my $mask = POSIX::SigSet->new();
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $signals, $mask);

    my $pid = fork();

    if (defined $pid && $pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(ALRM HUP INT TERM PIPE);
        POSIX::sigprocmask(POSIX::SIG_SETMASK(), $mask);
        eval { _child($option, $out, $err, @command) };
        print STDERR $@;
        POSIX::_exit(126);
    }

    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $mask);
    croak "fork: $!" if !defined $pid;

    $Running{$pid} = 1;

    return bless { pid => $pid, out => $out, err => $err,
                   begun => Time::HiRes::time(), command => "@command",
                   seconds => $option->{seconds} || 120 * slow() },
                 'ProfileLoader::Job';
}


sub _child {
    my ($option, $out, $err, @command) = @_;

    open STDIN, '<', $option->{stdin} || '/dev/null' or die "stdin: $!\n";
    open STDOUT, '>', $out or die "$out: $!\n";
    open STDERR, '>', $err or die "$err: $!\n";

    chdir $option->{dir} or die "chdir: $!\n" if $option->{dir};

    my $env = $option->{env} || {};
    $ENV{$_} = $env->{$_} for grep { defined $env->{$_} } keys %$env;
    delete $ENV{$_} for grep { !defined $env->{$_} } keys %$env;

    $option->{before}->() if $option->{before};

    if ($option->{user}) {
        my @user = getpwnam $option->{user} or die "no such user\n";

        # In this order: only root may change its groups.
        $) = join ' ', $user[3], $user[3], @{ $option->{groups} || [] };
        POSIX::setgid($user[3]);
        POSIX::setuid($user[2]);
        die "still root\n" if $> == 0 || $< == 0;
    }

    no warnings 'exec';
    exec { $command[0] } @command or die "$command[0]: $!\n";
}


sub run {
    my @command = @_;
    my $option = ref $command[0] eq 'HASH' ? shift @command : {};

    return start($option, @command)->finish;
}


# The status that a shell would show, and the text.

sub ProfileLoader::Job::finish {
    my ($job, $seconds) = @_;

    return $job->{result} if $job->{result};

    my $timed_out = 0;
    my $limit = $seconds || $job->{seconds};

    {
        local $SIG{ALRM} = sub {
            $timed_out = 1;
            kill 'KILL', $job->{pid};
        };

        Time::HiRes::alarm($limit);

        my $pid;
        do {
            $pid = waitpid $job->{pid}, 0;
        } while ($pid == -1 && $!{EINTR});

        Time::HiRes::alarm(0);
    }

    my $status = $?;
    delete $Running{ $job->{pid} };

    $job->{result} = {
        status => $status & 127 ? 128 + ($status & 127) : $status >> 8,
        signal => $status & 127,
        out => slurp($job->{out}),
        err => slurp($job->{err}),
        seconds => Time::HiRes::time() - $job->{begun},
        command => $job->{command},
    };

    if ($timed_out) {
        $job->{result}{err} .= "[no end after $limit seconds]\n";
        $job->{result}{status} = 'timeout';
    }

    unlink $job->{out}, $job->{err};
    rmdir dirname($job->{out});

    return $job->{result};
}


sub ProfileLoader::Job::running {
    my ($job) = @_;

    return 0 if $job->{result};

    # A zombie still takes signals, so signal 0 would not tell.
    my $state = eval { slurp("/proc/$job->{pid}/stat") } // return 0;

    return $state =~ /\) Z / ? 0 : 1;
}


sub ProfileLoader::Job::kill {
    my ($job, $signal) = @_;

    return $job->{result} ? 0 : CORE::kill($signal, $job->{pid});
}


sub until_true {
    my ($seconds, $condition) = @_;

    my $deadline = Time::HiRes::time() + $seconds * slow();

    while (1) {
        my $result = $condition->();

        return $result if $result;
        return if Time::HiRes::time() > $deadline;

        Time::HiRes::sleep(0.01);
    }
}


# -- files ------------------------------------------------------------------

# A new folder in one that only this process uses. Other users may enter, for
# the tests that give up root.

sub new_dir {
    my ($name) = @_;

    if (!defined $Tmp) {
        $Tmp = tempdir('profile-loader-XXXXXX', TMPDIR => 1, CLEANUP => 1);
        $Tmp = abs_path($Tmp);
        chmod 0755, $Tmp or croak "chmod $Tmp: $!";
    }

    # With the process id, as a test may fork.
    my $dir = "$Tmp/" . ($name // 'd') . "-$$-" . ++$Count;

    mkdir $dir or croak "mkdir $dir: $!";
    chmod 0755, $dir or croak "chmod $dir: $!";

    return $dir;
}


sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or croak "$path: $!";
    local $/;

    return scalar <$in> // '';
}


# Bytes, or text with wide characters that becomes UTF-8.

sub spew {
    my ($path, $text) = @_;

    utf8::encode($text) if utf8::is_utf8($text);

    open my $out, '>:raw', $path or croak "$path: $!";
    print {$out} $text or croak "$path: $!";
    close $out or croak "$path: $!";

    return $path;
}


# Everything that can be seen of a file, or of a folder and all in it. Two
# fingerprints are equal if nothing was touched. Lock files belong to readers
# too: their bytes do not count. Notes of failures, which a refresh leaves that
# touches nothing else, do not count at all. What $except matches is left out.

sub fingerprint {
    my ($path, $except) = @_;

    return 'absent' if !-e $path && !-l $path;

    my @lines;

    File::Find::find({ no_chdir => 1, wanted => sub {
        my @stat = lstat $_ or return;
        return if $except && /$except/;
        return if m{/failed-\d+-\d+\z};

        my $line = sprintf '%s %o %d:%d', substr($_, length $path),
                           @stat[2, 4, 5];

        if (S_ISREG($stat[2]) && !m{/(?:lock\.mdb|\.loader\.lock)\z}) {
            $line .= " $stat[7] $stat[9] " . sha256_hex(slurp($_));
        }

        push @lines, $line;
    } }, $path);

    return join "\n", sort @lines;
}


# -- configurations ---------------------------------------------------------

# entity(1, 'Users', 'id', 'users.ndjson', max_invalid => 5)

sub entity {
    my ($id, $name, $primary_key, $file, %more) = @_;

    return { id => $id, name => $name, primary_key => $primary_key,
             source => { file => $file }, format => 'ndjson', %more };
}


# workspace(1, 'Acme', [entity(...)], keys => [key_of('secret')])

sub workspace {
    my ($id, $name, $entities, %more) = @_;

    return { id => $id, name => $name, entities => $entities || [], %more };
}


sub key_of {
    my ($secret, %more) = @_;

    return { name => "key of $secret", sha256 => sha256_hex($secret), %more };
}


# A folder with a configuration, source files and a store that does not exist
# yet. sandbox(\%files, WORKSPACE...) writes the configuration at once.

sub sandbox {
    my ($files, @workspaces) = @_;

    my $dir = new_dir('box');
    my $box = bless { dir => $dir, store => "$dir/store",
                      config => "$dir/profile-loader.json" },
                    'ProfileLoader::Box';

    $box->write(%{ $files || {} });
    $box->configure(@workspaces);

    return $box;
}


sub ProfileLoader::Box::write {
    my ($box, %files) = @_;

    spew("$box->{dir}/$_", $files{$_}) for keys %files;

    return $box;
}


# WORKSPACE... or one hash that is the whole configuration.

sub ProfileLoader::Box::configure {
    my ($box, @workspaces) = @_;

    my $config = { store => $box->{store}, workspaces => [@workspaces] };

    if (@workspaces == 1 && exists $workspaces[0]{workspaces}) {
        $config = $workspaces[0];
    }

    spew($box->{config}, $Json->encode($config));

    return $box;
}


# $box->loader([\%options,] ARGUMENTS...)

sub ProfileLoader::Box::loader {
    my ($box, @args) = @_;

    my $option = ref $args[0] eq 'HASH' ? shift @args : {};

    return run($option, loader_path(), '-c', $box->{config}, @args);
}


sub ProfileLoader::Box::start {
    my ($box, @args) = @_;

    my $option = ref $args[0] eq 'HASH' ? shift @args : {};

    return start($option, loader_path(), '-c', $box->{config}, @args);
}


# The body of a record, or undef where there is none, or no such entity.
# Anything else that `get` may do is a failure of the test. Always one value.

sub ProfileLoader::Box::get {
    my ($box, $workspace, $entity, $id) = @_;

    my @dashes = $id =~ /\A-/ ? '--' : ();
    my $run = $box->loader('get', @dashes, $workspace, $entity, $id);

    if ($run->{status} == 0 && $run->{out} =~ s/\n\z//) {
        return $run->{out};
    }

    if ($run->{out} eq ''
        && ($run->{status} eq '1' && $run->{err} =~ /^profile-loader: ./
            || $run->{status} eq '2'
               && $run->{err} =~ /^profile-loader: there is no | is disabled in /))
    {
        return undef;    ## no critic (a list would be empty)
    }

    Test::More::fail("get $workspace $entity $id");
    diag_run($run);

    return 'failed';
}


sub ProfileLoader::Box::status {
    my ($box) = @_;

    my $run = $box->loader('status', '--json');
    my $status = eval { JSON::PP->new->utf8->decode($run->{out}) };

    return $status if $run->{status} eq '0' && $status;

    Test::More::fail('status --json');
    diag_run($run);

    return {};
}


sub ProfileLoader::Box::generation {
    my ($box) = @_;

    return generation_dir($box->{store});
}


sub ProfileLoader::Box::data {
    my ($box) = @_;

    return $box->generation . '/data.mdb';
}


# -- what the loader said ---------------------------------------------------

# The summary lines: { 'Acme/Users' => { rows => 3, added => 3, ... } }

sub summary {
    my ($run) = @_;

    my %summary;

    for my $line (split /\n/, $run->{out}) {
        my ($name, $counts) = $line =~ m{^(\S.*?/.*?): (\d+ rows?, .*)$}
            or next;

        my ($rows, $invalid, $added, $changed, $deleted, $unchanged, $written)
            = $counts =~ m{^(\d+)\ rows?,\ (\d+)\ invalid,\ (\d+)\ added,
                           \ (\d+)\ changed,\ (\d+)\ deleted,
                           \ (\d+)\ unchanged,\ \d+\.\d+\ s,
                           \ \d+\ rows/s,\ (\d+)\ bytes\ written$}x
            or next;

        $summary{$name} = { rows => $rows, invalid => $invalid,
                            added => $added, changed => $changed,
                            deleted => $deleted, unchanged => $unchanged,
                            written => $written };
    }

    return \%summary;
}


sub diag_run {
    my ($run) = @_;

    Test::More::diag("$run->{command}\n"
                     . "  status $run->{status} after "
                     . sprintf('%.2f s', $run->{seconds}) . "\n"
                     . join '', map { "  out: $_\n" }
                                (split /\n/, substr($run->{out}, 0, 3000)));
    Test::More::diag("  err: $_")
        for split /\n/, substr($run->{err}, 0, 3000);

    return;
}


# run_ok($run, \%counts_of_each_entity, NAME): exit 0, nothing on standard
# error, and the counts that are given.

sub run_ok {
    my ($run, $counts, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @wrong;
    my $summary = summary($run);

    push @wrong, "status $run->{status}" if $run->{status} ne '0';
    push @wrong, 'standard error is not empty' if $run->{err} ne '';

    for my $entity (sort keys %{ $counts || {} }) {
        my $got = $summary->{$entity};

        if (!$got) {
            push @wrong, "no summary of $entity";
            next;
        }

        for my $what (sort keys %{ $counts->{$entity} }) {
            my $want = $counts->{$entity}{$what};
            push @wrong, "$entity: $got->{$what} $what, not $want"
                if $got->{$what} != $want;
        }
    }

    my $ok = Test::More::ok(!@wrong, $name);

    if (!$ok) {
        Test::More::diag("  $_") for @wrong;
        diag_run($run);
    }

    return $ok;
}


# fails_ok($run, STATUS, REGEX..., NAME): the exit status, and a standard
# error in which every line begins with the program's name and every pattern
# is found.

sub fails_ok {
    my ($run, $status, @patterns) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $name = pop @patterns;
    my @wrong;

    push @wrong, "status $run->{status}, not $status"
        if $run->{status} ne $status;

    push @wrong, 'nothing on standard error' if $run->{err} eq '';
    push @wrong, 'a line without the program\'s name'
        if $run->{err} =~ /^(?!profile-loader: ).+$/m;

    for my $pattern (@patterns) {
        push @wrong, "not found: $pattern" if $run->{err} !~ $pattern;
    }

    my $ok = Test::More::ok(!@wrong, $name);

    if (!$ok) {
        Test::More::diag("  $_") for @wrong;
        diag_run($run);
    }

    return $ok;
}


# -- the store, read with LMDB's own tools ----------------------------------

sub generation_dir {
    my ($store) = @_;

    my ($name) = slurp("$store/CURRENT") =~ /\A(gen-\d{6,})\n\z/
        or croak "$store/CURRENT is malformed";

    return "$store/$name";
}


# Calls $code with every key and value of a generation, in order, in one
# snapshot.
#
# LMDB 0.9.27 to 0.9.31 give no locks to who opens a database just when the
# last other one closes it (see profile_open.c). mdb_dump knows no remedy, so
# that with these versions it is called again where it did not even begin.

my $Locks_fail = (`mdb_dump -V 2>&1` // '') =~ /\bLMDB 0\.9\.(\d+)/
                 && $1 >= 27 && $1 <= 31;

sub mdb_each {
    my ($generation, $code) = @_;

    for my $try (1 .. 20) {
        return if _mdb_each($generation, $code, $Locks_fail && $try < 20);
        Time::HiRes::sleep(0.01);
    }
}


sub _mdb_each {
    my ($generation, $code, $may_fail) = @_;

    open my $dump, '-|', 'mdb_dump', $generation or croak "mdb_dump: $!";

    my ($key, $begun, $ended);

    while (my $line = <$dump>) {
        $begun = $line eq "HEADER=END\n" and last;
    }

    while (my $line = <$dump>) {
        $ended = $line eq "DATA=END\n" and last;
        chomp $line;

        if (defined $key) {
            $code->($key, pack 'H*', substr $line, 1);
            undef $key;

        } else {
            $key = pack 'H*', substr $line, 1;
        }
    }

    if (!close $dump) {
        return 0 if $may_fail && !$begun;
        croak "mdb_dump $generation: status $?";
    }

    croak "mdb_dump $generation: no end" if !$ended || defined $key;

    return 1;
}


# All pairs, [key, value].

sub mdb_pairs {
    my ($generation) = @_;

    my @pairs;
    mdb_each($generation, sub { push @pairs, [@_] });

    return @pairs;
}


# The body in the value of a record or of an entity list; docs/store-format
# says where it begins.

sub body_of {
    my ($value) = @_;

    my $offset = unpack 'x2 n', $value;

    return $offset <= length $value ? substr $value, $offset : undef;
}


# The records in pairs as { incarnation => { id => body } }. A key is the tag
# 0x20, four bytes of incarnation and the id.

sub records_of {
    my (@pairs) = @_;

    my %records;

    for my $pair (@pairs) {
        my ($tag, $incarnation, $id) = unpack 'C N a*', $pair->[0];

        next if $tag != 0x20;
        $records{$incarnation}{$id} = body_of($pair->[1]);
    }

    return \%records;
}


# Makes the data file of a generation anew from pairs, behind the loader's
# back, for stores that no loader would make. Values get the checksums that
# they should have, unless a pair has a third element that is true.

sub restore_pairs {
    my ($generation, @pairs) = @_;

    my $text = "VERSION=3\nformat=bytevalue\ntype=btree\n"
               . "mapsize=1073741824\nmaxreaders=1024\n"
               . "db_pagesize=4096\nHEADER=END\n";

    for my $pair (@pairs) {
        my ($key, $value, $as_it_is) = @$pair;

        $value = summed($key, $value) if !$as_it_is;
        $text .= join '', map { ' ' . unpack('H*', $_) . "\n" } $key, $value;
    }

    my $dump = new_dir() . '/dump';
    spew($dump, $text . "DATA=END\n");

    my @stat = stat "$generation/data.mdb" or croak "$generation: $!";

    unlink "$generation/data.mdb", "$generation/lock.mdb";

    my $run = run('mdb_load', '-f', $dump, $generation);
    croak "mdb_load: $run->{err}" if $run->{status} ne '0';

    for my $file ("$generation/data.mdb", "$generation/lock.mdb") {
        chown $stat[4], $stat[5], $file if $> == 0;
        chmod $file =~ /lock/ ? 0660 : 0640, $file;
    }

    return;
}


1;
