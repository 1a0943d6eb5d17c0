# Why: cron and operators see nothing of the loader but its exit status and
# what it prints. A mistyped command must say so, do nothing and exit with 2.

use strict;
use warnings;

use lib 't/lib';
use ProfileLoader;
use Test::More;

my $loader = loader_path();

my $box = sandbox({ 'users.ndjson' => qq({"id":"1"}\n) },
    workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

my @commands = qw(sync apply key status get check compact seal help
                  version);


# -- help ---------------------------------------------------------------------

for my $args (['help'], ['--help'], ['sync', '--help'],
              ['-c', '/nonexistent', 'help'], ['-c', '/nonexistent', '--help'])
{
    my $run = run($loader, @$args);

    is($run->{status}, 0, "@$args: exit status");
    like($run->{out}, qr/^usage: profile-loader/im, "@$args: standard output");
    is($run->{err}, '', "@$args: standard error");
}

{
    my $help = run($loader, 'help')->{out};

    like($help, qr/(?<![\w-])\Q$_\E\b/, "help names $_")
        for @commands, qw(-c --workspace --entity --full --allow-shrink
                          --json);

    is(run($loader, '--help')->{out}, $help, 'help and --help are the same');
    unlike($help, qr/.{81}/, 'help fits into 80 columns');
}


# -- version ------------------------------------------------------------------

{
    my ($release) = slurp('CHANGES') =~ /^(\d\S*)$/m;

    for my $args (['version'], ['--version'], ['sync', '--version'],
                  ['-c', '/nonexistent', '--version'])
    {
        my $run = run($loader, @$args);

        is($run->{status}, 0, "@$args: exit status");
        is($run->{out}, "profile-loader $release\n",
           "@$args: the newest release of CHANGES");
        is($run->{err}, '', "@$args: standard error");
    }
}


# -- usage errors -------------------------------------------------------------

my @wrong = (
    ['no command'],
    ['an empty command', ''],
    ['an unknown command', 'snyc'],
    ['a command in capitals', 'SYNC'],
    ['the beginning of a command', 'syn'],
    ['an unknown option', '--frobnicate', 'sync'],
    ['an unknown option after the command', 'sync', '--frobnicate'],
    ['an unknown short option', '-x', 'sync'],
    ['an unknown short option after the command', 'sync', '-x'],

    ['-c without a value', '-c'],
    ['--config without a value', '--config'],
    ['-c after the command, without a value', 'sync', '-c'],
    ['-c and nothing else', '-c', $box->{config}],
    ['--workspace without a value', 'sync', '--workspace'],
    ['--entity without a value', 'sync', '--workspace', 'Acme', '--entity'],
    ['--full with a value', 'sync', '--full=yes'],
    ['--allow-shrink with a value', 'sync', '--allow-shrink=1'],
    ['--json with a value', 'status', '--json=1'],
    ['an empty -c', '-c', '', 'sync'],
    ['an empty --workspace', 'sync', '--workspace', ''],
    ['an empty --entity', 'sync', '--workspace', 'Acme', '--entity', ''],

    ['-c twice', '-c', $box->{config}, '-c', $box->{config}, 'sync'],
    ['-c and --config', '-c', $box->{config}, '--config', $box->{config},
     'sync'],
    ['--workspace twice', 'sync', '--workspace', 'Acme', '--workspace',
     'Acme'],
    ['--entity twice', 'sync', '--workspace', 'Acme', '--entity', 'Users',
     '--entity', 'Users'],
    ['--full twice', 'sync', '--full', '--full'],
    ['--allow-shrink twice', 'sync', '--allow-shrink', '--allow-shrink'],
    ['--json twice', 'status', '--json', '--json'],
    ['--json of sync with a value', 'sync', '--json=1'],
    ['--json of sync twice', 'sync', '--json', '--json'],

    ['an argument to sync', 'sync', 'Acme'],
    ['an argument to apply', 'apply', 'now'],
    ['an argument to key', 'key', 'web'],
    ['an argument to status', 'status', 'Acme'],
    ['an argument to check', 'check', 'Acme'],
    ['an argument to compact', 'compact', 'Acme'],
    ['an argument to seal', 'seal', 'Acme'],
    ['an argument after --', 'sync', '--', 'Acme'],
    ['two commands', 'apply', 'sync'],
    ['get without arguments', 'get'],
    ['get with one argument', 'get', 'Acme'],
    ['get with two arguments', 'get', 'Acme', 'Users'],
    ['get with four arguments', 'get', 'Acme', 'Users', '1', '2'],

    ['an option of another command: apply --full', 'apply', '--full'],
    ['an option of another command: apply --json', 'apply', '--json'],
    ['an option of another command: apply --workspace', 'apply',
     '--workspace', 'Acme'],
    ['an option of another command: apply --allow-shrink', 'apply',
     '--allow-shrink'],
    ['an option of another command: status --full', 'status', '--full'],
    ['an option of another command: key --json', 'key', '--json'],
    ['an option of another command: check --json', 'check', '--json'],
    ['an option of another command: compact --full', 'compact', '--full'],
    ['an option of another command: get --json', 'get', '--json', 'Acme',
     'Users', '1'],
);

for my $case (@wrong) {
    my ($name, @args) = @$case;

    # The configuration is a good one, so that nothing else can fail.
    unshift @args, '-c', $box->{config}
        if !grep { /^(?:-c|--config)$/ } @args;
    @args = () if $name eq 'no command';

    my $run = run($loader, @args);

    is($run->{status}, 2, "$name: exit status");
    is($run->{out}, '', "$name: nothing on standard output");
    # Of an empty value something better can be said than that.
    like($run->{err}, $name =~ /an empty -/ ? qr/^profile-loader: \S/m
                                            : qr/^usage: profile-loader/m,
         "$name: usage");
    ok(!-e $box->{store}, "$name: nothing done") or last;
}

# What was wrong is said before the usage.
for my $case (['snyc', 'snyc'], ['--frobnicate', 'sync', '--frobnicate'],
              ['-x', 'sync', '-x'], ['--workspace', 'sync', '--workspace'])
{
    my ($word, @args) = @$case;
    my $run = run($loader, '-c', $box->{config}, @args);

    like($run->{err}, qr/\A(?!usage).*\Q$word\E/i, "@args: named");
}


# -- what must work -----------------------------------------------------------

for my $args (['-c', $box->{config}, 'apply'],
              ['--config', $box->{config}, 'apply'],
              ["--config=$box->{config}", 'apply'],
              ["-c$box->{config}", 'apply'],
              ['-c', $box->{config}, 'sync', '--full', '--allow-shrink'],
              ['-c', $box->{config}, 'sync', '--workspace=1', '--entity=1'],
              ['-c', $box->{config}, 'sync', '--json'],
              ['-c', $box->{config}, 'sync', '--json', '--full'],
              ['-c', $box->{config}, 'get', '1', '1', '1'],
              ['-c', $box->{config}, 'status'],
              ['-c', $box->{config}, 'status', '--json'])
{
    my $run = run($loader, @$args);

    is($run->{status}, 0, "@$args[2 .. $#$args]") or diag_run($run);
}

# A record id may look like an option, as everybody's -- says.
{
    $box->write('users.ndjson' => qq({"id":"-x"}\n{"id":"--json"}\n{"id":"1"}));
    run_ok($box->loader('sync'), { 'Acme/Users' => { rows => 3 } },
           'ids that look like options');

    for my $id ('-x', '--json') {
        my $run = $box->loader('get', '--', 'Acme', 'Users', $id);
        is($run->{out}, qq({"data":{"id":"$id"}}\n), "get -- $id")
            or diag_run($run);
    }
}

# Output that cannot be written is an error, not a success.
SKIP: {
    skip 'no /dev/full', 4 if !-c '/dev/full';

    for my $args (['help'], ['key'], ['-c', $box->{config}, 'status'],
                  ['-c', $box->{config}, 'get', '1', '1', '1'])
    {
        my $run = run('sh', '-c', 'exec "$0" "$@" >/dev/full', $loader,
                      @$args);

        isnt($run->{status}, 0, "$args->[-1]: standard output is full");
    }
}

done_testing();
