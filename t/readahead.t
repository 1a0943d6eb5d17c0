# Why: a store that does not fit into memory is served some eighty times
# slower where the system reads ahead. Whether it does is a flag of the
# mapping, which the kernel shows.

# expect-alert: "profile_readahead" in location

use strict;
use warnings;

use POSIX ();
use Test::More;

use lib 't/lib';
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

if (($ENV{PROFILE_TEST_MODE} || '') eq 'hup') {
    plan skip_all => 'starts its own nginx';
}

my $store = profile_store(<<'END');
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1"}
END


sub nginx {
    my ($config) = @_;

    return Test::Nginx::Profile::Daemon->new(workers => 1, config => $config);
}


sub location {
    my ($path, @lines) = @_;

    return "location $path {\n"
           . join('', map { "$_;\n" } "profile_store $store", 'profile_api',
                  @lines)
           . "}\n";
}


# "random" where nothing is read ahead, "normal" where it is.

sub advice {
    my ($pid) = @_;

    open my $in, '<', "/proc/$pid/smaps" or die "smaps of $pid: $!";

    my $ours;

    while (<$in>) {
        $ours = /data\.mdb$/ if /^[0-9a-f]+-[0-9a-f]+ /;
        return / rr(?: |$)/ ? 'random' : 'normal' if $ours && /^VmFlags:/;
    }

    return 'not mapped';
}


sub served_ok {
    my ($config, $want, $name, %more) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $nginx = nginx($config)->start();
    my ($worker) = $nginx->workers();

    is($nginx->get('/api/entities/1/record?record_id=1', 'key')->{body},
       '{"data":{"id":"1"}}', "$name: served");
    is(advice($worker), $want, $name);
    $nginx->stop();

    return;
}

served_ok(location('/api/'), 'normal', 'a small store');
served_ok(location('/api/', 'profile_readahead auto'), 'normal', 'auto');
served_ok(location('/api/', 'profile_readahead on'), 'normal', 'on');
served_ok(location('/api/', 'profile_readahead off'), 'random', 'off');
served_ok("profile_readahead off;\n" . location('/api/') . location('/more/'),
          'random', 'off, from the level above');

{
    my $nginx = nginx(location('/api/', 'profile_readahead off')
                      . location('/more/'));

    isnt($nginx->test(), 0, 'locations that differ are refused');
    like($nginx->output(), qr{"profile_readahead" in location "/more/" differs from that of another location with the store "\Q$store\E"},
         'and it is said why');
}



# -- a store that does not fit ----------------------------------------------------

# The control group of this process, with a group of the test's own below it,
# in the version that the system has.

sub group {
    my ($bytes) = @_;

    for my $version (['/sys/fs/cgroup/memory', qr/^\d+:memory:(.*)$/m,
                      'memory.limit_in_bytes'],
                     ['/sys/fs/cgroup', qr/^0::(.*)$/m, 'memory.max'])
    {
        my ($mount, $line, $limit) = @$version;
        my ($own) = read_file('/proc/self/cgroup') =~ $line or next;
        my $group = "$mount$own/profile-test-$$";

        next if !mkdir $group;
        return ($group, "$mount$own")
            if -e "$group/$limit" && write_file("$group/$limit", $bytes);
        rmdir $group;
    }

    return;
}


sub read_file {
    my ($path) = @_;

    open my $in, '<', $path or return '';
    local $/;

    return <$in> // '';
}


sub write_file {
    my ($path, $text) = @_;

    open my $out, '>', $path or return 0;
    print $out $text;

    return close $out;
}

SKIP: {
    my ($group, $own) = group(64 << 20);

    skip 'no control group can be made here', 4 if !$group;

    my $pad = 'x' x (20 << 20);
    my $large = profile_store(<<"END");
workspace 1 Acme key=key
entity 1 Users primary_key=id
{"id":"1"}
{"id":"2","pad":"$pad"}
{"id":"3","pad":"$pad"}
END
    (my $config = location('/api/')) =~ s/\Q$store/$large/;

    served_ok($config, 'normal', 'a store of 40 MB');

    write_file("$group/cgroup.procs", $$) or die "cgroup.procs: $!";
    served_ok($config, 'random', 'and where there are 64 MB of memory');
    write_file("$own/cgroup.procs", $$) or die "cgroup.procs: $!";

    rmdir $group;
}

done_testing();
