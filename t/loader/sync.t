# Why: cron runs `sync` for ever. What it says about a refresh must be true,
# what it serves must be the source's own bytes, and a refresh that changes
# nothing must write nothing.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use lib 't/lib';
use ProfileLoader;
use Test::More;

my $loader = loader_path();


sub rows {
    return join '', map { "$_\n" } @_;
}


# -- the life of an entity ----------------------------------------------------

{
    my $box = sandbox({ 'users.ndjson' => rows(
            '{"id":"478060","email":"boris@getcensus.com","n":1.50}',
            '{"id":"a b","tags":[1,2,{"x":null}]}',
            '{"id":7,"note":"seven"}') },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users.ndjson')]));

    my $run = $box->loader('sync');

    run_ok($run, { 'Acme/Users' => { rows => 3, invalid => 0, added => 3,
                                     changed => 0, deleted => 0,
                                     unchanged => 0 } }, 'first load');
    like($run->{out},
         qr{\AAcme/Users: 3 rows, 0 invalid, 3 added, 0 changed, 0 deleted, 0 unchanged, \d+\.\d s, \d+ rows/s, [1-9]\d* bytes written\n\z},
         'the summary is one line');

    my %body = ('478060' => '{"data":{"id":"478060","email":"boris@getcensus.com","n":1.50}}',
                'a b' => '{"data":{"id":"a b","tags":[1,2,{"x":null}]}}',
                '7' => '{"data":{"id":7,"note":"seven"}}');

    is($box->get('Acme', 'Users', $_), $body{$_}, "get $_") for keys %body;
    is($box->get(1, 1, 7), $body{7}, 'get by numbers');
    is($box->get(1, 'Users', 7), $body{7}, 'get by number and name');
    is($box->get('Acme', 1, 7), $body{7}, 'get by name and number');

    is($box->get('Acme', 'Users', $_), undef, "get finds no \"$_\"")
        for '', '47806', '4780600', 'A B', 'a', "a b ", "a b\n", '07', '7.0',
            'x' x 500, 'x' x 501, 'x' x 5000;

    # Nothing has changed.
    my $sum = sha256_hex(slurp($box->data));
    my $noted = qr{/refreshed-\d+-\d+\z};
    my $all = fingerprint($box->{store}, $noted);

    for my $args (['sync'], ['sync', '--full'], ['apply'], ['status']) {
        my $run = $box->loader(@$args);

        run_ok($run, $args->[0] eq 'sync'
               ? { 'Acme/Users' => { rows => 3, added => 0, changed => 0,
                                     deleted => 0, unchanged => 3,
                                     written => 0 } } : {},
               "@$args without a change");
        is(sha256_hex(slurp($box->data)), $sum,
           "@$args leaves the data's bytes");
        is(fingerprint($box->{store}, $noted), $all,
           "@$args leaves all files but the time of the refresh");
    }

    # White space and order are no change; the order of members is one.
    $box->write('users.ndjson' => rows(
            ' {"id" :7, "note":"seven"}',
            '{"id":"a b","tags":[1, 2,{"x": null}]} ',
            '{"id":"478060","n":1.50,"email":"boris@getcensus.com"}'));

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 3, added => 0, changed => 1,
                               deleted => 0, unchanged => 2 } },
           'other order of rows, other white space, other order of members');
    is($box->get(1, 1, '478060'),
       '{"data":{"id":"478060","n":1.50,"email":"boris@getcensus.com"}}',
       'the changed record');
    is($box->get(1, 1, 'a b'), $body{'a b'}, 'an unchanged record');

    # The same number written in another way is another value.
    $box->write('users.ndjson' => rows(
            '{"id":7,"note":"seven"}',
            '{"id":"a b","tags":[1,2,{"x":null}]}',
            '{"id":"478060","n":1.5,"email":"boris@getcensus.com"}'));
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { changed => 1, unchanged => 2 } },
           '1.50 becomes 1.5');

    # One of each.
    $box->write('users.ndjson' => rows(
            '{"id":7,"note":"eight"}',
            '{"id":"new"}',
            '{"id":"478060","n":1.5,"email":"boris@getcensus.com"}'));
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 3, invalid => 0, added => 1,
                               changed => 1, deleted => 1, unchanged => 1 } },
           'add, change, delete, keep');
    is($box->get(1, 1, 'new'), '{"data":{"id":"new"}}', 'the added one');
    is($box->get(1, 1, 7), '{"data":{"id":7,"note":"eight"}}',
       'the changed one');
    is($box->get(1, 1, 'a b'), undef, 'the deleted one');

    my ($records) = values %{ records_of(mdb_pairs($box->generation)) };
    is_deeply([sort keys %$records], ['478060', '7', 'new'],
              'the store holds these records and no more');

    # An integer and the string of its digits are one key.
    $box->write('users.ndjson' => rows(
            '{"id":"7","note":"eight"}',
            '{"id":"new"}',
            '{"id":478060,"n":1.5,"email":"boris@getcensus.com"}'));
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { added => 0, changed => 2, deleted => 0,
                               unchanged => 1 } }, '7 becomes "7"');
    is($box->get(1, 1, 7), '{"data":{"id":"7","note":"eight"}}',
       'get with the same id');

    # Everything goes, and comes back.
    $box->write('users.ndjson' => '');
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 0, added => 0, deleted => 3 } },
           'an empty file deletes few records');
    is($box->get(1, 1, 7), undef, 'it is gone');

    $box->write('users.ndjson' => rows('{"id":7}'));
    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 1, added => 1 } }, 'and back');
    is($box->get(1, 1, 7), '{"data":{"id":7}}', 'with new content');
}


# -- selection ----------------------------------------------------------------

sub three {
    my $box = sandbox({ map { ("$_.ndjson" => rows(qq({"id":"1","f":"$_"}))) }
                        qw(a b c) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'a.ndjson'),
                              entity(2, 'Orders', 'id', 'b.ndjson')]),
        workspace(22, 'Globex', [entity(1, 'Users', 'id', 'c.ndjson')]));

    return $box;
}


for my $case (
    [['--workspace', 'Acme'], 'Acme/Orders', 'Acme/Users'],
    [['--workspace', '1'], 'Acme/Orders', 'Acme/Users'],
    [['--workspace', '22'], 'Globex/Users'],
    [['--workspace', 'Globex', '--entity', 'Users'], 'Globex/Users'],
    [['--workspace', 'Acme', '--entity', '2'], 'Acme/Orders'],
    [['--workspace', '1', '--entity', 'Orders'], 'Acme/Orders'],
    [['--entity', 'Users', '--workspace', '1'], 'Acme/Users'],
    [[], 'Acme/Orders', 'Acme/Users', 'Globex/Users'],
) {
    my ($args, @entities) = @$case;
    my $box = three();
    my $run = $box->loader('sync', @$args);

    run_ok($run, { map { $_ => { added => 1 } } @entities }, "sync @$args");
    is_deeply([sort keys %{ summary($run) }], \@entities,
              "sync @$args: these and no others");

    my %all = ('Acme/Users' => [1, 1, 'a'], 'Acme/Orders' => [1, 2, 'b'],
               'Globex/Users' => [22, 1, 'c']);

    for my $entity (sort keys %all) {
        my ($workspace, $id, $file) = @{ $all{$entity} };
        my $wanted = (grep { $_ eq $entity } @entities)
                     ? qq({"data":{"id":"1","f":"$file"}}) : undef;

        is($box->get($workspace, $id, '1'), $wanted,
           "sync @$args: get from $entity");
    }
}

{
    my $box = three();

    for my $args (['--workspace', 'acme'], ['--workspace', 'Acm'],
                  ['--workspace', '2'],
                  ['--workspace', '4294967297'], ['--workspace', '-1'],
                  ['--workspace', 'Acme', '--entity', 'Nothing'],
                  ['--workspace', 'Acme', '--entity', '3'],
                  ['--workspace', 'Globex', '--entity', 'Orders'],
                  ['--workspace', 'Globex', '--entity', '2'],
                  ['--entity', 'Nothing'], ['--entity', '3'],
                  ['--entity', 'Orders'], ['--entity', 'Users'])
    {
        my $run = $box->loader('sync', @$args);

        # The same entity's name may stand in each workspace.
        fails_ok($run, 2, $args->[0] eq '--entity' ? qr/--workspace/
                                                   : qr/\Q$args->[-1]\E/,
                 "sync @$args");
        is($run->{out}, '', "sync @$args prints nothing");
        ok(!-e $box->{store}, "sync @$args touches nothing");
    }

    run_ok($box->loader('sync'), {}, 'the store is made');

    for my $args (['acme', 'Users', '1'], ['3', '1', '1'],
                  ['Acme', 'users', '1'], ['Acme', '3', '1'],
                  ['Globex', 'Orders', '1'], ['', 'Users', '1'],
                  ['Acme', '', '1'])
    {
        my $run = $box->loader('get', @$args);

        ok($run->{status} =~ /\A[12]\z/, "get @$args fails")
            or diag_run($run);
        is($run->{out}, '', "get @$args prints nothing");
        like($run->{err}, qr/^profile-loader: /, "get @$args says why");
    }
}

# Where there is one workspace, the entity alone says enough.
for my $entity ('Orders', '2') {
    my $box = sandbox({ map { ("$_.ndjson" => rows(qq({"id":"1"}))) }
                        qw(a b) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'a.ndjson'),
                              entity(2, 'Orders', 'id', 'b.ndjson')]));

    my $run = $box->loader('sync', '--entity', $entity);
    run_ok($run, { 'Acme/Orders' => { added => 1 } },
           "sync --entity $entity in the only workspace");
    is_deeply([keys %{ summary($run) }], ['Acme/Orders'], 'and no other');

    fails_ok($box->loader('sync', '--entity', "${entity}x"), 2,
             qr/\Q${entity}x\E/, 'one that is not there');
}

# A workspace may be called like another's number: digits are numbers.
{
    my $box = sandbox({ 'a.ndjson' => rows('{"id":"1","w":1}'),
                        'b.ndjson' => rows('{"id":"1","w":2}') },
        workspace(1, '2', [entity(1, 'Users', 'id', 'a.ndjson')]),
        workspace(2, 'Two', [entity(1, 'Users', 'id', 'b.ndjson')]));

    is_deeply([keys %{ summary($box->loader('sync', '--workspace', '2')) }],
              ['Two/Users'], 'digits are an id');
    is($box->get('2', 'Users', 1), '{"data":{"id":"1","w":2}}',
       'for get as well');
}


# -- source files -------------------------------------------------------------

# [name, bytes, { id => body or undef }, rows]
for my $case (
    ['no newline at the end', qq({"id":1}\n{"id":2}), 2],
    ['CRLF', qq({"id":1}\r\n{"id":2}\r\n), 2],
    ['CRLF, none at the end', qq({"id":1}\r\n{"id":2}\r), 2],
    ['empty lines', qq(\n\n{"id":1}\n\n\r\n{"id":2}\n\n\n), 2],
    ['lines of white space', qq(  \n{"id":1}\n\t \r\n{"id":2}\n ), 2],
    ['one row, no newline', qq({"id":2}), 1],
) {
    my ($name, $bytes, $rows) = @$case;
    my $box = sandbox({ 'a.ndjson' => $bytes },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'a.ndjson')]));

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => $rows, invalid => 0,
                               added => $rows } }, $name);
    is($box->get(1, 1, 2), '{"data":{"id":2}}', "$name: the last row");
    is($box->get(1, 1, 1), '{"data":{"id":1}}', "$name: the first row")
        if $rows == 2;
}

# A mark at the beginning, as some exports have it, is no part of a row.
{
    my $box = sandbox({ 'a.ndjson' => qq(\xEF\xBB\xBF{"id":1}\n{"id":2}\n) },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'a.ndjson',
                                     max_invalid => 100)]));

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 2, invalid => 0, added => 2 } },
           'a byte order mark');
    is($box->get(1, 1, 1), '{"data":{"id":1}}',
       'a byte order mark is not served');

    # Only there.
    $box->write('a.ndjson' => qq({"id":1}\n\xEF\xBB\xBF{"id":2}\n));
    my $run = $box->loader('sync');
    is(summary($run)->{'Acme/Users'}{invalid}, 1, 'a mark in the middle');
    like($run->{err}, qr/a\.ndjson:2: /, 'is invalid there');
}

{
    my $box = sandbox({ 'a.ndjson' => '' },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'a.ndjson')]));

    run_ok($box->loader('sync'),
           { 'Acme/Users' => { rows => 0, added => 0, deleted => 0 } },
           'an empty file is a complete first load');

    $box->write('a.ndjson' => "\n\n");
    run_ok($box->loader('sync'), { 'Acme/Users' => { rows => 0 } },
           'empty lines only');
}

# Several files, in the order of their names' bytes: the first row wins.
{
    my $box = sandbox({
            'users-10.ndjson' => rows('{"id":"a","f":10}', '{"id":"b","f":10}'),
            'users-2.ndjson' => rows('{"id":"a","f":2}', '{"id":"c","f":2}'),
            'users-B.ndjson' => rows('{"id":"d","f":"B"}'),
            'users-a.ndjson' => rows('{"id":"d","f":"a"}'),
            '.users-0.ndjson' => rows('{"id":"hidden"}'),
            'orders-1.ndjson' => rows('{"id":"order"}'),
            'users-3.csv' => "id\n3\n" },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'users-*.ndjson',
                                     max_invalid => 100)]));

    my $run = $box->loader('sync');
    my $counts = summary($run)->{'Acme/Users'};

    is($run->{status}, 0, 'a glob') or diag_run($run);
    is_deeply([@$counts{qw(rows invalid added)}], [6, 2, 4], 'its counts');
    is($box->get(1, 1, 'a'), '{"data":{"id":"a","f":10}}', '10 before 2');
    is($box->get(1, 1, 'd'), '{"data":{"id":"d","f":"B"}}', 'B before a');
    is($box->get(1, 1, 'hidden'), undef, 'hidden files are left alone');
    is($box->get(1, 1, 'order'), undef, 'other files are left alone');

    for my $locale ('C', 'C.UTF-8', 'en_US.UTF-8') {
        run_ok($box->loader({ env => { LC_ALL => $locale } }, 'apply'), {},
               "the locale $locale");
        is($box->loader({ env => { LC_ALL => $locale } }, 'sync')
               ->{out} =~ / 0 changed, 0 deleted, 4 unchanged/, 1,
           "the locale $locale does not change the order");
    }
}

# Other patterns, and names that hold what patterns are made of.
{
    my $box = sandbox({ 'a[1].ndjson' => rows('{"id":1}'),
                        'u1.ndjson' => rows('{"id":1}'),
                        'u2.ndjson' => rows('{"id":2}'),
                        'u3.ndjson' => rows('{"id":3}'),
                        "\xC3\xA9 x.ndjson" => rows('{"id":4}') },
        workspace(1, 'Acme', [
            entity(1, 'Range', 'id', 'u[13].ndjson'),
            entity(2, 'Any', 'id', 'u?.ndjson'),
            entity(3, 'Quoted', 'id', 'a\[1].ndjson'),
            entity(4, 'Wide', 'id', "\x{e9} x.ndjson")]));

    run_ok($box->loader('sync'), { 'Acme/Range' => { rows => 2 },
                                   'Acme/Any' => { rows => 3 },
                                   'Acme/Quoted' => { rows => 1 },
                                   'Acme/Wide' => { rows => 1 } },
           'patterns');
}

# Relative paths start at the configuration, wherever the loader is run.
{
    my $box = sandbox();
    my $away = new_dir('away');

    mkdir "$box->{dir}/exports";
    $box->write('exports/users-1.ndjson' => rows('{"id":1}'));
    spew("$away/users-1.ndjson", rows('{"id":"wrong"}'));
    mkdir "$away/exports";
    spew("$away/exports/users-1.ndjson", rows('{"id":"wrong"}'));

    for my $case (['relative paths', 'var/store', 'exports/users-*.ndjson'],
                  ['paths with dots', './var/../var/store2',
                   'exports/../exports/users-?.ndjson'],
                  ['absolute paths', "$box->{dir}/var/store3",
                   "$box->{dir}/exports/users-1.ndjson"])
    {
        my ($name, $store, $file) = @$case;
        mkdir "$box->{dir}/var";

        $box->configure({ store => $store, workspaces => [
            workspace(1, 'Acme', [entity(1, 'Users', 'id', $file)])] });

        my $run = $box->loader({ dir => $away }, 'sync');

        run_ok($run, { 'Acme/Users' => { rows => 1 } }, "$name: sync");
        is($box->loader({ dir => '/' }, 'get', 1, 1, 1)->{out},
           qq({"data":{"id":1}}\n), "$name: get");
        ok(!-e "$away/var", "$name: nothing is made elsewhere");
    }

    ok(-e "$box->{dir}/var/store/CURRENT", 'the store is beside the file');
    ok(-e "$box->{dir}/var/store2/CURRENT", 'the second as well');

    # The configuration's folder is no pattern, whatever its name is.
    my $odd = "$box->{dir}/odd [x] *";
    mkdir $odd;
    spew("$odd/u.ndjson", rows('{"id":1}'));
    spew("$odd/v-1.ndjson", rows('{"id":1}'));

    for my $file ('u.ndjson', 'v-*.ndjson') {
        my $text = slurp($box->{config});
        $text =~ s/"file" : "[^"]*"/"file" : "$file"/;
        spew("$odd/profile-loader.json", $text);

        run_ok(run($loader, '-c', "$odd/profile-loader.json", 'sync'),
               { 'Acme/Users' => { rows => 1 } },
               "a folder with an odd name: $file");
    }

    # The configuration's own path may be relative too.
    my ($name) = $box->{dir} =~ m{([^/]+)\z};
    my $run = run({ dir => "$box->{dir}/.." }, $loader, '-c',
                  "$name/profile-loader.json", 'get', 1, 1, 1);
    is($run->{out}, qq({"data":{"id":1}}\n), 'a relative configuration')
        or diag_run($run);

    $run = run({ dir => $box->{dir} }, $loader, '-c', 'profile-loader.json',
               'get', 1, 1, 1);
    is($run->{out}, qq({"data":{"id":1}}\n), 'a configuration here')
        or diag_run($run);
}


# -- an entity that fails -----------------------------------------------------

{
    my $box = sandbox({ 'good.ndjson' => rows('{"id":1}'),
                        'later.ndjson' => rows('{"id":1}') },
        workspace(1, 'Acme', [
            entity(1, 'First', 'id', 'good.ndjson'),
            entity(2, 'Missing', 'id', 'missing.ndjson'),
            entity(3, 'Pattern', 'id', 'missing-*.ndjson'),
            entity(4, 'Folder', 'id', 'folder.ndjson'),
            entity(5, 'Later', 'id', 'later.ndjson'),
            entity(6, 'Elsewhere', 'id', 'nowhere/*.ndjson')]),
        workspace(2, 'Globex', [entity(1, 'Users', 'id', 'good.ndjson')]));
    mkdir "$box->{dir}/folder.ndjson";

    my $run = $box->loader('sync');

    is($run->{status}, 1, 'entities fail') or diag_run($run);
    like($run->{err},
         qr{^profile-loader: Acme/$_: .*; nothing has been loaded yet$}m,
         "$_ fails") for qw(Missing Pattern Folder Elsewhere);
    is(scalar(() = $run->{err} =~ /^/mg), 4, 'one line each')
        or diag_run($run);
    like($run->{err}, qr{Acme/Missing: .*missing\.ndjson},
         'the file is named');
    like($run->{err}, qr{Acme/Elsewhere: .*"nowhere/\*\.ndjson": .*missing},
         'and a folder that is missing');

    my $summary = summary($run);
    is($summary->{$_}{added}, 1, "$_ is loaded")
        for 'Acme/First', 'Acme/Later', 'Globex/Users';
    ok(!exists $summary->{"Acme/$_"}, "no summary of $_")
        for qw(Missing Pattern Folder Elsewhere);

    is($box->get(1, 'Later', 1), '{"data":{"id":1}}', 'and served');
    is($box->get(2, 'Users', 1), '{"data":{"id":1}}', 'in both workspaces');
    is($box->get(1, 'Missing', 1), undef, 'the failed one is not');

    # Once loaded, an entity keeps its data when its file goes away.
    rmdir "$box->{dir}/folder.ndjson";
    mkdir "$box->{dir}/nowhere";
    $box->write('missing.ndjson' => rows('{"id":2}'),
                'missing-1.ndjson' => rows('{"id":3}'),
                'nowhere/1.ndjson' => rows('{"id":5}'),
                'folder.ndjson' => rows('{"id":4}'));
    run_ok($box->loader('sync'), { 'Acme/Missing' => { added => 1 },
                                   'Acme/First' => { unchanged => 1 } },
           'the files are there');

    unlink "$box->{dir}/missing.ndjson";
    $box->write('later.ndjson' => rows('{"id":1,"v":2}'));

    $run = $box->loader('sync');
    fails_ok($run, 1, qr{Acme/Missing: .*missing\.ndjson.*old data stays},
             'a file is gone');
    is($box->get(1, 'Missing', 2), '{"data":{"id":2}}', 'its data is not');
    is($box->get(1, 'Later', 1), '{"data":{"id":1,"v":2}}',
       'the others are refreshed');

    # One of several files.
    SKIP: {
        skip 'root may read every file', 2 if $> == 0;

        chmod 0, "$box->{dir}/later.ndjson";
        fails_ok($box->loader('sync'), 1, qr/later\.ndjson.*Permission/,
                 'a file that may not be read');
        is($box->get(1, 'Later', 1), '{"data":{"id":1,"v":2}}', 'stays');
    }
}

# A pattern's file that cannot be read fails the whole entity: half of the
# source would delete the other half.
{
    my $box = sandbox({ 'u-1.ndjson' => rows('{"id":1}'),
                        'u-2.ndjson' => rows('{"id":2}') },
        workspace(1, 'Acme', [entity(1, 'Users', 'id', 'u-*.ndjson')]));

    run_ok($box->loader('sync'), { 'Acme/Users' => { added => 2 } },
           'two files');

    mkdir "$box->{dir}/u-3.ndjson";
    $box->write('u-1.ndjson' => rows('{"id":1,"v":2}'));

    fails_ok($box->loader('sync'), 1, qr{Acme/Users: .*u-3\.ndjson},
             'the third cannot be read');
    is($box->get(1, 1, 1), '{"data":{"id":1}}', 'nothing has changed');

    rmdir "$box->{dir}/u-3.ndjson";
    symlink 'nowhere', "$box->{dir}/u-3.ndjson";

    fails_ok($box->loader('sync'), 1, qr{Acme/Users: .*u-3\.ndjson},
             'the third is a dangling link');
    is($box->get(1, 1, 2), '{"data":{"id":2}}', 'nothing has changed');
}


# -- what readers see ---------------------------------------------------------

# The entity list has only what is loaded, in the order of ids, in the bytes
# that the API sends.
{
    my $box = sandbox({ 'a.ndjson' => rows('{"id":1}') },
        workspace(3, 'Acme', [
            entity(10, 'Ten', 'id', 'a.ndjson', library_id => 7),
            entity(9, "N\x{ef}ne \"q\" \\ \x{1F600}", 'id', 'a.ndjson'),
            entity(300, 'Not loaded', 'id', 'missing.ndjson')]));

    is($box->loader('sync')->{status}, 1, 'one of three is not loaded');

    my ($list) = grep { $_->[0] eq pack 'CN', 4, 3 }
                 mdb_pairs($box->generation);
    my $body = $list ? body_of($list->[1]) : '';

    my $data = eval { JSON::PP->new->utf8->decode($body) };
    is_deeply($data, { data => [
        { id => 9, name => "N\x{ef}ne \"q\" \\ \x{1F600}", library_id => 1 },
        { id => 10, name => 'Ten', library_id => 7 }] }, 'the entity list')
        or diag($body);
    like($body, qr/\A\{"data":\[\{"id":9,"name":"/, 'its bytes');
    like($body, qr/\},\{"id":10,"name":"Ten","library_id":7\}\]\}\z/,
         'to the end');
}

done_testing();
