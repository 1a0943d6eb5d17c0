# Why: disks fill up, quotas are reached, limits are set, and disks fail. None
# of it may leave half of a refresh behind, or a store that the next run cannot
# go on with. Each call that changes a file fails once, in each way in which
# such calls fail; then file systems and limits that really are too small.

use strict;
use warnings;

use lib 't/lib';
use Errno qw(EDQUOT EIO ENOSPC);
use JSON::PP ();
use POSIX ();
use ProfileFault;
use ProfileLoader;
use Test::More;

my $json = JSON::PP->new->canonical;
my $workers = 2;
my $step = slow() > 1 ? 5 : 1;

my $old = fault_configure(sandbox({}), 'old');
my $run = $old->loader('sync');
BAIL_OUT("the first sync fails: $run->{err}") if $run->{status} ne '0';


# -- each call fails ----------------------------------------------------------

# [name, FAULT_HOW, FAULT_ERRNO...], numbers that take turns. Space that is
# lacking stays away, as a rule.
my @ways = (
    ['ENOSPC, once', 'fail', ENOSPC],
    ['ENOSPC or EDQUOT from then on', 'fails', ENOSPC, EDQUOT],
    ['EIO, once', 'fail', EIO],
    ['EIO from then on', 'fails', EIO],
    ['EIO, but it is written', 'after', EIO],
    ['a short write, ENOSPC after it', 'short', ENOSPC],
    ['killed', 'kill', 0],
);


sub attempt {
    my ($box, $fixture, $n, $way, $known) = @_;

    my ($name, $how, @errno) = @$way;
    my $mark = "$box->{dir}/mark";
    unlink $mark;

    copy_store($fixture, $box->{store});

    my $run = $box->loader({ env => fault_env('fail_io',
        FAULT_FOLDER => $box->{store}, FAULT_AT => $n, FAULT_HOW => $how,
        FAULT_ERRNO => $errno[$n / $workers % @errno], FAULT_MARK => $mark,
        PROFILE_SORT_MEMORY => 256) }, 'sync');

    my $reached = -e $mark ? 1 : 0;
    my $has = -e "$box->{store}/CURRENT";
    my $left = join ' ', glob "$box->{store}/gen-*";
    my $seen = fault_look($box, $fixture ? 'old' : 'none', $known);
    my $whole = fault_whole($seen->{state});
    my @wrong = @{ $seen->{wrong} };

    # A failure that changes nothing, such as that of giving back space, may
    # be passed over, but then everything has to be there.
    push @wrong, "status $run->{status}"
        if $reached && $run->{status} !~ ($how eq 'kill' ? qr/\A137\z/
                                                         : qr/\A[03]\z/);
    # Where nothing else fails, not even what cleans up.
    push @wrong, "no store, but it leaves $left"
        if $how eq 'fail' && !$has && $left ne '';
    push @wrong, 'status 0, but not all of it is new'
        if $run->{status} eq '0' && !$whole;
    push @wrong, 'status 0, but something is said'
        if $run->{status} eq '0' && $run->{err} ne '';
    push @wrong, 'status 3, and nothing is said of the store'
        if $run->{status} eq '3'
           && $run->{err} !~ /^profile-loader: .*\Q$box->{store}\E/m;

    my ($err) = $run->{err} =~ /\A(.*)/;

    return { n => $n, way => $name, status => $run->{status}, err => $err,
             reached => $reached, wrong => \@wrong,
             state => join ' ', map { $seen->{state}{$_} } '1/1', '1/2' };
}


sub worker {
    my ($first, $fixture, $way, $report) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;
    return $pid if $pid;

    eval {
        open my $out, '>', $report or die "$report: $!";
        my $box = fault_configure(sandbox({}), 'new');
        my (%known, $seen);

        for (my $n = $first; ; $n += $workers * $step) {
            $seen = attempt($box, $fixture, $n, $way, \%known);
            print {$out} $json->encode($seen), "\n";
            last if !$seen->{reached};
        }

        close $out;
        1;
    } or print STDERR $@;

    POSIX::_exit(0);
}


sub all_of {
    my ($name, $fixture, $way) = @_;

    my $dir = new_dir('reports');
    $name = "$name, $way->[0]";

    preload('fail_io');

    my $start = $step > 1 ? int rand $step : 0;
    my @pids = map { worker($start + $_ * $step, $fixture, $way, "$dir/$_") }
               0 .. $workers - 1;
    waitpid $_, 0 for @pids;

    my ($ended, $failed, @wrong, %status, %state) = (0, 0);

    for my $report (map { "$dir/$_" } 0 .. $workers - 1) {
        for my $line (-e $report ? split /\n/, slurp($report) : ()) {
            my $seen = $json->decode($line);

            $seen->{reached} ? $failed++ : $ended++;
            push @wrong, $seen if @{ $seen->{wrong} };
            $status{ $seen->{status} }++;
            $state{ $seen->{state} }++;
        }
    }

    is($ended, $workers, "$name: up to a run in which nothing fails");
    cmp_ok($failed, '>=', 4, "$name: many a failure");
    is(scalar @wrong, 0, "$name: all or nothing, and the next run works");

    for my $seen (grep { defined } @wrong[0 .. 4]) {
        diag("  call $seen->{n}, status $seen->{status}: "
             . substr(join('; ', @{ $seen->{wrong} }), 0, 600)
             . "\n    it said: " . ($seen->{err} // 'nothing'));
    }

    note(sprintf '%s: %d failures; status %s; entities %s', $name, $failed,
         join(', ', map { "$_: $status{$_}" } sort keys %status),
         join(', ', map { "$_: $state{$_}" } sort keys %state));

    return;
}


for my $way (@ways) {
    all_of('a refresh', $old->{store}, $way);
    all_of('a first load', undef, $way);
}


# -- a limit of file size -----------------------------------------------------

{
    my $box = fault_configure(sandbox({}), 'new');
    my @failed;

    for my $fixture ($old->{store}, undef) {
        my $name = $fixture ? 'a refresh' : 'a first load';
        my (@wrong, %status, %known);

        # In pages, beginning where a message of the loader has room.
        for (my $pages = 1; ; $pages += $step) {
            copy_store($fixture, $box->{store});

            my $run = run('prlimit', '--fsize=' . 4096 * $pages, '--',
                          loader_path(), '-c', $box->{config}, 'sync');
            my $seen = fault_look($box, $fixture ? 'old' : 'none', \%known);

            push @wrong, map { "$pages pages: $_" } @{ $seen->{wrong} };
            push @wrong, "$pages pages: status $run->{status}: $run->{err}"
                if $run->{status} !~ /\A[03]\z/
                   || $run->{status} eq '0' && !fault_whole($seen->{state})
                   || $run->{status} eq '3'
                      && $run->{err} !~ /^profile-loader: .*\Q$box->{store}\E/;

            $status{ $run->{status} }++;
            last if $run->{status} eq '0' || $pages > 1000;
        }

        is(join("\n", @wrong), '', "RLIMIT_FSIZE, $name: all or nothing");
        cmp_ok($status{3} // 0, '>', 0, "RLIMIT_FSIZE, $name: it was reached");
        is($status{0}, 1, "RLIMIT_FSIZE, $name: up to one that is enough");
    }
}


# -- file systems that are full -----------------------------------------------

# Lines of rows of half a KiB: some megabytes, and more than memory is given.
my $rows = 6000;


sub rows {
    my ($v) = @_;

    return join '', map { sprintf qq({"id":"%06d","v":"%s","f":"%s"}\n), $_,
                          $v, 'f' x 500 } map { $_ * 7919 % $rows } 1 .. $rows;
}


sub configure_rows {
    my ($box, @names) = @_;

    my %id = (Users => 1, Companies => 2);
    $box->configure(workspace(1, 'Acme', [
        map { entity($id{$_}, $_, 'id', 'rows.ndjson') } @names]));

    return;
}


# A file system of 64 MiB, in a namespace of a process that ends with the
# test. undef where this machine does not allow that.

sub file_system {
    my ($type) = @_;

    my $dir = new_dir('mount');
    my $image = "$dir.image";
    my $mount = "mount -t tmpfs -o size=64m none $dir";

    if ($type eq 'ext4') {
        $mount = "truncate -s 64M $image && mkfs.ext4 -q -F $image"
                 . " && mount -t ext4 -o loop $image $dir";
    }

    my $job = start({ seconds => 1000 }, 'unshare', '-m', 'sh', '-c',
        "PATH=\$PATH:/usr/sbin:/sbin; $mount && : >$dir.ready"
        . ' && exec sleep 1000');

    until_true(20, sub { -e "$dir.ready" || !$job->running });

    if (!-e "$dir.ready") {
        my $run = $job->finish(1);
        note("no $type here: $run->{err}");
        return;
    }

    return { job => $job, dir => $dir, image => $image,
             outside => "/proc/$job->{pid}/root$dir" };
}


sub inside {
    my ($fs, @command) = @_;

    return run('nsenter', '-t', $fs->{job}{pid}, '-m', '--', @command);
}


# Fills it but for so many bytes; 0 gives all of it back.

sub leave_free {
    my ($fs, $bytes) = @_;

    my $file = "$fs->{outside}/ballast";

    unlink $file;
    return if !$bytes;

    open my $out, '>', $file or die "$file: $!";
    my ($size, $n) = (0);

    for my $block (1 << 20, 4096) {
        my $data = 'x' x $block;
        $size += $n while $n = syswrite $out, $data;
    }

    # What ext4 has only promised to write counts as well.
    $out->sync;
    close $out;
    truncate $file, $size - $bytes or die "$file: $!";

    return;
}


# Which version each entity has in full; 'none' of one that is not there.

sub versions {
    my ($fs) = @_;

    return 'no store' if !-e "$fs->{outside}/store/CURRENT";

    my $states = entity_states(generation_dir("$fs->{outside}/store"));
    my @versions;

    for my $entity ('1/1', '1/2') {
        my $state = $states->{$entity};
        my %seen;

        if (ref $state) {
            $seen{ /"v":"(\w+)"/ ? $1 : 'torn' }++ for values %$state;
        }

        push @versions, !defined $state ? 'none'
                        : !ref $state ? $state
                        : keys %seen == 1 && keys %$state == $rows
                          ? keys %seen : 'a mixture: ' . $json->encode(\%seen);
    }

    return "@versions";
}


sub fill_up {
    my ($type) = @_;

    SKIP: {
        my $fs = file_system($type)
            or skip "this machine does not let a test mount $type", 9;

        my $box = sandbox({});
        $box->{store} = "$fs->{dir}/store";

        my @sync = (loader_path(), '-c', $box->{config}, 'sync',
                    '--allow-shrink');
        local $ENV{PROFILE_SORT_MEMORY} = 1 << 20;

        # A step: [name, version, entities, what may be seen at its end].
        my @steps = (
            ['a first load', 'a', ['Users', 'Companies'],
             { map { $_ => 1 } 'no store', 'none none', 'a none' }],
            ['a refresh', 'b', ['Users', 'Companies'],
             { 'a a' => 1, 'b a' => 1 }],
            ['a purge', 'b', ['Users'], { 'b b' => 1, 'b none' => 1 }],
        );

        for my $step (@steps) {
            my ($name, $v, $entities, $may) = @$step;
            my $end = $v . ' ' . (@$entities == 2 ? $v : 'none');
            my (@wrong, $failed);

            $box->write('rows.ndjson' => rows($v));
            configure_rows($box, @$entities);

            for my $free (4096, 65536, map { $_ << 20 } 1, 2, 3, 5, 8, 12) {
                leave_free($fs, $free);

                my $run = inside($fs, @sync);
                my $now = versions($fs);

                if ($run->{status} eq '3') {
                    $failed++;
                    push @wrong, "$free bytes free: it says $run->{err}"
                        if $run->{err} !~ /^profile-loader: .*\Q$fs->{dir}\E/;
                    push @wrong, "$free bytes free: $now" if !$may->{$now};

                } elsif ($run->{status} ne '0' || $now ne $end) {
                    push @wrong, "$free bytes free: status $run->{status}, "
                                 . "$now: $run->{err}";
                }

                last if $run->{status} eq '0';
            }

            is(join("\n", @wrong), '', "$type, $name: all or nothing");
            cmp_ok($failed // 0, '>', 0, "$type, $name: it was full");

            leave_free($fs, 0);
            my $run = inside($fs, @sync);
            is("$run->{status} $run->{err}" . versions($fs), "0 $end",
               "$type, $name: works when there is room");
        }

        inside($fs, 'umount', '-l', $fs->{dir});
        $fs->{job}->kill('KILL');
        $fs->{job}->finish;
        unlink $fs->{image};
    }

    return;
}


fill_up($_) for 'tmpfs', 'ext4';

done_testing();
