package Test::Nginx::Profile::Store;

# Stores for tests, made by the real loader. This file knows nothing about
# Test::Nginx, so that scripts with sockets of their own can use it as well.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec ();
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();
use ProfileFormat;
use Time::HiRes ();

our @EXPORT = qw(
    profile_apply
    profile_copy
    profile_dump
    profile_error
    profile_generation
    profile_loader
    profile_rewrite
    profile_store
    profile_switch
    profile_sync
    profile_tmp
    profile_until
);

# The message of every error code. The module sends the same text for every
# client, so a test can compare whole bodies.
my %Error = (
    missing_record_id => [400,
        "Give the record's primary key in the parameter record_id."],
    invalid_body => [400, 'The body of the request is malformed.'],
    invalid_record_id => [400, 'The parameter record_id must be given once, '
        . 'be form-encoded, and not be longer than 500 bytes.'],
    invalid_credentials => [400,
        'The credentials are malformed or given twice.'],
    missing_credentials => [401,
        'Give a key in the header Authorization: Bearer.'],
    invalid_key => [401,
        'The key is not valid.'],
    not_found => [404,
        'There is no such endpoint.'],
    entity_not_found => [404,
        'There is no such entity.'],
    record_not_found => [404,
        'The entity has no record with this primary key.'],
    method_not_allowed => [405,
        'Only GET and HEAD are allowed.'],
    precondition_failed => [412, 'What is there is not what the '
                            . 'request\'s condition names.'],
    store_unavailable => [503,
        'The data cannot be read at present.'],
    entity_not_ready => [503,
        'The entity has not been loaded yet.'],
);

# What is known about each store that this process made.
my %Made;

my $Tmp;


# -- what test files call ---------------------------------------------------

sub profile_store {
    my ($text) = @_;

    my $dir = tempdir('made-XXXXXX', DIR => profile_tmp());
    chmod 0755, $dir or croak "chmod $dir: $!";

    my $store = "$dir/store";
    $Made{$store} = { dir => $dir, config => "$dir/profile-loader.json" };

    profile_sync($store, $text);

    return $store;
}


sub profile_sync {
    my ($store, $text) = @_;

    my $spec = _write_config($store, $text);

    if (!@{ $spec->{unloaded} }) {
        _loader_or_croak($store, 'sync');
        return $store;
    }

    _loader_or_croak($store, 'apply');

    for my $entity (@{ $spec->{loaded} }) {
        _loader_or_croak($store, 'sync', '--workspace', $entity->[0],
                         '--entity', $entity->[1]);
    }

    return $store;
}


sub profile_apply {
    my ($store, $text) = @_;

    _write_config($store, $text);
    _loader_or_croak($store, 'apply');

    return $store;
}


sub profile_loader {
    my ($store, @args) = @_;

    my $made = _made($store);

    return _run(_loader_path(), '-c', $made->{config}, @args);
}


sub profile_generation {
    my ($store) = @_;

    my $name = _slurp("$store/CURRENT");
    $name =~ s/\n\z//;

    return "$store/$name";
}


sub profile_copy {
    my ($store, $change) = @_;

    my $old = profile_generation($store);
    my $new = _next_generation($old);

    _run_or_croak('cp', '-a', $old, $new);

    $change->($new) if $change;

    profile_switch($store, $new);

    return $new;
}


sub profile_switch {
    my ($store, $generation) = @_;

    my ($name) = $generation =~ m{([^/]+)/*\z};

    my $current = "$store/CURRENT";
    my $temporary = "$current.test";

    _spew($temporary, "$name\n");
    _like($current, $temporary) if -e $current;

    rename $temporary, $current or croak "rename $temporary: $!";

    return;
}


sub profile_dump {
    my ($store) = @_;

    my (undef, $pairs) = _dump(profile_generation($store));

    return @$pairs;
}


sub profile_rewrite {
    my ($store, $change) = @_;

    my $old = profile_generation($store);
    my $new = _next_generation($old);

    my ($header, $pairs) = _dump($old);
    my $text = $header;

    for my $pair (map { $change->(@$_) } @$pairs) {
        my ($key, $value, $as_it_is) = @$pair;

        $value = summed($key, $value) if !$as_it_is;
        $text .= join '', map { ' ' . unpack('H*', $_) . "\n" } $key, $value;
    }

    mkdir $new or croak "mkdir $new: $!";

    my $file = profile_tmp() . '/load.dump';
    _spew($file, $text . "DATA=END\n");
    _run_or_croak('mdb_load', '-f', $file, $new);
    unlink $file;

    _like("$old/$_", "$new/$_") for 'data.mdb', 'lock.mdb';
    _like($old, $new);

    profile_switch($store, $new);

    return $new;
}


sub profile_error {
    my ($code) = @_;

    my $error = $Error{$code} or croak "no error code \"$code\"";

    return sprintf '{"status":%d,"code":"%s","message":"%s"}',
                   $error->[0], $code, $error->[1];
}


sub profile_tmp {
    if (!defined $Tmp) {
        $Tmp = tempdir('profile-test-XXXXXX', TMPDIR => 1, CLEANUP => 1);

        # The workers of an nginx that root starts are another user.
        chmod 0755, $Tmp or croak "chmod $Tmp: $!";
    }

    return $Tmp;
}


sub profile_until {
    my ($seconds, $condition) = @_;

    my $deadline = Time::HiRes::time() + $seconds;

    while (1) {
        my $result = $condition->();

        return $result if $result;
        return if Time::HiRes::time() > $deadline;

        Time::HiRes::sleep(0.02);
    }
}


# -- the text of a section --------------------------------------------------

sub _parse {
    my ($text) = @_;

    my (@workspaces, $workspace, $entity);

    for my $line (split /\n/, $text) {
        if ($line =~ /^\s*(?:#.*)?$/) {
            next;
        }

        if ($line !~ /^(workspace|key|entity)\s/) {
            croak "row before any entity: $line" if !$entity;
            push @{ $entity->{rows} }, $line;
            next;
        }

        my ($word, @words) = _words($line);

        if ($word eq 'workspace') {
            $workspace = _parse_workspace(@words);
            push @workspaces, $workspace;
            undef $entity;
            next;
        }

        croak "$word before any workspace: $line" if !$workspace;

        if ($word eq 'key') {
            _add_key($workspace, @words);
            next;
        }

        $entity = _parse_entity(@words);
        push @{ $workspace->{entities} }, $entity;
    }

    return @workspaces;
}


# A key may hold quotes, so only a word that begins with one is quoted.

sub _words {
    my ($line) = @_;

    my @words;

    while ($line =~ /\G\s*(?:"([^"]*)"|(\S+))/g) {
        push @words, defined $1 ? $1 : $2;
    }

    return @words;
}


sub _parse_workspace {
    my ($id, $name, @options) = @_;

    my $workspace = { id => $id, name => $name, enabled => 1,
                      keys => [], entities => [] };

    for my $option (@options) {
        if ($option eq 'disabled') {
            $workspace->{enabled} = 0;

        } elsif ($option =~ /^key=(.+)$/s) {
            _add_key($workspace, $1);

        } else {
            croak "unknown option of a workspace: $option";
        }
    }

    return $workspace;
}


sub _add_key {
    my ($workspace, $key, @options) = @_;

    my %member = (name => 'key' . (1 + @{ $workspace->{keys} }),
                  sha256 => sha256_hex($key));

    for my $option (@options) {
        $option =~ /^(name|expires)=(.+)$/s
            or croak "unknown option of a key: $option";
        $member{$1} = $2;
    }

    push @{ $workspace->{keys} }, \%member;

    return;
}


sub _parse_entity {
    my ($id, $name, @options) = @_;

    my $entity = { id => $id, name => $name, rows => [] };

    for my $option (@options) {
        if ($option eq 'unloaded') {
            $entity->{unloaded} = 1;

        } elsif ($option =~ /^(primary_key|max_invalid|max_delete)=(.+)$/s) {
            $entity->{$1} = $2;

        } elsif ($option =~ /^library_id=(\d+)$/) {
            $entity->{library_id} = $1;

        } else {
            croak "unknown option of an entity: $option";
        }
    }

    return $entity;
}


# -- the loader's configuration ---------------------------------------------

sub _write_config {
    my ($store, $text) = @_;

    my $made = _made($store);
    my @workspaces = _parse($text);
    my (@loaded, @unloaded);

    for my $workspace (@workspaces) {
        for my $entity (@{ $workspace->{entities} }) {
            my $file = "w$workspace->{id}-e$entity->{id}.ndjson";
            my $id = [$workspace->{id}, $entity->{id}];

            if (delete $entity->{unloaded}) {
                push @unloaded, $id;

            } elsif ($workspace->{enabled}) {
                push @loaded, $id;
            }

            my $rows = delete $entity->{rows};
            _spew("$made->{dir}/$file", join '', map { "$_\n" } @$rows);

            $entity->{id} += 0;
            $entity->{library_id} += 0 if defined $entity->{library_id};
            $entity->{$_} += 0
                for grep { defined $entity->{$_} } qw(max_invalid max_delete);
            $entity->{source} = { file => $file };
            $entity->{format} = 'ndjson';
        }

        $workspace->{id} += 0;
        $workspace->{enabled}
            = $workspace->{enabled} ? JSON::PP::true : JSON::PP::false;
    }

    my %config = (store => $store, workspaces => \@workspaces);
    my $group = _group();
    $config{group} = $group if defined $group;

    _spew($made->{config}, JSON::PP->new->canonical->pretty->encode(\%config));

    return { loaded => \@loaded, unloaded => \@unloaded };
}


# As root, nginx's workers are another user, and the store must be theirs to
# read. An ordinary user's workers are that user.

sub _group {
    return if $> != 0;

    my ($user, $group) = split ' ', $ENV{TEST_NGINX_WORKER_USER} || 'nobody';
    return $group if defined $group;

    my @user = getpwnam($user) or croak "no user \"$user\"";

    return scalar getgrgid($user[3]);
}


sub _loader_path {
    return $ENV{PROFILE_LOADER} if $ENV{PROFILE_LOADER};

    my $here = abs_path(dirname(__FILE__) . '/../../../../..');

    for my $dir ('.', $here) {
        my $path = "$dir/build/profile-loader";
        return File::Spec->rel2abs($path) if -x $path;
    }

    return 'profile-loader';
}


sub _loader_or_croak {
    my ($store, @args) = @_;

    my $run = profile_loader($store, @args);
    return if $run->{status} == 0;

    croak "profile-loader @args exits with $run->{status}:\n"
          . "$run->{out}$run->{err}";
}


sub _made {
    my ($store) = @_;

    return $Made{$store} || croak "$store was not made by this process";
}


# -- LMDB's own tools -------------------------------------------------------

sub _dump {
    my ($generation) = @_;

    my $run = _run_or_croak('mdb_dump', $generation);
    my ($header, $data) = $run->{out} =~ /\A(.*?HEADER=END\n)(.*)\z/s
        or croak "mdb_dump gave no header";

    my @lines = $data =~ /^ ([0-9a-f]*)$/mg;
    my @pairs;

    while (my ($key, $value) = splice @lines, 0, 2) {
        push @pairs, [pack('H*', $key), pack('H*', $value)];
    }

    return ($header, \@pairs);
}


sub _next_generation {
    my ($path) = @_;

    my ($store, $number) = $path =~ m{\A(.*)/gen-(\d+)\z}
        or croak "not a generation: $path";

    my $next;
    do { $next = sprintf '%s/gen-%06d', $store, ++$number } while -e $next;

    return $next;
}


# -- files and processes ----------------------------------------------------

sub _like {
    my ($model, $path) = @_;

    my @stat = stat $model or return;

    chown $stat[4], $stat[5], $path if $> == 0;
    chmod $stat[2] & 07777, $path or croak "chmod $path: $!";

    return;
}


sub _run {
    my (@command) = @_;

    my ($out, $err) = map { File::Temp->new(DIR => profile_tmp()) } 1, 2;

    my $pid = fork();
    croak "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out->filename;
        open STDERR, '>', $err->filename;
        { no warnings 'exec'; exec { $command[0] } @command; }
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }

    waitpid $pid, 0;

    return {
        status => $? & 127 ? 128 + ($? & 127) : $? >> 8,
        out => _slurp($out->filename),
        err => _slurp($err->filename),
    };
}


sub _run_or_croak {
    my (@command) = @_;

    my $run = _run(@command);
    croak "@command: status $run->{status}: $run->{err}" if $run->{status};

    return $run;
}


sub _slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or croak "$path: $!";
    local $/;

    return scalar <$in> // '';
}


sub _spew {
    my ($path, $text) = @_;

    utf8::encode($text) if utf8::is_utf8($text);

    open my $out, '>:raw', $path or croak "$path: $!";
    print {$out} $text or croak "$path: $!";
    close $out or croak "$path: $!";

    return;
}


1;

__END__

=head1 NAME

Test::Nginx::Profile::Store - stores of ngx_http_profile_module for tests

=head1 SYNOPSIS

    use lib 't/lib';
    use Test::Nginx::Profile::Store;

    my $store = profile_store(<<'END');
    workspace 1 Acme key=secret-token:1234
    entity 1 Users primary_key=id
    {"id":"478060","email":"boris@getcensus.com"}
    END

    profile_sync($store, $other_text);
    my $run = profile_loader($store, 'get', 1, 1, '478060');

=head1 DESCRIPTION

Everything here works on stores that the real loader makes in a private
folder, which is removed when the process ends. L<Test::Nginx::Profile>
exports the same functions; use this module where a script talks to nginx by
itself, without Test::Nginx.

The loader is C<$ENV{PROFILE_LOADER}>, else F<build/profile-loader>, else
C<profile-loader> in the PATH. Where the caller is root, the store belongs to
the group of the workers: the one that C<TEST_NGINX_WORKER_USER> names, else
nobody's.

=head1 THE TEXT OF A STORE

One thing a line. Empty lines and lines that begin with C<#> do not count.

    workspace ID NAME [key=KEY]... [disabled]
    key KEY [name=NAME] [expires=TIME]
    entity ID NAME primary_key=COLUMN [library_id=N] [max_invalid=PERCENT]
           [max_delete=PERCENT] [unloaded]

A C<key> or C<entity> line belongs to the workspace above it. Words are
separated by white space; a name with spaces is written in double quotes. Keys
are written as they are, the loader gets their SHA-256. C<unloaded> leaves the
entity without its first load. Every other line is a row of the entity above
it, in JSON, and reaches the loader byte by byte.

=head1 FUNCTIONS

=over

=item profile_store(TEXT)

Makes a new store and returns its directory. It dies, with the loader's
messages, if the loader fails.

=item profile_sync(STORE, TEXT)

Replaces the configuration and the rows of a store that this process made, and
runs C<sync>.

=item profile_apply(STORE, TEXT)

The same with C<apply>: keys and entities change, records stay.

=item profile_loader(STORE, ARGUMENTS...)

Runs the loader with the store's configuration. Returns a hash with C<status>,
C<out> and C<err>.

=item profile_generation(STORE)

The folder of the generation that CURRENT names.

=item profile_copy(STORE, CODE)

Copies the current generation, calls CODE with the copy's folder, and publishes
the copy by renaming CURRENT, as the loader does. Returns the folder.

=item profile_switch(STORE, GENERATION)

Publishes a generation that is already there.

=item profile_dump(STORE)

The current generation's records, a list of [key, value] in bytes, read with
C<mdb_dump>.

=item profile_rewrite(STORE, CODE)

Calls CODE with every key and value, writes the pairs that it returns into a
new generation with C<mdb_load>, and publishes that. Values get the checksums
that they should have, unless a pair has a third element that is true.

=item profile_error(CODE)

The body of the module's reply for an error code.

=item profile_tmp()

A private folder that other users may enter. It is removed at the end.

=item profile_until(SECONDS, CODE)

Calls CODE until it returns something true, and returns that; nothing if the
time is over first.

=back

=head1 SEE ALSO

L<Test::Nginx::Profile>

=cut
