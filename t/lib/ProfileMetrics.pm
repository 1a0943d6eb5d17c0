package ProfileMetrics;

# Reads a page in Prometheus' text format, and is strict about it: what is not
# as https://prometheus.io/docs/instrumenting/exposition_formats/ has it dies.

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);

our @EXPORT_OK = qw(metrics foreign_metrics check_metrics);

my $Name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $Label = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $Quoted = qr/"(?:[^"\\\n]|\\[\\"n])*"/;


# { family => { type, help, samples => [[name, { labels }, value], ...] } }

sub metrics {
    my ($text) = @_;

    my (%family, $name, %seen);

    croak 'the last line has no end' if $text !~ /\n\z/;

    for my $line (split /\n/, $text, -1) {
        next if $line eq '';

        if ($line =~ /^# HELP ($Name) (\S.*)$/) {
            croak "$1 is there twice" if $family{$1};

            $name = $1;
            $family{$name} = { help => $2, samples => [] };

        } elsif ($line =~ /^# TYPE ($Name) (counter|gauge|histogram)$/) {
            croak "TYPE of $1 out of place"
                if $1 ne ($name // '') || $family{$1}{type};

            $family{$name}{type} = $2;

        } else {
            my $sample = _sample($line);

            croak "sample out of place: $line"
                if !_belongs($sample->[0], $name, $family{$name // ''});
            croak "sample twice: $line" if $seen{ $line =~ s/ \S+$//r }++;

            push @{ $family{$name}{samples} }, $sample;
        }
    }

    return \%family;
}


sub _sample {
    my ($line) = @_;

    my ($name, $labels, $value)
        = $line =~ /^($Name)(?:\{((?:$Label=$Quoted,)*$Label=$Quoted)\})? (\d+(?:\.\d+)?)$/
        or croak "not a line: $line";

    my %label;

    while (($labels // '') =~ /\G($Label)="((?:[^"\\]|\\.)*)",?/g) {
        my ($key, $text) = ($1, $2);

        croak "label $key twice: $line" if exists $label{$key};
        $label{$key} = $text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
    }

    return [$name, \%label, $value];
}


sub _belongs {
    my ($sample, $name, $family) = @_;

    return 0 if !$family || !$family->{type};

    return $sample =~ /^\Q$name\E_(?:bucket|sum|count)$/
        if $family->{type} eq 'histogram';

    return $sample eq $name;
}


# What Debian's packages say of the page: the parser of Prometheus' own client
# library, and promtool, each if it is there. Returns the complaints.

sub check_metrics {
    my ($text) = @_;

    my @said;

    my $parsed = foreign_metrics($text);

    push @said, "client library: $parsed" if defined $parsed && !ref $parsed;

    my ($tool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};

    if (defined $tool) {
        my $lines = _filter($text, $tool, 'check', 'metrics');
        push @said, "promtool: $lines" if $? || $lines ne '';
    }

    return @said;
}


# [[name, labels as "k=v,k=v" in hexadecimal digits, value], ...] as that
# library reads it; why not, where it does not; undef without it.

sub foreign_metrics {
    my ($text) = @_;

    my ($python) = grep { -x } '/usr/bin/python3',
                   map { "$_/python3" } split /:/, $ENV{PATH};

    return if !defined $python;

    _filter('', $python, '-c', 'import prometheus_client.parser');
    return if $?;

    my $lines = _filter($text, $python, '-c', <<'END');
import sys
from prometheus_client.parser import text_string_to_metric_families
text = sys.stdin.buffer.read().decode("utf-8")
for family in text_string_to_metric_families(text):
    for s in family.samples:
        labels = ",".join("%s=%s" % (k, s.labels[k].encode("utf-8").hex())
                          for k in sorted(s.labels))
        print("%s\t%s\t%s\t%r" % (family.type, s.name, labels, s.value))
END

    return $lines if $?;

    return [map { [split /\t/] } split /\n/, $lines];
}


sub _filter {
    my ($input, @command) = @_;

    require File::Temp;

    my $file = File::Temp->new;

    binmode $file;
    print {$file} $input;
    close $file;

    my $pid = open my $out, '-|' // croak "fork: $!";

    if (!$pid) {
        open STDIN, '<', $file->filename;
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec @command; }
        require POSIX;
        POSIX::_exit(127);
    }

    my $said = do { local $/; <$out> // '' };
    close $out;

    return $said;
}


1;
