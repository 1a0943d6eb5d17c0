# Why: what README.md and docs/ say is what people build on, and it goes wrong
# silently. The examples are run as they are printed, with the real loader and
# nginx; tables are compared with the sources that they describe.

use strict;
use warnings;
no warnings qw(portable);

use Digest::SHA qw(sha256);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use ProfileDocs;
use ProfileFormat;
use ProfileMetrics qw(metrics);

if (($ENV{PROFILE_TEST_MODE} || '') eq 'hup') {
    plan skip_all => 'the documentation is the same after a reload';
}

my $Top = docs_top();
my $Source = "$Top/ngx_http_profile_module";
my $Root = docs_root();
my $Loader = docs_loader();
my $Nginx = docs_nginx();
my $Module = docs_module();

my %Text = map { $_ => slurp("$Top/$_") } documents();
my $Readme = $Text{'README.md'};

subtest 'links' => \&links;
subtest 'directives' => \&directives;
subtest 'error codes' => \&error_codes;
subtest 'variables' => \&variables;
subtest 'loader: commands, statuses, configuration' => \&loader;
subtest 'messages' => \&messages;
subtest 'examples of the README' => \&examples;
subtest 'the bytes of a store' => \&store_bytes;
subtest 'examples of directives' => \&directive_examples;
subtest 'limits' => \&limits;
subtest 'monitoring' => \&monitoring;
subtest 'examples of docs/operations.md' => \&operations;
subtest 'examples of docs/sources.md' => \&sources;
subtest 'examples of docs/security.md' => \&security;
subtest 'examples of docs/migrating.md' => \&migrating;
subtest 'CONTRIBUTING.md' => \&contributing;
subtest 'benchmarks' => \&benchmarks;
subtest 'a suite of your own' => \&own_suite;

done_testing();


# -- links ------------------------------------------------------------------

sub links {
    my ($count, @dead) = (0);

    for my $file (sort keys %Text) {
        my $text = without_code($Text{$file});

        while ($text =~ /\]\(([^)\s]+)\)/g) {
            my $link = $1;
            my ($path, $anchor) = split /#/, $link, 2;

            next if $path =~ /^\w+:/;

            my $target = $path eq '' ? $file
                         : resolve(dirname($file), $path);

            $count++;
            push @dead, "$file: $link"
                if !-e "$Top/$target"
                   || defined $anchor
                      && !anchors($Text{$target} // '')->{$anchor};
        }
    }

    cmp_ok($count, '>', 50, 'there are links');
    is_deeply(\@dead, [], 'all lead somewhere');

    for my $file (sort keys %Text) {
        my %named = map { $_ => 1 }
                    $Text{$file} =~ m{`(t/(?:\w+/)*\w+\.[tc])`}g;

        is(join(' ', grep { !/NAME/ && !-e "$Top/$_" } sort keys %named), '',
           "$file: the tests that it names are there");
    }

    for my $file (documents()) {
        my %listed = map { $_ => 1 }
                     $Text{$file} =~ /^ *\* \[.*\]\(#([^)]+)\)$/mg;
        my $level = $file eq 'README.md' ? qr/^#{1,3} /m : qr/^## /m;
        my @missing = grep { !$listed{$_} && !/^(?:name|table-of-contents)$/ }
                      sort keys %{ anchors($Text{$file}, $level) };

        is("@missing", '', "$file: its table of contents is complete");
    }

    return;
}


sub anchors {
    my ($text, $level) = @_;

    my %found;

    $level //= qr/^#+ /m;

    for my $heading (without_code($text) =~ /$level *(.*?) *$/mg) {
        my $name = lc $heading;

        $name =~ s/[^\w\- ]//g;
        $name =~ tr/ /-/;
        $found{$name} = 1;
    }

    return \%found;
}


sub resolve {
    my ($dir, $path) = @_;

    my @parts;

    for my $part (split m{/}, "$dir/$path") {
        next if $part eq '.' || $part eq '';
        $part eq '..' ? pop @parts : push @parts, $part;
    }

    return join '/', @parts;
}


# -- directives -------------------------------------------------------------

sub directives {
    my $code = slurp("$Source/module/ngx_http_profile_module.c");
    my %context = (MAIN => 'http', SRV => 'server', LOC => 'location',
                   LIF => 'if in location', LMT => 'limit_except');
    my @names;

    my ($table) = $code =~ /ngx_command_t +\w+\[\] = \{(.*?)ngx_null_command/s;

    while ($table =~ /ngx_string\("(\w+)"\),\s*([A-Z0-9_|\s]+),/g) {
        my ($name, $flags) = ($1, $2);
        my $text = section($Readme, $name);

        push @names, $name;

        if (!defined $text) {
            fail("$name is documented");
            next;
        }

        my @where = map { $context{$_} } $flags =~ /NGX_HTTP_(\w+?)_CONF/g;

        is(field($text, 'context'), join(', ', @where), "$name: context");

        my ($syntax) = field($text, 'syntax') =~ /^`(.*)`$/;

        like($syntax // '', $flags !~ /NOARGS/ ? qr/^$name \w+(?: \| \w+)*;$/
                            : $flags =~ /TAKE1/ ? qr/^$name \[\w+(?: \| \w+)+\];$/
                            : qr/^$name;$/,
             "$name: syntax");

        directive_default($code, $name, field($text, 'default'));

        my ($since) = field($text, 'since') =~ /^version (\S+)$/;

        like(slurp("$Top/CHANGES"), qr/^\Q$since\E$/m,
             "$name: since a version that CHANGES has");
        like($text, qr/^ *```nginx\n(?:(?!```).*\n)*? *$name\b/m,
             "$name: example") if $name ne 'profile_api';
    }

    my @documented = without_code($Readme) =~ /^## (profile_\w+)$/mg;

    is("@documented", "@names", 'these directives and no others');

    return;
}


sub directive_default {
    my ($code, $name, $text) = @_;

    my ($field) = $name =~ /^profile_(\w+)$/;
    my ($kind, $value) = $code =~ /ngx_conf_merge_(\w+)_value\(
        conf->$field,\s*prev->$field,\s*("[^"]*"|\w+)\)/x;

    if (!defined $value || $value eq 'NULL' || "$kind $value" eq 'sec 0') {
        like($text, qr/^none\b|^`$name off;`$/, "$name: default");
        return;
    }

    my ($said) = $text =~ /^`$name (.*);`$/;

    # A choice: the word that stands for it.
    ($value) = $code =~ /\{ ngx_string\("(\w+)"\), $value \}/
        if $kind eq 'uint';

    $said //= '';
    s/^"(.*)"$/$1/ for $said, $value;
    $said = $1 * 1000 if $kind eq 'msec' && $said =~ /^(\d+)s$/;

    is($said, $value, "$name: default");

    return;
}


# -- error codes ------------------------------------------------------------

sub error_codes {
    my $code = slurp("$Source/module/ngx_http_profile_reply.c");
    my (@wanted, @said);

    while ($code =~ /ngx_http_profile_error\((\d+),\s*"(\w+)",
                     \s*((?:"[^"]*"\s*)+)\)/xg)
    {
        my ($status, $name, $message) = ($1, $2, $3);

        push @wanted, "$status $name " . join '', $message =~ /"([^"]*)"/g;
    }

    for my $row (table_rows(section($Readme, 'Errors'))) {
        push @said, "$row->[0] $1 $row->[2]"
            if @$row == 4 && $row->[1] =~ /^`(\w+)`$/;
    }

    cmp_ok(scalar @wanted, '>', 10, 'the codes were found in the source');
    is_deeply(\@said, \@wanted, 'status, code, message');

    my %known = map { (split)[1] => 1 } @wanted;
    my @unknown = grep { !$known{$_} }
                  section($Readme, 'Errors')
                  =~ /^\| `(\w+)` \| `?[A-Z]/mg;

    is("@unknown", '', 'headers are those of codes that exist');

    return;
}


# -- variables --------------------------------------------------------------

sub variables {
    my $code = slurp("$Source/module/ngx_http_profile_variables.c");
    my @names = $code =~ /^ *\{ ngx_string\("(\w+)"\), NULL,$/mg;
    my $text = section($Readme, 'Variables');
    my @said = $text =~ /^## \$(\w+)$/mg;

    cmp_ok(scalar @names, '>', 5, 'the variables were found in the source');
    is_deeply([sort @said], [sort @names], 'these variables and no others');

    my $counters = slurp("$Source/module/ngx_http_profile_counters.c");
    my ($list) = $counters =~ /count_names\[.*?\] = \{(.*?)\};/s;
    my @results = grep { $_ ne 'not_modified' } $list =~ /"(\w+)"/g;
    my @values = map { $_->[0] =~ /^`(\w+)`$/ }
                 table_rows(section($Readme, '$profile_result'));

    is_deeply(\@values, \@results, 'the values of $profile_result');

    # The statuses of these values are those of the table of errors.
    my $reply = slurp("$Source/module/ngx_http_profile_reply.c");
    my %wanted = map { $_ => 1 }
                 $reply =~ /ngx_http_profile_error\((\d+),/g;
    my %named = map { $_ => 1 } map { $_->[1] =~ /\b(\d{3})\b/g }
                table_rows(section($Readme, '$profile_result'));

    delete @named{200, 304};
    is_deeply(\%named, \%wanted, 'the statuses of $profile_result');

    return;
}


# -- loader -----------------------------------------------------------------

sub loader {
    my $help = `'$Loader' help`;

    is($?, 0, 'help');

    my @wanted = $help =~ /^  (\S.*?)(?: {2,}.*)?$/mg;
    my @said = map { $_->[0] =~ /^`(.*)`$/ }
               table_rows(section($Readme, 'Commands'));

    is_deeply(\@said, \@wanted, 'commands and their options');

    my ($usage) = $help =~ /^usage: (.*)$/m;

    like($Readme, qr/^    \Q$usage\E$/m, 'usage');

    my ($file) = $help =~ /FILE is (\S+)/;

    like(section($Readme, 'Commands'), qr/`\Q$file\E`/, 'the default of -c');

    my $header = slurp("$Source/loader/profile_loader.h");
    my ($enum) = $header =~ /typedef enum \{(.*?)\} profile_exit_e/s;
    my @statuses = $enum =~ /= (\d+)/g;
    my @documented = map { $_->[0] }
                     table_rows(section($Readme, 'Exit status'));

    is("@documented", "@statuses", 'exit statuses');

    my $rows = slurp("$Source/loader/profile_row.c");
    my ($list) = $rows =~ /profile_row_reasons\[.*?\] = \{(.*?)\};/s;
    my @reasons = grep { $_ ne 'valid' } $list =~ /"(.*?)"/g;
    my @named = map { $_->[0] =~ /^`(.*)`$/ }
                table_rows(section($Readme, 'Invalid rows'));

    is_deeply(\@named, \@reasons, 'reasons for invalid rows');

    loader_members();

    return;
}


# The tables of the configuration's members, in the order of the README.

sub loader_members {
    my $code = slurp("$Source/loader/profile_config_table.c");
    my @tables = split /^Of an? \w+:/m, section($Readme, 'Configuration');

    for my $kind ('', map { "${_}_" } qw(workspace key entity source refresh)) {
        my ($list) = $code =~ /profile_config_${kind}members\[\]\ =\ \{
                               (.*?)profile_end/sx;
        my (%wanted, %said);

        $wanted{$2} = $1 while $list =~ /profile_(required|optional)\("(\w+)"/g;

        while ($list =~ /\{ "(\w+)", \w+,\s*(?:0|offsetof\([^)]*\)), ([01]),/g)
        {
            $wanted{$1} = $2 ? 'required' : 'optional';
        }

        for my $row (table_rows(shift @tables)) {
            next if @$row != 4 || $row->[0] !~ /^`(\w+)`$/;
            $said{$1} = $row->[2] eq 'required' ? 'required' : 'optional';
        }

        is_deeply(\%said, \%wanted, "members: ${kind}members");
    }

    my $entity = section($Readme, 'Configuration');

    for my $name ('max_invalid', 'max_delete') {
        my ($value) = $code =~ /^#define PROFILE_\U$name\E +(\d+)/m;

        like($entity, qr/^\| `$name` \| number \| `$value` \|/m,
             "default of $name");
    }

    return;
}


# -- messages ---------------------------------------------------------------

# What the store, the module, and the loader about an entity, can say, and what
# docs/operations.md says that they say: the same list.

sub messages {
    my $text = $Text{'docs/operations.md'};
    my (%wanted, %said);

    for my $file (glob("$Source/store/*.c"), glob("$Source/module/*.c"),
                  glob("$Source/loader/*.c"))
    {
        my $code = slurp($file);
        my $says = $file =~ m{/loader/profile_(?:refresh|sync)\.c$};

        for my $format (formats($code, $says)) {
            $wanted{$format} = substr $file, length($Source) + 1;
        }

        if ($file =~ m{/module/}) {
            $wanted{"\"%s\" directive $_"} = 'module'
                for map { s/\\"/"/gr }
                    $code =~ /(?:return|\?)\ "((?:is|must|cannot)
                              \ (?:[^"\\]|\\.)+)"/xg;
        }
    }

    for my $row (table_rows($text)) {
        my ($cell) = grep { /^`(?:[^`]* [^`]*|interrupted)`$/ } @{$row}[0, 1];

        $said{ $cell =~ s/^`|`$//gr } = 0 if defined $cell;
    }

    cmp_ok(scalar keys %wanted, '>', 50, 'messages were found in the sources');

    for my $format (sort keys %wanted) {
        my $regex = message_regex($format);
        my @found = grep { /^$regex$/ } keys %said;

        $said{$_} = 1 for @found;

        ok(scalar @found, "$wanted{$format}: $format");
    }

    my @stale = sort grep { !$said{$_} } keys %said;

    is_deeply(\@stale, [], 'operations.md has no message that is not');

    return;
}


# The formats of the calls that make a message. A failed system call adds its
# reason.

sub formats {
    my ($code, $says) = @_;

    my %position = (profile_error => 2, profile_error_errno => 2,
                    profile_refresh_failed => 2,
                    ngx_log_error => 3, ngx_conf_log_error => 3);
    my @found;

    $position{profile_say} = 0 if $says;

    my $names = join '|', keys %position;

    while ($code =~ /\b($names)\(/g) {
        my $name = $1;
        my $format = format_of((arguments($code, pos $code))[$position{$name}]);

        next if !defined $format;

        $format .= ': %s' if $name eq 'profile_error_errno';
        $format =~ s/^profile store "%V": //;
        $format =~ s/^%s: (?=.*%|%s)// if $name eq 'profile_say';

        # what a message may be put into is no message
        push @found, $format if $format =~ /\w{3}/;
    }

    return @found;
}


sub arguments {
    my ($code, $from) = @_;

    my @arguments = ('');
    my $depth = 0;

    pos($code) = $from;

    while ($code =~ /\G("(?:\\.|[^"\\])*"|.)/gs) {
        my $token = $1;

        last if $token eq ')' && $depth-- == 0;

        $depth++ if $token eq '(';

        if ($token eq ',' && $depth == 0) {
            push @arguments, '';
            next;
        }

        $arguments[-1] .= $token;
    }

    return @arguments;
}


sub format_of {
    my ($argument) = @_;

    return if !defined $argument || $argument !~ /^\s*(?:"|PROFILE_\w+\s*")/;

    my $defines = defines();
    my $format = '';

    while ($argument =~ /"((?:\\.|[^"\\])*)"|(PROFILE_\w+)/g) {
        $format .= defined $1 ? $1 : $defines->{$2} =~ s/^"|"$//gr;
    }

    $format =~ s/\\(.)/$1/g;

    return $format;
}


# A file below a folder is a file; what is filled in has capitals, or is the
# one case of a few.

sub message_regex {
    my ($format) = @_;

    my $fill = '(?:[A-Z]+|read|profile_\w+)';

    $format =~ s{%s/[\w.]+}{%s}g;

    my @parts = split /(%%|%[-.0-9]*(?:ll|l|z)?(?:uD|ui|[A-Za-z]))/, $format;

    return join '', map { $_ eq '%%' ? '%' : /^%./ ? $fill : quotemeta }
                    @parts;
}


# -- the README's examples --------------------------------------------------

sub examples {
    my @blocks = blocks($Readme);

    is(scalar(grep { $_->{test} =~ /^file / } @blocks) > 3, 1,
       'there are files');

    my $session = 0;

    for my $block (@blocks) {
        if ($block->{test} =~ /^file (\S+)$/) {
            write_example($1, $block->{text});

        } elsif ($block->{test} eq 'session') {
            start_example() if !docs_port() && $block->{text} =~ /^\$ curl/m;
            run_session(++$session, $block->{text});
        }
    }

    cmp_ok($session, '>', 5, 'there are sessions');

    my $log = slurp("$Root/var/log/nginx/error.log");

    unlike($log, qr/\[(?:error|crit|alert|emerg)\]/,
           'nothing bad in the error log');

    return;
}


# -- the examples of directives ---------------------------------------------

sub directive_examples {
    my @blocks = grep { $_->{test} =~ /^(?:http|server)\b/ } blocks($Readme);

    cmp_ok(scalar @blocks, '>', 5, 'there are examples');

    for my $block (@blocks) {
        my ($first) = $block->{text} =~ /(.*)/;
        my $conf = wrap($block);

        spew("$Root/etc/nginx/example.conf", $conf);

        my $said = `'$Nginx' -t -p '$Root/' -c '$Root/etc/nginx/example.conf' \\
                    -e '$Root/var/log/nginx/test.log' 2>&1`;

        is($?, 0, "nginx -t: $first")
            or diag($conf, $said, slurp("$Root/var/log/nginx/test.log"));
    }

    my ($ssi) = grep { $_->{test} eq 'server ssi' } @blocks;

    stop_nginx();
    start_nginx(wrap($ssi));

    my $page = run_sh("curl -s http://127.0.0.1:8080/account/card.json");

    is(eval { JSON::PP->new->decode($page)->{user}{data}{id} }, '478060',
       'SSI: the page holds the record');
    is(run_sh("curl -s -o $Root/temp/out -w '%{http_code}'"
              . " http://127.0.0.1:8080/profile/entities"), '404',
       'SSI: the location itself is closed');

    stop_nginx();

    return;
}


# -- limits -----------------------------------------------------------------

sub limits {
    my ($block) = grep { $_->{test} eq 'http limits' } blocks($Readme);
    my ($log) = grep { $_->{test} eq 'http variables' } blocks($Readme);

    start_nginx(wrap($block));
    is(record(), 200, 'a key that is good');

    my $curl = "curl -s -o $Root/temp/out -w '%{http_code}' "
               . "-H 'Authorization: Bearer wrong-KEY' "
               . 'http://127.0.0.1:8080/api/v1/entities';
    my %seen;

    for my $i (1 .. 300) {
        $seen{ run_sh($curl =~ s/KEY/$i/r) }++;
        last if $seen{429};
    }

    is(join(' ', sort keys %seen), '401 429', 'keys are not guessed for long');
    cmp_ok($seen{401}, '>=', 11, 'a burst is let through');
    is(record(), 200, 'a key that is good is not limited by that');
    stop_nginx();

    start_nginx(wrap($log));
    is(record(), 200, 'a request to be logged');
    run_sh('curl -s http://127.0.0.1:8080/api/v1/entities');
    stop_nginx();

    my @lines = map { s/^.*\] //r }
                split /\n/, slurp("$Root/var/log/nginx/tenants.log");

    is_deeply(\@lines, ['200 workspace=1 key="web" entity=1 result=hit',
                        '401 workspace=- key="-" entity=- result=denied'],
              'the lines of the log');

    return;
}


# -- monitoring -------------------------------------------------------------

sub monitoring {
    my $text = section($Text{'docs/operations.md'}, 'Monitoring');
    my ($conf) = grep { $_->{test} eq 'server monitoring' } blocks($Readme);
    my ($session) = blocks($text);

    start_nginx(wrap($conf));
    run_session('monitoring', $session->{text});

    my $json = run_sh('curl -s http://127.0.0.1:8080/profile/status');
    my $page = run_sh('curl -s http://127.0.0.1:8080/profile/metrics');

    stop_nginx();

    status_members($text, JSON::PP->new->utf8->decode($json));
    status_metrics($text, metrics($page));

    my $code = slurp("$Source/module/ngx_http_profile_status_json.c");
    my @wanted = map { s/.*\D(\d+).*?(\w+)\\"$/$1 $2/r }
                 $code =~ /"(\\"status\\":\d+,\\"code\\":\\"\w+\\")"/g;
    my @said = map { @$_ > 2 && "$_->[0] $_->[1]" =~ /^(\d{3}) `(\w+)`$/
                     ? "$1 $2" : () } table_rows($text);

    is_deeply(\@said, \@wanted, 'statuses and codes');

    return;
}


sub status_members {
    my ($text, $page) = @_;

    my ($workspace) = @{ $page->{workspaces} };
    my %object = (
        'the page' => $page, 'requests' => $page->{requests},
        'lookups' => $page->{lookups},
        'a bucket' => $page->{lookups}{buckets}[0],
        'a workspace' => $workspace, 'an entity' => $workspace->{entities}[0],
    );
    my %said;

    for my $row (table_rows($text)) {
        next if !$object{ $row->[1] // '' };
        push @{ $said{ $row->[1] } }, $row->[0] =~ /`(\w+)`/g;
    }

    is_deeply([sort @{ $said{$_} // [] }], [sort keys %{ $object{$_} }],
              "the members of $_") for sort keys %object;

    return;
}


sub status_metrics {
    my ($text, $families) = @_;

    my (%wanted, %said);

    for my $name (keys %$families) {
        my %label = map { map { $_ => 1 } keys %{ $_->[1] } }
                    @{ $families->{$name}{samples} };

        $wanted{$name} = join ' ', $families->{$name}{type}, sort keys %label;
    }

    for my $row (table_rows($text)) {
        next if ($row->[1] // '') !~ /^(?:gauge|counter|histogram)$/;

        my ($name) = $row->[0] =~ /^`(\w+)`$/;

        $said{$name} = join ' ', $row->[1], sort $row->[2] =~ /`(\w+)`/g;
    }

    is_deeply(\%said, \%wanted, 'metrics, their types and labels');

    my @unknown = grep { !$families->{ s/_bucket$//r } }
                  map { $_->[2] =~ /\b(profile_\w+)/g }
                  grep { ($_->[2] // '') =~ /^`.*[<>=]/ } table_rows($text);

    is("@unknown", '', 'alerts are about metrics that are there');

    return;
}


# -- docs/operations.md -----------------------------------------------------

sub operations {
    my %script;

    my $text = $Text{'docs/operations.md'};

    for my $name ('Backup and restore', 'Starting over',
                  'Read-only mounts and SEALED')
    {
        push @{ $script{$name} }, map { $_->{text} }
            grep { $_->{test} eq 'sh' } blocks(section($text, $name));
    }

    my ($backup, $restore) = @{ $script{'Backup and restore'} };
    my ($over) = @{ $script{'Starting over'} };
    my ($seal) = @{ $script{'Read-only mounts and SEALED'} };

    spew("$Root/var/log/nginx/error.log", '');
    start_example();
    is(record(), 200, 'before');

    json_members($text);
    sizes($text);

    run_script('backup', $backup);
    ok(-s "$Root/backup/profile/data.mdb", 'backup: a file');
    is((stat "$Root/backup/profile/data.mdb")[2] & 077, 0,
       'backup: for nobody else');
    run_script('backup', $backup);

    run_script('restore', $restore);
    logged('generation 2 is open, generation 1 is closed');
    is(record(), 200, 'restore: served');
    is(store_modes('gen-000002'), store_modes('gen-000001'),
       'restore: owners and modes');
    is(run_sh('profile-loader sync >/dev/null; echo $?'), "0\n",
       'restore: the loader goes on');

    # The live generation is another one then.
    run_script('restore', $restore);
    logged('generation 3 is open, generation 2 is closed');
    is(record(), 200, 'restore again: served');

    run_script('starting over', $over);
    logged('generation 4 is open, generation 3 is closed');
    is(record(), 200, 'starting over: served');
    later_sync('gen-000003');
    is_deeply([map { s{.*/}{}r } glob "$Root/var/lib/profile/gen-*"],
              ['gen-000004'], 'starting over: the old ones are gone');

    run_script('sealed copy', $seal);
    run_script('sealed copy', $seal);
    stop_nginx();

    my $conf = slurp("$Root/etc/nginx/nginx.conf");

    $conf =~ s{/var/lib/profile;}{/srv/profile-copy;};
    spew("$Root/etc/nginx/nginx.conf", $conf);
    start_example();
    is(record(), 200, 'sealed copy: served');
    stop_nginx();

    my $config = slurp("$Root/etc/profile-loader.json");

    $config =~ s{/var/lib/profile"}{/srv/profile-copy"};
    spew("$Root/etc/copy.json", $config);
    like(run_sh("profile-loader -c $Root/etc/copy.json sync 2>&1; echo \$?"),
         qr/ is sealed and is never written again; "profile-loader compact" makes /,
         'sealed copy: the loader refuses it');
    like(run_sh("profile-loader -c $Root/etc/copy.json check"),
         qr/^generation 2: no damage: .* 3 records, /,
         'sealed copy: check verifies it');

    my ($upgrade) = grep { $_->{test} eq 'sh upgrade' } blocks($text);

    upgrade($upgrade->{text});

    return;
}


# What records take in a new store.

sub sizes {
    my ($text) = @_;

    my ($table) = $text =~ /<!-- test: sizes -->\n((?:\|.*\n)+)/;
    my $dir = "$Root/sizes";
    my $count = 5000;

    make_path($dir);
    spew("$dir/loader.json", <<'END');
{ "store": "store", "workspaces": [ { "id": 1, "name": "Acme", "entities": [
  { "id": 1, "name": "Users", "primary_key": "id", "format": "ndjson",
    "source": { "file": "rows.ndjson" } } ] } ] }
END

    for my $row (table_rows($table)) {
        my ($bytes, $said) = @$row;

        spew("$dir/rows.ndjson", join '', map {
            my $start = qq({"id":"$_","text":");
            $start . 'x' x ($bytes - 2 - length $start) . qq("}\n)
        } 100_000_001 .. 100_000_000 + $count);

        system("rm -rf '$dir/store'");
        is(system("'$Loader' -c '$dir/loader.json' sync >/dev/null"), 0,
           "$bytes bytes: a store");

        my $printed = `'$Loader' -c '$dir/loader.json' status --json`;
        my $status = JSON::PP->new->decode($printed);
        my $found = ($status->{used} - $status->{free}) / $count;

        cmp_ok(abs($found / $said - 1), '<', 0.02,
               sprintf '%d bytes: %.0f in the store', $bytes, $found);
    }

    return;
}


# A master in the background, as a service has it: it takes no other.

sub upgrade {
    my ($text) = @_;

    start_example();
    stop_nginx();

    my $conf = slurp("$Root/run/nginx.conf") =~ s/^daemon off;\n//r;
    my $pid = sub { return -s "$Root/run/nginx.pid"
                           ? slurp("$Root/run/nginx.pid") + 0 : 0 };

    # A new master has to find a sanitizer, too.
    spew("$Root/etc/nginx/background.conf",
         "env LD_PRELOAD;\nenv ASAN_OPTIONS;\nenv UBSAN_OPTIONS;\n$conf");
    spew("$Root/usr/local/bin/nginx", <<"END");
#!/bin/sh
exec '$Nginx' -p '$Root/' -c '$Root/etc/nginx/background.conf' \\
     -e '$Root/var/log/nginx/start.log' "\$@"
END
    chmod 0755, "$Root/usr/local/bin/nginx";

    run_sh('nginx');

    my $old = until_there($pid) or return fail('upgrade: nginx starts');

    is(record(), 200, 'upgrade: before');
    run_script('upgrade', $text);

    my $new = $pid->();

    ok($new && $new != $old, 'upgrade: another master');
    is(record(), 200, 'upgrade: served');
    ok(until_there(sub { !kill 0, $old }), 'upgrade: the old one is gone');

    kill 'QUIT', grep { $_ } $old, $new;
    ok(until_there(sub { !kill 0, $new }), 'upgrade: the end');

    return;
}


# What a function returns, as soon as that is true.

sub until_there {
    my ($code) = @_;

    my $found;

    for (1 .. 200) {
        $found = $code->() and last;
        sleep 0.05;
    }

    return $found;
}


# The members of what is printed as JSON are those of the tables.

sub json_members {
    my ($text) = @_;

    my $status = JSON::PP->new->decode(run_sh('profile-loader status --json'));
    my ($sync) = run_sh('profile-loader sync --json') =~ /^(.*)$/m;
    my ($workspace) = @{ $status->{workspaces} };
    my ($entity) = @{ $workspace->{entities} };
    my (%said, @lines);

    for my $row (table_rows(section($text, 'Running the loader'))) {
        my @names = $row->[0] =~ /`(\w+)`/g;

        if (@$row == 2) {
            push @lines, @names;
            next;
        }

        push @{ $said{$_} }, @names for split /, /, $row->[1];
    }

    for my $level (['the store', $status], ['a workspace', $workspace],
                   ['an entity', $entity])
    {
        my ($name, $object) = @$level;

        is(join(' ', sort @{ $said{$name} }), join(' ', sort keys %$object),
           "status --json: the members of $name");
    }

    is(join(' ', sort grep { $_ ne 'cursor' } @lines),
       join(' ', sort keys %{ JSON::PP->new->decode($sync) }),
       'sync --json: its members');

    return;
}


# Until every worker has let the generation go, a sync keeps it.

sub later_sync {
    my ($generation) = @_;

    my $status = '';

    for (1 .. 50) {
        $status = run_sh('profile-loader sync >/dev/null; echo $?');
        last if $status ne "0\n" || !-e "$Root/var/lib/profile/$generation";
        sleep 0.1;
    }

    is($status, "0\n", 'starting over: a later sync');

    return;
}


# As it is printed: what has to stop at a failure must say so itself.

sub run_script {
    my ($name, $text) = @_;

    my $script = place($text);

    spew("$Root/temp/script", $script);

    my $said = run_sh("sh $Root/temp/script 2>&1");

    is($?, 0, "$name: runs") or diag($said);

    return;
}


sub logged {
    my ($wanted) = @_;

    my $found;

    for (1 .. 100) {
        $found = slurp("$Root/var/log/nginx/error.log") =~ /\Q$wanted\E/;
        last if $found;
        sleep 0.1;
    }

    ok($found, "nginx logs: $wanted");

    return;
}


sub store_modes {
    my ($generation) = @_;

    my $path = "$Root/var/lib/profile/$generation";

    return join ' ', map {
        my @stat = stat $_;
        sprintf '%04o,%d,%d', $stat[2] & 07777, @stat[4, 5];
    } $path, "$path/data.mdb", "$path/lock.mdb";
}


# -- docs/sources.md --------------------------------------------------------

# All but PostgreSQL, which is t/loader/postgres.t's.

sub sources {
    my $text = $Text{'docs/sources.md'};
    my ($postgres) = section($text, 'PostgreSQL');
    my (%entity, %session);

    $text =~ s/\Q$postgres\E//;

    # The source is another machine, which is this one.
    spew("$Root/usr/local/bin/ssh", <<"END");
#!/bin/sh
[ "\$1 \$2" = "-T warehouse.example.com" ] || exit 255
shift 2
cd $Root/srv && exec "\$@"
END
    chmod 0755, "$Root/usr/local/bin/ssh";

    my $users = qq({"id":"1","name":"A"}\n{"id":"2","name":"B"}\n);

    write_example('/srv/exports/users.ndjson', $users);
    write_example('/etc/exports/users-1.ndjson', $users);
    run_sh("gzip -c <$Root/etc/exports/users-1.ndjson"
           . " >$Root/etc/exports/users-1.ndjson.gz");

    for my $block (blocks($text)) {
        my ($kind, $name) = split ' ', $block->{test};

        write_example($name, $block->{text}) if $kind eq 'file';
        $entity{$name} = $block->{text} if $kind eq 'entity';
        $session{$name} = $block->{text} if $kind eq 'session';
    }

    is(join(' ', sort keys %entity), 'command csv gz json stdin', 'entities');

    for my $name (sort keys %entity) {
        run_sh("rm -rf $Root/var/lib/profile");
        write_example('/etc/profile-loader.json',
                      '{"store":"/var/lib/profile","workspaces":[{"id":1,'
                      . qq("name":"Acme","entities":[$entity{$name}]}]}));

        if ($name eq 'stdin') {
            run_session($name, $session{$name});

        } else {
            like(run_sh('profile-loader sync 2>&1'),
                 qr{\AAcme/\w+: 2 rows, 0 invalid, 2 added, .*\n\z},
                 "$name: sync");
            run_session($name, $session{$name}) if $session{$name};
        }
    }

    chmod 0755, "$Root/etc/profile-loader/companies.sh";
    write_example('/srv/exports/companies.raw', "a\0b\n");
    is(run_sh("$Root/etc/profile-loader/companies.sh"), "ab\n", 'the script');
    unlink "$Root/srv/exports/companies.raw";
    run_sh("$Root/etc/profile-loader/companies.sh 2>&1");
    isnt($?, 0, 'the script fails where a part of it fails');

    return;
}


# -- docs/security.md -------------------------------------------------------

sub security {
    my (%conf, %session, %script);

    for my $block (blocks($Text{'docs/security.md'})) {
        my ($kind, $name) = split ' ', $block->{test};

        write_example($name, $block->{text}) if $kind eq 'file';
        $conf{$name} = $block if $kind eq 'conf';
        $session{$name} = $block->{text} if $kind eq 'session';
        $script{$name} = $block->{text} if $kind eq 'sh';
    }

    is(join(' ', sort keys %conf), 'bearer log tls', 'configurations');

    # the store of the README, as new
    run_sh("rm -rf $Root/var/lib/profile");

    for my $block (blocks($Readme)) {
        write_example($1, $block->{text}) if $block->{test} =~ /^file (\S+)$/;
    }

    run_sh('profile-loader sync');

    start_nginx(wrap($conf{log}));
    access_log();
    stop_nginx();

    run_script('a key in a file', $script{bearer});
    is((stat "$Root/etc/nginx/profile-key.conf")[2] & 077, 0,
       'a key in a file: for nobody else');
    start_nginx(wrap($conf{bearer}));
    is(run_sh('curl -s http://127.0.0.1:8080/sidebar/entities'),
       qq({"data":[{"id":1,"name":"Users","library_id":1},)
       . qq({"id":2,"name":"Companies","library_id":1}]}),
       'a key in a file: is used');
    stop_nginx();

    SKIP: {
        system('command -v openssl >/dev/null') == 0
            or skip 'no openssl to make a certificate with', 3;
        run_script('a certificate', $script{certificate});
        start_nginx(wrap($conf{tls}));
        is(record("--cacert $Root/etc/nginx/profile.crt", 'https'), 200,
           'TLS: served');
        is(record('', 'http'), 400, 'TLS: and not without');
        stop_nginx();
    }

    run_session('erase', $session{erase});

    return;
}


sub migrating {
    my (%session, $server);

    run_sh("rm -rf $Root/var/lib/profile");

    for my $block (blocks($Readme), blocks($Text{'docs/migrating.md'})) {
        my ($kind, $name) = split ' ', $block->{test};

        write_example($name, $block->{text}) if $kind eq 'file';
        $session{$name} = $block->{text} if $kind eq 'session' && $name;
        $server = $block if $block->{test} eq 'server migrating';
    }

    write_example('/etc/old-key', "secret-token:1234\n");
    docs_map('<old-key' => "<$Root/etc/old-key");
    run_session('hash', $session{hash});

    run_sh('profile-loader sync');
    start_nginx(wrap($server));
    run_session('ask', $session{ask});
    stop_nginx();

    return;
}


# -- CONTRIBUTING.md --------------------------------------------------------

# In the project's folder, as its reader does. Another build than the plain one
# is not what `make` makes.

sub contributing {
    my $text = $Text{'CONTRIBUTING.md'};
    my %block = map { $_->{test} => $_->{text} =~ s/\n\z//r } blocks($text);
    my $plain = ($ENV{PROFILE_TEST_MODE} || '') eq 'plain';

    my $help = `make -s -C '$Top' help`;

    for my $target ($block{targets} =~ /^make (\S+)$/mg) {
        like($help, qr/^$target: /m, "make $target");
    }

    my @paths = $text =~ m{`((?:ngx_http_profile_module|docs|man|misc|t)/[\w./]+)`}g;

    for my $name ($text =~ /`(\w+\.[ch])`/g) {
        ok(scalar(grep { -e } map { "$_/$name" } glob "$Source/*"),
           "$name is there");
    }
    ok(-e "$Top/$_", "$_ is there") for @paths;

    SKIP: {
        skip 'another build than the plain one', 3 if !$plain;

        # As from a shell: without what this run has told its tests.
        local %ENV = map { $_ => $ENV{$_} } grep { defined $ENV{$_} }
                     qw(HOME PATH USER LANG CC NGINX_SRC TEST_NGINX_BINARY);
        delete $ENV{TEST_NGINX_BINARY};

        like(`cd '$Top' && $block{'sh test'} 2>&1`,
             qr/^All tests successful\.\nFiles=2, /m, 'a test by itself');
        like(`cd '$Top' && $block{'sh gdb'} 2>&1`,
             qr/^\#0 .*\bprofile_decode_key\b.*^\#1 .*\bmain\b/ms, 'gdb');

        debug_nginx($block{nginx});
    }

    return;
}


# With the README's store and configuration. The request is sent as soon as
# somebody listens; gdb ends, and nginx with it, once it has come.

sub debug_nginx {
    my ($command) = @_;

    for my $block (blocks($Readme)) {
        write_example($1, $block->{text}) if $block->{test} =~ /^file (\S+)$/;
    }

    run_sh("rm -rf $Root/var/lib/profile; profile-loader sync");
    start_example();

    # The port is free again, and stays so long enough.
    my $port = docs_port();
    stop_nginx();

    my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}),
                                                 '/usr/sbin';
    $command =~ s{--args nginx -c \S+}
                 {--args $nginx -p $Root/ -c $Root/run/nginx.conf};
    $command =~ s/daemon off; //;

    my $client = fork() // die "fork: $!\n";

    if (!$client) {
        exec 'curl', '-s', '-o', '/dev/null', '--retry', 100,
             '--retry-connrefused', '--retry-delay', 1, '--max-time', 100,
             '-H', 'Authorization: Bearer secret-token:1234',
             "http://127.0.0.1:$port/api/v1/entities"
            or POSIX::_exit(127);
    }

    like(`timeout 90 $command 2>&1`,
         qr/^\#0\ .*\bngx_http_profile_handler\b.*^\#1\ /xms, 'gdb of nginx');

    kill 'TERM', $client;
    waitpid $client, 0;

    return;
}


# What the format leaves out, and, as the text says, what another keeps.

sub access_log {
    my $url = 'http://127.0.0.1:8080/api/v1/entities/1/record?record_id=478060';

    is(record(), 200, 'log: a request');
    run_sh("curl -s -o $Root/temp/out -u secret-token-1234: '$url'");

    my $log = slurp("$Root/var/log/nginx/profile.log");

    like($log, qr{"GET /api/v1/entities/1/record" 200 \d+$}m, 'log: a line');
    is(scalar(() = $log =~ /^/mg), 2, 'log: one for each request');
    unlike($log, qr/478060|secret-token/, 'log: no record id and no key');

    return;
}


# -- docs/store-format.md ---------------------------------------------------

my %Layout;

sub store_bytes {
    my $text = $Text{'docs/store-format.md'};
    my $codec = slurp("$Source/store/profile_codec.c");

    my %keys = key_layouts($text);

    while ($text =~ /<!-- test: bytes (\w+) -->\n((?:\|.*\n)+)/g) {
        my ($kind, $table) = ($1, $2);

        layout($kind, $codec, table_rows($table));
    }

    is(join(' ', sort keys %Layout),
       'CURSOR DOCUMENT ENTITY KEY META ORPHAN WORKSPACE',
       'all values have a table');

    decode_store(%keys);
    decode_cursor(%keys);
    store_files($text);

    return;
}


# The files that the examples have made, and their modes.

sub store_files {
    my ($text) = @_;

    my %mode = section($text, 'The folder') =~ m{^ {4,}(\S+) +(0\d{3})\b}mg;
    my @found = glob "$Root/var/lib/{profile,profile/{*,.l*,.n*,*/*,*/.n*}}";
    my (@wanted, @said);

    for my $path (grep { -e } @found) {
        my ($name) = $path =~ m{/([^/]+)$};

        $name = "$name/" if -d $path;
        $name =~ s{^profile/$}{DIRECTORY/};
        $name =~ s/^refreshed-\d+-\d+$/refreshed-W-E/;

        push @wanted, sprintf '%s %04o', $name, (stat $path)[2] & 07777;
        push @said, "$name " . ($mode{$name} // 'is not there');
    }

    cmp_ok(scalar @found, '>', 6, 'there are files');
    is_deeply(\@said, \@wanted, 'the files and their modes');

    return;
}


sub key_layouts {
    my ($text) = @_;

    my $header = slurp("$Source/store/profile_codec.h");
    my ($table) = $text =~ /<!-- test: keys -->\n((?:\|.*\n)+)/;
    my (%keys, %tags);

    $tags{$1} = hex $2 while $header =~ /PROFILE_TAG_(\w+) = (0x\w+)/g;

    for my $row (table_rows($table)) {
        my ($tag, $name, undef, $size) = @$row;

        my ($least, $most) = $size =~ /^(\d+)(?: to (\d+))?$/ or next;

        $keys{ hex $tag } = { name => $name, least => $least,
                              most => $most // $least };

        is(hex $tag, $tags{$name}, "key $name: tag");
        is($least, $name eq 'RECORD' ? number('RECORD_PREFIX_SIZE') + 1
                                     : number("${name}_KEY_SIZE"),
           "key $name: size");
    }

    is(join(' ', sort map { $_->{name} } values %keys),
       join(' ', sort keys %tags), 'all tags are there');

    my ($record) = grep { $_->{name} eq 'RECORD' } values %keys;

    is($record->{most}, number('KEY_MAX'), 'key RECORD: greatest size');

    return %keys;
}


sub layout {
    my ($kind, $codec, @rows) = @_;

    my ($end, $fixed, %fields) = (0, 0);

    for my $row (@rows) {
        my ($offset, $size, $what) = @$row;

        next if $offset !~ /^\d/;

        my ($field) = $what =~ /^(\w+)/;

        if ($size =~ /^\d+$/) {
            is($offset, $end, "value $kind: $field follows");
            $end += $size;
            $fixed = $end;
            $fields{$field} = $offset;

        } elsif ($offset =~ /^\d+$/) {
            is($offset, $fixed, "value $kind: $field follows");
        }

        push @{ $Layout{$kind} }, { field => $field, size => $size };
    }

    is($fixed, number("${kind}_SIZE"), "value $kind: size");

    while ($codec =~ /^#define PROFILE_${kind}_(\w+) +(\d+)$/mg) {
        is($fields{ lc $1 }, $2, "value $kind: \L$1");
    }

    return;
}


# The store that the examples have made, read with nothing but the tables.

sub decode_store {
    my (%keys) = @_;

    chomp(my $current = slurp("$Root/var/lib/profile/CURRENT"));

    my @lines = `mdb_dump '$Root/var/lib/profile/$current'`;

    is($?, 0, 'mdb_dump');

    my @bytes = map { /^ ([0-9a-f]+)$/ ? pack 'H*', $1 : () } @lines;
    my (%seen, %incarnation);

    while (my ($key, $value) = splice @bytes, 0, 2) {
        my $layout = $keys{ ord $key };

        ok($layout && length $key >= $layout->{least}
           && length $key <= $layout->{most}, 'key ' . unpack 'H*', $key)
            or next;

        my $name = $layout->{name};
        my $found = decode($name =~ /^(?:LIST|RECORD)$/ ? 'DOCUMENT' : $name,
                           $value);

        is($found->{tag}, ord $key, "$name: tag") if $name ne 'META';
        is($found->{flags} // 0, 0, "$name: flags");
        is($found->{zero} // 0, 0, "$name: zero");
        is($found->{sum}, checksum($key, $value), "$name: sum");

        $found->{key} = substr $key, 1;
        push @{ $seen{$name} }, $found;
    }

    my ($meta) = @{ $seen{META} };

    is($meta->{magic}, "profile\0", 'META: magic');
    is_deeply([@$meta{qw(version complete next)}], [1, 1, 3],
              'META: version, complete, next');

    my ($key) = @{ $seen{KEY} };

    is($key->{key}, sha256('secret-token:1234'), 'KEY: digest');
    is_deeply([@$key{qw(workspace expires name)}], [1, 0, 'web'],
              'KEY: workspace, expires, name');

    my ($workspace) = @{ $seen{WORKSPACE} };

    is_deeply([@$workspace{qw(id name)}], [1, 'Acme'], 'WORKSPACE: id, name');

    for my $entity (@{ $seen{ENTITY} }) {
        is($entity->{key}, pack('NN', 1, $entity->{id}), 'ENTITY: key');
        $incarnation{ $entity->{id} } = $entity;
    }

    is_deeply([map { [@{ $incarnation{$_} }
                      {qw(workspace library records name primary)}] } 1, 2],
              [[1, 1, 1, 'Users', 'id'], [1, 1, 2, 'Companies', 'domain']],
              'ENTITY: workspace, library, records, name, primary key');

    is($seen{ORPHAN}, undef, 'ORPHAN: none is left');

    decode_documents(\%incarnation, @{ $seen{LIST} }, @{ $seen{RECORD} });

    return;
}


sub decode_documents {
    my ($incarnation, @documents) = @_;

    my %bytes;

    for my $document (@documents) {
        my $entity = $incarnation->{ $document->{entity} };

        is($document->{workspace}, 1, 'document: workspace');
        is($document->{offset}, number('DOCUMENT_SIZE'), 'document: offset');
        is($document->{hash}, substr(sha256($document->{body}), 0, 16),
           'document: hash');
        like($document->{body}, qr/^\{"data":[\[{].*\}\z/, 'document: body');

        next if !$entity;

        $bytes{ $document->{entity} } += length $document->{body};
        is(substr($document->{key}, 0, 4), pack('N', $entity->{incarnation}),
           'document: key');
        isnt(index($document->{body}, substr $document->{key}, 4), -1,
             'document: record id');
    }

    is($bytes{$_}, $incarnation->{$_}{bytes}, 'ENTITY: bytes') for 1, 2;

    return;
}


# An incremental refresh of its own: not every store has a cursor.

sub decode_cursor {
    my (%keys) = @_;

    my $dir = "$Root/cursor";

    make_path($dir);
    spew("$dir/users.ndjson", qq({"id":"a","at":"2026-01-02"}\n)
                              . qq({"id":"b","at":"2026-01-01"}\n));
    spew("$dir/loader.json", <<"END");
{ "store": "store", "workspaces": [ { "id": 7, "name": "Acme", "entities": [
  { "id": 8, "name": "Users", "library_id": 1, "primary_key": "id",
    "source": { "file": "users.ndjson" }, "format": "ndjson",
    "refresh": { "mode": "incremental", "cursor": "at" } } ] } ] }
END

    is(system("'$Loader' -c '$dir/loader.json' sync >/dev/null"), 0,
       'an incremental refresh');

    my @lines = `mdb_dump '$dir/store/gen-000001'`;
    my @bytes = map { /^ ([0-9a-f]+)$/ ? pack 'H*', $1 : () } @lines;
    my $count = 0;

    while (my ($key, $value) = splice @bytes, 0, 2) {
        next if ($keys{ ord $key }{name} // '') ne 'CURSOR';

        my $found = decode('CURSOR', $value);

        $count++;
        is(length $key, $keys{ ord $key }{least}, 'CURSOR: size of the key');
        is(substr($key, 1), pack('NN', 7, 8), 'CURSOR: key');
        is_deeply([@$found{qw(tag flags workspace entity column value)}],
                  [ord $key, 0, 7, 8, 'at', '2026-01-02'],
                  'CURSOR: tag, flags, workspace, entity, column, value');
    }

    is($count, 1, 'there is one cursor');

    return;
}


sub decode {
    my ($kind, $value) = @_;

    my %found;

    for my $row (@{ $Layout{$kind} }) {
        my $size = $row->{size};

        $size = $size eq 'the rest' ? length $value
                : $size =~ /^\d+$/ ? $size : $found{$size};

        my $bytes = substr $value, 0, $size, '';

        # magic, hash and texts are bytes, the rest are integers
        $found{ $row->{field} } =
            $row->{size} !~ /^[1248]$/ || $row->{field} eq 'magic'
            ? $bytes : hex unpack 'H*', $bytes;
    }

    is($value, '', "value $kind: read to its end");

    return \%found;
}


# -- a suite of your own ----------------------------------------------------

sub own_suite {
    my ($block) = grep { $_->{test} eq 'test-nginx' } blocks($Readme);
    my $dir = "$Root/suite";

    make_path("$dir/t");

    my $text = $block->{text} =~ s{/path/to/this/repository}{$Top}r;

    spew("$dir/t/example.t", $text);

    local $ENV{PROFILE_LOADER} = $Loader;
    local $ENV{TEST_NGINX_LOAD_MODULES} = $Module;
    local $ENV{TEST_NGINX_BINARY} = $Nginx;
    local $ENV{TEST_NGINX_RANDOMIZE} = 1;

    SKIP: {
        system("$^X -MTest::Nginx::Socket -e 1 >/dev/null 2>&1") == 0
            or skip 'Test::Nginx::Socket is not in PERL5LIB', 1;

        my $said = `cd '$dir' && $^X t/example.t 2>&1`;

        is($?, 0, 'the example passes') or diag($said);
    }

    return;
}


# -- benchmarks -------------------------------------------------------------

# The programs and their settings; how they are run is `make bench`.

sub benchmarks {
    my $text = section($Text{'docs/performance.md'}, 'How to measure');
    my @rows = table_rows($text);
    my $makefile = slurp("$Top/Makefile") =~ s/\\\n//gr;

    my @programs = map { basename($_) } grep { -f && -x } glob "$Top/t/bench/*";
    my ($run) = $makefile =~ /^BENCH *\?= *(.*)/m;

    my @named = map { /^`([a-z]+)`$/ ? $1 : () } map { $_->[0] } @rows;
    my @settings = map { /`([A-Z_]+)`/g } grep { /^`[A-Z]/ }
                   map { $_->[0] } @rows;

    cmp_ok(scalar @programs, '>', 5, 'there are programs');
    is("@{[ sort @named ]}", "@{[ sort @programs ]}", 'all are described');
    is("@{[ sort split ' ', $run ]}", "@{[ sort @programs ]}",
       'and run by `make bench`');

    my %read;

    for my $file (map { "$Top/t/bench/$_" } @programs, 'lib/ProfileBench.pm') {
        my $code = slurp($file);

        $read{$1} = 1 while $code =~ /\bsetting\('(\w+)'/g;
        $read{$1} = 1 while $code =~ /\$ENV\{([A-Z_]+)\}/g;
    }

    # What all tests read.
    delete @read{qw(BUILD CC PROFILE_LOADER TEST_NGINX_BINARY)};
    delete $read{$_} for grep { /^BENCH_/ } keys %read;

    is("@{[ sort @settings ]}", "@{[ sort keys %read ]}", 'so are settings');

    return;
}


# -- sources ----------------------------------------------------------------

sub documents {
    return 'README.md', 'SECURITY.md', 'CONTRIBUTING.md',
           map { substr $_, length("$Top/") } glob "$Top/docs/*.md";
}


{
    my $defines;

    sub defines {
        return $defines if $defines;

        for my $file (glob("$Source/store/*.[ch]"),
                      glob("$Source/loader/*.[ch]"))
        {
            my $code = slurp($file) =~ s/\\\n//gr;

            $code =~ s{ */\*.*?\*/}{}gs;
            $defines->{$1} //= $2
                while $code =~ /^#define (PROFILE_\w+) +(\S.*?) *$/mg;
        }

        return $defines;
    }
}


sub number {
    my ($name) = @_;

    my $value = defines()->{"PROFILE_$name"} // return;

    1 while $value =~ s/(PROFILE_\w+)/defines()->{$1}/e;

    return $value =~ /^[\d\s()+*-]+$/ ? eval $value : undef;
}
