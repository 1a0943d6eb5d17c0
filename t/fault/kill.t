# Why: a loader is killed by the machine's memory killer, by an operator or by
# a timeout, whenever that may be. Readers must never see a trace of it: no
# torn record, no half of a refresh, no step back. Readers here check the
# content of what they read; each record says what it should be.

use strict;
use warnings;

use lib 't/lib';
use Compress::Raw::Zlib qw(crc32);
use IO::Handle ();
use IPC::Open2 qw(open2);
use JSON::PP ();
use POSIX ();
use ProfileFault;
use ProfileLoader;
use Test::More;
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store ();
use Time::HiRes ();

my $seed = $ENV{PROFILE_TEST_SEED} || time ^ $$;
srand $seed;
note("PROFILE_TEST_SEED=$seed");

my $quick = slow() > 1;
my $kills = $quick ? 60 : 940;
my $first_kills = $quick ? 10 : 60;
my $reads = $quick ? 100_000 : 10_000_000;

my $record = fault_program('record');

# Of each entity: how many rows, and one in how many changes each time.
my @entities = ([1, 'Users', 250, 1], [2, 'Companies', 250, 10]);

# Rows of a version begin at one that any period is less than.
my $version = 100;

my @nobody = getpwnam 'nobody';
my $group = getgrgid($> == 0 ? $nobody[3] : $) + 0);


# -- loaders ------------------------------------------------------------------

# A process that makes rows and looks at stores, since a new one for each
# would take longer than the loader.

my $server = open2(my $answers, my $questions, $record, 'serve');


sub ask_record {
    my ($question) = @_;

    print {$questions} "$question\n";
    $questions->flush;

    my $answer = '';

    while (my $line = <$answers>) {
        return $answer if $line eq ".\n";
        $answer .= $line;
    }

    die "record ended after \"$question\"";
}


sub feed {
    my ($box) = @_;

    for my $entity (@entities) {
        my ($id, $name, $count, $period) = @$entity;

        my $wrong = ask_record("make $box->{dir}/$name.ndjson 1 $id $count "
                               . "$period $version");
        die $wrong if $wrong ne '';
    }

    return;
}


# Another primary key with the same values: the entity is written anew.

sub configure {
    my ($box, @keys) = @_;

    my @list = map {
        entity($_->[0], $_->[1], $keys[$_->[0] - 1], "$_->[1].ndjson")
    } @entities;

    $box->configure({ store => $box->{store}, group => $group,
        workspaces => [workspace(1, 'Acme', \@list,
                                 keys => [key_of('key')])] });

    return;
}


# What a snapshot of the store shows: { entity => version }, version 0 of one
# that was not loaded; a text where it is not right; undef without a store.

sub seen_in {
    my ($box) = @_;

    my $answer = ask_record("check $box->{store}");

    return if $answer eq "none\n";
    return $answer if $answer !~ /\A(?:\d+ \d+ \d+\n)*\z/;
    return { $answer =~ /^(\d+) (\d+) \d+$/mg };
}


# How often a version was seen later than it was written.
my $late = 0;

# How long a run takes, so that kills hit all of it, and what follows it.
my %longest;


# Starts a loader and kills it at some moment. Returns what is wrong, and
# whether it was killed before its end.

sub kill_one {
    my ($box, $kind, $before) = @_;

    my $job = $box->start('sync');

    # The first part of a run only reads; most kills are for what follows.
    my $part = rand() < 0.3 ? rand : 0.6 + rand 0.6;
    Time::HiRes::sleep($part * ($longest{$kind} // 0.1));

    $job->kill('KILL');
    my $run = $job->finish;

    my $killed = $run->{signal} == 9;
    my @wrong;

    push @wrong, "status $run->{status}: $run->{err}"
        if !$killed && $run->{status} ne '0';
    push @wrong, "it says $run->{err}" if $run->{err} ne '';

    $longest{$kind} = $longest{$kind}
                      ? 0.9 * $longest{$kind} + 0.1 * $run->{seconds}
                      : $run->{seconds}
        if !$killed;

    my $now = seen_in($box);

    if (!defined $now) {
        push @wrong, 'the store is gone' if $before;
        push @wrong, 'no store after status 0' if !$killed;
        return (\@wrong, $killed);
    }

    return ([@wrong, $now], $killed) if !ref $now;

    # Who was told of a refresh, by its line, can rely on it.
    my $told = summary($run);

    for my $entity (@entities) {
        my ($id, $name) = @$entity;
        my $old = $before->{$id} // 0;
        my $new = $now->{$id};

        # Before the configuration is applied there is no entity.
        $new = 0 if !defined $new && !$old;

        if (!defined $new) {
            push @wrong, "$name is gone";
            next;
        }

        # A loader that is killed right between LMDB's last write and the
        # number in the lock file that tells readers of it: they see what it
        # did when the next one has begun, whole, and as late as that.
        if ($before && $before->{killed}{$new}) {
            $late++ if $new != $old && $new != $version;

        } elsif ($new != $old && $new != $version) {
            push @wrong, "$name has version $new, not $old or $version";
        }

        push @wrong, "$name was refreshed, but has version $new"
            if $told->{"Acme/$name"} && $new != $version;
    }

    # Versions that nobody was told of, and that may still come.
    $now->{killed} = { %{ $before->{killed} || {} }, $version => 1 }
        if $killed;

    return (\@wrong, $killed, $now);
}


# Two that are not killed: how long one takes.

sub measure {
    my ($box, $kind) = @_;

    my $run = $box->loader('sync');
    run_ok($run, {}, "$kind: a run that is not killed");
    $longest{$kind} = $run->{seconds};

    return;
}


# -- readers ------------------------------------------------------------------

# A client that asks nginx for records at random, and believes nothing. Its
# report: a line with the number of replies, then what is wrong.

sub client {
    my ($nginx, $stop, $report) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;
    return $pid if $pid;

    srand $seed + $$;
    $SIG{PIPE} = 'IGNORE';

    my ($replies, $wrong) = (0, '');
    my (%last, @sockets);

    eval {
        until ($wrong || -e $stop) {
            my $n = $replies % 4;
            $sockets[$n] ||= $nginx->connect() or die "connect: $!\n";

            my ($entity, undef, $count) = @{ $entities[int rand @entities] };
            my $id = int rand $count;

            my $body = ask($sockets[$n], $entity, $id);
            $wrong = judge($body, $entity, $id, \%last);
            $replies++;
            Time::HiRes::sleep(0.004);
        }
        1;
    } or $wrong = "the test's client died: $@";

    spew("$report.new", "$replies $wrong\n");
    rename "$report.new", $report;
    POSIX::_exit(0);
}


sub ask {
    my ($socket, $entity, $id) = @_;

    syswrite $socket, "GET /api/entities/$entity/record?record_id=$id"
        . " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer key\r\n\r\n"
        or die "write: $!\n";

    my $got = '';

    while (1) {
        sysread $socket, $got, 65536, length $got
            or return "nginx closed the connection after: $got";

        my ($head, $body) = $got =~ /\A(.*?\r\n)\r\n(.*)\z/s or next;
        my ($length) = $head =~ /^content-length: (\d+)/mi
            or return "no length: $head";

        next if length $body < $length;
        return $head =~ m{\AHTTP/1\.1 200 } ? $body : "$head$body";
    }
}


sub judge {
    my ($body, $entity, $id, $last) = @_;

    my ($row, $text, $g, $c)
        = $body =~ /\A\{"data":((\{"id":"$id","alt":"$id","w":1,"e":$entity,
                       "g":(\d+),"n":\d+,"p":\d+,"f":"\.*")
                       ,"c":"([0-9a-f]{8})"\})\}\z/x
        or return "not record $id of entity $entity: $body";

    return "a torn record: $row" if sprintf('%08x', crc32($text)) ne $c;

    my $before = $last->{"$entity $id"} // 0;
    $last->{"$entity $id"} = $g;

    return $g < $before ? "back from $before to $g: $row" : '';
}


# -- a store that is refreshed ------------------------------------------------

my $begun = Time::HiRes::time();
my $box = sandbox({});
my @keys = ('id', 'id');

feed($box);
configure($box, @keys);
measure($box, 'first');

$version++;
feed($box);
measure($box, 'refresh');

my $size = -s $box->data;
my $state = seen_in($box);
is_deeply($state, { 1 => $version, 2 => $version }, 'both entities');

my $nginx = Test::Nginx::Profile::Daemon->new(workers => 2,
    config => <<"END")->start();
        location /api/ {
            access_log off;
            profile_store $box->{store};
            profile_check_interval 50ms;
            profile_api;
        }
END

my $dir = new_dir('clients');
my @clients = client($nginx, "$dir/stop", "$dir/1");
my @watchers = map { start({ seconds => 1000 }, $record, 'watch',
                           $box->{store}, $_, $reads / 2) } 3000, 6000;

my @wrong;
my %count = (killed => 0, ended => 0, map { ("$_ of 2" => 0) } 0 .. 2);

while ($count{killed} < $kills && @wrong < 5) {
    $version++;
    feed($box);

    my $kind = rand() < 0.2 ? 'rebuild' : 'refresh';

    if ($kind eq 'rebuild') {
        my $which = int rand 2;
        $keys[$which] = $keys[$which] eq 'id' ? 'alt' : 'id';
        configure($box, @keys);
    }

    my ($wrong, $killed, $now) = kill_one($box, $kind, $state);

    push @wrong, map { "round $version, a $kind: $_" } @$wrong;
    $count{$killed ? 'killed' : 'ended'}++;

    if ($now) {
        my $advanced = grep { $now->{$_} != $state->{$_} } 1, 2;
        $count{"$advanced of 2"}++ if $killed;
        $state = $now;
    }
}

is(join("\n", @wrong), '', "$kills kills: each entity is old or new, all of it");

for my $which (1, 2, 0) {
    cmp_ok($count{"$which of 2"}, '>', 0,
           "kills hit loaders that had done $which of 2 entities");
}

spew("$dir/stop", '');
waitpid $_, 0 for @clients;
$_->kill('TERM') for @watchers;

my ($snapshots, $read, $versions, $replies) = (0, 0, 0, 0);

for my $watcher (@watchers) {
    my $run = $watcher->finish;
    my ($n, $r, $v, $what) = $run->{out} =~ /\A(\d+) (\d+) (\d+)\n(.*)/s;

    is($run->{status}, 0, 'a reader of the store: nothing torn, mixed or back')
        or diag($what // "$run->{out}$run->{err}");
    $snapshots += $n // 0;
    $read += $r // 0;
    $versions += $v // 0;
}

for my $report ("$dir/1") {
    my ($n, $what) = (-e $report ? slurp($report) : '0 no report')
                     =~ /\A(\d+) (.*)/s;

    is($what, "\n", 'a client of nginx: each reply is whole and not older');
    $replies += $n;
}

cmp_ok($read, '>=', $reads, "at least $reads records were read");
cmp_ok($versions, '>', $kills / 10, 'while they changed');
cmp_ok($replies, '>=', $quick ? 100 : 1000, 'and asked for');

$version++;
feed($box);
run_ok($box->loader('sync'), {}, 'the next run works');
is_deeply(seen_in($box), { 1 => $version, 2 => $version },
          'and its version is there');

my $status = $box->status;
is_deeply([map { $_->{records} } @{ $status->{workspaces}[0]{entities} }],
          [map { $_->[2] + $version % 50 } @entities],
          'status counts the records');
# The most that were alive at once: two workers, two readers, a loader, status.
cmp_ok($status->{readers}, '<=', 8, 'dead loaders hold no reader slot');
cmp_ok(-s $box->data, '<', 3 * $size + (1 << 20),
       'and leave no growth to speak of');

my %incarnations;
mdb_each($box->generation, sub {
    my ($tag, $incarnation) = unpack 'C N', $_[0];
    $incarnations{$incarnation}++ if $tag == 0x20;
});
is(scalar keys %incarnations, 2, 'and no records but the two entities\'');
is(debris($box->{store}), '', 'and no files');

is(scalar $nginx->workers(), 2, 'nginx has its workers');
$nginx->stop();

note(sprintf '%d loaders killed, %d came to their end, %.0f s; '
             . 'entities done when killed: none %d, one %d, two %d; %d late',
     $count{killed}, $count{ended}, Time::HiRes::time() - $begun,
     @count{map { "$_ of 2" } 0 .. 2}, $late);
note("$snapshots snapshots of the store with $read records, $versions times "
     . "a new version; $replies replies of nginx");


# -- first loads --------------------------------------------------------------

{
    my $begun = Time::HiRes::time();
    my ($killed, $rounds) = (0, 0);
    my (@wrong, %left);

    while ($killed < $first_kills && $rounds++ < 5 * $first_kills) {
        my $box = sandbox({});

        $version++;
        feed($box);
        configure($box, 'id', 'id');

        # A load that is killed, and perhaps killed again.
        my $state;

        for (0 .. int rand 3) {
            my ($wrong, $was, $now) = kill_one($box, 'first', $state);

            push @wrong, map { "round $rounds: $_" } @$wrong;
            $killed++ if $was;
            $left{ $now ? scalar(grep { $now->{$_} } 1, 2) . ' loaded'
                   : 'no store' }++ if $was;
            $state = $now;
        }

        my $run = $box->loader('sync');
        my $now = seen_in($box);

        push @wrong, "round $rounds: the next run: $run->{status} $run->{err}"
            if $run->{status} ne '0' || $run->{err} ne '';
        push @wrong, "round $rounds: the next run leaves "
                     . (ref $now ? "@$now{1, 2}" : $now // 'no store')
            if !ref $now || "@$now{1, 2}" ne "$version $version";
        push @wrong, "round $rounds: debris: " . debris($box->{store})
            if debris($box->{store}) ne '';

        last if @wrong > 5;
        copy_store(undef, $box->{dir});
    }

    is(join("\n", @wrong), '',
       "$first_kills first loads killed: all or nothing, and the next works");
    cmp_ok($killed, '>=', $first_kills, 'they were killed at work');
    note(sprintf '%d first loads killed in %.0f s, they left: %s', $killed,
         Time::HiRes::time() - $begun,
         join ', ', map { "$_: $left{$_}" } sort keys %left);
}

close $questions;
waitpid $server, 0;
is($?, 0, 'the process that looked at the stores ends well');

done_testing();
