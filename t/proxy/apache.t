# Why: see docs/proxies.md, whose text is run here: Apache httpd in front of
# the module, with and without mod_cache.

use strict;
use warnings;

use lib 't/lib';
use File::Path qw(make_path);
use ProfileDocs;
use ProfileProxy;
use Test::More;

my $Edge = block('apache');
my $Log = docs_root() . '/var/log/apache2/profile.log';
my $Cached = $Edge =~ s/^    ProxyPass/block('apache cache') . $&/emr;

proxy_tests(start => edge($Edge), checks => 1, gap => 1);

my $logged = slurp($Log);

like($logged, qr{"GET /api/v1/entities/1/record" 200 \d+$}m, 'its log');
unlike($logged, qr/record_id|acme|globex|secret-token/,
       'neither ids nor keys in it');

proxy_cached(start => edge($Cached), name => 'a cache');

proxy_unsafe('Apache httpd', sub {
    my $lines = join '', map { "    $_\n" } @_;

    return edge($Cached =~ s/^ *CacheHeader on\n/$&$lines/mr);
});

done_testing();


# Debian's own configuration around it, as far as it matters here.

sub edge {
    my ($text) = @_;

    return sub {
        my $root = docs_root();
        my $user = docs_user();
        my $file = edge_file('/etc/apache2/sites-enabled/profile.conf', $text);
        my %modules = map { $_ => 1 } qw(mpm_event authz_core authz_host),
                      qw(socache_shmcb alias dir status),
                      map { split ' ' }
                      block('apache modules') =~ /a2enmod (.*)/,
                      $text =~ /CacheEnable/ ? 'cache cache_disk' : ();

        edge_file('/etc/apache2/profile-down.json', block('apache down'));
        make_path("$root/var/cache/apache2/profile", "$root/run/apache2",
                  "$root/var/log/apache2");
        write_example('/var/www/html/index.html', "It works!\n");
        chown +(getpwnam $user)[2, 3], "$root/var/cache/apache2/profile"
            if defined $user;
        spew("$root/etc/apache2/apache2.conf", join '', <<"END",
ServerRoot $root/etc/apache2
ServerName localhost
PidFile $root/run/apache2/apache2.pid
DefaultRuntimeDir $root/run/apache2
ErrorLog @{[ own_log() ]}
END
             defined $user ? "User $user\nGroup " . docs_group() . "\n" : '',
             (map { "LoadModule ${_}_module"
                    . " /usr/lib/apache2/modules/mod_$_.so\n" }
              sort keys %modules), <<"END", "Include $file\n");
DocumentRoot $root/var/www/html
<Directory "$root/var/www/">
    Require all granted
</Directory>
<Location "/server-status">
    SetHandler server-status
    Require local
</Location>
END

        return ['apache2', '-DFOREGROUND', '-f',
                "$root/etc/apache2/apache2.conf"];
    };
}
