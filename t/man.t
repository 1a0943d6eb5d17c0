# Why: who is called at night reads the manual page, who sets things up reads
# README.md, and who is in a hurry reads `profile-loader help`. They must tell
# the same, and what the program does. The page's examples are run.

use strict;
use warnings;

use JSON::PP ();
use Test::More;

use lib 't/lib';
use ProfileDocs;

if (($ENV{PROFILE_TEST_MODE} || '') eq 'hup') {
    plan skip_all => 'the manual page is the same after a reload';
}

my $Top = docs_top();
my $Root = docs_root();
my $Loader = docs_loader();
my $Source = "$Top/ngx_http_profile_module/loader";

my $Page = slurp("$Top/man/profile-loader.8");
my $Readme = slurp("$Top/README.md");
my $Help = `'$Loader' help`;

is($?, 0, 'help');

subtest 'commands and options' => \&commands;
subtest 'exit statuses' => \&statuses;
subtest 'configuration' => \&configuration;
subtest 'environment and files' => \&files;
subtest 'examples' => \&examples;
subtest 'form' => \&form;

done_testing();


# -- commands ---------------------------------------------------------------

sub commands {
    my @help = $Help =~ /^  ([a-z]\S*(?: [\[A-Z]\S*(?: \S+\])?)*)/mg;
    my @page = map { plain($_) } part('COMMANDS') =~ /^\.It (Cm .*)$/mg;
    my @readme = map { $_->[0] =~ /^`(.*)`$/ }
                 table_rows(section($Readme, 'Commands'));

    cmp_ok(scalar @help, '>', 5, 'help has commands');
    is_deeply(\@page, \@help, 'the page has those of help');
    is_deeply(\@readme, \@help, 'README has those of help');

    is_deeply(options_of(@help), code_options(),
              'the program knows these options');

    # What is in a command's line is explained below it.
    for my $command (split /^(?=\.It Cm )/m, part('COMMANDS')) {
        my ($line, $text) = $command =~ /^\.It Cm ([^\n]*)\n(.*)/s or next;
        my @named = $line =~ /Fl -(\S+)/g;
        my @explained = $text =~ /^\.It Fl -(\S+)/mg;

        is("@explained", "@named", "options of $line" =~ s/ Oo.*//r);
    }

    my ($usage) = $Help =~ /^usage: (.*)$/m;

    is(plain(part('SYNOPSIS') =~ s/\n/ /gr), $usage, 'usage');

    my ($default) = $Help =~ /FILE is (\S+)/;

    like(part('DESCRIPTION'), qr/^\.Pa \Q$default\E \.$/m,
         'the default of -c');

    return;
}


# mdoc's macros as help writes them.

sub plain {
    my ($text) = @_;

    $text =~ s/^\.Nm/profile-loader/;
    $text =~ s/\.Op (Fl \S+ Ar \S+)/[$1]/g;
    $text =~ s/\b(?:Oo) /[/g;
    $text =~ s/ Oc\b/]/g;
    $text =~ s/\bFl /-/g;
    $text =~ s/\.?\b(?:Cm|Ar) //g;
    $text =~ s/^ +| +$//g;

    return $text;
}


sub options_of {
    my %options;

    for my $line (@_) {
        my ($name) = $line =~ /^(\S+)/;

        $options{$name} = [sort $line =~ /\[--([\w-]+)/g];
    }

    return \%options;
}


# From the tables of the program: { sync => ['allow-shrink', ...] }.

sub code_options {
    my $code = slurp("$Source/profile_main.c");
    my (%name, %options);

    $name{$2} = $1
        while $code =~ /\{ "([\w-]+)", \w+_argument, NULL, (PROFILE_\w+) \}/g;

    my ($table) = $code =~ /profile_commands\[\] = \{(.*?)\n\};/s;

    while ($table =~ /\{ "(\w+)",\s*([A-Z0-9_|\s]+),\s*\d+,/g) {
        my ($command, $set) = ($1, $2);

        $options{$command} = [sort map { $name{$_} } $set =~ /PROFILE_\w+/g];
    }

    return \%options;
}


# -- exit statuses ----------------------------------------------------------

sub statuses {
    my ($enum) = slurp("$Source/profile_loader.h")
                 =~ /typedef enum \{(.*?)\} profile_exit_e/s;
    my @code = $enum =~ /= (\d+)/g;
    my @page = part('EXIT STATUS') =~ /^\.It (\d+)$/mg;
    my ($text) = $Help =~ /^Exit status: (.*)\z/ms;
    my @help = $text =~ /(?:^|; ?\n?)(\d+) /g;
    my @readme = map { $_->[0] } table_rows(section($Readme, 'Exit status'));

    cmp_ok(scalar @code, '>', 3, 'the program has statuses');
    is("@page", "@code", 'the page');
    is("@help", "@code", 'help');
    is("@readme", "@code", 'README');

    return;
}


# -- configuration ----------------------------------------------------------

# t/docs.t compares README with the tables of the program.

sub configuration {
    my %said = members();
    my @kinds = ('', 'workspace', 'key', 'entity', 'source', 'refresh');
    my ($first, @tables) = split /^Of (?:an? )?(\w+):/m,
                           section($Readme, 'Configuration');
    my %table = ('', $first, @tables);

    is(join(' ', sort keys %said), join(' ', sort @kinds), 'kinds');

    for my $kind (@kinds) {
        my @wanted = map { @$_ == 4 && $_->[0] =~ /^`(\w+)`$/ ? $1 : () }
                     table_rows($table{$kind});

        cmp_ok(scalar @wanted, '>', 0, "README: members of $kind");
        is("@{ $said{$kind} || [] }", "@wanted", "members of $kind");
    }

    return;
}


# The items of the page's lists, by what they are members of.

sub members {
    my ($first, @rest) = split /^\.Ss Members of (?:an? )?(\w+)$/m,
                         part('CONFIGURATION');
    my %text = ('', $first, @rest);

    return map { $_ => [$text{$_} =~ /^\.It Va (\w+)$/mg] } keys %text;
}


# -- environment and files --------------------------------------------------

sub files {
    my $code = join '', map { slurp($_) } glob "$Source/*.c";
    my @said = part('ENVIRONMENT') =~ /^\.It Ev (\w+)$/mg;

    is("@said", 'PROFILE_CURSOR', 'the variables');
    ok($code =~ /"\Q$_\E/, "$_ is in the program") for @said;

    my $store = slurp("$Top/docs/store-format.md");
    my @paths = map { split / , / }
                part('FILES') =~ /^\.It Pa (.*)$/mg;

    for my $path (@paths) {
        my ($name) = $path =~ m{^STORE/(?:.*/)?(\S+)$} or next;

        like($store, qr/\Q$name\E/, "$path is in docs/store-format.md");
    }

    cmp_ok(scalar @paths, '>', 5, 'there are files');

    # But for those that are there for a moment.
    my %listed = map { m{([^/]+)$} => 1 } @paths;
    my ($folder) = $store =~ /^## The folder\n(.*?)^## /ms;
    my @names = grep { !/^\.(?:new|making)$/ }
                $folder =~ m{^ {8,}(\S+[^/\s]) +0\d{3} }mg;

    cmp_ok(scalar @names, '>', 6, 'docs/store-format.md has files');
    ok($listed{$_}, "$_ is there") for @names;

    return;
}


# -- examples ---------------------------------------------------------------

sub examples {
    my %example;

    while ($Page =~ /^\.\\"\ test:\ (\S+)(?:\ (\S+))?\n
                     \.Bd\ -literal.*\n((?:.*\n)*?)\.Ed$/xmg)
    {
        $example{$1} = { path => $2, text => $3 =~ s/\\&//gr };
    }

    is(join(' ', sort keys %example), 'cron entity file session',
       'the examples');

    write_example($example{file}{path}, $example{file}{text});
    write_example('/srv/exports/users-1.ndjson',
                  qq({"id":"478060","name":"Boris"}\n));
    run_session(1, $example{session}{text});

    # the line of cron, in a shell of cron's
    my (undef, $user, $command)
        = $example{cron}{text} =~ /^(\S+(?: \S+){4}) +(\S+) +(.*)$/m;

    is($user, 'root', "cron's user");
    run_sh($command);
    is($?, 0, "cron's command");
    like(slurp("$Root/var/log/profile-loader.log"),
         qr{^Acme/Users: 1 rows.* 1 unchanged}m, 'its log');

    # the configuration with the second entity
    my $json = JSON::PP->new;
    my $config = $json->decode(slurp("$Root/etc/profile-loader.json"));

    push @{ $config->{workspaces}[0]{entities} },
         $json->decode($example{entity}{text});
    spew("$Root/etc/profile-loader.json", $json->encode($config));

    is(run_sh('profile-loader apply 2>&1; echo $?'), "0\n",
       'the other entity: apply');
    like(run_sh('profile-loader status'), qr/entity 2 Companies: not loaded/,
         'the other entity: status');

    return;
}


# -- form -------------------------------------------------------------------

sub form {
    my @wanted = ('NAME', 'SYNOPSIS', 'DESCRIPTION', 'ENVIRONMENT', 'FILES',
                  'EXIT STATUS', 'EXAMPLES', 'DIAGNOSTICS', 'SEE ALSO');
    my %have = map { $_ => 1 } $Page =~ /^\.Sh (.*)$/mg;

    ok($have{$_}, "section $_") for @wanted;

    SKIP: {
        skip 'no mandoc', 1 if system('command -v mandoc >/dev/null') != 0;

        my $said = `mandoc -T lint -W warning '$Top/man/profile-loader.8' 2>&1`;

        is($said, '', 'mandoc has nothing to say');
    }

    return;
}


# A section's text.

sub part {
    my ($name) = @_;

    my ($text) = $Page =~ /^\.Sh \Q$name\E\n(.*?)(?=^\.Sh |\z)/ms;

    return $text // '';
}
