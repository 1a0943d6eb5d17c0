# Why: files are truncated, overwritten, copied from elsewhere and written by
# other programs. Whatever is in the place of a store, the answer is 503 and
# one line in the log, never "not found", never another one's record, and the
# file stays as it was for whoever has to repair it.

use strict;
use warnings;

use Digest::SHA ();
use Test::More;

# It starts and reloads its own nginx.
plan skip_all => 'nothing here depends on TEST_NGINX_USE_HUP'
    if $ENV{TEST_NGINX_USE_HUP};

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

my $text = <<'END';
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1","name":"first"}
{"id":"2","name":"second"}
entity 2 Many primary_key=id
END
$text .= qq({"id":"$_","text":") . 'x' x 300 . qq("}\n) for 1000 .. 3000;
$text .= <<'END';
workspace 2 Globex key=globex
entity 1 Users primary_key=id
{"id":"1","name":"of globex"}
END

my $list = '/api/entities';
my $record = '/api/entities/1/record?record_id=1';

# Every kind of damage has a store of its own, in a location of its own, so
# that one nginx meets them all.
my @cases;


sub spew {
    my ($path, $bytes) = @_;

    open my $out, '+<:raw', $path or die "$path: $!";
    truncate $out, 0;
    print {$out} $bytes;
    close $out;
}


sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or die "$path: $!";
    local $/;

    return scalar <$in>;
}


sub sum { return Digest::SHA->new(256)->addfile($_[0])->hexdigest }


# Damage to the file of a generation.

sub file_case {
    my ($name, $damage) = @_;

    my $store = profile_store($text);

    profile_copy($store, sub {
        my ($generation) = @_;
        $damage->("$generation/data.mdb");
    });

    push @cases, { name => $name, store => $store, paths => [$list, $record] };
}


# Damage to what the file holds. A pair comes in, any number go out.

sub value_case {
    my ($name, $paths, $damage, %more) = @_;

    my $store = profile_store($text);
    profile_rewrite($store, $damage);

    push @cases, { name => $name, store => $store, paths => $paths, %more };
}


# Changes the values whose key begins with a tag, and leaves the rest.

sub with_tag {
    my ($tag, $change) = @_;

    return sub {
        my ($key, $value) = @_;

        return [$key, $value] if ord $key != $tag;
        return $change->($key, $value);
    };
}


# -- files ----------------------------------------------------------------------

my $size = -s profile_generation(profile_store($text)) . '/data.mdb';
my $page = 4096;

for my $length (0, 1, 4095, 4096, 8191, 8192, int($size / 2), $size - $page,
                $size - 1)
{
    file_case("truncated to $length of $size",
              sub { truncate $_[0], $length or die $! });
}

srand 42;
my $noise = join '', map { chr int rand 256 } 1 .. 65536;

file_case('random bytes', sub { spew($_[0], $noise) });
file_case('zeros', sub { spew($_[0], "\0" x 65536) });
file_case('text', sub { spew($_[0], "id,name\n1,first\n" x 4096) });
file_case('a SQLite database',
          sub { spew($_[0], "SQLite format 3\0\x10\0\1\1\0\x40\x20\x20" . $noise) });
file_case('gzip', sub { spew($_[0], "\x1f\x8b\x08\0\0\0\0\0\0\3" . $noise) });
file_case('JSON', sub { spew($_[0], '{"data":[]}' x 6000) });

# The two meta pages begin with 16 bytes of page header, the magic number and
# the version of the format.
file_case('LMDB 1.0', sub {
    my $bytes = slurp($_[0]);
    substr($bytes, $_ * $page + 20, 4) = pack 'L', 3 for 0, 1;
    spew($_[0], $bytes);
});
file_case('LMDB of another byte order', sub {
    my $bytes = slurp($_[0]);
    substr($bytes, $_ * $page + 16, 4) = pack 'N', 0xBEEFC0DE for 0, 1;
    spew($_[0], $bytes);
});

# There a page number takes four bytes, and what follows it is that much nearer
# to the page's beginning.
file_case('LMDB of 32 bits', sub {
    my $bytes = slurp($_[0]);
    substr($bytes, $_ * $page, $page)
        = substr($bytes, $_ * $page + 4, $page - 4) . "\0" x 4 for 0, 1;
    spew($_[0], $bytes);
});
file_case('no meta pages', sub {
    my $bytes = slurp($_[0]);
    substr($bytes, 0, 2 * $page) = "\0" x (2 * $page);
    spew($_[0], $bytes);
});
file_case('half a meta page', sub {
    my $bytes = slurp($_[0]);
    substr($bytes, 0, $page) = substr $noise, 0, $page;
    spew($_[0], $bytes);
});
file_case('a root page of zeros', sub {
    my $bytes = slurp($_[0]);

    # Root of the main database, in both metas: 16 + 24 + 48 + 40.
    substr($bytes, unpack('Q', substr $bytes, $_ * $page + 128, 8) * $page,
           $page) = "\0" x $page
        for grep { unpack('Q', substr $bytes, $_ * $page + 128, 8) < 1e6 } 0, 1;
    spew($_[0], $bytes);
}) if $ENV{PROFILE_TEST_WILD};

file_case('no file', sub { unlink $_[0] });
file_case('a folder', sub { unlink $_[0]; mkdir $_[0] });
file_case('a link to nowhere', sub { unlink $_[0]; symlink '/nonexistent', $_[0] });


# -- the whole database -----------------------------------------------------------

value_case('emptied', [$list, $record], sub { return });
value_case('of another program', [$list, $record],
           sub { return ["hello$_[0]", "world$_[1]"] });
value_case('of another program, with one record', [$list, $record],
           sub { return $_[0] eq "\x01" ? ['a', 'b'] : () });
value_case('without its version record', [$list, $record],
           with_tag(0x01, sub { return }));
value_case('with an empty version record', [$list, $record],
           with_tag(0x01, sub { return [$_[0], ''] }));

# The version record: tag, flags, six bytes of "profile" and more; version at
# 8, complete at 12.
for my $version (0, 2, 3, 0x01000000, 0xFFFFFFFF) {
    value_case("of version $version", [$list, $record], with_tag(0x01, sub {
        my ($key, $value) = @_;
        substr($value, 8, 4) = pack 'N', $version;
        return [$key, $value];
    }));
}

value_case('not complete', [$list, $record], with_tag(0x01, sub {
    my ($key, $value) = @_;
    substr($value, 12, 4) = pack 'N', 0;
    return [$key, $value];
}));
value_case('with another magic', [$list, $record], with_tag(0x01, sub {
    my ($key, $value) = @_;
    substr($value, 0, 8) = 'PROFILE?';
    return [$key, $value];
}));
value_case('with a short version record', [$list, $record], with_tag(0x01, sub {
    my ($key, $value) = @_;
    return [$key, substr $value, 0, -1];
}));
value_case('with a long version record', [$list, $record], with_tag(0x01, sub {
    my ($key, $value) = @_;
    return [$key, "$value\0"];
}));


# -- single values ------------------------------------------------------------------

my %value = (
    'key'    => [0x02, [$list, $record], 4],
    'list'   => [0x04, [$list], 4],
    'entity' => [0x05, [$record], 4],
    'record' => [0x20, [$record], 4],
);

for my $kind (sort keys %value) {
    my ($tag, $paths, $owner) = @{ $value{$kind} };

    my %change = (
        'empty' => sub { '' },
        'of one byte' => sub { substr $_[0], 0, 1 },
        'cut inside its header' => sub { substr $_[0], 0, 7 },
        'cut at the end of its header'
            => sub { substr $_[0], 0, { key => 23, entity => 63 }->{$kind}
                                       // 39 },
        'of another kind' => sub { "\x7f" . substr $_[0], 1 },
        'with unknown flags'
            => sub { substr($_[0], 0, 1) . "\x80" . substr $_[0], 2 },
        'of noise' => sub { substr $noise, 0, length $_[0] },
    );

    if ($kind ne 'key') {
        $change{'of another workspace'} = sub {
            my ($value) = @_;
            substr($value, $owner, 4) = pack 'N', 2;
            return $value;
        };
        $change{'of no workspace'} = sub {
            my ($value) = @_;
            substr($value, $owner, 4) = pack 'N', 0;
            return $value;
        };
    }

    if ($kind eq 'entity' || $kind eq 'record') {
        $change{'of another entity'} = sub {
            my ($value) = @_;
            substr($value, $owner + 4, 4) = pack 'N', 7;
            return $value;
        };
    }

    # Above all a key, which nothing else binds to its workspace.
    value_case("a $kind with two bits of its workspace flipped", $paths,
               with_tag($tag, sub {
        my ($key, $value) = @_;
        substr($value, $owner + 3, 1) ^= "\x03";
        return [$key, $value, 'as it is'];
    }));

    $change{'with bytes after its end'} = sub { "$_[0]x" };

    for my $what (sort keys %change) {
        value_case("a $kind $what", $paths, with_tag($tag, sub {
            my ($key, $value) = @_;
            return [$key, $change{$what}->($value)];
        }));
    }
}

# Whole values of another workspace in the place of one's own. Each is sound in
# itself; without a second look it would be served.
{
    my %stored = map { @$_ } profile_dump(profile_store($text));
    my @entity = map { pack 'CNN', 0x05, $_, 1 } 1, 2;
    my @record = map { pack('C', 0x20) . substr($stored{$_}, 16, 4) . '1' }
                     @entity;
    my @list = map { pack 'CN', 0x04, $_ } 1, 2;

    for my $case (['entity', [$record], @entity], ['record', [$record], @record],
                  ['list', [$list], @list])
    {
        my ($kind, $paths, $own, $foreign) = @$case;

        die "no $kind" if !defined $stored{$own} || !defined $stored{$foreign};

        value_case("another workspace's $kind", $paths, sub {
            my ($key, $value) = @_;
            return [$key, $key eq $own ? $stored{$foreign} : $value];
        });
    }

    value_case("another workspace's entity and its list", [$list, $record], sub {
        my ($key, $value) = @_;
        $value = $stored{ $entity[1] } if $key eq $entity[0];
        $value = $stored{ $list[1] } if $key eq $list[0];
        return [$key, $value];
    }, lines => 2);
}

value_case('a list that is missing', [$list], with_tag(0x04, sub { return }));


# -- the test -------------------------------------------------------------------------

my $config = '';

for my $number (0 .. $#cases) {
    my $case = $cases[$number];

    $case->{prefix} = "/c$number";
    $case->{file} = profile_generation($case->{store}) . '/data.mdb';
    $case->{before} = sum($case->{file}) if -f $case->{file};
    $config .= <<"END";
        location /c$number/ {
            profile_store $case->{store};
            profile_check_interval 200ms;
            profile_api;
        }
END
}

my $nginx = Test::Nginx::Profile::Daemon->new(config => $config)->start();
my $unavailable = profile_error('store_unavailable');

# Not the key, the id or the entity: nothing can be trusted.
for my $case (@cases) {
    for my $path (@{ $case->{paths} }) {
        (my $uri = $path) =~ s{^/api}{$case->{prefix}};
        my %seen;

        for (1 .. 3) {
            my $reply = $nginx->get($uri, 'key');
            $seen{"$reply->{status} $reply->{body}"} = 1;
        }

        is_deeply([keys %seen], ["503 $unavailable"],
                  "$case->{name}: 503 for $path");
    }
}

my $log = $nginx->error_log();

for my $case (@cases) {
    my @lines = grep { /profile store "\Q$case->{store}\E": / }
                grep { /\[(?:warn|error|crit|alert|emerg)\]/ }
                split /\n/, $log;

    is(@lines, $case->{lines} || 1, "$case->{name}: one line for each cause")
        or diag(join "\n", @lines);

    unlike("@lines", qr/\x{7f}|key=|record_id/,
           "$case->{name}: and nothing of a request in it");

    if ($case->{before}) {
        is(sum($case->{file}), $case->{before},
           "$case->{name}: the file is as it was");
    }
}

# The first generation was never damaged.
profile_switch($_->{store}, 'gen-000001') for @cases;

for my $case (@cases) {
    my $body = '';

    ok(profile_until(10, sub {
        $body = $nginx->get("$case->{prefix}/entities/1/record?record_id=1",
                            'key')->{body};
        return $body eq '{"data":{"id":"1","name":"first"}}';
    }), "$case->{name}: repaired without a reload") or diag($body);
}

$nginx->stop();

done_testing();
