# Why: who loads a large file by hand wants to see that it goes on, and who
# reads the mails of cron wants to see nothing of that.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EIO);
use Fcntl qw(F_GETFL F_SETFL O_NOCTTY O_NONBLOCK O_RDWR);
use POSIX qw(mkfifo);
use lib 't/lib';
use ProfileLoader;
use Test::More;
use Time::HiRes ();

# Linux's numbers; there is no module for this that is always there.
use constant { TIOCGPTN => 0x80045430, TIOCSPTLCK => 0x40045431 };

$SIG{PIPE} = 'IGNORE';


# A terminal: what a program writes to $terminal->{path} comes out of {master}.

sub terminal {
    sysopen my $master, '/dev/ptmx', O_RDWR|O_NOCTTY or return;

    my $unlock = pack 'i', 0;
    my $number = pack 'i', 0;

    ioctl $master, TIOCSPTLCK, $unlock or return;
    ioctl $master, TIOCGPTN, $number or return;

    my $path = '/dev/pts/' . unpack 'i', $number;

    # open as long as we look: it would hang up with the program
    sysopen my $slave, $path, O_RDWR|O_NOCTTY or return;

    fcntl $master, F_SETFL, fcntl($master, F_GETFL, 0) | O_NONBLOCK;

    return { master => $master, slave => $slave, path => $path, text => '' };
}


sub seen {
    my ($terminal) = @_;

    while (1) {
        my $n = sysread $terminal->{master}, $terminal->{text}, 65536,
                        length $terminal->{text};

        next if !defined $n && $!{EINTR};
        last if !$n;
    }

    return $terminal->{text};
}


sub box {
    my $box = sandbox({}, workspace(1, 'Acme',
                      [entity(1, 'Users', 'id', 'pipe')]));

    mkfifo("$box->{dir}/pipe", 0600) or BAIL_OUT("mkfifo: $!");

    return $box;
}


# Gives rows until $enough says so, but not for ever.

sub feed {
    my ($box, $job, $enough) = @_;

    my $count = 0;
    my $out;
    local $SIG{ALRM} = sub { die "the loader does not open its source\n" };

    alarm 60 * slow();
    open $out, '>', "$box->{dir}/pipe" or die "pipe: $!\n";
    alarm 0;

    for my $round (1 .. 300 * slow()) {
        for (1 .. 3000) {
            $count++;
            print {$out} qq({"id":$count,"x":"), 'x' x 100, qq("}\n)
                or last;
        }

        last if $enough->($round) || !$job->running;
        Time::HiRes::sleep(0.1);
    }

    close $out;

    return $count;
}


SKIP: {
    my $terminal = terminal() or skip 'there are no terminals', 14;

    for my $args ([], ['--json']) {
        my $box = box();
        $terminal->{text} = '';

        my $job = $box->start({ before => sub {
            open STDERR, '>', $terminal->{path} or die "terminal: $!\n";
        } }, 'sync', @$args);

        my $line = qr{Acme/Users: reading, (\d+) rows, (\d+) rows/s};
        my $count = feed($box, $job, sub { seen($terminal) =~ $line });
        my $run = $job->finish;
        my $text = seen($terminal);

        is($run->{status}, 0, "@$args: exit status") or diag_run($run);
        like($text, $line, "@$args: rows and their rate on the terminal");

        my ($rows, $rate) = $text =~ $line;
        ok($rows && $rows <= $count && $rate, "@$args: likely numbers");

        # nobody knows where a pipe ends
        unlike($text, qr/reading[^\r]*left/, "@$args: no remaining time");

        like($text, qr/\r\e\[K\z/, "@$args: the line is gone in the end");
        unlike($text, qr/\n/, "@$args: and left no other");
        like($run->{out}, $args->[0]
             ? qr/\A\{[^\n]*"rows":$count,[^\n]*\}\n\z/
             : qr{\AAcme/Users: $count rows, [^\n\r\e]*\n\z},
             "@$args: standard output has the summary alone");
    }
}

# Standard output on a terminal, standard error in a file, as with 2>log.
SKIP: {
    my $terminal = terminal() or skip 'there are no terminals', 3;
    my $box = box();

    my $job = $box->start({ before => sub {
        open STDOUT, '>', $terminal->{path} or die "terminal: $!\n";
    } }, 'sync');

    feed($box, $job, sub { $_[0] >= 12 });
    my $run = $job->finish;

    is($run->{status}, 0, 'standard output alone: exit status');
    is($run->{err}, '', 'no progress in a file');
    like(seen($terminal), qr{\AAcme/Users: [^\e]*\n\z},
         'nor on standard output');
}

# A message does not stand behind the progress, in the same line.
SKIP: {
    my $terminal = terminal() or skip 'there are no terminals', 2;
    my $box = box();

    my $job = $box->start({ before => sub {
        open STDERR, '>', $terminal->{path} or die "terminal: $!\n";
    } }, 'sync');

    my $line = qr{Acme/Users: reading, };
    feed($box, $job, sub { seen($terminal) =~ $line && $job->kill('TERM') });

    isnt($job->finish->{status}, 0, 'interrupted');
    like(seen($terminal), qr{\r\e\[Kprofile-loader: Acme/Users: interrupted},
         'a message has a line of its own');
}

# cron: neither is a terminal. It lasts long enough for several lines.
{
    my $box = box();
    my $job = $box->start('sync');
    my $count = feed($box, $job, sub { $_[0] >= 12 });
    my $run = $job->finish;

    is($run->{err}, '', 'nothing on standard error');
    like($run->{out}, qr{\AAcme/Users: $count rows, [^\n\r\e]*\n\z},
         'the summary on standard output');
}

done_testing();
