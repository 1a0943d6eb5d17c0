# Why: a client is generated from docs/openapi.yaml, and trusts it more than
# any prose. So the document has to be valid, every kind of reply has to be in
# it as it is sent, and nothing may be in it that is never sent.
#
# Examples are replies to the requests below: an exchange's name is that of the
# examples that it is compared with, those of its parameters, of the reply's
# headers and of its body. t/api/check.js does that.

use strict;
use warnings;

use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

die "the packages are not there: make check-api\n" if !$ENV{NODE_PATH};

my $Source = 'ngx_http_profile_module/module';
my $Json = JSON::PP->new->utf8;

my $Entities = '/entities';
my $Record = '/entities/{entity_id}/record';
my $Status = '/profile/status';

my @Key = (Authorization => 'Bearer secret-token:1234');
my @User = (entity_id => 1, record_id => '478060');

# Where the page says that the store is; that of the examples.
my $Folder = '/var/lib/profile';


# -- a server ---------------------------------------------------------------

my $Text = <<'END';
workspace 1 Acme key=secret-token:1234
entity 1 Users primary_key=id
{"id":"478060","created_at":"2018-01-14 15:53:16","email":"boris@getcensus.com","first_name":"Boris","last_name":"Jabes","title":"CEO"}
entity 2 Companies primary_key=domain
{"domain":"example.com","name":"Example, Inc.","employees":12,"score":0.10}
{"domain":"example.org","name":"Example Foundation","employees":3,"score":null}
entity 3 Invoices primary_key=number library_id=2
{"number":1001,"amount":"99.50"}
END

my $Store = profile_store(<<"END");
${Text}entity 4 Leads primary_key=id unloaded
workspace 2 Globex key=globex
entity 9 Users primary_key=id
{"id":"478060"}
END

# Tue, 24 Nov 2026 09:30:00 GMT is when all bodies have changed last.
profile_rewrite($Store, sub {
    my ($key, $value) = @_;

    substr($value, 12, 4) = pack 'N', 1795512600 if $key =~ /^[\x04\x20]/;

    return [$key, $value];
});

my $Fresh = profile_store($Text);
my $Failing = profile_store($Text);
my $Stale = profile_store("${Text}entity 4 Leads primary_key=id unloaded\n");

my $Nginx = Test::Nginx::Profile::Daemon->new(config => <<"END")->start();
    location /api/v1/ {
        profile_store $Store;
        profile_api;
    }
    location /none/api/v1/ {
        profile_store $Store-none;
        profile_api;
    }
    location = /profile/status {
        profile_store $Fresh;
        profile_status;
    }
    location = /failing/profile/status {
        profile_store $Failing;
        profile_status;
    }
    location = /stale/profile/status {
        profile_store $Stale;
        profile_status;
        profile_max_age 1h;
    }
    location = /none/profile/status {
        profile_store $Store-none;
        profile_status;
    }
END


# -- exchanges --------------------------------------------------------------

my @Exchanges;


sub ask {
    my ($name, $method, $path, $sent, %option) = @_;

    my %sent = %$sent;
    my $url = $path =~ s/\{(\w+)\}/$sent{$1}/r;
    my $query = $option{query};

    $query = "record_id=$sent{record_id}" if defined $sent{record_id};
    $url = ($path eq $Status ? $url : "/api/v1$url")
           . ($option{slash} ? '/' : '') . (defined $query ? "?$query" : '');

    my @headers = map { /^\w+_id$/ ? () : "$_: $sent{$_}" } sort keys %sent;
    my $bytes = join "\r\n", "$method " . ($option{at} // '') . "$url HTTP/1.1",
                     'Host: localhost', 'Connection: close', @headers,
                     @{ $option{headers} || [] }, '', $option{body} // '';

    my @replies = $Nginx->replies($Nginx->exchange($bytes), $method);

    is(scalar @replies, 1, "$method $path, $name: a reply") or return;

    my $reply = $replies[0];

    push @Exchanges, {
        name => $name, path => $path, sent => \%sent,
        method => $method =~ /^(?:GET|HEAD)$/ ? lc $method : 'options',
        status => $reply->{status} + 0, header => $reply->{header},
        body => place($reply->{body}),
        varies => $path eq $Status && $method eq 'GET'
                  ? JSON::PP::true : JSON::PP::false,
    };

    return $reply;
}


sub place {
    my ($body) = @_;

    for my $store ("$Store-none", $Fresh, $Failing, $Stale) {
        $body =~ s/\Q$store\E(?=[\/"])/$Folder/g;
    }

    return $body;
}


# GET, and HEAD, whose headers are the same.

sub look {
    my ($name, $path, $sent, %option) = @_;

    my ($get, $head) = map { ask($name, $_, $path, $sent, %option) }
                       'GET', 'HEAD';

    is($head->{body}, '', "$path, $name: HEAD has no body");

    for my $reply ($get, $head) {
        delete @{ $reply->{header} }{qw(date content-length)}
            if $path eq $Status;
        delete $reply->{header}{date};
    }

    is_deeply([@$head{qw(status header)}], [@$get{qw(status header)}],
              "$path, $name: HEAD has the status and the headers of GET");

    return $get;
}


my @Chunks = (headers => ['Transfer-Encoding: chunked'],
              body => "no chunk\r\n");
my $Basic = 'Basic YmVhcmVyOnNlY3JldC10b2tlbjoxMjM0';

for my $where ([entities => $Entities], [user => $Record, @User]) {
    my ($name, $path, @parameters) = @$where;
    my @all = (@parameters, @Key);

    my $found = look($name, $path, {@all});
    my ($tag) = @{ $found->{header}{etag} };
    my ($time) = @{ $found->{header}{'last-modified'} };

    look('a slash', $path, {@all}, slash => 1);
    look('another header', $path, {@parameters,
         Authentication => 'bearer secret-token:1234'});
    look('a user', $path, {@parameters, Authorization => $Basic});

    look($name eq 'user' ? 'not_modified' : 'a tag', $path,
         {@all, 'If-None-Match' => $tag});
    look('a time', $path, {@all, 'If-Modified-Since' => $time});
    look('precondition_failed', $path, {@all, 'If-Match' => '"0"'});
    look('an old time', $path,
         {@all, 'If-Unmodified-Since' => 'Tue, 24 Nov 2026 09:29:59 GMT'});

    look('missing_credentials', $path, {@parameters});
    look('invalid_key', $path, {@parameters, Authorization => 'Bearer wrong'});
    look('invalid_credentials', $path,
         {@parameters, Authorization => 'Basic !'});
    look('invalid_body', $path, {@all}, @Chunks);
    look('store_unavailable', $path, {@all}, at => '/none');

    for my $method (qw(OPTIONS POST PUT PATCH DELETE PROPFIND ANYTHING)) {
        ask('method_not_allowed', $method, $path, {@all});
    }

    ask('method_not_allowed', 'OPTIONS', $path, {@parameters});
    ask('invalid_body', 'OPTIONS', $path, {@all}, @Chunks);
    ask('invalid_body', 'POST', $path, {@parameters}, @Chunks);
}

look('unknown parameters', $Entities, {@Key}, query => 'a=b&record_id=');
look('company', $Record, {@Key, entity_id => 2, record_id => 'example.org'});
look('a number', $Record, {@Key, entity_id => 2, record_id => 'example.com'});

look('missing_record_id', $Record, {@Key, entity_id => 1});
look('missing_record_id', $Record, {@Key, entity_id => 1},
     query => 'record_id=');
look('invalid_record_id', $Record, {@Key, entity_id => 1}, query => $_)
    for 'record_id=1&record_id=1', 'record_id=%4', 'record_id=%00',
        'record_id=' . 'x' x 501;

look('not_found', $Record, {@Key, entity_id => $_, record_id => 1})
    for '', '1/2';
like(look('no id', $Record, {@Key, entity_id => $_, record_id => 1})->{body},
     qr/"code":"entity_not_found"/, "$_ is the id of no entity")
    for '0', '01', '-1', 'Users', '4294967296';
look('entity_not_found', $Record, {@Key, entity_id => 9, record_id => $_})
    for '478060', 'nobody';
look('record_not_found', $Record, {@Key, entity_id => 1,
                                   record_id => 'nobody'});
look('entity_not_ready', $Record, {@Key, entity_id => 4, record_id => 1});

# Another generation, which cannot be opened.
like(look('ok', $Status, {}, at => '/failing')->{body}, qr/"code":"ok"/,
     'a store is open');
@Exchanges = grep { $_->{name} ne 'ok' } @Exchanges;
profile_copy($Failing, sub { truncate "$_[0]/data.mdb", 0 });

ok(profile_until($Nginx->patience(), sub {
    return $Nginx->request('GET', "/failing$Status")->{body} =~ /"degraded"/;
}), 'the next one cannot be opened');

look('ok', $Status, {});
look('degraded', $Status, {}, at => '/failing');
look('entity_stale', $Status, {}, at => '/stale');
look('store_unavailable', $Status, {}, at => '/none');
look('invalid_body', $Status, {}, @Chunks);
ask('invalid_body', 'OPTIONS', $Status, {}, @Chunks);
ask('method_not_allowed', $_, $Status, {}) for qw(OPTIONS POST DELETE);

$Nginx->stop();


# -- the document -----------------------------------------------------------

my $Found = check('docs/openapi.yaml');

is_deeply($Found->{document}, [], 'the document is valid and needs all of it');
is(scalar @{ $Found->{exchanges} }, scalar @Exchanges, 'all were looked at');

for my $n (0 .. $#Exchanges) {
    my ($exchange, $problems) = ($Exchanges[$n], $Found->{exchanges}[$n]);

    is("@$problems", '', join ' ', uc $exchange->{method}, $exchange->{path},
       "$exchange->{name}: $exchange->{status}, as in the document");
}

is_deeply($Found->{unseen}, [], 'all that is in the document was seen');
is_deeply($Found->{codes}, [source_codes()],
          'its codes are those of the source');
like(slurp('CHANGES'), qr/\A[^\n]*\n+\Q$Found->{version}\E\n/,
     'its version is that of CHANGES');

done_testing();


sub check {
    my ($document) = @_;

    my $pid = open2(my $out, my $in, 'node', 't/api/check.js', $document);

    print {$in} $Json->encode(\@Exchanges);
    close $in;

    my $result = do { local $/; <$out> };

    waitpid $pid, 0;
    is($?, 0, 'check.js comes to its end') or BAIL_OUT('check.js');

    return $Json->decode($result);
}


# What the module can send, those of the status page included.

sub source_codes {
    my %codes;

    my $reply = slurp("$Source/ngx_http_profile_reply.c");
    my $status = slurp("$Source/ngx_http_profile_status_json.c");

    $codes{"$1 $2"} = 1
        while $reply =~ /ngx_http_profile_error\((\d+),\s*"(\w+)"/g;

    cmp_ok(scalar keys %codes, '>', 10, 'the codes of errors are found');

    my $count = () = $status =~ /^ *"\\"status\\":.*/mg;

    while ($status =~ /"\\"status\\":(\d+),\\"code\\":\\"(\w+)\\""/g) {
        $codes{"$1 $2"} = 1;
        $count--;
    }

    is($count, 0, 'the codes of the page are found');

    return sort keys %codes;
}


sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or die "$path: $!";
    local $/;

    return scalar <$in>;
}
