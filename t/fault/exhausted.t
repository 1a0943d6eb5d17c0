# Why: memory runs out, and calls fail, while a worker serves. That may cost a
# request, which gets a 500, a 503 or no reply, and never a wrong one; and
# whatever failed once works again afterwards. Each allocation and each call
# that reads the store fails once, while a generation is opened and requests
# of all kinds come.
#
# Lines 63 and 64 of docs/testing.md.
#
# expect-alert: \[emerg\] .*(malloc|posix_memalign)\(.*failed \(12:

use strict;
use warnings;

use lib 't/lib';
use Errno qw(EACCES EIO EMFILE ENOMEM);
use ProfileFault;
use ProfileLoad;
use ProfileLoader;
use Test::More;
use Test::Nginx::Profile::Daemon;

my $most = 2000;
my $step = slow() > 1 ? 7 : 1;

my $record = '/api/entities/1/record?record_id=1';
my $acme = 'Authorization: Bearer key-of-acme';

# Requests, and their replies when nothing fails.
my @requests = (
    ['GET', $record, $acme], ['HEAD', $record, $acme],
    ['GET', '/api/entities', $acme],
    ['GET', '/api/entities/1/record?record_id=none', $acme],
    ['GET', '/api/entities/9/record?record_id=1', $acme],
    ['GET', $record, 'Authorization: Bearer nobody'],
    ['GET', $record],
    ['GET', $record, 'Authorization: Basic YmVhcmVyOmtleS1vZi1hY21l'],
    ['GET', $record, $acme, 'If-None-Match: *'],
    ['POST', $record, $acme],
    ['GET', '/status'], ['GET', '/metrics'],
);


sub control {
    my ($file, @numbers) = @_;

    open my $out, '+<', $file or die "$file: $!";
    syswrite $out, pack 'q4', @numbers;

    return;
}


sub counted { return (unpack 'q4', slurp($_[0]))[2] }


# What the status of a reply says, and its body. Of a status page all but the
# numbers, and but that the next generation cannot be opened.

sub seen {
    my ($nginx, @request) = @_;

    my $reply = eval { $nginx->request(@request) };

    return 'none' if !$reply;

    if ($request[1] !~ /^\/api/) {
        $reply->{body} =~ s/\d[-+.\de]*/N/g;
        $reply->{body} =~ s/"degraded","message":"[^"]*"/"ok","message":""/;
    }

    return "$reply->{status} $reply->{body}";
}


# A request's memory comes in blocks. With another size of them, other
# allocations are those that begin a block.

sub server {
    my ($store, $pool) = @_;

    return <<"END";
        request_pool_size $pool;
        location = /status {
            profile_store $store->{store};
            profile_status;
        }
        location = /metrics {
            profile_store $store->{store};
            profile_status prometheus;
        }
END
}


sub all_of {
    my ($name, $library, $number, $pool) = @_;

    my $store = load_store();
    my $file = spew(new_dir() . '/control', pack 'q4', -1, 0, 0, $number);
    chmod 0666, $file;

    my $preload = preload($library);
    chmod 0755, $preload;

    # A worker takes its environment from the process that it is forked from.
    local $ENV{FAULT_CONTROL} = $file;
    local $ENV{FAULT_FOLDER} = $store->{store};
    local $ENV{FAULT_PROGRAM} = 'nginx';
    local $ENV{TEST_NGINX_LD_PRELOAD} = $preload;

    my $nginx = load_nginx($store, workers => 1, interval => '10ms',
        server => server($store, $pool || '4k'),
        expected => qr/(?:malloc|posix_memalign)\(.*failed \(12:/);
    my ($worker) = $nginx->workers();

    # The generation is copied, so that no loader runs beside it.
    my $generation = $store->publish($store);
    load_follow($nginx, $generation, 1);
    my @right = map { [seen($nginx, @$_)] } @requests;

    like($right[0][0], qr/^200 .*"id":"1"/, "$name: the replies are right");

    my ($n, %status, @wrong) = (0);

    while ($n < $most && @wrong < 5) {
        # Not a call of the opening may come before it can fail.
        kill 'STOP', $worker;
        $generation = $store->publish($store);
        control($file, $n, 0, 0, $number);
        kill 'CONT', $worker;

        # What opens the generation comes first, or somewhere in between.
        for my $round (1, 2) {
            for my $i (0 .. $#requests) {
                my $got = seen($nginx, @{ $requests[$i] });
                my ($code) = $got =~ /^(\w+)/;

                $status{$code}++ if $got ne $right[$i][0];
                push @wrong, "call $n, request $i: $got"
                    if $got ne $right[$i][0] && $got !~ /^(?:50[03] |none)/;
            }

            last if $round == 2;
            until_true(5, sub {
                my $log = $nginx->new_errors();
                return counted($file)
                       || $log =~ /generation $generation is open/;
            });
        }

        my $failed = counted($file);
        control($file, -1, 0, 0, 0);

        # And then all is well.
        my $well = until_true(20, sub {
            return 0 if !grep { /gen-0*$generation\b/ } $nginx->maps($worker);
            return !grep { seen($nginx, @{ $requests[$_] }) ne $right[$_][0] }
                   0 .. $#requests;
        });
        push @wrong, "call $n: not served again" if !$well;

        my $old = sprintf '%s/gen-%06d', $store->{store}, $generation - 1;
        unlink glob "$old/*";
        rmdir $old;

        last if !$failed;
        $n += $step;
    }

    is(join("\n", @wrong), '', "$name: every reply is right, or there is none");
    cmp_ok($n, '>', 5, "$name: $n failed, one by one");
    cmp_ok($n, '<', $most, "$name: until no more came");
    is(join(' ', $nginx->workers()), $worker, "$name: the worker goes on");
    note("$name: $n failures; instead of the right replies: "
         . join ', ', map { "$status{$_} times $_" } sort keys %status);

    $nginx->stop();

    return;
}

SKIP: {
    skip 'line 63: a sanitizer has allocations of its own, before all others',
        1 if $ENV{ASAN_OPTIONS};

    all_of('memory', 'fail_malloc', ENOMEM);
    all_of("memory, blocks of $_", 'fail_malloc', ENOMEM, $_)
        for 512, 768;
}

all_of('calls, EIO', 'fail_calls', EIO);
all_of('calls, EACCES', 'fail_calls', EACCES);
all_of('calls, EMFILE', 'fail_calls', EMFILE);

done_testing();
