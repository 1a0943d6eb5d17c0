# Why: the fuzzers of the module's files have stand-ins for two functions of
# nginx (t/fuzz/standin.h). What they find is worth nothing if these mean
# something else. A library that is loaded into nginx, before it does anything
# of its own, compares them with the functions of nginx's program. And a fuzzer
# that does not compile finds nothing: `make fuzz` is run less often than this.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $build = dirname($ENV{PROFILE_LOADER} || 'build/profile-loader');
my $dir = tempdir('profile-fuzz-XXXXXX', TMPDIR => 1, CLEANUP => 1);

my ($nginx) = grep { -x } ($ENV{TEST_NGINX_BINARY} || ()),
              map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin';

my $tree = "$build/nginx-src";
my @includes = map { ('-isystem', "$tree/src/$_") }
               qw(core event event/modules event/quic os/unix http
                  http/modules http/v2 http/v3);

my @cc = ($ENV{CC} || 'cc', qw(-Wall -Wextra -Werror -O1), @includes,
          '-isystem', "$build/nginx",
          map { "-Ingx_http_profile_module/$_" } qw(module store loader));

is(system(@cc, qw(-fPIC -shared -o), "$dir/compare.so",
          't/lib/compare_nginx.c'), 0, 'compiled');

# What TEST_NGINX_BINARY names may be a script: the library looks for nginx's
# functions, and is silent in a program that does not have them.

my $output = do {
    local $ENV{LD_PRELOAD} = join ' ', "$dir/compare.so",
                                       $ENV{LD_PRELOAD} || ();
    `'$nginx' -v 2>/dev/null`;
};

my %compared = $output =~ /^(\w+): (\d+)$/mg;

cmp_ok($compared{$_} || 0, '>=', 100_000, "$_ is what it stands for")
    || diag($output)
    for qw(ngx_strncasecmp ngx_decode_base64);

is(system(@cc, qw(-fsyntax-only -D_GNU_SOURCE), $_), 0, "$_ compiles")
    for glob 't/fuzz/*.c';

done_testing();
