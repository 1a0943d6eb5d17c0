# Why: memory runs out when a machine is at its worst. A loader that crashes
# then, or takes "no memory" for "no such row", loses data that nobody meant to
# delete. Each allocation of a run fails once, one run for each.

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use JSON::PP ();
use POSIX ();
use ProfileLoader;
use Test::More;

my $seed = $ENV{PROFILE_TEST_SEED} || time ^ $$;
srand $seed;
note("PROFILE_TEST_SEED=$seed");

my $workers = 2;

# Each so many of libcrypto's own allocations, and of all where a run takes
# long.
my $libcrypto_step = 40 * slow();
my $step = slow() > 1 ? 7 : 1;


my $json = JSON::PP->new->canonical;


# -- one run ------------------------------------------------------------------

sub attempt {
    my ($box, $fixture, $n, $env, $known) = @_;

    my $mark = "$box->{dir}/mark";
    unlink $mark;

    copy_store($fixture, $box->{store});

    my $run = $box->loader({ env => fault_env('fail_malloc', %$env,
        FAULT_MALLOC => $n, FAULT_MARK => $mark, PROFILE_SORT_MEMORY => 256),
        }, 'sync');

    my $seen = fault_look($box, $fixture ? 'old' : 'none', $known);
    my @wrong = @{ $seen->{wrong} };

    push @wrong, "status $run->{status}" if $run->{status} !~ /\A[0123]\z/;
    push @wrong, "status $run->{status}, and nothing is said"
        if $run->{status} ne '0' && $run->{err} eq '';
    push @wrong, 'status 0, but not all of it is new'
        if $run->{status} eq '0' && !fault_whole($seen->{state});

    my ($err) = $run->{err} =~ /\A(.*)/;

    return { n => $n, status => $run->{status}, reached => -e $mark ? 1 : 0,
             wrong => \@wrong, err => $err,
             state => join ' ', map { $seen->{state}{$_} } '1/1', '1/2' };
}


# -- all of them --------------------------------------------------------------

# A process that takes each $workers-th allocation, and writes down what it
# saw: one line of JSON each.

sub worker {
    my ($first, $step, $fixture, $env, $report) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;
    return $pid if $pid;

    eval {
        open my $out, '>', $report or die "$report: $!";
        my $box = fault_configure(sandbox({}), 'new');
        my (%known, $seen);

        for (my $n = $first; ; $n += $step) {
            $seen = attempt($box, $fixture, $n, $env, \%known);
            print {$out} $json->encode($seen), "\n";
            last if !$seen->{reached};
        }

        close $out;
        1;
    } or print STDERR $@;

    POSIX::_exit(0);
}


sub all_of {
    my ($name, $fixture, $step, %env) = @_;

    my $dir = new_dir('reports');
    my $start = $step > 1 ? int rand $step : 0;

    preload('fail_malloc');

    my @pids = map {
        worker($start + $_ * $step, $step * $workers, $fixture, \%env,
               "$dir/$_")
    } 0 .. $workers - 1;
    waitpid $_, 0 for @pids;

    my (@failed, @wrong, %status, %state);
    my $ended = 0;

    for my $report (map { "$dir/$_" } 0 .. $workers - 1) {
        for my $line (-e $report ? split /\n/, slurp($report) : ()) {
            my $seen = $json->decode($line);

            if (!$seen->{reached}) {
                $ended++;
                push @wrong, $seen if $seen->{status} ne '0';
            }

            push @failed, $seen->{n} if $seen->{reached};
            push @wrong, $seen if @{ $seen->{wrong} };
            $status{ $seen->{status} }++;
            $state{ $seen->{state} }++;
        }
    }

    is($ended, $workers, "$name: up to a run in which nothing fails");
    cmp_ok(scalar @failed, '>=', 20, "$name: many a failure");
    is(scalar @wrong, 0, "$name: no crash, all or nothing");

    for my $seen (grep { defined } @wrong[0 .. 4]) {
        diag("  allocation $seen->{n}, status $seen->{status}: "
             . substr(join('; ', @{ $seen->{wrong} }), 0, 600)
             . "\n    it said: " . ($seen->{err} // 'nothing'));
    }

    note(sprintf '%s: %d failures; status %s; entities %s', $name,
         scalar @failed,
         join(', ', map { "$_: $status{$_}" } sort keys %status),
         join(', ', map { "$_: $state{$_}" } sort keys %state));

    return \%state;
}


my $old = fault_configure(sandbox({}), 'old');
my $run = $old->loader('sync');
BAIL_OUT("the first sync fails: $run->{err}") if $run->{status} ne '0';

is_deeply(fault_state($old->{store}),
          { '1/1' => 'old', '1/2' => 'old', '1/3' => 'old' }, 'the old data');

my $state = all_of('a refresh', $old->{store}, $step);
ok($state->{'new old'}, 'a refresh: one entity was done, the other not')
    if $step == 1;

$state = all_of('a first load', undef, $step);
ok($state->{'new none'}, 'a first load: one was done, the other not')
    if $step == 1;

all_of('libcrypto', $old->{store}, $libcrypto_step, FAULT_LIBCRYPTO => 1);

done_testing();
