# Why: the loader is set up once, by a line that is copied from
# docs/operations.md, and nobody looks again. Each of these lines is run here,
# in the bare environment that cron and systemd give it.

use strict;
use warnings;

use Fcntl qw(LOCK_EX);
use File::Path qw(make_path);
use lib 't/lib';
use ProfileDocs;
use ProfileLoader;
use Test::More;

my $Root = docs_root();
my $Text = slurp(docs_top() . '/docs/operations.md');
my @Blocks = blocks(section($Text, 'Running the loader'));

my $Config = "$Root/etc/profile-loader.json";
my $Store = "$Root/var/lib/profile";
my $Log = "$Root/var/log/profile-loader.log";

for my $block (blocks(section(slurp(docs_top() . '/README.md'), 'Synopsis'))) {
    write_example($1, $block->{text}) if $block->{test} =~ /^file (\S+)/;
}

chmod 0644, $Config;

# The wrapper that names the configuration is this test's; cron's line calls
# it by its path.
subtest 'cron' => \&cron;
subtest 'systemd: what it thinks of the units' => \&verify;
subtest 'systemd: what a unit does' => \&service;

done_testing();


# -- cron -------------------------------------------------------------------

sub cron {
    my ($table) = map { $_->{text} } grep { $_->{test} eq 'cron' } @Blocks;
    my @lines = split /\n/, $table;

    is(scalar @lines, 2, 'two lines');

    for my $line (@lines) {
        like($line, qr/^(?:[*\d,\/-]+ +){5}[a-z]+ +\S/, 'a line of cron.d');
        unlike($line, qr/%/, 'no %, which cron would take for a line feed');
    }

    my ($often, $weekly) = map { (split ' ', $_, 7)[6] } @lines;

    for my $command ($often, $weekly) {
        my $run = run_cron($command)->finish;

        is_deeply([@$run{qw(status out err)}], [0, '', ''], $command)
            or diag_run($run);
    }

    is(scalar(() = slurp($Log) =~ m{^Acme/\w+: \d rows, 0 invalid}mg), 4,
       'the log has a line for each entity');

    # What is printed otherwise is what cron mails.
    rename "$Root/srv/exports/companies.ndjson", "$Root/srv/exports/gone";

    my $run = run_cron($often)->finish;

    is($run->{status}, 1, 'a source is missing');
    is($run->{out}, '', 'a source is missing: standard output');
    like($run->{err}, qr{\Aprofile-loader: Acme/Companies: .*\n\z},
         'a source is missing: one line');
    rename "$Root/srv/exports/gone", "$Root/srv/exports/companies.ndjson";

    # One run at a time, and nobody is bothered.
    open my $lock, '<', $Config or die "$Config: $!\n";
    flock $lock, LOCK_EX or die "$Config: $!\n";

    $run = run_cron($often)->finish;
    is($run->{status}, 1, 'the frequent one gives way');
    is("$run->{out}$run->{err}", '', 'silently');

    my $before = slurp($Log);
    my $job = run_cron($weekly);

    ok(until_true(30, sub { waits_for_lock($job->{pid}) }),
       'the weekly one waits');
    is(slurp($Log), $before, 'and does nothing');
    close $lock;
    is($job->finish->{status}, 0, 'until its turn comes');
    isnt(slurp($Log), $before, 'then it works');

    return;
}


# As cron(8) of Debian does: nothing but these variables, no terminal.

sub run_cron {
    my ($command) = @_;

    return start({ dir => '/', env => { ASAN_OPTIONS => undef } },
                 'setsid', '-w', 'env', '-i', 'HOME=/', 'LOGNAME=root',
                 'SHELL=/bin/sh', 'PATH=/usr/bin:/bin', asan(),
                 '/bin/sh', '-c', place($command));
}


# Where sanitizers and counters are to report to, else it would be lost.

sub asan {
    return map { defined $ENV{$_} ? "$_=$ENV{$_}" : () }
           qw(ASAN_OPTIONS UBSAN_OPTIONS GCOV_PREFIX);
}


# A process of the job's session that waits in flock().

sub waits_for_lock {
    my ($session) = @_;

    my $inode = (stat $Config)[1];
    my %waiting = map { /-> FLOCK .* (\d+) \w+:\w+:$inode / ? ($1 => 1) : () }
                  split /\n/, slurp('/proc/locks');

    for my $pid (keys %waiting) {
        my $stat = eval { slurp("/proc/$pid/stat") } // next;

        return 1 if $stat =~ /\) \S \d+ \d+ (\d+) / && $1 == $session;
    }

    return 0;
}


# -- systemd ----------------------------------------------------------------

sub units {
    my %unit;

    for my $block (@Blocks) {
        $unit{$1} = $block->{text} if $block->{test} =~ m{^unit .*/(\S+)$};
    }

    return %unit;
}


sub verify {
    my %unit = units();
    my $dir = new_dir('units');

    plan skip_all => 'no systemd-analyze'
        if run('sh', '-c', 'command -v systemd-analyze')->{status} ne '0';

    is_deeply([sort keys %unit],
              [map { "profile-loader$_" } '-full.service', '-full.timer',
               '.service', '.timer'],
              'two services and two timers');

    spew("$dir/$_", place($unit{$_})) for keys %unit;

    for my $name (sort keys %unit) {
        my $run = run('systemd-analyze', 'verify', '--man=no', "$dir/$name");

        is_deeply([@$run{qw(status out err)}], [0, '', ''], $name)
            or diag_run($run);

        # A timer starts the service of its name.
        ok(exists $unit{ $name =~ s/timer$/service/r }, "$name: its service");
    }

    # This test can fail.
    my ($broken) = $unit{'profile-loader.service'} =~ s/Protect/Pretect/r;

    spew("$dir/broken.service", place($broken));
    like(run('systemd-analyze', 'verify', '--man=no',
             "$dir/broken.service")->{err},
         qr/Unknown key/, 'a mistake is found');

    return;
}


# ExecStart as the given user, who has nothing but the store's folder to write
# to. There is no systemd to do it here, so what its options mean is done by
# unshare and setpriv, where they may.

sub service {
    my %unit = units();
    my $user = $> == 0 ? 'nobody' : undef;

    run('rm', '-rf', $Store);
    make_path($Store);
    chmod 0750, $Store or die "$Store: $!\n";

    # the user and the folder of "Who owns what"
    if (defined $user) {
        chown +(getpwnam $user)[2], scalar getgrnam(docs_group()), $Store
            or die "$Store: $!\n";
    }

    for my $name ('profile-loader.service', 'profile-loader-full.service') {
        my $text = $unit{$name};
        my %option = $text =~ /^(\w+)=(.*)$/mg;

        is($option{Type}, 'oneshot', "$name: Type");
        is($option{User}, 'profile', "$name: User");
        is_deeply([@option{qw(NoNewPrivileges CapabilityBoundingSet PrivateTmp
                              ProtectSystem ReadWritePaths)}],
                  ['yes', '', 'yes', 'strict', '/var/lib/profile'],
                  "$name: what it may not");

        my $run = confined($user, place($option{ReadWritePaths} . '/')
                                  =~ s{/$}{}r,
                           place($option{ExecStart}));

        is($run->{status}, 0, "$name: it works") or diag_run($run);
        is($run->{err}, '', "$name: nothing on standard error");
        like($run->{out}, $name =~ /full/ ? qr{^Acme/Users: .* 1 unchanged}
                                          : qr{^Acme/Users: .* 1 added},
             "$name: what it says");
    }

    return if !defined $user;

    my ($uid, $gid) = ((getpwnam $user)[2], scalar getgrnam(docs_group()));

    for my $file ("$Store/CURRENT", glob("$Store/gen-*/*.mdb")) {
        is_deeply([(stat $file)[4, 5]], [$uid, $gid], "owner of $file");
    }

    return;
}


sub confined {
    my ($user, $writable, $command) = @_;

    my @setpriv = ('setpriv', '--no-new-privs');

    if (defined $user) {
        my ($uid, $gid) = (getpwnam $user)[2, 3];
        my $group = getgrnam docs_group();

        push @setpriv, "--reuid=$uid", "--regid=$gid", "--groups=$gid,$group",
             '--inh-caps=-all', '--bounding-set=-all';
    }

    # The folder of the store, then everything around it read-only. A folder
    # that cannot be written to is the sign that it is so.
    my $script = <<'END';
set -eu
writable=$1 root=$2
shift 2
mount --bind "$root" "$root"
mount --bind "$writable" "$writable"
mount -o remount,bind,ro "$root"
! touch "$root/var/log/x" 2>/dev/null
exec "$@"
END
    my @unshare = ('unshare', '--mount', '--propagation', 'private', 'sh',
                   '-c', $script, 'sh', $writable, $Root);

    if (run(@unshare, 'true')->{status} ne '0') {
        diag('no mount namespaces here: all paths are writable');
        @unshare = ();
    }

    return run({ dir => '/' }, 'env', '-i', 'LANG=C.UTF-8', 'LOGNAME=x',
               'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin',
               asan(), @unshare, @setpriv, split ' ', $command);
}
