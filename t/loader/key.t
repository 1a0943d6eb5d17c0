# Why: a key that could be guessed, or whose hash in the configuration were
# another key's, would open or close the wrong door, and nobody would see it.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use MIME::Base64 ();
use lib 't/lib';
use ProfileLoader;
use Test::More;

my $loader = loader_path();
my $empty = new_dir();


sub decoded {
    my ($text) = @_;

    $text =~ tr{-_}{+/};

    return MIME::Base64::decode_base64("$text=");
}


# -- form ---------------------------------------------------------------------

{
    # Without the default configuration, or one that can be read.
    for my $args (['key'], ['-c', '/nonexistent/profile-loader.json', 'key']) {
        my $run = run({ dir => $empty }, $loader, @$args);

        is($run->{status}, 0, "@$args: exit status");
        is($run->{err}, '', "@$args: standard error");

        my @lines = split /\n/, $run->{out}, -1;

        is(scalar @lines, 3, "@$args: two lines");
        is($lines[2], '', "@$args: a newline at the end");
        like($lines[0], qr/\Asecret-token:[A-Za-z0-9_-]{43}\z/,
             "@$args: the key");
        like($lines[1], qr/\A\{ "name": "key-[0-9A-Za-z_-]{8}", "sha256": "[0-9a-f]{64}" \}\z/,
             "@$args: the JSON");

        my $json = JSON::PP->new->decode($lines[1]);

        is($json->{sha256}, sha256_hex($lines[0]),
           "@$args: the SHA-256 is that of the whole key");
        unlike($lines[0], qr/\Q@{[substr $json->{name}, 4]}\E/,
               "@$args: the name tells nothing of the key");
    }

    is_deeply([glob "$empty/*"], [], 'no file is made');
}


# -- entropy ------------------------------------------------------------------

{
    my $count = 1000;
    my (%keys, %names, %hashes, @ones, @malformed, @wrong);

    # From a shell, which starts them faster than Perl does.
    my $run = run('sh', '-c', 'i=0; while [ $i -lt $1 ]; do '
                  . '"$0" key || exit 1; i=$((i + 1)); done', $loader,
                  $count);

    is($run->{status}, 0, "$count keys are made") or diag_run($run);

    my @outputs = $run->{out} =~ /(.*\n.*\n)/g;
    is(scalar @outputs, $count, 'and printed');

    for my $output (@outputs) {
        my ($key, $secret, $name, $hash) = $output
            =~ /\A(secret-token:(\S{43}))\n.*"(key-\S{8})".*"([0-9a-f]{64})"/;

        if (!defined $hash) {
            push @malformed, $output;
            next;
        }

        $keys{$key}++;
        $names{$name}++;
        $hashes{$hash}++;
        push @wrong, $key if sha256_hex($key) ne $hash;

        my @bits = split //, unpack 'B*', decoded($secret);
        $ones[$_] += $bits[$_] for 0 .. $#bits;
    }

    is(scalar @malformed, 0, 'all of them are well formed')
        or diag($malformed[0]);
    is(scalar keys %keys, $count, "$count keys are distinct");
    is(scalar keys %hashes, $count, "$count hashes are distinct");
    is(scalar @wrong, 0, "$count hashes are those of their keys");
    cmp_ok(scalar keys %names, '>', $count - 5, 'names hardly ever repeat');
    is(scalar @ones, 256, 'a key has 256 bits');

    # Half of the keys has any given bit set. More than 6.3 standard
    # deviations from that happen to one of 256 bits once in ten million runs.
    my @skewed = grep { abs($ones[$_] - $count / 2) > 100 } 0 .. $#ones;
    is("@skewed", '', 'every bit is set in about half of the keys');
}


# -- the printed JSON is what a configuration wants ---------------------------

{
    my ($key, $json) = split /\n/, run($loader, 'key')->{out};

    my $box = sandbox({ 'users.ndjson' => qq({"id":"1"}\n) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    my $config = slurp($box->{config});
    $config =~ s/"id" : 1,\s*"name" : "Acme"/"keys": [ $json ], $&/
        or BAIL_OUT('the configuration looks different');
    spew($box->{config}, $config);

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 1 } },
           'the JSON can be pasted');

    my $wanted = "\x02" . pack 'H*', sha256_hex($key);
    my ($pair) = grep { $_->[0] eq $wanted } mdb_pairs($box->generation);

    ok($pair, 'the store holds the key under its hash');
    my ($name) = $json =~ /"(key-\S{8})"/;
    like($pair->[1] // '', qr/\Q$name\E\z/, 'and its name');

    my $all = slurp($box->data);
    is(index($all, $key), -1, 'the key itself is not in the store');
    is(index($all, substr $key, 13), -1, 'nor without its prefix');
}

done_testing();
