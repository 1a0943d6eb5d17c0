package ProfileDocs;

# What the tests of the documentation share: the marked blocks of its files,
# and a folder in which they are run as they are printed, as if it were the
# root of a machine, with the real loader and nginx.
#
# A block is marked by a comment before it: <!-- test: KIND ARGUMENTS -->.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

use ProfileLoader qw(slurp spew);

our @EXPORT = qw(
    blocks
    docs_group
    docs_loader
    docs_map
    docs_module
    docs_nginx
    docs_port
    docs_root
    docs_top
    docs_user
    field
    normal
    place
    record
    run_session
    run_sh
    section
    slurp
    spew
    start_example
    start_nginx
    stop_nginx
    table_rows
    temp_paths
    without_code
    wrap
    write_example
    write_types
);

my $Top = abs_path(dirname(__FILE__) . '/../..');
my $Module = (split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '')[0]
             || "$Top/build/ngx_http_profile_module.so";
my $Loader = $ENV{PROFILE_LOADER} || "$Top/build/profile-loader";
my $Nginx = $ENV{TEST_NGINX_BINARY} || find_program('nginx');

# The examples' people are those of Debian, or, where there is only one user,
# that one.
my $User = $> ? undef : getpwnam('www-data') ? 'www-data' : 'nobody';
my $Group = getgrgid(defined $User ? (getpwnam $User)[3] : $));

my $Owner = $$;
my ($Port, $Pid);

# The folder that stands for the root of a machine. It is there before anything
# can be written to it: without it the examples would be this machine's files.

my $Root = tempdir('profile-docs-XXXXXX', TMPDIR => 1, CLEANUP => 1);

chmod 0755, $Root or die "$Root: $!\n";
make_path(map { "$Root/$_" } qw(backup etc/nginx run srv/exports
                                srv/www/account temp usr/local/bin
                                var/lib var/log/nginx));
make_commands();

END { stop_nginx() if $Pid && $$ == $Owner }

# What else is another name here: docs_map('db.example.com' => '/tmp/...').

my %Map;

sub docs_map { %Map = (%Map, @_); return }

sub docs_group { return $Group }
sub docs_loader { return $Loader }
sub docs_module { return $Module }
sub docs_nginx { return $Nginx }
sub docs_port { return $Port }
sub docs_root { return $Root }
sub docs_top { return $Top }
sub docs_user { return $User }


# -- examples ---------------------------------------------------------------

# The fenced blocks that a comment marks, without the indentation that a list
# gives them.

sub blocks {
    my ($text) = @_;

    my @found;

    while ($text =~ /^(\ *)<!--\ test:\ ([^\n]+?)\ -->\n
                     \ *```\w*\n(.*?)^\ *```$/msgx)
    {
        my ($indent, $test, $body) = ($1, $2, $3);

        $body =~ s/^$indent//mg;
        push @found, { test => $test, text => $body };
    }

    return @found;
}


# The example's paths, module and people become this test's. Ports are set when
# nginx starts.

sub place {
    my ($text) = @_;

    $text =~ s{/usr/lib/nginx/modules/ngx_http_profile_module\.so}{$Module}g;
    $text =~ s{(?<![\w./:-])/(srv|etc|var|run|backup|usr/local)(?=/)}
              {$Root/$1}g;
    $text =~ s/\Q$_\E/$Map{$_}/g for sort keys %Map;
    $text =~ s{("group": )"www-data"}{$1"$Group"}g;
    $text =~ s{^user www-data;}{user $User $Group;}m if defined $User;
    $text =~ s{\bchgrp -R www-data\b}{chgrp -R $Group};

    return $text;
}


sub write_example {
    my ($path, $text) = @_;

    die "there is no folder for examples\n" if !-d ($Root // '');

    make_path(dirname("$Root$path"));
    spew("$Root$path", place($text));

    return;
}


# Some of those that nginx's own file has.

sub write_types {
    write_example('/etc/nginx/mime.types', <<'END');
types {
    text/html html;
    text/css css;
    application/javascript js;
}
END

    return;
}


sub run_sh {
    my ($command) = @_;

    $command =~ s/127\.0\.0\.1:8080/127.0.0.1:$Port/g if $Port;
    $command = place($command) if $command !~ /\Q$Root\E/;

    local $ENV{PATH} = "$Root/usr/local/bin:$ENV{PATH}";

    my $out = '';

    open my $pipe, '-|', 'sh', '-c', "exec 2>>$Root/temp/stderr; $command"
        or die "sh: $!\n";
    $out .= $_ while <$pipe>;
    close $pipe;

    return $out =~ s/\Q$Root\E//gr;
}


sub make_commands {
    spew("$Root/usr/local/bin/profile-loader", <<"END");
#!/bin/sh
case "\$1" in
-c) exec '$Loader' "\$@" ;;
esac
exec '$Loader' -c '$Root/etc/profile-loader.json' "\$@"
END
    chmod 0755, "$Root/usr/local/bin/profile-loader";

    return;
}


# -- sessions ---------------------------------------------------------------

# A session: lines that begin with "$ ", and what each of them prints.

sub run_session {
    my ($number, $text) = @_;

    my ($empty, @steps) = split /^\$ (?=\S)/m, $text;

    is($empty, '', "session $number begins with a command");

    for my $step (@steps) {
        my ($command, $wanted) = split /\n/, $step, 2;

        my $got = run_sh($command);

        is(normal($got), normal($wanted), "session $number: $command");
    }

    return;
}


sub normal {
    my ($text) = @_;

    $text =~ s/\r//g;
    $text =~ s/\n*\z//;
    $text =~ s/\d+\.\d s, \d+ rows\/s, \d+ bytes/T s, N rows\/s, N bytes/g;
    $text =~ s/\d+ bytes before, \d+ after, \d+\.\d s/N bytes, T s/g;
    $text =~ s/\d{4}-\d\d-\d\dT[\d:.]+\+00:00/TIME/g;

    return $text;
}


# -- nginx ------------------------------------------------------------------

# With the example's nginx.conf, or with another.

sub start_example {
    my $conf = slurp("$Root/etc/nginx/nginx.conf");

    $conf =~ s/\bhttp \{\n/$& . temp_paths()/e;
    $conf = "daemon off;\n$conf";
    $conf =~ s/^user .*\n//m if !defined $User;

    start_nginx($conf);

    return;
}


# A block of an nginx.conf as the whole of one that can be started, with the
# store and the API where it has none. More can be said at the level of http.

sub wrap {
    my ($block, $http) = @_;

    my $text = place($block->{text});

    if ($block->{test} =~ /^server/) {
        $text = "server {\n$text}\n";
    }

    $text = "profile_store $Root/var/lib/profile;\n$text"
        if $text !~ /profile_store/;
    $text .= "server {\nlocation / {\nprofile_store $Root/var/lib/profile;\n"
             . "profile_api;\n}\n}\n" if $text !~ /profile_api/;
    $text =~ s/^(server \{\n)/$1listen 127.0.0.1:$Port;\n/mg
        if $Port && $text !~ /^ *listen /m;

    return "daemon off;\n"
           . "load_module $Module;\n"
           . (defined $User ? "user $User $Group;\n" : '')
           . "pid $Root/run/nginx.pid;\n"
           . "error_log $Root/var/log/nginx/example.log notice;\n"
           . "events {\n}\nhttp {\n" . temp_paths()
           . ($http // "access_log off;\n") . "$text}\n";
}


sub start_nginx {
    my ($conf) = @_;

    for my $try (1 .. 5) {
        $Port = free_port();

        spew("$Root/run/nginx.conf",
             $conf =~ s/127\.0\.0\.1:\d+(?= ssl;|;)/127.0.0.1:$Port/gr);

        my $pid = fork() // die "fork: $!\n";

        if (!$pid) {
            open STDOUT, '>', '/dev/null';
            open STDERR, '>>', "$Root/var/log/nginx/stderr.log";
            exec $Nginx, '-p', "$Root/", '-c', "$Root/run/nginx.conf",
                 '-e', "$Root/var/log/nginx/start.log"
                or POSIX::_exit(127);
        }

        $Pid = $pid;
        return if answers();
        stop_nginx();
    }

    diag(map { -f $_ ? slurp($_) : () } glob("$Root/var/log/nginx/*.log"));
    die "nginx does not start\n";
}


sub answers {
    my $until = time() + 30;

    while (time() < $until) {
        return 0 if waitpid($Pid, WNOHANG) == $Pid;
        return 1 if IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                          PeerPort => $Port);
        sleep 0.05;
    }

    return 0;
}


sub stop_nginx {
    return if !$Pid;

    local $?;

    kill 'QUIT', $Pid;

    for (1 .. 200) {
        last if waitpid($Pid, WNOHANG) != 0;
        kill 'KILL', $Pid if $_ == 200;
        sleep 0.05;
    }

    undef $Pid;

    return;
}


sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
                                       Proto => 'tcp')
        or die "no port: $!\n";

    return $socket->sockport;
}


# The status of a request for the README's first record; record(OPTIONS OF
# CURL, SCHEME) asks otherwise.

sub record {
    my ($options, $scheme) = @_ ? @_ : ('', 'http');
    my $url = "$scheme://127.0.0.1:8080/api/v1/entities/1/record"
              . '?record_id=478060';

    return run_sh("curl -s $options -o $Root/temp/out -w '%{http_code}' "
                  . "-H 'Authorization: Bearer secret-token:1234' '$url'");
}


sub temp_paths {
    return join '', map { "${_}_temp_path $Root/temp/$_;\n" }
           qw(client_body proxy fastcgi uwsgi scgi);
}


# -- text -------------------------------------------------------------------

sub without_code {
    my ($text) = @_;

    $text =~ s/^ *```.*?^ *```$//msg;

    return $text;
}


# What stands between a heading and the next of its level or above.

sub section {
    my ($text, $heading) = @_;

    $text =~ /^(#+) \Q$heading\E$/mg or return;

    my $level = length $1;
    my $rest = substr $text, pos $text;
    my $section = '';
    my $code = 0;

    for my $line (split /^/, $rest) {
        $code = !$code if $line =~ /^ *```/;
        last if !$code && $line =~ /^(#+) / && length $1 <= $level;
        $section .= $line;
    }

    return $section;
}


sub field {
    my ($text, $name) = @_;

    my ($value) = $text =~ /^\*\*$name:\*\* (.*)$/m;

    return $value // '';
}


# The cells of all tables of a text, but for their heads.

sub table_rows {
    my ($text) = @_;

    my (@rows, $body);

    for my $line (split /\n/, $text // '') {
        if ($line !~ /^\|/) {
            $body = 0;
            next;
        }

        if ($line =~ /^\|(?: *-+ *\|)+$/) {
            $body = 1;
            next;
        }

        next if !$body;

        my @cells = $line =~ /\| ((?:`[^`]*`|[^|])*?) *(?=\|)/g;

        push @rows, \@cells;
    }

    return @rows;
}


sub find_program {
    my ($name) = @_;

    my ($found) = grep { -x } map { "$_/$name" }
                  split(/:/, $ENV{PATH}), '/usr/sbin';

    return $found;
}


1;
