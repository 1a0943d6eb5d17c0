# Why: other projects load t/lib/Test/Nginx/Profile.pm into their own suites.
# What its documentation says must hold, and a test that cannot fail is worse
# than none.

use strict;
use warnings;

use Cwd qw(cwd);
use File::Path qw(make_path);
use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Store;

my $lib = cwd() . '/t/lib';


# Runs a test file of Test::Nginx in a folder of its own.

my $number = 0;

sub run_file {
    my ($blocks, $head) = @_;

    my $dir = profile_tmp() . '/suite' . ++$number;
    make_path("$dir/t");
    symlink cwd() . '/build', "$dir/build";

    open my $out, '>', "$dir/t/x.t" or die $!;
    print {$out} ($head // ''), <<'END', $blocks;
use Test::Nginx::Socket 'no_plan';
use Test::Nginx::Profile;

no_long_string();
run_tests();

__DATA__

END
    close $out;

    local $ENV{TEST_NGINX_RANDOMIZE} = 1;
    my $printed = `cd '$dir' && '$^X' -I'$lib' t/x.t 2>&1`;

    return ($? >> 8, $printed);
}


# -- stores -------------------------------------------------------------------

my $text = <<'END';
# a comment
workspace 1 "Acme and Sons" key=first

key se"cond name=named
entity 1 Users primary_key=id library_id=3
{"id":"1"}
entity 2 Later primary_key=id unloaded
workspace 2 Globex disabled
END

my $store = profile_store($text);

ok(-f "$store/CURRENT", 'profile_store makes a store');
ok(-s profile_generation($store) . '/data.mdb', 'profile_generation finds it');

my $run = profile_loader($store, 'get', 'Acme and Sons', 'Users', 1);
is($run->{status}, 0, 'profile_loader: status');
is($run->{out}, qq({"data":{"id":"1"}}\n), 'profile_loader: output');
is(profile_loader($store, 'get', 1, 1, 2)->{status}, 1,
   'profile_loader: a failure');
is(profile_loader($store, 'no-such-command')->{status}, 2,
   'profile_loader: wrong usage');

my @pairs = profile_dump($store);
ok((grep { $_->[1] =~ /\{"data":\{"id":"1"\}\}\z/ } @pairs),
   'profile_dump shows records');

my $generation = profile_generation($store);
my $new = profile_rewrite($store, sub {
    my ($key, $value) = @_;
    $value =~ s/"id":"1"/"id":"9"/;
    return [$key, $value];
});

isnt($new, $generation, 'profile_rewrite makes a generation');
is(profile_generation($store), $new, 'and publishes it');
is(profile_loader($store, 'get', 1, 1, 1)->{out},
   qq({"data":{"id":"9"}}\n), 'with what was changed');
is(join(' ', (stat "$new/data.mdb")[2, 4, 5]),
   join(' ', (stat "$generation/data.mdb")[2, 4, 5]),
   'and the owner and mode of the old one');

my $copy = profile_copy($store, sub { truncate "$_[0]/data.mdb", 0 });
is(-s "$copy/data.mdb", 0, 'profile_copy changes the copy');
cmp_ok(-s "$new/data.mdb", '>', 0, 'and not what was copied');

profile_switch($store, $generation);
is(profile_generation($store), $generation, 'profile_switch goes back');

profile_sync($store, $text =~ s/"id":"1"/"id":"2"/r);
is(profile_loader($store, 'get', 1, 1, 2)->{status}, 0, 'profile_sync');

for my $bad ("{\"id\":1}\n", "entity 1 Users primary_key=id\n",
             "workspace 1 A odd\n", "workspace 1 A\nkey k odd=1\n",
             "workspace 1 A\nentity 1 B primary_key=id odd=1\n",
             "workspace 1 A\n{\"id\":1}\n", "workspace 0 A\n")
{
    ok(!eval { profile_store($bad); 1 }, 'refused: ' . $bad =~ s/\n/;/gr);
}

is(profile_error('not_found'),
   '{"status":404,"code":"not_found","message":"There is no such endpoint."}',
   'profile_error');
ok(!eval { profile_error('odd'); 1 }, 'profile_error of an unknown code');

ok(!profile_until(0.1, sub { 0 }), 'profile_until ends');
is(profile_until(5, sub { 7 }), 7, 'profile_until returns what is true');


# -- blocks -------------------------------------------------------------------

my $location = <<'END';
--- config
    location /api/ {
        profile_store $TEST_NGINX_PROFILE_STORE;
        profile_api;
    }
--- request
GET /api/entities
--- more_headers
Authorization: Bearer key
END

sub declared { return "--- profile\nworkspace 1 Acme key=$_[0]\n" }

my ($status, $printed) = run_file(
    "=== TEST 1: declared\n" . declared('key') . $location
    . join('', map { "\n\n\n=== TEST $_: used\n$location" } 2 .. 6)
    . "\n\n\n=== TEST 7: declared again\n" . declared('other') . $location
    . "--- error_code: 401\n"
    . "\n\n\n=== TEST 8: used again\n$location--- error_code: 401\n");

is($status, 0, 'blocks use the store of the nearest block above')
    or diag($printed);
like($printed, qr/TEST 1: .*"\[alert\]" does not match/,
     'every block asserts that there is no alert');
like($printed, qr/TEST 1: .*"\[error\]" does not match/,
     'and no error where it expects none');
unlike($printed, qr/TEST 8: .*"\[error\]"/, 'but not where it does');

($status, $printed) = run_file("=== TEST 1: wrong\n" . declared('key')
                               . $location . "--- error_code: 404\n");
isnt($status, 0, 'a wrong status fails');

($status, $printed) = run_file("=== TEST 1: wrong\n" . declared('key')
                               . $location . "--- response_body\nnothing\n");
isnt($status, 0, 'a wrong body fails');

($status, $printed) = run_file("=== TEST 1: wrong\n" . declared('key') . <<'END');
--- config
    location /t {
        return 200 "fine\n";
    }
--- raw_request eval
"GET /t HTTP/1.1\r\nHost: a\r\n\r\nGET /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
--- response_body
fine
END
isnt($status, 0, 'bytes after a reply fail');
like($printed, qr/unexpected extra bytes/, 'and say so');

($status, $printed) = run_file("=== TEST 1: alert\n" . declared('key') . <<'END');
--- config
    location /t {
        return 200 "fine\n";
    }
--- init
open my $log, '>>', "$Test::Nginx::Util::ErrLogFile" or die $!;
print {$log} "[alert] something\n";
close $log;
--- request
GET /t
END
isnt($status, 0, 'an alert in the log fails');

($status, $printed) = run_file(
    "=== TEST 1: fine\n" . declared('key') . $location
    . "\n\n\n=== TEST 2: breaks\n$location--- response_body_like eval\n'('\n",
    "BEGIN { \$ENV{TEST_NGINX_NO_SHUFFLE} = 1 }\n");
isnt($status, 0, 'a file that dies does not pass');
like($printed, qr/only \d of 2 blocks/, 'and says how far it came');

($status, $printed) = run_file("=== TEST 1: bad rows\n"
                               . "--- profile\nentity 1 x\n" . $location);
isnt($status, 0, 'a section that makes no sense fails');


# -- documentation --------------------------------------------------------------

for my $name ('Profile', 'Profile/Store', 'Profile/Daemon') {
    my $file = "t/lib/Test/Nginx/$name.pm";

    is(system("podchecker -nowarnings '$file' >/dev/null 2>&1"), 0,
       "$file: valid POD");
}

open my $in, '<', 't/lib/Test/Nginx/Profile/Store.pm' or die $!;
my $source = do { local $/; <$in> };

like($source, qr/^=item $_\(/m, "$_ is documented")
    for @Test::Nginx::Profile::Store::EXPORT;

is((stat profile_tmp())[2] & 0777, 0755, 'workers may enter the folder');

done_testing();
