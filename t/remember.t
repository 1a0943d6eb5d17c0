# Why: a worker remembers whose the last keys were, and which entities they
# asked for. It must not show: each key opens its own workspace however many
# there are, one that differs in a byte opens none, and what was true is gone
# with the commit, or the file, that it came from, and a key when it expires.

use strict;
use warnings;

use Test::More;

plan skip_all => 'nothing here depends on TEST_NGINX_USE_HUP'
    if $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use ProfileFault qw(preload);
use ProfileLoader qw(spew);
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

# More than are remembered, in either table: of keys and of workspaces.
my ($many, $workspaces) = (1200, 300);
my $path = '/api/entities/1/record?record_id=1';


sub nginx {
    my ($store, %option) = @_;

    my $config = <<"END";
        keepalive_requests 100000;

        location /api/ {
            profile_store "$store";
            profile_check_interval 50ms;
            profile_api;
            add_header X-Key \$profile_key always;
        }
END

    return Test::Nginx::Profile::Daemon->new(config => $config, %option)
           ->start();
}


# What each of the keys gets, on one connection: the owner, or the status.

sub owners {
    my ($nginx, @keys) = @_;

    my @replies;

    while (my @some = splice @keys, 0, 200) {
        my $bytes = join '', map {
            "GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $_\r\n\r\n"
        } @some;
        $bytes =~ s/\r\n\z/Connection: close\r\n\r\n/;

        push @replies, $nginx->replies($nginx->exchange($bytes));
    }

    return map { $_->{status} != 200 ? $_->{status}
                 : $_->{body} =~ /"of":"(\w+)"/ ? $1 : $_->{body} } @replies;
}


# -- many keys ----------------------------------------------------------------

sub key {
    my ($n) = @_;

    return sprintf 'key-%06d', $n;
}


# Some are too long to be remembered.

sub name {
    my ($n) = @_;

    return sprintf('%06d', $n) . 'n' x (58 + ($n % 11 == 0) - $n % 3);
}


sub owner {
    my ($n) = @_;

    return 1 + $n % $workspaces;
}


my @keys;
push @{ $keys[owner($_)] }, 'key ' . key($_) . ' name=' . name($_) . "\n"
    for 1 .. $many;

my $text = join '', map {
    "workspace $_ w$_\n" . join('', @{ $keys[$_] })
    . qq(entity 1 Users primary_key=id\n{"id":"1","of":"$_"}\n)
} 1 .. $workspaces;

my $store = profile_store($text);
my $nginx = nginx($store);
my @all = (1 .. $many);

for my $round (1, 2) {
    is_deeply([owners($nginx, map { key($_) } @all)],
              [map { owner($_) } @all],
              "round $round: each key opens its own workspace");
}

my @twice = map { ($_, $_) } reverse @all;
is_deeply([owners($nginx, map { key($_) } @twice)],
          [map { owner($_) } @twice],
          'and again, in another order');

my @wrong = map {
    my $key = key($_);
    ($key, "$key.", substr($key, 0, -1), substr($key, 0, -1) . 'j',
     'j' . substr($key, 1))
} 1 .. 60;

is_deeply([owners($nginx, @wrong)], [map { (owner($_), (401) x 4) } 1 .. 60],
          'a byte more, a byte less, another last byte, another first one');

for my $n (10, 11, 12) {
    for my $round (1, 2) {
        is($nginx->get($path, key($n))->{header}{'x-key'}[0], name($n),
           "the name of key $n, $round");
    }
}

$nginx->stop();


# -- what changes -------------------------------------------------------------

sub two {
    my ($one, $two, $v, $primary_key) = @_;

    return <<"END";
workspace 1 Acme key=$one
entity 1 Users primary_key=$primary_key
{"id":"1","other":"2","of":"acme$v"}
workspace 2 Globex key=$two
entity 1 Users primary_key=id
{"id":"1","other":"2","of":"globex$v"}
END
}


$store = profile_store(two('one', 'two', 'A', 'id'));
$nginx = nginx($store);

my $connection = $nginx->connect();


# On one connection, that is by one worker.

sub ask {
    my ($key) = @_;

    syswrite $connection, "GET $path HTTP/1.1\r\nHost: x\r\n"
                          . "Authorization: Bearer $key\r\n\r\n";

    my $got = '';

    while ($got !~ /\r\n\r\n.*\}\z/s) {
        sysread $connection, $got, 65536, length $got or die "no reply: $got";
    }

    return $got =~ /"of":"(\w+)"/ ? $1 : $got =~ /"code":"(\w+)"/ ? $1 : $got;
}


sub both {
    return join ' ', map { ask($_) } @_, @_;
}


is(both('one', 'two'), 'acmeA globexA acmeA globexA', 'before');

profile_apply($store, two('two', 'one', 'A', 'id'));
is(both('one', 'two'), 'globexA acmeA globexA acmeA',
   'two keys change their workspaces');

profile_apply($store, two('one', 'three', 'A', 'id'));
is(both('one', 'two', 'three'), 'acmeA invalid_key globexA '
   . 'acmeA invalid_key globexA', 'a key is revoked');

profile_sync($store, two('one', 'three', 'B', 'other'));
is(both('one', 'three'), 'record_not_found globexB record_not_found globexB',
   'an entity is loaded by another key');

profile_sync($store, two('one', 'three', 'C', 'id'));
is(both('one', 'three'), 'acmeC globexC acmeC globexC', 'and by the first');

profile_apply($store, two('one', 'three', 'C', 'id')
                      =~ s/^entity.*\n.*\nworkspace 2/workspace 2/mr);
is(both('one', 'three'), 'entity_not_found globexC entity_not_found globexC',
   'an entity is removed');


# -- a key that expires -------------------------------------------------------

# No commit says that it has: the time has come.

SKIP: {
    skip 'a sanitizer asks for the time before a library can answer', 3
        if $ENV{ASAN_OPTIONS};

    my $year = (gmtime)[5] + 1900;
    my $clock = profile_tmp() . '/clock';

    my $set_clock = sub {
        spew("$clock.new", $_[0]);
        chmod 0644, "$clock.new";
        rename "$clock.new", $clock or die "rename: $!";
    };

    $set_clock->(0);

    my $library = preload('shift_time');
    chmod 0755, $library;

    local $ENV{FAULT_CLOCK} = $clock;
    local $ENV{TEST_NGINX_LD_PRELOAD} = $library;

    my $keys = "two\nkey three expires=@{[$year + 2]}-01-01T00:00:00Z";

    $nginx->stop();
    $nginx = nginx(profile_store(two('one', $keys, 'A', 'id')),
                   main => 'env FAULT_CLOCK;');
    $connection = $nginx->connect();

    is(both('two', 'three'), 'globexA globexA globexA globexA', 'in time');

    $set_clock->(3 * 366 * 86400);
    profile_until(10, sub { ask('three') eq 'invalid_key' });
    is(both('two', 'three'), 'globexA invalid_key globexA invalid_key',
       'a key has expired');

    $set_clock->(0);
    profile_until(10, sub { ask('three') eq 'globexA' });
    is(both('two', 'three'), 'globexA globexA globexA globexA',
       'when the clock is set back, it has not');
}


# -- another file of the same name and number ---------------------------------

# As from a backup: the folder, the number of the last transaction and the
# keys are the same, the owners are not.

my @stores = map { profile_store($_) } two('one', 'two', 'A', 'id'),
                                       two('two', 'one', 'B', 'id');
my @generations = map { profile_generation($_) } @stores;

$nginx->stop();
$nginx = nginx($stores[0]);
$connection = $nginx->connect();

is(both('one', 'two'), 'acmeA globexA acmeA globexA', 'before it is restored');

is($generations[0] =~ s/.*\///r, $generations[1] =~ s/.*\///r, 'one number');
rename $generations[0], "$generations[0].away" or die "rename: $!";
rename $generations[1], $generations[0] or die "rename: $!";
rename "$stores[1]/CURRENT", "$stores[0]/CURRENT" or die "rename: $!";

profile_until(60, sub { ask('one') eq 'globexB' });
is(both('one', 'two'), 'globexB acmeB globexB acmeB', 'after');

$nginx->stop();

done_testing();
