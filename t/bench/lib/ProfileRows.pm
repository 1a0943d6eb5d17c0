package ProfileRows;

# The rows of t/bench. Apart from the rest, as sources call it that are commands
# and have to start quickly: it loads nothing.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(body_of record_id record_path row write_changes write_rows);


# row(NUMBER, BYTES, PLAN, VERSION) is of exactly so many bytes.

sub row {
    my ($i, $bytes, $plan, $version) = @_;

    my $row = sprintf '{"id":"%d","email":"user%d@example.com","plan":"%s",'
                      . '"score":%d,', record_id($i), $i,
                      $plan // ($i % 3 ? 'pro' : 'free'), $i % 1000;

    $row .= sprintf '"version":"%012d",', $version if defined $version;
    $row .= '"note":"';

    return $row . 'x' x (($bytes // 360) - length($row) - 2) . '"}';
}


sub record_id { return 100_000_000 + $_[0] }
sub body_of   { return '{"data":' . row(@_) . '}' }


sub record_path {
    my ($i) = @_;

    return '/api/entities/1/record?record_id='
           . (defined $i ? record_id($i) : '');
}


# write_rows(RECORDS, BYTES): all rows on standard output. Their order is not
# that of the ids, and takes no memory: steps of a number that has no divisor
# in common with theirs meet each once.

sub write_rows {
    my ($records, $bytes, $version) = @_;

    my $step = int($records * 0.618) | 1;
    my $i = 0;

    $step += 2 while _divisor($step, $records) > 1;

    for (1 .. $records) {
        print row($i, $bytes, undef, $version), "\n" or die "write: $!\n";
        $i = ($i + $step) % $records;
    }

    close STDOUT or die "write: $!\n";

    return;
}


# write_changes(CURSOR, RECORDS, BYTES, COUNT): all rows for an empty cursor,
# else so many random ones that have changed since.

sub write_changes {
    my ($cursor, $records, $bytes, $count) = @_;

    return write_rows($records, $bytes, 0) if $cursor eq '';

    my %row;

    $row{ int rand $records } = 1
        while keys %row < ($count < $records ? $count : $records);
    print row($_, $bytes, undef, $cursor + 1), "\n" for keys %row;

    close STDOUT or die "write: $!\n";

    return;
}


sub _divisor {
    my ($one, $other) = @_;

    ($one, $other) = ($other, $one % $other) while $other;

    return $one;
}

1;
