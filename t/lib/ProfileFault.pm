package ProfileFault;

# What tests of failures share: libraries to preload into the loader, made
# from t/lib/*.c, programs that `make units` builds from t/fault/*.c, and a
# folder in memory, where a loader waits for no disk and thousands of runs
# take seconds.
#
# Perl's own modules only.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:mode);
use File::Basename qw(basename dirname);
use File::Find ();

# Before anybody asks for a temporary folder.
BEGIN {
    my $memory = '/dev/shm';

    my ($free) = -w $memory && -d _
                 ? `df -k --output=avail $memory` =~ /(\d+)/ : 0;
    $ENV{TMPDIR} = $memory if ($free || 0) > 100_000;
}

use ProfileLoader;

our @EXPORT = qw(
    copy_store
    entity_states
    fault_env
    fault_program
    preload
);

my $Root = abs_path(dirname(__FILE__) . '/../..');
my %Library;


# The path of a library, compiled once for each process that asks.

sub preload {
    my ($name) = @_;

    return $Library{$name} if $Library{$name};

    my $library = new_dir('preload') . "/$name.so";
    my $run = run($ENV{CC} || 'cc', qw(-D_GNU_SOURCE -Wall -Wextra -O2 -fPIC
                  -shared -o), $library, "$Root/t/lib/$name.c", '-ldl');

    croak "$name.c: $run->{err}" if $run->{status} ne '0';

    return $Library{$name} = $library;
}


# The environment in which the loader has the library. A sanitizer wants to
# be the first library, but does well as the second. A failure may leave
# memory behind; that is not what these tests look for.

sub fault_env {
    my ($library, %fault) = @_;

    my %env = (%fault, LD_PRELOAD => preload($library),
               FAULT_PROGRAM => basename(loader_path()));

    if (defined $ENV{ASAN_OPTIONS}) {
        $env{ASAN_OPTIONS} = "$ENV{ASAN_OPTIONS}:detect_leaks=0"
                             . ':verify_asan_link_order=0'
                             . ':allocator_may_return_null=1';
    }

    return \%env;
}


sub fault_program {
    my ($name) = @_;

    my $program = dirname(loader_path()) . "/fault/$name";
    croak "$program is missing: make units" if !-x $program;

    return $program;
}


# What readers see of each entity: { 'W/E' => { id => body } }, undef for one
# that has not been loaded; a text where the entity's own count is wrong.

sub entity_states {
    my ($generation) = @_;

    my @pairs = mdb_pairs($generation);
    my $records = records_of(@pairs);
    my %state;

    for my $pair (@pairs) {
        my ($tag, $workspace, $entity) = unpack 'C N N', $pair->[0];
        next if $tag != 5;

        my ($incarnation, $count) = unpack 'x16 N x4 Q>', $pair->[1];
        my $found = $records->{$incarnation} || {};

        $state{"$workspace/$entity"}
            = !$incarnation ? undef
              : $count == keys %$found ? $found
              : "$count records, of which " . keys(%$found) . ' are there';
    }

    return \%state;
}


# Makes $to a copy of a store that nobody has open. $from may be undef: no
# store. A program for it would take longer than all else.

sub copy_store {
    my ($from, $to) = @_;

    my @old;
    File::Find::finddepth({ no_chdir => 1, wanted => sub { push @old, $_ } },
                          $to) if -e $to;
    for my $path (@old) {
        -d $path ? rmdir $path : unlink $path or croak "$path: $!";
    }

    return if !defined $from;

    File::Find::find({ no_chdir => 1, wanted => sub {
        my $copy = $to . substr $_, length $from;

        if (-d) {
            mkdir $copy or croak "$copy: $!";

        } else {
            spew($copy, slurp($_));
        }

        chmod S_IMODE((stat $_)[2]), $copy or croak "$copy: $!";
    } }, $from);

    return;
}


1;
