package ProfileFormat;

# The checksums of a store's values, for tests that make values which no loader
# would make: see "Checksums" in docs/store-format.md.
#
# Perl's own modules only.

use strict;
use warnings;
no warnings qw(portable);

use Exporter qw(import);

our @EXPORT = qw(checksum fixed_size summed);

# The fixed bytes of each value, by its key's tag.
my %Size = (0x01 => 40, 0x02 => 24, 0x03 => 16, 0x04 => 40, 0x05 => 64,
            0x06 => 20, 0x07 => 24, 0x20 => 40);
my %Document = (0x04 => 1, 0x20 => 1);


sub fixed_size { return $Size{ ord $_[0] } }


# The checksum of a value whose key begins with this tag.

sub checksum {
    my ($key, $value) = @_;

    my $size = fixed_size($key);
    my $document = $Document{ ord $key };
    my @parts = $document
                ? substr($value, 0, $size - 4)
                : (substr($value, 0, $size - 8), substr($value, $size));
    my $sum = $document ? $size : length $value;

    # A key's value is bound to the digest that it is stored under.
    unshift @parts, substr $key, 1 if ord $key == 0x02;

    for my $part (@parts) {
        while (length $part) {
            my $word = substr $part, 0, 8, '';

            $sum ^= unpack 'Q>', $word . "\0" x (8 - length $word);
            $sum = do { use integer; $sum * 0x9e3779b97f4a7c15 };
            $sum = unpack 'Q', pack 'q', $sum;
            $sum ^= $sum >> 32;
        }
    }

    return $document ? $sum & 0xffffffff : $sum;
}


# The value with the checksum that it should have. What is too short to have
# one stays as it is.

sub summed {
    my ($key, $value) = @_;

    my $size = length $key ? fixed_size($key) : undef;

    return $value if !$size || length $value < $size;

    my $sum = checksum($key, $value);

    if ($Document{ ord $key }) {
        substr($value, $size - 4, 4) = pack 'N', $sum;
    } else {
        substr($value, $size - 8, 8) = pack 'Q>', $sum;
    }

    return $value;
}

1;
