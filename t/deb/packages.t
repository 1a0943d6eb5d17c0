# Why: who installs a package reads its page at best, and trusts it with root.
# Here that page, docs/packages.md, is followed on a bare Debian, command by
# command: installed, set up, loaded by what the timer starts, served, upgraded,
# removed and purged. misc/deb-test.sh makes the root, which has no network.

use strict;
use warnings;

use HTTP::Tiny ();
use lib 't/lib';
use ProfileDocs;
use ProfileLoader;
use Test::More;

my $Root = $ENV{PROFILE_DEB_ROOT};
my $Version = $ENV{PROFILE_DEB_VERSION}
              or plan skip_all => 'make check-deb runs it';

my $Page = slurp('docs/packages.md');
my %Block = map { $_->{test} =~ /^deb (\w+)$/ ? ($1 => $_->{text}) : () }
            blocks($Page);

my $Link = '/etc/nginx/modules-enabled/50-mod-http-profile.conf';
my $Site = '/etc/nginx/sites-enabled/profile';
my $Config = '/etc/profile-loader.json';
my $Store = '/var/lib/profile';
my $Body = '{"data":{"id":"478060","name":"Boris"}}';

my @Units = map { "profile-loader$_" } '.service', '.timer', '-full.service',
            '-full.timer';

my ($Key, %Before);

subtest 'lintian' => \&lintian;

if (!defined $Root) {
    diag('no namespaces here: the packages are not installed');
    done_testing();
    exit;
}

# Services start and reload as on a machine that runs an init; without it,
# packages would leave them alone.
spew("$Root/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n");
chmod 0755, "$Root/usr/sbin/policy-rc.d";

subtest 'install' => \&install;
subtest 'pages' => \&pages;
subtest 'units' => \&units;
subtest 'set up' => \&setup;
subtest 'load' => \&load;
subtest 'system calls' => \&system_calls;
subtest 'serve' => \&serve;
subtest 'upgrade' => \&upgrade;
subtest 'timers go on' => \&timers_go_on;
subtest 'remove' => \&remove;
subtest 'install again' => \&install_again;
subtest 'purge' => \&purge;

done_testing();


# -- the packages -----------------------------------------------------------

# No override either: they would be shown.

sub lintian {
    my ($changes) = glob 'build/deb/*.changes';
    my $run = run('lintian', '--allow-root', '--show-overrides', '--info',
                  '--no-tag-display-limit', $changes);

    is($run->{status}, 0, 'lintian');
    is($run->{out}, '', 'it has nothing to say');

    return;
}


sub install {
    %Before = map { $_ => 1 } listing();
    commands('install', '/srv/packages');

    is(in_root('dpkg-query', '-W', '-f', '${Package} ${Version}\n',
               'libnginx-mod-http-profile', 'profile-loader'),
       "libnginx-mod-http-profile $Version\nprofile-loader $Version\n",
       'the versions');
    is(in_root('profile-loader', '--version'), "profile-loader $Version\n",
       'the loader has the same');

    my ($page) = in_root('gzip', '-dc', '/usr/share/man/man8/'
                                        . 'profile-loader.8.gz')
                 =~ m{ (/\S+/profile-loader) sync}
                 or diag('no example');

    is($page, '/usr/bin/profile-loader', 'the manual page names it');

    like(in_root('dpkg-query', '-W', '-f', '${Depends}',
                 'libnginx-mod-http-profile'),
         qr/\bnginx-abi-[\d.]+-\d+\b/, 'apt knows which nginx it fits');
    is(readlink "$Root$Link",
       '/usr/share/nginx/modules-available/mod-http-profile.conf',
       'the module is enabled');
    is(in_root('id', '-Gn', 'profile'), "profile www-data\n",
       'the user and its groups');
    like(in_root('getent', 'passwd', 'profile'),
         qr{:/nonexistent:/usr/sbin/nologin$}, 'nobody can log in as it');
    is(owner($Store), 'profile www-data 750', "$Store, as operations.md says");
    is(in_root('find', $Store, '-mindepth', '1'), '', 'which is empty');
    ok(!-e "$Root$Config", 'there is no configuration');
    is(enabled(), '', 'no timer is enabled');
    is(nginx_loads(), 1, 'nginx has the module');

    is(join(' ', listing()),
       join(' ', $Link, $Store,
            map { "/var/lib/systemd/deb-systemd-helper-enabled/$_.dsh-also" }
            'profile-loader-full.timer', 'profile-loader.timer'),
       'and nothing else that no package owns');

    return;
}


# What has "profile" in its name and is no package's file, those left out that
# were there before.

sub listing {
    my @found = split /\n/, in_root('find', '/etc', '/var/lib', '/var/log',
                                    '/run', '/usr/local', '-name',
                                    '*profile*');

    return grep { !$Before{$_} && !m{/dpkg/} } sort @found;
}


# What a page refers to is there, but for what is nobody's on a machine that has
# the packages, or has another name by Debian's rules.

sub pages {
    my $doc = "$Root/usr/share/doc/profile-loader";
    my %elsewhere = map { $_ => 1 } qw(LICENSE CHANGES CONTRIBUTING.md
                                       ../CHANGES ../share/entities.html);
    my $links = 0;
    my @missing;

    for my $page ("$doc/README.md", glob "$doc/docs/*.md") {
        my ($folder) = $page =~ m{(.*/)};

        for my $link (slurp($page) =~ /\]\(([^):#]+)[)#]/g) {
            next if $elsewhere{$link};
            $links++;
            push @missing, "$page: $link" if !-e "$folder$link";
        }
    }

    is(join("\n", @missing), '', 'what pages refer to');
    cmp_ok($links, '>', 100, "$links references");

    return;
}


# -- systemd ----------------------------------------------------------------

# What the services may is judged by systemd itself, and by what the loader
# does: there is no systemd here that would end it for a wrong call.

sub units {
    my $dir = new_dir('units');

    spew("$dir/$_", slurp("$Root/lib/systemd/system/$_")) for @Units;

    for my $unit (@Units) {
        my $run = run('systemd-analyze', 'verify', '--man=no', "$dir/$unit");

        is_deeply([@$run{qw(status err)}], [0, ''], "$unit: verify")
            or diag_run($run);
    }

    for my $unit (grep { /service$/ } @Units) {
        my $run = run('systemd-analyze', 'security', '--offline=yes',
                      '--no-pager', '--threshold=30', "--root=$Root", $unit);

        is($run->{status}, 0, "$unit: exposure is at most 3.0")
            or diag_run($run);
    }

    # Without packages there are the same, but for the loader's place.
    my $operations = slurp('docs/operations.md');
    my %said = map { $_->{test} =~ m{^unit .*/(\S+)$} ? ($1 => $_->{text}) : () }
               blocks($operations);

    is($said{$_} =~ s{/usr/local/bin/}{/usr/bin/}r,
       slurp("$Root/lib/systemd/system/$_"), "$_: as in docs/operations.md")
        for @Units;

    my ($cron) = grep { $_->{test} eq 'cron' } blocks($operations);
    my $example = slurp("$Root/usr/share/doc/profile-loader/examples/"
                        . 'profile-loader.cron');

    is($cron->{text} =~ s{/usr/local/bin/}{/usr/bin/}gr,
       $example =~ s/^(?:#.*)?\n//mgr, 'cron: as in docs/operations.md');

    return;
}


# systemctl, of which the page's commands need this much.

sub systemctl {
    my ($action, @rest) = @_;

    if ("@rest" eq 'nginx') {
        my $said = in_root('sh', '-c', "service nginx $action 2>&1");

        is($?, 0, "systemctl $action nginx") or diag($said);
        return $said;
    }

    if ($action eq 'enable') {
        my $run = run('systemctl', "--root=$Root", 'enable', $rest[-1]);

        is($run->{status}, 0, "systemctl enable $rest[-1]") or diag_run($run);
        return '';
    }

    return start_unit($rest[0]) if $action eq 'start';

    is($action, 'status', "systemctl $action @rest");

    return '';
}


# ExecStart as the unit's user, who may write to one folder alone.

sub start_unit {
    my ($unit, @tracer) = @_;

    my $text = slurp("$Root/lib/systemd/system/$unit");
    my %option = $text =~ /^(\w+)=(.*)$/mg;

    ok(-e "$Root$option{ConditionPathExists}", "$unit: its condition");

    my $script = <<'END';
set -eu
root=$1 writable=$2 user=$3
shift 3
mount --bind "$root$writable" "$root$writable"
mount -o remount,bind,ro "$root"
! touch "$root/var/log/x" 2>/dev/null
exec "$@"
END
    my $run = run({ dir => '/' }, 'unshare', '--mount', 'sh', '-c', $script,
                  'sh', $Root, $option{ReadWritePaths}, $option{User},
                  @tracer, 'chroot', $Root, 'env', '-i', 'LANG=C.UTF-8',
                  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin',
                  'setpriv', "--reuid=$option{User}",
                  "--regid=$option{User}", '--init-groups', '--no-new-privs',
                  '--inh-caps=-all', '--bounding-set=-all',
                  split ' ', $option{ExecStart});

    is($run->{status}, 0, "$unit: it works") or diag_run($run);
    is($run->{err}, '', "$unit: nothing on standard error");

    return $run->{out};
}


# The system calls that the service may make are those that it makes.

sub system_calls {
    plan skip_all => 'nothing can be traced here'
        if run('strace', '-o', '/dev/null', 'true')->{status} ne '0';

    my $unit = slurp("$Root/lib/systemd/system/profile-loader.service");
    my ($program) = $unit =~ /^ExecStart=(\S+)/m;
    my ($families) = $unit =~ /^RestrictAddressFamilies=(.*)$/m;
    my $sets = run('systemd-analyze', 'syscall-filter', '--no-pager')->{out};
    my %set = $sets =~ /^(@\S+)\n((?: .*\n)+)/mg;
    my (%may, %did, %family);

    for my $filter ($unit =~ /^SystemCallFilter=(.*)$/mg) {
        my ($not, $names) = $filter =~ /^(~?)(.*)$/;

        $_ eq '' or $not ? delete $may{$_} : ($may{$_} = 1)
            for calls(\%set, split ' ', $names);
    }

    my $dir = new_dir('trace');

    # A first load and one that finds nothing new.
    for my $run (1, 2) {
        start_unit('profile-loader.service', 'strace', '-f', '-qq', '-o',
                   "$dir/trace");
        my (undef, $trace) = split /execve\("\Q$program\E"/,
                             slurp("$dir/trace"), 2;

        $did{$_} = 1 for ($trace // '') =~ /^\d+ +(\w+)\(/mg;
        $family{$_} = 1 for ($trace // '') =~ /\bsocket\((\w+),/g;
        run('rm', '-rf', glob("$Root$Store/*")) if $run == 1;
    }

    cmp_ok(scalar keys %may, '>', 200, 'there is a filter');
    ok($did{$_}, "$_ was traced") for qw(execve fchown rename pwrite64);
    is(join(' ', grep { !$may{$_} } sort keys %did), '',
       'all that the loader calls is allowed');
    is(join(' ', grep { $families !~ /\b$_\b/ } sort keys %family), '',
       'so are its sockets');

    return;
}


# The names in systemd's sets, which hold other sets.

sub calls {
    my ($set, @names) = @_;

    return map { !/^\@/ ? $_
                 : calls($set, ($set->{$_} // '') =~ /^ +([\@\w]\S*)$/mg) }
           @names;
}


# -- use --------------------------------------------------------------------

sub setup {
    my $said = commands('setup');
    my ($key, $json) = $said =~ /^(secret-token:\S+)\n(\{.*\})$/m
        or return fail("no key: $said");

    $Key = $key;

    my $config = slurp("$Root$Config");

    ok($config =~ s/"keys": \[\K\s*(?=\])/$json/, 'there is a place for it');
    spew("$Root$Config", $config);
    is(sprintf('%o', (stat "$Root$Config")[2] & 07777), '644',
       'the configuration, which the user profile can read');

    my ($dir) = $config =~ m{"file": "(.*)/[^/"]*"};

    make("$Root$dir");
    spew("$Root$dir/users-1.ndjson", qq({"id":"478060","name":"Boris"}\n));

    return;
}


sub make {
    my ($dir) = @_;

    run('mkdir', '-p', $dir);

    return;
}


sub load {
    my $said = commands('load');

    like($said, qr{^Acme/Users: 1 rows, 0 invalid, 1 added,}m,
         'what the service says');
    like($said, qr/^ *entity 1 Users: 1 records/m, 'status');
    is(enabled(), 'profile-loader.timer', 'the timer is enabled');
    modes();

    like(start_unit('profile-loader-full.service'),
         qr{^Acme/Users: .* 1 unchanged}, 'in full');

    # As root, which is cron's way: nothing becomes root's.
    like(in_root('sh', '-c', cron_command()), qr/\A\z/, 'cron');
    is($?, 0, 'cron: its status');
    like(slurp("$Root/var/log/profile-loader.log"),
         qr{^Acme/Users: .* 1 unchanged}, 'cron: its log');
    modes();

    return;
}


sub cron_command {
    my $table = slurp("$Root/usr/share/doc/profile-loader/examples/"
                      . 'profile-loader.cron');
    my ($line) = grep { /^[^#]/ } split /\n/, $table;

    return (split ' ', $line, 7)[6];
}


# As docs/operations.md has them.

sub modes {
    my %wanted = ('CURRENT' => '640', '.loader.lock' => '600',
                  'gen-000001' => '750', 'gen-000001/data.mdb' => '640',
                  'gen-000001/lock.mdb' => '660');

    is(owner("$Store/$_"), "profile www-data $wanted{$_}", "$_: its owner")
        for sort keys %wanted;

    return;
}


sub serve {
    commands('site');

    ok(until_true(30, sub { (get('/profile/ready'))[0] eq '200' }),
       'the status, once nginx has reloaded');
    is_deeply([reply()], [200, $Body], 'a record');
    is((reply('another'))[0], 401, 'not with another key');
    is(run('sh', '-c', ($Block{ask} // 'false') =~ s/KEY/$Key/r)->{out},
       '{"data":[{"id":1,"name":"Users","library_id":1}]}',
       "the page's request");

    return;
}


# -- the end ----------------------------------------------------------------

sub upgrade {
    my $config = slurp("$Root$Config");
    my $master = slurp("$Root/run/nginx.pid");

    my $said = in_root('sh', '-c', 'cd /srv/later && ' . apt($Block{install}));

    is($?, 0, 'the next release') or diag($said);
    is(in_root('dpkg-query', '-W', '-f', '${Version}\n', 'profile-loader',
               'libnginx-mod-http-profile'),
       "$Version+later\n" x 2, 'is installed');
    is(enabled(), 'profile-loader.timer', 'the timer is still enabled');
    is(slurp("$Root$Config"), $config, 'the configuration is the same');
    is(slurp("$Root/run/nginx.pid"), $master, 'nginx goes on');
    is_deeply([reply()], [200, $Body], 'and serves');
    like(mapped(), qr/\(deleted\)$/m, 'with the old module');

    commands('restart');
    like(mapped(), qr{/ngx_http_profile_module\.so$}m, 'the new module');
    unlike(mapped(), qr/\(deleted\)/, 'and no old one');
    is_deeply([reply()], [200, $Body], 'serves');
    modes();

    like(start_unit('profile-loader.service'),
         qr{^Acme/Users: .* 1 unchanged}, 'the next run');

    return;
}


# An upgrade where systemd runs, which here only writes down what it is told:
# the timer that is enabled runs afterwards, the other one does not.

sub timers_go_on {
    my $log = "$Root/var/tmp/systemctl";

    spew("$Root/usr/local/sbin/systemctl", <<'END');
#!/bin/sh
echo "$*" >>/var/tmp/systemctl
for unit; do :; done
active=/etc/systemd/system/timers.target.wants/$unit
case "$*" in
*is-enabled*) [ -e "$active" ] && echo enabled || echo disabled ;;
*is-active*)  [ -e "$active" ] ;;
esac
END
    chmod 0755, "$Root/usr/local/sbin/systemctl";
    make("$Root/run/systemd/system");

    my $said = in_root('sh', '-c', 'dpkg -i /srv/later/profile-loader*.deb');

    is($?, 0, 'again') or diag($said);

    my ($told, %last) = slurp($log);

    $last{$2} = $1
        while $told =~ /\b((?:re)?start|stop) (profile-loader\S+)$/mg;

    like($told, qr/\bdaemon-reload$/m, 'the units are read');
    is_deeply(\%last, { 'profile-loader.timer' => 'restart' },
              'what is told to run, and that no service is stopped');

    unlink $log, "$Root/usr/local/sbin/systemctl";
    run('rm', '-r', "$Root/run/systemd");

    return;
}


sub mapped {
    my $pid;

    until_true(30, sub {
        -s "$Root/run/nginx.pid"
        && (($pid) = slurp("$Root/run/nginx.pid") =~ /^(\d+)\n\z/);
    });

    return join "\n", grep { /ngx_http_profile_module/ }
                      split /\n/, slurp("/proc/$pid/maps");
}


sub remove {
    my $before = fingerprint("$Root$Store");

    commands('remove');

    is(fingerprint("$Root$Store"), $before, 'the store is the same');
    ok(-s "$Root$Config", 'the configuration stays');
    ok(!-e "$Root/usr/bin/profile-loader", 'the loader is gone');
    ok(!-e "$Root/lib/systemd/system/$_", "$_ is gone") for @Units;
    ok(!-l "$Root$Link", 'the module is not loaded any more');
    is(nginx_loads(), 0, 'nginx lives without it');
    is((get('/', 80))[0], 200, 'and serves what else it has');

    return;
}


sub install_again {
    commands('install', '/srv/packages', '--allow-downgrades');

    ok(-l "$Root$Link", 'the module is enabled');
    is(enabled(), 'profile-loader.timer', 'the timer still is');
    symlink '../sites-available/profile', "$Root$Site";
    systemctl('restart', 'nginx');
    is_deeply([reply()], [200, $Body], 'a record, which was never loaded');
    unlink "$Root$Site";
    systemctl('reload', 'nginx');

    # What the administrator has disabled stays so.
    unlink "$Root$Link";
    in_root('sh', '-c', 'dpkg -i /srv/later/libnginx*.deb');
    is($?, 0, 'the module of the next release');
    ok(!-l "$Root$Link", 'is not enabled where it was not');

    return;
}


sub purge {
    commands('purge');

    is_deeply([listing()], ['/etc/nginx/sites-available/profile', $Config,
                            '/var/log/profile-loader.log'],
              'what is left is not the packages\'');
    like(in_root('id', 'profile'), qr/^uid=/, 'the user stays');
    is(nginx_loads(), 0, 'nginx lives');

    # Over a folder that somebody has made.
    in_root('install', '-d', '-m', '700', $Store);
    commands('install', '/srv/packages');
    is(owner($Store), 'root root 700', 'a folder that is there stays');
    commands('purge');
    ok(!-e "$Root$Store", 'and is gone');

    return;
}


# -- the root ---------------------------------------------------------------

# The commands of a block of the page, line by line; what they say.

sub commands {
    my ($name, $dir, @more) = @_;

    my $block = $Block{$name} // return fail("the page has no block $name");
    my $said = '';

    for my $line (split /\n/, $block =~ s/\\\n */ /gr) {
        if ($line =~ /^systemctl (.*)$/) {
            $said .= systemctl(split ' ', $1);
            next;
        }

        my $got = in_root('sh', '-c', ($dir ? "cd $dir && " : '')
                                      . apt($line, @more) . ' 2>&1');

        is($?, 0, $line) or diag($got);
        $said .= $got;
    }

    return $said;
}


# With nobody at the keyboard.  What is needed has been fetched.

sub apt {
    my ($line, @more) = @_;

    chomp $line;
    $line =~ s/^apt-get \K/join ' ', '-y', @more, ''/e;

    return $line;
}


sub in_root {
    my $run = run({ dir => '/' }, 'chroot', $Root, 'env', '-i', 'LC_ALL=C',
                  'HOME=/root', 'DEBIAN_FRONTEND=noninteractive',
                  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:'
                  . '/sbin:/bin', @_);

    $? = $run->{status} eq '0' ? 0 : 256;

    return $run->{out};
}


sub owner {
    return in_root('stat', '-c', '%U %G %a', @_) =~ s/\n//r;
}


sub enabled {
    return join ' ', map { m{([^/]+)$} } sort
                     glob "$Root/etc/systemd/system/*.wants/profile-loader*";
}


sub nginx_loads {
    my $said = in_root('sh', '-c', 'nginx -T 2>&1');

    is($?, 0, 'nginx -T') or diag($said);

    return $said =~ /^load_module .*ngx_http_profile_module\.so;$/m ? 1 : 0;
}


sub get {
    my ($path, $port, %headers) = @_;

    $port //= 8080;

    my $reply = HTTP::Tiny->new(timeout => 30)->get(
        "http://127.0.0.1:$port$path", { headers => \%headers });

    return ($reply->{status}, $reply->{content});
}


sub reply {
    my ($key) = @_;

    return get('/api/v1/entities/1/record?record_id=478060', undef,
               Authorization => 'Bearer ' . ($key // $Key // ''));
}
