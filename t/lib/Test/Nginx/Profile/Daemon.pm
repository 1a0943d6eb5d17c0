package Test::Nginx::Profile::Daemon;

# An nginx of its own for tests that Test::Nginx has no section for: raw
# bytes, signals, processes, a store that changes between two requests. It
# listens on a UNIX socket in a private folder, so that any number of tests
# can run at the same time.

use strict;
use warnings;

use Carp qw(croak);
use File::Spec ();
use File::Temp qw(tempdir);
use IO::Select ();
use IO::Socket::UNIX ();
use POSIX qw(WNOHANG);
use Test::More ();
use Time::HiRes qw(time);

use Test::Nginx::Profile::Store;

# What may never be in an error log.
my $Bad = qr/\[alert\]|\[emerg\]|Sanitizer/;


# -- life -------------------------------------------------------------------

sub new {
    my ($class, %option) = @_;

    my $prefix = tempdir('nginx-XXXXXX', DIR => profile_tmp());
    chmod 0755, $prefix;

    my $self = bless {
        master => 'on', daemon => 'off', workers => 1, log_level => 'info',
        main => '', http => '', config => '', log_offset => 0,
        %option, prefix => $prefix, owner => $$,
    }, $class;

    $self->configure(%option);

    return $self;
}


sub configure {
    my ($self, %option) = @_;

    %$self = (%$self, %option);

    my $conf = $self->_modules() . $self->_user() . <<"END";
worker_processes $self->{workers};
daemon $self->{daemon};
master_process $self->{master};
error_log $self->{prefix}/error.log $self->{log_level};
pid $self->{prefix}/nginx.pid;
env LD_PRELOAD;
env ASAN_OPTIONS;
env UBSAN_OPTIONS;
$self->{main}
events {
    worker_connections 512;
}
http {
    access_log $self->{prefix}/access.log;
    client_body_temp_path $self->{prefix}/body_temp;
    proxy_temp_path $self->{prefix}/proxy_temp;
    fastcgi_temp_path $self->{prefix}/fastcgi_temp;
    uwsgi_temp_path $self->{prefix}/uwsgi_temp;
    scgi_temp_path $self->{prefix}/scgi_temp;
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    $self->{http}
    server {
        listen unix:$self->{prefix}/sock;
        server_name localhost;
        $self->{config}
    }
}
END

    open my $out, '>', "$self->{prefix}/nginx.conf" or croak "nginx.conf: $!";
    print {$out} $conf;
    close $out;

    return $self;
}


sub start {
    my ($self) = @_;

    my $pid = $self->_spawn();

    if ($self->{daemon} eq 'on') {
        waitpid $pid, 0;
        croak "nginx exits with $?:\n" . $self->error_log() if $?;

    } else {
        $self->{child} = $pid;
    }

    profile_until($self->patience(), sub {
        return 1 if -s "$self->{prefix}/nginx.pid" && $self->connect();
        return $self->{child} && waitpid($self->{child}, WNOHANG) > 0;
    }) or croak "nginx does not listen:\n" . $self->error_log();

    $self->{pid} = $self->_read("nginx.pid") + 0
        or croak "nginx does not start:\n" . $self->error_log();

    profile_until($self->patience(), sub { scalar $self->workers() })
        if $self->{master} eq 'on';

    return $self;
}


sub test {
    my ($self) = @_;

    my $pid = $self->_spawn('-t');
    waitpid $pid, 0;

    return $? >> 8;
}


sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers();

    kill 'HUP', $self->{pid};

    profile_until($self->patience(), sub {
        grep { !$old{$_} && !$self->_leaving($_) } $self->workers();
    }) or croak "nginx does not reload:\n" . $self->error_log();

    # An old worker may still accept until it has read its signal.
    profile_until($self->patience(), sub {
        !grep { $old{$_} && !$self->_leaving($_) } $self->workers();
    }) or croak 'the old workers do not leave';

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return $self;

    kill 'QUIT', $pid;

    my $gone = profile_until($self->patience(), sub { $self->_gone($pid) });
    $self->kill_all($pid) if !$gone;

    Test::More::ok($gone, 'nginx leaves when it is told to');
    $self->log_is_clean();

    return $self;
}


sub log_is_clean {
    my ($self) = @_;

    my @bad = grep { /$Bad/ } split /\n/, $self->error_log();
    @bad = grep { $_ !~ $self->{expected} } @bad if $self->{expected};

    return Test::More::is("@bad", '', 'no alert and no Sanitizer in the log');
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);

    return if $$ != $self->{owner};

    my $pid = $self->{pid} || $self->{child} or return;
    $self->kill_all($pid);

    return;
}


sub kill_all {
    my ($self, $pid) = @_;

    kill 'KILL', $_ for $self->_children($pid);
    kill 'KILL', $pid;

    profile_until(5, sub { $self->_gone($pid) });

    return;
}


# -- processes --------------------------------------------------------------

sub pid { return $_[0]{pid} }


sub workers {
    my ($self) = @_;

    return $self->{pid} if $self->{master} eq 'off';

    return grep { $self->_title($_) =~ /worker process/ }
           $self->_children($self->{pid});
}


sub processes {
    my ($self) = @_;

    return ($self->{pid}, $self->_children($self->{pid}));
}


sub maps {
    my ($self, $pid) = @_;

    open my $in, '<', "/proc/$pid/maps" or return;

    return <$in>;
}


sub _children {
    my ($self, $pid) = @_;

    open my $in, '<', "/proc/$pid/task/$pid/children" or return;

    return split ' ', <$in> // '';
}


sub _title {
    my ($self, $pid) = @_;

    open my $in, '<', "/proc/$pid/cmdline" or return '';

    return <$in> // '';
}


sub _leaving {
    my ($self, $pid) = @_;

    return $self->_title($pid) =~ /shutting down|\A\z/;
}


sub _gone {
    my ($self, $pid) = @_;

    waitpid $pid, WNOHANG;

    return !kill 0, $pid;
}


sub _spawn {
    my ($self, @options) = @_;

    my $prefix = $self->{prefix};
    my $binary = _binary();

    my $pid = fork();
    croak "fork: $!" if !defined $pid;
    return $pid if $pid;

    $ENV{LD_PRELOAD} = join ' ', $ENV{TEST_NGINX_LD_PRELOAD},
                                 $ENV{LD_PRELOAD} // ''
        if $ENV{TEST_NGINX_LD_PRELOAD};

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$prefix/output";
    open STDERR, '>>', "$prefix/output";

    { no warnings 'exec';
      exec $binary, '-p', "$prefix/", '-c', "$prefix/nginx.conf",
           '-e', "$prefix/error.log", @options; }

    POSIX::_exit(127);
}


sub _binary {
    return $ENV{TEST_NGINX_BINARY} if $ENV{TEST_NGINX_BINARY};

    for my $dir (split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin') {
        return "$dir/nginx" if -x "$dir/nginx";
    }

    croak 'no nginx found';
}


sub _modules {
    my ($self) = @_;

    my $modules = $ENV{TEST_NGINX_LOAD_MODULES};

    if (!defined $modules) {
        my $built = 'build/ngx_http_profile_module.so';
        $modules = -f $built ? File::Spec->rel2abs($built) : '';
    }

    return join '', map { "load_module $_;\n" } split ' ', $modules;
}


sub _user {
    my ($self) = @_;

    return '' if $> != 0;
    return "user $ENV{TEST_NGINX_WORKER_USER};\n"
        if $ENV{TEST_NGINX_WORKER_USER};

    my @user = getpwnam('nobody') or return "user root;\n";

    return 'user nobody ' . getgrgid($user[3]) . ";\n";
}


# How long nginx may take before it is said to hang. A busy disk stops a worker
# for seconds where a page has to be read while others are written.

sub patience { return 60 }


# -- logs -------------------------------------------------------------------

sub error_log  { return $_[0]->_read('error.log') }
sub access_log { return $_[0]->_read('access.log') }
sub output     { return $_[0]->_read('output') }


# What came into the error log since the last call.

sub new_errors {
    my ($self) = @_;

    my $log = $self->error_log();
    my $new = substr $log, $self->{log_offset};
    $self->{log_offset} = length $log;

    return $new;
}


sub _read {
    my ($self, $name) = @_;

    open my $in, '<:raw', "$self->{prefix}/$name" or return '';
    local $/;

    return <$in> // '';
}


# -- HTTP -------------------------------------------------------------------

sub connect {
    my ($self) = @_;

    return IO::Socket::UNIX->new(Peer => "$self->{prefix}/sock");
}


# Sends bytes and returns all that comes until nginx closes, or until `quiet`
# seconds go by without a byte.

sub exchange {
    my ($self, $bytes, %option) = @_;

    my $socket = $self->connect() or croak "connect: $!";
    my $step = $option{step} || length $bytes || 1;

    local $SIG{PIPE} = 'IGNORE';

    for (my $at = 0; $at < length $bytes; $at += $step) {
        defined syswrite $socket, substr $bytes, $at, $step or last;
    }

    return $self->read_all($socket, $option{quiet});
}


sub read_all {
    my ($self, $socket, $quiet) = @_;

    my $select = IO::Select->new($socket);
    my $seconds = $quiet || $self->patience();
    my $until = Time::HiRes::time() + $seconds;
    my $got = '';

    # A signal that this process handles ends the waiting, too.
    while ((my $left = $until - Time::HiRes::time()) > 0) {
        $select->can_read($left) or next;
        sysread $socket, $got, 65536, length $got or return $got;
        $until = Time::HiRes::time() + $seconds;
    }

    croak 'nginx neither answers nor closes' if !$quiet;

    return $got;
}


sub request {
    my ($self, $method, $path, @headers) = @_;

    my $bytes = "$method $path HTTP/1.1\r\nHost: localhost\r\n"
                . "Connection: close\r\n"
                . join('', map { "$_\r\n" } @headers) . "\r\n";

    my @replies = $self->replies($self->exchange($bytes), $method);
    croak 'not one reply but ' . @replies if @replies != 1;

    return $replies[0];
}


sub get {
    my ($self, $path, $key, @headers) = @_;

    unshift @headers, "Authorization: Bearer $key" if defined $key;

    return $self->request('GET', $path, @headers);
}


# Cuts a stream into replies. Each has the status, the head as it came, a hash
# of its headers and the body; what is left over dies, since it is the start
# of something that nobody asked for.

sub replies {
    my ($self, $bytes, @methods) = @_;

    my @replies;

    while (length $bytes) {
        $bytes =~ s/\A(HTTP\/1\.[01][ ](\d+)[^\r\n]*\r\n
                       ((?:[^\r\n]+\r\n)*))\r\n//x
            or croak 'not a reply: ' . substr $bytes, 0, 200;

        my ($head, $status, $lines) = ($1, $2, $3);
        next if $status == 100;

        my %header;
        for my $line (split /\r\n/, $lines) {
            my ($name, $value) = split /:\s*/, $line, 2;
            push @{ $header{ lc $name } }, $value;
        }

        my $method = shift @methods // 'GET';
        my $body = '';

        if ($method ne 'HEAD' && $status != 304) {
            $body = _take_body(\$bytes, \%header);
        }

        push @replies, { status => $status, head => $head,
                         header => \%header, body => $body };
    }

    return @replies;
}


sub _take_body {
    my ($bytes, $header) = @_;

    if ($header->{'transfer-encoding'}) {
        my $body = '';

        while ($$bytes =~ s/\A([0-9a-fA-F]+)\r\n//) {
            my $size = hex $1;

            croak 'a chunk is cut' if length $$bytes < $size + 2;
            $body .= substr $$bytes, 0, $size, '';
            $$bytes =~ s/\A\r\n// or croak 'a chunk has no end';

            return $body if $size == 0;
        }

        croak 'a chunked body is cut';
    }

    if ($header->{'content-length'}) {
        my $length = $header->{'content-length'}[0];

        croak 'a body is cut' if length $$bytes < $length;

        return substr $$bytes, 0, $length, '';
    }

    my $body = $$bytes;
    $$bytes = '';

    return $body;
}


1;

__END__

=head1 NAME

Test::Nginx::Profile::Daemon - an nginx for tests with raw sockets or signals

=head1 SYNOPSIS

    my $store = profile_store($text);
    my $nginx = Test::Nginx::Profile::Daemon->new(config => <<"END")->start();
        location /api/v1/ { profile_store $store; profile_api; }
    END

    is($nginx->get('/api/v1/entities', 'key')->{status}, 200);
    $nginx->stop();

=head1 DESCRIPTION

C<new> takes C<config> (inside of the server), C<http>, C<main>, C<workers>,
C<master> (on or off), C<daemon> (on or off), C<log_level>, and C<expected>, a
pattern of alerts that the test itself causes. C<stop> tells nginx to quit and
asserts that it does, and that the error log has no alert and no sanitizer's
report.

C<get(PATH, KEY, HEADERS...)> and C<request(METHOD, PATH, HEADERS...)> return a
hash with C<status>, C<head>, C<header> (lists by lower-case name) and C<body>.
C<exchange(BYTES)> sends bytes as they are and returns the bytes that came
back; C<replies(BYTES, METHODS...)> cuts them.

=head1 SEE ALSO

L<Test::Nginx::Profile::Store>

=cut
