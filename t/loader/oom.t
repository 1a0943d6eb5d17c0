# Why: memory runs out when a machine is at its worst. A loader that crashes
# then, or takes "no memory" for "no such row", loses data that nobody meant to
# delete. Each allocation of a run fails once, one run for each.

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use Digest::SHA qw(sha256_hex);
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


# -- the data -----------------------------------------------------------------

# Two versions. Users change in place: rows are added, changed, deleted and
# left alone. Companies get another primary key, and so are written anew.
# Cities disappear. One row that is lost would pass as invalid or as deleted.

sub row {
    my ($i, $v) = @_;

    return qq({"id":$i,"alt":"a$i","v":"$v"});
}


my %rows = (
    old => [map { row($_, $_ == 6 ? 'same' : 'old') } 1 .. 6],
    new => [map { row($_, $_ == 6 ? 'same' : 'new') } 2 .. 7],
);


sub records {
    my ($v, $primary_key) = @_;

    return { map {
        my ($id) = /"$primary_key":"?(\w+)/;
        $id => "{\"data\":$_}";
    } @{ $rows{$v} } };
}


my %wanted = (
    old => { '1/1' => records('old', 'id'), '1/2' => records('old', 'id'),
             '1/3' => records('old', 'id') },
    new => { '1/1' => records('new', 'id'), '1/2' => records('new', 'alt') },
);


sub configure {
    my ($box, $v) = @_;

    my @more = (max_invalid => 20);
    my @entities = (
        entity(1, 'Users', 'id', 'rows.ndjson', @more),
        entity(2, 'Companies', $v eq 'old' ? 'id' : 'alt', 'rows.ndjson',
               @more),
        entity(3, 'Cities', 'id', 'rows.ndjson', @more),
    );
    pop @entities if $v eq 'new';

    $box->write('rows.ndjson' => join '', map { "$_\n" } @{ $rows{$v} });
    $box->configure(workspace(1, 'Acme', \@entities,
                              keys => [key_of("the $v key")]));

    return $box;
}


# -- one run ------------------------------------------------------------------

my $json = JSON::PP->new->canonical;


# What the store holds, as 'old' or 'new' for each entity; 'none' of one that
# has not been loaded or is not there.

sub state_of {
    my ($store) = @_;

    return { map { $_ => 'none' } '1/1', '1/2', '1/3' }
        if !-e "$store/CURRENT";

    my $states = entity_states(generation_dir($store));
    my (%state, @mixed);

    for my $entity ('1/1', '1/2', '1/3') {
        my $text = $json->encode([$states->{$entity}]);

        ($state{$entity})
            = grep { $text eq $json->encode([$wanted{$_}{$entity}]) }
              'old', 'new';
        $state{$entity} = 'none' if !defined $states->{$entity};
        $state{$entity} //= 'mixed';
        push @mixed, "entity $entity holds $text"
            if $state{$entity} eq 'mixed';
    }

    $state{mixed} = join '; ', @mixed if @mixed;

    return \%state;
}


# The store's bytes, but for the lock, which holds process ids.

sub bytes_of {
    my ($store) = @_;

    my @files = grep { !/lock/ } glob "$store/* $store/*/* $store/.n*";

    return sha256_hex(join "\n", map { $_, -f $_ ? slurp($_) : '' } @files);
}


sub whole {
    my ($state) = @_;

    return "$state->{'1/1'} $state->{'1/2'} $state->{'1/3'}"
           eq 'new new none';
}


# What a run that met a failure left behind, and what comes after it. Answers
# about bytes that were seen before are known.

sub look {
    my ($box, $before, $known) = @_;

    my $bytes = bytes_of($box->{store});
    return $known->{$bytes} if $known->{$bytes};

    my $state = state_of($box->{store});
    my @wrong;

    for my $entity ('1/1', '1/2', '1/3') {
        next if $state->{$entity} =~ /\A(?:new|\Q$before\E)\z/;
        next if $state->{$entity} eq 'none' && $entity eq '1/3';
        push @wrong, $state->{mixed} // "entity $entity: none";
    }

    my $status = $box->loader('status', '--json');
    my $wanted = -e "$box->{store}/CURRENT" ? '0' : '3';

    push @wrong, "status: $status->{status} $status->{err}"
        if $status->{status} ne $wanted;

    my $next = $box->loader('sync');

    push @wrong, "the next run: $next->{status} $next->{err}"
        if $next->{status} ne '0' || $next->{err} ne '';
    push @wrong, 'the next run leaves ' . $json->encode($state)
        if !whole(state_of($box->{store}));

    return $known->{$bytes} = { state => $state, wrong => \@wrong };
}


sub attempt {
    my ($box, $fixture, $n, $env, $known) = @_;

    my $mark = "$box->{dir}/mark";
    unlink $mark;

    copy_store($fixture, $box->{store});

    my $run = $box->loader({ env => fault_env('fail_malloc', %$env,
        FAULT_MALLOC => $n, FAULT_MARK => $mark, PROFILE_SORT_MEMORY => 256),
        }, 'sync');

    my $seen = look($box, $fixture ? 'old' : 'none', $known);
    my @wrong = @{ $seen->{wrong} };

    push @wrong, "status $run->{status}" if $run->{status} !~ /\A[0123]\z/;
    push @wrong, "status $run->{status}, and nothing is said"
        if $run->{status} ne '0' && $run->{err} eq '';
    push @wrong, 'status 0, but not all of it is new'
        if $run->{status} eq '0' && !whole($seen->{state});

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
        my $box = configure(sandbox({}), 'new');
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


my $old = configure(sandbox({}), 'old');
my $run = $old->loader('sync');
BAIL_OUT("the first sync fails: $run->{err}") if $run->{status} ne '0';

is_deeply(state_of($old->{store}),
          { '1/1' => 'old', '1/2' => 'old', '1/3' => 'old' }, 'the old data');

my $state = all_of('a refresh', $old->{store}, $step);
ok($state->{'new old'}, 'a refresh: one entity was done, the other not')
    if $step == 1;

$state = all_of('a first load', undef, $step);
ok($state->{'new none'}, 'a first load: one was done, the other not')
    if $step == 1;

all_of('libcrypto', $old->{store}, $libcrypto_step, FAULT_LIBCRYPTO => 1);

done_testing();
