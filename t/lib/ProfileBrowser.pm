package ProfileBrowser;

# A real Chromium for tests of pages, without a screen: chromedriver, asked in
# its own protocol (WebDriver, which is JSON over HTTP). Both come from Debian.
# Folders and processes are this object's own and go with it.
#
# Perl's own modules only.

use strict;
use warnings;

use Carp qw(croak);
use HTTP::Tiny ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

# The key under which WebDriver passes elements.
my $Element = 'element-6066-11e4-a52e-4f735466cecf';

my $Json = JSON::PP->new->utf8->allow_nonref;

# Keys without a character, as WebDriver numbers them.
my %Key = (tab => "\x{E004}", enter => "\x{E007}", shift => "\x{E008}",
           control => "\x{E009}", space => ' ', end => "\x{E010}",
           down => "\x{E015}", delete => "\x{E017}");


# -- life -------------------------------------------------------------------

# new(dir => FOLDER, hosts => 'MAP name.test 127.0.0.1', args => [...]): the
# folder is for all that the browser writes, and is there afterwards. The
# browser makes sockets in it: a long path is too long.

sub new {
    my ($class, %option) = @_;

    my $self = bless { seconds => 30 * ($ENV{PROFILE_TEST_SLOW} || 1),
                       %option, owner => $$ }, $class;

    # A kept connection would delay each request by its acknowledgements.
    $self->{http} = HTTP::Tiny->new(timeout => 120, proxy => undef,
                                    http_proxy => undef, keep_alive => 0);
    $self->_start();
    $self->_open();

    return $self;
}


sub _start {
    my ($self) = @_;

    my $log = "$self->{dir}/chromedriver.log";
    my $pid = fork() // croak "fork: $!";

    if (!$pid) {
        # What the browser starts is in one group, which is ended as a whole.
        setpgrp;

        $ENV{$_} = $self->{dir}
            for qw(HOME TMPDIR XDG_CONFIG_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR);
        delete @ENV{qw(DISPLAY WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS)};

        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;

        { no warnings 'exec'; exec 'chromedriver', '--port=0'; }
        POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    $self->until_true(sub {
        return 1 if waitpid($pid, WNOHANG) > 0;
        open my $in, '<', $log or return;
        local $/;
        ($self->{port}) = (<$in> // '') =~ /successfully on port (\d+)/;
    });

    $self->{port} or croak "chromedriver does not start, see $log";

    return;
}


sub _open {
    my ($self) = @_;

    my ($binary) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};

    # No sandbox: root has none, and only our own pages are opened. Nothing
    # but this machine is asked for anything.
    my @args = ('--headless=new', '--no-sandbox', '--disable-gpu',
                '--disable-dev-shm-usage', '--no-first-run',
                '--no-proxy-server', '--disable-background-networking',
                '--disable-component-update', '--disable-sync',
                '--disable-default-apps', '--hide-scrollbars',
                '--force-color-profile=srgb', '--lang=en-GB',
                "--user-data-dir=$self->{dir}/profile",
                '--host-resolver-rules=' . join(', ',
                    $self->{hosts} || (), 'MAP * ~NOTFOUND',
                    'EXCLUDE 127.0.0.1'),
                @{ $self->{args} || [] });

    my $made = $self->_call('POST', '/session', { capabilities => {
        alwaysMatch => {
            browserName => 'chrome',
            'goog:chromeOptions' => {
                ($binary ? (binary => $binary) : ()), args => \@args },
            'goog:loggingPrefs' => { browser => 'ALL' },
        },
    } });

    $self->{session} = "/session/$made->{sessionId}";

    return;
}


sub quit {
    my ($self) = @_;

    my $session = delete $self->{session};

    eval { $self->_call('DELETE', $session) } if $session;
    $self->_end();

    return;
}


sub _end {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    kill 'TERM', -$pid;
    my $until = time() + 5;
    sleep 0.05 while kill(0, -$pid) && time() < $until
                     && (waitpid($pid, WNOHANG) || 1);
    kill 'KILL', -$pid;
    waitpid $pid, 0;

    return;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);

    $self->_end() if $$ == $self->{owner};

    return;
}


sub _call {
    my ($self, $method, $path, $body) = @_;

    my $url = "http://127.0.0.1:$self->{port}$path";
    my %request = $method eq 'POST'
        ? (content => $Json->encode($body // {}),
           headers => { 'Content-Type' => 'application/json' }) : ();
    my $reply = $self->{http}->request($method, $url, \%request);
    my $said = eval { $Json->decode($reply->{content})->{value} };

    return $said if $reply->{success};

    croak "$method $path: " . (ref $said ? "$said->{error}: $said->{message}"
                                         : $reply->{content});
}


sub _in {
    my ($self, $method, $path, $body) = @_;

    return $self->_call($method, "$self->{session}$path", $body);
}


# -- what a person does -----------------------------------------------------

sub go {
    my ($self, $url) = @_;

    $self->_in('POST', '/url', { url => $url });

    return $self;
}


# Tabs, by their handles.

sub tab { return $_[0]->_in('GET', '/window') }


sub new_tab {
    my ($self) = @_;

    my $made = $self->_in('POST', '/window/new', { type => 'tab' });

    return $self->to_tab($made->{handle});
}


sub to_tab {
    my ($self, $handle) = @_;

    $self->_in('POST', '/window', { handle => $handle });

    return $handle;
}


sub back { return $_[0]->_in('POST', '/back') }
sub reload { return $_[0]->_in('POST', '/refresh') }


sub click {
    my ($self, $css) = @_;

    my $element = $self->_find($css);

    # A bar that stays on top may lie over what is at the edge.
    $self->js('arguments[0].scrollIntoView({ block: "center" })',
              { $Element => $element });

    return $self->_in('POST', "/element/$element/click");
}


# Replaces what is in a field.

sub fill {
    my ($self, $css, $text) = @_;

    my $path = '/element/' . $self->_find($css);

    $self->_in('POST', "$path/clear");
    $self->_in('POST', "$path/value", { text => $text }) if $text ne '';

    return;
}


# Keys for whatever has the focus: names of %Key, or text. "control+v" holds
# the first one.

sub press {
    my ($self, @keys) = @_;

    my @actions;

    for my $word (@keys) {
        my @held = $word =~ /^(control|shift)\+(.*)$/s ? ($1, $2) : ();
        my @parts = @held ? map { $Key{$_} // $_ } @held
                    : exists $Key{$word} ? $Key{$word} : split //, $word;

        if (@held) {
            push @actions, map { ['keyDown', $_] } @parts;
            push @actions, map { ['keyUp', $_] } reverse @parts;

        } else {
            push @actions, map { (['keyDown', $_], ['keyUp', $_]) } @parts;
        }
    }

    $self->_in('POST', '/actions', { actions => [{
        type => 'key', id => 'keyboard',
        actions => [map { { type => $_->[0], value => $_->[1] } } @actions],
    }] });

    return;
}


sub _find {
    my ($self, $css) = @_;

    return $self->_in('POST', '/element', { using => 'css selector',
                                            value => $css })->{$Element};
}


# -- what can be seen -------------------------------------------------------

# The value of a function's body in the page; the arguments are there as
# "arguments".

sub js {
    my ($self, $body, @args) = @_;

    return $self->_in('POST', '/execute/sync', { script => $body,
                                                 args => \@args });
}


# The text that is shown, undef where nothing is.

sub text {
    my ($self, $css) = @_;

    return $self->js(<<'END', $css);
const found = document.querySelector(arguments[0]);
return found && found.checkVisibility() ? found.innerText : null;
END
}


sub url { return $_[0]->_in('GET', '/url') }


sub until_true {
    my ($self, $condition) = @_;

    my $until = time() + $self->{seconds};

    while (1) {
        my $result = $condition->();

        return $result if $result;
        return if time() > $until;
        sleep 0.03;
    }
}


# Waits until an element shows text that matches, and returns that.

sub shows {
    my ($self, $css, $pattern) = @_;

    my $text;

    $self->until_true(sub {
        $text = $self->text($css);
        return defined $text && $text =~ $pattern;
    });

    return $text // '';
}


# What the page's console has said since the last time.

sub console {
    my ($self) = @_;

    return map { $_->{message} }
           @{ $self->_in('POST', '/se/log', { type => 'browser' }) };
}


# -- the screen -------------------------------------------------------------

sub cdp {
    my ($self, $command, %params) = @_;

    return $self->_in('POST', '/goog/cdp/execute', { cmd => $command,
                                                     params => \%params });
}


sub screen {
    my ($self, $width, $height, $scheme) = @_;

    $self->cdp('Emulation.setDeviceMetricsOverride',
               width => $width + 0, height => $height + 0,
               deviceScaleFactor => $width < 600 ? 2 : 1,
               mobile => $width < 600 ? JSON::PP::true : JSON::PP::false);
    $self->cdp('Emulation.setEmulatedMedia', features => [
        { name => 'prefers-color-scheme', value => $scheme || 'light' }]);

    return;
}


# A picture of the whole page, into a file.

sub picture {
    my ($self, $file) = @_;

    my $made = $self->cdp('Page.captureScreenshot', format => 'png',
                          captureBeyondViewport => JSON::PP::true);

    open my $out, '>:raw', $file or croak "$file: $!";
    print {$out} decode_base64($made->{data});
    close $out or croak "$file: $!";

    return;
}


# What a screen reader is told, in its order: role, name and properties of each
# node.

sub accessible {
    my ($self) = @_;

    my $nodes = $self->cdp('Accessibility.getFullAXTree')->{nodes};
    my %node = map { $_->{nodeId} => $_ } @$nodes;
    my @todo = ($nodes->[0]);
    my @found;

    while (my $node = shift @todo) {
        unshift @todo, grep { $_ } map { $node{$_} } @{ $node->{childIds} };
        next if $node->{ignored};

        push @found, {
            role => $node->{role}{value} // '',
            name => $node->{name}{value} // '',
            map { $_->{name} => $_->{value}{value} }
                @{ $node->{properties} || [] },
        };
    }

    return @found;
}


# -- what everybody can use -------------------------------------------------

# Each returns what is not so: nothing scrolls to the side, ...

sub too_wide {
    my ($self) = @_;

    return $self->js(<<'END');
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")]
       .filter(e => e.checkVisibility() && !e.classList.contains("quiet")
                    && (e.getBoundingClientRect().right > width + 1
                        || e.getBoundingClientRect().left < -1))
       .map(e => e.outerHTML.slice(0, 80));
END
}


# ... fingers hit what is to be pressed, ...

sub too_small {
    my ($self) = @_;

    return $self->js(<<'END');
return [...document.querySelectorAll("button, input")]
       .filter(e => e.checkVisibility())
       .filter(e => e.getBoundingClientRect().height < 32
                    || e.getBoundingClientRect().width < 32)
       .map(e => e.outerHTML.slice(0, 80));
END
}


# ... text has a contrast of 4.5 to 1, edges of fields and buttons one of 3 to 1
# (WCAG 2.2, 1.4.3 and 1.4.11), ...

sub too_faint {
    my ($self) = @_;

    return $self->js(<<'END');
const parse = color => color.match(/[\d.]+/g).map(Number);
const light = color => parse(color).slice(0, 3)
    .map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + .05) / (y + .05);
};
const ground = e => {
    for (; e; e = e.parentElement) {
        const color = getComputedStyle(e).backgroundColor;
        if ((parse(color)[3] ?? 1) === 1) {
            return color;
        }
    }
    return "rgb(255, 255, 255)";
};
const found = [];
const check = (e, what, color, least, behind) => {
    const value = ratio(color, ground(behind));
    if (value < least) {
        found.push(`${what} ${value.toFixed(2)} ${e.outerHTML.slice(0, 60)}`);
    }
};
for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.classList.contains("quiet")) {
        continue;
    }
    const style = getComputedStyle(e);
    if ([...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
        || e.matches("input"))
    {
        check(e, "text", style.color, 4.5, e);
    }
    if (e.matches("input, button")) {
        check(e, "edge", style.borderTopColor, 3, e.parentElement);
    }
}
check(document.body, "focus",
      getComputedStyle(document.documentElement).getPropertyValue("--accent")
      .replace(/^#(..)(..)(..)$/, (all, ...c) => "rgb(" + c.slice(0, 3)
               .map(v => parseInt(v, 16)) + ")"), 3, document.body);
return found;
END
}


# ... and, of the nodes of accessible(), what needs a name has one.

sub unnamed {
    my ($self, @nodes) = @_;

    return join ' ', map { $_->{role} }
           grep { $_->{role} =~ /^(?:button|textbox|region|article|heading
                                     |link|checkbox|image)$/x
                  && $_->{name} !~ /\S/ } @nodes;
}


1;
