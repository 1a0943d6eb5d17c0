# Why: with "profile_threads" a thread waits for the disk, and the worker goes
# on. No reply may differ for that, whatever becomes of the client, the
# worker, the configuration or the store while a thread waits.
#
# Threads are held at a gate here (t/lib/slow_thread.c), so that everything
# happens while they wait.
#
# expect-alert: \[emerg\] .*(unknown thread pool|profile_threads)

use strict;
use warnings;

use Test::More;

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(MSG_DONTWAIT MSG_PEEK);

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

if (($ENV{PROFILE_TEST_MODE} || '') eq 'hup') {
    plan skip_all => 'it reloads nginx itself';
}

my $Nginx = $ENV{TEST_NGINX_BINARY} // 'nginx';
my $Built = `$Nginx -V 2>&1`;

if ($Built !~ /--with-threads/) {
    without_threads();
    done_testing();
    exit;
}

my $Gate = profile_tmp() . '/gate';
mkdir $Gate or die "$Gate: $!";
chmod 0777, $Gate;

my $Library = "$Gate/slow_thread.so";
system($ENV{CC} || 'cc', qw(-D_GNU_SOURCE -Wall -Wextra -O2 -fPIC -shared -o),
       $Library, 't/lib/slow_thread.c', '-ldl') == 0
    or die "slow_thread.c\n";
chmod 0755, $Library;

my $Long = 'abcdefgh' x 50_000;
my $First = '{"data":{"id":"1","name":"first"}}';
my $Record = 'entities/1/record?record_id=1';


sub text {
    my ($name) = @_;

    return <<"END";
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"$name"}
{"id":"2","name":"second"}
{"id":"long","text":"$Long"}
entity 2 Later primary_key=id unloaded
workspace 2 Globex key=globex
entity 7 Orders primary_key=id
{"id":"1","name":"of globex"}
END
}


# -- the gate ---------------------------------------------------------------

sub shut_gate {
    open my $out, '>', "$Gate/gate" or die "$Gate/gate: $!";
    close $out;
    unlink "$Gate/entered";
    return;
}


sub open_gate {
    unlink "$Gate/gate";
    return;
}


# Waits until that many threads have come to the gate since it was shut.

sub at_gate {
    my ($count, $name) = @_;

    ok(profile_until(15, sub { (-s "$Gate/entered" // 0) >= $count }),
       "$name: $count at the gate");
    return;
}


sub entered { return -s "$Gate/entered" // 0 }


# -- nginx ------------------------------------------------------------------

sub daemon {
    my ($store, %option) = @_;

    my $pool = $option{pool} // 'on';

    my $nginx = Test::Nginx::Profile::Daemon->new(
        main => '', %option, config => config($store, $pool)
                                       . ($option{config} // ''));

    local $ENV{LD_PRELOAD} = $Library;
    local $ENV{SLOW_THREAD} = $Gate;

    return $nginx->start();
}


sub config {
    my ($store, $pool) = @_;

    my $header = 'add_header X-Seen "$profile_workspace,$profile_key,'
                 . '$profile_entity,$profile_result,$profile_generation" '
                 . 'always;';

    return <<"END";
        profile_store $store;
        profile_check_interval 50ms;
        profile_threads $pool;

        location /on/ {
            $header
            profile_api;

            location /on/nested/off/ {
                profile_threads off;
                profile_api;
            }
        }
        location /of/ {
            $header
            profile_threads off;
            profile_api;
        }
        location = /ok {
            return 200 "ok\\n";
        }
END
}


sub begin {
    my ($nginx, $path, @headers) = @_;

    my $socket = $nginx->connect() or die "connect: $!";

    syswrite $socket, join "\r\n", "GET $path HTTP/1.1", 'Host: localhost',
        'Connection: close', 'Authorization: Bearer key', @headers, '', '';

    return $socket;
}


sub finish {
    my ($nginx, $socket) = @_;

    my ($reply) = $nginx->replies($nginx->read_all($socket));

    return $reply->{body};
}


sub silent {
    my ($socket, $name) = @_;

    return ok(!IO::Select->new($socket)->can_read(0.1), "$name: no reply yet");
}


sub readers {
    my ($store) = @_;

    my $generation = profile_generation($store);
    my @lines = `mdb_stat -r '$generation' 2>&1`;

    return grep { /^\s*\d+\s+[0-9a-f]+\s+/ } @lines;
}


sub mapped {
    my ($nginx, $worker) = @_;

    return join ' ', sort map { m{/(gen-\d+)/data\.mdb} } $nginx->maps($worker);
}


subtest 'the same replies' => \&same_replies;
subtest 'other requests' => \&other_requests;
subtest 'the queue is full' => \&queue_full;
subtest 'pages' => \&pages;
subtest 'clients that leave' => \&clients_leave;
subtest 'events of the connection' => \&events;
subtest 'reload' => \&reload;
subtest 'fast shutdown' => \&fast_shutdown;
subtest 'another generation' => \&other_generation;
subtest 'a refresh' => \&refresh;
subtest 'the lock file is replaced' => \&lock_replaced;
subtest 'under load' => \&under_load;
subtest 'HTTP/2' => \&http2
    if $Built =~ /--with-http_v2_module/;
subtest 'configuration' => \&configuration;

done_testing();


# -- replies ----------------------------------------------------------------

sub same_replies {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store, config => <<"END");
        location /on2/ {
            profile_store $store-none;
            profile_api;
        }
        location /of2/ {
            profile_store $store-none;
            profile_threads off;
            profile_api;
        }
END

    my $key = 'Authorization: Bearer key';
    my ($etag) = $nginx->get("/of/$Record", 'key')->{head}
                 =~ /^ETag: (\S+)\r$/m;

    # The number of threads, then the request.
    my @cases = (
        [1, 'GET', 'entities', $key],
        [1, 'GET', $Record, $key],
        [1, 'HEAD', $Record, $key],
        [1, 'GET', 'entities/1/record/?record_id=long', $key],
        [1, 'GET', 'entities/1/record?record_id=none', $key],
        [1, 'GET', $Record, $key, "If-None-Match: $etag"],
        [1, 'GET', $Record, $key, 'If-None-Match: "other"'],
        [1, 'HEAD', $Record, $key, 'If-None-Match: *'],
        [1, 'GET', $Record, $key, 'If-Match: "other"'],
        [1, 'GET', $Record, $key,
         'If-Modified-Since: Sun, 01 Nov 2099 00:00:00 GMT'],
        [1, 'GET', 'entities/2/record?record_id=1', $key],
        [1, 'GET', 'entities/3/record?record_id=1', $key],
        [1, 'GET', 'entities/7/record?record_id=1', $key],
        [1, 'GET', $Record, 'Authorization: Bearer unknown'],
        [1, 'GET', 'entities/7/record?record_id=1',
         'Authorization: Bearer globex'],
        [0, 'GET', 'entities/1/record', $key],
        [0, 'GET', 'entities/1/record?record_id=%zz', $key],
        [0, 'GET', 'entities/x/record?record_id=1', $key],
        [0, 'GET', 'nothing', $key],
        [0, 'GET', $Record],
        [0, 'GET', $Record, 'Authorization: Bearer a b'],
        [0, 'POST', $Record, $key],
        [1, 'GET', $Record, $key, 'Content-Length: 2', '', 'ab'],
    );

    for my $case (@cases) {
        my ($threads, $method, $path, @headers) = @$case;
        my $name = join ' ', $method, $path, map { "[$_]" } @headers;

        unlink "$Gate/entered";

        my $off = raw($nginx, $method, "/of/$path", @headers);
        is(entered(), 0, "$name: no thread");

        my $on = raw($nginx, $method, "/on/$path", @headers);
        is(entered(), $threads, "$name: threads");
        is($on, $off, "$name: the same");
    }

    is(raw($nginx, 'GET', '/on2/entities', $key),
       raw($nginx, 'GET', '/of2/entities', $key), 'no store: the same');

    unlink "$Gate/entered";
    is($nginx->get("/on/nested/off/$Record", 'key')->{body}, $First,
       'off in a nested location');
    is(entered(), 0, 'off in a nested location: no thread');

    my @said = $nginx->error_log() =~ /entity 2 of workspace 1 has not/g;
    is(@said, 1, 'a cause is logged once');

    $nginx->stop();
}


sub raw {
    my ($nginx, $method, $path, @headers) = @_;

    my $bytes = join "\r\n", "$method $path HTTP/1.1", 'Host: localhost',
                             'Connection: close', @headers;
    $bytes .= "\r\n\r\n" if !grep { $_ eq '' } @headers;

    my $got = $nginx->exchange($bytes);
    $got =~ s/^Date: .*\r\n//m;

    return $got;
}


# -- while threads wait -----------------------------------------------------

sub other_requests {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store);

    shut_gate();
    my @waiting = map { begin($nginx, "/on/$Record") } 1 .. 8;
    at_gate(8, 'eight');

    is($nginx->get('/ok')->{body}, "ok\n", 'others are answered');
    is($nginx->get("/of/$Record", 'key')->{body}, $First,
       'so are those that use no threads');
    silent($waiting[0], 'the first');

    open_gate();
    is(finish($nginx, $_), $First, 'the reply comes') for @waiting;

    $nginx->stop();
    is(scalar readers($store), 0, 'no reader is left');
}


sub queue_full {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store, pool => 'small',
                       main => 'thread_pool small threads=1 max_queue=1;');

    shut_gate();
    my @waiting = begin($nginx, "/on/$Record");
    at_gate(1, 'one');
    push @waiting, begin($nginx, "/on/$Record");
    ok(profile_until(10, sub {
        $nginx->get("/on/entities/1/record?record_id=2", 'key')->{body}
            =~ /second/;
    }), 'one more is answered without a thread');
    like($nginx->error_log(), qr/thread pool "small" queue overflow/,
         'nginx says so');

    open_gate();
    is(finish($nginx, $_), $First, 'the others are answered') for @waiting;

    $nginx->stop();
}


sub pages {
    my $record = '/on/entities/1/record?record_id=';
    my $included = join '|', map { "<!--#include virtual=\"$_\" -->" }
                   "${record}1", "${record}2", "${record}none", '/ok';
    my $waited_for = join '|',
                     map { "<!--#include virtual=\"$_\" wait=\"yes\" -->" }
                     "${record}1", "${record}long";

    my $store = profile_store(text('first'));
    my $nginx = daemon($store, config => <<"END");
        location = /page {
            ssi on;
            default_type text/html;
            return 200 '[$included]';
        }
        location = /waits {
            ssi on;
            default_type text/html;
            return 200 '[$waited_for]';
        }
END

    my $page = '[' . join('|', $First, '{"data":{"id":"2","name":"second"}}',
                          profile_error('record_not_found'), "ok\n") . ']';

    is($nginx->get('/page', 'key')->{body}, $page, 'a page');
    is($nginx->get('/waits', 'key')->{body},
       "[$First|" . qq({"data":{"id":"long","text":"$Long"}}]),
       'a page that waits');

    shut_gate();
    my $socket = begin($nginx, '/page');
    at_gate(3, 'subrequests');
    open_gate();
    is(finish($nginx, $socket), $page, 'they wait at the same time');

    # The client leaves in the middle of it.
    for my $path ('/page', '/waits') {
        shut_gate();
        $socket = begin($nginx, $path);
        at_gate(1, $path);
        close $socket;
        is($nginx->get('/ok')->{body}, "ok\n", "$path: the client has left");
        open_gate();
        is($nginx->get($path, 'key')->{status}, 200, "$path: the next client");
    }

    $nginx->stop();
}


sub clients_leave {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store);
    my ($worker) = $nginx->workers();

    for my $path ($Record, 'entities/1/record?record_id=long', 'entities') {
        shut_gate();
        my @clients = map { begin($nginx, "/on/$path") } 1 .. 4;
        at_gate(4, $path);
        close $_ for @clients;
        is($nginx->get('/ok')->{body}, "ok\n", "$path: they have left");
        open_gate();
        is($nginx->get("/on/$Record", 'key')->{body}, $First,
           "$path: the next client");
    }

    # One whose body is still on its way, and never comes.
    shut_gate();
    my $socket = begin($nginx, "/on/$Record", 'Content-Length: 1000');
    at_gate(1, 'a body');
    close $socket;
    is($nginx->get('/ok')->{body}, "ok\n", 'a body: its client has left');
    open_gate();
    is($nginx->get("/on/$Record", 'key')->{body}, $First,
       'a body: the next client');

    # Requests that follow each other on one connection.
    shut_gate();
    $socket = $nginx->connect();
    syswrite $socket, join '', map {
        "GET /on/entities/1/record?record_id=$_ HTTP/1.1\r\nHost: localhost\r\n"
        . "Authorization: Bearer key\r\n"
        . ($_ eq '2' ? "Connection: close\r\n" : '') . "\r\n"
    } '1', 'none', '1', '2';
    at_gate(1, 'pipelined');
    open_gate();
    is(join('|', map { $_->{body} } $nginx->replies($nginx->read_all($socket))),
       join('|', $First, profile_error('record_not_found'), $First,
            '{"data":{"id":"2","name":"second"}}'), 'pipelined: in order');

    is(join(' ', $nginx->workers()), $worker, 'it is the same worker');
    $nginx->stop();
}


# Once a reply did not fit into the socket at once, nginx is told whenever the
# socket can be written to: with each byte that arrives, too.

sub events {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store);
    my $socket = $nginx->connect();
    my $head = "Host: localhost\r\nAuthorization: Bearer key\r\n";

    syswrite $socket, 'GET /on/entities/1/record?record_id=long HTTP/1.1'
                      . "\r\n$head\r\n";

    # Nothing is read before nginx has filled the socket.
    ok(profile_until(15, sub {
        my $some = '';
        recv $socket, $some, 300_000, MSG_PEEK | MSG_DONTWAIT;
        return length $some > 150_000;
    }), 'the socket is full');
    is($nginx->get('/ok')->{body}, "ok\n", 'nginx goes on');

    my $got = '';
    while ($got !~ /\r\n\r\n\{"data":.*\}\}\z/s) {
        IO::Select->new($socket)->can_read(15) or last;
        sysread $socket, $got, 65536, length $got or last;
    }
    like($got, qr/"$Long"\}\}\z/, 'a long reply');

    shut_gate();
    syswrite $socket, "GET /on/$Record HTTP/1.1\r\n$head\r\n";
    at_gate(1, 'the next');

    for my $line ("GET /ok HTTP/1.1\r\n", $head, "Connection: close\r\n") {
        syswrite $socket, $line;
        silent($socket, 'more bytes');
    }

    # That nothing was looked up too early shows in what is found.
    profile_sync($store, text('changed'));
    open_gate();
    syswrite $socket, "\r\n";
    is(join('|', map { $_->{body} } $nginx->replies($nginx->read_all($socket))),
       $First =~ s/first/changed/r . "|ok\n", 'both replies');

    $nginx->stop();
}


sub reload {
    my $store = profile_store(text('first'));
    my $other = profile_store(text('other'));
    my $nginx = daemon($store);
    my ($old) = $nginx->workers();

    shut_gate();
    my @waiting = map { begin($nginx, "/on/$Record") } 1 .. 4;
    at_gate(4, 'before');

    $nginx->configure(config => config($other, 'on'))->reload();
    like($nginx->get("/of/$Record", 'key')->{body}, qr/other/,
         'the new worker serves');
    ok((grep { $_ == $old } $nginx->workers()), 'the old one waits');
    silent($waiting[0], 'an old request');

    open_gate();
    is(finish($nginx, $_), $First, 'an old request is answered')
        for @waiting;
    ok(profile_until(15, sub { !grep { $_ == $old } $nginx->workers() }),
       'the old worker leaves');
    is(scalar readers($store), 0, 'and lets its store go');

    $nginx->stop();
}


sub fast_shutdown {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store);
    my $pid = $nginx->pid();

    # Where nobody else has the store open, LMDB would tidy up.
    my $other = daemon($store);
    is(scalar readers($store), 2, 'two readers');

    shut_gate();
    my @waiting = map { begin($nginx, "/on/$Record") } 1 .. 4;
    at_gate(4, 'before');

    kill 'TERM', $pid;
    ok(profile_until(5, sub { $nginx->error_log() =~ /exiting/ }),
       'the worker has been told');
    open_gate();

    ok(profile_until(15, sub { $nginx->_gone($pid) }), 'nginx leaves');
    $nginx->log_is_clean();
    unlike($nginx->error_log(), qr/exited on signal/, 'no crash');
    is(scalar readers($store), 1, 'no reader is left');
    $other->stop();
    delete $nginx->{pid};
    delete $nginx->{child};
}


sub other_generation {
    my $store = profile_store(text('first'));
    my $other = profile_store(text('other'));
    my $nginx = daemon($store);
    my ($worker) = $nginx->workers();

    shut_gate();
    my @waiting = map { begin($nginx, "/on/$Record") } 1 .. 4;
    at_gate(4, 'before');

    rename profile_generation($other), "$store/gen-000002" or die $!;
    profile_switch($store, 'gen-000002');

    ok(profile_until(10, sub {
        $nginx->get("/of/$Record", 'key')->{body} =~ /other/;
    }), 'the new one is served');
    is(mapped($nginx, $worker), 'gen-000001 gen-000002', 'both are open');

    open_gate();
    like(finish($nginx, $_), qr/"other"/, 'the new one counts') for @waiting;
    ok(profile_until(10, sub { mapped($nginx, $worker) eq 'gen-000002' }),
       'the old one is closed');

    $nginx->stop();
}


# The key is taken away, and the record changed, while a thread waits.

sub refresh {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store);

    shut_gate();
    my @waiting = map { begin($nginx, "/on/$Record") } 1 .. 2;
    at_gate(2, 'before');
    profile_sync($store, text('changed'));
    open_gate();
    like(finish($nginx, $_), qr/"changed"/, 'a change counts') for @waiting;

    shut_gate();
    @waiting = map { begin($nginx, "/on/$Record") } 1 .. 2;
    at_gate(2, 'again');
    profile_sync($store, text('changed') =~ s/key=key/key=new/r);
    open_gate();
    is(finish($nginx, $_), profile_error('invalid_key'),
       'a key that was revoked counts') for @waiting;

    $nginx->stop();
}


# What is then shut must not be in use: the worker waits for the thread.

sub lock_replaced {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store);

    shut_gate();
    my @waiting = map { begin($nginx, "/on/$Record") } 1 .. 2;
    at_gate(2, 'before');

    my $lock = profile_generation($store) . '/lock.mdb';
    rename $lock, "$lock.old" or die $!;
    system('cp', '-p', "$lock.old", $lock);

    ok(profile_until(10, sub {
        my $socket = $nginx->connect();
        syswrite $socket, "GET /ok HTTP/1.0\r\n\r\n";
        return !IO::Select->new($socket)->can_read(0.3);
    }), 'the worker waits for its threads');

    open_gate();
    is(finish($nginx, $_), $First, 'the reply comes') for @waiting;
    is($nginx->get("/on/$Record", 'key')->{body}, $First, 'the store is open');

    $nginx->stop();
}


# -- load -------------------------------------------------------------------

sub under_load {
    my $store = profile_store(text('first'));
    my $nginx = daemon($store, workers => 2);
    my $done = profile_tmp() . '/done';
    my @clients;

    for my $client (1 .. 3) {
        pipe my $in, my $out or die "pipe: $!";
        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            close $in;
            print {$out} load($nginx, $done, $client);
            close $out;
            POSIX::_exit(0);
        }

        push @clients, [$pid, $in];
    }

    for my $round (1 .. 6) {
        my $run = profile_loader($store, 'compact');
        is($run->{status}, 0, "compact $round") or diag($run->{err});
        profile_sync($store, text('first') =~ s/"second"/"second$round"/r);
        $nginx->reload();
    }

    open my $mark, '>', $done or die "$done: $!";
    close $mark;

    for my $client (@clients) {
        my ($pid, $in) = @$client;
        my ($good, $bad, $what) = split / /, join('', <$in>), 3;

        waitpid $pid, 0;
        ok($good > 0, "$good replies are right");
        is($bad, 0, 'none is wrong') or diag($what);
    }

    cmp_ok(entered(), '>', 0, 'threads were at work');
    $nginx->stop();
}


# Bounded in count, and by the test that makes the file.

sub load {
    my ($nginx, $done, $seed) = @_;

    my ($good, $bad, $what) = (0, 0, '');
    srand $seed;

    my %body = (
        1 => qr/\A\{"data":\{"id":"1","name":"first"\}\}\z/,
        2 => qr/\A\{"data":\{"id":"2","name":"second\d?"\}\}\z/,
        long => qr/\A\{"data":\{"id":"long","text":"$Long"\}\}\z/,
        none => qr/record_not_found/,
    );
    my @ids = sort keys %body;

    for (1 .. 20_000) {
        last if -e $done;

        my $id = $ids[rand @ids];
        my $socket = $nginx->connect() or next;

        syswrite $socket, "GET /on/entities/1/record?record_id=$id HTTP/1.0"
                          . "\r\nAuthorization: Bearer key\r\n\r\n";

        next if rand() < 0.1;      # leaves

        my ($head, $body) = split /\r\n\r\n/, $nginx->read_all($socket), 2;

        if (defined $body && $body =~ $body{$id}) {
            $good++;
        } else {
            $bad++;
            $what ||= substr $head . ($body // ''), 0, 300;
        }
    }

    return "$good $bad $what";
}


# -- HTTP/2 -----------------------------------------------------------------

# Frames by hand: streams have to be called off while threads wait.

sub http2 {
    my $store = profile_store(text('first'));
    my $path = profile_tmp() . '/http2';
    my $nginx = daemon($store, http => <<"END");
    server {
        listen unix:$path http2;
        profile_store $store;
        profile_threads on;
        location /on/ { profile_api; }
        location = /ok { return 200 ok; }
    }
END

    shut_gate();
    my $socket = http2_open($path);
    print $socket map { http2_get($_, "/on/$Record") } 1, 3, 5;
    at_gate(3, 'streams');
    print $socket http2_get(7, '/ok');
    is(http2_read($socket, 7)->{7}{body}, 'ok', 'another stream');
    open_gate();
    my $got = http2_read($socket, 1, 3, 5);
    is($got->{$_}{body}, $First, "stream $_") for 1, 3, 5;
    close $socket;

    shut_gate();
    $socket = http2_open($path);
    print $socket map { http2_get($_, "/on/$Record") } 1, 3;
    at_gate(2, 'a stream that is called off');
    print $socket http2_frame(3, 0, 1, pack 'N', 8);
    print $socket http2_get(5, '/ok');
    is(http2_read($socket, 5)->{5}{body}, 'ok', 'another stream');
    open_gate();
    $got = http2_read($socket, 3);
    is($got->{3}{body}, $First, 'the one that was not');
    close $socket;

    shut_gate();
    $socket = http2_open($path);
    print $socket map { http2_get($_, "/on/$Record") } 1, 3, 5;
    at_gate(3, 'a connection that is closed');
    close $socket;
    is($nginx->get('/ok')->{body}, "ok\n", 'the client has left');
    open_gate();
    is($nginx->get("/on/$Record", 'key')->{body}, $First, 'the next client');

    # While nginx reloads, the connection is told to go.
    shut_gate();
    $socket = http2_open($path);
    print $socket map { http2_get($_, "/on/$Record") } 1, 3;
    at_gate(2, 'reload');
    $nginx->reload();
    open_gate();
    $got = http2_read($socket, 1, 3);
    is($got->{$_}{body}, $First, "reload: stream $_") for 1, 3;
    close $socket;

    $nginx->stop();
}


sub http2_frame {
    my ($type, $flags, $stream, $payload) = @_;

    $payload //= '';
    my $length = length $payload;

    return pack('CnCCN', $length >> 16, $length & 0xffff, $type, $flags,
                $stream) . $payload;
}


sub http2_get {
    my ($stream, $path) = @_;

    my @fields = (':method', 'GET', ':scheme', 'http', ':path', $path,
                  ':authority', 'localhost', authorization => 'Bearer key');
    my $block = '';

    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= "\0" . join '', map { chr(length) . $_ } $name, $value;
    }

    return http2_frame(1, 5, $stream, $block);
}


sub http2_open {
    my ($path) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $path) or die "connect: $!";
    $socket->autoflush(1);
    print $socket "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http2_frame(4, 0, 0);

    return $socket;
}


# Reads until all of these streams have ended.

sub http2_read {
    my ($socket, @wanted) = @_;

    my ($in, %stream) = ('');
    my %open = map { $_ => 1 } @wanted;

    while (%open && IO::Select->new($socket)->can_read(15)) {
        sysread $socket, $in, 65536, length $in or last;

        while (length $in >= 9) {
            my ($high, $low, $type, $flags, $id) = unpack 'CnCCN', $in;
            my $length = $high << 16 | $low;
            last if length $in < 9 + $length;

            my $payload = substr $in, 9, $length;
            substr $in, 0, 9 + $length, '';

            $stream{$id}{body} .= $payload if $type == 0;
            delete $open{$id} if $type <= 1 && $flags & 1;
        }
    }

    return \%stream;
}


# -- configuration ----------------------------------------------------------

sub configuration {
    my $store = profile_store(text('first'));

    my @bad = (
        ['nowhere', qr/unknown thread pool "nowhere"/],
        ['on; profile_threads off',
         qr/"profile_threads" directive is duplicate/],
        ['on off', qr/invalid number of arguments in "profile_threads"/],
    );

    for my $case (@bad) {
        my ($value, $message) = @$case;

        my $nginx = Test::Nginx::Profile::Daemon->new(
            config => "profile_threads $value;");

        is($nginx->test(), 1, "profile_threads $value: refused");
        like($nginx->error_log() . $nginx->output(), $message, 'and named');
    }
}


sub without_threads {
    my $nginx = Test::Nginx::Profile::Daemon->new(
        config => 'profile_threads off;');
    is($nginx->test(), 0, 'nginx without threads: off is allowed');

    $nginx = Test::Nginx::Profile::Daemon->new(config => 'profile_threads on;');
    is($nginx->test(), 1, 'nginx without threads: on is refused');
    like($nginx->error_log(), qr/unsupported: nginx was built without threads/,
         'and named');
}
