# Why: the entities page is what people see of the API, and they give it a key.
# It has to work for all of them, to show what the API sends and nothing else,
# and to leave the key nowhere. Seen through a real Chromium, with nginx as
# docs/entities-page.md sets it up.

use strict;
use warnings;
use utf8;

use lib 't/lib';

use Digest::SHA qw(sha256_base64);
use File::Copy qw(copy);
use File::Find ();
use File::Temp qw(tempdir);
use HTTP::Tiny ();
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use JSON::PP ();
use Test::More;
use Time::Local qw(timegm);

use ProfileBrowser;
use ProfileDocs qw(blocks section slurp);
use Test::Nginx::Profile::Daemon;
use Test::Nginx::Profile::Store;

binmode Test::More->builder->$_, ':encoding(UTF-8)'
    for qw(output failure_output todo_output);

my $Key = 'secret-token:4u2-never-written-anywhere';
my $Other = 'secret-token:other';
my $Awkward = q{a b&record_id=c#d?e/f%41+g'h"i\\é😀(!)*};
my $Hostile = '<script>hacked=1</script>';
my $Json = JSON::PP->new->utf8->canonical;

my $Numbers = '{"id":"numbers","big":12345678901234567890,"price":0.10,'
              . '"huge":1e400,"tiny":-1E-400,"zero":-0,"exact":1.'
              . '0123456789' x 30 . ',"list":[1.0,[],{},[2.50]]}';
my $Person = '{"id":"478060","created_at":"2018-01-14 15:53:16",'
             . '"email":"boris@getcensus.com","first_name":"Boris",'
             . '"last_name":"Jabes","title":"CEO",'
             . '"account":12345678901234567890,"lifetime_value":1810.50,'
             . '"active":true,"manager":null,"tags":["beta","newsletter"],'
             . '"address":{"city":"San Francisco","country":"US",'
             . '"position":[37.7749,-122.4194]},"notes":"Prefers to be called '
             . 'in the afternoon; has asked twice about the audit log and '
             . 'about single sign-on for the whole team."}';

my %Row = (
    hostile => $Json->encode({ id => $Hostile, html =>
        '</pre><img src=x onerror=hacked=1><a href=javascript:hacked=1>x</a>',
        '<b>name</b>' => '&lt;', reversed => "\x{202E}drow",
        __proto__ => 'x' }),
    awkward => $Json->encode({ id => $Awkward, found => 'awkward' }),
    large => '{"id":"large","digits":1' . '0' x 1_000_000 . '}',
    many => '{"id":"many","list":[' . join(',', 1 .. 6000) . ']}',
    deep => '{"id":"deep","list":' . '[' x 2000 . ']' x 2000 . '}',
);

my $Text = <<"END";
workspace 1 Acme key=$Key
entity 1 Users primary_key=id
$Person
$Numbers
@Row{qw(awkward)}
entity 2 Companies primary_key=domain
{"domain":"example.com"}
entity 3 "<img src=x onerror=hacked=1>" primary_key=id
$Row{hostile}
$Row{large}
$Row{many}
$Row{deep}
workspace 2 Other key=$Other
END

$Text .= qq(entity $_ "Entity number $_" primary_key=id\n{"id":"1"}\n)
    for 1 .. 12;

my $Store = profile_store($Text);
my $Tmp = profile_tmp();
my $Page = page();
my ($Port, $Nginx) = nginx();
my $Base = "http://127.0.0.1:$Port";
my $Here = "$Base/api/v1/entities.html";
my $Profile = tempdir('b-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Browser = ProfileBrowser->new(dir => $Profile,
                                  hosts => 'MAP page.test 127.0.0.1');
my $Http = HTTP::Tiny->new(max_redirect => 0);

subtest 'policy' => \&policy;
subtest 'entities' => \&entities;
subtest 'a record' => \&record;
subtest 'bytes' => \&bytes;
subtest 'hostile data' => \&hostile;
subtest 'large records' => \&large;
subtest 'curl lines' => \&curl_lines;
subtest 'copying' => \&copying;
subtest 'keys that do not open anything' => \&bad_keys;
subtest 'lookups that find nothing' => \&bad_lookups;
subtest 'servers that do not help' => \&bad_servers;
subtest 'another address' => \&another_address;
subtest 'many entities' => \&many_entities;
subtest 'keyboard' => \&keyboard;
subtest 'screen reader' => \&screen_reader;
subtest 'phone, light and dark' => \&looks;
subtest 'forgetting' => \&forgetting;
subtest 'a key that is revoked' => \&revoked;
subtest 'no connection' => \&no_connection;
subtest 'nothing is left' => \&nothing_left;

done_testing();


# -- nginx ------------------------------------------------------------------

# Workers may not be able to enter the project's folder.

sub page {
    my $path = "$Tmp/entities.html";

    copy('share/entities.html', $path) or die "$path: $!\n";
    chmod 0644, $path;

    return slurp($path);
}


sub documented {
    my ($name) = @_;

    my ($block) = grep { $_->{test} eq "server $name" }
                  blocks(slurp('docs/entities-page.md'));
    my $text = $block->{text};

    $text =~ s{/var/lib/profile\b}{$Store};
    $text =~ s{/usr/local/share/profile/entities\.html}
              {$Tmp/entities.html};

    return $text;
}


sub nginx {
    # Connections wait here: nobody accepts them.
    our $Silent = IO::Socket::UNIX->new(Local => "$Tmp/silent", Listen => 9)
        or die "silent: $!\n";
    chmod 0666, "$Tmp/silent";

    for my $try (1 .. 5) {
        my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                         Listen => 1)->sockport;
        my $nginx = Test::Nginx::Profile::Daemon->new(config => <<"END");
listen 127.0.0.1:$port;
# Browsers connect before they have anything to ask.
client_header_timeout 3s;
@{[documented('page')]}
@{[documented('moved')]}
location = /tools/entities.html {
    alias $Tmp/entities.html;
}
location = /old/entities.html {
    alias $Tmp/entities.html;
    add_header Content-Security-Policy
               "script-src 'sha256-AAAA'; style-src 'sha256-AAAA'";
}
location /plain/ {
    profile_store $Store;
    profile_api;
}
location /gone/ {
    profile_store $Tmp/nothing;
    profile_api;
}
location /none/ {
    return 404;
}
location /busy/ {
    return 429;
}
location /html/ {
    return 200 "<html>";
}
location /other/ {
    return 200 '{"data":[{"id":"1/../2","name":"x"}]}';
}
location = /empty/entities {
    return 200 '{"data":[]}';
}
location /jump/ {
    return 302 /api/v1/entities;
}
location /silent/ {
    proxy_pass http://unix:$Tmp/silent;
    proxy_read_timeout 600s;
}
END

        return ($port, $nginx) if eval { $nginx->start };
        diag($@) if $try == 5;
    }

    die "nginx does not start\n";
}


# -- what tests share -------------------------------------------------------

sub open_page {
    my ($url) = @_;

    $Browser->go($url // $Here);

    return;
}


sub open_workspace {
    my ($key, $url) = @_;

    open_page($url);
    give_key($key // $Key);
    $Browser->shows('#entities-title', qr/entit/);

    return;
}


sub give_key {
    my ($key) = @_;

    $Browser->fill('#key', $key);
    $Browser->click('#key-form .main');

    return;
}


# Looks a record up, and waits until one of another text is there.

sub look_up {
    my ($entity, $id) = @_;

    my $card = "#list > li:nth-child($entity)";

    $Browser->js(<<'END', $card, $id);
const [card, id] = arguments;
const input = document.querySelector(card + " input");
input.value = id;
input.dispatchEvent(new Event("input"));
document.querySelector(card + " form").requestSubmit();
END
    $Browser->until_true(sub {
        $Browser->js(<<'END', $card);
const card = document.querySelector(arguments[0]);
return card && !card.querySelector("[aria-busy]")
       && card.querySelector("pre, .problem") !== null;
END
    });

    return $Browser->text("$card pre") // $Browser->text("$card .problem");
}


# A record as it is shown, without what makes it readable.

sub shown {
    my ($text) = @_;

    my ($joined, $string) = ('', qr/"(?:[^"\\]|\\.)*"/);

    $joined .= defined $1 ? $1 : $2 =~ s/\s+//gr
        while $text =~ /($string)|([^"]+)/g;

    return $joined;
}


sub picture {
    my ($name) = @_;

    my $folder = $ENV{PROFILE_TEST_PICTURES} or return;

    $Browser->picture("$folder/$name.png");

    return;
}


sub has_focus { return $Browser->js('return document.activeElement.id') }


sub until_focus {
    my ($id, $name) = @_;

    ok($Browser->until_true(sub { has_focus() eq $id }), $name)
        or diag(has_focus());

    return;
}


# -- what the file and nginx say --------------------------------------------

sub policy {
    my ($style) = $Page =~ m{<style>(.*?)</style>}s;
    my ($script) = $Page =~ m{<script>(.*?)</script>}s;
    my ($meta) = $Page =~ /Content-Security-Policy" content="([^"]*)"/;
    my $wanted = sprintf "default-src 'none'; script-src 'sha256-%s='; "
                         . "style-src 'sha256-%s='; img-src data:; "
                         . "connect-src 'self'; base-uri 'none'; "
                         . "form-action 'none'; "
                         . "require-trusted-types-for 'script'; "
                         . "trusted-types 'none'",
                         sha256_base64($script), sha256_base64($style);

    is($meta, $wanted, 'the policy in the head is that of script and style');

    my $reply = $Http->get($Here);
    my %header = %{ $reply->{headers} };

    is($reply->{status}, 200, 'nginx serves the page');
    is($reply->{content}, $Page, 'as it is');
    is($header{'content-type'}, 'text/html', 'as HTML');
    is($header{'content-security-policy'},
       "$wanted; frame-ancestors 'none'", 'with the policy in the header');
    is($header{'referrer-policy'}, 'no-referrer', 'Referrer-Policy');
    is($header{'x-content-type-options'}, 'nosniff', 'nosniff');
    is($header{'cross-origin-opener-policy'}, 'same-origin', 'the opener');

    my @outside = grep { $_ ne q(http://www.w3.org/2000/svg') }
                  $Page =~ m{((?:\w+:)?//[\w.-]+\.[\w./']+)}g;

    is("@outside", '', 'nothing in it is elsewhere');
    unlike($Page, qr/\s(?:src|on\w+|style)=/, 'no source, handler, style');
    unlike($Page, qr/\burl\(|\@import|<form[^>]* (?:action|method)|\sname="(?!
                     referrer|viewport|color-scheme|robots)/x,
           'nothing loaded, nothing that a form could send');
    unlike($script, qr/innerHTML|outerHTML|insertAdjacentHTML|document\.write
                       |\beval\b|\bFunction\(|localStorage|sessionStorage
                       |cookie|pushState|replaceState|indexedDB|caches/x,
           'nothing that makes text into code, or keeps it');

    # Without the script the page says so, whatever stopped it.
    open_page("$Base/old/entities.html");
    like($Browser->text('#dead') // '', qr/did not run/, 'another policy');
    is($Browser->text('#open'), undef, 'another policy: no field for a key');
    $Browser->console();

    open_page();
    is($Browser->js('return document.querySelector("#dead")'), undef,
       'the script runs');
    is($Browser->js(<<'END'), 'TypeError', 'others do not');
try {
    const script = document.createElement("script");
    script.textContent = "window.hacked = 1";
    document.body.append(script);
    return window.hacked ? "runs" : "does not run";
} catch (error) {
    return error.name;
}
END
    like(join(' ', $Browser->console()), qr/Trusted/, 'which is said');

    # The policy in the head alone.
    open_page("$Base/tools/entities.html?api=/api/v1/");
    like($Browser->js(<<'END'), qr/blocked|TypeError/, 'not to other hosts');
return fetch("http://127.0.0.2:1/", { mode: "no-cors" })
       .then(() => "fetched", error => error.name);
END
    like(join(' ', $Browser->console()), qr/violates.*Content Security/,
         'by the policy');

    return;
}


# -- entities and records ---------------------------------------------------

sub entities {
    open_page();
    is(has_focus(), 'key', 'the field for the key has the focus');
    is($Browser->text('#api'), "$Base/api/v1/", 'the API is in this folder');
    is($Browser->js('return getComputedStyle(document.activeElement)'
                    . '.webkitTextSecurity'), 'disc', 'a key is covered');
    $Browser->click('#show');
    is($Browser->js('return getComputedStyle(document.querySelector("#key"))'
                    . '.webkitTextSecurity'), 'none', 'unless it is asked for');

    # As it is pasted out of a terminal.
    give_key("  $Key ");
    is($Browser->shows('#entities-title', qr/./), '3 entities', 'all of them');
    is(has_focus(), 'entities-title', 'which the focus goes to');
    is($Browser->text('#open'), undef, 'the field is gone');
    like($Browser->text('#held'), qr/Key in memory/, 'the key is held');

    my @names = map { $Browser->text("#list > li:nth-child($_) h3") } 1 .. 3;

    is_deeply(\@names, ['Users', 'Companies', '<img src=x onerror=hacked=1>'],
              'their names');
    is($Browser->text('#list > li:nth-child(2) .title p'), 'id 2 · library 1',
       'ids');
    is($Browser->text('#list > li:nth-child(2) code'),
       "$Base/api/v1/entities/2/record?record_id={record_id}", 'the URL');
    is(scalar(grep { /Content Security|Trusted/ } $Browser->console()), 0,
       'nothing that the policy forbids');

    return;
}


sub record {
    my $url = "$Base/api/v1/entities/1/record?record_id=478060";
    my $reply = $Http->get($url, { headers => {
        Authorization => "Bearer $Key" } });
    my ($body) = $reply->{content} =~ /^\{"data":(.*)\}$/;

    is(shown(look_up(1, '478060')), $body, 'the record');
    is($body, $Person, 'which is the row');

    my %fact = map { split /\n/, $_, 2 } @{ $Browser->js(<<'END') };
return [...document.querySelectorAll(".facts > div")]
       .map(fact => fact.innerText);
END

    is($fact{ETag}, $reply->{headers}{etag}, 'ETag');
    is($fact{Size}, length($reply->{content}) . ' bytes', 'size');
    like($fact{Changed}, qr/^\d+ \w+ \d{4}.* \d\d:\d\d:\d\d .*\n.*(?:ago|now)$/,
         'a time for people');

    my @times = @{ $Browser->js(<<'END') };
return [...document.querySelectorAll(".facts time")].map(t => t.dateTime);
END

    is(epoch($times[0]), http_date($reply->{headers}{'last-modified'}),
       'changed: Last-Modified');

    my $run = profile_loader($Store, 'status', '--json');
    my ($refreshed) = JSON::PP->new->decode(ref $run ? $run->{out} : $run)
                      ->{workspaces}[0]{entities}[0]{refreshed_at};

    cmp_ok(abs(epoch($times[1]) - epoch($refreshed)), '<=', 1,
           'refreshed: when the loader did');

    # The lines are indented, and a line is one of the page.
    my @lines = split /\n/, $Browser->text('pre');

    is($lines[0], '{', 'the first line');
    is($lines[1], '  "id": "478060",', 'the second line');
    is((grep { /position/ } @lines)[0], '    "position": [', 'deeper');
    is($lines[-1], '}', 'the last line');
    like($Browser->text('#status'), qr/^Record 478060 of Users, \d+ bytes$/,
         'a screen reader is told') if $Browser->shows('#status', qr/Record/);

    # Without the header that says how old the data is.
    open_workspace($Key, "$Base/tools/entities.html?api=/plain/");
    look_up(1, '478060');
    unlike($Browser->text('.facts'), qr/Refreshed/, 'no age: not refreshed');
    like($Browser->text('.facts'), qr/Changed/, 'no age: but changed');

    return;
}


sub epoch {
    my ($text) = @_;

    return 0 if ($text // '')
                !~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)/;

    return timegm($6, $5, $4, $3, $2 - 1, $1);
}


sub http_date {
    my ($text) = @_;

    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 0 .. 11;

    $text =~ /(\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT/ or return;

    return timegm($6, $5, $4, $1, $month{$2}, $3);
}


sub bytes {
    open_workspace();
    is(shown(look_up(1, 'numbers')), $Numbers, 'numbers of any length');
    like($Browser->text('pre'),
         qr/\Q  "list": [\E\n    1\.0,\n    \[\],\n    \{\},\n    \[\n      2\.50\n/,
         'empty ones take one line');
    like(look_up(1, $Awkward), qr/"found": "awkward"/, 'an awkward id');

    my ($line) = grep { m{ /api/v1/entities/1/record\?record_id=a} }
                 reverse split /\n/, slurp("$Nginx->{prefix}/access.log");

    like($line, qr{record_id=a%20b%26record_id%3Dc%23d%3Fe%2Ff%2541%2Bg%27h
                   %22i%5C%C3%A9%F0%9F%98%80%28%21%29%2A\ }x,
         'is sent percent-encoded');

    return;
}


sub hostile {
    open_workspace();

    my $text = look_up(3, $Hostile);

    utf8::encode($text);
    is(shown($text), $Row{hostile}, 'HTML is shown as it is');
    is($Browser->text('h4'), "Record $Hostile", 'in the heading, too');
    is($Browser->js('return window.hacked'), undef, 'and does nothing');
    is_deeply($Browser->js(<<'END'), [], 'and makes no elements');
return [...document.querySelectorAll("main script, img, a, pre b")]
       .filter(e => e !== document.querySelector("body > main > script"))
       .map(e => e.outerHTML);
END
    is($Browser->js(<<'END'), 'isolate', 'text that turns around stays inside');
return getComputedStyle(document.querySelector("pre .text")).unicodeBidi;
END
    like(look_up(1, $Hostile), qr/no such record/, 'an id of HTML');

    return;
}


sub large {
    open_workspace();

    for my $name ('large', 'many') {
        my $text = look_up(3, $name);

        cmp_ok(length $text, '<', 600_000, "$name: a part is shown");
        like($Browser->text('.record > .note'), qr/only the beginning/,
             "$name: which is said");
    }

    # Where indentation ends.
    is(shown(look_up(3, 'deep')), $Row{deep}, 'deep: whole')
        or diag(length $Browser->text('pre'));
    is($Browser->js('return document.querySelector("pre.long") !== null'), 1,
       'deep: scrolls by itself');

    return;
}


# -- copying ----------------------------------------------------------------

sub curl_lines {
    open_workspace();

    my $line = $Browser->text('#list > li:nth-child(1) div + div code');

    like($line, qr/'record_id=\{record_id\}'/, 'a place for the id');
    unlike($line, qr/\Q$Key\E/, 'no key');

    for my $id ('478060', $Awkward) {
        $Browser->fill('#record-1', '');
        $Browser->js('const i = document.querySelector("#record-1");'
                     . 'i.value = arguments[0];'
                     . 'i.dispatchEvent(new Event("input"))', $id);
        $line = $Browser->text('#list > li:nth-child(1) div + div code');

        my $out = run_line($line);

        is($out, '{"data":' . ($id eq $Awkward ? $Row{awkward} : $Person) . '}',
           'sh prints the record');
    }

    return;
}


sub run_line {
    my ($line) = @_;

    utf8::encode($line);
    local $ENV{PROFILE_KEY} = $Key;
    local $ENV{no_proxy} = '*';

    open my $pipe, '-|', 'sh', '-c', "$line -sS" or die "sh: $!\n";
    local $/;

    return scalar <$pipe>;
}


# With the browser's clipboard where there is TLS or this machine, and without.

sub copying {
    for my $host ('127.0.0.1', 'page.test') {
        my $base = "http://$host:$Port";

        open_workspace($Key, "$base/api/v1/entities.html");
        is($Browser->js('return isSecureContext') ? 1 : 0,
           $host eq '127.0.0.1' ? 1 : 0, "$host: is secure or not");
        is($Browser->js('return document.querySelector("#clear").hidden')
           ? 1 : 0, $host eq '127.0.0.1' ? 1 : 0, "$host: which is said");

        my %wanted = (
            "Copy URL of Users" =>
                "$base/api/v1/entities/1/record?record_id={record_id}",
            "Copy curl line of Companies" =>
                'curl -G -H "Authorization: Bearer $PROFILE_KEY" '
                . "--data-urlencode 'record_id={record_id}' "
                . "'$base/api/v1/entities/2/record'",
        );

        for my $name (sort keys %wanted) {
            my $css = qq([aria-label="$name"]);

            $Browser->click($css);
            is($Browser->shows($css, qr/^Cop/), 'Copied', "$host: $name")
                if $Browser->until_true(sub {
                    $Browser->text($css) ne 'Copy' });
            is(pasted(), $wanted{$name}, "$host: $name: the clipboard");
        }

        look_up(1, 'numbers');
        $Browser->click('.actions button');
        $Browser->shows('.actions button', qr/Copied/);
        is(pasted(), $Numbers, "$host: JSON, as it came");
    }

    return;
}


sub pasted {
    $Browser->fill('#record-3', '');
    $Browser->click('#record-3');
    $Browser->press('control+v');

    return $Browser->js('return document.querySelector("#record-3").value');
}


# -- errors -----------------------------------------------------------------

sub bad_keys {
    my %wanted = (
        '' => qr/Paste a key/,
        'two words' => qr/cannot be a key.* no spaces/s,
        'schlüssel' => qr/cannot be a key/,
        'secret-token:wrong' => qr/The key is not valid.*\n401 invalid_key/s,
    );

    for my $key (sort keys %wanted) {
        open_page();
        give_key($key);
        like($Browser->shows('#key-problem', qr/./), $wanted{$key},
             "\"$key\"");
        is(has_focus(), 'key', "\"$key\": the focus is in the field");
        is($Browser->js('return document.querySelector("#key")'
                        . '.getAttribute("aria-invalid")'), 'true',
           "\"$key\": which is invalid");
    }

    give_key($Key);
    like($Browser->shows('#entities-title', qr/./), qr/entities/,
         'then a good one');
    is($Browser->js('return document.querySelector("#key-problem")'
                    . '.textContent'), '', 'the problem is gone');

    return;
}


sub bad_lookups {
    my %wanted = (
        '' => qr/Give a primary key/,
        'nobody' => qr/There is no such record.*\n404 record_not_found/s,
        'x' x 501 => qr/cannot be a primary key.*\n400 invalid_record_id/s,
    );

    open_workspace();

    for my $id (sort keys %wanted) {
        my $name = length $id > 9 ? length($id) . ' characters' : "\"$id\"";

        like(look_up(1, $id), $wanted{$id}, $name);
        is($Browser->js('return document.querySelector("#record-1")'
                        . '.getAttribute("aria-invalid")'), 'true',
           "$name: the field is invalid");
    }

    # Half of a character cannot be put into a URL.
    $Browser->js(<<'END');
document.querySelector("#record-1").value = "\uD83D";
document.querySelector("#record-1").form.requestSubmit();
END
    like($Browser->shows('#problem-1', qr/half/), qr/half of a character/,
         'half of a character');
    is(shown(look_up(1, '478060')), $Person, 'then a good one');
    is($Browser->text('#problem-1'), '', 'the problem is gone');

    # A list that is no longer true.
    profile_apply($Store, $Text =~ s/^entity 2 .*\n.*\n//mr);
    like(look_up(2, 'example.com'), qr/entity is gone.*\n404 entity_not_found/s,
         'the entity has been removed');
    profile_sync($Store, $Text);
    like(look_up(2, 'example.com'), qr/example/, 'and is back');

    return;
}


sub bad_servers {
    my %wanted = (
        gone => qr/cannot be read.* wait 1 second\..*\n503 store_unavail/s,
        none => qr/There is no API here.*\n404$/s,
        busy => qr/Too many requests.*\n429\n/s,
        html => qr/This is not the Profile API/,
        other => qr/This is not the Profile API/,
        jump => qr/cannot be reached/,
    );

    for my $name (sort keys %wanted) {
        open_page("$Base/tools/entities.html?api=/$name/");
        give_key($Key);

        my $text = $Browser->shows('#key-problem', qr/./);

        like($text, $wanted{$name}, $name);
        is($text =~ /Try again/ ? 1 : 0,
           $name =~ /gone|busy|jump/ ? 1 : 0, "$name: again or not");
        is($Browser->text('#entities'), undef, "$name: no list");
    }

    return;
}


# -- addresses --------------------------------------------------------------

sub another_address {
    open_workspace($Key, "$Base/tools/");
    is($Browser->url(), "$Base/tools/entities.html?api=/api/v1/",
       'as documented: the address');
    is(shown(look_up(1, '478060')), $Person, 'as documented: a record');

    open_page("$Base/tools/entities.html?api=../api/v1");
    is($Browser->text('#api'), "$Base/api/v1/", 'a relative one');

    for my $api ('https://evil.example/', '//evil.example/', '\\\\evil.example',
                 "http://127.0.0.1:1/", 'javascript:1', 'http://[',
                 'data:,x', 'blob:x')
    {
        open_page("$Base/tools/entities.html?api=$api");
        like($Browser->text('#key-problem'), qr/address of the API is wrong/,
             "$api: refused");
        is($Browser->js('return document.querySelector("#key").disabled'), 1,
           "$api: takes no key");
    }

    return;
}


sub many_entities {
    open_workspace($Other);
    is($Browser->text('#entities-title'), '12 entities', 'twelve');

    my $left = sub { return $Browser->js(<<'END') };
return [...document.querySelectorAll("#list > li")]
       .filter(e => e.checkVisibility())
       .map(e => e.querySelector("h3").innerText).join();
END

    $Browser->fill('#filter', 'NUMBER 1');
    is($left->(), join(',', map { "Entity number $_" } 1, 10 .. 12),
       'those of a name');
    is($Browser->shows('#status', qr/of 12/), '4 of 12 entities', 'is said');
    $Browser->fill('#filter', '7');
    is($left->(), 'Entity number 7', 'the one with an id');

    open_workspace();
    is($Browser->text('#filter-box'), undef, 'a few need no filter');

    open_workspace($Key, "$Base/tools/entities.html?api=/empty/");
    is($Browser->text('#entities-title'), 'No entities yet', 'none');
    like($Browser->text('#list'), qr/no entity whose first load/, 'and why');
    is($Browser->text('#shell'), undef, 'and no word on curl');

    return;
}


# -- for everybody ----------------------------------------------------------

sub keyboard {
    $Browser->screen(1280, 900);
    open_page();
    $Browser->press($Key, 'enter');
    until_focus('entities-title', 'a key and Enter');

    my @wanted = ('Copy URL of Users', 'Copy curl line of Users',
                  'record-1', 'Look up', 'Copy URL of Companies',
                  'Copy curl line of Companies', 'record-2', 'Look up');
    my (@found, @rings);

    for (@wanted) {
        $Browser->press('tab');

        my ($name, $ring) = @{ $Browser->js(<<'END') };
const e = document.activeElement;
const style = getComputedStyle(e);
return [e.ariaLabel || e.id || e.innerText,
        style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2];
END
        push @found, $name;
        push @rings, $name if !$ring;
    }

    is_deeply(\@found, \@wanted, 'Tab goes from entity to entity');
    is("@rings", '', 'and each shows that it has the focus');

    $Browser->press('shift+tab', 'example.com', 'enter');
    $Browser->shows('pre', qr/example/);
    is(has_focus(), 'record-2', 'a lookup leaves the focus where it is');
    $Browser->press('tab', 'tab');
    is($Browser->js('return document.activeElement.innerText'), 'Copy JSON',
       'then its record');
    $Browser->press('tab');
    is($Browser->js('return document.activeElement.tagName'), 'PRE',
       'which can be scrolled');

    # The bar on top does not hide what has the focus.
    $Browser->screen(1280, 400);
    $Browser->js('document.querySelector("#record-2").focus();'
                 . 'scrollTo(0, document.body.scrollHeight)');
    $Browser->press('shift+tab', 'shift+tab');
    is($Browser->js(<<'END'), 1, 'nothing lies over the focus');
const box = document.activeElement.getBoundingClientRect();
const bar = document.querySelector(".bar").getBoundingClientRect();
return box.top >= bar.bottom;
END

    $Browser->screen(1280, 900);
    $Browser->js('document.querySelector("#forget").focus()');
    $Browser->press('enter');
    until_focus('key', 'Forget key: back in the field');

    return;
}


sub screen_reader {
    open_page();
    give_key('secret-token:wrong');
    $Browser->shows('#key-problem', qr/./);

    my @nodes = $Browser->accessible();
    my ($field) = grep { $_->{role} eq 'textbox' } @nodes;

    is($Browser->unnamed(@nodes), '', 'the form: all have names');
    is($field->{name}, 'Workspace key', 'the field');
    ok($field->{invalid} && $field->{invalid} eq 'true', 'is invalid');
    ok((grep { $_->{role} eq 'alert' } @nodes), 'the problem is an alert');
    like($Browser->js('const ids = document.querySelector("#key")'
                      . '.getAttribute("aria-describedby").split(" ");'
                      . 'return ids.map(id => document.getElementById(id)'
                      . '.innerText).join()'),
         qr/memory.*not valid/s, 'and describes the field');

    give_key($Key);
    $Browser->shows('#entities-title', qr/./);
    look_up(1, '478060');
    look_up(2, 'nobody');
    @nodes = $Browser->accessible();

    my %role;
    push @{ $role{ $_->{role} } }, $_ for @nodes;

    is($Browser->unnamed(@nodes), '', 'the list: all have names');
    is(scalar @{ $role{banner} }, 1, 'a banner');
    is(scalar @{ $role{main} }, 1, 'a main part');
    is_deeply([map { $_->{name} } @{ $role{article} }],
              ['Users', 'Companies', '<img src=x onerror=hacked=1>'],
              'an article for each entity');
    is_deeply([map { "$_->{level} $_->{name}" } @{ $role{heading} }],
              ['1 Entities', '2 3 entities', '3 Users', '4 Record 478060',
               '3 Companies', '3 <img src=x onerror=hacked=1>'],
              'headings, none left out');
    is((grep { $_->{name} eq 'Primary key' } @{ $role{textbox} }), 3,
       'a field for each');
    ok((grep { $_->{name} eq 'JSON of record 478060 of Users' }
        @{ $role{region} }), 'the JSON is a region');
    is($Browser->js('return document.documentElement.lang'), 'en', 'language');
    is($Browser->js(<<'END'), 0, 'no id twice');
const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
return ids.length - new Set(ids).size;
END

    return;
}


# Widths from the narrowest phone on, both schemes, all that can be seen.

sub looks {
    my %state = (
        key => sub { open_page() },
        problem => sub {
            open_page();
            give_key('secret-token:wrong');
            $Browser->shows('#key-problem', qr/./);
        },
        record => sub {
            open_workspace();
            look_up(1, '478060');
            look_up(2, 'example.net');
        },
        many => sub { open_workspace($Other) },
    );

    for my $scheme ('light', 'dark') {
        for my $size ([320, 568], [390, 844], [1280, 800]) {
            $Browser->screen(@$size, $scheme);

            for my $name (sort keys %state) {
                my $what = "$name, $scheme, $size->[0] wide";

                $state{$name}->();
                $Browser->js('document.activeElement.blur(); scrollTo(0, 0)')
                    if $name ne 'key';
                picture("$name-$scheme-$size->[0]") if $size->[0] > 320;

                is_deeply($Browser->too_wide(), [],
                          "$what: no scrolling to the side");
                is_deeply($Browser->too_small(), [],
                          "$what: large enough for fingers");
                is_deeply($Browser->too_faint(), [], "$what: contrast");
            }
        }

        # Would it be seen?
        $Browser->js(<<'END');
document.documentElement.style.setProperty("--soft", "#777777");
END
        cmp_ok(scalar @{ $Browser->too_faint() }, '>', 2,
               "$scheme: what is faint shows");
    }

    # Text at twice its size on a small screen (WCAG 1.4.4, 1.4.10).
    $Browser->screen(320, 568);
    $state{record}->();
    $Browser->js('document.documentElement.style.fontSize = "200%"');
    is_deeply($Browser->too_wide(), [],
              'large letters: no scrolling to the side');
    picture('record-large-320');
    $Browser->screen(1280, 900);

    return;
}


# -- the key ----------------------------------------------------------------

sub forgetting {
    open_workspace();
    look_up(1, '478060');
    $Browser->click('#forget');
    until_focus('key', 'the field is back');
    is($Browser->text('#entities'), undef, 'the list is gone');
    unlike($Browser->js('return document.documentElement.outerHTML'),
           qr/Jabes|478060|Companies/, 'and nothing of it is in the page');
    is($Browser->js('return [...document.querySelectorAll("input")]'
                    . '.map(e => e.value).join("")'), '', 'nor in a field');

    # Nor is it said afterwards.
    open_workspace();
    is($Browser->js(<<'END'), '', 'at the moment that a record is there, too');
const said = [];
const status = document.querySelector("#status");
const watch = (element, action) => new MutationObserver(action)
    .observe(element, { childList: true, subtree: true, characterData: true });
document.querySelector("#record-1").value = "478060";
document.querySelector("#record-1").form.requestSubmit();
return new Promise(done => watch(document.querySelector("#list"), () => {
    if (document.querySelector("pre")) {
        document.querySelector("#forget").click();
        watch(status, () => {
            said.push(status.textContent);
            if (status.textContent === "Key forgotten") {
                done(said.filter(words => /478060/.test(words)).join());
            }
        });
    }
}));
END

    # A reply that nobody waits for any more.
    open_page("$Base/tools/entities.html?api=/silent/");
    give_key($Key);
    ok($Browser->until_true(sub { $Browser->js(
        'return document.querySelector("#key-form[aria-busy]") !== null') }),
       'a server that does not answer');
    give_key('two words');
    like($Browser->shows('#key-problem', qr/./), qr/no spaces/,
         'another key in the meantime');

    for my $way ('reload', 'leaving and coming back') {
        open_workspace();
        look_up(1, '478060');

        if ($way eq 'reload') {
            $Browser->reload();
        } else {
            $Browser->go('about:blank');
            $Browser->back();
        }

        $Browser->shows('#open', qr/Workspace key/);
        is($Browser->text('#entities'), undef, "$way: the list is gone");
        is($Browser->js('return [...document.querySelectorAll("input")]'
                        . '.map(e => e.value).join("")'), '',
           "$way: no field is filled");
    }

    return;
}


sub revoked {
    open_workspace();
    look_up(1, '478060');
    profile_apply($Store, $Text =~ s/ key=\Q$Key\E//r);
    $Browser->js('document.querySelector("#record-1").form.requestSubmit()');
    like($Browser->shows('#key-problem', qr/./),
         qr/The key is not valid.*\n401 invalid_key/s, 'is said');
    is($Browser->text('#entities'), undef, 'and closes the workspace');
    until_focus('key', 'for another key');
    profile_apply($Store, $Text);

    return;
}


sub nothing_left {
    # The places that a page can write to, after use.
    $Nginx->start if !$Nginx->pid;
    open_page();

    my $length = $Browser->js('return history.length');

    give_key($Key);
    $Browser->shows('#entities-title', qr/./);
    look_up(1, '478060');

    my $state = $Browser->js(<<'END');
return Promise.all([indexedDB.databases(), caches.keys()])
.then(([bases, caches]) => ({
    length: history.length, state: history.state, title: document.title,
    cookie: document.cookie, local: localStorage.length,
    session: sessionStorage.length, name: window.name,
    bases: bases.length + caches.length,
    html: document.documentElement.outerHTML,
    fields: [...document.querySelectorAll("input")].map(e => e.value).join(),
    from: performance.getEntriesByType("resource").map(e => e.name),
}));
END

    is($Browser->url(), $Here, 'the address');
    is($state->{length}, $length, 'the history is not longer');
    is($state->{state}, undef, 'and has no state');
    is($state->{title}, 'Entities', 'the title');
    is("@$state{qw(cookie local session name bases)}", ' 0 0  0',
       'cookies, storage, name, databases and caches');
    unlike($state->{html}, qr/\Q$Key\E/, 'the key is not in the page');
    unlike($state->{fields}, qr/\Q$Key\E/, 'nor in a field');
    is_deeply([sort @{ $state->{from} }],
              ["$Base/api/v1/entities",
               "$Base/api/v1/entities/1/record?record_id=478060"],
              'nothing else was asked for');

    my $log = slurp("$Nginx->{prefix}/access.log");
    my @pages = grep { m{"GET /(?:api/v1|tools|plain)/} } split /\n/, $log;

    cmp_ok(scalar @pages, '>', 50, 'there is a log');
    is(scalar(grep { !/" \d+ \d+ "-" "/ && !/curl|HTTP-Tiny/ } @pages), 0,
       'no request has a Referer');
    unlike($log . slurp("$Nginx->{prefix}/error.log"), qr/\Q$Key\E/,
           'no log has the key');

    # What the browser has written to its disk.
    $Browser->quit();

    my %found = (page => 0, key => 0, record => 0, id => 0);
    my $two = sub { my ($text) = @_; return join '|', map { quotemeta }
                    $text, join "\0", split(//, $text), '' };
    my %pattern = (page => $two->('entities.html'), key => $two->($Key),
                   record => $two->('Prefers to be called'),
                   id => $two->('record_id=478060'));

    File::Find::find({ no_chdir => 1, wanted => sub {
        return if !-f $_;
        my $bytes = slurp($_);
        $found{$_}++ for grep { $bytes =~ /$pattern{$_}/ } keys %pattern;
    } }, "$Profile/profile");

    cmp_ok($found{page}, '>', 0, 'the browser remembers the page');
    is($found{$_}, 0, "but not: $_") for 'key', 'record', 'id';

    $Nginx->stop;

    return;
}


sub no_connection {
    open_workspace();
    $Nginx->stop;

    like(look_up(1, '478060'), qr/cannot be reached.*Try again/s, 'is said');
    $Nginx->start;
    $Browser->click('#problem-1 button');
    like($Browser->shows('#list > li:nth-child(1) pre', qr/./), qr/Boris/,
         'another try');
    is(has_focus(), 'record-1', 'the focus is in the field');

    return;
}
