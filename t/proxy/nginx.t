# Why: see docs/proxies.md, whose text is run here: nginx in front of the
# module, with and without a cache.

use strict;
use warnings;

use lib 't/lib';
use File::Path qw(rmtree);
use ProfileDocs;
use ProfileProxy;
use Test::More;

my $Edge = block('nginx');
my $Cached = block('nginx zone')
             . $Edge =~ s/^ *location \/api\/v1\/ \{\n.*?^    \}\n/
                          block('nginx cache')/emsr;

isnt($Cached, block('nginx zone') . $Edge, 'the location has a cache');

proxy_tests(start => edge($Edge));

my %cache = (start => edge($Cached), window => 2,
             own_412 => 412, hit => sub {
    return ($_[0]{header}{'x-cache-status'} // '') eq 'HIT';
});

proxy_cached(%cache, name => 'a cache');

# Then there are three headers Vary, of which nginx before 1.23 sees the last.
proxy_cached(%cache, name => 'a cache, and Vary', only => 'two tenants',
             extra => vary());

SKIP: {
    my ($version) = `'@{[ docs_nginx() ]}' -v 2>&1` =~ m{nginx/1\.(\d+)};

    skip 'this nginx sees all headers Vary', 1 if $version > 22;
    proxy_mixes(name => 'Vary alone', extra => vary(),
                start => edge($Cached =~ s/^ *proxy_cache_key .*\n//mr));
}

# With a cache that keeps nothing, If-None-Match gets nowhere.
proxy_run(start => edge($Cached =~ s/^ *proxy_ignore_headers .*\n//mr),
          test => sub {
    my @key = (bearer('acme'));
    my %seen;

    for (1 .. 6) {
        my $tag = ask(url(1), headers => [@key])->{header}{etag};
        my $reply = ask(url(1), headers => [@key, "If-None-Match: $tag"]);

        $seen{"$reply->{status} $reply->{header}{'x-cache-status'}"}++;
    }

    is(join(' ', keys %seen), '200 MISS', 'a cache for private replies');
});

proxy_unsafe('nginx', sub {
    my $lines = join '', map { "    $_\n" } @_;
    my $text = $Cached =~ s/^ +proxy_cache profile;\n/$&$lines/mr;

    # The recipe's own line comes after it.
    $text =~ s/(proxy_cache_key .*\n(?s:.*?))^ +proxy_cache_key .*\n/$1/m;

    return edge($text);
});

done_testing();


sub edge {
    my ($text) = @_;

    return sub {
        my $root = docs_root();
        my $user = docs_user();
        my $group = docs_group();
        my $file = edge_file('/etc/nginx/edge.conf', $text);

        rmtree("$root/run/profile-cache");
        spew("$root/etc/nginx/main.conf", <<"END" . temp_paths() . <<"END");
daemon off;
@{[ defined $user ? "user $user $group;" : '' ]}
worker_processes 1;
pid $root/run/edge.pid;
error_log $root/var/log/edge.log notice;
events {
}
http {
    access_log off;
END
    include $file;
}
END
        return [docs_nginx(), '-p', $root, '-c', "$root/etc/nginx/main.conf",
                '-e', "$root/var/log/edge.log"];
    };
}
