package ProfileBench;

# What the programs of t/bench share: rows and stores, servers on free ports,
# CPU time of all of their processes, load, rounds that take turns, and tables.
# They print figures and judge nothing, but for replies that are not what they
# have to be: those end a program.
#
# Settings come from the environment: RECORDS, ROUNDS and DURATION, the seconds
# of one round; SERVER_CORES and LOAD_CORES, as taskset(1) takes them; BUILD,
# PROFILE_LOADER and TEST_NGINX_BINARY as in the tests. Files go below TMPDIR.
#
# Perl's own modules only.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use List::Util qw(max min sum0);
use POSIX ();
use ProfileRows;
use Time::HiRes qw(sleep time);

our @EXPORT = (@ProfileRows::EXPORT, qw(
    bench_dir build_dir loader_path nginx_path
    setting load_setting core_count pinned
    entity_source key_of new_store
    free_port kill_server new_daemon new_nginx stop_all wait_for worker_of
    cpu_time own_memory
    constant_location same_headers
    check_records check_same_size exchange get requester
    h2load_run uri_lists wrk_run
    measure median print_table
    describe
    command_ok get_file put_file quiet_command
));

my $Top = abs_path(dirname(__FILE__) . '/../../..');
my $Lib = "$Top/t/bench/lib";

# Children must not stop and remove what belongs to the program.
my $Owner = $$;
my (%Server, $Dir);

# The greatest piece of text that nginx takes in its configuration, and some.
my $Piece = 3900;

$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
$| = 1;


END {
    my $status = $?;

    if ($$ == $Owner) {
        stop_all();
        system 'rm', '-rf', $Dir if defined $Dir;
    }

    $? = $status;
}


# -- settings -----------------------------------------------------------------

# How wrk asks, on which cores, and for how long.

sub load_setting {
    my ($rounds, $seconds) = @_;

    my $cores = core_count() < 2 ? 'all on one core'
              : sprintf 'servers on core %s, the load on core %s',
                $ENV{SERVER_CORES} // '0', $ENV{LOAD_CORES} // '1';

    return "one worker, 64 connections that are kept, $cores, $rounds rounds "
           . "of $seconds s";
}


sub setting {
    my ($name, $default) = @_;

    my $value = $ENV{$name};

    return $default if !defined $value || $value eq '';

    die "$name=$value is no number above 0\n"
        unless $value =~ /^[\d.]+$/ && $value > 0;

    return $value;
}


# A folder that nginx's workers may enter, gone when the program ends.

sub bench_dir {
    if (!defined $Dir) {
        $Dir = tempdir('profile-bench-XXXXXX', TMPDIR => 1);
        chmod 0755, $Dir;
    }

    return $Dir;
}


sub build_dir { return "$Top/" . ($ENV{BUILD} || 'build') }
sub loader_path {
    return $ENV{PROFILE_LOADER} || build_dir() . '/profile-loader';
}
sub nginx_path { return $ENV{TEST_NGINX_BINARY} || 'nginx' }
sub core_count { return POSIX::sysconf(84) || 1 }    # _SC_NPROCESSORS_ONLN


# pinned('server', 'load' or cores): the beginning of a command line that keeps
# a program on its cores; "all" leaves that to the system.

sub pinned {
    my ($who) = @_;

    my $cores = $who eq 'server' ? $ENV{SERVER_CORES} // '0'
              : $who eq 'load'   ? $ENV{LOAD_CORES} // '1'
              :                    $who;

    return core_count() > 1 && $cores ne 'all' ? ('taskset', '-c', $cores) : ();
}


# -- stores -------------------------------------------------------------------

sub key_of { return "secret-token:benchmark-$_[0]" }


# A source that is a command: a FUNCTION of ProfileRows with its arguments.

sub entity_source {
    my ($function, @arguments) = @_;

    return '{ "command": [ '
           . join(', ', map { "\"$_\"" } $^X, "-I$Lib", '-MProfileRows', '-e',
                  "$function(\@ARGV)", @arguments) . ' ] }';
}


# new_store(NAME, records => 1000, bytes => 360, keys => 1, entities => 1):
# loads it; with "changes" so many rows change with each further `sync`.
# Entities but the first are of one record.

sub new_store {
    my ($name, %option) = @_;

    my $dir = bench_dir();
    my $group = $option{group} // getgrgid($( + 0);
    my $records = $option{records};
    my $bytes = $option{bytes} // 360;

    my $source = $option{changes}
        ? '"source": ' . entity_source('write_changes', '--', '{cursor}',
                                       $records, $bytes, $option{changes})
          . ', "refresh": { "mode": "incremental", "cursor": "version" }'
        : '"source": ' . entity_source('write_rows', $records, $bytes);
    my @entities = "{ \"id\": 1, \"name\": \"Users\", \"primary_key\": \"id\","
                   . " \"format\": \"ndjson\", $source }";

    for my $i (2 .. $option{entities} // 1) {
        push @entities, "{ \"id\": $i, \"name\": \"Entity $i\", "
            . '"primary_key": "id", "format": "ndjson", "source": '
            . entity_source('write_rows', 1, 360) . ' }';
    }

    my @keys = map { my $digest = sha256_hex(key_of($_));
                     "{ \"name\": \"k$_\", \"sha256\": \"$digest\" }" }
        0 .. ($option{keys} // 1) - 1;

    my $store = {
        name => $name, records => $records, bytes => $bytes,
        dir => "$dir/$name", config => "$dir/$name.json",
        versions => $option{changes} ? 1 : 0,
    };

    put_file($store->{config}, "{ \"store\": \"$name\", \"group\": \"$group\",
  \"workspaces\": [ { \"id\": 1, \"name\": \"Bench\",
    \"keys\": [ " . join(",\n      ", @keys) . " ],
    \"entities\": [ " . join(",\n      ", @entities) . " ] } ] }\n");

    quiet_command(loader_path(), '-c', $store->{config}, 'sync');

    return $store;
}


# -- servers ------------------------------------------------------------------

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "listen: $!\n";

    return $socket->sockport;
}


# new_daemon(NAME, COMMAND, port => N or sock => PATH): starts a program that
# stays in the foreground and waits until it listens.

sub new_daemon {
    my ($name, $command, %option) = @_;

    my $dir = bench_dir();
    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        open STDOUT, '>', "$dir/$name.out" or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);

        $option{before}->() if $option{before};

        exec @$command or POSIX::_exit(127);
    }

    my $server = { %option, name => $name, pid => $pid };

    $Server{$pid} = $server;

    wait_for(sub {
        die "$name ends:\n" . get_file("$dir/$name.out")
            if waitpid($pid, POSIX::WNOHANG()) > 0 && delete $Server{$pid};

        return $option{sock} ? IO::Socket::UNIX->new($option{sock})
             : IO::Socket::INET->new("127.0.0.1:$option{port}");
    }, $option{patience} // 30) or die "$name does not listen\n";

    return $server;
}


# new_nginx(NAME, server => TEXT, http => TEXT, main => TEXT, workers => 1,
# cores => 'server'): one that listens on a free port, without logs of access.

sub new_nginx {
    my ($name, %option) = @_;

    my $dir = bench_dir() . "/nginx-$name";
    my $port = free_port();
    my $workers = $option{workers} // 1;
    my $modules = join '', map { "load_module $_;\n" }
        build_dir() . '/ngx_http_profile_module.so', @{ $option{modules} // [] };
    my $group = $option{group} // getgrgid($( + 0);
    my $user = $option{user} // getpwuid($>);
    my $main = $option{main} // '';
    my $http = $option{http} // '';
    my $listen = $option{listen} // '';

    mkdir $dir or croak "$dir: $!";

    # Who is not root may not choose, and need not.
    $main .= "user $user $group;" if $> == 0;

    put_file("$dir/nginx.conf", <<"END");
$modules
worker_processes $workers;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
$main
events {
    worker_connections 1024;
}
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    $http
    server {
        listen 127.0.0.1:$port $listen;
        $option{server}
    }
}
END

    my @command = (nginx_path(), '-p', $dir, '-c', "$dir/nginx.conf", '-e',
                   "$dir/error.log");

    unshift @command, pinned($option{cores} // 'server');
    unshift @command, @{ $option{runner} } if $option{runner};

    return new_daemon("nginx-$name", \@command, %option, port => $port,
                      prefix => $dir, tls => $listen =~ /\bssl\b/ ? 1 : 0);
}


sub kill_server {
    my ($server, $signal) = @_;

    my $pid = $server->{pid};

    return if !delete $Server{$pid};

    # Again and again: nginx that is about to wait for an event goes on to
    # wait, whatever signal has just come.
    for (1 .. 60) {
        kill $signal // 'TERM', $pid;

        return if wait_for(sub { waitpid($pid, POSIX::WNOHANG()) != 0 }, 1);
    }

    kill 'KILL', _processes($pid);
    waitpid $pid, 0;

    return;
}


sub stop_all {
    kill_server($_) for values %Server;

    return;
}


sub wait_for {
    my ($condition, $seconds) = @_;

    my $end = time + $seconds;

    while (1) {
        my $found = $condition->();

        return $found if $found;
        return if time > $end;
        sleep 0.02;
    }
}


sub worker_of {
    my ($server) = @_;

    return wait_for(sub { (_children($server->{pid}))[0] }, 30)
        || die "$server->{name} has no worker\n";
}


sub _children {
    my ($pid) = @_;

    my $text = '';

    for my $file (glob "/proc/$pid/task/*/children") {
        open my $in, '<', $file or next;
        $text .= join ' ', <$in>, '';
    }

    return split ' ', $text;
}


sub _processes {
    my ($pid) = @_;

    return ($pid, map { _processes($_) } _children($pid));
}


# Nanoseconds of CPU that all threads of all processes of servers have used.

sub cpu_time {
    my (@servers) = @_;

    my $time = 0;

    for my $pid (map { _processes($_->{pid}) } @servers) {
        for my $file (glob "/proc/$pid/task/*/schedstat") {
            open my $in, '<', $file or next;
            $time += (split ' ', <$in> // 0)[0];
        }
    }

    return $time;
}


# Bytes that a process has for itself: all anonymous memory, and what it has
# written to of all that it maps.

sub own_memory {
    my ($pid) = @_;

    my ($anonymous) = get_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
    my ($dirty) = get_file("/proc/$pid/smaps_rollup")
                  =~ /^Private_Dirty:\s+(\d+)/m;

    return (($anonymous // 0) * 1024, ($dirty // 0) * 1024);
}


# -- the constant -------------------------------------------------------------

# constant_location(PATH, BODY): (for http, for server) what answers with BODY
# and the headers that the module's replies have. nginx takes no text of more
# than four kilobytes: a longer one is put together of variables, a copy that
# a module has to make as well.

my $Pieces = 0;

sub constant_location {
    my ($path, $body) = @_;

    my ($http, $text) = ('', '');

    if (length $body <= $Piece) {
        $text = $body;

    } else {
        for my $piece (unpack "(a$Piece)*", $body) {
            my $name = sprintf '$piece_%d', $Pieces++;

            $http .= "map '' $name { default '$piece'; }\n";
            $text .= $name;
        }
    }

    return ($http, <<"END");
        location = $path {
            default_type application/json;
            @{[ same_headers() ]}
            return 200 '$text';
        }
END
}


sub same_headers {
    return <<'END';
            add_header Last-Modified "Sun, 01 Nov 2026 00:00:00 GMT";
            add_header ETag '"0123456789abcdef0123456789abcdef"';
            add_header Cache-Control "private, no-cache";
            add_header Vary "Authorization, Authentication";
END
}


# -- single requests ----------------------------------------------------------

# requester(SERVER): a connection that is kept.

sub requester {
    my ($server) = @_;

    return IO::Socket::INET->new("127.0.0.1:$server->{port}")
        || die "$server->{name}: connect: $!\n";
}


# exchange(CONNECTION, METHOD, PATH, HEADER...): head and body of the reply.

sub exchange {
    my ($socket, $method, $path, @headers) = @_;

    my $reply = '';
    my $request = join "\r\n", "$method $path HTTP/1.1", 'Host: bench',
                  @headers, '', '';

    syswrite $socket, $request or die "write: $!\n";

    while (1) {
        sysread $socket, $reply, 1 << 18, length $reply
            or die "$method $path: the connection ends\n";

        my $end = index $reply, "\r\n\r\n";

        next if $end < 0;

        my $head = substr $reply, 0, $end;
        my ($length) = $head =~ /^Content-Length: (\d+)/mi;

        $length = 0 if $method eq 'HEAD' || $head =~ / 304 /
                       || !defined $length;

        return ($head, substr $reply, $end + 4)
            if length($reply) >= $end + 4 + $length;
    }
}


sub get {
    my ($server, $path, @headers) = @_;

    return exchange(requester($server), 'GET', $path,
                    "Authorization: Bearer " . key_of(0), @headers);
}


# check_records(SERVER, STORE, COUNT): records at random have to be the ones
# that are asked for. Returns the last one's reply.

sub check_records {
    my ($server, $store, $count) = @_;

    my $socket = requester($server);
    my @reply;

    for my $i (0, map { int rand $store->{records} } 2 .. $count) {
        @reply = exchange($socket, 'GET', record_path($i),
                          'Authorization: Bearer ' . key_of(0));

        my $wanted = body_of($i, $store->{bytes});

        if ($store->{versions}) {
            my ($version) = $reply[1] =~ /"version":"(\d+)"/;

            $wanted = body_of($i, $store->{bytes}, undef, $version // 0);
        }

        die "$server->{name}: record $i is not what was loaded:\n"
            . "$reply[0]\n$reply[1]\n" if $reply[1] ne $wanted;
    }

    return @reply;
}


# What is compared has to be of one size.

sub check_same_size {
    my ($server, @paths) = @_;

    my @sizes = map { my ($head, $body) = get($server, $_);
                      length($head) + length($body) } @paths;

    die "$server->{name}: replies differ in size: @paths: @sizes\n"
        if max(@sizes) != min(@sizes);

    return $sizes[0] + 4;
}


# -- load ---------------------------------------------------------------------

# wrk_run(KIND, SECONDS): requests without a pause from 64 connections that are
# kept. A kind has a server, a path, "random", a number of records of which
# each request asks for one, or "list", a file of lines of a path, a tab and a
# header; "headers"; "status" where it is an error's, as wrk counts those; a
# "pause" after each reply, in milliseconds; "at_once", how many random ones are
# asked before the first reply, whose waiting times wrk does not count rightly;
# "connections" and "load_cores".

sub wrk_run {
    my ($kind, $seconds) = @_;

    my $server = $kind->{server};
    my $connections = $kind->{connections} // 64;
    my $script = bench_dir() . '/wrk.lua';

    put_file($script, _wrk_script()) if !-f $script;

    local $ENV{BENCH_PATH} = $kind->{path} // '';
    local $ENV{BENCH_RANDOM} = $kind->{random} // 0;
    local $ENV{BENCH_LIST} = $kind->{list} // '';
    local $ENV{BENCH_AT_ONCE} = $kind->{at_once} // 1;
    local $ENV{BENCH_PAUSE} = $kind->{pause} // 0;
    local $ENV{BENCH_HEADERS} = join "\n", @{ _headers($kind) };

    my @command = (pinned($kind->{load_cores} // 'load'), 'timeout',
                   $seconds + 30, 'wrk', '-t1', "-c$connections",
                   "-d${seconds}s", '--latency', '-s', $script,
                   ($server->{tls} ? 'https' : 'http')
                   . "://127.0.0.1:$server->{port}");

    # wrk takes whole seconds only.
    die "DURATION=$seconds is no whole number\n" if $seconds =~ /\D/;

    my $out = _output(@command);
    my ($requests, $us, $failed, $refused, $max, @percentiles)
        = $out =~ /^bench((?: [\d.]+)+)$/m ? split ' ', $1
        : die "@command:\n$out";

    $failed += $kind->{status} ? $requests - $refused : $refused;

    return { requests => $requests, seconds => $us / 1e6, errors => $failed,
             max => $max / 1000,
             percentiles => [ ($kind->{at_once} // 1) > 1
                              ? () : map { $_ / 1000 } @percentiles ] };
}


sub _headers {
    my ($kind) = @_;

    return $kind->{headers} // [ 'Authorization: Bearer ' . key_of(0) ];
}


sub _wrk_script {
    return <<'END';
local path, n = os.getenv("BENCH_PATH"), tonumber(os.getenv("BENCH_RANDOM"))
local list = os.getenv("BENCH_LIST")
local random, format = math.random, wrk.format
local at_once = tonumber(os.getenv("BENCH_AT_ONCE"))
local lines = {}
local pause = tonumber(os.getenv("BENCH_PAUSE"))

if pause > 0 then
    delay = function() return pause end
end

for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]*)") do
    wrk.headers[name] = value
end

math.randomseed(os.time())

function init(args)
    if list ~= "" then
        for line in io.lines(list) do
            local one, name, value = line:match("^(%S+)\t(%S+): (.*)$")

            wrk.headers[name] = value
            lines[#lines + 1] = format("GET", one)
        end

        request = function() return lines[random(#lines)] end

    elseif n > 0 then
        local before, after = format("GET", path .. "@"):match("^(.-)@(.*)$")

        local one = function()
            return before .. random(100000000, 99999999 + n) .. after
        end

        request = at_once == 1 and one or function()
            local several = {}

            for i = 1, at_once do
                several[i] = one()
            end

            return table.concat(several)
        end

    else
        local one = format("GET", path)

        request = function() return one end
    end
end

function done(summary, latency, requests)
    local e = summary.errors

    io.write(string.format("\nbench %d %d %d %d %d %d %d %d\n",
             summary.requests, summary.duration,
             e.connect + e.read + e.write + e.timeout, e.status, latency.max,
             latency:percentile(50), latency:percentile(99),
             latency:percentile(99.9)))
end
END
}


# h2load_run(KIND, SECONDS): the same by HTTP/2, or by HTTP/1.1 with "h1", from
# four programs with one connection and 16 requests at a time each: one of them
# alone would let all of its connections ask for the same records in the same
# order.  A kind has "lists", four files of URIs; "method".

sub h2load_run {
    my ($kind, $seconds) = @_;

    my $dir = bench_dir();
    my @pids;

    for my $i (0 .. 3) {
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            open STDOUT, '>', "$dir/h2load.$i.out" or POSIX::_exit(126);
            open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
            unlink "$dir/h2load.$i.log";

            my @command = (pinned('load'), 'timeout', $seconds + 30, 'h2load',
                           '-D', $seconds, '-c1', '-m16', '-i',
                           $kind->{lists}[$i], "--log-file=$dir/h2load.$i.log",
                           map { ('-H', $_) } @{ _headers($kind) });

            push @command, '--h1' if $kind->{h1};
            push @command, '-H', ":method: $kind->{method}" if $kind->{method};

            exec @command or POSIX::_exit(127);
        }

        push @pids, $pid;
    }

    waitpid $_, 0 for @pids;

    my ($requests, $errors, @times) = (0, 0);

    for my $i (0 .. 3) {
        my $out = get_file("$dir/h2load.$i.out");
        my ($done, $bad) = $out =~ /(\d+) done, \d+ succeeded, (.*)/
            or die "h2load:\n$out";
        my ($codes) = $out =~ /^status codes: \d+ 2xx, (.*)/m
            or die "h2load:\n$out";

        $requests += $done;
        $errors += $_ for "$bad $codes" =~ /(\d+) /g;

        open my $in, '<', "$dir/h2load.$i.log" or die "h2load.$i.log: $!\n";
        push @times, (split ' ')[2] while <$in>;
    }

    @times = sort { $a <=> $b } @times;

    return { requests => $requests, seconds => $seconds, errors => $errors,
             percentiles => [ map { $times[$#times * $_] / 1000 }
                              0.5, 0.99, 0.999 ] };
}


# uri_lists(SERVER, NAME, RECORDS, PATH): four files of 50,000 URIs, each of a
# record at random, or of PATH with a record's id.

sub uri_lists {
    my ($server, $name, $records, $path) = @_;

    my $base = ($server->{tls} ? 'https' : 'http')
               . "://127.0.0.1:$server->{port}" . ($path // record_path());
    my @files;

    for my $i (0 .. 3) {
        my $file = bench_dir() . "/uris-$server->{name}-$name.$i";
        my $text = '';

        $text .= $base . record_id(int rand $records) . "\n" for 1 .. 50_000;
        put_file($file, $text);
        push @files, $file;
    }

    return \@files;
}


# -- rounds -------------------------------------------------------------------

# measure(ROUNDS, SECONDS, KIND...): the kinds take turns in each round, since
# the speed of a machine drifts, after one round of a second that warms up. A
# kind has a name, a server and what wrk_run() wants; "run", where something
# else asks; "others", more servers whose CPU time counts; "before" and
# "after". Each gets "figures": what the rounds have measured, by name.

sub measure {
    my ($rounds, $seconds, @kinds) = @_;

    for my $round (0 .. $rounds) {
        for my $kind (@kinds) {
            my $run = $kind->{run} // \&wrk_run;
            my @servers = ($kind->{server}, @{ $kind->{others} // [] });

            $kind->{before}->() if $kind->{before};

            my $before = cpu_time(@servers);
            my $begun = time;
            my $result = $run->($kind, $round ? $seconds : 1);
            my $elapsed = time - $begun;
            my $spent = cpu_time(@servers) - $before;

            $kind->{after}->() if $kind->{after};

            die "$kind->{name}: no request\n" if !$result->{requests};

            next if !$round;

            my $figures = $kind->{figures} //= {};

            push @{ $figures->{rate} },
                 $result->{requests} / $result->{seconds};
            push @{ $figures->{cpu} }, $spent / 1000 / $result->{requests};
            push @{ $figures->{busy} }, $spent / 1e9 / $elapsed;
            push @{ $figures->{errors} }, $result->{errors};

            my @names = qw(p50 p99 p999);

            push @{ $figures->{ shift @names } }, $_
                for @{ $result->{percentiles} };
        }
    }

    return;
}


# print_table(BASE, KIND...): medians. What is compared with another kind, BASE
# or the one that a kind names as its "base", is the median of the ratios of
# each round: two figures that were measured one after the other.

sub print_table {
    my ($base, @kinds) = @_;

    my %by_name = map { $_->{name} => $_ } @kinds;

    printf "%-26s %10s %8s %15s %6s %8s %8s %8s %6s %7s  %s\n", '',
           'requests/s', 'CPU us', 'from to', 'ratio', 'p50 ms', 'p99 ms',
           'p99.9', 'p99 /', 'errors', 'compared with';

    for my $kind (@kinds) {
        my $f = $kind->{figures};
        my $other = $by_name{ $kind->{base} // $base };

        printf "%-26s %10.0f %8.2f %15s %6.2f %8s %8s %8s %6s %7d  %s\n",
               $kind->{name}, median($f->{rate}), median($f->{cpu}),
               sprintf('%.2f %.2f', min(@{ $f->{cpu} }), max(@{ $f->{cpu} })),
               _ratio($f->{cpu}, $other->{figures}{cpu}),
               (map { $f->{$_} ? sprintf '%.3f', median($f->{$_}) : '-' }
                qw(p50 p99 p999)),
               $f->{p99} ? sprintf '%.2f', _ratio($f->{p99},
                                                  $other->{figures}{p99}) : '-',
               sum0(@{ $f->{errors} }),
               $other == $kind ? '' : $other->{name};
    }

    return;
}


sub _ratio {
    my ($one, $other) = @_;

    return median([ map { $other->[$_] ? $one->[$_] / $other->[$_] : 0 }
                    0 .. $#$one ]);
}


sub median {
    my @sorted = sort { $a <=> $b } @{ $_[0] };

    return $sorted[@sorted / 2];
}


# -- what was measured, and where ---------------------------------------------

# describe(WHAT, PACKAGE...): machine, versions and settings.

sub describe {
    my ($what, @packages) = @_;

    my ($cpu) = map { /^model name\s*:\s*(.*)/ } _lines('/proc/cpuinfo');
    my ($memory) = map { /^MemTotal:\s*(\d+)/ } _lines('/proc/meminfo');
    my ($load) = map { (split ' ')[0] } _lines('/proc/loadavg');
    my ($system) = map { /^PRETTY_NAME="?(.*?)"?$/ }
        _lines('/etc/os-release');
    my $revision = _output('git', '-C', $Top, 'describe', '--always',
                           '--dirty');
    my $type = _output('stat', '-f', '-c', '%T', bench_dir());
    my ($nginx) = _output(nginx_path(), '-v') =~ m{nginx/(\S+)};

    chomp($revision, $type);

    my %version = _versions('liblmdb0', 'libjansson4', 'libssl3',
                                    @packages);

    printf "%s, %s cores, %.0f GiB, load %s; %s, Linux %s\n",
           $cpu // 'a processor', core_count(), ($memory // 0) / 1048576,
           $load // '?', $system // 'a system', (POSIX::uname())[2];
    printf "revision %s; nginx %s; %s; files on %s\n",
           $revision =~ /^\S+$/ ? $revision : 'not known', $nginx // '?',
           join(', ', map { "$_ $version{$_}" } sort keys %version),
           $type;
    print "$what\n\n";

    return;
}


sub _versions {
    my (@packages) = @_;

    return map { split ' ' } grep { /^\S+ \d/ } split /\n/,
        _output('dpkg-query', '-W', '-f', '${Package} ${Version}\n',
                @packages);
}


# -- tools --------------------------------------------------------------------

# What a command says, both ways.

sub _output {
    my (@command) = @_;

    my $pid = open my $in, '-|';

    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        exec @command or POSIX::_exit(127);
    }

    local $/;
    my $text = <$in> // '';

    close $in;

    return $text;
}


sub command_ok {
    system(@_) == 0 or die "@_ failed\n";

    return;
}


# A command whose output only matters where it fails.

sub quiet_command {
    my $text = _output(@_);

    die "@_ failed:\n$text" if $? != 0;

    return;
}


sub get_file {
    my ($file) = @_;

    open my $in, '<', $file or die "$file: $!\n";
    local $/;

    return scalar <$in> // '';
}


sub _lines {
    my ($file) = @_;

    open my $in, '<', $file or return;

    return <$in>;
}


sub put_file {
    my ($file, $text) = @_;

    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";

    return;
}

1;
