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
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Fcntl qw(:mode);
use File::Basename qw(basename dirname);
use File::Find ();
use JSON::PP ();

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
    debris
    entity_states
    fault_configure
    fault_env
    fault_look
    fault_program
    fault_state
    fault_whole
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


# What is in a store's folder and not a store's own file.

sub debris {
    my ($store) = @_;

    my @files;
    File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ } },
                     $store);

    return join ' ', grep { !m{/(?:CURRENT|\.loader\.lock|gen-\d{6}|
                               gen-\d{6}/(?:(?:data|lock)\.mdb|
                                           refreshed-\d+-\d+))\z}x }
                     grep { $_ ne $store } @files;
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


# -- two versions of a store ------------------------------------------------

# Two versions. Users change in place: rows are added, changed, deleted and
# left alone. Companies get another primary key, and so are written anew.
# Cities disappear. One row that is lost would pass as invalid or as deleted.

sub _row {
    my ($i, $v) = @_;

    return qq({"id":$i,"alt":"a$i","v":"$v"});
}


my %Rows = (
    old => [map { _row($_, $_ == 6 ? 'same' : 'old') } 1 .. 6],
    new => [map { _row($_, $_ == 6 ? 'same' : 'new') } 2 .. 7],
);


sub _records {
    my ($v, $primary_key) = @_;

    return { map {
        my ($id) = /"$primary_key":"?(\w+)/;
        $id => "{\"data\":$_}";
    } @{ $Rows{$v} } };
}


my %Wanted = (
    old => { '1/1' => _records('old', 'id'), '1/2' => _records('old', 'id'),
             '1/3' => _records('old', 'id') },
    new => { '1/1' => _records('new', 'id'), '1/2' => _records('new', 'alt') },
);


sub fault_configure {
    my ($box, $v) = @_;

    my @more = (max_invalid => 20);
    my @entities = (
        entity(1, 'Users', 'id', 'rows.ndjson', @more),
        entity(2, 'Companies', $v eq 'old' ? 'id' : 'alt', 'rows.ndjson',
               @more),
        entity(3, 'Cities', 'id', 'rows.ndjson', @more),
    );
    pop @entities if $v eq 'new';

    $box->write('rows.ndjson' => join '', map { "$_\n" } @{ $Rows{$v} });
    $box->configure(workspace(1, 'Acme', \@entities,
                              keys => [key_of("the $v key")]));

    return $box;
}


my $Json = JSON::PP->new->canonical;


# What the store holds, as 'old' or 'new' for each entity; 'none' of one that
# has not been loaded or is not there.

sub fault_state {
    my ($store) = @_;

    return { map { $_ => 'none' } '1/1', '1/2', '1/3' }
        if !-e "$store/CURRENT";

    my $states = entity_states(generation_dir($store));
    my (%state, @mixed);

    for my $entity ('1/1', '1/2', '1/3') {
        my $text = $Json->encode([$states->{$entity}]);

        ($state{$entity})
            = grep { $text eq $Json->encode([$Wanted{$_}{$entity}]) }
              'old', 'new';
        $state{$entity} = 'none' if !defined $states->{$entity};
        $state{$entity} //= 'mixed';
        push @mixed, "entity $entity holds $text"
            if $state{$entity} eq 'mixed';
    }

    $state{mixed} = join '; ', @mixed if @mixed;

    return \%state;
}


# The store's bytes, but for the lock, which holds process ids.

sub _bytes {
    my ($store) = @_;

    my @files = grep { !/lock/ } glob "$store/* $store/*/* $store/.n*";

    return sha256_hex(join "\n", map { $_, -f $_ ? slurp($_) : '' } @files);
}


sub fault_whole {
    my ($state) = @_;

    return "$state->{'1/1'} $state->{'1/2'} $state->{'1/3'}"
           eq 'new new none';
}


# What a run that met a failure left behind, and what comes after it. Answers
# about bytes that were seen before are known.

sub fault_look {
    my ($box, $before, $known) = @_;

    my $bytes = _bytes($box->{store});
    return $known->{$bytes} if $known->{$bytes};

    my $state = fault_state($box->{store});
    my @wrong;

    for my $entity ('1/1', '1/2', '1/3') {
        next if $state->{$entity} =~ /\A(?:new|\Q$before\E)\z/;
        next if $state->{$entity} eq 'none' && $entity eq '1/3';
        push @wrong, $state->{mixed} // "entity $entity: none";
    }

    my $status = $box->loader('status', '--json');
    my $wanted = -e "$box->{store}/CURRENT" ? '0' : '3';

    push @wrong, "status: $status->{status} $status->{err}"
        if $status->{status} ne $wanted;

    my $next = $box->loader('sync');

    push @wrong, "the next run: $next->{status} $next->{err}"
        if $next->{status} ne '0' || $next->{err} ne '';

    my $after = fault_state($box->{store});
    my $debris = debris($box->{store});

    push @wrong, 'the next run leaves ' . $Json->encode($after)
        if !fault_whole($after);
    push @wrong, "the next run leaves $debris" if $debris ne '';

    return $known->{$bytes} = { state => $state, wrong => \@wrong };
}


1;
