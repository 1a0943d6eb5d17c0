# Why: a warehouse is a database, and an export by hand is not what anybody
# wants to look after. The lines that docs/sources.md gives for PostgreSQL are
# run here against a real server: they must take all rows the first time, what
# has changed from then on, and nothing at all where psql fails.

use strict;
use warnings;

use lib 't/lib';
use ProfileDocs;
use ProfileLoader;
use ProfilePostgres;
use Test::More;

plan skip_all => 'there is no PostgreSQL server'
    if !ProfilePostgres->available;

my $Chapter = section(slurp(docs_top() . '/docs/sources.md'), 'PostgreSQL');
my @Blocks = blocks($Chapter);

my $Server = ProfilePostgres->new;
$Server->start('local all profile scram-sha-256');
$Server->sql('postgres', 'create database crm');

docs_map('db.example.com' => $Server->socket_dir);

my %File = map { $_->{test} =~ /^file (\S+)/ ? ($1 => $_->{text}) : () }
           @Blocks;
my $Query = $File{'/etc/profile-loader/companies.sql'};
my $Csv = $File{'/etc/profile-loader/companies-csv.sql'};
my ($Tables) = map { $_->{text} } grep { $_->{test} eq 'sql' } @Blocks;

subtest 'from the table to curl' => \&walk_through;
subtest 'incremental' => \&incremental;
subtest 'full' => \&full;
subtest 'as CSV' => \&csv;
subtest 'values' => \&values_of;
subtest 'a commit that comes late' => \&late_commit;
subtest 'odd cursors' => \&odd_cursors;
subtest 'what fails changes nothing' => \&failures;
subtest 'another encoding' => \&encoding;

done_testing();


# The chapter, from its beginning to its end.

sub walk_through {
    my $session = 0;
    my $nginx = section(slurp(docs_top() . '/README.md'), 'Synopsis');

    for my $block (blocks($nginx)) {
        write_example($1, $block->{text})
            if $block->{test} =~ m{^file (/etc/nginx/\S+)};
    }

    for my $block (@Blocks) {
        if ($block->{test} =~ /^file (\S+)/) {
            my $path = $1;

            write_example($path, $block->{text});
            chmod 0600, docs_root() . $path if $path =~ /pgpass$/;

        } elsif ($block->{test} eq 'sql') {
            is($Server->psql('crm', $block->{text})->{err}, '',
               'SQL: ' . ($block->{text} =~ /(.*)/)[0]);

        } elsif ($block->{test} eq 'session postgres') {
            # nginx begins when there is a store
            my ($first, $rest) = $block->{text} =~ /^(.*?\n)(\$ curl.*)$/ms;

            $session++;

            if (!docs_port() && defined $rest) {
                run_session($session, $first);
                start_example();
                run_session($session, $rest);

            } else {
                run_session($session, $block->{text});
            }
        }
    }

    is($session, 3, 'there were sessions');
    stop_nginx();

    # curl's progress is there, too
    my $errors = slurp(docs_root() . '/temp/stderr');
    is(join('', $errors =~ /^.*profile-loader.*$/mg), '',
       'the loader has no errors');

    return;
}


# A loader with the documentation's query over a table of its own.
# box_of('users', query => $Query, refresh => {...}, format => 'ndjson')

sub box_of {
    my ($table, %option) = @_;

    my $query = ($option{query} || $Query) =~ s/\bcompanies\b/$table/gr;

    return sandbox({ 'query.sql' => $query },
        workspace(1, 'Acme', [
            { id => 1, name => 'Table',
              primary_key => $option{key} || 'domain',
              source => { command => [
                  'psql', '-XAtqw', '-d', 'host=' . $Server->socket_dir
                  . ' dbname=' . ($option{database} || 'crm')
                  . ' user=postgres',
                  '-v', 'cursor={cursor}', '-f', 'query.sql'] },
              format => $option{format} || 'ndjson',
              refresh => $option{refresh}
                         || { mode => 'incremental', cursor => 'updated_at',
                              deleted => 'is_deleted' },
              max_invalid => 0, max_delete => $option{max_delete} // 50 },
        ]));
}


# The tables of the documentation under another name.

sub make_table {
    my ($name) = @_;

    my $sql = $Tables =~ s/\bcompanies\b/$name/gr;

    $sql =~ s/^create function touch.*?^\$\$;$//ms;
    $Server->sql('crm', $sql);

    return;
}


# synced($box, rows, added, changed, deleted, unchanged, NAME, ARGUMENTS...)

sub synced {
    my ($box, $rows, $added, $changed, $deleted, $unchanged, $name, @args)
        = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_ok($box->loader('sync', @args), { 'Acme/Table' => {
        rows => $rows, invalid => 0, added => $added, changed => $changed,
        deleted => $deleted, unchanged => $unchanged } }, $name);
}


sub incremental {
    make_table('steps');

    my $box = box_of('steps');

    synced($box, 2, 2, 0, 0, 0, 'the first load');
    like($box->get(1, 1, 'example.com'), qr/"score":0\.10,/, 'its bytes');

    # The others are old enough not to be read again.
    $Server->sql('crm', <<'END');
alter table steps disable trigger all;
update steps set updated_at = updated_at - interval '1 hour';
alter table steps enable trigger all;
insert into steps (domain, name)
    select 'n' || n, 'Name ' || n from generate_series(1, 1000) n;
END
    synced($box, 1000, 1000, 0, 0, 0, 'inserts');

    $Server->sql('crm', <<'END');
alter table steps disable trigger all;
update steps set updated_at = updated_at - interval '10 minutes'
    where name like 'Name %';
alter table steps enable trigger all;
update steps set employees = 5 where domain in ('n1', 'n2', 'example.org');
update steps set is_deleted = true where domain in ('n3', 'n4');
insert into steps (domain, name, is_deleted) values ('gone', 'Gone', true);
END

    # A row that is deleted before anybody saw it is no deletion.
    synced($box, 6, 0, 3, 2, 0, 'updates and soft deletes');
    like($box->get(1, 1, 'n1'), qr/"employees":5,/, 'an update');
    is($box->get(1, 1, $_), undef, "$_: deleted") for qw(n3 n4 gone);
    like($box->get(1, 1, 'n5'), qr/"Name 5"/, 'the others stay');

    my $before = fingerprint($box->data);

    synced($box, 6, 0, 0, 0, 3, 'nothing has changed');
    is(fingerprint($box->data), $before, 'and nothing is written');

    # Soft deletes can be taken back.
    $Server->sql('crm',
                 q(update steps set is_deleted = false where domain = 'n3'));
    synced($box, 6, 1, 0, 0, 3, 'a row comes back');

    # A row that is gone for good is found by --full.
    $Server->sql('crm', q(delete from steps where domain in ('n7', 'n8')));
    synced($box, 6, 0, 0, 0, 4, 'hard deletes are not seen');
    like($box->get(1, 1, 'n7'), qr/"Name 7"/, 'the record stays');
    # Most times were set back behind the loader's back.
    synced($box, 1001, 0, 995, 2, 4, 'but by --full', '--full');
    is($box->get(1, 1, 'n7'), undef, 'the record is gone');

    # A wrong time in the future holds the cursor up; --full starts over.
    $Server->sql('crm', <<'END');
alter table steps disable trigger all;
update steps set updated_at = '9999-01-01' where domain = 'n1';
alter table steps enable trigger all;
END
    synced($box, 6, 0, 1, 0, 3, 'a wrong time');
    $Server->sql('crm', q(update steps set employees = 6 where domain = 'n1'));
    synced($box, 0, 0, 0, 0, 0, 'a change that is not seen');
    synced($box, 1001, 0, 1, 0, 998, '--full starts over', '--full');
    $Server->sql('crm', q(update steps set employees = 7 where domain = 'n1'));
    synced($box, 6, 0, 1, 0, 3, 'changes are seen again');

    return;
}


sub full {
    make_table('fulls');

    my $box = box_of('fulls', refresh => { mode => 'full' },
                     query => $Query =~ s/^where .*?;$/;/msr);

    synced($box, 2, 2, 0, 0, 0, 'the first load');

    $Server->sql('crm', <<'END');
update fulls set employees = 13 where domain = 'example.com';
delete from fulls where domain = 'example.org';
insert into fulls (domain, name) values ('example.net', 'Example Network');
END
    synced($box, 2, 1, 1, 1, 0, 'changes');
    is($box->get(1, 1, 'example.org'), undef, 'a hard delete');

    my $before = fingerprint($box->data);

    synced($box, 2, 0, 0, 0, 2, 'nothing has changed');
    is(fingerprint($box->data), $before, 'and nothing is written');

    # A table that was emptied by mistake.
    $Server->sql('crm', q(insert into fulls (domain, name)
                          select n::text, 'x' from generate_series(1, 200) n));
    synced($box, 202, 200, 0, 0, 2, 'many rows');
    $Server->sql('crm', 'truncate fulls');
    fails_ok($box->loader('sync'), 1, qr/would be deleted/, 'an empty table');
    like($box->get(1, 1, 'example.com'), qr/"employees":13/,
         'the old data stays');

    return;
}


sub csv {
    make_table('commas');

    my $box = box_of('commas', query => $Csv, format => 'csv');

    $Server->sql('crm', <<'END');
insert into commas (domain, name, employees, score, details) values
    ('example.net', E'a "quoted", name\r\nin two lines \\ \u00e9', 7,
     123456789012345678901234567890.10, null),
    ('', 'an empty key', 1, 1, null);
END
    fails_ok($box->loader('sync'), 1, qr/primary key is empty/,
             'an empty string is no null');

    $Server->sql('crm', q(delete from commas where domain = ''));
    synced($box, 3, 3, 0, 0, 0, 'the first load');
    like($box->get(1, 1, 'example.net'),
         qr/"name":"a\ \\"quoted\\",\ name\\r\\nin\ two\ lines\ \\\\\ \xc3\xa9",
            "employees":"7","score":"123456789012345678901234567890\.10",
            "details":null,"updated_at":"[^"]*\+00","is_deleted":"f"/x,
         'values');

    $Server->sql('crm', <<'END');
update commas set employees = 8 where domain = 'example.net';
update commas set is_deleted = true where domain = 'example.org';
END
    synced($box, 3, 0, 1, 1, 1, 'changes and a soft delete');
    is($box->get(1, 1, 'example.org'), undef, 'deleted');

    $Server->sql('crm', 'delete from commas');
    synced($box, 0, 0, 0, 0, 0, 'a header and no rows');
    synced($box, 0, 0, 0, 2, 0, '--full', '--full');

    return;
}


# What PostgreSQL says is what the API serves, byte for byte.

sub values_of {
    $Server->sql('crm', <<'END');
create table odd (domain text primary key, i bigint, n numeric, f float8,
    t text, j json, b jsonb, a text[], y bytea, d date, z timestamptz,
    updated_at timestamptz not null default now(),
    is_deleted boolean not null default false);

insert into odd (domain, i, n, f) values
    ('numbers', 9007199254740993, 12345678901234567890.1234567890, 1e-300),
    ('extremes', -9223372036854775808, ('1' || repeat('0', 400))::numeric,
     'Infinity'),
    ('nan', 9223372036854775807, 'NaN', '-0');

insert into odd (domain, t) values
    ('quotes', E'"a" \\ ''b'' /'),
    ('lines', E'one\ntwo\r\nthree\tfour\u2028five'),
    ('wide', E'\u00e9 \u4e2d \U0001F600 \u0001 \u007f'),
    ('empty', ''),
    ('null', null);

insert into odd (domain, j, b, a, y, d, z) values
    ('json', E'{"n" : 0.10,\n "big":1e400,\r\n\t"s":"a\\nb", "z":[ ]}',
     '{"b":0.10,"a":[1,null]}', '{a,"b\"c",null}', '\x00ff', '2026-02-28',
     '2026-02-28 23:59:59.123456+05:30');

insert into odd (domain) values ('"q"'), (E'b\\s'), ('a b'), ('中');
END

    my $box = box_of('odd');

    synced($box, 13, 13, 0, 0, 0, 'all are valid');

    for my $case (['numbers', i => '9007199254740993',
                   n => '12345678901234567890.1234567890', f => '1e-300'],
                  ['extremes', i => '-9223372036854775808',
                   n => '1' . '0' x 400, f => '"Infinity"'],
                  ['nan', i => '9223372036854775807', n => '"NaN"',
                   f => '-0'],
                  ['quotes', t => q("\"a\" \\\\ 'b' /")],
                  ['lines',
                   t => qq("one\\ntwo\\r\\nthree\\tfour\xe2\x80\xa8five")],
                  ['wide', t => "\"\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80"
                                . " \\u0001 \x7f\""],
                  ['empty', t => '""'],
                  ['null', t => 'null'],
                  ['json', j => '{"n":0.10,"big":1e400,"s":"a\nb","z":[]}',
                   b => '{"a":[1,null],"b":0.10}', a => '["a","b\"c",null]',
                   y => '"\\\\x00ff"', d => '"2026-02-28"',
                   z => '"2026-02-28T18:29:59.123456+00:00"'])
    {
        my ($id, %value) = @$case;
        my $wanted = qq({"data":{"domain":"$id",)
                     . join '', map { qq("$_":) . ($value{$_} // 'null') . ',' }
                                qw(i n f t j b a y d z);

        is(substr($box->get(1, 1, $id) // '', 0, length $wanted), $wanted, $id);
    }

    isnt($box->get(1, 1, $_), undef, "the key $_")
        for '"q"', 'b\s', 'a b', "\xe4\xb8\xad";

    # PostgreSQL takes a json value with a member twice.
    $Server->sql('crm',
                 q(insert into odd (domain, j) values ('x', '{"a":1,"a":2}')));
    fails_ok($box->loader('sync'), 1, qr/a duplicate member/,
             'a duplicate member');

    return;
}


# A transaction that began before a refresh and ends after it.

sub late_commit {
    make_table('late');

    my $box = box_of('late');

    synced($box, 2, 2, 0, 0, 0, 'the first load');

    open my $late, '|-', $Server->command('crm') or die "psql: $!\n";
    $late->autoflush(1);
    print {$late} "begin;\n",
        "update late set employees = 77 where domain = 'example.com';\n";

    until_true(30, sub {
        $Server->sql('crm', q(select count(*) from pg_locks
            where relation = 'late'::regclass
            and mode = 'RowExclusiveLock' and granted)) > 0;
    }) or fail('the transaction does not begin');

    $Server->sql('crm',
        q(update late set employees = 78 where domain = 'example.org'));
    synced($box, 2, 0, 1, 0, 1, 'what is committed');

    print {$late} "commit;\n";
    close $late;
    is($?, 0, 'the late one commits');

    synced($box, 2, 0, 1, 0, 1, 'the late one');
    like($box->get(1, 1, 'example.com'), qr/"employees":77/, 'its value');

    return;
}


# psql's own quoting keeps any cursor one value.

sub odd_cursors {
    $Server->sql('crm', 'create table revisions (domain text primary key, '
                        . 'updated_at text collate "C" not null)');

    my $box = box_of('revisions',
        refresh => { mode => 'incremental', cursor => 'updated_at' },
        query => $Query =~ s/^where .*?;$/where updated_at >= :'cursor';/msr);

    my @odd = ('!', q{a'; drop table revisions; --}, q{b\\}, q{c"$HOME"`id`},
               q{d{cursor}%s}, "e\nline", q{f:'cursor' :cursor}, "g \t ",
               "h\xc3\xa9");
    my $n = 0;

    for my $cursor (@odd) {
        my $quoted = $cursor =~ s/'/''/gr;

        $n++;
        $Server->sql('crm', "insert into revisions values ('$n', '$quoted')");
        synced($box, $n == 1 ? 1 : 2, 1, 0, 0, $n == 1 ? 0 : 1,
               "before the cursor is number $n");
    }

    # The last one's turn; there is nothing after it.
    synced($box, 1, 0, 0, 0, 1, 'the last cursor');
    is($Server->sql('crm', 'select count(*) from revisions'), $n,
       'the table is still there');

    return;
}


# -- failures ---------------------------------------------------------------

# What fails leaves all as it was.

sub refused {
    my ($box, $run, $pattern, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    fails_ok($run, 1, qr{Acme/Table: .*; the old data stays}, $pattern, $name);
    is($run->{out}, '', "$name: no summary");
    is(fingerprint($box->data), $box->{before}, "$name: no change");
    like($box->get(1, 1, 'example.com'), qr/"employees":12,/,
         "$name: the old data stays");

    return;
}


sub failures {
    make_table('fails');

    my $box = box_of('fails');
    my $query = slurp("$box->{dir}/query.sql");

    synced($box, 2, 2, 0, 0, 0, 'the first load');
    $box->{before} = fingerprint($box->data);
    $Server->sql('crm', 'update fails set employees = 99');

    $box->write('query.sql' => $query =~ s/row_to_json/rwo_to_json/r);
    refused($box, $box->loader('sync'),
            qr{^profile-loader: Acme/Table: psql:.*rwo_to_json}m,
            'a bad query');

    unlink "$box->{dir}/query.sql";
    refused($box, $box->loader('sync'), qr{query\.sql}, 'no query');

    my $config = slurp($box->{config});

    $box->write('query.sql' => $query);
    spew($box->{config}, $config =~ s/dbname=crm/dbname=nowhere/r);
    refused($box, $box->loader('sync'), qr{"nowhere" does not exist},
            'no database');
    spew($box->{config}, $config =~ s/"psql"/"no-such-program"/r);
    refused($box, $box->loader('sync'), qr{no-such-program}, 'no psql');
    spew($box->{config}, $config);

    # The first rows are printed, then the query fails.
    my $many = <<'END';
from (select n::text as domain, 1 / (15000 - n) as x, now() as updated_at
      from generate_series(1, 20000) n) c
where :'cursor' is not null;
END
    $box->write('query.sql' => $query =~ s/^from .*\z/$many/msr);
    refused($box, $box->loader('sync'), qr{division by zero},
            'an error after 10,000 rows');

    # The first rows are printed, then there is a long wait.
    my $slow = <<'END';
from (select n::text as domain, now() as updated_at,
             case when n = 15000 then pg_sleep(600)::text end as x
      from generate_series(1, 20000) n) c
where :'cursor' is not null;
END
    $box->write('query.sql' => $query =~ s/^from .*\z/$slow/msr);

    for my $case (['psql is killed', \&kill_psql, qr/signal 9|Killed/i],
                  ['psql is terminated', \&term_psql, qr/signal 15|Termin/i],
                  ['the connection ends', \&end_backend, qr/terminat/])
    {
        my ($name, $end, $pattern) = @$case;
        my $job = $box->start('sync');

        ok(wait_backend(1), "$name: it runs");
        $end->($job);
        refused($box, $job->finish(60 * slow()), $pattern, $name);

        # the server only notices when it writes
        end_backend();
        ok(wait_backend(0), "$name: nothing is left");
    }

    # The other way round.
    for my $signal ('TERM', 'INT', 'KILL') {
        my $job = $box->start('sync');

        ok(wait_backend(1), "SIG$signal: it runs");

        my ($psql) = children($job->{pid});

        $job->kill($signal);
        isnt($job->finish(60 * slow())->{status}, 0,
             "SIG$signal: the loader ends");
        ok(until_true(30, sub { !alive($psql) }), "SIG$signal: so does psql");
        is(fingerprint($box->data), $box->{before},
           "SIG$signal: no change");

        end_backend();
        ok(wait_backend(0), "SIG$signal: nothing is left");
    }

    $box->write('query.sql' => $query);
    synced($box, 2, 0, 2, 0, 0, 'and the next one goes on');

    return;
}


sub wait_backend {
    my ($wanted) = @_;

    return until_true(60, sub {
        $Server->sql('crm', q(select count(*) from pg_stat_activity
            where wait_event = 'PgSleep')) == $wanted;
    });
}


sub end_backend {
    $Server->sql('crm', q(select pg_terminate_backend(pid)
        from pg_stat_activity where wait_event = 'PgSleep'));

    return;
}


sub kill_psql {
    my ($job) = @_;

    return kill 'KILL', children($job->{pid});
}


sub term_psql {
    my ($job) = @_;

    return kill 'TERM', children($job->{pid});
}


sub children {
    my ($parent) = @_;

    return split ' ', `pgrep -P $parent -x psql`;
}


# A zombie is none.

sub alive {
    my ($pid) = @_;

    my $state = eval { slurp("/proc/$pid/stat") } // return 0;

    return $state =~ /\) Z / ? 0 : 1;
}


# The database's own encoding is not what comes out.

sub encoding {
    $Server->sql('postgres', q(create database latin encoding latin1
                               locale 'C' template template0));
    $Server->sql('latin', qq(set client_encoding = 'UTF8';
        create table latins (domain text, updated_at timestamptz,
                             is_deleted boolean);
        insert into latins values ('\xc3\xa9', now(), false)));

    my $box = box_of('latins', database => 'latin');

    synced($box, 1, 1, 0, 0, 0, 'a row in Latin-1');
    isnt($box->get(1, 1, "\xc3\xa9"), undef, 'becomes UTF-8');

    return;
}
