# Why: recipes are copied into production as they are printed. Those of
# docs/recipes.md are run here, with what each of them says that it keeps out;
# what needs a browser is t/browser/recipes.t's.

use strict;
use warnings;

use File::Copy qw(copy);
use HTTP::Tiny ();
use IO::Handle ();
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use ProfileDocs;

if (($ENV{PROFILE_TEST_MODE} || '') eq 'hup') {
    plan skip_all => 'the recipes are the same after a reload';
}

my $Top = docs_top();
my $Root = docs_root();
my $Text = slurp("$Top/docs/recipes.md");
my %Block = map { $_->{test} => $_ } blocks($Text);
my %Used;
my $Http = HTTP::Tiny->new(max_redirect => 0, keep_alive => 0, timeout => 60,
                           proxy => undef, http_proxy => undef);
my $Old = 'secret-token:nightly-1234';
my $New = 'secret-token:nightly-5678';

install();

subtest 'the data' => sub { run_session('load', text('session load')) };
subtest 'a sidebar' => \&sidebar;
subtest 'a page for its visitor' => \&site;
subtest 'hostile records' => \&hostile;
subtest 'a service for sessions' => \&session;
subtest 'columns for a CSV file' => \&enrich;
subtest 'a server that refuses' => \&refusals;
subtest 'replacing a key' => \&rotation;
subtest 'replacing a key that nginx holds' => \&held_rotation;
subtest 'CORS' => \&cors;
subtest 'client certificates' => \&certificates;
subtest 'gzip' => \&gzip;

is(join(', ', grep { !$Used{$_} && !/^file / } sort keys %Block), '',
   'no block is left out');

done_testing();


# -- what recipes share -----------------------------------------------------

sub text {
    my ($test) = @_;

    $Used{$test} = 1;

    return ($Block{$test} or die "there is no block \"$test\"\n")->{text};
}


sub install {
    for my $test (keys %Block) {
        write_example($1, $Block{$test}{text}) if $test =~ /^file (\S+)$/;
    }

    write_types();

    for my $file (glob "$Top/docs/examples/site/*") {
        copy($file, "$Root/srv/www") or die "$file: $!\n";
    }

    copy("$Top/docs/examples/enrich.py", "$Root/usr/local/bin/enrich")
        or die "enrich.py: $!\n";
    chmod 0755, "$Root/usr/local/bin/enrich";

    return;
}


# The file as the page has it, after another.

sub restore {
    my ($path) = @_;

    write_example($path, $Block{"file $path"}{text});

    return;
}


# nginx with a block of the page.

sub serve {
    my ($test, $more) = @_;

    text($test);
    unlink "$Root/var/log/nginx/recipe.log";
    start_nginx(wrap($Block{$test}, <<"END" . ($more // '')));
log_format connections '\$connection \$status';
access_log $Root/var/log/nginx/recipe.log connections;
END

    return;
}


sub get {
    my ($path, %header) = @_;

    return $Http->get('http://127.0.0.1:' . docs_port() . $path,
                      { headers => \%header });
}


sub status { return get(@_)->{status} }


sub script {
    my ($test) = @_;

    my $port = docs_port();
    my $script = place(text($test));

    $script =~ s/127\.0\.0\.1:8080/127.0.0.1:$port/ if $port;
    spew("$Root/temp/script", $script);

    return run_sh("sh $Root/temp/script");
}


sub is_private {
    my ($file) = @_;

    is(sprintf('%04o', (stat "$Root$file")[2] & 07777), '0600',
       "$file is for its owner alone");

    return;
}


# What nginx has logged: [connection, status]. A line is written after its
# reply, so that nginx has to be gone first.

sub logged {
    stop_nginx();

    return map { [split] } split /\n/,
           slurp("$Root/var/log/nginx/recipe.log");
}


# -- a sidebar --------------------------------------------------------------

sub sidebar {
    my ($origin) = text('http sidebar') =~ m{\^(chrome-extension://\w+)\$};
    my $path = '/sidebar/entities/2/record?record_id=boris@example.com';

    script('sh sidebar');
    is_private('/etc/nginx/sidebar-key.conf');
    serve('http sidebar');
    run_session('sidebar', text('session sidebar'));

    my $reply = get($path, Origin => $origin);
    my %header = %{ $reply->{headers} };

    is($reply->{status}, 200, 'the extension gets a record');
    is($header{'access-control-allow-origin'}, $origin, 'and may read it');
    is($header{'access-control-allow-credentials'}, 'true', 'with cookies');
    is($header{'cache-control'}, 'private, no-store', 'but not keep it');
    like($header{'x-data-age'}, qr/^\d+$/, 'it knows the age');

    is(status($path, Origin => 'https://evil.example'), 403, 'another origin');
    is(status($path, Origin => "${origin}x"), 403, 'one that begins like it');
    is(status($path), 403, 'no origin');
    is(status('/sidebar/entities/2/record?record_id=x', Origin => $origin),
       404, 'nobody');
    stop_nginx();

    my %closed = %{ $Block{'http sidebar'} };

    $closed{text} =~ s/allow 127\.0\.0\.1;/allow 192.0.2.1;/;
    start_nginx(wrap(\%closed));
    is(status($path, Origin => $origin), 403, 'another address');
    stop_nginx();

    return;
}


# -- a page for its visitor -------------------------------------------------

# The cookie that the page's own shell lines make, or one of another time, id
# or secret.

sub cookie {
    my (%other) = @_;

    my $script = text('sh seal');

    $script =~ s/\+ 3600/- 10/ if $other{old};
    $script =~ s/id=478060/id='$other{id}'/ if $other{id};
    $script =~ s/secret=\S+/secret=other/ if $other{forged};
    spew("$Root/temp/script", $script);

    my ($value) = run_sh("sh $Root/temp/script") =~ /(visitor=[^;\s]+);/;

    die "no cookie\n" if !$value;

    return $value;
}


# What the page holds of its visitor, as a browser reads the attribute.

sub visitor {
    my ($cookie) = @_;

    my $page = get('/', $cookie ? (Cookie => $cookie) : ())->{content};
    my ($value) = $page =~ /<meta name="visitor" content="([^"]*)">/;

    $value //= 'no page';
    $value =~ s/&(lt|gt|quot|amp);/{ lt => '<', gt => '>', quot => '"',
                                     amp => '&' }->{$1}/ge;

    return $value;
}


sub site {
    my $page = slurp("$Top/docs/examples/site/index.html");
    my ($shown) = $Text =~ /```html\n(.*?)```/s;

    ok($page =~ /^\Q$_\E$/m, "the page has: $_") for split /\n/, $shown;

    serve('http site');

    my $good = cookie();

    like(visitor($good), qr/\A\{"data":\{"id":"478060","first_name":"Boris"/,
         'the record is in the page');
    like(visitor(cookie(id => '478061')), qr/Ada/, 'of another visitor');

    like(run_sh(text('sh seal') . text('sh look')),
         qr/^<meta name="visitor" content=".*&quot;Boris&quot;/m,
         'as the page looks at it');
    is(get('/site.css')->{headers}{'content-type'}, 'text/css',
       'files have their types');

    is(visitor(), '', 'nobody');
    is(visitor(cookie(old => 1)), '', 'a cookie that is too old');
    is(visitor(cookie(forged => 1)), '', 'a forged one');
    is(visitor($good =~ s/478060/478061/r), '', 'a seal with another id');
    is(visitor($good =~ s/\.(\d+)\./'.' . ($1 + 1) . '.'/er), '',
       'a seal with another time');
    is(visitor($good =~ s/=[^.]+/=/r), '', 'no seal');
    is(visitor(cookie(id => '478060&x=1')), '', 'more than an id');
    is(visitor(cookie(id => '478060#')), '', 'what no id has in a URL');
    like(visitor(cookie(id => '4780%36%30')), qr/Boris/, 'an id as in a URL');
    is(visitor(cookie(id => 'nobody')), '', 'an id of nobody');

    my $reply = get('/', Cookie => $good);

    is($reply->{headers}{'cache-control'}, 'private, no-store', 'not kept');
    is($reply->{headers}{etag}, undef, 'no ETag');
    is(status('/visitor/entities'), 404, 'the records are closed');
    is(status('/visitor/entities/1/record?record_id=478060',
              Cookie => $good), 404, 'for visitors, too');

    return;
}


sub hostile {
    my $json = JSON::PP->new->canonical;
    my $name = q{</script><script>x()</script>"'><img src=x onerror=x()>}
               . q{<!--# include virtual="/visitor/entities" -->}
               . q{<!--# echo var="visitor_link" -->&quot;&#34;\\};
    my @rows = ($json->encode({ id => '1', first_name => $name }),
                $json->encode({ id => 'large', first_name => '<' x 900_000 }),
                $json->encode({ id => 'larger',
                                first_name => 'x' x 1_100_000 }));

    spew("$Root/srv/exports/visitors.ndjson", join "\n", @rows, '');
    run_sh('profile-loader sync');

    is(visitor(cookie(id => '1')), qq({"data":$rows[0]}),
       'all of it is in one attribute');

    my $page = get('/', Cookie => cookie(id => '1'))->{content};

    is(scalar(() = $page =~ /</g),
       scalar(() = get('/')->{content} =~ /</g), 'no element is added');

    is(visitor(cookie(id => 'large')), qq({"data":$rows[1]}), 'a large one');
    isnt(status('/', Cookie => cookie(id => 'larger')), 200,
         'one that is too large');
    stop_nginx();

    like(slurp("$Root/var/log/nginx/example.log"),
         qr/too big subrequest response/, 'is said in the log');

    restore('/srv/exports/visitors.ndjson');
    run_sh('profile-loader sync');

    return;
}


sub session {
    my $socket = "$Root/run/sessions";

    docs_map('http://sessions.example.com' => "http://unix:$socket");
    serve('http session', <<"END");
map \$cookie_session \$said {
    good 478060;
}
server {
    listen unix:$socket;
    location / {
        add_header X-Visitor \$said;
        return 204;
    }
}
END

    like(visitor('session=good'), qr/Boris/, 'a session');
    is(visitor('session=bad'), '', 'none of the service');
    is(visitor(), '', 'none');
    is(status('/session', Cookie => 'session=good'), 404, 'it is closed');
    stop_nginx();

    return;
}


# -- columns for a CSV file -------------------------------------------------

sub enrich {
    serve('http batch');
    run_session('enrich', text('session enrich'));
    run_session('enrich again', text('session enrich'));
    is_private('/var/lib/enrich.db');

    my @statuses = map { $_->[1] } logged();

    is(join(' ', sort splice @statuses, 0, 3), '200 200 404',
       'an id is asked for once');
    is(join(' ', sort @statuses), '304 304 404',
       'what has been kept still holds');

    serve('http batch');
    run_sh(q(sed -i 's/"plan":"Team"/"plan":"Solo"/')
           . " $Root/srv/exports/customers.ndjson; profile-loader sync");
    like(run_sh(enrich_line('--add plan --cache /var/lib/enrich.db'
                            . ' /srv/exports/orders.csv')),
         qr/^1002,ada\@example\.org,12\.50,Solo$/m, 'or is asked for anew');
    restore('/srv/exports/customers.ndjson');
    run_sh('profile-loader sync');

    script('sh enrich');
    is(slurp("$Root/srv/exports/orders-plan.csv"), <<'END', 'into a file');
order,email,total,plan
1001,boris@example.com,99.00,Enterprise
1002,ada@example.org,12.50,Team
1003,"nobody, really",1.00,
1004,boris@example.com,7.00,Enterprise
END

    spew("$Root/srv/exports/awkward.csv",
         qq(\xEF\xBB\xBFemail,n\r\n"a ""b""\n&c=1",1\r\n\r\n,2\r\n)
         . "ada\@example.org\r\n");
    is(run_sh(enrich_line('--add plan,owner,none --prefix x_ '
                          . '/srv/exports/awkward.csv')),
       <<'END', 'an awkward file');
email,n,x_plan,x_owner,x_none
"a ""b""
&c=1",1,,,
,2,,,
ada@example.org,,Team,Grace,
END

    my $orders = '--add plan /srv/exports/orders.csv';

    like(failure($orders, id => 'nothing'),
         qr/^1 enrich: the file has no column nothing$/, 'no such column');
    like(failure('--add plan /srv/exports/none.csv'),
         qr/^1 enrich: .*No such file/, 'no such file');
    like(failure($orders, key => 'wrong'),
         qr/^1 enrich: the server answers 401 invalid_key$/, 'a wrong key');
    like(failure("$orders --url http://127.0.0.1:8080/elsewhere/"),
         qr/^1 enrich: .* answers 404 without a code, is --url right\?$/,
         'a wrong address');
    like(failure($orders, key => ''),
         qr/^1 enrich: PROFILE_KEY is not set to a key$/, 'no key');
    like(failure("$orders --connections 99"), qr/^2 .*from 1 to 32/s,
         'too many connections');
    stop_nginx();

    spew("$Root/srv/exports/many.csv", join "\n", 'email', 1 .. 700, '');
    serve('http batch');
    failure('--add plan /srv/exports/many.csv', key => 'wrong');
    cmp_ok(scalar(my @asked = logged()), '<=', 4,
           'a wrong key is not tried for each row');

    return;
}


sub enrich_line {
    my ($arguments, %other) = @_;

    my $id = $other{id} // 'email';
    my $key = $other{key} // $Old;

    return "PROFILE_KEY='$key' enrich --url http://127.0.0.1:8080/api/v1"
           . " --entity 2 --id-column $id $arguments";
}


# The status and what was said.

sub failure {
    my $said = run_sh('{ ' . enrich_line(@_)
                      . '; } 2>&1 >/dev/null; echo $?');

    $said =~ s/^(\d+)\n\z//m or die "no status: $said\n";

    return "$1 $said";
}


# The first request on each connection is refused; more than two at a time
# would be, for good.

sub refusals {
    my $server = text('http batch');

    $server =~ s/profile_api;/$& limit_conn job 2; limit_conn_status 403;
                              if (\$refused) { return 503; }/;
    $server =~ s/limit_req zone=.*;//;
    $server =~ s/^ *429  1;/503  2;/m;

    local $Block{'http batch'} = { test => 'http', text => $server };

    serve('http batch', <<'END');
map $connection_requests $refused {
    1 1;
}
limit_conn_zone $server_addr zone=job:1m;
END

    my @ids = map { "n$_\@example.com" } 1 .. 200;

    spew("$Root/srv/exports/many.csv",
         join "\n", 'email', @ids, 'ada@example.org', '');

    my $out = run_sh(enrich_line('--connections 2 --add plan'
                                 . ' /srv/exports/many.csv 2>/srv/said'));

    like(slurp("$Root/srv/said"),
         qr/^enrich: the server answers 503; asking again in 2 s\n/,
         'what it waits for');
    is($out, join("\n", 'email,plan', (map { "$_," } @ids),
                        'ada@example.org,Team', ''),
       'all rows, in their order');

    my @lines = logged();
    my (%count, %connection);

    $count{ $_->[1] }++, $connection{ $_->[0] } = 1 for @lines;

    is_deeply(\%count, { 200 => 1, 404 => 200, 503 => 2 },
              'what was refused is asked for again');
    is(scalar keys %connection, 2, 'two connections are kept');

    # A server that asks for more patience than there is.
    $server =~ s/503  2;/503  "Fri, 31 Dec 2100 23:59:59 GMT";/;
    local $Block{'http batch'} = { test => 'http', text => $server };

    serve('http batch', <<'END');
map $connection_requests $refused {
    default 1;
}
limit_conn_zone $server_addr zone=job:1m;
END
    like(failure('--add plan /srv/exports/orders.csv'),
         qr/^1 enrich: the server asks to wait \d+ seconds$/, 'a date');
    stop_nginx();

    return;
}


# -- keys -------------------------------------------------------------------

# The configuration with other keys in the place of the one named nightly.

sub keys_are {
    my ($step) = @_;

    my $keys = text("keys $step") =~ s/\s+\z//r;
    my $text = $Block{'file /etc/profile-loader.json'}{text};

    $text =~ s/\{ "name": "nightly",\s*"sha256": "\w+" \}/$keys/ or die;
    write_example('/etc/profile-loader.json', $text);

    return;
}


sub keys_are_as_before {
    restore('/etc/profile-loader.json');
    run_sh('profile-loader apply');

    return;
}


sub rotation {
    my $path = '/api/v1/entities';

    serve('http gzip');
    is(status($path, Authorization => "Bearer $Old"), 200, 'before: the old');
    is(status($path, Authorization => "Bearer $New"), 401, 'and not the new');

    for my $step ('both', 'new') {
        keys_are($step);
        run_session($step, text("session $step"));
    }

    stop_nginx();
    keys_are_as_before();

    return;
}


# Somebody asks all the time, and notices nothing.

sub held_rotation {
    my $path = '/held/entities';
    my $conf = "$Root/etc/nginx/held-key.conf";
    my $block = { test => 'server', text => <<"END" };
location /held/ {
    include $conf;
    profile_store /var/lib/profile;
    profile_api;
}
END

    spew($conf, "profile_bearer $Old;\n");
    start_nginx(wrap($block));

    pipe my $in, my $out or die "pipe: $!\n";

    my $enough = "$Root/temp/enough";
    my $parent = $$;
    my $pid = fork() // die "fork: $!\n";

    if (!$pid) {
        my %count;

        $out->autoflush(1);

        while (!-e $enough && getppid() == $parent) {
            my $got = status($path);

            print {$out} '.' if !$count{$got}++;
        }

        print {$out} ' ', join(' ', map { "$_=$count{$_}" } sort keys %count);
        POSIX::_exit(0);
    }

    close $out;
    sysread $in, my $begun, 1;
    is($begun, '.', 'somebody asks');

    keys_are('both');
    run_sh('profile-loader apply');

    my $master = slurp("$Root/run/nginx.pid") + 0;
    my %old = map { $_ => 1 } children($master);

    spew($conf, "profile_bearer $New;\n");
    kill 'HUP', $master;

    my $until = time() + 60;

    sleep 0.05 while time() < $until && grep { $old{$_} } children($master);
    is(join(' ', grep { $old{$_} } children($master)), '',
       'the old workers leave');

    keys_are('new');
    run_sh('profile-loader apply');
    is(status($path), 200, 'the new key is in use');

    spew($enough, '');

    my $said = do { local $/; <$in> };

    waitpid $pid, 0;
    like($said, qr/\A 200=\d+\z/, 'and nobody was refused');
    stop_nginx();
    keys_are_as_before();

    return;
}


sub children {
    my ($pid) = @_;

    open my $in, '<', "/proc/$pid/task/$pid/children" or return;

    return split ' ', <$in> // '';
}


# -- CORS -------------------------------------------------------------------

sub cors {
    my $origin = 'https://app.example.com';
    my $path = '/api/v1/entities/1/record?record_id=478060';
    my %key = (Authorization => "Bearer $Old");

    serve('http cors');

    my $asked = $Http->request('OPTIONS',
        'http://127.0.0.1:' . docs_port() . $path, { headers => {
            Origin => $origin, 'Access-Control-Request-Method' => 'GET',
            'Access-Control-Request-Headers' => 'authorization' } });
    my %header = %{ $asked->{headers} };

    is($asked->{status}, 204, 'the question before');
    is($header{'access-control-allow-origin'}, $origin, 'is allowed');
    is($header{'access-control-allow-headers'}, 'Authorization', 'with a key');

    my $reply = get($path, Origin => $origin, %key);

    %header = %{ $reply->{headers} };
    is($reply->{status}, 200, 'a record');
    is($header{'access-control-allow-origin'}, $origin, 'is read');
    is(join(' ', sort map { split /, / } ref $header{vary}
                      ? @{ $header{vary} } : $header{vary}),
       'Authentication Authorization Origin', 'Vary');

    $reply = get($path, Origin => $origin);
    is($reply->{status}, 401, 'without a key');
    is($reply->{headers}{'access-control-allow-origin'}, $origin,
       'the error can be read, too');

    $reply = get($path, Origin => 'https://evil.example', %key);
    is($reply->{headers}{'access-control-allow-origin'}, undef,
       'another origin reads nothing');
    stop_nginx();

    return;
}


# -- client certificates ----------------------------------------------------

sub certificates {
    my $etc = "$Root/etc/nginx";

    run_sh("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost"
           . ' -addext subjectAltName=IP:127.0.0.1'
           . " -keyout $etc/profile.key -out $etc/profile.crt");
    script('sh certificates');
    serve('http mtls');

    my $port = docs_port();
    my $session = text('session mtls') =~ s/:8443/:$port/gr;

    run_session('mtls', $session);

    # Another name of the same authority, the same name of another one.
    run_sh("cd $etc; openssl req -newkey rsa:2048 -nodes -subj /CN=other"
           . ' -keyout other.key -out other.csr; openssl x509 -req -in'
           . ' other.csr -CA clients-ca.crt -CAkey clients-ca.key'
           . ' -CAcreateserial -out other.crt; openssl req -x509 -newkey'
           . ' rsa:2048 -nodes -subj /CN=nightly -keyout self.key'
           . ' -out self.crt');

    for my $case (['other', 401], ['self', 400]) {
        my ($name, $status) = @$case;
        my $curl = "curl -s -o /dev/null -w '%{http_code}' --cacert"
                   . " $etc/profile.crt --cert $etc/$name.crt"
                   . " --key $etc/$name.key"
                   . " https://127.0.0.1:$port/api/v1/entities";

        is(run_sh($curl), $status, "the certificate $name");
        is(run_sh("$curl -H 'Authorization: Bearer $Old'"), $status,
           "$name, with a key");
    }

    stop_nginx();

    return;
}


# -- gzip -------------------------------------------------------------------

sub gzip {
    my $path = '/api/v1/entities/1/record?record_id=478060';
    my %key = (Authorization => "Bearer $Old");

    serve('http gzip');

    my $plain = get($path, %key);
    my $small = get($path, %key, 'Accept-Encoding' => 'gzip');
    my $etag = $small->{headers}{etag};

    is($small->{headers}{'content-encoding'}, 'gzip', 'compressed');
    cmp_ok(length $small->{content}, '<', length $plain->{content}, 'smaller');
    is($etag, "W/$plain->{headers}{etag}", 'the ETag is weak');
    is(status($path, %key, 'Accept-Encoding' => 'gzip',
              'If-None-Match' => $etag), 304, 'and holds');
    stop_nginx();

    return;
}
