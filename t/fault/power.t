# Why: the power goes. What was promised, by the end of a run or by a commit
# that readers saw, has to be there afterwards, and nothing else may be in its
# place. The loader's writes are recorded; a program makes of them the folders
# that a power cut may leave, thousands of them, and reads each.

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use ProfileLoader;
use Test::More;

my $seed = $ENV{PROFILE_TEST_SEED} || (time ^ $$) % 1_000_000;
srand $seed;
note("PROFILE_TEST_SEED=$seed");

# After each call that changes a file.
my $cuts = slow() > 1 ? 4 : 40;
my $resumed = slow() > 1 ? 10 : 60;

my $record = fault_program('record');
my $power = fault_program('power');

my $box = sandbox({});
my $log = new_dir('log') . '/log';
my $version = 100;


# -- what is recorded ---------------------------------------------------------

sub feed {
    my ($dir, @counts) = @_;

    my @orders = map {
        my ($id, $period) = ($_, $_ == 1 ? 1 : 10);
        "make $dir/$id.ndjson 1 $id $counts[$id - 1] $period $version\n"
    } grep { $counts[$_ - 1] } 1 .. @counts;

    my $run = run({ stdin => spew("$dir/orders", join '', @orders) },
                  $record, 'serve');
    BAIL_OUT("record: $run->{out}") if $run->{out} ne ".\n" x @orders;

    return;
}


sub configure {
    my ($box, @keys) = @_;

    $box->configure(workspace(1, 'Acme', [
        map { entity($_, "Entity $_", $keys[$_ - 1], "$_.ndjson") }
        grep { $keys[$_ - 1] } 1 .. @keys ], keys => [key_of("key of $version")]));

    return;
}


sub recorded {
    my ($name, $keys, $counts) = @_;

    feed($box->{dir}, @$counts);
    configure($box, @$keys);

    my $run = $box->loader({ env => fault_env('fail_io',
        FAULT_FOLDER => $box->{dir}, FAULT_LOG => $log,
        PROFILE_SORT_MEMORY => 8192) }, 'sync');

    return run_ok($run, {}, $name);
}


$version++;
recorded('a first load', ['id', 'id'], [60, 80]);

for (1 .. 3) {
    $version++;
    recorded('a refresh in place', ['id', 'id'], [60, 80]);
}

recorded('nothing has changed', ['id', 'id'], [60, 80]);
$version++;
recorded('an entity is written anew', ['alt', 'id'], [60, 80]);
$version++;
recorded('another one comes', ['alt', 'id', 'id'], [60, 80, 40]);
$version++;
recorded('one goes', ['alt', undef, 'id'], [60, undef, 40]);
$version++;
recorded('both are written anew', ['id', undef, 'alt'], [60, undef, 40]);

for (1 .. 2) {
    $version++;
    recorded('a refresh in place', ['id', undef, 'alt'], [60, undef, 40]);
}


# -- power cuts ---------------------------------------------------------------

my $folder = new_dir('cut') . '/root';
my @arguments = ($log, $box->{dir}, $folder, $cuts, $seed);
my $run = run({ seconds => 300 * slow() }, $power, @arguments);

is($run->{status}, 0, 'each cut leaves what was promised, or what came later')
    or diag(substr "$run->{out}$run->{err}", 0, 3000);

my ($points, $states, $old, $new)
    = $run->{out} =~ /^(\d+) (\d+) (\d+) (\d+)$/m;

cmp_ok($points // 0, '>=', slow() > 1 ? 500 : 10_000, 'many a cut');
cmp_ok($states // 0, '>', 20, 'many a state');
cmp_ok($old // 0, '>', 0, 'some showed what was promised last');
cmp_ok($new // 0, '>', 0, 'some more than that');

note("$points cuts over $states states of the store: $old of them showed the "
     . "last state that was promised, $new a later one") if $points;


# -- and after them -----------------------------------------------------------

# A loader goes on with what a cut left.
{
    my $after = sandbox({});
    $after->{store} = "$folder/store";
    $version++;
    feed($after->{dir}, 60, undef, 40);
    configure($after, 'id', undef, 'alt');

    my $question = spew("$after->{dir}/question",
                        "check $after->{store}\n");
    my $want = join '', map { sprintf "%d %d %d\n", $_->[0], $version,
                              $_->[1] + $version % 50 } [1, 60], [2, 40];
    my @wrong;

    for (1 .. ($points ? $resumed : 0)) {
        my $n = int rand $points;

        run($power, @arguments, $n);

        my $run = $after->loader('sync', '--allow-shrink');
        push @wrong, "cut $n: status $run->{status}: $run->{err}"
            if $run->{status} ne '0' || $run->{err} ne '';

        my $seen = run({ stdin => $question }, $record, 'serve')->{out};
        push @wrong, "cut $n: then the store holds $seen"
            if $seen ne "$want.\n";
    }

    is(join("\n", @wrong), '', "$resumed loaders go on from a cut");
}

done_testing();
