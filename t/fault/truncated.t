# Why: somebody truncates the file of a store that nginx has mapped. The
# processor stops the worker that touches the missing part; that cannot be
# helped. But its successor must see what is wrong, and not stop as well.
#
# expect-alert: exited on signal 7

use strict;
use warnings;

use Test::More;

# A sanitizer reports the signal, and valgrind stops.
plan skip_all => 'a worker ends by a signal here'
    if $ENV{TEST_NGINX_USE_VALGRIND} || $ENV{ASAN_OPTIONS}
       || $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $text = "workspace 1 Acme key=key\nentity 1 Users primary_key=id\n";
$text .= qq({"id":"$_","text":") . 'x' x 500 . qq("}\n) for 1000 .. 4000;

my $store = profile_store($text);
my $file = profile_generation($store) . '/data.mdb';
my $size = -s $file;

my $nginx = Test::Nginx::Profile::Daemon->new(
    workers => 2, expected => qr/exited on signal 7/,
    config => <<"END")->start();
        location /api/ {
            profile_store $store;
            profile_check_interval 50ms;
            profile_api;
        }
END


sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or die $!;
    local $/;

    return scalar <$in>;
}


sub path { return "/api/entities/1/record?record_id=$_[0]" }


# The statuses of many requests; 0 where the connection was lost.

sub statuses {
    my (@ids) = @_;

    my %seen;

    for my $id (@ids) {
        my $reply = eval { $nginx->get(path($id), 'key') };
        $seen{ $reply ? $reply->{status} : 0 }++;

        if ($reply && $reply->{status} == 200) {
            like($reply->{body}, qr/^\{"data":\{"id":"$id",/,
                 "a 200 is the record that was asked for");
        }
    }

    return \%seen;
}

sub crashes { return scalar(() = $nginx->error_log() =~ /exited on signal 7/g) }

my @ids = map { 1000 + 20 * $_ } 0 .. 150;

is_deeply(statuses(@ids[0 .. 9]), { 200 => 10 }, 'whole: served');

my $good = slurp($file);

truncate $file, 8192 or die $!;

my $seen = statuses(@ids, @ids);
is($seen->{404}, undef, 'truncated: never "not found"');
cmp_ok($seen->{503} || 0, '>', 0, 'truncated: 503');

ok(profile_until(10, sub { $nginx->workers() == 2 }), 'truncated: two workers');

is_deeply(statuses(@ids), { 503 => scalar @ids },
          'truncated: the next workers answer');
cmp_ok(crashes(), '<=', 2, 'truncated: each worker ended once at most');
cmp_ok(crashes(), '>', 0, 'truncated: and this test has seen one end');
like($nginx->error_log(), qr/profile store ".*: .*truncated/,
     'truncated: the log says so');

open my $out, '+<:raw', $file or die $!;
print {$out} $good;
close $out;
is(-s $file, $size, 'restored');

# Each worker looks by itself, and either may be asked.
ok(profile_until(10, sub { (statuses(@ids)->{200} || 0) == @ids }),
   'restored: served without a reload');
is_deeply(statuses(@ids), { 200 => scalar @ids }, 'restored: every record');

$nginx->stop();

done_testing();
