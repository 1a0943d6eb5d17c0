# Why: see docs/proxies.md, whose text is run here: HAProxy in front of the
# module, with and without its cache.

use strict;
use warnings;

use lib 't/lib';
use ProfileDocs;
use ProfileProxy;
use Test::More;

my $Edge = block('haproxy');
my $Cached = block('haproxy cache') . "\n"
             . $Edge =~ s/^    default_backend/block('haproxy use') . $&/emr;

proxy_tests(start => edge($Edge), checks => 1);

proxy_cached(start => edge($Cached), name => 'a cache');

proxy_unsafe('HAProxy', sub {
    my $lines = join '', map { "    $_\n" } @_;

    return edge($Cached =~ s/^    http-response cache-store/$lines$&/mr);
});

done_testing();


sub edge {
    my ($text) = @_;

    return sub {
        return ['haproxy', '-db', '-f',
                edge_file('/etc/haproxy/haproxy.cfg', $text)];
    };
}
