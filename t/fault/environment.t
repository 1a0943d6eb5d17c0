# Why: memory, descriptors and the clock are not what they should be, and other
# programs come to the files. Whatever it is, a worker goes on with what it has
# or answers 503, says why, and comes back by itself.
#
# Lines 26, 27, 34, 35, 37, 40, 46 and 70 of docs/testing.md.
#
# expect-alert: is not binary compatible
# expect-alert: accept4?\(\) failed \(9: Bad file descriptor\)

use strict;
use warnings;

use lib 't/lib';
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::More;
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store ();

my $path = '/api/entities/1/record?record_id=1';
my $binary = Test::Nginx::Profile::Daemon::_binary();


sub answer {
    my ($nginx) = @_;

    my $reply = $nginx->get($path, 'key-of-acme');

    return $reply->{body} =~ /"g":(\d+)/ ? $1
           : $reply->{body} =~ /"code":"(\w+)"/ ? $1 : $reply->{status};
}


# An nginx that a shell starts, after some commands.

sub nginx_after {
    my ($store, $commands, %option) = @_;

    my $wrapper = new_dir() . '/nginx';

    spew($wrapper, "#!/bin/sh\n$commands\nexec '$binary' \"\$@\"\n");
    chmod 0755, $wrapper;

    local $ENV{TEST_NGINX_BINARY} = $wrapper;

    return load_nginx($store, workers => 1, %option);
}


# -- 26. no room for the map --------------------------------------------------

SKIP: {
    skip 'line 26: a sanitizer needs all addresses', 1 if $ENV{ASAN_OPTIONS};

    my $store = load_store();
    my $name = 'no room for the map';
    my $nginx = nginx_after($store, 'ulimit -v 450000');

    is(answer($nginx), 'store_unavailable', "$name: 503") for 1 .. 3;
    like($nginx->error_log(), qr/\[error\]\ .*mdb_env_open\(\)\ failed:
         \ Cannot\ allocate\ memory/x, "$name: and why");
    is(scalar(() = $nginx->error_log() =~ /\[error\]/g), 1, "$name: once");

    # A generation that needs less is served.
    $store->publish($store, 'tight');
    wait_for("$name: a smaller map", sub {
        return answer($nginx) eq $store->{version};
    });
    is(answer($nginx), $store->{version}, "$name: served");

    $nginx->stop();
}


# -- 27. no descriptors -------------------------------------------------------

{
    my $store = load_store();
    my $other = load_store();
    my $name = 'no descriptors';

    # nginx itself, once it had no descriptors, tries a closed one at its end.
    my $nginx = load_nginx($store, workers => 1,
                           expected => qr/accept4?\(\) failed \(9: /,
                           main => 'worker_rlimit_nofile 40;');

    my $socket = $nginx->connect();
    my $ask = sub {
        syswrite $socket, "GET $path HTTP/1.1\r\nHost: x\r\n"
                          . "Authorization: Bearer key-of-acme\r\n\r\n";
        my $got = '';
        1 while $got !~ /\}\}\z/ && sysread $socket, $got, 4096, length $got;
        return $got =~ /"g":(\d+)/ ? $1 : $got;
    };

    my $old = $store->{version};
    is($ask->(), $old, "$name: before");

    my @idle = map { $nginx->connect() } 1 .. 60;
    wait_for("$name: none is left", sub {
        return $nginx->error_log() =~ /accept4?\(\) failed .*24: /;
    });

    $other->refresh;
    $store->publish($other);
    wait_for("$name: the next generation cannot be opened", sub {
        return $nginx->error_log() =~ /\[error\] .*profile store/;
    });
    is($ask->(), $old, "$name: the old one is served");

    close $_ for @idle;
    load_follow($nginx, 2, 1);
    is($ask->(), $other->{version}, "$name: then the new one is");

    $nginx->stop();
}


# -- 34. a file renamed over the live one -------------------------------------

# LMDB would take the new file's data for empty, as the lock file goes on
# counting from the old one, and the next commit would empty it.

{
    my $store = load_store();
    my $other = load_store();
    my $name = 'renamed over';

    $store->refresh for 1 .. 5;
    my $data = $store->{box}->data;
    my $version = $store->{version};
    my $nginx = load_nginx($store, workers => 2);

    run('cp', $other->{box}->data, "$data.new");
    run('chown', "--reference=$data", "$data.new") if $> == 0;
    chmod 0640, "$data.new";
    rename "$data.new", $data or die $!;
    my $sum = slurp($data);

    wait_for("$name: the log says so", sub {
        return $nginx->error_log() =~ /\[error\].*was removed or replaced/;
    });
    is(answer($nginx), $version, "$name: the old data is served") for 1 .. 5;

    my $run = $store->refresh;
    fails_ok($run, 3, qr/is not the file that lock\.mdb beside it belongs to/,
             "$name: the loader refuses to write");
    ok(slurp($data) eq $sum, "$name: and has not touched it");

    # New workers do not have the old file. They must not take it for empty.
    $nginx->reload();
    my %seen = map { answer($nginx) => 1 } 1 .. 20;
    is(join(' ', grep { !/^(?:store_unavailable|\d+)\z/ } sort keys %seen), '',
       "$name: 503 or a record after a reload, never 401 or 404")
        or diag(join ' ', %seen);
    like($nginx->error_log(),
         qr/is not the file that lock\.mdb beside it belongs to/,
         "$name: and why");

    $nginx->stop();
}


# -- 35. the lock file is removed ---------------------------------------------

{
    my $store = load_store();
    my $lock = generation_dir($store->{store}) . '/lock.mdb';
    my $name = 'lock file removed';
    my $nginx = load_nginx($store, workers => 2);
    my $load = load_start($nginx, '-c', 8);

    for my $round (1 .. long(5, 50)) {
        $load->await(200);
        unlink $lock or die "$lock: $!";

        # What the loader commits now may take a moment to be seen.
        my $run = $store->refresh;
        is($run->{status}, 0, "$name: the loader makes one, $round")
            or diag_run($run);

        wait_for("$name: workers find the new one, $round", sub {
            my @pids = map { /^\s*(\d+)/ } reader_slots($store->{store});
            my %has = map { $_ => 1 } @pids;
            return 2 == grep { $has{$_} } $nginx->workers();
        }) or last;

        $load->tell('min', $store->{version});
        $store->refresh;
        $load->tell('min', $store->{version});
    }

    # A worker may have no lock file for a moment, and says so with a 503.
    load_clean($load->finish, $name, 1000, 'failed');
    $nginx->stop();
}


# -- 37. the clock jumps ------------------------------------------------------

SKIP: {
    skip 'line 37: a sanitizer asks for the time before a library can answer',
        1 if $ENV{ASAN_OPTIONS};

    my $store = load_store();
    my $name = 'the clock';
    my $clock = spew(new_dir() . '/clock', '0');
    chmod 0644, $clock;

    my $library = preload('shift_time');
    chmod 0755, $library;

    local $ENV{FAULT_CLOCK} = $clock;
    local $ENV{TEST_NGINX_LD_PRELOAD} = $library;
    my $nginx = load_nginx($store, workers => 2,
                           main => 'env FAULT_CLOCK;');
    my $load = load_start($nginx, '-c', 4);
    my $day = 86400;
    my $other = load_store();
    my $number = 1;

    for my $shift ($day, 0, -$day, 30 * $day, 0) {
        spew("$clock.new", $shift);
        chmod 0644, "$clock.new";
        rename "$clock.new", $clock or die $!;
        $load->await(200);

        $store->feed;
        $other->refresh;
        $number = $store->publish($other);
        load_follow($nginx, $number, 2) or last;
        $load->tell('min', $store->{version});
        $load->await(200);

        # The Date header shows that nginx believes it.
        my ($date) = $nginx->get($path, 'key-of-acme')->{head}
                     =~ /^Date: \w+, (\d+ \w+ \d+) /m;
        my @then = gmtime(time + $shift);
        is($date, sprintf('%02d %s %d', $then[3],
                          (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov
                              Dec))[$then[4]], 1900 + $then[5]),
           "$name: $shift seconds off, generation $number is noticed");
    }

    load_clean($load->finish, $name, 1000);
    $nginx->stop();
}


# -- 40. file systems of several machines -------------------------------------

SKIP: {
    skip 'line 40: a sanitizer has to come before any library', 1
        if $ENV{ASAN_OPTIONS};

    my $library = preload('pretend_fs');
    chmod 0755, $library;

    for (['6969', 'NFS'], ['1021997', '9p'],
         ['65735546', 'FUSE, as virtiofs is'], ['ef53', undef])
    {
        my ($type, $network) = @$_;
        my $store = load_store();
        my $name = 'on ' . ($network // 'a local disk');
        my $directory = $store->{box}{store};

        local $ENV{FAULT_FS} = $type;
        my $run = $store->{box}->loader(
            { env => fault_env('pretend_fs', FAULT_FS => $type) }, 'apply');

        local $ENV{TEST_NGINX_LD_PRELOAD} = $library;
        my $nginx = load_nginx($store, workers => 1, main => 'env FAULT_FS;');
        my $warning = qr/\[warn\][ ].*[ ]profile[ ]store[ ]"\Q$directory\E":
                         [ ]it[ ]is[ ]on[ ]/x;

        is(answer($nginx), $store->{version}, "$name: served");

        if (!defined $network) {
            run_ok($run, {}, "$name: the loader says nothing");
            unlike($nginx->error_log(), $warning, "$name: nor do workers");
            $nginx->stop();
            next;
        }

        is($run->{status}, 0, "$name: loaded");
        like($run->{err}, qr/\Aprofile-loader: \Q$directory is on $network, \E/,
             "$name: the loader warns");
        like($nginx->error_log(), qr/$warning\Q$network, \E/,
             "$name: workers warn");

        my $warnings = () = $nginx->error_log() =~ /$warning/g;

        is($store->{box}->loader('seal')->{status}, 0, "$name: sealed");
        wait_for("$name: the sealed one is open", sub {
            return $nginx->error_log() =~ /generation \d+ is closed/;
        });
        is(answer($nginx), $store->{version}, "$name: served");
        is(scalar(() = $nginx->error_log() =~ /$warning/g), $warnings,
           "$name: no warning of what is sealed");

        $nginx->stop();
    }
}


# -- 46. another program empties the database ---------------------------------

{
    my $store = load_store();
    my $name = 'emptied';
    my $nginx = load_nginx($store, workers => 2);

    is(answer($nginx), $store->{version}, "$name: before");

    is(run(fault_program('outsider'), 'drop', $store->{box}->generation)
       ->{status}, 0, "$name: mdb_drop");

    is(answer($nginx), 'store_unavailable', "$name: 503") for 1 .. 5;
    is($nginx->get('/api/entities/7/record?record_id=x', 'none')->{status},
       503, "$name: whatever is asked for");
    like($nginx->error_log(), qr/or somebody emptied it/, "$name: and why");

    isnt($store->loader('sync')->{status}, 0, "$name: the loader refuses it");
    $nginx->stop();
}


# -- 70. a module of another nginx --------------------------------------------

{
    my $store = load_store();
    my $name = 'another nginx';
    my $nginx = load_nginx($store, workers => 1);
    my ($worker) = $nginx->workers();

    my $module = (split ' ', $ENV{TEST_NGINX_LOAD_MODULES}
                             || 'build/ngx_http_profile_module.so')[0];
    my $bytes = slurp($module);
    my $other = new_dir() . '/module.so';

    # Its signature: the sizes of types, and what nginx was built with.
    ok($bytes =~ s/(\x00\d,\d,\d,[01]+?)([01])(?=\x00)/$1 . (1 - $2)/e,
       "$name: a module with another signature");
    spew($other, $bytes);

    my $old = slurp("$nginx->{prefix}/nginx.conf");
    spew("$nginx->{prefix}/nginx.conf",
         $old =~ s/^load_module \S+;/load_module $other;/mr);

    isnt($nginx->test(), 0, "$name: nginx -t fails");
    like($nginx->error_log(), qr/\[emerg\].*is not binary compatible/,
         "$name: and says so");

    is(answer($nginx), $store->{version}, "$name: the running one serves");
    is(join(' ', $nginx->workers()), $worker, "$name: by the same worker");

    $nginx->{expected} = qr/is not binary compatible/;
    $nginx->stop();
}

done_testing();
