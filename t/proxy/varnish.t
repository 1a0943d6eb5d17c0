# Why: see docs/proxies.md, whose text is run here: Varnish in front of the
# module, and Hitch before it, which does TLS.

use strict;
use warnings;

use lib 't/lib';
use ProfileDocs;
use ProfileProxy;
use Test::More;
use Test::Nginx::Profile::Store;

my $Edge = block('varnish');

my $Recv = block('varnish recv');
my $Response = block('varnish response');
my $Cached = $Edge =~ s/^    return \(pass\);\n/$Recv$&/mr;

$Cached =~ s/^sub vcl_backend_response \{\n.*?\n(?=\})/$&\n$Response/ms;

proxy_tests(start => edge($Edge), checks => 1);

my %cache = (start => edge($Cached), window => 1, own_412 => 200,
             one_tag => 1, hit => sub {
    return ($_[0]{header}{'x-varnish'} // '') =~ / /;
});

proxy_cached(%cache, name => 'a cache');

proxy_run(start => edge($Cached), test => sub {
    my @range = (headers => [bearer('acme'), 'Range: bytes=0-3']);
    my $reply;

    ok(profile_until(30, sub {
        $reply = ask(url(1), @range);
        return $cache{hit}->($reply);
    }), 'a cache: a hit');
    is("$reply->{status} $reply->{body}", '206 {"da', 'a part of it');
});

# Then there are three headers Vary.
proxy_cached(%cache, name => 'a cache, and Vary', only => 'two tenants',
             extra => vary());

# Varnish's own rules.
proxy_cached(start => edge($Edge =~ s/^    return \(pass\);\n//mr),
             name => 'without pass', only => 'two tenants');

proxy_unsafe('Varnish', sub {
    my $lines = join '', map { "    $_\n" } @_;

    return edge($Cached =~ s/ beresp\.ttl = 1s;\n/$&$lines/r);
});

done_testing();


sub edge {
    my ($text) = @_;

    return sub {
        my $root = docs_root();
        my $vcl = edge_file('/etc/varnish/profile.vcl', $text);
        my $hitch = edge_file('/etc/hitch/hitch.conf', block('hitch'));
        my $unit = edge_file('/etc/systemd/system/varnish.service.d/override'
                             . '.conf', block('varnish start'));

        # The unit is Type=simple: without -F the test's process would end, too.
        my ($start) = slurp($unit) =~ m{^ExecStart=/usr/sbin/(.+)$}m;

        return [split(' ', $start), '-n', "$root/run/varnish"],
               ['hitch', '--config', $hitch, '--quiet',
                $> ? () : ('--user=_hitch', '--group=_hitch')];
    };
}
