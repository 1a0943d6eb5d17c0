# Why: containers mount a store read-only, or over a layer of an image, and
# have process ids of their own. LMDB then reads without locks, or takes one
# process for another, and says so nowhere. The module has to refuse a live
# store there, say why, and serve a sealed one.
#
# Lines 29 to 33 of docs/testing.md.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store ();

my $path = '/api/entities/1/record?record_id=1';
my $binary = Test::Nginx::Profile::Daemon::_binary();


# Whether namespaces are to be had here.

sub possible {
    my (@options) = @_;

    return run('unshare', @options, 'true')->{status} eq '0';
}


sub status_of {
    my ($nginx) = @_;

    my $reply = eval { $nginx->get($path, 'key-of-acme') };

    return $reply ? $reply->{status} : 'none';
}


# An nginx whose master sees the file system as commands make it, in a mount
# namespace of its own.

sub nginx_behind {
    my ($store, $commands, %option) = @_;

    my $wrapper = new_dir() . '/nginx';

    spew($wrapper, "#!/bin/sh\nexec unshare -m sh -ec '\n$commands\n"
                   . "exec \"\$0\" \"\$@\"' '$binary' \"\$@\"\n");
    chmod 0755, $wrapper;

    local $ENV{TEST_NGINX_BINARY} = $wrapper;

    return load_nginx($store, workers => 1, %option);
}


# -- 29. a read-only mount ----------------------------------------------------

SKIP: {
    skip 'line 29: no mount namespaces here (unshare -m fails; root may '
         . 'have them)', 1 if !possible('-m');

    my $store = load_store();
    my $place = $store->{store};
    my $commands = "mount --bind $place $place\n"
                   . "mount -o remount,bind,ro $place";

    my $nginx = nginx_behind($store, $commands);
    my $name = 'read-only';

    is(status_of($nginx), 503, "$name, live: 503");
    like($nginx->error_log(), qr/\[error\] .*is\ on\ a\ read-only\ mount,\ where
        \ LMDB\ would\ read\ without\ a\ lock/x, "$name, live: and why");

    run_ok($store->refresh, {}, "$name: the loader writes by another mount");
    is(status_of($nginx), 503, "$name, live: still 503");

    run_ok($store->loader('seal'), {}, "$name: seal");
    wait_for("$name: sealed", sub { status_of($nginx) == 200 });

    my $load = load_start($nginx, '-c', 4);
    $load->tell($_, $store->{version}) for 'min', 'max';
    $load->await(500);
    load_clean($load->finish, "$name, sealed", 500);

    $nginx->stop();
}


# -- 32. layers ---------------------------------------------------------------

# The store is in the lower layer, as an image has it. Who writes to it by the
# upper one writes to a copy: a reader that has the lower file open never sees
# that. A new generation is seen.

SKIP: {
    skip 'line 32: no mount namespaces here (unshare -m fails; root may '
         . 'have them)', 1 if !possible('-m');

    my $store = load_store();
    my $box = $store->{box};
    my $layers = new_dir('layers');
    my $try = "mount -t tmpfs none $layers\n"
              . "mkdir $layers/upper $layers/work\n"
              . "chmod 755 $layers $layers/upper\n"
              . "mount -t overlay -o lowerdir=$box->{dir},"
              . "upperdir=$layers/upper,workdir=$layers/work none $box->{dir}";

    my $run = run('unshare', '-m', 'sh', '-ec', $try);
    skip "line 32: no overlay here: $run->{err}", 1 if $run->{status} ne '0';

    my $nginx = nginx_behind($store, $try);
    my @inside = ('nsenter', '-t', $nginx->pid(), '-m');
    my $name = 'layers';

    is(status_of($nginx), 200, "$name: the lower store is served");
    my $version = $store->{version};

    # The files that both see are the loader's in that namespace.
    my $loader = sub {
        return run(@inside, loader_path(), '-c', $box->{config}, @_);
    };
    my $feed = sub {
        $store->feed;
        for my $file (glob "$box->{dir}/*.ndjson") {
            run({ stdin => $file }, @inside, 'sh', '-c', "cat >$file");
        }
    };
    my $seen = sub {
        my ($v) = $nginx->get($path, 'key-of-acme')->{body} =~ /"g":(\d+)/;
        return $v // 0;
    };

    run_ok($loader->('compact'), {}, "$name: a new generation");
    wait_for("$name: it is opened",
             sub { $nginx->error_log() =~ /generation 2 is open/ });
    is($seen->(), $version, "$name: and served");

    # That one is in the upper layer, where all is as anywhere else.
    $feed->();
    run_ok($loader->('sync'), {}, "$name: a refresh in place");
    is($seen->(), $store->{version}, "$name: it is seen at once");
    is((stat $store->{store} . '/gen-000001/data.mdb')[7] > 0, 1,
       "$name: the lower layer is as it was");

    $nginx->stop();
}


# -- 30, 31. process ids ------------------------------------------------------

# An nginx whose processes have the ids 1, 2, ... Never ask the Daemon for its
# pid here: 1 is somebody else outside.

sub nginx_of_its_own {
    my ($store) = @_;

    my $nginx = Test::Nginx::Profile::Daemon->new(config => <<"END");
        location /api/ {
            profile_store $store->{store};
            profile_check_interval 100ms;
            profile_api;
        }
END

    my $prefix = $nginx->{prefix};
    $nginx->{job} = start({ seconds => 600 }, 'unshare', '--pid', '--fork',
        '--kill-child', $binary, '-p', "$prefix/", '-c', "$prefix/nginx.conf",
        '-e', "$prefix/error.log");

    wait_for('nginx in a namespace of its own',
             sub { $nginx->connect() && -s "$prefix/nginx.pid" });

    is($nginx->_read('nginx.pid'), "1\n", 'its master has process id 1');

    return $nginx;
}


sub ended {
    my ($nginx) = @_;

    $nginx->{job}->kill('KILL');
    $nginx->{job}->finish;

    return $nginx->log_is_clean();
}


SKIP: {
    skip 'lines 30, 31: no process namespaces here (unshare --pid fails; root '
         . 'may have them)', 1 if !possible('--pid', '--fork');

    my $store = load_store();
    my $one = nginx_of_its_own($store);

    wait_for('the first worker', sub { status_of($one) eq '200' });

    my $two = nginx_of_its_own($store);
    my $name = 'two process namespaces';

    is(status_of($one), 200, "$name: the first is served");
    is(status_of($two), 503, "$name: not the second");
    like($two->error_log(), qr/a\ reader\ with\ this\ process\ id\ exists
        \ already,\ as\ happens\ when\ containers/x, "$name: and why");

    run_ok($store->refresh, {}, "$name: a refresh");
    is(status_of($one), 200, "$name: the first is still served");

    run_ok($store->loader('seal'), {}, "$name: seal");
    for my $nginx ($one, $two) {
        wait_for("$name: sealed", sub { status_of($nginx) eq '200' });
    }
    is(status_of($_), 200, "$name, sealed: both are served") for $one, $two;
    ended($_) for $one, $two;

    # A container is killed within a transaction and starts again with the
    # same process ids: nobody can tell the dead slot from the live one.
    $store = load_store(step => 50);
    $name = 'the same process id again';

    my $generation = generation_dir($store->{store});
    my $keeper = outsider('open', $generation, 1024);
    my $outsider = fault_program('outsider');
    my $dead = start({ seconds => 600 }, 'unshare', '--pid', '--fork',
        '--kill-child', 'sh', '-c', "'$outsider' hold '$generation'; exit");

    wait_for("$name: a reader", sub { reader_slots($store->{store}) });
    like((reader_slots($store->{store}))[0], qr/^\s*2 /, "$name: 2");
    $dead->kill('KILL');
    $dead->finish;

    my $nginx = nginx_of_its_own($store);
    wait_for("$name: served", sub { status_of($nginx) eq '200' });

    $store->refresh for 1 .. 5;
    my $before = $store->size;
    $store->refresh for 1 .. 20;
    my $after = $store->size;

    cmp_ok($after, '>', 1.2 * $before, "$name: the file grows, which only "
           . "a new generation ends: $before to $after bytes");
    is(status_of($nginx), 200, "$name: served all the same");

    run_ok($store->loader('compact'), {}, "$name: compact");
    wait_for("$name: a new generation", sub {
        return $nginx->error_log() =~ /generation 2 is open/;
    });

    $store->refresh for 1 .. 5;
    $before = $store->size;
    $store->refresh for 1 .. 20;
    cmp_ok($store->size, '<', 1.2 * $before, "$name: it grows no more");
    is(status_of($nginx), 200, "$name: served");

    ended($nginx);
    $keeper->kill('KILL');
    $keeper->finish;
}


# -- 33. a folder for everybody -----------------------------------------------

SKIP: {
    my $protected = eval { slurp('/proc/sys/fs/protected_regular') } // '';

    skip 'line 33: fs.protected_regular is not set on this machine, and it is '
         . 'not for a test to set', 1 if $protected !~ /^[12]$/;
    skip 'line 33: only root has workers of another user', 1 if $>;

    my $store = load_store();
    my $generation = generation_dir($store->{store});

    chown((getpwnam 'daemon')[2], -1, "$generation/lock.mdb");
    chmod 01777, $generation;
    chmod 0666, "$generation/lock.mdb";

    my $nginx = load_nginx($store, workers => 1);

    is(status_of($nginx), 503, 'a sticky folder: 503');
    like($nginx->error_log(), qr/\[error\] .*Permission denied/,
         'a sticky folder: and why');
    $nginx->stop();
}

done_testing();
