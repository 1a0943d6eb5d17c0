# Why: a loader that is killed goes on exactly where it was. The cursor and
# the rows that it stands for are there together or not at all, at whatever
# moment the loader dies, and so for readers at every moment.

use strict;
use warnings;

use lib 't/lib';
use List::Util qw(shuffle);
use ProfileLoader;
use Test::More;
use Time::HiRes ();

my $seed = $ENV{PROFILE_TEST_SEED} || time ^ $$;
srand $seed;
note("PROFILE_TEST_SEED=$seed");

my $slow = slow() > 1;

# A leak checker that is killed at its work writes a report of that.
my $to_kill = { env => { ASAN_OPTIONS => join ':', $ENV{ASAN_OPTIONS} // (),
                                              'detect_leaks=0' } };


# -- a table that changes, and its source -------------------------------------

# Each change of a row has a number, greater than all before: the cursor. The
# table is a file with lines of that number, a tab and the row. The source
# prints what has a number of at least the cursor, in the table's order.

my $source = 'printf "%s\n" "$PROFILE_CURSOR" >>"$0/asked"; '
             . 'exec awk -F "\t" -v "c=$PROFILE_CURSOR" '
             . '\'$1 + 0 >= c + 0 { print $2 }\' "$0/table"';


# $pad bytes more in each row.
sub box {
    my ($pad) = @_;

    my $more = $pad ? sprintf ',"pad":"%s"', 'x' x $pad : '';
    my $box = sandbox({ asked => '', table => '' });

    $box->configure(workspace(1, 'Acme', [
        entity(1, 'Users', 'id', undef,
               source => { command => ['sh', '-c', $source, $box->{dir}] },
               max_delete => 100, max_invalid => 0,
               refresh => { mode => 'incremental', cursor => 'at',
                            deleted => 'gone' })]));

    return { box => $box, more => $more, clock => 0, at => {}, gone => {} };
}


# Some rows change and some are deleted. The last change is none of those:
# the greatest cursor of the records is that of the table.

sub change {
    my ($table, $deletions, @ids) = @_;

    for my $i (0 .. $#ids) {
        $table->{at}{ $ids[$i] } = ++$table->{clock};
        $table->{gone}{ $ids[$i] } = $i < $#ids && rand() < $deletions;
    }

    my @ids_there = sort { $a cmp $b } keys %{ $table->{at} };
    my $text = '';

    # not in the order of the changes
    for my $id (sort { reverse($a) cmp reverse($b) } @ids_there) {
        $text .= sprintf qq(%d\t{"id":"%s","at":%d,"gone":%s%s}\n),
                         $table->{at}{$id}, $id, $table->{at}{$id},
                         $table->{gone}{$id} ? 'true' : 'false',
                         $table->{more};
    }

    $table->{box}->write('new' => $text);
    rename "$table->{box}{dir}/new", "$table->{box}{dir}/table"
        or die "rename: $!";

    return;
}


sub some {
    my ($count, @ids) = @_;

    return (shuffle(@ids))[0 .. $count - 1];
}


# What one snapshot shows: the cursor, and { id => at } of what is visible.

sub snapshot {
    my ($box) = @_;

    my ($live, $count, $cursor, %records) = (0, 0, '');

    return ('', {}, 0, 0) if !-e "$box->{store}/CURRENT";

    # Records come after everything else.
    mdb_each($box->generation, sub {
        my ($tag, $number) = unpack 'C N', $_[0];

        if ($tag == 5) {
            ($live, $count) = unpack 'x16 N x4 Q>', $_[1];

        } elsif ($tag == 7) {
            $cursor = substr $_[1], 24 + unpack 'x2 n', $_[1];

        } elsif ($tag == 0x20 && $number == $live) {
            ($records{ substr $_[0], 5 }) = $_[1] =~ /"at":(\d+)/;
        }
    });

    return ($cursor, \%records, $count, $live);
}


# '' or what is wrong: rows without their cursor, or a cursor without all of
# its rows.

sub wrong {
    my ($table) = @_;

    my ($cursor, $records, $count) = snapshot($table->{box});
    my $greatest = 0;

    $greatest = $_ > $greatest ? $_ : $greatest for values %$records;

    return "the cursor is \"$cursor\", the rows' greatest is $greatest"
        if $greatest != ($cursor || 0);
    return "the entity says $count, there are " . keys %$records
        if $count != keys %$records;

    for my $id (keys %{ $table->{at} }) {
        my $at = $table->{at}{$id};

        next if $at > ($cursor || 0);

        if ($table->{gone}{$id}) {
            return "$id is there, deleted at $at" if exists $records->{$id};
        } else {
            return "$id is not that of $at" if ($records->{$id} // 0) != $at;
        }
    }

    return '';
}


# The next refresh is asked for what is missing, and then nothing is.

sub resumes {
    my ($table) = @_;

    my $box = $table->{box};
    my ($cursor) = snapshot($box);

    $box->write(asked => '');
    my $run = $box->loader('sync');

    return "status $run->{status}: $run->{err}" if $run->{status} ne '0';
    $table->{seconds} = $run->{seconds};

    my $asked = slurp("$box->{dir}/asked");
    return "asked with $asked, not $cursor" if $asked ne "$cursor\n";

    my $rows = summary($run)->{'Acme/Users'}{rows};
    my $missing = grep { $_ >= ($cursor || 0) } values %{ $table->{at} };
    return "$rows rows, not $missing" if $rows != $missing;

    my ($end) = snapshot($box);
    return "ends with $end, not $table->{clock}" if $end ne $table->{clock};

    return wrong($table);
}


# -- killed -------------------------------------------------------------------

# [rounds, rows, changes in a round, pad, what]; more than some 9,000 changes
# to records with pages of their own are not made in place.
for my $case ([$slow ? 8 : 50, 3000, 700, 0, 'in place'],
              [$slow ? 2 : 6, 11_000, 11_000, 2500, 'built anew'])
{
    my ($rounds, $rows, $changes, $pad, $what) = @$case;
    my $table = box($pad);
    my $box = $table->{box};
    my @ids = map { sprintf 'r%06d', $_ } 1 .. $rows;

    change($table, 0, @ids);
    is(resumes($table), '', "$what: the first load");

    change($table, 0.1, some($changes, @ids));
    is(resumes($table), '', "$what: a refresh");

    my (@wrong, %outcome);

    for my $round (1 .. $rounds) {
        my ($before) = snapshot($box);

        change($table, 0.1, some($changes, @ids));

        my $job = $box->start($to_kill, 'sync');
        Time::HiRes::sleep(rand($table->{seconds} * 1.1));
        $job->kill('KILL');
        my $run = $job->finish;

        my ($after) = snapshot($box);
        $outcome{ $run->{signal} ? $after eq $before ? 'before' : 'after'
                                 : 'not' }++;

        my $wrong = wrong($table);
        push @wrong, "round $round: $wrong" if $wrong ne '';

        # Killed several times in a row now and then.
        next if rand() < 0.3;

        $wrong = resumes($table);
        push @wrong, "round $round, resumed: $wrong" if $wrong ne '';
    }

    note("$what, killed: ", join ', ', map { "$_ $outcome{$_}" }
                                       sort keys %outcome);
    is_deeply(\@wrong, [], "$what: rows and cursor belong together");
    cmp_ok(($outcome{before} || 0) + ($outcome{after} || 0), '>', 0,
           "$what: some were killed");
    is(resumes($table), '', "$what: the last one resumes");

    my $incarnation = (snapshot($box))[3];
    ok($what eq 'in place' ? $incarnation == 1 : $incarnation > 2,
       "$what: incarnation $incarnation");
}

# A first load that is killed leaves nothing, and is one again.
{
    my $table = box();
    my @ids = map { sprintf 'r%06d', $_ } 1 .. 20_000;
    my @wrong;

    change($table, 0, @ids);

    for my $round (1 .. ($slow ? 3 : 10)) {
        my $job = $table->{box}->start($to_kill, 'sync');

        Time::HiRes::sleep(rand(0.4));
        $job->kill('KILL');
        $job->finish;

        next if !-e "$table->{box}{store}/CURRENT";

        my $wrong = wrong($table);
        my ($cursor, $records) = snapshot($table->{box});

        push @wrong, $wrong if $wrong ne '';
        push @wrong, 'a part of it'
            if keys %$records != 0 && keys %$records != @ids;
    }

    is_deeply(\@wrong, [], 'first loads that are killed');
    is(resumes($table), '', 'the next one goes on');
}


# -- all at once --------------------------------------------------------------

# Somebody looks all the time while every row changes, too many in place.
{
    my $table = box(2500);
    my $box = $table->{box};
    my @ids = map { sprintf 'r%06d', $_ } 1 .. 11_000;
    my (@wrong, %seen);
    my ($looks, $during) = (0, 0);

    change($table, 0, @ids);
    is(resumes($table), '', 'a first load');
    my %old = %{ $table->{at} };

    for my $round (1 .. ($slow ? 1 : 2)) {
        my $before = $table->{clock};

        change($table, 0, @ids);

        my $job = $box->start('sync');
        my $ended;

        do {
            $ended = !$job->running;

            my ($cursor, $records, $count) = snapshot($box);
            my $new = grep { $_ > $before } values %$records;

            $looks++;
            $during++ if !$ended && $cursor eq $before;
            $seen{ $cursor eq $before ? 'old' : 'new' }++;

            push @wrong, "$new of $count rows are new, the cursor is $cursor"
                if $count != @ids || keys %$records != @ids
                   || $new != ($cursor eq $before ? 0 : @ids);
        } until $ended;

        is($job->finish->{status}, 0, 'a refresh of all rows');
    }

    note("$looks looks, $during of them while it went on");
    is_deeply(\@wrong, [], 'it is visible all at once');
    is(wrong($table), '', 'and whole in the end');
}

done_testing();
