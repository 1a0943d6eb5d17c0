# Why: whoever comes from the vendor has a Postman environment, with a key and
# an entity's id in it, and expects a collection that works with it. Its tests
# are what people try an installation with, so they have to pass on one that is
# right and to fail on one that is not.

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $Modules = $ENV{NODE_PATH}
    or die "the packages are not there: make check-api\n";

my $Path = 'docs/postman_collection.json';
my $Json = JSON::PP->new->utf8;
my $Collection = $Json->decode(slurp($Path));
my %Variable = map { $_->{key} => $_->{value} } @{ $Collection->{variable} };

my $Store = profile_store(<<'END');
workspace 1 Acme key=secret-token:1234
entity 1 Users primary_key=id
{"id":"478060","created_at":"2018-01-14 15:53:16","email":"boris@getcensus.com","first_name":"Boris","last_name":"Jabes","title":"CEO"}
entity 2 Companies primary_key=domain
{"domain":"example.org","name":"Example Foundation","employees":3,"score":null}
entity 3 Invoices primary_key=number library_id=2
{"number":1001,"amount":"99.50"}
workspace 2 Globex key=a:b/c+d=
entity 7 People primary_key=id
{"id":"478060"}
END

# Tue, 24 Nov 2026 09:30:00 GMT is when all bodies have changed last.
profile_rewrite($Store, sub {
    my ($key, $value) = @_;

    substr($value, 12, 4) = pack 'N', 1795512600 if $key =~ /^[\x04\x20]/;

    return [$key, $value];
});

my $Port = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
           ->sockport();

my $Nginx = Test::Nginx::Profile::Daemon->new(config => <<"END")->start();
    listen 127.0.0.1:$Port;
    location /api/v1/ {
        profile_store $Store;
        profile_api;
    }
    location /census/ {
        profile_store $Store;
        profile_api;
    }
    location /other/ {
        default_type application/json;
        add_header Vary "Authorization, Authentication" always;
        return 200 '{}';
    }
END

my @Items = items($Collection);


subtest 'as it is' => sub {
    my ($status, $run) = newman('http://127.0.0.1:%d/api/v1');

    is($status, 0, 'newman says that all is well');
    is_deeply([failures($run)], [], 'nothing fails');
    is_deeply([map { $_->{item}{name} } @{ $run->{executions} }],
              [map { $_->{name} } @Items], 'every request was sent');

    for my $execution (@{ $run->{executions} }) {
        my @own = grep { $_->{assertion} !~ /^(?:JSON, |an error )/ }
                  @{ $execution->{assertions} };

        cmp_ok(scalar @own, '>', 0,
               "$execution->{item}{name}: has tests of its own");
    }
};

subtest 'with an environment made for the vendor' => sub {
    my ($status, $run) = newman('http://127.0.0.1:%d/census', {
        census_api_key => 'a:b/c+d=', entity_id => 7,
    });

    is($status, 0, 'newman says that all is well');
    is_deeply([failures($run)], [], 'nothing fails');

    my ($record) = grep { $_->{item}{name} eq 'Get Entity Record' }
                   @{ $run->{executions} };

    is($record->{response}{responseSize}, length '{"data":{"id":"478060"}}',
       'the record is that of the environment');
};

subtest 'on what is not the API' => sub {
    my ($status, $run) = newman('http://127.0.0.1:%d/other');
    my %failed = map { (split /\t/)[0] => 1 } failures($run);

    is($status, 1, 'newman says that it is not');
    is_deeply([grep { !$failed{$_} } map { $_->{name} } @Items], [],
              'every request has a test that fails');
};

subtest 'with a wrong key' => sub {
    my ($status, $run) = newman('http://127.0.0.1:%d/api/v1',
                                { census_api_key => 'wrong' });
    my %failed = map { (split /\t/)[0] => 1 } failures($run);

    is($status, 1, 'newman says so');
    ok($failed{$_}, "$_ fails") for 'List Entities', 'Get Entity Record';
};

subtest 'saved replies' => sub {
    my $count = 0;

    for my $item (@Items) {
        for my $saved (@{ $item->{response} }) {
            my $request = $saved->{originalRequest};
            my $url = filled($request->{url}{raw}) =~ s{^\w+://[^/]+}{}r;
            my $reply = $Nginx->request($request->{method}, $url,
                "Authorization: Bearer $Variable{census_api_key}");

            $count++;
            delete @{ $reply->{header} }{qw(connection date server)};

            is($reply->{status}, $saved->{code}, "$item->{name}: status");
            is($reply->{body}, $saved->{body}, "$item->{name}: body");
            is_deeply($reply->{header},
                      { map { lc $_->{key} => [$_->{value}] }
                        @{ $saved->{header} } }, "$item->{name}: headers");
        }
    }

    is($count, 2, 'there are some');
};

subtest 'the names' => sub {
    like($Collection->{info}{schema}, qr{/collection/v2\.1\.0/},
         'the format is 2.1');
    is_deeply([map { $_->{name} } @Items[0, 1]],
              ['List Entities', 'Get Entity Record'], 'requests');
    is_deeply([@Variable{qw(census_api_key entity_id)}],
              ['secret-token:1234', '1'], 'variables');
};

$Nginx->stop();

done_testing();


# newman's exit status, and what it reports of its run.

sub newman {
    my ($url, $environment) = @_;

    my $dir = profile_tmp();
    my @options = ('--env-var', 'base_url=' . sprintf $url, $Port);

    if ($environment) {
        spew("$dir/environment.json", $Json->encode({
            name => 'Census', values => [map {
                { key => $_, value => "$environment->{$_}",
                  enabled => JSON::PP::true }
            } sort keys %$environment],
        }));
        push @options, '--environment', "$dir/environment.json";
    }

    unlink "$dir/report.json";

    my $pid = fork() // die "fork: $!\n";

    if (!$pid) {
        # It would ask a proxy for this machine, too.
        delete @ENV{ grep { /_proxy$/i } keys %ENV };

        open STDOUT, '>', "$dir/newman.out";
        open STDERR, '>&', \*STDOUT;
        exec 'node', "$Modules/newman/bin/newman.js", 'run', $Path, @options,
             '--reporters', 'json', '--reporter-json-export',
             "$dir/report.json", '--timeout-request', 60_000
            or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    my $status = $? >> 8;

    -s "$dir/report.json"
        or BAIL_OUT("newman: $status " . slurp("$dir/newman.out"));

    return $status, $Json->decode(slurp("$dir/report.json"))->{run};
}


sub failures {
    my ($run) = @_;

    return map { join "\t", $_->{source}{name}, $_->{error}{test},
                 $_->{error}{message} } @{ $run->{failures} };
}


sub items {
    my ($folder) = @_;

    return map { $_->{item} ? items($_) : $_ } @{ $folder->{item} };
}


sub filled { return $_[0] =~ s/\{\{(\w+)\}\}/filled($Variable{$1})/ger }


sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or die "$path: $!";
    local $/;

    return scalar <$in>;
}


sub spew {
    my ($path, $text) = @_;

    open my $out, '>:raw', $path or die "$path: $!";
    print {$out} $text;
    close $out or die "$path: $!";

    return;
}
