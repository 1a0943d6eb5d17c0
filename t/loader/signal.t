# Why: an operator presses Ctrl-C, systemd stops a unit, a terminal goes away.
# The loader has to end as one that was told to: by that signal, so that who
# waits for it knows, with a line that says so, and with nothing left behind
# that the next run would stumble over. Whatever it is at.

use strict;
use warnings;

use Config ();
use Fcntl qw(O_NONBLOCK O_WRONLY);
use IO::Handle ();
use POSIX ();
use lib 't/lib';
use ProfileFault;
use ProfileLoader;
use Test::More;
use Time::HiRes ();

$SIG{PIPE} = 'IGNORE';

my %number;
@number{ split ' ', $Config::Config{sig_name} }
    = split ' ', $Config::Config{sig_num};

my @signals = ('INT', 'TERM', 'HUP');
my $rows = 6000;

my $box = sandbox({}, workspace(1, 'Acme', [
    entity(1, 'Users', 'id', 'rows.ndjson'),
    entity(2, 'Companies', 'id', 'few.ndjson')]));


# -- the data -----------------------------------------------------------------

# Rows in an order that has to be sorted.

sub rows {
    my ($v, $n) = @_;

    return join '', map { sprintf qq({"id":"%08d","v":"%s","f":"%s"}\n),
                          $_ * 7919 % 100_003, $v, 'f' x 200 } 1 .. $n;
}


my %text = map { $_ => rows($_, $rows) } 'a', 'b';


sub publish {
    my ($v) = @_;

    unlink "$box->{dir}/rows.ndjson";
    $box->write('rows.ndjson' => $text{$v}, 'few.ndjson' => rows($v, 10));

    return;
}


# Which version each entity has, in full.

sub versions {
    my $states = entity_states($box->generation);
    my @versions;

    for my $want (['1/1', $rows], ['1/2', 10]) {
        my ($entity, $n) = @$want;
        my $state = $states->{$entity};
        my %seen;

        if (ref $state) {
            $seen{ /"v":"(\w)"/ ? $1 : 'torn' }++ for values %$state;
        }

        push @versions, !defined $state ? 'none'
                        : !ref $state ? $state
                        : keys %seen == 1 && keys %$state == $n ? keys %seen
                        : 'a mixture';
    }

    return "@versions";
}


# -- one that is interrupted --------------------------------------------------

# ended_ok($run, SIGNAL, NAME): by that signal, with one line, and no debris.

sub ended_ok {
    my ($run, $signal, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $n = $number{$signal};
    my @lines = $run->{err} =~ /^(profile-loader: interrupted by .*)$/mg;
    my @wrong;

    push @wrong, "signal $run->{signal}, status $run->{status}"
        if $run->{signal} != $n;
    push @wrong, 'not one line about it, but ' . @lines if @lines != 1;
    push @wrong, "the line is: $lines[0]"
        if @lines && $lines[0]
                     !~ /\Aprofile-loader: interrupted by signal $n; ./;
    push @wrong, 'a line without the program\'s name'
        if $run->{err} =~ /^(?!profile-loader: ).+$/m;
    push @wrong, 'debris: ' . debris($box->{store})
        if -e $box->{store} && debris($box->{store}) ne '';

    my $ok = ok(!@wrong, $name);

    if (!$ok) {
        diag("  $_") for @wrong;
        diag_run($run);
    }

    return $ok;
}


# The next run does what this one did not.

sub next_ok {
    my ($v, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $run = $box->loader('sync');

    run_ok($run, {}, "$name: the next run works");
    is(versions(), "$v $v", "$name: and does what was left");

    my $records = records_of(mdb_pairs($box->generation));
    is_deeply([sort { $a <=> $b } map { scalar keys %$_ } values %$records],
              [10, $rows], "$name: no other records");

    return;
}


sub other {
    my ($v) = @_;

    return $v eq 'a' ? 'b' : 'a';
}


publish('a');
run_ok($box->loader('sync'), {}, 'a store');
is(versions(), 'a a', 'the first version');

my $v = 'a';


# -- while it reads -----------------------------------------------------------

# A source that stands still, so that the moment is sure.

sub fifo {
    my ($file) = @_;

    my $path = "$box->{dir}/$file";
    unlink $path;
    POSIX::mkfifo($path, 0666) or BAIL_OUT("mkfifo: $!");

    return $path;
}


sub open_fifo {
    my ($path) = @_;

    my $out = until_true(20, sub {
        sysopen my $fifo, $path, O_WRONLY | O_NONBLOCK or return;
        return $fifo;
    }) or BAIL_OUT('the loader opens no source');

    $out->autoflush(1);
    $out->blocking(1);

    return $out;
}


for my $signal (@signals) {
    for my $memory (undef, 65536) {
        my $name = "SIG$signal while it reads"
                   . ($memory ? ' and has files' : '');
        my $new = other($v);

        publish($new);
        my $path = fifo('rows.ndjson');
        my $job = $box->start({ env => { PROFILE_SORT_MEMORY => $memory } },
                              'sync');
        my $out = open_fifo($path);

        print {$out} substr $text{$new}, 0, length($text{$new}) / 2;
        ok($job->running, "$name: it is at work") or diag_run($job->finish);

        $job->kill($signal);
        my $run = $job->finish;
        close $out;

        ended_ok($run, $signal, $name);
        is(versions(), "$v $v", "$name: the old data stays");

        publish($new);
        next_ok($new, $name);
        $v = $new;
    }
}


# One that has been told is not told in vain again.
{
    my $new = other($v);

    publish($new);
    my $path = fifo('rows.ndjson');
    my $job = $box->start('sync');
    my $out = open_fifo($path);

    print {$out} substr $text{$new}, 0, 100_000;
    $job->kill('TERM');
    $job->kill('INT');
    $job->kill('TERM');
    my $run = $job->finish;
    close $out;

    my $signal = $run->{signal} == $number{INT} ? 'INT' : 'TERM';
    ended_ok($run, $signal, 'several signals');

    publish($new);
    next_ok($new, 'several signals');
    $v = $new;
}


# What is ignored, as nohup has it, stays so.
{
    my $new = other($v);

    publish($new);
    my $path = fifo('rows.ndjson');
    my $job = $box->start({ before => sub { $SIG{HUP} = 'IGNORE' } }, 'sync');
    my $out = open_fifo($path);

    print {$out} substr $text{$new}, 0, 100_000;
    $job->kill('HUP');
    print {$out} substr $text{$new}, 100_000;
    close $out;

    run_ok($job->finish, {}, 'SIGHUP under nohup: it goes on');
    is(versions(), "$new $new", 'SIGHUP under nohup: and does all of it');
    $v = $new;
}


# -- at any moment ------------------------------------------------------------

# Reading, sorting, merging, writing anew, purging: spread over a run's time,
# with files of its own and another primary key every second time.

sub configure {
    my ($primary_key) = @_;

    $box->configure(workspace(1, 'Acme', [
        entity(1, 'Users', $primary_key, 'rows.ndjson'),
        entity(2, 'Companies', 'id', 'few.ndjson')]));

    return;
}


# The second key's values sort as the first one's do.
$text{$_} =~ s/"id":("\d+")/"id":$1,"alt":$1/g for 'a', 'b';

publish($v);
my $run = $box->loader('sync');
run_ok($run, {}, 'a run that nobody interrupts');
is(versions(), "$v $v", 'its version');

# A run that was over before its signal came tells that runs are faster than
# was thought, one that was not says that there may be more to reach.
my $longest = $run->{seconds};
my ($rounds, $interrupted, $advanced, $key) = (0, 0, 0, 'id');
my $wanted = slow() > 1 ? 10 : 40;
my @wrong;

while ($interrupted < $wanted && $rounds++ < 10 * $wanted && @wrong < 5) {
    my $signal = $signals[$rounds % @signals];
    my $new = other($v);
    my $before = versions();

    publish($new);
    $key = $key eq 'id' ? 'alt' : 'id' if $rounds % 2;
    configure($key);

    my $job = $box->start({ env => {
        PROFILE_SORT_MEMORY => $rounds % 4 < 2 ? 1 << 20 : undef } }, 'sync');
    Time::HiRes::sleep(rand $longest);
    $job->kill($signal);
    my $run = $job->finish;
    my $now = versions();
    my $name = "round $rounds, SIG$signal";

    my ($one, $two) = split ' ', $before;
    push @wrong, "$name: $before became $now"
        if $now !~ /\A(?:$new|\Q$one\E) (?:$new|\Q$two\E)\z/;
    push @wrong, "$name: debris: " . debris($box->{store})
        if debris($box->{store}) ne '';

    $longest *= $run->{signal} == 0 ? 0.8 : 1.1;

    if ($run->{signal} == 0) {
        push @wrong, "$name: status $run->{status}: $run->{err}"
            if $run->{status} ne '0' || $now ne "$new $new";

    } else {
        my $n = $number{$signal};

        $interrupted++;
        $advanced++ if $now ne $before;

        # Before it is ready for signals it just ends. Else the entity that
        # it was at says so, too.
        push @wrong, "$name: signal $run->{signal}: $run->{err}"
            if $run->{signal} != $n
               || $run->{err} !~ /\A(?:(?:profile-loader:[ ]Acme\/\w+:[ ]
                                          interrupted[ ].+\n)?
                                      profile-loader:[ ]interrupted[ ]by
                                      [ ]signal[ ]$n;[ ].+\n)?\z/x;
    }

    # What nobody was told of may be there or not; the next one settles it.
    $v = $new if $now eq "$new $new";
}

is(join("\n", @wrong), '', 'at any moment: all or nothing');
cmp_ok($interrupted, '>=', $wanted, 'at any moment: they were at work');
note("$rounds runs, $interrupted interrupted, $advanced of them had done an "
     . 'entity');

my $last = other($v);
publish($last);
next_ok($last, 'after all of them');
$v = $last;


# -- a first load -------------------------------------------------------------

for my $signal (@signals) {
    my $name = "SIG$signal in a first load";

    copy_store(undef, $box->{store});
    publish('a');
    my $path = fifo('rows.ndjson');
    my $job = $box->start({ env => { PROFILE_SORT_MEMORY => 65536 } },
                          'sync');
    my $out = open_fifo($path);

    print {$out} substr $text{a}, 0, length($text{a}) / 2;
    $job->kill($signal);
    my $run = $job->finish;
    close $out;

    ended_ok($run, $signal, $name);
    is(scalar(grep { /^1\/1/ } versions()), 0, "$name: nothing is loaded");

    publish('a');
    next_ok('a', $name);
    $v = 'a';
}


# -- a command as a source ----------------------------------------------------

# It and what it started end with the loader.

for my $signal (@signals) {
    my $name = "SIG$signal while a command runs";
    my $pids = "$box->{dir}/pids";

    unlink $pids;
    publish($v);

    my $source = { command => ['sh', '-c', 'sleep 1000 & echo $$ $! >pids.new'
        . '; mv pids.new pids; cat few.ndjson; wait'] };
    my $entity = entity(1, 'Users', $key, 'rows.ndjson');
    $entity->{source} = $source;
    $box->configure(workspace(1, 'Acme', [
        $entity, entity(2, 'Companies', 'id', 'few.ndjson')]));

    my $job = $box->start({ dir => $box->{dir} }, 'sync');

    if (!until_true(20, sub { -e $pids || !$job->running })
        || !$job->running)
    {
        fail("$name: it is at work");
        diag_run($job->finish(1));
        next;
    }

    my @pids = split ' ', slurp($pids);

    $job->kill($signal);
    ended_ok($job->finish, $signal, $name);

    ok(until_true(10, sub { !grep { kill 0, $_ } @pids }),
       "$name: its processes are gone");
    kill 'KILL', @pids;

    is(versions(), "$v $v", "$name: the old data stays");
    configure($key);
    next_ok($v, $name);
}

done_testing();
