# Why: whoever has no package installs with make, and later wants to be rid of
# it. Files must be where nginx, systemd and man look for them, name the loader
# where it is, and go again.

use strict;
use warnings;

use lib 't/lib';
use ProfileLoader;
use Test::More;

my $Dir = new_dir('install');
my @Make = ('make', '--no-print-directory', "DESTDIR=$Dir/to here");

my ($Modules) = `/usr/sbin/nginx -V 2>&1` =~ / --modules-path=(\S+)/;
my ($Version) = slurp('CHANGES') =~ /^(\d\S*)$/m;

my @Files = (
    'bin/profile-loader',
    (map { "lib/systemd/system/profile-loader$_" }
     '-full.service', '-full.timer', '.service', '.timer'),
    'share/doc/profile-loader/examples/profile-loader.cron',
    'share/doc/profile-loader/examples/profile-loader.json',
    'share/doc/profile-loader/examples/site.conf',
    'share/man/man8/profile-loader.8',
    'share/profile/entities.html',
);

for my $prefix ('/usr/local', '/opt/profile') {
    subtest $prefix => sub { install($prefix) };
}

subtest 'other folders' => \&other_folders;
subtest 'a tree of nginx' => \&tree;

done_testing();


sub install {
    my ($prefix) = @_;

    my @given = $prefix eq '/usr/local' ? () : "PREFIX=$prefix";
    my $run = run(@Make, @given, 'install');

    is($run->{status}, 0, 'make install') or diag_run($run);
    is_deeply([files()],
              [sort "$Modules/ngx_http_profile_module.so",
               map { "$prefix/$_" } @Files], 'the files');
    is_deeply([grep { mode($_) ne ($_ =~ m{/bin/} ? '755' : '644') } files()],
              [], 'their modes');

    is(run("$Dir/to here$prefix/bin/profile-loader", '--version')->{out},
       "profile-loader $Version\n", 'the loader runs');

    for my $file (grep { /\.(?:service|cron|8)$/ } files()) {
        my %named = map { $_ => 1 }
                    slurp("$Dir/to here$file") =~ m{ (/\S+/profile-loader) sync}g;

        is(join(' ', keys %named), "$prefix/bin/profile-loader",
           "$file names it and no other");
    }

    # A file that is in use is replaced, not written to.
    open my $old, '<', "$Dir/to here$Modules/ngx_http_profile_module.so"
        or die "the module: $!\n";
    run(@Make, @given, 'install');
    is((stat $old)[3], 0, 'installed again');
    close $old;

    spew("$Dir/to here$prefix/share/other", '');
    $run = run(@Make, @given, 'uninstall');
    is($run->{status}, 0, 'make uninstall') or diag_run($run);
    is_deeply([files()], ["$prefix/share/other"], 'nothing else is left');
    ok(!-e "$Dir/to here$prefix/share/doc/profile-loader", 'nor a folder');
    unlink "$Dir/to here$prefix/share/other";

    return;
}


sub other_folders {
    run(@Make, 'MODULESDIR=/m', 'UNITDIR=/u', 'install');
    is_deeply([grep { m{^/[mu]/} } files()],
              ['/m/ngx_http_profile_module.so',
               map { "/u/profile-loader$_" } '-full.service', '-full.timer',
               '.service', '.timer'], 'MODULESDIR, UNITDIR');
    run(@Make, 'MODULESDIR=/m', 'UNITDIR=/u', 'uninstall');
    is_deeply([files()], [], 'and away');

    my $run = run(@Make, 'MODULESDIR=', 'install');

    isnt($run->{status}, 0, 'nobody knows where modules go');
    like($run->{err}, qr{give MODULESDIR=/\.\.\.}, 'it says so');
    is_deeply([files()], [], 'and does nothing');

    return;
}


# Where an nginx looks that is not the installed one.

sub tree {
    my %wanted = (
        '--prefix=/opt/nginx' => '/opt/nginx/modules',
        '--with-threads' => '/usr/local/nginx/modules',
        '--modules-path=/m --prefix=/opt' => '/m',
        '--prefix=/opt --modules-path=lib' => '/opt/lib',
    );

    mkdir "$Dir/tree";
    mkdir "$Dir/tree/objs";

    for my $arguments (sort keys %wanted) {
        spew("$Dir/tree/objs/nginx", <<"END");
#!/bin/sh
echo "nginx version: nginx/1.22.1" >&2
echo "configure arguments: $arguments" >&2
END
        chmod 0755, "$Dir/tree/objs/nginx";
        is(run({ env => { NGINX_SRC => "$Dir/tree" } },
               'misc/modules-dir.sh')->{out},
           "$wanted{$arguments}\n", $arguments);
    }

    unlink "$Dir/tree/objs/nginx";
    is(run({ env => { NGINX_SRC => "$Dir/tree" } },
           'misc/modules-dir.sh')->{out}, "$Modules\n", 'not built yet');

    return;
}


sub files {
    my @found = map { substr $_, length "$Dir/to here" }
                split /\n/, run('find', "$Dir/to here", '-type', 'f')->{out};

    return sort @found;
}


sub mode {
    my ($file) = @_;

    return sprintf '%o', (stat "$Dir/to here$file")[2] & 07777;
}
