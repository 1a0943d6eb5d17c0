# Why: whoever is on call decides by the status page. It must say what the
# loader says, count every request of every worker once and keep on counting,
# and tell a store that cannot serve from one that is old, and that from one
# that only cannot be followed.

# A worker is killed:
# expect-alert: exited on signal 9

use strict;
use warnings;

use Encode qw(decode_utf8 encode_utf8);
use JSON::PP ();
use Test::More;

# It starts and reloads its own nginx.
plan skip_all => 'nothing here depends on TEST_NGINX_USE_HUP'
    if $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use ProfileMetrics qw(metrics foreign_metrics check_metrics);
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $unloaded = $ENV{TEST_NGINX_USE_VALGRIND} ? 5 : 1;
my $path = '/api/entities/1/record?record_id=1';

# Of an entity's value: where the time of its last refresh is, and its name.
my ($REFRESHED, $NAME) = (48, 64);


sub text {
    my ($value) = @_;

    return <<"END";
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","value":"$value"}
{"id":"2"}
entity 2 Orders primary_key=id
END
}


sub nginx {
    my ($store, %option) = @_;

    my $more = delete $option{more} // '';

    return Test::Nginx::Profile::Daemon->new(%option, config => <<"END");
        profile_store "$store";
        profile_check_interval 50ms;

        location /api/ {
            profile_api;
        }
        location = /status {
            profile_status;
        }
        location = /metrics {
            profile_status prometheus;
        }
        location = /ready {
            profile_status;
            profile_max_age 1h;
        }
        $more
END
}


sub status {
    my ($nginx, $page) = @_;

    my $reply = $nginx->get($page // '/status');
    my $status = JSON::PP->new->utf8->decode($reply->{body});

    $status->{http} = $reply->{status};

    return $status;
}


sub requests {
    my ($nginx) = @_;

    my $requests = status($nginx)->{requests};

    return join ' ', map { "$_=$requests->{$_}" }
                     grep { $requests->{$_} } sort keys %$requests;
}


sub becomes {
    my ($nginx, $page, $code, $name) = @_;

    my $got = '';

    return ok(profile_until(5 * $unloaded, sub {
        my $status = status($nginx, $page);

        $got = "$status->{http} $status->{code}";
        return $got eq $code;
    }), $name) || diag("last: $got");
}


# { name or name{label=value,...} => value }

sub samples {
    my ($nginx) = @_;

    my $families = metrics($nginx->get('/metrics')->{body});
    my %sample;

    for my $sample (map { @{ $_->{samples} } } values %$families) {
        my ($name, $labels, $value) = @$sample;
        my $all = join ',', map { "$_=$labels->{$_}" } sort keys %$labels;

        $sample{ $all eq '' ? $name : "$name\{$all}" } = $value;
    }

    return \%sample;
}


# Sets the time of the last refresh of all entities, and drops the notes.

sub age {
    my ($store, $seconds) = @_;

    return profile_rewrite($store, sub {
        my ($key, $value) = @_;

        substr($value, $REFRESHED, 8) = pack 'Q>', time - $seconds
            if ord $key == 0x05;

        return [$key, $value];
    });
}


# -- what the loader says --------------------------------------------------------

{
    my $store = profile_store(text('x') . <<'END');
entity 3 Later primary_key=id unloaded
workspace 2 Globex key=globex
workspace 4294967295 Last key=last
entity 4294967295 Last primary_key=id library_id=9
{"id":1}
workspace 5 Off key=off disabled
entity 1 Gone primary_key=id
{"id":1}
END

    my $nginx = nginx($store)->start();

    is($nginx->get($path, 'key')->{status}, 200, 'the store is served');

    my $said = JSON::PP->new->utf8->decode(
        profile_loader($store, 'status', '--json')->{out});
    my $page = status($nginx);

    is_deeply([map { $_->{id} } @{ $page->{workspaces} }],
              [1, 2, 4294967295], 'workspaces, but for the disabled one');
    is(($page->{workspaces}[2]{entities}[0]{age} // -1) >= 0, 1, 'an age');

    # Ages go on while this is compared.
    delete $_->{age} for map { @{ $_->{entities} } }
                         map { @{ $_->{workspaces} } } $said, $page;

    my $same = sub {
        my ($theirs, $ours, $name) = @_;

        my @names = grep { $_ ne 'workspaces' && $_ ne 'entities' }
                    grep { exists $ours->{$_} } sort keys %$theirs;

        is_deeply({ map { $_ => $ours->{$_} } @names },
                  { map { $_ => $theirs->{$_} } @names }, "$name: @names");
        cmp_ok(scalar @names, '>', 1, "$name: there is something in common");
    };

    $same->($said, $page, 'status --json');

    for my $i (0 .. 2) {
        my ($theirs, $ours) = map { $_->{workspaces}[$i] } $said, $page;

        $same->($theirs, $ours, "workspace $i");
        is(@{ $ours->{entities} }, @{ $theirs->{entities} },
           "workspace $i: entities");
        $same->($theirs->{entities}[$_], $ours->{entities}[$_],
                "workspace $i, entity $_") for 0 .. $#{ $theirs->{entities} };
    }

    my $sample = samples($nginx);

    is($sample->{"profile_store_$_->[1]"}, $page->{ $_->[0] },
       "metrics: $_->[0]")
        for ['generation', 'generation'], ['transaction', 'transaction'],
            ['size', 'size_bytes'], ['used', 'used_bytes'],
            ['readers', 'readers'], ['max_readers', 'readers_max'];

    is($sample->{'profile_entity_records{entity=1,workspace=1}'}, 2,
       'metrics: records');
    is($sample->{'profile_entity_ready{entity=3,workspace=1}'}, 0,
       'metrics: an entity that is not loaded');
    is($sample->{'profile_entity_records{entity=3,workspace=1}'}, undef,
       'metrics: it has no number of records');
    is($sample->{'profile_entity_ready{entity=4294967295,'
                 . 'workspace=4294967295}'}, 1, 'metrics: the greatest ids');

    # A worker is one reader; a second nginx is another.
    my $other = nginx($store, workers => 2)->start();

    is($other->get($path, 'key')->{status}, 200, 'a second nginx');
    profile_until(5, sub { status($nginx)->{readers} == 3 });
    is(status($nginx)->{readers}, 3, 'readers: three workers');
    $other->stop();
    profile_until(5, sub { status($nginx)->{readers} == 1 });
    is(status($nginx)->{readers}, 1, 'readers: one is left');

    profile_sync($store, text('y'));
    is($nginx->get($path, 'key')->{body}, '{"data":{"id":"1","value":"y"}}',
       'after a commit');
    cmp_ok(status($nginx)->{transaction}, '>', $page->{transaction},
           'the transaction has grown');

    $nginx->stop();
}


# -- every class of results ------------------------------------------------------

{
    my $store = profile_store(text('x')
                              . "entity 3 Later primary_key=id unloaded\n");
    my $nginx = nginx($store)->start();
    my $etag = $nginx->get($path, 'key')->{header}{etag}[0];
    my $count = 1;

    is(requests($nginx), 'hit=1', 'counted: the first');

    my $counts = sub {
        my ($class, $lookups, $status, @request) = @_;

        my $before = status($nginx);
        my $reply = $nginx->request(@request);
        my $after = status($nginx);
        my $name = "counted: $request[0] $status as $class";

        is($reply->{status}, $status, $name);

        my %wanted = %{ $before->{requests} };

        $wanted{$class}++;
        is_deeply($after->{requests}, \%wanted, "$name, once and nowhere else");
        is($after->{lookups}{count} - $before->{lookups}{count}, $lookups,
           "$name: lookups");
    };

    my $key = 'Authorization: Bearer key';
    my $entity = '/api/entities/1/record';

    $counts->('hit', 1, 200, 'GET', $path, $key);
    $counts->('hit', 1, 200, 'HEAD', $path, $key);
    $counts->('hit', 1, 200, 'GET', '/api/entities', $key);
    $counts->('hit', 1, 200, 'GET', $path, $key, 'If-None-Match: "x"');
    $counts->('not_modified', 1, 304, 'GET', $path, $key,
              "If-None-Match: $etag");
    $counts->('not_modified', 1, 304, 'HEAD', $path, $key,
              'If-None-Match: *');
    $counts->('miss', 1, 404, 'GET', "$entity?record_id=9", $key);
    $counts->('miss', 1, 404, 'GET', '/api/entities/9/record?record_id=1',
              $key);
    $counts->('miss', 1, 404, 'GET', '/api/other', $key);
    $counts->('denied', 0, 401, 'GET', $path);
    $counts->('denied', 1, 401, 'GET', $path, 'Authorization: Bearer nope');
    $counts->('denied', 1, 401, 'GET', $path, 'Authorization: Bearer nope',
              "If-None-Match: $etag");
    $counts->('invalid', 0, 400, 'GET', $path, 'Authorization: Bearer a b');
    $counts->('invalid', 1, 400, 'GET', $entity, $key);
    $counts->('invalid', 1, 400, 'GET', "$entity?record_id=%", $key);
    $counts->('invalid', 0, 405, 'DELETE', $path, $key);
    $counts->('invalid', 1, 412, 'GET', $path, $key, 'If-Match: "x"');
    $counts->('unavailable', 1, 503, 'GET',
              '/api/entities/3/record?record_id=1', $key);

    # What never gets to the API is not its affair.
    my $before = requests($nginx);

    $nginx->get('/elsewhere', 'key');
    $nginx->get('/metrics');
    is(requests($nginx), $before, 'other pages are not counted');

    my $sample = samples($nginx);
    my $requests = status($nginx)->{requests};

    is_deeply({ map { $_ => $sample->{"profile_requests_total{result=$_}"} }
                keys %$requests }, $requests, 'both forms have one count');

    $nginx->stop();
}


# -- the histogram ---------------------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = nginx($store)->start();

    $nginx->get($path, 'key') for 1 .. 50;

    my $lookups = status($nginx)->{lookups};
    my $last = 0;
    my @falling = grep { my $falls = $_->{count} < $last;
                         $last = $_->{count};
                         $falls } @{ $lookups->{buckets} };

    is($lookups->{count}, 50, 'lookups: counted');
    is(@falling, 0, 'lookups: buckets are cumulative');
    cmp_ok($last, '<=', $lookups->{count}, 'lookups: none has more');
    cmp_ok($lookups->{seconds}, '>', 0, 'lookups: they take time');

    my $page = $nginx->get('/metrics')->{body};
    my $family = metrics($page)->{profile_lookup_duration_seconds};
    my (%of, @bounds);

    for my $sample (@{ $family->{samples} }) {
        my ($part) = $sample->[0] =~ /_(bucket|sum|count)$/;

        push @bounds, $sample->[1]{le} if $part eq 'bucket';
        push @{ $of{$part} }, $sample->[2];
    }

    is($family->{type}, 'histogram', 'metrics: a histogram');
    is(pop @bounds, '+Inf', 'metrics: the last bucket has no bound');
    is_deeply([sort { $a <=> $b } @bounds], \@bounds,
              'metrics: bounds are in order');
    is_deeply([sort { $a <=> $b } @{ $of{bucket} }], $of{bucket},
              'metrics: buckets are cumulative');
    is($of{bucket}[-1], $of{count}[0], 'metrics: the last one is the count');
    is($of{count}[0], 50, 'metrics: the count');
    cmp_ok($of{sum}[0], '==', $lookups->{seconds}, 'metrics: the sum');

    $nginx->stop();
}


# -- workers, reloads, crashes ---------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = nginx($store, workers => 2,
                      http => 'log_format pid $pid;',
                      more => 'access_log pid.log pid;',
                      expected => qr/exited on signal 9/)->start();
    my $sent = 0;

    profile_until(10, sub { $nginx->workers() == 2 });

    my $send = sub {
        for (1 .. $_[0]) {
            $nginx->get($path, 'key')->{status} == 200 or die 'no answer';
            $sent++;
        }
    };

    # Connections that come all at once, until each of them has had some.
    my %pids;

    for (1 .. 100) {
        my @sockets = map { $nginx->connect() } 1 .. 20;

        print {$_} "GET $path HTTP/1.0\r\nAuthorization: Bearer key\r\n\r\n"
            for @sockets;
        $_->flush() for @sockets;
        $sent += grep { $nginx->read_all($_) =~ m{^HTTP/1.1 200 } } @sockets;

        %pids = map { $_ => 1 } split /\n/, $nginx->_read('pid.log');
        last if keys %pids == 2;
    }

    is(scalar keys %pids, 2, 'both workers have answered');
    is(requests($nginx), "hit=$sent", 'their counts are summed');

    $nginx->reload();
    is(requests($nginx), "hit=$sent", 'a reload keeps them');
    $send->(5);
    is(requests($nginx), "hit=$sent", 'and they go on');

    for my $workers (5, 1, 3) {
        $nginx->configure(workers => $workers)->reload();
        $send->(5);
        is(requests($nginx), "hit=$sent", "kept with $workers workers");
    }

    # A configuration with the page elsewhere has the same counters.
    my $config = $nginx->{config};

    $nginx->configure(config => $config =~ s{= /status}{= /health}r)
          ->reload();
    is(status($nginx, '/health')->{requests}{hit}, $sent,
       'kept where the page has moved');
    $nginx->configure(config => $config)->reload();

    my ($worker) = $nginx->workers();

    kill 'KILL', $worker;
    profile_until(10, sub {
        my @workers = $nginx->workers();
        return @workers == 3 && !grep { $_ == $worker } @workers;
    });
    $send->(5);
    is(requests($nginx), "hit=$sent", 'kept when a worker is killed');

    is(samples($nginx)->{'profile_requests_total{result=hit}'}, $sent,
       'the same in the other form');

    $nginx->stop();
}


# -- more workers than the counters have parts -----------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = nginx($store, workers => 70)->start();

    profile_until(30, sub { $nginx->workers() == 70 });

    my $sent = 0;

    for (1 .. 3) {
        for my $worker ($nginx->workers()) {
            $sent++ if $nginx->get($path, 'key')->{status} == 200;
        }
    }

    is(requests($nginx), "hit=$sent", '70 workers: all are counted');

    $nginx->stop();
}


# -- a single process ------------------------------------------------------------

{
    my $nginx = nginx(profile_store(text('x')), master => 'off')->start();

    $nginx->get($path, 'key') for 1 .. 3;
    is(requests($nginx), 'hit=3', 'a single process counts');

    $nginx->stop();
}


# -- each store for itself -------------------------------------------------------

{
    my ($one, $two) = (profile_store(text('one')), profile_store(text('two')));
    my $nginx = nginx($one, more => <<"END")->start();
        location /two/ {
            profile_store $two;
            profile_api;
        }
        location = /two/status {
            profile_store $two;
            profile_status;
        }
END

    $nginx->get($path, 'key') for 1 .. 3;
    $nginx->get($path =~ s/api/two/r, 'key');

    is(requests($nginx), 'hit=3', 'two stores: the one');
    is(status($nginx, '/two/status')->{requests}{hit}, 1,
       'two stores: the other');

    $nginx->stop();
}


# -- a store that cannot serve ---------------------------------------------------

{
    my $store = profile_tmp() . '/later';
    my $nginx = nginx($store)->start();
    my $status = status($nginx);

    is("$status->{http} $status->{code}", '503 store_unavailable',
       'no store: 503');
    like($status->{message}, qr/^there is no store yet: \Q$store\E/,
         'no store: why');
    is($nginx->get('/status')->{header}{'retry-after'}[0], 1,
       'no store: Retry-After');
    is($nginx->get($path, 'key')->{status}, 503, 'no store: a request');
    is(requests($nginx), 'unavailable=1', 'no store: it is counted');
    is(status($nginx)->{lookups}{count}, 0, 'no store: nothing to measure');

    my $page = $nginx->get('/metrics');

    is($page->{status}, 503, 'no store: 503 for Prometheus, too');
    is_deeply([check_metrics($page->{body})], [], 'no store: good metrics');
    is(samples($nginx)->{profile_up}, 0, 'no store: profile_up');

    rename profile_store(text('late')), $store or die $!;
    becomes($nginx, '/status', '200 ok', 'the store appears');
    is(status($nginx)->{message}, '', 'the reason is gone');

    $nginx->stop();
}


# -- a store that somebody empties while it is open ------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = nginx($store)->start();
    my $file = profile_generation($store) . '/data.mdb';

    is($nginx->get($path, 'key')->{status}, 200, 'emptied: before');

    # What mdb_drop does: in both meta pages, the main database has neither
    # depth nor pages nor entries nor a root.
    open my $out, '+<:raw', $file or die $!;

    for my $meta (0, 4096) {
        seek $out, $meta + 94, 0;
        print {$out} pack 'S', 0;
        seek $out, $meta + 96, 0;
        print {$out} pack 'Q5', 0, 0, 0, 0, ~0;
    }

    close $out;

    my $status = status($nginx);

    is("$status->{http} $status->{code}", '503 store_unavailable',
       'emptied: 503');
    like($status->{message}, qr/somebody emptied it/, 'emptied: why');
    is_deeply($status->{workspaces}, [], 'emptied: no workspaces');
    is($nginx->get($path, 'key')->{status}, 503, 'emptied: the API, too');

    profile_copy($store, sub { unlink "$_[0]/data.mdb";
                               link profile_generation(profile_store(text('y')))
                                    . '/data.mdb', "$_[0]/data.mdb" });
    becomes($nginx, '/status', '200 ok', 'emptied: and repaired');

    $nginx->stop();
}


# -- a store that serves but cannot be followed ----------------------------------

{
    my $store = profile_store(text('good'));
    my $nginx = nginx($store)->start();

    unlink "$store/CURRENT";
    becomes($nginx, '/status', '200 degraded', 'no CURRENT: degraded, and 200');

    my $status = status($nginx);

    like($status->{message}, qr/CURRENT/, 'degraded: why');
    is($status->{generation}, 1, 'degraded: what is served');
    is($status->{workspaces}[0]{entities}[0]{records}, 2,
       'degraded: all is there');
    is($nginx->get($path, 'key')->{status}, 200, 'degraded: it serves');
    is($nginx->get('/metrics')->{status}, 200, 'degraded: metrics');
    is(samples($nginx)->{"profile_$_->[0]"}, $_->[1], "degraded: $_->[0]")
        for ['up', 1], ['degraded', 1];

    profile_switch($store, 'gen-000001');
    becomes($nginx, '/status', '200 ok', 'repaired: ok again');
    is(samples($nginx)->{profile_degraded}, 0, 'repaired: degraded');

    $nginx->stop();
}


# -- data that is too old --------------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = nginx($store)->start();

    becomes($nginx, '/ready', '200 ok', 'fresh: ready');

    age($store, 7200);
    becomes($nginx, '/ready', '503 entity_stale', 'old: not ready');

    my $status = status($nginx, '/ready');

    like($status->{message}, qr/^entity 1 of workspace 1 was refreshed 7\d\d\d /,
         'old: which, and how old');
    like($status->{message}, qr/ seconds ago, more than the 3600 of /,
         'old: and what is allowed');
    is($status->{generation}, 2, 'old: the rest of the page is there');
    cmp_ok($status->{workspaces}[0]{entities}[1]{age}, '>=', 7200, 'old: age');
    is($nginx->get('/ready')->{header}{'retry-after'}[0], 1,
       'old: Retry-After');
    is(status($nginx)->{http}, 200, 'old: where no age is set, it is ok');
    is($nginx->get($path, 'key')->{status}, 200, 'old: the API still serves');

    my $sample = samples($nginx);

    cmp_ok($sample->{'profile_entity_age_seconds{entity=1,workspace=1}'}, '>=',
           7200, 'old: the age in the metrics');
    is($sample->{profile_up}, 1, 'old: up all the same');

    # What is old comes before what is only not followed.
    unlink "$store/CURRENT";
    becomes($nginx, '/status', '200 degraded', 'old and degraded: degraded');
    becomes($nginx, '/ready', '503 entity_stale', 'old and degraded: old');
    profile_switch($store, 'gen-000002');

    # A refresh that changes nothing writes only a note.
    profile_loader($store, 'sync', '--entity', '1');
    becomes($nginx, '/ready', '503 entity_stale', 'one of two is refreshed');
    like(status($nginx, '/ready')->{message}, qr/^entity 2 /,
         'the other one is still old');
    profile_loader($store, 'sync');
    becomes($nginx, '/ready', '200 ok', 'refreshed: ready again');

    # A clock that is behind the loader's.
    age($store, -7200);
    profile_until(5, sub { status($nginx)->{generation} == 3 });
    is(status($nginx, '/ready')->{http}, 200, 'of the future: ready');
    is(status($nginx)->{workspaces}[0]{entities}[0]{age}, 0,
       'of the future: no age');

    $nginx->stop();
}


# -- a sealed store --------------------------------------------------------------

{
    my $store = profile_store(text('x'));

    is(profile_loader($store, 'seal')->{status}, 0, 'sealed: by the loader');

    my $nginx = nginx($store)->start();
    my $status = status($nginx);

    is("$status->{http} $status->{code}", '200 ok', 'sealed: ok');
    ok($status->{sealed}, 'sealed: it says so');
    is($status->{readers}, 0, 'sealed: it has no readers');
    is($status->{workspaces}[0]{entities}[0]{records}, 2, 'sealed: records');
    is(status($nginx, '/ready')->{http}, 200, 'sealed: fresh');
    is(samples($nginx)->{profile_store_sealed}, 1, 'sealed: metrics');
    is($nginx->get($path, 'key')->{status}, 200, 'sealed: a request');
    is(requests($nginx), 'hit=1', 'sealed: counted');

    $nginx->stop();
}


# -- names -----------------------------------------------------------------------

{
    my @names = ('a"b\\c', "\x{e9}\x{4e16}\x{1f600}", "x\x{85}y\x{2028}z",
                 '</script>', '{le="1"}', '\\n', '\\', '"', '#', 'nl');
    my $id = 0;
    my $store = profile_store("workspace 1 $names[0] key=key\n"
                              . join '', map { $id++; <<"END" } @names);
entity $id @{[/\s/ ? qq("$_") : $_]} primary_key=id unloaded
END

    # The loader refuses such a name; a store may have it all the same.
    $names[-1] = "\n\r";
    profile_rewrite($store, sub {
        my ($key, $value) = @_;

        substr($value, $NAME, 2) = "\n\r"
            if ord $key == 0x05 && substr($value, $NAME, 4) eq 'nlid';

        return [$key, $value];
    });

    my $nginx = nginx($store)->start();
    my $status = status($nginx);

    is($status->{workspaces}[0]{name}, $names[0], 'names: of a workspace');
    is_deeply([map { $_->{name} } @{ $status->{workspaces}[0]{entities} }],
              \@names, 'names: of entities');

    my $page = $nginx->get('/metrics')->{body};
    my @info = map { $_->[1] }
               @{ metrics($page)->{profile_entity_info}{samples} };

    is_deeply([map { $_->{entity_name} } @info],
              [map { encode_utf8($_) } @names], 'names: in labels');
    is_deeply([map { $_->{workspace_name} } @info], [($names[0]) x @names],
              'names: of the workspace, in labels');

    my $foreign = foreign_metrics($page);

    SKIP: {
        skip 'there is no python3-prometheus-client', 1 if !defined $foreign;

        my @theirs = map { /\bentity_name=(\w+)/ ? pack 'H*', $1 : () }
                     map { $_->[2] } ref $foreign ? @$foreign : ();

        is_deeply(\@theirs, [map { encode_utf8($_) } @names],
                  'names: as the client library reads them') or diag($foreign);
    }

    is_deeply([check_metrics($page)], [], 'names: good metrics');

    $nginx->stop();
}


# -- a folder of any name --------------------------------------------------------

# It is in the message, too, which may be cut in the middle of a character.

{
    my $bad = "\xff\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe4\xb8y\xc3";
    my $long = join '/', ("\xe4\xb8\x96" x 80) x 3;
    my %folder = (bad => $bad, map { ("cut$_" => 'x' x $_ . $long) } 1 .. 3);

    my $nginx = nginx(profile_tmp() . '/none', more => join '', map { <<"END" }
        location = /$_ {
            profile_store "@{[profile_tmp()]}/$folder{$_}";
            profile_status;
        }
END
        sort keys %folder)->start();

    my %wanted = (map({ $_ => decode_utf8($folder{$_}) } keys %folder),
                  bad => "\x{fffd}" x 12 . "y\x{fffd}");

    for my $name (sort keys %folder) {
        my $body = $nginx->get("/$name")->{body};

        ok(utf8::decode(my $text = $body), "$name: the page is UTF-8");

        my $page = eval { JSON::PP->new->utf8->decode($body) } // {};

        is($page->{code}, 'store_unavailable', "$name: it is JSON");
        is($page->{store}, profile_tmp() . "/$wanted{$name}",
           "$name: the store");
    }

    $nginx->stop();
}


# -- a large page ----------------------------------------------------------------

{
    my $store = profile_store("workspace 1 Acme key=key\n" . join '', map {
        sprintf qq(entity %d "%s" primary_key=id unloaded\n), $_,
                "entity $_ " . '\\' x 500 . 'x' x 400
    } 1 .. 200);
    my $nginx = nginx($store)->start();

    for my $page ('/status', '/metrics') {
        my $reply = $nginx->get($page);

        cmp_ok(length $reply->{body}, '>', 65536 * 4, "$page: is large");
        is($reply->{header}{'content-length'}[0], length $reply->{body},
           "$page: has its length");

        my $head = $nginx->request('HEAD', $page);

        is($head->{status}, 200, "HEAD $page: 200");
        is_deeply([sort grep { $_ ne 'date' } keys %{ $head->{header} }],
                  [sort grep { $_ ne 'date' } keys %{ $reply->{header} }],
                  "HEAD $page: the headers of GET");
        is($head->{header}{$_}[0], $reply->{header}{$_}[0],
           "HEAD $page: $_") for 'content-length', 'content-type';
    }

    my $entities = status($nginx)->{workspaces}[0]{entities};
    my $body = $nginx->get('/metrics')->{body};

    is(@$entities, 200, 'a large page: all entities');
    is($entities->[199]{name}, 'entity 200 ' . '\\' x 500 . 'x' x 400,
       'a large page: the last one');
    is(@{ metrics($body)->{profile_entity_info}{samples} }, 200,
       'a large page: all of them in metrics');
    is_deeply([check_metrics($body)], [], 'a large page: good metrics');

    $nginx->stop();
}


# -- names, types and units ------------------------------------------------------

{
    my $store = profile_store(text('x'));
    my $nginx = nginx($store)->start();

    $nginx->get($path, 'key');

    my $page = $nginx->get('/metrics')->{body};
    my $families = metrics($page);

    is_deeply([check_metrics($page)], [], 'good metrics');
    is(scalar(grep { !/^profile_[a-z_]+$/ } keys %$families), 0,
       'metrics: one prefix');

    for my $name (sort keys %$families) {
        my ($type, $help) = @{ $families->{$name} }{qw(type help)};

        is($name =~ /_total$/ ? 1 : 0, $type eq 'counter' ? 1 : 0,
           "$name: only a counter is a total");
        unlike($name, qr/_(?:count|sum|bucket|info_\w+|ms|kb|minutes)$/,
               "$name: no part of another, no odd unit");
        like($help, qr/^[A-Z].*\.$/, "$name: help is a sentence");
    }

    my $foreign = foreign_metrics($page);

    SKIP: {
        skip 'there is no python3-prometheus-client', 1 if !defined $foreign;

        my $ours = samples($nginx);

        is(ref $foreign ? scalar @$foreign : $foreign, scalar keys %$ours,
           'the client library reads every sample');
    }

    $nginx->stop();
}


# -- a body is thrown away -------------------------------------------------------

{
    my $nginx = nginx(profile_store(text('x')))->start();

    for my $page ('/status', '/metrics') {
        my $body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        my $length = length $body;

        my @replies = $nginx->replies($nginx->exchange(
            "GET $page HTTP/1.1\r\nHost: x\r\nContent-Length: $length\r\n\r\n"
            . $body
            . "POST $page HTTP/1.1\r\nHost: x\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n"
            . sprintf("%x\r\n%s\r\n0\r\n\r\n", $length, $body)
            . "GET $page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));

        is(join(' ', map { $_->{status} } @replies), '200 405 200',
           "$page: one request, one reply");

        @replies = $nginx->replies($nginx->exchange(
            "GET $page HTTP/1.1\r\nHost: x\r\n"
            . "Transfer-Encoding: chunked\r\n\r\nzz\r\n"));

        is(join(' ', map { $_->{status} } @replies), '400',
           "$page: a body that cannot be read");
        like($replies[0]{body}, qr/"code":"invalid_body"/,
             "$page: is told in JSON");
    }

    $nginx->stop();
}


done_testing();
