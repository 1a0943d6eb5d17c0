# Why: see docs/proxies.md, whose text is run here: Varnish in front of the
# module, and Hitch before it, which does TLS.

use strict;
use warnings;

use lib 't/lib';
use ProfileDocs;
use ProfileProxy;
use Test::More;

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
        my $start = edge_file('/run/varnish.sh', block('varnish start'));

        my @varnish = split ' ', slurp($start);

        return [@varnish, '-F', '-n', "$root/run/varnish"],
               ['hitch', '--config', $hitch, '--quiet',
                $> ? () : ('--user=_hitch', '--group=_hitch')];
    };
}
