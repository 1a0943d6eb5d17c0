package ProfileInstructions;

# How many instructions nginx executes for a request, counted by valgrind's
# callgrind: the same on a busy machine and on an idle one.
#
# One nginx process without workers. What counts is what runs inside
# ngx_http_process_request(): from the moment that a request's headers are
# there until its reply is written; not the kernel, and not nginx's reading and
# parsing of the headers, which are the same for all. One run is asked N times
# through one connection, another 2N times: their difference has neither the
# start nor what is done the first time, and a request's share of it is the
# figure.
#
# What depends on the time is out of the way: the store is looked at once, and
# a timer that is set while a request runs would be set anew at most every
# 300 ms; there is none as long as a connection is not closed.

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(sum0);
use ProfileBench;

our @EXPORT = qw(count_instructions instruction_kinds);

my $Records = 10_000;


# What is counted: a name, a path, or what makes one of a number; a method, a
# status, and headers.

sub instruction_kinds {
    my $some = sub { record_path($_[0] * 7919 % $Records) };
    my $key = 'Authorization: Bearer ' . key_of(0);

    return (
        { name => 'return 200', path => '/constant', headers => [ $key ] },
        { name => 'record', path => $some, headers => [ $key ] },
        { name => 'HEAD', path => $some, headers => [ $key ],
          method => 'HEAD' },
        { name => '304', path => $some, status => 304,
          headers => [ $key, 'If-None-Match: *' ] },
        { name => 'list', path => '/api/entities', headers => [ $key ] },
        { name => 'miss', path => sub { $some->($_[0]) . '1' },
          headers => [ $key ], status => 404 },
        { name => 'refused', path => $some, status => 401,
          headers => [ 'Authorization: Bearer ' . key_of('unknown') ] },
    );
}


# count_instructions(N, KIND...): for each kind a hash of what a request takes,
# in all as "total" and by the file that it is in, "nginx", "module", "lmdb",
# "crypto" and "others".

sub count_instructions {
    my ($n, @kinds) = @_;

    my $store = new_store('counted', records => $Records, entities => 10);
    my ($pieces, $constant) = constant_location('/constant', body_of(0));
    my %server = (http => $pieces, server => <<"END");
        profile_store $store->{dir};
        profile_check_interval 1d;
        keepalive_timeout 1d;
        location /api/ { profile_api; }
        $constant
END

    my %count;

    for my $kind (@kinds) {
        my ($once, $twice) = map { _run($kind, $_, %server) } $n, 2 * $n;

        $count{ $kind->{name} } = {
            map { $_ => (($twice->{$_} // 0) - ($once->{$_} // 0)) / $n }
            qw(total nginx module lmdb crypto others)
        };
    }

    return %count;
}


my $Runs = 0;

sub _run {
    my ($kind, $n, %server) = @_;

    my $run = 'callgrind-' . $Runs++;
    my $counts = bench_dir() . "/$run.out";
    my $nginx = new_nginx($run, %server, cores => 'all', patience => 120,
        main => 'master_process off;',
        runner => [ qw(valgrind -q --vgdb=no --tool=callgrind),
                    '--toggle-collect=ngx_http_process_request',
                    "--callgrind-out-file=$counts" ]);

    my $socket = requester($nginx);
    my $status = $kind->{status} // 200;

    for my $i (1 .. $n) {
        my $path = ref $kind->{path} ? $kind->{path}->($i) : $kind->{path};
        my ($head) = exchange($socket, $kind->{method} // 'GET', $path,
                              @{ $kind->{headers} });

        die "$kind->{name}: $path: $head\n" if $head !~ m{^HTTP/1.1 $status };
    }

    close $socket;
    kill_server($nginx, 'QUIT');

    return _read_counts($counts);
}


# callgrind's file: "ob=(1) /path" and later "ob=(1)" say where the costs that
# follow are; the cost after "calls=" is that of what is called, and comes again
# where it is.

sub _read_counts {
    my ($file) = @_;

    my (%place, %count, $in, $called);

    for (split /\n/, get_file($file)) {
        if (/^(c?)ob=\((\d+)\)(?: (.*))?/) {
            my ($from_call, $id, $path) = ($1, $2, $3);

            $place{$id} = _place($path) if defined $path;
            $in = $place{$id} if !$from_call;

        } elsif (/^calls=/) {
            $called = 1;

        } elsif (/^[+*\d-]\S* (\d+)$/) {
            $count{$in} += $1 if !$called;
            $called = 0;

        } elsif (/^totals: (\d+)/) {
            $count{total} = $1;
        }
    }

    my $total = delete $count{total} or die "callgrind has counted nothing\n";
    my $sum = sum0(values %count);

    die "callgrind: $sum instructions are not $total\n" if $sum != $total;

    return { %count, total => $total };
}


sub _place {
    my ($path) = @_;

    return $path =~ m{/ngx_http_profile_module\.so} ? 'module'
         : $path =~ m{/nginx[^/]*$}                 ? 'nginx'
         : $path =~ m{/liblmdb}                     ? 'lmdb'
         : $path =~ m{/libcrypto}                   ? 'crypto'
         :                                            'others';
}

1;
