# Why: the examples of docs/recipes.md that people look at put other people's
# text before them. The sidebar is loaded into a real Chromium and asks nginx
# as the page has it; the site's start page is seen as its visitors see it.

use strict;
use warnings;
use utf8;

use lib 't/lib';

use Digest::SHA qw(sha256_hex);
use File::Copy qw(copy);
use File::Find ();
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;

use ProfileBrowser;
use ProfileDocs;

binmode Test::More->builder->$_, ':encoding(UTF-8)'
    for qw(output failure_output todo_output);

my $Top = docs_top();
my $Root = docs_root();
my $Json = JSON::PP->new->utf8->canonical;
my %Block = map { $_->{test} => $_ } blocks(slurp("$Top/docs/recipes.md"));
my $Profile = tempdir('b-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Extension = "$Profile/sidebar";

# Values that would do something if they were anything but text.
my $Hostile = q{</script><script>hacked=1</script>"'><img src=x }
              . q{onerror=hacked=1><!--# include virtual="/visitor/entities" }
              . q{-->&quot;&lt;b&gt;};
my @Hostile = ({ id => '666', email => 'eve@example.com',
                 first_name => $Hostile, '<b>name</b>' => '&amp;',
                 reversed => "\x{202E}drow", list => [$Hostile, \1],
                 deep => { $Hostile => [$Hostile] },
                 deeper => [[[{ c => { d => [{}] } }]]], __proto__ => 'own' });
my %Visitor = (
    666 => { first_name => $Hostile, recommended => [
        { title => $Hostile, url => '/good', why => $Hostile },
        { title => 'script', url => 'javascript:hacked=1' },
        { title => 'data', url => 'data:text/html,x' },
        { title => 'elsewhere', url => 'https://evil.example/' },
        { title => 'elsewhere, too', url => '//evil.example/' },
        { title => 'no address' }, { url => '/no-title' },
        { title => { a => 1 }, url => ['/x'] }, undef, 'text', 7 ] },
    667 => { first_name => ['a'], recommended => { a => 1 } },
    668 => { first_name => undef, recommended => 'x' },
);

install();

my $Port = serve('http sidebar', <<'END');
server {
    listen 127.0.0.1:8080;
    server_name crm.test;
    root /srv/crm;
    default_type text/html;
}
server {
    listen 127.0.0.1:8080;
    server_name other.test;
    add_header Access-Control-Allow-Origin $http_origin always;
    add_header Access-Control-Allow-Credentials true always;
    location /refused/ {
        return 403;
    }
    location /other/ {
        return 200 "[]";
    }
    location /busy/ {
        return 429;
    }
}
END

my $Id = extension();
my $Browser = ProfileBrowser->new(dir => $Profile,
    hosts => 'MAP *.test 127.0.0.1', args => ["--load-extension=$Extension"]);

subtest 'the extension asks for little' => \&manifest;
subtest 'its worker' => \&worker;
subtest 'the panel opens' => \&opening;
subtest 'the only customer of a page' => \&only_one;
subtest 'several customers' => \&several;
subtest 'what is found in a page' => \&finding;
subtest 'hostile records' => \&hostile_records;
subtest 'what goes wrong' => \&problems;
subtest 'a slow server' => \&slow_server;
subtest 'keyboard' => \&keyboard;
subtest 'screen reader' => \&screen_reader;
subtest 'light and dark' => \&looks;
subtest 'configurations' => \&configurations;
subtest 'the start page' => \&site;
subtest 'nothing is left' => \&nothing_left;

done_testing();


# -- what tests share -------------------------------------------------------

sub install {
    for my $test (keys %Block) {
        write_example($1, $Block{$test}{text}) if $test =~ /^file (\S+)$/;
    }

    write_types();

    append('customers', @Hostile);
    append('visitors', map { { id => "$_", %{ $Visitor{$_} } } }
                       sort keys %Visitor);

    like(run_sh('profile-loader sync'), qr/Visitors: 5 rows, 0 invalid/,
         'the data');

    make_path("$Root/srv/crm");
    page('one', '<h1>Ticket 4711</h1><p>From: Boris.Jabes, '
                . '<b>BORIS@example.com</b>, on Monday</p>');
    page('two', '<p>ada@example.org wrote to boris@example.com, '
                . 'nobody@example.net, and ada@example.org</p>');
    page('eve', '<p>eve@example.com</p>');
    page('none', '<p>Nobody here</p><input type="password" value="p@x.example">'
                 . '<p hidden>hidden@example.com</p>'
                 . '<script>"script@example.com"</script>');
    page('places', '<a href="MAILTO:a%40example.com?subject=s@example.com">A'
                   . '</a><input type="email" value="b@example.com">'
                   . '<textarea>c@example.com</textarea><p>d@example.com</p>'
                   . '<p class="from">e@example.com</p>');
    page('many', join ' ', map { "p$_\@example.com" } 1 .. 50);

    copy($_, "$Root/srv/www") or die "$_: $!\n"
        for glob "$Top/docs/examples/site/*";

    return;
}


sub append {
    my ($name, @rows) = @_;

    open my $out, '>>', "$Root/srv/exports/$name.ndjson" or die "$name: $!\n";
    print {$out} map { $Json->encode($_) . "\n" } @rows;
    close $out or die "$name: $!\n";

    return;
}


sub page {
    my ($name, $body) = @_;

    spew("$Root/srv/crm/$name", "<!DOCTYPE html><title>$name</title>$body");

    return;
}


sub serve {
    my ($test, $more) = @_;

    my $text = $Block{$test}{text} . ($more // '');

    start_nginx(wrap({ test => $test, text => $text }, <<'END'));
access_log off;
# Browsers connect before they have anything to ask.
client_header_timeout 1s;
END

    return docs_port();
}


# A copy of the folder, for the server of this test. Nobody presses an icon
# here, so that the browser grants by a permission what it grants with that.

sub extension {
    my $file = "$Extension/manifest.json";

    make_path($Extension);

    for my $each (glob "$Top/docs/examples/sidebar/*") {
        copy($each, $Extension) or die "$each: $!\n";
    }

    my $manifest = $Json->decode(slurp($file));

    $manifest->{host_permissions} = ['http://crm.test/*'];
    spew($file, $Json->encode($manifest));
    configure();

    return sha256_hex(decode_base64($manifest->{key}))
           =~ s/^(.{32}).*/$1/r =~ tr/0-9a-f/a-p/r;
}


sub configure {
    my (%other) = @_;

    my $config = $Json->decode(slurp("$Top/docs/examples/sidebar/config.json"));

    %$config = (%$config, endpoint => "http://127.0.0.1:$Port/sidebar/",
                %other);
    spew("$Extension/config.json", $Json->encode($config));

    return;
}


# The panel beside a page in a tab of its own.

sub panel {
    my ($page) = @_;

    my $panel = "chrome-extension://$Id/panel.html";

    $Browser->go("$panel?tab=-1");
    my $tab = $Browser->js(<<'END', "http://crm.test:$Port/$page");
const [url] = arguments;
return (async () => {
    const { id } = await chrome.tabs.create({ url, active: false });
    while ((await chrome.tabs.get(id)).status !== "complete") {
        await new Promise(done => setTimeout(done, 10));
    }
    return id;
})();
END
    $Browser->go("$panel?tab=$tab");

    return $tab;
}


sub in_page {
    my ($tab, $select) = @_;

    return $Browser->js(<<'END', $tab, $select);
const [tabId, css] = arguments;
return chrome.scripting.executeScript({ target: { tabId }, args: [css],
    func: css => {
        const element = document.querySelector(css);
        if (element.select) {
            element.select();
        } else {
            getSelection().selectAllChildren(element);
        }
    } });
END
}


sub shown { return $Browser->shows('#record', qr/\S/) }


sub fields {
    return $Browser->js(<<'END');
return [...document.querySelectorAll("#record > dl > div")]
       .map(e => [...e.children].map(each => each.innerText));
END
}


sub found {
    return join ' ', @{ $Browser->js(<<'END') };
return [...document.querySelectorAll("#ids button")].map(e => e.innerText
    + (e.getAttribute("aria-pressed") === "true" ? "!" : ""));
END
}


sub lookup {
    my ($id) = @_;

    $Browser->fill('#id', $id);
    $Browser->click('#form .main');
    $Browser->until_true(sub { $Browser->js(
        'return !document.querySelector("[aria-busy]")') });

    return;
}


sub picture {
    my ($name) = @_;

    my $folder = $ENV{PROFILE_TEST_PICTURES} or return;

    $Browser->picture("$folder/$name.png");

    return;
}


# -- the extension ----------------------------------------------------------

sub manifest {
    my $manifest = $Json->decode(
        slurp("$Top/docs/examples/sidebar/manifest.json"));

    is(join(' ', @{ $manifest->{permissions} }),
       'activeTab contextMenus scripting sidePanel', 'permissions');
    ok(!(grep { /host|content_scripts|externally/ } keys %$manifest),
       'none for any page');
    like($manifest->{content_security_policy}{extension_pages},
         qr/\Adefault-src 'none'; script-src 'self';/, 'a policy');
    like($Block{'http sidebar'}{text}, qr{chrome-extension://$Id\$},
         'nginx admits this one');

    # The browser has taken these letters for itself, without a word to the
    # extension that asks for one.
    my $keys = $manifest->{commands}{_execute_action}{suggested_key}{default};

    like($keys, qr/\AAlt\+Shift\+[^ABCGINPRTWXZ]\z/, 'a shortcut');
    ok(index(slurp("$Top/docs/recipes.md"), $keys) >= 0, 'as the page says');

    my $files = join ' ', sort map { s{.*/}{}r }
                glob "$Top/docs/examples/sidebar/*";

    is($files, 'config.json find.js icon-128.png icon-32.png manifest.json '
               . 'panel.css panel.html panel.js worker.js', 'its files');

    $Browser->go("chrome-extension://$Id/panel.html?tab=-1");
    is($Browser->js('return chrome.runtime.id'), $Id, 'it is loaded');

    return;
}


# What the worker does with an icon that is pressed: nothing here presses one.

sub worker {
    $Browser->go("http://crm.test:$Port/none");

    my $source = slurp("$Extension/worker.js") =~ s/^export //mr;
    my $calls = $Browser->js(<<'END', $source);
const calls = [];
const call = name => (...args) => { calls.push([name, ...args]); };
const event = () => ({ addListener(f) { this.fire = f; } });
const chrome = {
    sidePanel: { setOptions: call("setOptions"), open: call("open") },
    runtime: { onInstalled: event(), sendMessage: message => {
        calls.push(["sendMessage", message]);
        return Promise.reject(new Error("nobody listens"));
    } },
    contextMenus: { create: call("create"), onClicked: event() },
    action: { onClicked: event() },
};
new Function("chrome", arguments[0])(chrome);
chrome.runtime.onInstalled.fire();
chrome.action.onClicked.fire({ id: 7 });
chrome.contextMenus.onClicked.fire({ menuItemId: "other" }, { id: 9 });
chrome.contextMenus.onClicked.fire({ menuItemId: "show" }, { id: 8 });
return calls;
END

    is_deeply([map { $_->[0] } @$calls],
              ['create', ('setOptions', 'open', 'sendMessage') x 2], 'calls');
    is($calls->[0][1]{contexts}[0], 'selection', 'a menu for selections');
    is($calls->[1][1]{path}, 'panel.html?tab=7', 'a panel for this tab');
    is($calls->[2][1]{tabId}, 7, 'is opened');
    is($calls->[3][1]{look}, 7, 'or told to look again');
    is($calls->[5][1]{tabId}, 8, 'from the menu, too');

    return;
}


# It opens only after a click, which counts in the extension's own pages, too.

sub opening {
    $Browser->go("chrome-extension://$Id/panel.html?tab=-1");
    $Browser->js(<<'END');
return import("./worker.js").then(async ({ open }) => {
    const [{ id }] = await chrome.tabs.query({ active: true,
                                               currentWindow: true });
    document.querySelector("h1").addEventListener("click",
                                                  () => open({ id }));
});
END
    $Browser->click('h1');

    my $contexts;

    $Browser->until_true(sub {
        $contexts = $Browser->js(<<'END');
return chrome.runtime.getContexts({ contextTypes: ["SIDE_PANEL"] });
END
        return @$contexts;
    });

    like($contexts->[0]{documentUrl} // '', qr{/panel\.html\?tab=\d+\z},
         'beside the page');
    $Browser->new_tab();

    return;
}


sub only_one {
    $Browser->screen(360, 760);
    panel('one');

    like(shown(), qr/\ABoris Jabes\s+boris\@example\.com\s/, 'the record');
    is(found(), 'boris@example.com!', 'in lower case');
    is_deeply(fields(), [['Id', '478060'], ['Title', 'CEO'],
        ['Plan', 'Enterprise'], ['Seats', '250'],
        ['Lifetime value', '18105.50'], ['Renews on', '2027-03-01'],
        ['Tags', "beta\nnewsletter"],
        ['Open tickets', "Number\n4711\nSubject\n"
                         . 'Audit log: who may read it?'],
        ['Owner', 'none']], 'its values, numbers as they came');
    like($Browser->text('#record'), qr/Refreshed (?:just now|\d+ \w+ ago)\z/,
         'when it was refreshed');
    is(join('', grep { /chrome-ext/ } $Browser->console), '',
       'no complaint in the console');

    return;
}


sub several {
    my $tab = panel('two');

    $Browser->shows('#found', qr/On this page/);
    is(found(), 'ada@example.org boris@example.com nobody@example.net',
       'all of them, once, and none chosen');
    is($Browser->text('#record'), undef, 'no record yet');

    $Browser->click('#ids li:nth-child(1) button');
    like(shown(), qr/\AAda King\n/, 'one is chosen');
    is(found(), 'ada@example.org! boris@example.com nobody@example.net',
       'and marked');
    $Browser->click('#ids li:nth-child(3) button');
    like($Browser->shows('#problem', qr/./), qr/\ANo record\./,
         'another one, of nobody');
    is($Browser->text('#record'), undef, 'the last record is gone');

    # Something is selected, and the icon is pressed.
    in_page($tab, 'p');
    $Browser->click('#again');
    like(shown(), qr/\AAda King\n/, 'the first that is selected');

    # As the worker says it.
    lookup('');
    is($Browser->text('#record'), undef, 'nothing is looked up');

    my $panel = $Browser->tab();

    $Browser->new_tab();
    $Browser->go("chrome-extension://$Id/panel.html?tab=-1");
    $Browser->js('chrome.runtime.sendMessage({ look: arguments[0] })', $tab);
    $Browser->to_tab($panel);
    like(shown(), qr/\AAda King\n/, 'the worker makes it look again');

    for my $case (['one', 'Boris Jabes'], ['none', undef]) {
        my ($page, $wanted) = @$case;

        $Browser->js('chrome.tabs.update(arguments[0], { url: arguments[1] })',
                     $tab, "http://crm.test:$Port/$page");
        $Browser->until_true(sub {
            ($Browser->text('#title') // 'none') eq ($wanted // 'none')
        });
        is($Browser->text('#title'), $wanted, "the tab goes elsewhere: $page");
    }

    $Browser->shows('#hint', qr/./);
    is($Browser->text('#found'), undef, 'nothing of the last page is left');

    return;
}


sub finding {
    panel('none');
    like($Browser->shows('#hint', qr/./), qr/none on this page/,
         'what is not shown is not found');

    panel('places');
    $Browser->shows('#found', qr/./);
    is(found(), join(' ', map { "$_\@example.com" } qw(a b d e)),
       'links, fields and text');

    my $tab = panel('places');

    $Browser->shows('#found', qr/./);
    in_page($tab, 'textarea');
    $Browser->click('#again');
    $Browser->shows('#problem', qr/Nobody/);
    like(found(), qr/\Ac\@example\.com! /, 'a selection in a field');

    configure(selector => '.from, textarea');
    panel('places');
    $Browser->shows('#found', qr/./);
    is(found(), 'c@example.com e@example.com', 'where the selector says');

    configure(pattern => 'Ticket (\d+)', entity => 1, label => 'Number');
    panel('one');
    $Browser->shows('#found', qr/./);
    is(found(), '4711!', 'a group of the pattern');
    configure();

    panel('many');
    $Browser->shows('#found', qr/./);
    is(scalar(split ' ', found()), 8, 'not too many');
    like($Browser->shows('#hint', qr/./), qr/There are more on this page/,
         'which is said');

    $Browser->go("chrome-extension://$Id/panel.html?tab=987654");
    like($Browser->shows('#hint', qr/./), qr/cannot be read/,
         'a tab that may not be read');
    lookup(' Boris@Example.com ');
    like(shown(), qr/\ABoris Jabes\n/, 'typed');

    return;
}


sub hostile_records {
    panel('eve');
    like(shown(), qr/\A\Q$Hostile\E\s+eve\@example\.com\s/, 'the heading');

    my %field = map { $_->[0] => $_->[1] } @{ fields() };

    is($field{'<b>name</b>'}, '&amp;', 'names and values are text');
    is($field{List}, "$Hostile\ntrue", 'so they are in a list');
    is($field{Deep}, ucfirst "$Hostile\n$Hostile", 'and below');
    is($field{Deeper}, qq({\n  "c": {\n    "d": [\n      {}\n    ]\n  }\n}),
       'far below it is JSON');
    is($field{Proto}, 'own', 'no name means more than another');
    is($Browser->js(<<'END'), 0, 'no element came of them');
return document.querySelectorAll("#record :is(b, img, script, iframe, a)")
       .length;
END
    is($Browser->js('return typeof hacked'), 'undefined', 'nothing was run');
    picture('sidebar-hostile');

    return;
}


sub problems {
    panel('one');
    shown();

    lookup('nobody@example.com');
    like($Browser->shows('#problem', qr/./),
         qr/\ANo record\. .* with exactly this e-mail address\.\z/, 'nobody');
    picture('sidebar-nobody');
    lookup('x' x 501);
    like($Browser->shows('#problem', qr/400/), qr/too long/, 'too long');

    my %said = (
        "http://127.0.0.1:1/" => qr/cannot be reached/,
        "http://127.0.0.1:$Port/nothing/" => qr/cannot be reached/,
    );

    for my $url (sort keys %said) {
        configure(endpoint => $url);
        panel('one');
        like($Browser->shows('#problem', qr/./), $said{$url}, $url);
    }

    configure();
    $Browser->click('#problem button');
    is($Browser->js('return document.activeElement.id'), 'id',
       'after another try the field has the focus');

    # A reply that is late is not shown in the place of a later one.
    panel('one');
    shown();
    is($Browser->js(<<'END'), 'Ada King', 'the last lookup counts');
const id = document.querySelector("#id");
for (const each of ["boris@example.com", "nobody@example.com",
                    "ada@example.org"])
{
    id.value = each;
    id.form.requestSubmit();
}
return new Promise(done => {
    const look = () => {
        const title = document.querySelector("#title");
        title ? done(title.innerText) : setTimeout(look, 10);
    };
    look();
});
END

    return;
}


sub slow_server {
    panel('one');
    shown();
    $Browser->js(<<'END');
const real = fetch.bind(window);
window.fetch = (...args) => new Promise(done => {
    window.answer = () => done(real(...args));
});
END
    $Browser->fill('#id', 'ada@example.org');
    $Browser->click('#form .main');
    like($Browser->shows('#hint', qr/./), qr/Asking the server/, 'is waited for');
    is($Browser->text('#record'), undef, 'without the last record');
    $Browser->js('answer()');
    like(shown(), qr/\AAda King\n/, 'until it answers');
    is($Browser->text('#hint'), undef, 'and no longer');

    return;
}


sub keyboard {
    panel('two');
    $Browser->shows('#found', qr/./);
    is($Browser->js('return document.activeElement.id'), 'id',
       'an address can be typed at once');
    $Browser->js('document.querySelector("#again").focus()');

    my @order;

    for (1 .. 5) {
        $Browser->press('tab');
        push @order, $Browser->js('return document.activeElement.innerText'
                                  . ' || document.activeElement.id');
    }

    is(join(', ', @order), 'id, Show, ada@example.org, boris@example.com, '
       . 'nobody@example.net', 'the order');

    $Browser->press('shift+tab', 'space');
    like(shown(), qr/\ABoris/, 'a button');
    $Browser->js('document.querySelector("#id").focus();'
                 . 'document.querySelector("#id").select()');
    $Browser->press('ada@example.org', 'enter');
    like($Browser->shows('#record', qr/Ada/), qr/\AAda/, 'the field');

    return;
}


sub screen_reader {
    panel('two');
    $Browser->shows('#found', qr/./);
    like($Browser->js(<<'END'), qr/\A3 found on this page\z/, 'is said');
return new Promise(done => {
    const look = () => {
        const text = document.querySelector("#status").textContent;
        text ? done(text) : setTimeout(look, 10);
    };
    look();
});
END
    $Browser->click('#ids li:nth-child(2) button');
    shown();

    my @nodes = $Browser->accessible();
    my %role;
    push @{ $role{ $_->{role} } }, $_ for @nodes;

    is($Browser->unnamed(@nodes), '', 'all have names');
    is(scalar @{ $role{$_} || [] }, 1, "one: $_")
        for 'banner', 'main', 'search', 'article', 'status', 'alert';
    is($role{textbox}[0]{name}, 'E-mail address', 'the field');
    is($role{article}[0]{name}, 'Boris Jabes', 'the record');
    is_deeply([map { "$_->{level} $_->{name}" } @{ $role{heading} }],
              ['1 Customer', '2 On this page', '2 Boris Jabes'], 'headings');
    is_deeply([map { $_->{pressed} // '' } @{ $role{button} }[2 .. 4]],
              ['false', 'true', 'false'], 'which one is shown');
    ok(scalar @{ $role{term} || [] } >= 8, 'names and values are a list');

    return;
}


sub looks {
    my %state = (
        record => sub { panel('two'); $Browser->shows('#found', qr/./);
                        $Browser->click('#ids li:nth-child(2) button');
                        shown() },
        choice => sub { panel('many'); $Browser->shows('#found', qr/./) },
        nothing => sub { panel('none'); $Browser->shows('#hint', qr/./) },
        nobody => sub { panel('one'); shown(); lookup('nobody');
                        $Browser->shows('#problem', qr/./) },
        problem => sub { panel('one'); shown(); lookup('x' x 501);
                         $Browser->shows('#problem', qr/./) },
    );

    for my $scheme ('light', 'dark') {
        for my $width (280, 380) {
            $Browser->screen($width, 720, $scheme);

            for my $name ($width == 280 ? 'record' : sort keys %state) {
                my $what = "$name, $scheme, $width wide";

                $state{$name}->();
                $Browser->js('document.activeElement.blur();'
                             . 'scrollTo(0, 0)');
                picture("sidebar-$name-$scheme") if $width == 380;
                is_deeply($Browser->too_wide(), [], "$what: width");
                is_deeply($Browser->too_small(), [], "$what: for fingers");
                is_deeply($Browser->too_faint(), [], "$what: contrast");
            }
        }
    }

    return;
}


sub configurations {
    my %wrong = (
        'http' => { endpoint => 'http://crm.example.com/sidebar/' },
        'no address' => { endpoint => 'sidebar' },
        'with a query' => { endpoint => 'https://crm.example.com/?a=b' },
        'pattern' => { pattern => '(' },
        'selector' => { selector => '!' },
        'entity' => { entity => '2' },
        'columns' => { columns => 'plan' },
    );

    for my $name (sort keys %wrong) {
        configure(%{ $wrong{$name} });
        panel('one');
        like($Browser->shows('#problem', qr/./), qr/config\.json is wrong/,
             "wrong: $name");
    }

    configure(columns => ['plan', 'nothing', 'owner', 'email'], title => []);
    panel('one');
    like(shown(), qr/\Aboris\@example\.com\nPlan\n/, 'no title');
    is_deeply([map { $_->[0] } @{ fields() }], ['Plan', 'Owner', 'Email'],
              'these columns, in this order');
    configure();

    return;
}


# -- the start page ---------------------------------------------------------

# The page's own lines make the cookie.

sub be {
    my ($id) = @_;

    spew("$Root/temp/script",
         $Block{'sh seal'}{text} =~ s/id=478060/id=$id/r);

    my ($value) = run_sh("sh $Root/temp/script") =~ /visitor=([^;]+);/;

    $Browser->go("http://127.0.0.1:$Port/site.css");
    $Browser->js('document.cookie = "visitor=" + arguments[0]', $value // '');
    $Browser->go("http://127.0.0.1:$Port/");

    return $Browser->text('h1');
}


sub picks {
    return $Browser->js(<<'END');
return [...document.querySelectorAll("#picks a")]
       .map(a => [a.getAttribute("href"), a.innerText]);
END
}


sub site {
    stop_nginx();
    $Port = serve('http site');
    $Browser->console();

    for my $scheme ('light', 'dark') {
        for my $size ([320, 640], [1100, 760]) {
            $Browser->screen(@$size, $scheme);

            for my $id ('478060', 'nobody') {
                be($id);
                picture("site-$id-$scheme-$size->[0]");
                is_deeply($Browser->too_wide(), [],
                          "$id, $scheme, $size->[0]: width");
                is_deeply($Browser->too_faint(), [],
                          "$id, $scheme, $size->[0]: contrast");
            }
        }
    }

    is(be('478060'), 'Welcome back, Boris', 'a visitor');
    is($Browser->text('#picks-title'), 'Picked for you', 'recommendations');
    is_deeply(picks()->[0], ["http://127.0.0.1:$Port/guides/audit-log",
                             "The audit log\nYour team has asked about it."],
              'of theirs');
    is($Browser->unnamed($Browser->accessible()), '', 'all have names');

    is(be('478061'), 'Welcome back, Ada', 'a visitor without any');
    is($Browser->text('#picks-title'), 'Popular now', 'has those of all');
    is(be('nobody'), 'Welcome', 'nobody');
    is(scalar @{ picks() }, 2, 'has them, too');

    is(be('666'), "Welcome back, $Hostile", 'a hostile name is text');
    is_deeply(picks(), [["http://127.0.0.1:$Port/good",
                         "$Hostile\n$Hostile"]],
              'no address but of this site');
    is($Browser->js('return document.scripts.length'), 1, 'no script more');
    is($Browser->js('return document.images.length'), 0, 'no picture');
    is($Browser->js('return typeof hacked'), 'undefined', 'nothing was run');

    for my $id (667, 668) {
        is(be($id), 'Welcome', "$id: values of other kinds");
        is($Browser->text('#picks-title'), 'Popular now', "$id: no list");
    }

    is(join("\n", grep { !/favicon/ } $Browser->console), '',
       'nothing is said in the console');
    stop_nginx();

    return;
}


sub nothing_left {
    $Browser->quit();

    my %found = (sidebar => 0, record => 0, id => 0);
    my %pattern = (sidebar => qr/$Id/,
                   record => qr/Audit log: who|18105\.50/,
                   id => qr/record_id=\w/);

    File::Find::find({ no_chdir => 1, wanted => sub {
        # WebDriver makes it write that one.
        return if !-f $_ || /chrome_debug\.log$/;
        my $bytes = slurp($_) =~ tr/\0//dr;
        $found{$_}++ for grep { $bytes =~ $pattern{$_} } keys %pattern;
    } }, "$Profile/profile");

    cmp_ok($found{sidebar}, '>', 0, 'the browser knows the extension');
    is($found{$_}, 0, "and has written none: $_") for 'record', 'id';

    return;
}
