# Why: deleted records stay in the file until it is rewritten, and a person
# who asked for them to be erased must be able to rely on it. The rewrite must
# lose nothing, publish nothing that is damaged or half done, and clean up.

use strict;
use warnings;

use JSON::PP ();
use lib 't/lib';
use POSIX ();
use ProfileLoader;
use Test::More;
use Time::HiRes ();

my $root = $> == 0;


sub box_of {
    my ($count, @more) = @_;

    my $box = sandbox({ 'users.ndjson' => join('', map {
                            qq({"id":$_,"v":"users-) . 'x' x 200 . qq("}\n) }
                            1 .. $count),
                        'people.ndjson' => qq({"id":1,"v":"marker-of-globex"}\n)
                            . join '', map { qq({"id":$_,"v":"marker"}\n) }
                                       2 .. 500 },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')],
                  keys => [key_of('one')]),
        workspace(2, 'Globex', [entity(1, 'People', 'id', 'people.ndjson')],
                  keys => [key_of('two')], @more));

    run_ok($box->loader('sync'), {}, 'a store');

    return $box;
}


# Everything but the version record, which says when it was made.

sub content {
    my ($box) = @_;

    return [grep { $_->[0] ne "\1" } mdb_pairs($box->generation)];
}


sub generations {
    my ($box) = @_;

    return join ' ', map { m{([^/]+)\z} } sort glob "$box->{store}/gen-*";
}


# Files in which a text stands.

sub files_with {
    my ($box, $text) = @_;

    return grep { -f && index(slurp($_), $text) >= 0 }
           split /\n/, run('find', $box->{store})->{out};
}


# -- compact ------------------------------------------------------------------

{
    my $box = box_of(2000);
    my $before = content($box);
    my $size = -s $box->data;

    # Some pages that nothing uses any more.
    $box->write('users.ndjson' => join '', map { qq({"id":$_}\n) } 1 .. 20);
    run_ok($box->loader('sync', '--allow-shrink'), {}, 'most are deleted');
    run_ok($box->loader('sync'), {}, 'a refresh without a change');
    spew($box->generation . '/failed-2-1', "1700000000 gone\n");

    my $content = content($box);
    my $status = $box->status;
    my @owner = (stat $box->data)[2, 4, 5];
    my $used = -s $box->data;

    my $run = $box->loader({ before => sub { umask 0 } }, 'compact');

    run_ok($run, {}, 'compact');
    like($run->{out}, qr/\Ageneration 2: 520 records, $used bytes before, (\d+) after, \d+\.\d s\n\z/,
         'says what it did');
    my ($after) = $run->{out} =~ /(\d+) after/;
    is($after, -s $box->data, 'the new size');
    cmp_ok($after, '<', $used / 4, 'is smaller');

    is_deeply(content($box), $content, 'it holds the same');
    is(generations($box), 'gen-000002', 'the old generation is gone');
    is(slurp("$box->{store}/CURRENT"), "gen-000002\n", 'CURRENT');
    is_deeply([(stat $box->data)[2, 4, 5]], \@owner, 'owner and mode');
    is(sprintf('%04o', (stat $box->generation)[2] & 07777), '0750',
       'the folder\'s mode');
    is(sprintf('%04o', (stat $box->generation . '/lock.mdb')[2] & 07777), '0660',
       'the lock\'s mode');
    is(join(' ', sort map { m{([^/]+)\z} } glob $box->generation . '/{*,.m*}'),
       'data.mdb failed-2-1 lock.mdb refreshed-1-1 refreshed-2-1',
       'what was noted beside the database comes along');

    my $new = $box->status;
    $_->{age} = 0 for map { @{ $_->{entities} } }
                      map { @{ $_->{workspaces} } } $status, $new;
    is_deeply($new->{workspaces}, $status->{workspaces}, 'status says the same');
    is($new->{free}, 0, 'without free pages');

    run_ok($box->loader('check'), {}, 'check');
    run_ok($box->loader('sync'), { 'Acme/Users' => { unchanged => 20 } },
           'the loader goes on with it');
    $box->write('users.ndjson' => join '', map { qq({"id":$_}\n) } 10 .. 30);
    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 10, deleted => 9 } },
           'and writes it');
    run_ok($box->loader('check'), {}, 'check');
}

# Large enough for several transactions.
{
    my $box = sandbox({ 'users.ndjson' => join '', map { qq({"id":$_,"v":")
                                          . 'x' x 150_000 . qq("}\n) } 1 .. 500 },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    run_ok($box->loader('sync'), {}, 'many bytes');
    my $content = content($box);
    run_ok($box->loader('compact'), {}, 'many bytes: compact');
    is_deeply(content($box), $content, 'all are there');
    run_ok($box->loader('check'), {}, 'many bytes: check');
}


# -- what is deleted is gone --------------------------------------------------

{
    my $box = box_of(100);
    my $config = slurp($box->{config});

    ok(scalar files_with($box, 'marker-of-globex'), 'a record is in the store');

    spew($box->{config}, $config =~ s/("name" : "Globex")/$1, "enabled" : false/r);
    run_ok($box->loader('sync'), {}, 'its workspace is disabled');
    is($box->get(2, 1, 1), undef, 'it cannot be read');
    ok(scalar files_with($box, 'marker'), 'its bytes are still there');

    run_ok($box->loader('compact'), {}, 'compact');
    is_deeply([files_with($box, 'marker')], [], 'and now they are nowhere');
    is_deeply([files_with($box, 'Globex')], [], 'nor is its name');
    cmp_ok(scalar files_with($box, 'users-'), '>', 0, 'the other one\'s are');

    # With the same id, only what is new.
    spew($box->{config}, $config);
    run_ok($box->loader('apply'), {}, 'enabled again');
    is($box->get(2, 1, 1), undef, 'nothing comes back');
    run_ok($box->loader('check'), {}, 'check');
}

# Also what a purge that was cut short has not yet deleted.
{
    my $box = box_of(10);
    my @pairs = mdb_pairs($box->generation);
    my ($entity) = grep { $_->[0] eq pack 'C N N', 5, 2, 1 } @pairs;
    my $incarnation = unpack 'x16 N', $entity->[1];

    substr($entity->[1], 16, 4) = pack 'N', 0;
    substr($entity->[1], 24, 16) = "\0" x 16;
    push @pairs, [pack('C N', 6, $incarnation), pack 'C x3 N N x8', 6, 2, 1];
    restore_pairs($box->generation, sort { $a->[0] cmp $b->[0] } @pairs);

    my $run = $box->loader('compact');
    like($run->{out}, qr/: 10 records, /, 'records that nobody points at');
    is_deeply([files_with($box, 'marker')], [], 'are left behind');
    is(scalar(grep { ord $_->[0] == 6 } @{ content($box) }), 0,
       'and so is the note of them');
}


# -- seal ---------------------------------------------------------------------

{
    my $box = box_of(50);
    my $content = content($box);
    my $run = $box->loader('seal');

    run_ok($run, {}, 'seal');
    like($run->{out}, qr/\Ageneration 2 \(sealed\): 550 records, /, 'says so');
    is(join(' ', sort map { m{([^/]+)\z} } glob $box->generation . '/*'),
       'SEALED data.mdb', 'its files');
    is_deeply(content($box), $content, 'it holds the same');

    my $before = fingerprint($box->{store});

    for my $command ('sync', 'apply') {
        fails_ok($box->loader($command), 3,
                 qr/is sealed and is never written again; "profile-loader compact"/,
                 "sealed: $command");
    }

    is(fingerprint($box->{store}), $before, 'nothing is touched');
    is($box->status->{sealed}, JSON::PP::true(), 'status says so');
    is($box->status->{readers}, 0, 'no readers are known');
    is($box->get(1, 1, 7), '{"data":{"id":7,"v":"users-' . 'x' x 200 . '"}}',
       'get reads it');
    run_ok($box->loader('check'), {}, 'check reads it');
    is(fingerprint($box->{store}), $before, 'still nothing is touched');

    $run = $box->loader('compact');
    run_ok($run, {}, 'compact makes a live one of it');
    is_deeply(content($box), $content, 'which holds the same');
    is(generations($box), 'gen-000002 gen-000003',
       'the sealed one stays for readers that cannot be counted');
    like($run->{out}, qr/; 1 older still in use, for a later run to remove$/,
         'which is said');
    run_ok($box->loader('sync'), { 'Acme/Users' => { unchanged => 50 } }, 'sync');
    is(generations($box), 'gen-000002 gen-000003', 'it is too early');

    my $ago = time - 61;
    utime $ago, $ago, "$box->{store}/CURRENT";
    run_ok($box->loader('sync'), {}, 'sync, a minute later');
    is(generations($box), 'gen-000003', 'removes it');
}


# -- readers of the old generation --------------------------------------------

{
    my $box = box_of(2000);
    my $old = $box->generation;

    # It reads until its pipe is full, and then waits for us.
    my $pid = open my $dump, '-|', 'mdb_dump', $old or BAIL_OUT("mdb_dump: $!");
    my $line = <$dump>;

    my $run = $box->loader('compact');
    run_ok($run, {}, 'compact beside a reader');
    like($run->{out}, qr/; 1 older still in use, for a later run to remove$/,
         'says that it is in use');
    ok(-e "$old/data.mdb", 'the old generation stays');

    run_ok($box->loader('sync'), {}, 'sync beside the reader');
    ok(-e "$old/data.mdb", 'it still stays');
    run_ok($box->loader('apply'), {}, 'apply');

    my $ended = 0;
    $ended ||= $_ eq "DATA=END\n" while <$dump>;
    close $dump;
    ok($ended, 'the reader reads all of it');

    run_ok($box->loader('apply'), {}, 'apply');
    ok(-e "$old/data.mdb", 'removes nothing');
    run_ok($box->loader('sync'), {}, 'sync without a reader');
    is(generations($box), 'gen-000002', 'removes it');

    # A dead reader is no reader. LMDB forgets all of them where nobody else
    # has the file open, so there is a living one.
    $pid = open $dump, '-|', 'mdb_dump', $box->generation or BAIL_OUT($!);
    $line = <$dump>;
    is($box->status->{readers}, 1, 'a living reader is counted');

    my $other = open my $killed, '-|', 'mdb_dump', $box->generation
        or BAIL_OUT($!);
    $line = <$killed>;
    is($box->status->{readers}, 2, 'and a second one');
    kill 'KILL', $other;
    close $killed;

    my $status = $box->status;
    is($status->{stale_readers}, 1, 'one that was killed');
    is($status->{readers}, 1, 'is not');
    is($box->status->{stale_readers}, 0, 'and is cleared');
    kill 'KILL', $pid;
    close $dump;
    run_ok($box->loader('compact'), {}, 'compact after a reader was killed');
    is(generations($box), 'gen-000003', 'removes the old generation');
}


# -- other generations --------------------------------------------------------

{
    my $box = box_of(10);
    my $store = $box->{store};

    run_ok($box->loader('compact'), {}, 'compact');

    my $live = $box->generation;
    my $make = sub {
        my ($name, %files) = @_;

        mkdir "$store/$name" or BAIL_OUT("$name: $!");
        spew("$store/$name/$_", $files{$_}) for keys %files;
    };

    # What killed loaders leave.
    $make->('gen-000007', '.making' => '');
    $make->('gen-000008', '.making' => '', 'data.mdb' => '', 'lock.mdb' => '');
    $make->('gen-000009', '.making' => '', 'data.mdb' => 'x' x 100_000,
            'refreshed-1-1' => "1\n", 'failed-2-30' => "1 x\n", '.new' => '');
    $make->('gen-000010');

    # What is somebody's.
    $make->('gen-000020', 'data.mdb' => slurp($box->data), 'lock.mdb' => '');
    $make->('gen-000021', 'data.mdb' => 'x');
    $make->('gen-000022', '.making' => '', 'data.mdb' => '', 'notes' => 'x');
    $make->('gen-1', 'data.mdb' => 'x');
    $make->('gen-000001x', '.making' => '');
    symlink $live, "$store/gen-000001" or BAIL_OUT($!);

    my $before = fingerprint($live);
    $box->write('people.ndjson' => "bad\n");
    is($box->loader('sync')->{status}, 1, 'a sync that fails');
    ok(-e "$store/gen-000007", 'removes nothing');

    $box->write('people.ndjson' => join '', qq({"id":1,"v":"marker-of-globex"}\n),
                map { qq({"id":$_,"v":"marker"}\n) } 2 .. 500);
    run_ok($box->loader('sync'), {}, 'one that does not');
    is(generations($box), 'gen-000001 gen-000001x gen-000002 gen-000020 '
                          . 'gen-000021 gen-000022 gen-1',
       'removes what was never finished, and nothing else');
    is(join(' ', map { m{([^/]+)\z} } glob "$store/gen-000022/{.m*,*}"), 'notes',
       'a file that is not the store\'s stays');
    run_ok($box->loader('check'), {}, 'the live one, which a link names, is whole');

    # The mark of one that was published counts for nothing.
    spew("$live/.making", '');
    run_ok($box->loader('apply'), {}, 'a mark that a killed loader left');
    ok(!-e "$live/.making", 'is taken away');

    # Damaged old ones, whose readers cannot be counted.
    unlink "$store/gen-000001";
    $make->('gen-000001', 'data.mdb' => 'x' x 50_000, 'lock.mdb' => '');
    run_ok($box->loader('sync'), {}, 'a damaged old one');
    ok(-e "$store/gen-000001", 'stays for a minute');
    my $ago = time - 61;
    utime $ago, $ago, "$store/CURRENT";
    run_ok($box->loader('sync'), {}, 'sync, a minute later');
    ok(!-e "$store/gen-000001", 'removes it');

    # What was being removed when a loader was killed: its data goes first.
    utime undef, undef, "$store/CURRENT";
    $make->('gen-000001', 'lock.mdb' => '', 'refreshed-1-1' => "1\n",
            SEALED => '');
    run_ok($box->loader('sync'), {}, 'one that has no data any more');
    ok(!-e "$store/gen-000001", 'is removed at once');
}


# -- nothing half done --------------------------------------------------------

sub undone {
    my ($box, $run, $before, $name, @patterns) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    fails_ok($run, 3, @patterns, $name);
    is($run->{out}, '', "$name: nothing on standard output");
    is(fingerprint($box->{store}), $before, "$name: nothing is left");

    return;
}

{
    my $box = box_of(300);
    my @honest = mdb_pairs($box->generation);

    for my $command ('compact', 'seal') {
        for my $case (['a hash', sub { $_[0][-1][1] =~ s/marker/MARKER/ },
                       qr/record \d+ of entity 1 of workspace 2 does not have the hash/],
                      ['a count', sub { pop @{ $_[0] } },
                       qr/entity 1 of workspace 2 has 499 records, but says/],
                      ['an owner', sub { substr($_[0][-1][1], 4, 4) = pack 'N', 1 },
                       qr/says that it belongs to another entity/],
                      ['a length', sub { chop $_[0][-1][1] }, qr/cannot be decoded/])
        {
            my ($what, $damage, $pattern) = @$case;
            my @pairs = map { [@$_] } @honest;

            $damage->(\@pairs);
            restore_pairs($box->generation, @pairs);

            my $before = fingerprint($box->{store});
            undone($box, $box->loader($command), $before, "$command: $what",
                   $pattern, qr/it stays the live one/);
        }
    }

    restore_pairs($box->generation, @honest);

    # A limit of size, as ENOSPC: both let a write fail.
    my $before = fingerprint($box->{store});
    undone($box, run('sh', '-c', 'ulimit -f 30; exec "$@"', 'sh', loader_path(),
                     '-c', $box->{config}, 'compact'), $before,
           'a limit of file size', qr/\Q$box->{store}\E/);

    run_ok($box->loader('compact'), {}, 'compact works again');
}

# No store is made of nothing.
{
    my $box = sandbox({}, workspace(1, 'Acme', []));

    for my $command ('compact', 'seal') {
        fails_ok($box->loader($command), 3, qr/there is no store yet/,
                 "$command without a store");
        ok(!-e $box->{store}, 'makes none');
    }
}

# One at a time.
{
    my $box = box_of(10);
    my $fifo = "$box->{dir}/users.ndjson";

    unlink $fifo;
    POSIX::mkfifo($fifo, 0666) or BAIL_OUT("mkfifo: $!");

    my $job = $box->start('sync');
    open my $out, '>', $fifo or BAIL_OUT("$fifo: $!");
    my $before = generations($box);

    for my $command ('compact', 'seal') {
        fails_ok($box->loader($command), 75, qr/another profile-loader is running/,
                 "$command beside a loader");
        is(generations($box), $before, 'does nothing');
    }

    print {$out} qq({"id":$_}\n) for 1 .. 10;
    close $out;
    run_ok($job->finish, {}, 'which ends well');
}

# Ended or killed at any moment: the old generation or the new one, whole.
{
    my $box = box_of(20_000);
    my $content = content($box);
    my %status;

    for my $try (1 .. 30 / (slow() > 1 ? 3 : 1)) {
        my $signal = ('TERM', 'INT', 'HUP', 'KILL')[$try % 4];
        my $before = $box->generation;
        my $job = $box->start('compact');

        # It is perl until then.
        until_true(20, sub {
            return !$job->running
                   || slurp("/proc/$job->{pid}/cmdline") =~ /\0compact\0/;
        });
        Time::HiRes::sleep(0.004 * $try * slow());
        $job->kill($signal);

        my $run = $job->finish;
        my $ended = { TERM => 143, INT => 130, HUP => 129,
                      KILL => 137 }->{$signal};

        $status{ $run->{status} }++;
        like($run->{status}, qr/\A(?:0|$ended)\z/, "$signal $try: status");

        # Whoever is killed leaves its child a moment to follow.
        my $next = until_true(20, sub {
            my $run = $box->loader('check');
            return $run->{status} eq '0' ? $run : undef;
        });
        ok($next, "$signal $try: check");

        # The signal may come when the new one has just been published.
        my ($old, $new) = ($before =~ /(\d+)$/, $box->generation =~ /(\d+)$/);
        ok($new == $old || $new == $old + 1,
           "$signal $try: the old one is live, or the next");

        ok(until_true(20, sub { $box->loader('sync')->{status} eq '0' }),
           "$signal $try: sync");
        is(generations($box), slurp("$box->{store}/CURRENT") =~ s/\n//r,
           "$signal $try: nothing is left");
    }

    is_deeply(content($box), $content, 'it still holds the same');
    diag(join ' ', map { "status $_: $status{$_}" } sort keys %status)
        if $status{0} && keys %status == 1;
}


# -- room on the disk ---------------------------------------------------------

SKIP: {
    skip 'needs root', 1 if !$root;

    my $box = sandbox({ 'users.ndjson' => join '', map { qq({"id":$_,"v":")
                                          . 'x' x 1000 . qq("}\n) } 1 .. 2500 },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    mkdir $box->{store};

    my $mounted = run('mount', '-t', 'tmpfs', '-o', 'size=6m,mode=750', 'none',
                      $box->{store});
    skip 'this machine permits no mounts', 1 if $mounted->{status} ne '0';

    eval {
        run_ok($box->loader('sync'), {}, 'a small disk');
        my $before = fingerprint($box->{store});

        undone($box, $box->loader('compact'), $before, 'no room for a copy',
               qr/a new generation needs up to \d+ bytes, \Q$box->{store}\E has \d+; make room/);

        # Larger than what is left, in one transaction.
        $box->write('users.ndjson' => join '', map { qq({"id":$_,"v":")
                    . 'y' x ($_ < 1100 ? 4000 : 1000) . qq("}\n) } 1 .. 2500);
        fails_ok($box->loader('sync'), 3,
                 qr/a commit needs \d+ bytes, \Q$box->{store}\E has \d+; make/,
                 'no room for a refresh');
        run_ok($box->loader('check'), {}, 'nothing is lost');

        # What fits is not refused: pages of the file that are free count.
        $box->write('users.ndjson' => qq({"id":1}\n));
        run_ok($box->loader('sync', '--allow-shrink'), {}, 'all but one deleted');
        $box->write('users.ndjson' => qq({"id":2}\n));
        run_ok($box->loader('sync'), {}, 'one more commit');

        my $fill = "$box->{store}/.fill";
        run('dd', 'if=/dev/zero', "of=$fill", 'bs=64k');
        truncate $fill, (-s $fill) - 256 * 1024;
        $box->write('users.ndjson' => join '', map { qq({"id":$_,"v":")
                                          . 'z' x 1000 . qq("}\n) } 1 .. 1500);
        run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1499 } },
               'into free pages of the file, on a full disk');
        unlink $fill;
        run_ok($box->loader('check'), {}, 'check');
        1;
    } or fail("small disk: $@");

    run('umount', $box->{store});
}

done_testing();
