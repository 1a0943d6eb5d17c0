# Why: the units say when the loader runs and what it may do there, and only
# systemd itself does both. Here docs/packages.md is followed on a root that has
# booted with it, in a container that misc/deb-test.sh makes, without a network.

use strict;
use warnings;

use lib 't/lib';
use ProfileDocs;
use ProfileLoader;
use Test::More;

my $Root = $ENV{PROFILE_DEB_BOOT}
           or plan skip_all => 'make check-deb runs it, where containers boot';

my $Config = '/etc/profile-loader.json';
my %Block = map { $_->{test} =~ /^deb (\w+)$/ ? ($1 => $_->{text}) : () }
            blocks(slurp('docs/packages.md'));

# What a source says of where it runs; it also tries what it may not.
my $Spy = join '; ', 'id -un >&2', 'touch /etc/spy', 'touch /tmp/spy',
    'grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status >&2',
    'unshare -U true', 'cat /srv/exports/*.ndjson';

spew("$Root/etc/apt/apt.conf.d/yes", qq(APT::Get::Assume-Yes "true";\n));
spew("$Root/srv/source", "$Spy\n");
spew("$Root/root/script", script());
spew("$Root/etc/systemd/system/script.service", <<'END');
[Service]
Type=idle
ExecStart=/bin/sh -c 'sh /root/script >/root/said 2>&1; systemctl poweroff'
END
symlink '../script.service',
    "$Root/etc/systemd/system/multi-user.target.wants/script.service";

my $run = run('timeout', '-k', '10', '300', 'systemd-nspawn', '--quiet',
              '--register=no', '--keep-unit', '--private-network', '--boot',
              '--directory', $Root);
my $said = -e "$Root/root/said" ? slurp("$Root/root/said") : '';
my %Said = $said =~ /^== (\w+)\n(.*?)(?=^== |\z)/msg;

is($run->{status}, 0, 'boots, and halts') or diag_run($run);
ok(exists $Said{end}, 'all commands have run') or diag($said);

like($Said{load}, qr/ profile-loader\[\d+\]: Acme\/Users: 1 rows, .* 1 added/,
     'what the journal has of the first load');
like($Said{load}, qr/^ *entity 1 Users: 1 records/m, 'status');
like($Said{ask}, qr/\{"data":\[\{"id":1,"name":"Users","library_id":1\}\]\}/,
     'the list, from nginx that systemd has reloaded');

like($Said{timer}, qr/: Acme\/Users: 2 rows, 0 invalid, 1 added/,
     'the timer refreshes');
like($Said{full}, qr/: Acme\/Users: 3 rows, 0 invalid, 1 added/,
     'so does the one for a full refresh');

like($Said{spy}, qr/Acme\/Users: profile$/m, 'who runs a source');
like($Said{spy}, qr/CapEff:.?0+$/m, 'it has no capability');
like($Said{spy}, qr/NoNewPrivs:.?1$/m, 'and gets none');
like($Said{spy}, qr/Seccomp:.?2$/m, 'its system calls are filtered');
like($Said{spy}, qr{'/etc/spy': Read-only file system}, 'what it writes fails');
like($Said{spy}, qr/unshare: unshare failed: Operation not permitted/,
     'and so do namespaces');
unlike($Said{spy}, qr{'/tmp/spy'}, 'but for /tmp');
unlike($Said{tmp}, qr/spy/, 'which is its own');
like($Said{spy}, qr/Acme\/Users: 3 rows, .* 3 unchanged/, 'it gives rows');

like($Said{fail}, qr/profile-loader\.service +loaded +failed/,
     'a refresh that fails is a failed unit');
like($Said{upgrade}, qr/^enabled\ndisabled\nactive\n\z/m,
     'installed again, timers are what they were');
is($Said{purge} =~ /^(ls: .*)\n\z/m ? $1 : $Said{purge},
   "ls: cannot access '/var/lib/profile': No such file or directory", 'purge');

done_testing();


# The page's commands, and some more. "shown" waits for a line of the journal.

sub script {
    my $keys = q(perl -0pi -e 's/"keys": \[\K\s*(?=\])/$ENV{JSON}/' ) . $Config;
    my $source = q(perl -pi -e 's|"file": "[^"]*"|)
                 . q("command": ["sh", "/srv/source"]|' ) . $Config;
    my $ask = $Block{ask} =~ s/KEY/\$KEY/r =~ tr/'\n/"/dr;

    return <<"END";
shown() {
    for i in \$(seq 300); do
        journalctl --no-pager -u "\$1" | grep "\$2" && return
        sleep 0.1
    done
}
timer=/run/systemd/system/profile-loader.timer.d

echo == install
cd /srv/packages
$Block{install}
echo == setup
$Block{setup}
KEY=\$(profile-loader key) && export JSON="\${KEY#*
}"
KEY=\${KEY%%
*}
$keys
mkdir -p /srv/exports
echo '{"id":"478060","name":"Boris"}' >/srv/exports/users-1.ndjson
echo == load
$Block{load}
echo == site
$Block{site}
echo == ask
until $ask | grep data; do sleep 0.1; done
echo == timer
echo '{"id":"1","name":"Ann"}' >>/srv/exports/users-1.ndjson
mkdir -p \$timer
printf '[Timer]\\nOnCalendar=\\nOnCalendar=*:*:*\\nAccuracySec=1ms\\n' \\
    >\$timer/soon.conf
systemctl daemon-reload
systemctl restart profile-loader.timer
shown profile-loader.service 'Users: 2 rows'
rm -r \$timer
systemctl daemon-reload
systemctl restart profile-loader.timer
echo == full
echo '{"id":"2","name":"Eve"}' >>/srv/exports/users-1.ndjson
systemctl start profile-loader-full.service
shown profile-loader-full.service 'Users: 3 rows'
echo == spy
$source
systemctl start profile-loader.service
shown profile-loader.service '3 unchanged' >/dev/null
journalctl --no-pager -u profile-loader.service
echo == tmp
ls /tmp /var/tmp
echo == fail
echo exit 1 >/srv/source
systemctl start profile-loader.service
systemctl --no-pager --plain --failed
echo == upgrade
apt-get install --reinstall ./profile-loader_*.deb
systemctl is-enabled profile-loader.timer profile-loader-full.timer
systemctl is-active profile-loader.timer
echo == remove
$Block{remove}
echo == purge
$Block{purge}
ls /var/lib/profile
echo == end
END
}
