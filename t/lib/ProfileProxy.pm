package ProfileProxy;

# What the tests of docs/proxies.md share: two nginx with the module and a
# store each, as the document sets them up, a client that speaks HTTP/2, and
# what has to hold whichever proxy stands between them.
#
# A proxy is run with the text of the document. Only its ports and paths are
# others.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use IO::Socket::INET ();
use IPC::Open3 qw(open3);
use MIME::Base64 qw(encode_base64);
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

use ProfileDocs;
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

our @EXPORT = qw(
    ask
    authentication
    bearer
    block
    edge_file
    own_log
    proxy_cached
    proxy_mixes
    proxy_run
    proxy_tests
    proxy_unsafe
    url
    vary
);

my $Owner = $$;
my $Root = docs_root();
my $Text = slurp(docs_top() . '/docs/proxies.md');
my %Block = map { $_->{test} => $_->{text} } blocks($Text);

my $Down = '{"status":503,"code":"store_unavailable",'
           . '"message":"The data cannot be read at present."}';


# -- the text ---------------------------------------------------------------

sub block {
    my ($name) = @_;

    return $Block{$name} // die "docs/proxies.md has no block \"$name\"\n";
}


# The lines that a chapter warns of, a list for each row of its table.

sub unsafe {
    my ($chapter) = @_;

    return map { [$_->[0] =~ /`([^`]+)`/g] }
           table_rows(section($Text, $chapter));
}


# -- ports ------------------------------------------------------------------

# What stands at the document's addresses here.

my %Port;

sub ported {
    my ($text) = @_;

    $text =~ s/(127\.0\.0\.1\]?:|port = ")(8080|8081|8443|6086)\b/
              $1 . port($2)/ge;

    return place($text);
}


sub port {
    my ($port) = @_;

    return $Port{$port} //= do {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                           Listen => 1, Proto => 'tcp')
            or die "no port: $!\n";

        $socket->sockport;
    };
}


# -- two servers ------------------------------------------------------------

my $Rows = join '', map { qq({"id":$_,"of":"acme"}\n) }
    '"1"', '"only acme"', '"a/b"', '"a&b"', '"a+b"', '"a b"', '"a%2Fb"',
    '"a?b=c"', '"a#b"', '"a;b"', '"../b"', '"caf\u00e9"', '"\u65e5\u672c"',
    '"a\u0001b"', '"a\\\\b"', '"a\"b"', '"a[1]{2}|^`"', '"1%"';

my %Keys = (1 => 'key=secret-token:1234 key=acme', 2 => 'key=globex',
            3 => 'key=initech');

sub store_text {
    my (%keys) = (%Keys, @_);

    return <<"END";
workspace 1 Acme $keys{1}
entity 1 Users primary_key=id
${Rows}entity 2 Leads primary_key=id unloaded
workspace 2 Globex $keys{2}
entity 1 Users primary_key=id
{"id":"1","of":"globex"}
workspace 3 Initech $keys{3}
entity 1 Users primary_key=id
{"id":"1","of":"initech"}
END
}


# The server's own log, and ours, in which a connection has its number.

my %Server;

sub start_servers {
    my %option = @_;

    for my $name (qw(a b)) {
        # They are loaded in different seconds: the same tags, other dates.
        sleep 1.1 if $name eq 'b' && !$Server{b};

        my $store = $Server{$name}{store} //= profile_store(store_text());
        my $conf = block('origin') =~ s{/var/lib/profile\b}{$store}gr;

        $conf =~ s/127\.0\.0\.1:8080/127.0.0.1:8081/ if $name eq 'b';
        $conf =~ s/^server \{\n/$&$option{extra}\n/m if $option{extra};

        $Server{$name}{conf} = $conf;
    }

    # A port that was free may have been taken since.
    for my $try (1 .. 5) {
        return if eval { start_server($_) for qw(a b); 1 };

        $_->{nginx} and delete $_->{nginx} for values %Server;
        die $@ if $try == 5;
        delete @Port{8080, 8081};
    }

    return;
}


sub start_server {
    my ($name) = @_;

    my $server = $Server{$name};

    $server->{offset} = 0;
    $server->{nginx} = Test::Nginx::Profile::Daemon->new(
        http => <<'END' . ported($server->{conf}),
    log_format edge '$connection\t$status\t$request_method\t$request_uri\t'
                    '$http_if_none_match\t$http_authorization\t'
                    '$http_authentication\t$remote_addr';
    access_log edge.log edge;
END
    )->start();

    return;
}


# The requests that came to the servers since the last call, but for checks.
# The one worker writes its log in the order of what it answers.

sub asked {
    my @found;

    ask_all(map { ['http://127.0.0.1:' . port($_) . '/end', http => '1.1'] }
            8080, 8081);

    for my $name (sort keys %Server) {
        my $server = $Server{$name};
        my $log = slurp("$server->{nginx}{prefix}/edge.log");

        for my $line (split /\n/, substr $log, $server->{offset}) {
            my %line = (server => $name);

            @line{qw(connection status method uri tag authorization
                     authentication address)} = split /\t/, $line;
            push @found, \%line if $line{uri} !~ m{^/(?:end|profile/ready)$};
        }

        $server->{offset} = length $log;
    }

    return @found;
}


# A request to a server itself.

sub direct {
    my ($path, @option) = @_;

    return ['http://127.0.0.1:' . port(8080) . $path, @option, http => '1.1'];
}


# A store that is gone is noticed by workers that have not opened it.

sub take_store {
    my ($name) = @_;

    my $server = $Server{$name};

    rename $server->{store}, "$server->{store}.gone" or die "rename: $!\n";
    $server->{nginx}->reload();

    return;
}


sub give_store {
    my ($name) = @_;

    my $server = $Server{$name};

    rename "$server->{store}.gone", $server->{store} or die "rename: $!\n";

    return;
}


# -- proxies ----------------------------------------------------------------

my @Running;

END {
    if ($$ == $Owner) {
        local $?;
        edge_stop();
    }
}


# The text of a block as a file of the machine, with what a caller adds.

sub edge_file {
    my ($path, $text) = @_;

    write_example($path, ported($text));

    return $Root . $path;
}


sub own_log { return "$Root/var/log/edge.log" }


# edge_start(PREPARE): PREPARE writes the files and returns the commands, each
# a list; the last one listens at the document's port 8443.

sub edge_start {
    my ($prepare) = @_;

    certificate();

    for my $try (1 .. 5) {
        delete @Port{8443, 6086};

        for my $command ($prepare->()) {
            my $pid = fork() // die "fork: $!\n";

            if (!$pid) {
                setpgrp;
                $ENV{PATH} .= ':/usr/sbin';
                open STDIN, '<', '/dev/null';
                open STDOUT, '>>', own_log();
                open STDERR, '>>', own_log();
                exec 'setpriv', '--pdeathsig', 'TERM', @$command
                    or POSIX::_exit(127);
            }

            push @Running, $pid;
        }

        my $reply;

        # It ends where somebody else has taken a port.
        profile_until(60, sub {
            $reply = ask('/api/v1/entities', headers => [bearer('acme')]);
            return $reply->{status} == 200
                   || grep { waitpid($_, WNOHANG) != 0 } @Running;
        });
        return if $reply->{status} == 200;

        edge_stop();
        diag("$reply->{status} $reply->{body}") if $try == 5;
    }

    diag(substr slurp(own_log()), -4000);
    die "the proxy does not start\n";
}


sub edge_stop {
    for my $pid (reverse splice @Running) {
        kill 'TERM', $pid;
        next if profile_until(10, sub { waitpid($pid, WNOHANG) != 0 });
        kill 'KILL', -$pid;
        waitpid $pid, 0;
    }

    return;
}


sub certificate {
    return if -e "$Root/etc/edge.pem";

    run_sh("cd $Root/etc\n" . block('certificate'));
    die "openssl makes no certificate\n" if !-s "$Root/etc/edge.pem";

    make_path(map { "$Root/etc/$_" } qw(nginx haproxy hitch apache2));

    for my $dir (qw(nginx haproxy hitch apache2)) {
        link "$Root/etc/edge.$_", "$Root/etc/$dir/edge.$_" or die "link: $!\n"
            for qw(crt key pem);
    }

    return;
}


# -- requests ---------------------------------------------------------------

sub bearer         { return "Authorization: Bearer $_[0]" }
sub authentication { return "Authentication: Bearer $_[0]" }

sub basic {
    return 'Authorization: Basic ' . encode_base64("bearer:$_[0]", '');
}


# ask(PATH or URL, method => ..., headers => [...], http => 1.1 or 2,
# from => address, data => ...): what curl gets.

sub ask {
    my (@request) = @_;

    return (ask_all(\@request))[0];
}


# Several, one after the other, on as few connections as curl makes of them.

sub ask_all {
    my (@requests) = @_;

    return answers(send_all(@requests));
}


# answers(send_all(...)): what others ask for may come in between.

sub send_all {
    my (@requests) = @_;

    my @command = 'curl';

    for my $request (@requests) {
        my ($url, %option) = @$request;
        my $method = $option{method} // 'GET';

        $url = 'https://127.0.0.1:' . port(8443) . $url if $url !~ /^http:/;

        push @command, '--next' if @command > 1;
        push @command, '-q' if @command == 1;
        push @command, '-sSkig', '--path-as-is', '--noproxy', '*', '-m', 30,
                       $method eq 'HEAD' ? '-I' : ('-X', $method),
                       '--http' . ($option{http} // 2);
        push @command, '-H', $_ for @{ $option{headers} || [] };
        push @command, '--interface', $option{from} if $option{from};
        push @command, '--data-binary', $option{data} if defined $option{data};
        push @command, $url;
    }

    my $pid = open3(my $in, my $out, undef, @command);

    close $in;

    return { pid => $pid, out => $out, count => scalar @requests };
}


sub answers {
    my ($curl) = @_;

    my $bytes = do { local $/; readline $curl->{out} } // '';

    waitpid $curl->{pid}, 0;

    my @replies = map { parse($_) }
                  split m{(?=HTTP/[\d.]+ [2-5]\d\d[^\r\n]*\r\n)}, $bytes;

    # A file that a proxy serves may end in a newline.
    $_->{body} =~ s/\n\z// for @replies;

    return @replies if @replies == $curl->{count};
    return map { { status => 0, http => '', header => {}, body => $bytes } }
           1 .. $curl->{count};
}


sub parse {
    my ($bytes) = @_;

    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    my ($line, @lines) = split /\r\n/, $head;
    my ($http, $status) = $line =~ m{^HTTP/(\S+) (\d+)}
        or return { status => 0, http => '', header => {}, body => $bytes };
    my %header;

    for (@lines) {
        my ($name, $value) = split /:\s*/, $_, 2;
        push @{ $header{ lc $name } }, $value;
    }

    # Blanks in a list mean nothing.
    s/,(?=\S)/, /g for @{ $header{vary} || [] };

    return { http => $http, status => $status, body => $body // '',
             header => { map { $_ => join ', ', @{ $header{$_} } }
                         keys %header } };
}


# Servers that send two headers Vary more, one before the module's own and one
# after it.

sub vary {
    return 'gzip on; gzip_vary on; gzip_min_length 1;'
           . ' gzip_types application/json; add_header Vary Origin;';
}


sub url  { return "/api/v1/entities/1/record?record_id=$_[0]" }
sub body { return qq({"data":{"id":"$_[1]","of":"$_[0]"}}) }


# -- what has to hold -------------------------------------------------------

# proxy_run(start => CODE, test => CODE): both servers and a proxy. `start`
# writes the proxy's files and returns commands, as for edge_start; `extra` is
# for the servers. They are stopped where the test has not done that.

sub proxy_run {
    my (%option) = @_;

    start_servers(%option);
    edge_start($option{start});
    asked();

    $option{test}->(%option);

    edge_stop();

    for my $name (sort keys %Server) {
        my $nginx = delete $Server{$name}{nginx};

        $nginx->stop if $nginx;
    }

    return;
}


# proxy_tests(start => CODE, OPTIONS): what has to hold with the text of the
# document. Options, where a proxy is not like the others:
#   checks   it looks at profile_status by itself
#   gap      until it has noticed, it sends a server's 503 on, and says 502
#            itself where one hangs

sub proxy_tests {
    my (%option) = @_;

    proxy_run(%option, test => sub {
        subtests(\%option,
                 'a first request' => \&first,
                 'HTTP/2 and 1.1' => \&http_versions,
                 'two tenants' => \&tenants,
                 'headers' => \&headers,
                 'conditional requests' => \&conditional,
                 'each request reaches a server' => \&revalidation,
                 'record ids' => \&record_ids,
                 'errors' => \&errors,
                 'what is not passed' => \&not_passed,
                 'a key that the proxy keeps' => \&kept_key,
                 'addresses' => \&addresses,
                 'connections' => \&connections,
                 'a revoked key and a disabled workspace' => \&revoked,
                 'a server that hangs' => \&hangs,
                 'health' => \&health);
    });

    return;
}


# proxy_cached(name => TEXT, start => CODE, OPTIONS): what has to hold with a
# cache as well, all of it or what `only` names.
#   hit      CODE that says whether a reply came without asking; where there
#            is none, nothing may be kept
#   window   the seconds for which it may
#   own_412  what comes of an If-Match that it does not send on
#   one_tag  it understands If-None-Match with one tag only

sub proxy_cached {
    my (%option) = @_;

    my @tests = ('two tenants' => \&tenants,
                 'conditional requests' => \&conditional,
                 'revalidation' => \&revalidation,
                 'record ids' => \&record_ids,
                 'errors' => \&errors,
                 'what is not passed' => \&not_passed,
                 'a key that the proxy keeps' => \&kept_key,
                 'a revoked key and a disabled workspace' => \&revoked);
    my %test = @tests;

    @tests = ($option{only} => $test{ $option{only} }) if $option{only};

    proxy_run(%option, test => sub { subtests(\%option, @tests) });

    return;
}


sub subtests {
    my ($option, @tests) = @_;

    my $name = $option->{name} ? "$option->{name}: " : '';

    while (my ($title, $test) = splice @tests, 0, 2) {
        subtest "$name$title" => sub { $test->(%$option) };
    }

    return;
}


# proxy_unsafe(CHAPTER, CODE): CODE returns what starts the proxy with lines
# that the text warns of; then one tenant gets another one's record. Were it
# not so, the tests above would show nothing.

sub proxy_unsafe {
    my ($chapter, $start) = @_;

    my @rows = unsafe($chapter);

    cmp_ok(scalar @rows, '>', 0, "$chapter: lines that are warned of");

    proxy_mixes(name => "@$_", start => $start->(@$_)) for @rows;

    return;
}


# proxy_mixes(name => TEXT, start => CODE): one tenant gets another's record.

sub proxy_mixes {
    my (%option) = @_;

    proxy_run(%option, test => sub {
        ok(profile_until(30, sub {
            my ($acme, $globex) = ask_all(
                map { [url(1), headers => [authentication($_)]] }
                qw(acme globex));

            # Either may be the one that is kept.
            return $globex->{body} eq body('acme', 1)
                   || $acme->{body} eq body('globex', 1);
        }), "unsafe: $option{name}");
    });

    return;
}


sub first {
    my $check = ported(block('check')) =~ s{edge\.crt}{$Root/etc/edge.crt}r;
    my $said = parse(run_sh($check =~ s/^curl/curl -q --noproxy '*'/r));

    is("$said->{http} $said->{status}", '2 200', 'the certificate counts');
    is($said->{body}, ask('/api/v1/entities',
                          headers => [bearer('acme')])->{body},
       'and so does the sample key');

    return;
}


sub http_versions {
    for my $http ('2', '1.1') {
        my $reply = ask(url(1), headers => [bearer('acme')],
                        http => $http);

        is("$reply->{http} $reply->{status} $reply->{body}",
           "$http 200 " . body('acme', 1), "HTTP/$http");
    }

    return;
}


# Each in turn, so that whatever was kept for one is there for the next.

sub tenants {
    my (%option) = @_;

    my @forms = (\&bearer, \&authentication, \&basic);
    my $list = '/api/v1/entities';
    my ($only, $none) = (body('acme', 'only acme'),
                         profile_error('record_not_found'));
    my (@cases, %bad, %kept);

    for my $who (qw(acme globex)) {
        my $other = $who eq 'acme' ? 'globex' : 'acme';

        for my $form (@forms) {
            my @key = (headers => [$form->($who)]);

            push @cases, [$who, body($who, 1), url(1), @key],
                         [$who, '{"data":[{"id":1,"name":"Users"'
                                . ',"library_id":1}]}', $list, @key],
                         [$who, $who eq 'acme' ? $only : $none,
                          url('only%20acme'), @key];
        }

        # Of two, the first one counts.
        push @cases, [$who, body($who, 1), url(1), headers =>
                      [bearer($who), authentication($other)]],
                     [$who, body($who, 1), url(1), headers =>
                      [authentication($who), basic($other)]];
    }

    for my $headers ([], ['If-None-Match: *'], ['Authorization: Negotiate a'],
                     ['Authorization;'])
    {
        push @cases, ['nobody', profile_error('missing_credentials'), url($_),
                      headers => $headers] for 1, 'only%20acme';
    }

    for my $form (@forms) {
        push @cases, ['nobody', profile_error('invalid_key'), url(1),
                      headers => [$form->($_)]] for qw(wrong acm acmee);
    }

    for my $round (1 .. 60) {
        my $at = $round % 3 ? $round % @cases : 0;
        my @turn = (@cases[$at .. $#cases], @cases[0 .. $at - 1]);
        my @replies = ask_all(map { my (undef, undef, @ask) = @$_; \@ask }
                              @turn);

        for my $case (@turn) {
            my ($who, $wanted, $path, %sent) = @$case;
            my $reply = shift @replies;

            $kept{$who}++ if $option{hit} && $option{hit}->($reply);
            $bad{"$who, $path, @{ $sent{headers} }: $reply->{body}"}++
                if $reply->{body} ne $wanted
                   || ($reply->{status} == 401) != ($who eq 'nobody');
        }

        last if $round >= 4 && (!$option{hit} || $kept{acme} && $kept{globex});
    }

    is_deeply(\%bad, {}, 'each its own');

    my @both = map { my $who = $_;
                     my @ask = map { [url(1), headers => [$_->($who)]] } @forms;
                     [$who, send_all((@ask) x 20)] } qw(acme globex acme);

    for my $both (@both) {
        my ($who, $curl) = @$both;

        is(scalar(grep { $_->{body} eq body($who, 1) } answers($curl)), 60,
           "at the same time: $who");
    }

    is(join(' ', sort keys %kept), $option{hit} ? 'acme globex' : '',
       'for whom replies were kept');
    asked();

    return;
}


# What a client sees of a 200 and of HEAD is what the server sent.

sub headers {
    my @own = qw(content-type content-length etag last-modified cache-control
                 vary);

    for my $path (url(1), '/api/v1/entities') {
        my $wanted = ask(@{ direct($path, headers => [bearer('acme')]) });

        for my $method (qw(GET HEAD GET)) {
            my $got = ask($path, headers => [bearer('acme')],
                          method => $method);

            is_deeply([map { $_ eq 'last-modified' && $got->{header}{$_}
                             ? 'some time' : $got->{header}{$_} } @own],
                      [map { $_ eq 'last-modified'
                             ? 'some time' : $wanted->{header}{$_} } @own],
                      "$method $path: headers");
            is($got->{body}, $method eq 'HEAD' ? '' : $wanted->{body},
               "$method $path: body");
        }
    }

    return;
}


sub conditional {
    my (%option) = @_;

    my %tag = map { $_ => ask(url(1), headers => [bearer($_)])
                              ->{header}{etag} // 'none' } qw(acme globex);

    like($tag{$_}, qr/^"[0-9a-f]{32}"$/, "$_: the tag is strong")
        for qw(acme globex);

    my %other = (acme => 'globex', globex => 'acme');
    my @cases = map {
        my ($who, $tag, $other) = ($_, $tag{$_}, $tag{ $other{$_} });

        (map { [$who, 304, '', bearer($who), "If-None-Match: $_"] }
             $tag, "W/$tag", $option{one_tag} ? () : (qq("0", $tag), '*')),
        # The date of the other server's copy.
        $option{hit} ? () : [$who, 304, '', bearer($who), "If-None-Match: $tag",
                     'If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT'],
        [$who, 200, body($who, 1), authentication($who),
         "If-None-Match: $other"],
        [$who, 304, '', basic($who), "If-None-Match: $tag"],
        [$who, 401, profile_error('missing_credentials'),
         "If-None-Match: $tag"],
    } qw(acme globex);

    for my $round (1, 2) {
        my @replies = ask_all(map { my ($who, undef, undef, @sent) = @$_;
                                    [url(1), headers => \@sent] } @cases);

        for my $case (@cases) {
            my ($who, $status, $body, @sent) = @$case;
            my $reply = shift @replies;

            is("$reply->{status} $reply->{body}", "$status $body",
               "$who: @sent");
            is($reply->{header}{etag}, $status == 401 ? undef : $tag{$who},
               "$who: the tag");
            like($reply->{header}{vary} // '', qr/Authorization/,
                 "$who: Vary");
        }
    }

    my $late = ask(url(1), headers => [bearer('acme'),
                   'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT']);

    cmp_ok($late->{status}, '<', 305, 'If-Modified-Since does no harm');
    asked();

    return;
}


# A proxy that keeps replies asks with the tag that it has.

sub revalidation {
    my (%option) = @_;

    my $keeps = $option{hit};

    asked();

    my @replies = map {
        sleep $option{window} + 0.1 if $option{window} && $_ > 1;
        ask(url('a%20b'), headers => [bearer('acme')]);
    } 1 .. 4;

    is($_->{body}, body('acme', 'a b'), 'the body is whole') for @replies;

    my @asked = asked();

    is(join(' ', sort map { $_->{status} } @asked),
       $keeps ? '200 304 304 304' : '200 200 200 200',
       'the server is asked each time');
    is(scalar(grep { $_->{tag} ne '-' } @asked), $keeps ? 3 : 0,
       'with the tag of what is kept');

    return;
}


sub record_ids {
    my @ids = qw(a%2Fb a/b a%2fb a%26b a%2Bb a+b a%20b a%252Fb a%3Fb%3Dc a?b=c
                 a%23b a;b a%3Bb ../b %2E%2E%2Fb ..%2Fb caf%C3%A9 caf%c3%a9
                 %E6%97%A5%E6%9C%AC a%01b a%5Cb a%22b 1%25 %61%2f%62
                 a%5B1%5D%7B2%7D%7C%5E%60);

    my @key = (headers => [bearer('acme')]);
    my @paths = map {
        url($_), url("1&record_id=$_"),
        "/api/v1/entities/1/record/?x=%2F&record%5Fid=$_&y"
    } @ids, qw(a%00b %00 % %zz %4 a%0D%0AX:y);

    my @wanted = ask_all(map { direct($_, @key) } @paths);

    asked();

    for my $http ('2', '1.1') {
        my @sent = map { "$_&http=$http" } @paths;
        my @got = ask_all(map { [$_, @key, http => $http] } @sent);

        is_deeply([sort map { $_->{uri} } asked()], [sort @sent],
                  "HTTP/$http: they come as they were sent");
        is_deeply([map { "$paths[$_] $got[$_]{status} $got[$_]{body}" }
                   0 .. $#paths],
                  [map { "$paths[$_] $wanted[$_]{status} $wanted[$_]{body}" }
                   0 .. $#paths], "HTTP/$http: the replies");
    }

    my %found = map { $_->{body} => 1 } grep { $_->{status} == 200 } @wanted;

    is(scalar keys %found, 16, 'these are records');
    is($wanted[3 * @ids]{body}, profile_error('invalid_record_id'),
       'a zero byte reaches the server');

    return;
}


sub errors {
    my (%option) = @_;

    my @key = (headers => [bearer('acme')]);
    my %case = (
        missing_record_id => ['/api/v1/entities/1/record', @key],
        invalid_record_id => [url('%00'), @key],
        invalid_credentials =>
            [url(1), headers => ['Authorization: Basic !']],
        missing_credentials => [url(1)],
        invalid_key => [url(1), headers => [bearer('wrong')]],
        not_found => ['/api/v1/x', @key],
        entity_not_found => ['/api/v1/entities/9/record?record_id=1', @key],
        record_not_found => [url('nobody'), @key],
        method_not_allowed => [url(1), @key, method => 'POST',
                               data => 'x' x 20000],
        precondition_failed =>
            [url(1), headers => [bearer('acme'), 'If-Match: "0"']],
        entity_not_ready => ['/api/v1/entities/2/record?record_id=1', @key],
    );

    if (defined $option{own_412}) {
        my ($path, @ask) = @{ delete $case{precondition_failed} };

        is(ask($path, @ask)->{status}, $option{own_412}, 'If-Match');
    }


    my @codes = sort keys %case;
    my @wanted = ask_all(map { direct(@{ $case{$_} }) } @codes);

    for my $http ('2', '1.1') {
        my @got = ask_all(map { [@{ $case{$_} }, http => $http] } @codes);

        for my $n (0 .. $#codes) {
            is("$got[$n]{status} $got[$n]{body}",
               "$wanted[$n]{status} " . profile_error($codes[$n]),
               "$codes[$n]: the body, HTTP/$http");

            for my $name (qw(content-type cache-control vary allow
                             www-authenticate retry-after))
            {
                is($got[$n]{header}{$name}, $wanted[$n]{header}{$name},
                   "$codes[$n]: $name, HTTP/$http");
            }
        }
    }

    for my $method (qw(OPTIONS DELETE)) {
        my $got = ask(url(1), @key, method => $method);

        is("$got->{status} $got->{body}",
           '405 ' . profile_error('method_not_allowed'), $method);
    }

    asked();

    return;
}


# The page of the store's state is for the proxy alone.

sub not_passed {
    my @paths;

    for my $path ('/profile/ready', '/', '/server-status',
                  '/api/v1/../../profile/ready',
                  '/api/v1/%2e%2e/%2E./profile/ready',
                  '/api/v1/..%2f..%2fprofile/ready',
                  '/api/v1/x/.%2e/..%2F../../profile/ready',
                  '/sidebar/../profile/ready', '/sidebar/%2e%2e/profile/ready',
                  '/sidebar/../../profile/ready?x', '//profile/ready',
                  '/api/v1//..//..//../profile/ready')
    {
        push @paths, $path;
    }

    is(ask(@{ direct('/profile/ready') })->{status}, 200, 'for the proxy');
    is(ask(@{ direct('/profile/ready', headers =>
                     ['X-Forwarded-For: 192.0.2.1']) })->{status}, 403,
       'and not for whom it sends on');

    for my $http ('2', '1.1') {
        my @replies = ask_all(map { [$_, headers => [bearer('acme')],
                                     http => $http] } @paths);

        for my $path (@paths) {
            my $reply = shift @replies;

            like($reply->{status}, qr/^40[034]$/, "$path, HTTP/$http");
            unlike($reply->{body}, qr/"generation"/, "$path: no such page");
        }
    }

    asked();

    return;
}


sub kept_key {
    my (%option) = @_;

    my $path = url(1) =~ s{^/api/v1/}{/sidebar/}r;
    my @forms = (\&bearer, \&authentication, \&basic);
    my %bad;

    my @sent = ([], (map { [$_->('globex')], [$_->('wrong')] } @forms),
                [bearer('globex'), authentication('globex')],
                [basic('globex'), authentication('globex')],
                ['authorization: bearer globex'],
                ['Authentication: Bearer x', authentication('globex')],
                ['Authorization;', 'Authentication;'],
                ['Connection: Authorization, Authentication'],
                ['Connection: close, X-Forwarded-For, Authorization',
                 bearer('globex')]);

    # before and after what others have asked for
    for my $http ('2', '1.1', '2') {
        my @turn = grep { $http ne '2' || "@$_" !~ /Connection/ } @sent;
        my @replies = ask_all(map { my @ask = (headers => $_, http => $http);
                                    ([$path, @ask], [url(1), @ask]) } @turn);

        for my $headers (@turn) {
            my ($reply, $elsewhere) = splice @replies, 0, 2;

            # To have the key dropped on the way is to have none.
            next if "@$headers" =~ /Connection/
                    && $reply->{status} =~ /^40[01]$/;

            $bad{"@$headers, HTTP/$http: $reply->{status} $reply->{body}"}++
                if $reply->{body} ne body('acme', 1);
            $bad{"@$headers: the key comes back"}++
                if grep { /secret-token/ } %{ $reply->{header} };
            $bad{"@$headers, elsewhere: $elsewhere->{body}"}++
                if $elsewhere->{body} =~ /acme/;
        }

        # Two headers of one name: refused, or the proxy's own counts.
        my $two = ask($path, headers => [bearer('globex'), bearer('globex')]);

        $bad{"two: $two->{status} $two->{body}"}++
            if $two->{status} != 400 && $two->{body} ne body('acme', 1);
    }

    is_deeply(\%bad, {}, 'what a client sends does not count');

    my @asked = grep { $_->{authorization} eq 'Bearer secret-token:1234' }
                asked();

    cmp_ok(scalar @asked, '>', $option{hit} ? 0 : 20,
           'the server gets the key');
    is(join(' ', grep { $_ ne '-' } map { $_->{authentication} } @asked), '',
       'and no other one');

    is(ask($path, from => '127.0.0.2')->{status}, 403, 'not for everybody');

    my $tag = ask($path)->{header}{etag} // 'none';

    is(ask($path, headers => ["If-None-Match: $tag"])->{status}, 304,
       'a tag of it');
    is(ask('/sidebar/x')->{body}, profile_error('not_found'), 'an error');
    is(ask("$path%2F%26+%C3%A9")->{body}, profile_error('record_not_found'),
       'another record');
    is(scalar(grep { $_->{uri} =~ /=1%2F%26\+%C3%A9$/ } asked()), 1,
       'its id is as it was sent');

    return;
}


sub addresses {
    asked();

    for my $headers ([], ['X-Forwarded-For: 127.0.0.1'],
                     ['X-Forwarded-For: 192.0.2.1, 127.0.0.1',
                      'X-Forwarded-For: 127.0.0.1'],
                     ['Connection: close, X-Forwarded-For'],
                     ['Connection: X-Forwarded-For',
                      'X-Forwarded-For: 127.0.0.1'])
    {
        ask('/api/v1/entities', from => '127.0.0.2', http => '1.1',
            headers => [bearer('acme'), @$headers]);
        my $address = join ' ', map { $_->{address} } asked();

        # A proxy may refuse such a Connection.
        next if $address eq '' && "@$headers" =~ /Connection/;

        is($address, '127.0.0.2', "the server knows the client: @$headers");
    }

    return;
}


# Many requests on a few connections of a client, and many connections.

sub connections {
    my @request = (url(1), headers => [bearer('acme')]);

    for my $case ([25, 8], [1, 40]) {
        my ($count, $clients) = @$case;

        asked();

        my $bad = grep { $_->{status} != 200 }
                  map { my @ask = (@request, http => $_ % 2 ? 2 : '1.1');
                        ask_all((\@ask) x $count) } 1 .. $clients;
        my @asked = asked();
        my %seen = map { ("$_->{server} $_->{connection}" => 1) } @asked;

        is($bad, 0, "$clients clients, $count requests each: all answered");
        is(scalar @asked, $clients * $count, 'by a server');
        cmp_ok(scalar keys %seen, '<=', 20, 'on few connections');
    }

    return;
}


sub revoked {
    my (%option) = @_;

    my @forms = (\&bearer, \&authentication, \&basic);

    my @before = ask_all(map { my $who = $_;
                               map { [url(1), headers => [$_->($who)]] }
                               @forms, @forms } qw(acme initech));

    is(scalar(grep { $_->{body} =~ /"of":"(?:acme|initech)"/ } @before), 12,
       'before: the records');

    my $tag = ask(url(1), headers => [bearer('acme')])->{header}{etag};
    my $sidebar = url(1) =~ s{^/api/v1/}{/sidebar/}r;

    is(ask($sidebar)->{status}, 200, 'before: the kept key');
    profile_apply($_->{store}, store_text(1 => '',
                                          3 => 'key=initech disabled'))
        for values %Server;
    sleep $option{window} + 0.1 if $option{window};

    for my $who (qw(acme initech)) {
        my @sent = map { my $form = $_;
                         map { [$form->($who), @$_] }
                             [], ["If-None-Match: $tag"] } @forms;

        for my $reply (ask_all(map { [url(1), headers => $_] } @sent)) {
            is("$reply->{status} $reply->{body}",
               '401 ' . profile_error('invalid_key'),
               "$who: refused: @{ shift @sent }");
        }
    }

    is(ask($sidebar)->{body}, profile_error('invalid_key'),
       'the kept key: refused');
    is(ask(url(1), headers => [bearer('globex')])->{status}, 200,
       'others are not');

    profile_sync($_->{store}, store_text()) for values %Server;
    is(ask(url(1), headers => [bearer($_)])->{status}, 200, "$_: is back")
        for qw(acme initech);
    asked();

    return;
}


# One server takes requests and does not answer them. A client that waited for
# as long as proxies do by themselves would get nothing here.

sub hangs {
    my (%option) = @_;

    my @ask = (url(1), headers => [bearer('acme')]);
    my @workers = $Server{a}{nginx}->workers;
    my ($wanted, %bad) = body('acme', 1);
    my $count = 0;

    kill 'STOP', @workers;

    my $noticed = eval {
        for my $reply (map { answers($_) } map { send_all([@ask]) } 1 .. 8) {
            next if $reply->{status} == 200 && $reply->{body} eq $wanted;

            $bad{"$reply->{status} $reply->{body}"}++
                if !$option{gap} || $reply->{status} !~ /^50[23]$/
                   || $reply->{body} ne $Down
                   || $reply->{header}{'content-type'} ne 'application/json'
                   || $reply->{header}{'cache-control'} ne 'no-store'
                   || $reply->{header}{'retry-after'} ne 1;
            $count++;
        }

        # Some rounds for which nobody has to wait.
        !$option{checks} || profile_until(60, sub {
            my $start = time;
            my @replies = ask_all((\@ask) x 12);

            return time - $start < 3
                   && !grep { $_->{body} ne $wanted } @replies;
        });
    };

    kill 'CONT', @workers;

    is_deeply(\%bad, {}, 'an answer in time, in JSON');
    cmp_ok($count, '<', 8, 'most from the other one');
    ok($noticed, 'it is out') if $option{checks};

    ok(profile_until(30, sub {
        asked();
        ask_all((\@ask) x 8);

        return 2 == keys %{ { map { $_->{server} => 1 } asked() } };
    }), 'it is back');

    return;
}


# A store goes, then the other one; they come back; at last the servers go.

sub health {
    my (%option) = @_;

    my %seen;
    my $some = sub {
        my ($count) = @_;

        asked();
        my @replies = ask_all(([url(1), headers => [bearer('acme')]])
                              x $count);

        $seen{ $_->{status} }++ for @replies;

        return map { "$_->{status} " . ($_->{status} == 200 ? '' : $_->{body}) }
               @replies;
    };
    my $servers = sub { my %by = map { $_->{server} => 1 } asked();
                        return join ' ', sort keys %by };

    $some->(8);
    is($servers->(), 'a b', 'both are asked');

    take_store('a');
    %seen = ();

    # The other one, whoever else asks at the same time.
    my @curls = map { send_all(([url(1), headers => [bearer('acme')]]) x 6) }
                1 .. 8;

    $seen{ $_->{status} }++ for map { answers($_) } @curls;

    ok(profile_until(30, sub {
        my @said = $some->(6);
        my $asked = $servers->();

        return !grep({ $_ ne '200 ' } @said)
               && ($option{checks} ? $asked eq 'b' : 1);
    }), 'one without a store: the other one answers');
    is(join(' ', sort keys %seen), 200, 'no client has noticed')
        if !$option{gap};

    take_store('b');

    ok(profile_until(30, sub {
        my @said = $some->(4);
        my $asked = $servers->();

        return !grep({ $_ ne "503 $Down" } @said)
               && ($option{checks} ? $asked eq '' : 1);
    }), 'none has one: 503, and nobody is asked')
        or diag($some->(2));

    my $down = ask(url(1), headers => [bearer('acme')]);

    is($down->{header}{'content-type'}, 'application/json', 'it is JSON');
    is($down->{header}{'retry-after'}, 1, 'with Retry-After');
    is($down->{header}{'cache-control'}, 'no-store', 'for nobody to keep');

    give_store($_) for qw(a b);

    ok(profile_until(30, sub {
        my @said = $some->(6);

        return !grep({ $_ ne '200 ' } @said) && $servers->() eq 'a b';
    }), 'both are back');

    $Server{$_}{nginx}->stop for qw(a b);

    ok(profile_until(30, sub {
        ask(url(1), headers => [bearer('acme')])->{body} eq $Down
    }), 'no server at all: 503 in JSON');

    $down = ask(url(1), headers => [bearer('acme')]);
    is("$down->{status} $down->{header}{'content-type'}",
       '503 application/json', 'it is JSON, too');
    is($down->{header}{'retry-after'}, 1, 'with Retry-After, too');
    is($down->{header}{'cache-control'}, 'no-store', 'for nobody to keep');

    return;
}


1;
