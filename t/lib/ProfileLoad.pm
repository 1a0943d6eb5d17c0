package ProfileLoad;

# What tests under load share: a store whose records prove themselves, nginx
# before it, and the generator of load (t/fault/load.c), which checks the
# content of every reply.
#
# Each such test has two sizes: a small one in `make test`, and the one that
# the project's figures are from, in `make check-faults`.

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use IO::Handle ();
use IO::Select ();
use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::More ();
use Time::HiRes ();

use ProfileFault;
use ProfileLoader;
use Test::Nginx::Profile::Daemon;

our @EXPORT = qw(
    figure
    load_clean
    load_follow
    load_nginx
    load_start
    load_store
    long
    mapped
    outsider
    reader_slots
    wait_for
);

# Every kind of reply that is not right.
our @Bad = qw(lost cut refused stalled failed rejected unexpected wrong
              flipped foreign misplaced backwards late early);

# Rows of each entity, but for the up to 49 more that a version may have.
our $Rows = 400;

# Of each: workspace, key, entity, name, and one in how many rows changes in
# each version. The two workspaces differ in one bit.
my @Entities = ([1, 'key-of-acme', 1, 'Users', 1],
                [1, 'key-of-acme', 2, 'Companies', 10],
                [3, 'key-of-globex', 1, 'Users', 40]);


# long(SMALL, LARGE)

sub long {
    my ($small, $large) = @_;

    return $ENV{PROFILE_TEST_LONG} ? $large : $small;
}


# What was measured. It decides nothing.

sub figure {
    my ($text) = @_;

    return long(\&Test::More::note, \&Test::More::diag)->($text);
}


# A condition that comes true in the end; the limit only ends a test that
# hangs.

sub wait_for {
    my ($name, $condition) = @_;

    my $result = until_true(60, $condition);

    Test::More::fail("$name: it does not come") if !$result;

    return $result;
}


# A program that knows LMDB, and nothing else (t/fault/outsider.c).

sub outsider {
    my @arguments = @_;

    my $job = start({ seconds => 600 }, fault_program('outsider'),
                    @arguments);

    wait_for("outsider @arguments",
             sub { !$job->running || slurp($job->{out}) eq "ready\n" });

    return $job;
}


# Bytes that a process has mapped of files whose name matches.

sub mapped {
    my ($nginx, $pid, $pattern) = @_;

    my $bytes = 0;

    for my $line (grep { /$pattern/ } $nginx->maps($pid)) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) /;
        no warnings 'portable';
        $bytes += hex($to) - hex $from;
    }

    return $bytes;
}


# The slots of the live generation that processes hold.

sub reader_slots {
    my ($store) = @_;

    my @lines = `mdb_stat -r '@{[ generation_dir($store) ]}' 2>&1`;

    return grep { /^\s*\d+\s+[0-9a-f]+\s+/ } @lines;
}


# -- a store ----------------------------------------------------------------

# load_store() makes one with version 101 of all entities. Options:
# primary_key, id or alt, which have the same values; step, how many versions a
# refresh goes on, 50 to have as many rows as before.

sub load_store {
    my (%option) = @_;

    my $box = sandbox({});
    my @nobody = getpwnam 'nobody';
    my $group = getgrgid($> == 0 ? $nobody[3] : $) + 0);

    my $self = bless { box => $box, store => $box->{store}, version => 100,
                       group => $group, disabled => {}, %option },
                     'ProfileLoad::Store';

    $self->configure;
    Test::More::BAIL_OUT("the first load: $self->{run}{err}")
        if $self->refresh->{status} ne '0';

    return $self;
}


sub ProfileLoad::Store::configure {
    my ($self) = @_;

    my (%entities, %keys);

    for my $entity (@Entities) {
        my ($workspace, $key, $id, $name) = @$entity;

        $keys{$workspace} = $key;
        push @{ $entities{$workspace} },
            entity($id, $name, $self->{primary_key} || 'id',
                   "$workspace-$id.ndjson", max_delete => 100);
    }

    push @{ $entities{1} }, @{ $self->{more} || [] };

    my @workspaces = map {
        workspace($_ + 0, "Workspace $_", $entities{$_},
                  keys => [key_of($keys{$_})],
                  enabled => $self->{disabled}{$_} ? JSON::PP::false
                                                   : JSON::PP::true)
    } sort keys %entities;

    $self->{box}->configure({ store => $self->{store},
                              group => $self->{group},
                              workspaces => \@workspaces });

    return $self;
}


# Makes the next version of all rows, and nothing else.

sub ProfileLoad::Store::feed {
    my ($self) = @_;

    $self->{version} += $self->{step} || 1;

    my $dir = $self->{box}{dir};
    my @orders = map {
        my ($workspace, undef, $id, undef, $period) = @$_;
        "make $dir/$workspace-$id.ndjson $workspace $id $Rows $period "
        . "$self->{version}\n";
    } @Entities;

    my $run = run({ stdin => spew("$dir/orders", join '', @orders) },
                  fault_program('record'), 'serve');
    croak "record: $run->{out}" if $run->{out} ne ".\n" x @orders;

    return $self;
}


sub ProfileLoad::Store::loader {
    my ($self, @args) = @_;

    return $self->{run} = $self->{box}->loader(@args);
}


sub ProfileLoad::Store::refresh {
    my ($self, @args) = @_;

    $self->feed;

    return $self->loader(@args ? @args : 'sync');
}


# Publishes the live generation of another store as the next one of this, as
# docs/operations.md has it done; with a map that hardly holds it, if asked to.

sub ProfileLoad::Store::publish {
    my ($self, $from, $tight) = @_;

    my $store = $self->{store};
    my ($number) = generation_dir($store) =~ /(\d+)\z/;
    my $new = sprintf '%s/gen-%06d', $store, $number + 1;
    my $old = generation_dir($from->{store});

    mkdir $new or croak "$new: $!";

    if ($tight) {
        my $dump = run('mdb_dump', $old)->{out};
        my $map = 1 << 30;

        for (1, 2) {
            unlink glob "$new/*";
            $dump =~ s/^mapsize=\d+$/mapsize=$map/m or croak 'no mapsize';
            run('mdb_load', '-f', spew("$self->{box}{dir}/dump", $dump), $new)
                ->{status} eq '0' or croak 'mdb_load';
            $map = 65536 + -s "$new/data.mdb";
        }

    } else {
        run('mdb_copy', $old, $new)->{status} eq '0' or croak 'mdb_copy';
        spew("$new/lock.mdb", '');
    }

    my @stat = stat $store;

    spew("$store/.new", (sprintf 'gen-%06d', $number + 1) . "\n");

    for my $file ($new, glob("$new/*"), "$store/.new") {
        chown @stat[4, 5], $file if $> == 0;
        chmod -d $file ? 0750 : $file =~ /lock/ ? 0660 : 0640, $file;
    }

    rename "$store/.new", "$store/CURRENT" or croak "$store/CURRENT: $!";

    return $number + 1;
}


sub ProfileLoad::Store::size {
    my ($self) = @_;

    return -s $self->{box}->data;
}


# -- nginx ------------------------------------------------------------------

sub load_nginx {
    my ($store, %option) = @_;

    my $interval = delete $option{interval} || '100ms';
    my $server = delete $option{server} || '';

    my $nginx = Test::Nginx::Profile::Daemon->new(workers => 4, %option,
        config => <<"END");
        $server
        location /api/ {
            access_log off;
            add_header X-Worker \$pid always;
            profile_store $store->{store};
            profile_check_interval $interval;
            profile_api;
        }
END

    return $nginx->start();
}


# Until all workers have said that they have a generation open.

sub load_follow {
    my ($nginx, $number, $workers) = @_;

    return wait_for("generation $number", sub {
        my $log = $nginx->error_log();
        return $workers <= (() = $log =~ /generation $number is open/g);
    });
}


# -- load -------------------------------------------------------------------

# load_start($nginx, OPTIONS...): OPTIONS are those of t/fault/load.c.

sub load_start {
    my ($nginx, @options) = @_;

    my @targets = map { "$_->[1]:$_->[0]:$_->[2]:$Rows" } @Entities;

    my $pid = open2(my $out, my $in, fault_program('load'), @options,
                    "$nginx->{prefix}/sock", @targets);
    $in->autoflush(1);

    return bless { pid => $pid, out => $out, in => $in, total => {} },
                 'ProfileLoad::Load';
}


# $load->tell('min', VERSION) for all targets, or of some. What allows more is
# known to the load when this returns.

sub ProfileLoad::Load::tell {
    my ($load, $what, $version, @targets) = @_;

    @targets = 0 .. $#Entities if !@targets;

    local $SIG{PIPE} = 'IGNORE';
    print { $load->{in} } join '', map { "$what $_ $version\n" } @targets;

    $load->report if $what !~ /^(?:min|closed)$/;

    return;
}


sub ProfileLoad::Load::report {
    my ($load) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print { $load->{in} } "report\n";

    return $load->_line;
}


sub ProfileLoad::Load::_line {
    my ($load) = @_;

    croak 'load says nothing'
        if !IO::Select->new($load->{out})->can_read(120);

    my $line = readline $load->{out} // croak 'load has ended';

    return JSON::PP::decode_json($line);
}


# Waits until so many more replies were right. Some other trouble ends it, as
# does a load that gets no reply any more.

sub ProfileLoad::Load::await {
    my ($load, $count) = @_;

    my $report = $load->report;
    my $goal = $report->{checked} + $count;
    my $last = -1;
    my $since = Time::HiRes::time();

    while ($report->{checked} < $goal) {
        if ($report->{checked} != $last) {
            $last = $report->{checked};
            $since = Time::HiRes::time();
        }

        last if Time::HiRes::time() - $since > 120;

        Time::HiRes::sleep(0.02);
        $report = $load->report;
    }

    return $report;
}


sub ProfileLoad::Load::finish {
    my ($load) = @_;

    close $load->{in};
    my $report = $load->_line;
    close $load->{out};
    waitpid $load->{pid}, 0;

    return $report;
}


# load_clean($report, NAME, COUNT, allowed kinds...): so many replies, and all
# of them right.

sub load_clean {
    my ($report, $name, $count, @allowed) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %allowed = map { $_ => 1 } @allowed;
    my @bad = map { "$report->{$_} $_" }
              grep { $report->{$_} && !$allowed{$_} } @Bad;

    Test::More::is("@bad", '', "$name: 0 bad")
        or Test::More::diag($report->{first});
    Test::More::cmp_ok($report->{checked}, '>=', $count,
                       "$name: at least $count replies were checked");
    figure(sprintf '%s: %d replies checked in %.0f s (%d records, '
        . '%d unchanged, %d missing, %d denied), %d connections, %d requests '
        . 'sent again, p50 %d us, p99 %d us, longest %d us', $name,
        @$report{qw(checked seconds records unchanged missing denied
                    connections retried p50 p99 max)});

    return;
}


1;
