# Why: limits and logs are what tenants are told apart by. A limit must not be
# avoided with a key that is wrong, must not be charged to somebody else, and a
# key that is revoked while its request waits must not open anything.

use strict;
use warnings;

use IO::Socket::UNIX ();
use Test::More;
use Time::HiRes qw(sleep);

# It starts and reloads its own nginx.
plan skip_all => 'nothing here depends on TEST_NGINX_USE_HUP'
    if $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $unloaded = $ENV{TEST_NGINX_USE_VALGRIND} ? 5 : 1;
my $record = '/api/entities/1/record?record_id=1';
my $large = '{"id":"large","text":"' . 'x' x 6_000_000 . '"}';

# A line holds what is asked for in the path's "n", then all of the module.
my $format = <<'END';
log_format who '$arg_n|$profile_workspace|$profile_key|$profile_entity'
               '|$profile_result|$profile_generation|$profile_refreshed_at'
               '|$profile_age|$status';
log_format sub '$uri|$profile_workspace|$profile_key|$profile_entity'
               '|$profile_result';
END

# What README.md recommends.
my $limits = <<'END';
map $profile_workspace $stranger {
    volatile;
    ""       $binary_remote_addr;
    default  "";
}
map $profile_key $tenant_key {
    volatile;
    ""       "";
    default  "$profile_workspace:$profile_key";
}
END


sub text {
    my (@keys) = @_;

    return "workspace 1 Acme\n" . join('', map { "key $_\n" } @keys) . <<"END";
entity 1 Users primary_key=id
{"id":"1","name":"first"}
$large
entity 2 Orders primary_key=id
{"id":"1","name":"second"}
workspace 2 Globex
key globex name=one
key globex2 name=two
entity 1 Users primary_key=id
{"id":"1","name":"of globex"}
END
}


sub nginx {
    my ($store, %option) = @_;

    my ($http, $config) = delete @option{qw(http config)};

    return Test::Nginx::Profile::Daemon->new(%option,
        http => $format . $limits . ($http // ''),
        config => "access_log who.log who;\nprofile_store $store;\n"
                  . "profile_check_interval 50ms;\n$config")->start();
}


# What is in the log of the request with this "n".

sub logged {
    my ($nginx, $n) = @_;

    my $line;

    profile_until(5 * $unloaded, sub {
        ($line) = $nginx->_read('who.log') =~ /^\Q$n\E\|(.*)$/m;
        return defined $line;
    });

    return $line // 'nothing';
}


# Statuses of as many requests as there are keys.

sub statuses {
    my ($nginx, @keys) = @_;

    return join ' ', map { $nginx->get($record, $_)->{status} } @keys;
}


sub authenticated {
    my ($nginx) = @_;

    return scalar(() = $nginx->new_errors() =~ /profile authenticate/g);
}


# -- logs ------------------------------------------------------------------------

my $store = profile_store(text('key', 'other')
                          . "workspace 3 Off disabled\nkey off\n");

{
    my $nginx = nginx($store, config => <<'END');
        location /api/ {
            profile_api;
        }
END

    my $n = 0;

    for my $case (
        ['key', $record, '1|key1|1|hit|1|#|#|200'],
        ['globex2', $record, '2|two|1|hit|1|#|#|200'],
        ['key', '/api/entities?', '1|key1|-|hit|1|-|-|200'],
        ['key', '/api/entities/1/record?record_id=no',
         '1|key1|1|miss|1|#|#|404'],
        ['key', '/api/entities/9/record?record_id=1',
         '1|key1|-|miss|1|-|-|404'],
        ['key', '/api/none?', '1|key1|-|miss|1|-|-|404'],
        ['key', '/api/entities/1/record?', '1|key1|1|invalid|1|#|#|400'],
        [undef, $record, '-|-|-|denied|-|-|-|401'],
        ['nope', $record, '-|-|-|denied|1|-|-|401'],
        ['off', $record, '-|-|-|denied|1|-|-|401'],
        ['a b', $record, '-|-|-|invalid|-|-|-|400'],
        ['key', '/elsewhere?', '-|-|-|-|-|-|-|404'])
    {
        my ($key, $path, $wanted) = @$case;

        $n++;
        $nginx->get("$path&n=$n", $key);

        my $line = logged($nginx, $n) =~ s/\|1\d{9}\|\d+\|/|#|#|/r;

        is($line, $wanted, "log: " . ($key // 'no key') . " $path");
    }

    # nginx alone has an opinion of this one.
    $nginx->exchange("GET $record&n=bad HTTP/1.1\r\n\r\n");
    is(logged($nginx, 'bad'), '-|-|-|-|-|-|-|400', 'log: no Host');

    unlike($nginx->_read('who.log'), qr/\bkey\b|nope|\bglobex\d?\b/,
           'log: no key is in it');

    $nginx->stop();
}


# -- limits by workspace ---------------------------------------------------------

{
    my $nginx = nginx($store, http => <<'END', config => <<'END2');
limit_req_zone $profile_workspace zone=workspaces:64k rate=1r/m;
limit_req_zone $stranger zone=strangers:64k rate=1r/m;
END
        limit_req_status 429;

        location /api/ {
            limit_req zone=workspaces burst=3 nodelay;
            limit_req zone=strangers burst=1 nodelay;
            profile_api;
        }
END2

    is(statuses($nginx, ('key') x 3, 'other', 'key', 'other'),
       '200 200 200 200 429 429', 'limit by workspace: all its keys together');
    is(statuses($nginx, 'globex'), '200', 'limit by workspace: not another');

    is(statuses($nginx, 'nope', 'nope2'), '401 401', 'strangers: two');
    is(statuses($nginx, undef, 'nope3', 'a b', 'off'), '429 429 429 429',
       'strangers: no key that is wrong avoids their limit');
    is(statuses($nginx, 'globex2'), '200',
       'strangers: they do not use up the limit of those who have a key');
    is(statuses($nginx, 'key'), '429', 'a workspace over its limit stays so');

    $nginx->get("$record&n=over", 'key');
    is(logged($nginx, 'over') =~ s/\|1\d{9}\|\d+\|/|#|#|/r,
       '1|key1|1|-|1|#|#|429', 'log: a request over its limit');
    $nginx->get("$record&n=bad", 'nope');
    is(logged($nginx, 'bad'), '-|-|-|denied|1|-|-|429',
       'log: a stranger over the limit');

    $nginx->stop();
}


# -- limits by key ---------------------------------------------------------------

{
    my $nginx = nginx($store, http => <<'END', config => <<'END2');
limit_req_zone $tenant_key zone=keys:64k rate=1r/m;
limit_req_zone $stranger zone=strangers:64k rate=1r/m;
END
        limit_req_status 429;

        location /api/ {
            limit_req zone=keys burst=1 nodelay;
            limit_req zone=strangers burst=1 nodelay;
            profile_api;
        }
END2

    is(statuses($nginx, ('key') x 3), '200 200 429', 'limit by key: one');
    is(statuses($nginx, ('other') x 3), '200 200 429', 'limit by key: another');
    is(statuses($nginx, ('globex') x 3), '200 200 429',
       'limit by key: one of another workspace');
    is(statuses($nginx, 'nope', 'nope2', 'nope3', undef), '401 401 429 429',
       'limit by key: strangers');
    is(statuses($nginx, 'globex2'), '200', 'limit by key: and one that is left');

    $nginx->stop();
}


# -- limits of connections -------------------------------------------------------

{
    my $nginx = nginx($store, http => <<'END', config => <<'END2');
limit_conn_zone $profile_workspace zone=workspaces:64k;
limit_conn_zone $profile_key zone=keys:64k;
END
        limit_conn_status 429;

        location /api/ {
            limit_conn workspaces 1;
            profile_api;
        }
        location /keys/ {
            limit_conn keys 1;
            profile_api;
        }
END2

    for my $case (['/api', 'other'], ['/keys', 'key']) {
        my ($prefix, $same) = @$case;

        # It is not read to its end, so it stays.
        my $socket = $nginx->connect();
        my $path = "$prefix/entities/1/record?record_id=large";

        syswrite $socket, "GET $path HTTP/1.1\r\nHost: x\r\n"
                          . "Connection: close\r\n"
                          . "Authorization: Bearer key\r\n\r\n";
        sysread $socket, my $head, 12;
        is($head, 'HTTP/1.1 200', "$prefix: a connection is in use");

        my $other = "$prefix/entities/1/record?record_id=1";

        is($nginx->get($other, $same)->{status}, 429, "$prefix: one more");
        is($nginx->get($other, 'globex')->{status}, 200,
           "$prefix: one of somebody else");

        $nginx->read_all($socket);
        ok(profile_until(5 * $unloaded, sub {
            return $nginx->get($other, $same)->{status} == 200;
        }), "$prefix: when it is over");
    }

    $nginx->stop();
}


# -- authenticated once ----------------------------------------------------------

{
    my $nginx = nginx($store, log_level => 'debug', http => <<'END',
limit_req_zone $profile_workspace zone=workspaces:64k rate=1000r/s;
limit_req_zone $tenant_key zone=keys:64k rate=1000r/s;
limit_req_zone $stranger zone=strangers:64k rate=1000r/s;
limit_conn_zone $profile_workspace zone=connections:64k;
END
        config => <<'END');
        location /api/ {
            set $early "$profile_workspace$profile_key";
            limit_req zone=workspaces burst=1000 nodelay;
            limit_req zone=keys burst=1000 nodelay;
            limit_req zone=strangers burst=1000 nodelay;
            limit_conn connections 1000;
            add_header X-Who "$profile_workspace$profile_key$profile_entity";
            add_header X-Age "$profile_age$profile_generation" always;
            profile_api;
        }
        location /plain/ {
            access_log off;
            profile_api;
        }
END

    $nginx->get('/plain/entities', 'key');

    my $log = $nginx->new_errors();

    SKIP: {
        skip 'this nginx has no debug log', 5 if $log !~ /\[debug\]/;

        is(scalar(() = $log =~ /profile authenticate/g), 1,
           'without a variable: once');

        for my $case (['key', 200], ['globex', 200], ['nope', 401],
                      ['off', 401])
        {
            my ($key, $status) = @$case;
            my $n = "once-$key";

            is($nginx->get("$record&n=$n", $key)->{status}, $status,
               "all variables everywhere: $key: $status");
            logged($nginx, $n);
            is(authenticated($nginx), 1, "all variables everywhere: $key: once");
        }
    }

    $nginx->stop();
}


# -- a key that is revoked, or expires, while its request waits -------------------

# The request waits in the access phase for this server to say yes.

sub hold {
    my ($nginx, $key, $n, $meanwhile) = @_;

    my $client = $nginx->connect();
    my $path = $record =~ s/api/held/r;

    syswrite $client, "GET $path&n=$n HTTP/1.1\r\nHost: x\r\n"
                      . "Connection: close\r\n"
                      . "Authorization: Bearer $key\r\n\r\n";

    my $asked = $nginx->{gate}->accept() or die "accept: $!";

    while (my $line = <$asked>) {
        last if $line eq "\r\n";
    }

    $meanwhile->();

    print {$asked} "HTTP/1.0 204 No Content\r\n\r\n";
    close $asked;

    my ($reply) = $nginx->replies($nginx->read_all($client));

    return $reply;
}


{
    my $store = profile_store(text('key', 'other'));
    my $gate = profile_tmp() . '/gate';

    my $socket = IO::Socket::UNIX->new(Local => $gate, Listen => 5,
                                       Timeout => 30) or die "$gate: $!";
    chmod 0777, $gate;

    my $nginx = nginx($store, http => <<'END', config => <<"END2");
limit_req_zone $profile_workspace zone=workspaces:64k rate=1000r/s;
END
        location /held/ {
            limit_req zone=workspaces burst=1000 nodelay;
            set \$early "\$profile_workspace,\$profile_key";
            add_header X-Early "\$early" always;
            add_header X-Late "\$profile_workspace,\$profile_key" always;
            auth_request /gate;
            profile_api;
        }
        location = /gate {
            internal;
            proxy_pass http://unix:$gate:/;
            proxy_pass_request_headers off;
        }
END2

    $nginx->{gate} = $socket;

    my $reply = hold($nginx, 'key', 'held', sub { });

    is($reply->{status}, 200, 'held: let through');

    $reply = hold($nginx, 'key', 'revoked', sub {
        profile_apply($store, text('other'));
    });

    is($reply->{header}{'x-early'}[0], '1,key1', 'revoked: it was known');
    is($reply->{status}, 401, 'revoked: and is refused');
    is($reply->{header}{'x-late'}[0], ',', 'revoked: and nobody now');
    is(logged($nginx, 'revoked'), '-|-|-|denied|1|-|-|401',
       'revoked: in the log');

    $reply = hold($nginx, 'other', 'changed', sub {
        profile_apply($store, text('more', 'other'));
    });

    is($reply->{header}{'x-early'}[0], '1,key1', 'renamed: before');
    is($reply->{header}{'x-late'}[0], '1,key2', 'renamed: after');
    is($reply->{status}, 200, 'renamed: served');

    $reply = hold($nginx, 'new', 'new', sub {
        profile_apply($store, text('new', 'other'));
    });

    is($reply->{header}{'x-early'}[0], ',', 'made meanwhile: unknown before');
    is($reply->{status}, 200, 'made meanwhile: served');
    is(logged($nginx, 'new') =~ s/\|1\d{9}\|\d+\|/|#|#|/r,
       '1|key1|1|hit|1|#|#|200', 'made meanwhile: in the log');

    # Another generation, with other owners of the same keys.
    $reply = hold($nginx, 'new', 'switch', sub {
        profile_rewrite($store, sub {
            my ($key, $value) = @_;
            return ord $key == 0x02 ? () : [$key, $value];
        });

        profile_until(10 * $unloaded, sub {
            return $nginx->error_log() =~ /generation 2 is open/;
        });
    });

    is($reply->{header}{'x-early'}[0], '1,key1', 'no keys any more: before');
    is($reply->{status}, 401, 'no keys any more: refused');

    # A key that expires, if it was in time at all.
    for my $seconds (2, 5, 20) {
        my $end = time + $seconds;
        my @time = gmtime $end;
        my $expires = sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ',
                              $time[5] + 1900, $time[4] + 1, @time[3, 2, 1, 0];

        profile_apply($store, text("short expires=$expires"));

        $reply = hold($nginx, 'short', "expired-$seconds", sub {
            sleep 0.05 while time < $end + 1;
        });

        last if $reply->{header}{'x-early'}[0] eq '1,key1';
    }

    is($reply->{header}{'x-early'}[0], '1,key1', 'expired: it was good');
    is($reply->{status}, 401, 'expired: and is refused');
    is($reply->{header}{'x-late'}[0], ',', 'expired: and nobody now');

    $nginx->stop();
}


# -- another store in its place, of the same numbers, while a request waits -------

{
    my ($store, $other) = map { profile_store(<<"END") } 'Acme', 'Globex';
workspace 1 $_ key=of-$_
entity 1 Users primary_key=id
{"id":"1","name":"of $_"}
END

    my $commit = sub {
        return join ' ', profile_loader($_[0], 'status', '--json')->{out}
                         =~ /"(?:generation|transaction)": (\d+)/g;
    };

    is($commit->($store), $commit->($other), 'replaced: one commit');

    my $gate = profile_tmp() . '/gate2';
    my $socket = IO::Socket::UNIX->new(Local => $gate, Listen => 5,
                                       Timeout => 30) or die "$gate: $!";
    chmod 0777, $gate;

    my $nginx = nginx($store, config => <<"END");
        location /held/ {
            set \$early "\$profile_workspace,\$profile_entity";
            add_header X-Early "\$early" always;
            auth_request /gate;
            profile_api;
        }
        location = /gate {
            internal;
            proxy_pass http://unix:$gate:/;
            proxy_pass_request_headers off;
        }
        location = /status {
            profile_status;
        }
END

    $nginx->{gate} = $socket;

    my $reply = hold($nginx, 'of-Acme', 'replaced', sub {
        rename $store, "$store.away" or die $!;
        rename $other, $store or die $!;

        ok(profile_until(10 * $unloaded, sub {
            return $nginx->get('/status')->{body} =~ /"Globex"/;
        }), 'replaced: the other one is open');
    });

    is($reply->{header}{'x-early'}[0], '1,1', 'replaced: it was known');
    is($reply->{status}, 401, 'replaced: and is refused');
    is($reply->{body}, profile_error('invalid_key'),
       'replaced: nothing of the other store');
    is(logged($nginx, 'replaced'), '-|-|-|denied|1|-|-|401',
       'replaced: in the log');

    $reply = hold($nginx, 'of-Globex', 'now', sub { });
    is($reply->{body}, '{"data":{"id":"1","name":"of Globex"}}',
       'replaced: its own key');

    $nginx->stop();
}


# -- pages that are put together -------------------------------------------------

{
    my $store = profile_store(text('key') . <<'END');
entity 7 Pages primary_key=id
{"id":"1","page":"<!--#include virtual='/acme/entities/1/record?record_id=1' --><!--#include virtual='/none/entities' -->"}
END

    my $nginx = nginx($store, http => <<'END', config => <<'END2');
limit_req_zone $profile_workspace zone=workspaces:64k rate=1r/m;
END
        log_subrequest on;

        location /api/ {
            ssi on;
            ssi_types application/json;
            limit_req zone=workspaces burst=1 nodelay;
            profile_api;
        }
        location /acme/ {
            set $inside acme;
            access_log sub.log sub;
            profile_bearer key;
            profile_api;
        }
        location /none/ {
            access_log sub.log sub;
            profile_bearer nope;
            profile_api;
        }
        location = /page {
            ssi on;
            default_type text/html;
            return 200 '<!--#include virtual="/acme/entities/1/record?record_id=1" -->';
        }
END2

    my $path = '/api/entities/7/record?record_id=1';
    my $reply = $nginx->get("$path&n=mixed", 'globex');

    is($reply->{body}, '{"data":{"id":"1","page":"'
                       . '{"data":{"id":"1","name":"first"}}'
                       . profile_error('invalid_key') . '"}}',
       'a page of three');
    is(logged($nginx, 'mixed') =~ s/\|1\d{9}\|\d+\|/|#|#|/r,
       '2|one|7|hit|1|#|#|200', 'the log of the page is its own');
    is($nginx->_read('sub.log'), "/acme/entities/1/record|1|key1|1|hit\n"
                                 . "/none/entities|-|-|-|denied\n",
       'and those inside are theirs');

    $nginx->get('/page?n=page', 'globex');
    is(logged($nginx, 'page'), '-|-|-|-|-|-|-|200',
       'a page that is nobody\'s stays so');

    is($nginx->get($path, 'globex')->{status}, 200, 'the limit is for the page');
    is($nginx->get($path, 'globex')->{status}, 503, 'and is used up by it');
    is($nginx->get($record, 'key')->{status}, 200,
       'not for the workspace of what is inside');

    $nginx->stop();
}


# -- two stores, as like as two can be -------------------------------------------

{
    my ($one, $two) = map { profile_store(<<"END") } 1, 2;
workspace $_ Acme$_
key key name=of-$_
entity $_ Users primary_key=id
{"id":"1","store":"$_"}
END

    my $commit = sub {
        return join ' ', profile_loader($_[0], 'status', '--json')->{out}
                         =~ /"(?:generation|transaction)": (\d+)/g;
    };

    is($commit->($one), $commit->($two), 'two stores: one commit');

    my $nginx = nginx($one, config => <<"END");
        location /api/ {
            set \$early "\$profile_workspace,\$profile_key,\$profile_entity";
            rewrite ^/api/(.*) /two/\$1 last;
            profile_api;
        }
        location /two/ {
            add_header X-Early "\$early" always;
            profile_store $two;
            profile_api;
        }
END

    my $reply = $nginx->get('/api/entities/2/record?record_id=1&n=two', 'key');

    is($reply->{body}, '{"data":{"id":"1","store":"2"}}', 'two stores: body');
    is($reply->{header}{'x-early'}[0], '1,of-1,', 'two stores: before');
    is(logged($nginx, 'two') =~ s/\|1\d{9}\|\d+\|/|#|#|/r,
       '2|of-2|2|hit|1|#|#|200', 'two stores: after');

    $nginx->stop();
}


# -- refreshes -------------------------------------------------------------------

{
    my $store = profile_store(text('key'));
    my $nginx = nginx($store, config => <<'END');
        location /api/ {
            add_header X-When "$profile_refreshed_at $profile_age $profile_generation";
            profile_api;
        }
END

    my $when = sub {
        my $reply = $nginx->get($record, 'key');

        return (split(/ /, $reply->{header}{'x-when'}[0]), $reply);
    };

    my ($refreshed, $age, undef, $before) = $when->();

    cmp_ok(abs(time - $refreshed - $age), '<=', 30, 'age: since the refresh');

    ok(profile_until(10 * $unloaded, sub { ($when->())[1] > $age }),
       'age: it grows');
    is(($when->())[0], $refreshed, 'age: the refresh stays where it was');

    sleep 0.05 while time <= $refreshed;

    my $run = profile_loader($store, 'sync', '--workspace', '1');

    is($run->{status}, 0, 'a refresh that changes nothing');

    my ($later, $younger, undef, $after);

    ok(profile_until(5 * $unloaded, sub {
        ($later, $younger, undef, $after) = $when->();
        return $later > $refreshed;
    }), 'a refresh that changes nothing: is seen');

    is($after->{header}{etag}[0], $before->{header}{etag}[0],
       'a refresh that changes nothing: ETag');
    is($after->{header}{'last-modified'}[0],
       $before->{header}{'last-modified'}[0],
       'a refresh that changes nothing: Last-Modified');

    # The note is what says so.
    my ($note) = glob profile_generation($store) . '/refreshed-1-1';

    open my $in, '<', $note or die "$note: $!";
    is(<$in> + 0, $later, 'the note of the loader says the same');
    close $in;

    profile_copy($store, sub { });

    ok(profile_until(5 * $unloaded, sub { ($when->())[2] == 2 }),
       'another generation: its number');
    is(($when->())[0], $later, 'another generation: the time goes with it');

    # A generation without the note: what the database says.
    profile_copy($store, sub { unlink "$_[0]/refreshed-1-1" });
    ok(profile_until(5 * $unloaded, sub { ($when->())[2] == 3 }),
       'no note: the generation');
    is(($when->())[0], $refreshed, 'no note: the time of the last change');

    $nginx->stop();
}


# -- a sealed store --------------------------------------------------------------

{
    my $store = profile_store(text('key'));

    is(profile_loader($store, 'seal')->{status}, 0, 'sealed: by the loader');

    my $nginx = nginx($store, config => <<'END', log_level => 'debug',
        location /api/ {
            limit_req zone=workspaces burst=2 nodelay;
            profile_api;
        }
END
        http => <<'END');
limit_req_zone $profile_workspace zone=workspaces:64k rate=1r/m;
END

    $nginx->new_errors();
    is($nginx->get("$record&n=sealed", 'key')->{status}, 200, 'sealed: served');
    is(logged($nginx, 'sealed') =~ s/\|1\d{9}\|\d+\|/|#|#|/r,
       '1|key1|1|hit|2|#|#|200', 'sealed: in the log');

    my $log = $nginx->new_errors();

    SKIP: {
        skip 'this nginx has no debug log', 1 if $log !~ /\[debug\]/;

        is(scalar(() = $log =~ /profile authenticate/g), 1, 'sealed: once');
    }

    is(statuses($nginx, ('key') x 3), '200 200 503', 'sealed: limited');

    $nginx->stop();
}


done_testing();
