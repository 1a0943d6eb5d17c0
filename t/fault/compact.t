# Why: a generation is replaced and removed while nginx serves from it, and a
# sealed one is served from where nobody can write. No request may notice, and
# no worker may keep a file that is gone.

use strict;
use warnings;

use POSIX ();
use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $slow = $ENV{PROFILE_TEST_SLOW} || 1;
my $records = 500;
my $rewrites = $slow > 1 ? 5 : 20;


sub text {
    my ($round, @more) = @_;

    return join '', "workspace 1 Acme key=key\n",
        "entity 1 Users primary_key=id\n",
        (map { qq({"id":"$_","round":$round,"sum":") . $_ * 7919
               . qq(","pad":") . 'p' x ($_ % 300) . qq("}\n) } 1 .. $records),
        @more;
}


sub location {
    my ($store) = @_;

    return <<"END";
        location /api/ {
            profile_store $store;
            profile_check_interval 50ms;
            profile_api;
        }
END
}


# Asks until it is told to stop, and checks every byte that it gets. Prints
# the number of requests and what was wrong with the first that was.

sub reader {
    my ($nginx, $number) = @_;

    my $pid = open my $pipe, '-|' // die "fork: $!";
    return { pid => $pid, pipe => $pipe } if $pid;

    my ($stop, $count, $wrong) = (0, 0, '');
    local $SIG{TERM} = sub { $stop = 1 };
    my $last = 0;

    srand $number;

    while (!$stop && $wrong eq '') {
        my $id = 1 + int rand $records;
        my $reply = eval {
            $nginx->get("/api/entities/1/record?record_id=$id", 'key');
        };

        $count++;

        if (!$reply || $reply->{status} != 200) {
            $wrong = $reply ? "$reply->{status} $reply->{body}" : "$@";

        } elsif ($reply->{body} !~ /\A\{"data":\{"id":"$id","round":(\d+),
                                   "sum":"@{[ $id * 7919 ]}",
                                   "pad":"(p*)"\}\}\z/x
                 || length $2 != $id % 300)
        {
            $wrong = $reply->{body};

        } elsif ($1 < $last) {
            $wrong = "round $1 after round $last";

        } else {
            $last = $1;
        }
    }

    print "$count $last $wrong\n";
    close STDOUT;
    POSIX::_exit(0);
}


sub readers_end {
    return map {
        kill 'TERM', $_->{pid};
        my $line = readline $_->{pipe};
        close $_->{pipe};
        chomp $line;
        $line;
    } @_;
}


sub removed { return grep { /data\.mdb.*\(deleted\)/ } $_[0]->maps($_[1]) }


# -- compact under load ---------------------------------------------------------

{
    my $store = profile_store(text(0));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        workers => 2, config => location($store))->start();

    my @readers = map { reader($nginx, $_) } 1 .. 3;

    for my $round (1 .. $rewrites) {
        profile_sync($store, text($round)) if $round % 3 == 0;

        my $run = profile_loader($store, 'compact');
        my $next = $round + 1;
        is($run->{status}, 0, "compact $round") or diag($run->{err});
        like($run->{out}, qr/^generation $next: $records records, /,
             "compact $round: generation $next");
    }

    my $last = $rewrites - $rewrites % 3;
    my @said = readers_end(@readers);
    my $total = 0;

    for my $said (@said) {
        my ($count, $round, $wrong) = $said =~ /\A(\d+) (\d+) (.*)\z/;

        is($wrong, '', 'every reply was right');
        cmp_ok($count, '>', 20, 'and there were some');
        $total += $count;
    }

    diag("$total requests during $rewrites rewrites");

    my $generation = 'generation ' . ($rewrites + 1);
    ok(profile_until(10, sub {
        my $log = $nginx->error_log();
        return 2 == (() = $log =~ /$generation is open/g);
    }), "both workers have switched to $generation");

    like($nginx->get('/api/entities/1/record?record_id=9', 'key')->{body},
         qr/"round":$last,/, 'the last refresh is served');

    ok(profile_until(10, sub {
        return !grep { removed($nginx, $_) } $nginx->workers();
    }), 'no worker holds a file that is gone');

    # The loader may have been quicker than a worker.
    profile_sync($store, text($last));
    is(scalar(() = glob "$store/gen-*"), 1, 'one generation is left');
    is(profile_loader($store, 'check')->{status}, 0, 'check');

    my $log = $nginx->error_log();
    unlike($log, qr/\[(?:error|crit)\]/, 'nothing bad in the error log');

    $nginx->stop();
}


# -- what is deleted is gone, with nginx at work --------------------------------

{
    my $marker = 'marker-of-one-who-left';
    my $store = profile_store(text(1, "workspace 2 Globex key=globex\n",
        "entity 1 Users primary_key=id\n", qq({"id":"1","name":"$marker"}\n)));
    my $nginx = Test::Nginx::Profile::Daemon->new(
        workers => 2, config => location($store))->start();
    my $path = '/api/entities/1/record?record_id=1';

    like($nginx->get($path, 'globex')->{body}, qr/$marker/, 'erase: served');

    profile_sync($store, text(1));
    is($nginx->get($path, 'globex')->{status}, 401, 'erase: no more');
    ok(system("grep -rqF $marker $store") == 0, 'erase: the bytes are there');

    my $run = profile_loader($store, 'compact');
    is($run->{status}, 0, 'erase: compact');

    profile_sync($store, text(1));
    ok(system("grep -rqF $marker $store") != 0, 'erase: the bytes are nowhere');
    is(scalar(() = glob "$store/gen-*"), 1, 'erase: one generation is left');
    is($nginx->get($path, 'key')->{status}, 200, 'erase: the others are served');

    $nginx->stop();
}


# -- a sealed generation where nobody can write ---------------------------------

{
    my $store = profile_store(text(5));
    my $path = '/api/entities/1/record?record_id=77';

    is(profile_loader($store, 'seal')->{status}, 0, 'seal');

    my $place = profile_tmp() . '/read-only';
    my $mounted = 0;

    mkdir $place;

    if ($> == 0 && system("mount --bind $store $place 2>/dev/null") == 0) {
        $mounted = system("mount -o remount,bind,ro $place 2>/dev/null") == 0;
        system("umount $place") if !$mounted;
    }

    note($mounted ? 'a read-only mount' : 'files that are read-only');

    $place = $store if !$mounted;
    system("chmod -R a-w $place") if !$mounted;

    my $ok = eval {
        my $nginx = Test::Nginx::Profile::Daemon->new(
            workers => 2, config => location($place))->start();

        for (1 .. 20) {
            my $reply = $nginx->get($path, 'key');
            like($reply->{body}, qr/"id":"77","round":5,/, 'sealed: served');
        }

        $nginx->reload();
        is($nginx->get($path, 'key')->{status}, 200, 'sealed: after a reload');

        # A live generation there would be read without a lock: it is refused,
        # and the one that is open stays in use.
        if ($mounted) {
            is(profile_loader($store, 'compact')->{status}, 0, 'compact');
            ok(profile_until(10, sub {
                $nginx->error_log() =~ /read-only mount/;
            }), 'sealed: a live one is refused on a read-only mount');
            is($nginx->get($path, 'key')->{status}, 200,
               'sealed: the sealed one stays in use');
            is(profile_loader($store, 'seal')->{status}, 0, 'seal again');
            ok(profile_until(10, sub {
                $nginx->error_log() =~ /generation 4 is open/;
            }), 'sealed: the next sealed one is opened');
            like($nginx->get($path, 'key')->{body}, qr/"round":5,/,
                 'sealed: and served');
        }

        $nginx->stop();
        1;
    };

    my $error = $@;
    system("umount $place") if $mounted;
    system("chmod -R u+w $store") if !$mounted;
    ok($ok, 'sealed: all of it') or diag($error);
}

done_testing();
