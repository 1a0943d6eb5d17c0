# Why: a refresh becomes visible all at once, and a loader that is killed at
# any moment leaves the old data or the new, never a mixture. Readers look on
# while loaders work and die.

use strict;
use warnings;

use JSON::PP ();
use POSIX ();
use lib 't/lib';
use ProfileLoader;
use Test::More;
use Time::HiRes ();

my $seed = $ENV{PROFILE_TEST_SEED} || time ^ $$;
srand $seed;
note("PROFILE_TEST_SEED=$seed");

my $reader_count = 3;
my $rounds = $ENV{PROFILE_TEST_SLOW} ? 10 : 50;
my $kills = $ENV{PROFILE_TEST_SLOW} ? 8 : 30;


# Two versions of an entity. They share most ids, but not all; every record
# says which one it is of.

my %version = (
    A => [1 .. 2000],
    B => [501 .. 2000, 5001 .. 5200],
);

my %text = map {
    my $v = $_;
    $v => join '', map { qq({"id":$_,"v":"$v"}\n) } @{ $version{$v} };
} keys %version;

my %bytes = map {
    my $v = $_;
    my $sum = 0;
    $sum += length qq({"data":{"id":$_,"v":"$v"}}) for @{ $version{$v} };
    $v => $sum;
} keys %version;


sub publish {
    my ($box, $v) = @_;

    $box->write('users.new' => $text{$v});
    rename "$box->{dir}/users.new", "$box->{dir}/users.ndjson"
        or die "rename: $!";

    return;
}


# What one snapshot shows: 'A', 'B', or a sentence about what is wrong. Only
# the incarnation that the entity names is looked at; others are not visible.

sub snapshot {
    my ($box) = @_;

    my ($live, $records, %seen);

    # Records come after everything else.
    my $ok = eval {
        mdb_each($box->generation, sub {
            my ($tag, $number) = unpack 'C N', $_[0];

            if ($tag == 5) {
                # workspace 1, entity 1; see docs/store-format
                ($live, $records) = unpack 'x16 N x4 Q>', $_[1];

            } elsif ($tag == 0x20 && $number == $live) {
                my ($v) = $_[1] =~ /"v":"(.)"/;
                $seen{$v}++;
            }
        });
        1;
    };

    return "cannot be read: $@" if !$ok;
    return 'a mixture: ' . join ', ', map { "$seen{$_} of $_" } sort keys %seen
        if keys %seen != 1;

    my ($v) = keys %seen;
    my $wanted = @{ $version{$v} };

    return "$seen{$v} records of $v, not $wanted" if $seen{$v} != $wanted;
    return "the entity says $records" if $records != $wanted;
    return $v;
}


# One look at the store through the loader's own commands.

sub look {
    my ($box) = @_;

    # ids that both have, that only A has, that only B has
    my $id = (501 + int rand 1500, 1 + int rand 500, 5001 + int rand 200)
             [int rand 3];
    my $run = $box->loader('get', 1, 1, $id);

    if ($run->{status} eq '0') {
        my ($v) = $run->{out} =~ /\A\{"data":\{"id":$id,"v":"([AB])"\}\}\n\z/
            or return "get $id prints $run->{out}";

        return "get $id finds a record that $v has not"
            if !grep { $_ == $id } @{ $version{$v} };

    } elsif ($run->{status} ne '1' || ($id > 500 && $id < 5000)) {
        return "get $id: status $run->{status}: $run->{err}";
    }

    $run = $box->loader('status', '--json');
    my $status = eval { JSON::PP->new->utf8->decode($run->{out}) }
        or return "status: $run->{status}: $run->{err}";
    my $entity = $status->{workspaces}[0]{entities}[0];

    return "status: $entity->{records} records, $entity->{bytes} bytes"
        if !grep { $entity->{records} == @{ $version{$_} }
                   && $entity->{bytes} == $bytes{$_} } keys %version;

    return '';
}


# A process that looks until it is told to stop, or sees something wrong. Its
# report: the number of looks, how often each version was seen, what is wrong.

sub reader {
    my ($box, $stop, $report) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;
    return $pid if $pid;

    srand $seed + $$;

    my ($looks, $wrong) = (0, '');
    my %seen = (A => 0, B => 0);

    # Whatever happens here must not run the parent's END.
    eval {
        until ($wrong || -e $stop) {
            $wrong = look($box);

            if (!$wrong) {
                my $v = snapshot($box);
                exists $seen{$v} ? $seen{$v}++ : ($wrong = "a snapshot: $v");
            }

            $looks++;
        }
        1;
    } or $wrong = "the test's reader died: $@";

    spew("$report.new", "$looks $seen{A} $seen{B} $wrong\n");
    rename "$report.new", $report;
    POSIX::_exit(0);
}


sub with_readers {
    my ($box, $name, $work) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $dir = new_dir('readers');
    my @reports = map { "$dir/report-$_" } 1 .. $reader_count;
    my @pids = map { reader($box, "$dir/stop", $_) } @reports;

    $work->();

    spew("$dir/stop", '');
    waitpid $_, 0 for @pids;

    my ($looks, $a, $b) = (0, 0, 0);

    for my $report (@reports) {
        my ($n, $in_a, $in_b, $wrong)
            = (-e $report ? slurp($report) : '0 0 0 no report')
              =~ /\A(\d+) (\d+) (\d+) (.*?)\n?\z/s;

        is($wrong, '', "$name: a reader");
        $looks += $n;
        $a += $in_a;
        $b += $in_b;
    }

    cmp_ok($looks, '>', 10, "$name: they looked");
    cmp_ok($a * $b, '>', 0, "$name: and saw both versions");
    note("$name: $looks looks, $a of A, $b of B");

    return;
}


sub box_of {
    my $box = sandbox({}, workspace(1, 'Acme', [
        entity(1, 'Users', 'id', 'users.ndjson')]));

    publish($box, 'A');

    return $box;
}


# -- refreshes in place -------------------------------------------------------

my $box = box_of();
run_ok($box->loader('sync'), { 'Acme/Users' => { added => 2000 } },
       'first load');
is(snapshot($box), 'A', 'the first version');

with_readers($box, "$rounds refreshes", sub {
    my @failed;

    for my $round (1 .. $rounds) {
        my $v = $round % 2 ? 'B' : 'A';

        publish($box, $v);

        my $run = $box->loader('sync');
        push @failed, $run if $run->{status} ne '0';

        # What the command's end promises is true from then on.
        my $now = snapshot($box);
        push @failed, { %$run, err => "snapshot: $now" } if $now ne $v;
    }

    is(scalar @failed, 0, "$rounds refreshes work") or diag_run($failed[0]);
});


# -- loaders that are killed --------------------------------------------------

# Lets a loader run for a random time and kills it. The longest time is fitted
# so that about half of them come to their end, however busy the machine is:
# thus kills hit every part of the work.

my $limit = 0.05;


sub kill_early {
    my ($box) = @_;

    my $job = $box->start('sync');
    Time::HiRes::sleep(rand $limit);
    $job->kill('KILL');
    my $run = $job->finish;

    $limit *= $run->{signal} == 9 ? 1.2 : 0.85;

    return $run;
}


my $size = -s $box->data;
my ($killed, $advanced, $rounds_done) = (0, 0, 0);

with_readers($box, "$kills kills", sub {
    my @wrong;
    my $now = snapshot($box);

    while (($killed < $kills || $advanced < $kills / 5)
           && $rounds_done++ < 10 * $kills)
    {
        my $next = $now eq 'A' ? 'B' : 'A';
        my $name = "round $rounds_done";

        publish($box, $next);

        my $run = kill_early($box);
        my $seen = snapshot($box);

        $killed++ if $run->{signal} == 9;
        $advanced++ if $seen eq $next;

        push @wrong, "$name: $seen" if $seen !~ /\A[AB]\z/;
        push @wrong, "$name: it ended well and left $seen"
            if $run->{status} eq '0' && $seen ne $next;
        push @wrong, "$name: status $run->{status}: $run->{err}"
            if $run->{status} !~ /\A(?:0|137)\z/;

        $now = $seen if $seen =~ /\A[AB]\z/;
    }

    is("@wrong", '', 'a kill leaves the old version or the new one');
});

note("$rounds_done loaders, $killed were killed, $advanced did their work");
cmp_ok($killed, '>=', $kills, "$kills were killed at work");

# One that was killed just after its commit has left the file longer than its
# pages; only a run that has something to write makes it shorter.
for my $version ('B', 'A') {
    publish($box, $version);
    is($box->loader('sync')->{status}, 0, "the next run works: $version");
}

is(snapshot($box), 'A', 'and its version is there');
cmp_ok(-s $box->data, '<', 3 * $size + (1 << 20),
       'killed loaders leave no growth to speak of');
cmp_ok($box->status->{readers}, '<=', 2, 'nor readers');


# -- first loads that are killed ----------------------------------------------

# More than one transaction's worth: what is committed before the end must not
# be seen, and not stay.
{
    my $rows = $ENV{PROFILE_TEST_SLOW} ? 20_000 : 100_000;
    my $box = sandbox({}, workspace(1, 'Acme', [
        entity(1, 'Users', 'id', 'users.ndjson')]));
    my $filler = 'f' x 700;

    open my $out, '>', "$box->{dir}/users.ndjson" or die $!;
    print {$out} qq({"id":$_,"v":"A","f":"$filler"}\n) for 1 .. $rows;
    close $out;

    # One to measure.
    my $run = $box->loader('sync');
    run_ok($run, { 'Acme/Users' => { added => $rows } }, 'a large first load');

    run('rm', '-rf', $box->{store});
    run_ok($box->loader('apply'), {}, 'a new store');

    $limit = 1.2 * $run->{seconds};
    my ($killed, @wrong) = (0);

    for my $round (1 .. 15) {
        my $run = kill_early($box);

        my $body = $box->get(1, 1, 1 + int rand $rows);
        my $entity = $box->status->{workspaces}[0]{entities}[0];

        if ($entity->{ready}) {
            push @wrong, "round $round: ready, and a record is missing"
                if !defined $body;
            push @wrong, "round $round: ready with $entity->{records}"
                if $entity->{records} != $rows;

            # From the beginning.
            run('rm', '-rf', $box->{store});
            $box->loader('apply');
            next;
        }

        $killed++;
        push @wrong, "round $round: a record of a load that did not end"
            if defined $body;
        push @wrong, "round $round: status $run->{status}"
            if $run->{status} ne '137';
    }

    is("@wrong", '', 'all of a first load, or nothing');
    cmp_ok($killed, '>', 0, 'kills hit loaders at work');
    note("$killed of 15 were killed before the end");

    run_ok($box->loader('sync'), {}, 'the next run works');

    my %loads;
    mdb_each($box->generation, sub {
        my ($tag, $incarnation) = unpack 'C N', $_[0];
        $loads{$incarnation}++ if $tag == 0x20;
    });
    is_deeply([values %loads], [$rows],
              'and clears what the killed ones left');
}


# -- a refresh too large for one transaction, seen from outside ---------------

if (!$ENV{PROFILE_TEST_SLOW}) {
    my $rows = 60_000;
    my $box = sandbox({}, workspace(1, 'Acme', [
        entity(1, 'Users', 'id', 'users.ndjson')]));
    my $filler = 'f' x 3000;

    my $write = sub {
        my ($v, $path) = @_;

        open my $out, '>', "$box->{dir}/users.ndjson" or die $!;
        print {$out} qq({"id":$_,"v":"$v","f":"$filler"}\n) for 1 .. $rows;
        close $out;
    };

    $write->('A');
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => $rows } },
           '180 MB');
    $write->('B');

    my $job = $box->start('sync');
    my ($last, %seen, @wrong) = ('A');

    while ($job->running) {
        my ($v) = ($box->get(1, 1, 1 + int rand $rows) // '')
                  =~ /"v":"(.)"/ or push @wrong, 'a record is missing';
        last if @wrong;

        # All at once: once the new version was seen, no record is old.
        push @wrong, 'back from B to A' if $last eq 'B' && $v eq 'A';
        $last = $v;
        $seen{$v}++;
    }

    run_ok($job->finish, { 'Acme/Users' => { changed => $rows } },
           'all records change');
    is("@wrong", '', 'all at once');
    cmp_ok($seen{A} // 0, '>', 0, 'readers went on meanwhile');

    my %loads;
    mdb_each($box->generation, sub {
        my ($tag, $incarnation) = unpack 'C N', $_[0];
        return if $tag != 0x20;

        my ($v) = $_[1] =~ /"v":"(.)"/;
        $loads{"$incarnation $v"}++;
    });
    is_deeply([values %loads], [$rows], 'the old records are gone');

    # One that is refused at its end leaves nothing of what it wrote.
    $write->('C');
    open my $out, '>>', "$box->{dir}/users.ndjson" or die $!;
    print {$out} "bad\n" x $rows;
    close $out;

    my $run = $box->loader('sync');
    fails_ok($run, 1, qr/old data stays/, 'all records change, and more');
    like($box->get(1, 1, $rows), qr/"v":"B"/, 'the old data stays');

    %loads = ();
    mdb_each($box->generation, sub {
        my ($tag, $incarnation) = unpack 'C N', $_[0];
        return if $tag != 0x20;

        my ($v) = $_[1] =~ /"v":"(.)"/;
        $loads{$v}++;
    });
    is_deeply(\%loads, { B => $rows }, 'and no other');
}

done_testing();
