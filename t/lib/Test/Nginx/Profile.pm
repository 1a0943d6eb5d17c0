package Test::Nginx::Profile;

use strict;
use warnings;

use parent 'Exporter';
use File::Basename qw(dirname);
use File::Spec ();
use Test::More ();

use Test::Nginx::Util ();
use Test::Nginx::Profile::Store;

our @EXPORT = @Test::Nginx::Profile::Store::EXPORT;

# A block without a section of its own uses the store that the nearest block
# above it, in the file's order, has made; Test::Nginx shuffles the blocks.
my %Declared;
my $Scanned;
my $Block;

my $Blocks = 0;
my $Finished = 0;


sub import {
    my ($class) = @_;

    if (!$Scanned) {
        _defaults();

        # Test::Base runs the eval filter in the first of these packages, and
        # Test::Nginx runs "init" in the second.
        $class->export($_) for 'Test::Base::Filter', 'Test::Nginx::Util';
    }

    goto &Exporter::import;
}


# -- settings of Test::Nginx ------------------------------------------------

sub _defaults {
    if (!defined $ENV{TEST_NGINX_LOAD_MODULES}) {
        my $module = 'build/ngx_http_profile_module.so';

        $Test::Nginx::Util::LoadModules = File::Spec->rel2abs($module)
            if -f $module;
    }

    # The module works in worker processes, so that is what is tested.
    Test::Nginx::Util::master_on() if !$ENV{TEST_NGINX_MASTER_PROCESS};

    # Test::Nginx lets root's workers be root, which hides every mistake in
    # the permissions of the store.
    if ($> == 0 && !defined $ENV{TEST_NGINX_WORKER_USER}
        && _everyone_may_enter('.'))
    {
        my @user = getpwnam('nobody');
        $Test::Nginx::Util::WorkerUser = 'nobody ' . getgrgid($user[3])
            if @user;
    }

    Test::Nginx::Util::add_block_preprocessor(\&_prepare);
    Test::Nginx::Util::add_test_cleanup_handler(sub { $Finished++ });
    _fail_on_stray_bytes();

    $Scanned = {};

    return;
}


sub _everyone_may_enter {
    my ($path) = @_;

    for ($path = File::Spec->rel2abs($path); ; $path = dirname($path)) {
        my @stat = stat $path;

        return 0 if !@stat || !($stat[2] & 01);
        return 1 if $path eq dirname($path);
    }
}


# Test::Nginx only warns about bytes after a reply, and about a reply that is
# too short. Both are what a test of a server is there to find.

sub _fail_on_stray_bytes {
    my $previous = $SIG{__WARN__};

    $SIG{__WARN__} = sub {
        my ($message) = @_;

        if ($message =~ /unexpected extra bytes after|response body truncated/
            && !($Block && defined $Block->abort))
        {
            chomp $message;
            Test::More::fail($message);
            return;
        }

        return $previous->(@_) if ref $previous;
        warn @_;
    };

    return;
}


# Test::Nginx tidies up where a test file dies, and forgets that it died.

END {
    if ($Finished != $Blocks && !$Test::Nginx::Util::InSubprocess) {
        Test::More::fail("only $Finished of $Blocks blocks came to their end");
    }
}


# -- every block ------------------------------------------------------------

sub _prepare {
    my ($block) = @_;

    $Block = $block;

    $ENV{TEST_NGINX_PROFILE_TMP} = profile_tmp();

    _scan_sections();
    _choose_store($block);
    _watch_error_log($block);
    _share_logs($block) if $ENV{TEST_NGINX_USE_HUP};

    $block->set_value('suppress_stderr', 1) if defined $block->must_die;

    return;
}


# Between two blocks Test::Nginx removes the logs, and has nginx reopen them and
# then reload.  A master process that sees both signals at once reloads first:
# its new workers begin by reopening files that are still root's, which fails,
# and the block along with it.  So the logs are there before nginx opens them,
# and anybody may write them.

sub _share_logs {
    my ($block) = @_;

    $block->set_value('post_setup_server_root', <<'END_OF_CODE'
for my $log ($Test::Nginx::Util::ErrLogFile, $Test::Nginx::Util::AccLogFile) {
    if ($log ne 'off' && !-e $log) {
        open my $out, '>', $log or die "$log: $!";
        chmod 0666, $log or die "$log: $!";
    }
}
END_OF_CODE
        . ($block->post_setup_server_root // ''));

    return;
}


sub _scan_sections {
    return if %$Scanned;

    my $last;

    for my $block (Test::Base::blocks()) {
        if (defined $block->profile) {
            $last = $block->seq_num;
            $Declared{$last} = { text => $block->profile };
        }

        $Scanned->{ $block->seq_num } = $last;
        $Blocks++;
    }

    return;
}


sub _choose_store {
    my ($block) = @_;

    my $number = $Scanned->{ $block->seq_num };
    return if !defined $number;

    my $declared = $Declared{$number};
    $declared->{store} //= profile_store($declared->{text});

    $ENV{TEST_NGINX_PROFILE_STORE} = $declared->{store};

    return;
}


sub _watch_error_log {
    my ($block) = @_;

    my @never = ('[alert]', '[emerg]', 'Sanitizer');
    my @wanted = _patterns($block->error_log);

    if (defined $block->must_die) {
        @never = grep { $_ ne '[emerg]' } @never;

    } elsif (!@wanted && !_expects_failure($block)) {
        push @never, '[crit]', '[error]';

    } elsif (!@wanted && ($block->error_code // '') =~ /^\s*4\d\d\s*$/) {

        # The client's fault leaves no trace of a fault of the store.

        push @never, qr/\[error\] .*profile store/;
    }

    for my $wanted (@wanted) {
        @never = grep { index($wanted, $_) == -1 } @never;
    }

    my %seen;
    $block->set_value('no_error_log',
        [grep { !$seen{$_}++ } _patterns($block->no_error_log), @never]);

    return;
}


sub _patterns {
    my ($value) = @_;

    return if !defined $value;
    return @$value if ref $value eq 'ARRAY';
    return $value if ref $value;
    return grep { length } split /\n+/, $value;
}


sub _expects_failure {
    my ($block) = @_;

    return 1 if defined $block->error_code_like;
    return 0 if !defined $block->error_code;

    return scalar grep { !/^\s*[123]\d\d\s*$/ } _patterns($block->error_code);
}


1;

__END__

=head1 NAME

Test::Nginx::Profile - stores of ngx_http_profile_module in Test::Nginx blocks

=head1 SYNOPSIS

    use lib 't/lib';
    use Test::Nginx::Socket 'no_plan';
    use Test::Nginx::Profile;

    run_tests();

    __DATA__

    === TEST 1: a record
    --- profile
    workspace 1 Acme key=secret-token:1234
    entity 1 Users primary_key=id library_id=1
    {"id":"478060","email":"boris@getcensus.com"}
    entity 2 Companies primary_key=domain
    {"domain":"example.com"}
    workspace 2 Globex key=other disabled
    --- config
        location /api/v1/ {
            profile_store $TEST_NGINX_PROFILE_STORE;
            profile_api;
        }
    --- request
    GET /api/v1/entities/1/record?record_id=478060
    --- more_headers
    Authorization: Bearer secret-token:1234
    --- response_body chomp
    {"data":{"id":"478060","email":"boris@getcensus.com"}}

=head1 DESCRIPTION

A section C<profile> describes a store. The real loader makes it, in a private
folder, before the block runs, and C<$TEST_NGINX_PROFILE_STORE> in C<config>,
C<http_config> and C<main_config> is its path. A block without the section uses
the store of the nearest block above it that has one, in the file's order, so
a file can declare its data once; shuffled blocks find the same store. All
stores are removed at the end of the file.

L<Test::Nginx::Profile::Store> tells how the text of a section is written, and
how the loader is found. Its functions are exported from here too, so that a
block can use them in C<eval> filters, and in C<init>, where nginx is running
and no request was made:

    --- init
    profile_sync($ENV{TEST_NGINX_PROFILE_STORE}, $main::other_text);

=head2 What else it changes

=over

=item *

Every block also asserts that the error log has no C<[alert]>, C<[emerg]> and
C<Sanitizer> line, and no C<[crit]> and C<[error]> line where all the expected
statuses are below 400 and the block has no C<error_log> section. What a block
says in C<no_error_log> stays; what it asks for in C<error_log> is left out.

=item *

Bytes after the end of a reply, and a reply that is too short, fail the block.
Test::Nginx alone only warns. A file that dies before its last block fails;
without a plan Test::Nginx lets it pass.

=item *

The master process is on, and the workers that root starts are C<nobody>. Set
C<TEST_NGINX_MASTER_PROCESS> or C<TEST_NGINX_WORKER_USER> for something else.
Where C<nobody> cannot enter the current folder, root's workers stay root.

=item *

F<build/ngx_http_profile_module.so> is loaded where C<TEST_NGINX_LOAD_MODULES>
is not set and the file is there.

=back

=head1 ENVIRONMENT

=over

=item PROFILE_LOADER

The loader, if it is neither F<build/profile-loader> nor in the PATH.

=item TEST_NGINX_PROFILE_STORE

Set for each block: its store.

=item TEST_NGINX_PROFILE_TMP

Set: a private folder that workers may enter, removed at the end.

=back

=head1 SEE ALSO

L<Test::Nginx::Socket>, L<Test::Nginx::Profile::Store>

=cut
