package ProfilePostgres;

# A PostgreSQL server of a test's own: another user's where the test is root,
# in a private folder, on a UNIX socket only. It ends with the test, however
# that ends.

use strict;
use warnings;

use Carp qw(croak);
use File::Temp qw(tempdir);
use POSIX ();

use ProfileLoader qw(new_dir run slurp spew until_true);

# Debian's server is not in the PATH.
my ($Postgres) = grep { -x }
                 (reverse sort glob '/usr/lib/postgresql/*/bin/postgres'),
                 map { "$_/postgres" } split /:/, $ENV{PATH};

my @Servers;
my $Owner = $$;

END {
    if ($$ == $Owner) {
        local $?;
        $_->stop for @Servers;
    }
}


sub available {
    return defined $Postgres;
}


sub new {
    my ($class) = @_;

    # The path of a socket is short.
    my $dir = tempdir('profile-pg-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my ($user) = grep { $> == 0 && getpwnam $_ } 'postgres', 'nobody';

    if (defined $user) {
        chown +(getpwnam $user)[2, 3], $dir or croak "chown $dir: $!";
    }

    # Others connect to the socket.
    chmod 0755, $dir or croak "chmod $dir: $!";

    my $server = bless { dir => $dir, user => $user }, $class;
    my $initdb = $Postgres =~ s/postgres$/initdb/r;

    my $run = run($server->_option, $initdb, '-D', "$dir/data", '-A', 'trust',
                  '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync');
    croak "initdb: $run->{err}" if $run->{status} ne '0';

    return $server;
}


sub _option {
    my ($server) = @_;

    return { dir => $server->{dir}, user => $server->{user},
             env => { PGDATA => undef, LC_ALL => 'C' } };
}


# $server->start(LINE...): the lines of pg_hba.conf before the one that lets
# the user postgres in. Dies with this process.

sub start {
    my ($server, @lines) = @_;

    my $dir = $server->{dir};

    spew("$dir/data/pg_hba.conf",
         join "\n", 'local all postgres trust', @lines, '');

    my $pid = fork() // croak "fork: $!";

    if ($pid == 0) {
        my @as;

        if (defined $server->{user}) {
            my ($uid, $gid) = (getpwnam $server->{user})[2, 3];

            @as = ("--reuid=$uid", "--regid=$gid", '--clear-groups');
        }

        chdir $dir;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        delete @ENV{grep { /^PG/ } keys %ENV};

        exec 'setpriv', @as, '--pdeathsig', 'INT', $Postgres,
             '-D', "$dir/data", '-p', 5432, '-c', 'listen_addresses=',
             '-c', "unix_socket_directories=$dir", '-c', 'fsync=off',
             '-c', 'max_connections=20', '-c', 'shared_buffers=16MB'
            or POSIX::_exit(127);
    }

    $server->{pid} = $pid;
    push @Servers, $server;

    until_true(60, sub {
        waitpid($pid, POSIX::WNOHANG()) == 0
            or croak 'postgres ends: ' . slurp("$dir/log");
        $server->psql('postgres', 'select 1')->{status} eq '0';
    }) or croak 'postgres does not answer: ' . slurp("$dir/log");

    return $server;
}


sub stop {
    my ($server) = @_;

    my $pid = delete $server->{pid} or return;

    # fast, then at once
    for my $signal ('INT', 'QUIT', 'KILL') {
        kill $signal, $pid;
        return if until_true(10, sub { waitpid($pid, POSIX::WNOHANG()) != 0 });
    }

    return;
}


sub socket_dir { return $_[0]{dir} }


# The command line of psql as the superuser.

sub command {
    my ($server, $database, @more) = @_;

    return 'psql', '-XAtqw', '-v', 'ON_ERROR_STOP=1', '-h', $server->{dir},
           '-p', 5432, '-U', 'postgres', '-d', $database, @more;
}


# What a psql does; $server->sql dies where it fails, and returns its output.

sub psql {
    my ($server, $database, $sql) = @_;

    my $file = spew(new_dir() . '/sql', $sql);

    return run({ env => { PGOPTIONS => undef } },
               $server->command($database, '-f', $file));
}


sub sql {
    my ($server, $database, $sql) = @_;

    my $run = $server->psql($database, $sql);

    croak "$sql: $run->{err}" if $run->{status} ne '0';

    return $run->{out} =~ s/\n\z//r;
}


1;
