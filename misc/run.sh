#!/bin/sh
#
# misc/run.sh - a demonstration that can be pasted from: builds, loads data,
# starts nginx in the foreground on 127.0.0.1:$PORT (8080) and prints requests
# together with the answers that they get.  The data are the vendor's sample
# record and the ISO lists of countries, currencies and languages from Debian's
# package iso-codes.  Everything is kept in build/run; the key persists there.

set -eu

port=${PORT:-8080}
top=$PWD
dir=$top/build/run
host=127.0.0.1

# The port comes first: nobody waits for a build to be told that it is taken.

case $port in
'' | *[!0-9]* | 0* | ??????*) port=invalid ;;
esac
if [ "$port" = invalid ] || [ "$port" -gt 65535 ]; then
    echo "PORT has to be a number from 1 to 65535, not \"${PORT:-}\"" >&2
    exit 2
fi

if ! reason=$(perl -MIO::Socket::INET -e '
    IO::Socket::INET->new(LocalAddr => $ARGV[0], LocalPort => $ARGV[1],
                          Proto => "tcp", Listen => 1, ReuseAddr => 1)
    or do { print $!; exit 1 }' "$host" "$port")
then
    echo "cannot listen on $host:$port: $reason." >&2
    echo "Choose another port: PORT=$((port % 65535 + 1)) make run" >&2
    exit 1
fi

misc/deps.sh build run
"${MAKE:-make}" --no-print-directory all

nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
user=
group=
group_member=

if [ "$(id -u)" = 0 ]; then
    user=nobody
    if id www-data >/dev/null 2>&1; then
        user=www-data
    fi
    group=$(id -gn "$user")
    group_member="\"group\": \"$group\","
fi

# A directory that everyone may pass through, like every one above it.
open_to_all() {
    path=$1
    while
        case $(stat -c %A "$path") in
        *[!xt]) return 1 ;;
        esac
        [ "$path" != / ]
    do
        path=$(dirname "$path")
    done
}

mkdir -p "$dir/temp"
store=$dir/store
elsewhere=

# nginx's workers, another user if root starts it, have to reach the store.
if [ -n "$user" ] && ! open_to_all "$dir"; then
    elsewhere=$(mktemp -d /tmp/profile-run.XXXXXX)
    chmod 755 "$elsewhere"
    store=$elsewhere/store
fi

answers=
nginx_pid=

# shellcheck disable=SC2317 # called by the trap
finish() {
    status=$?
    trap - EXIT
    [ -z "$answers" ] || kill "$answers" 2>/dev/null || :
    [ -z "$elsewhere" ] || rm -rf "$elsewhere"
    exit "$status"
}
trap finish EXIT
trap '[ -n "$nginx_pid" ] && kill "$nginx_pid" || exit 143' TERM HUP
trap '[ -n "$nginx_pid" ] && kill "$nginx_pid" || exit 130' INT


# -- data --------------------------------------------------------------------

cat >"$dir/users.ndjson" <<END
{"id":"478060","created_at":"2018-01-14 15:53:16",\
"email":"boris@getcensus.com","first_name":"Boris","last_name":"Jabes",\
"title":"CEO"}
END

# iso_list STANDARD FILE: the one array of an ISO list, a row a line.
iso_list() {
    perl -MJSON::PP -e '
        my ($standard, $from, $to) = @ARGV;
        my $json = JSON::PP->new->utf8->canonical;

        open my $in, "<", $from or die "$from: $!\n";
        local $/;
        my $rows = $json->decode(<$in>)->{$standard};

        open my $out, ">", $to or die "$to: $!\n";
        print $out map { $json->encode($_) . "\n" } @$rows;
        close $out or die "$to: $!\n";
    ' "$1" "/usr/share/iso-codes/json/iso_$1.json" "$dir/$2.ndjson"
}

iso_list 3166-1 countries
iso_list 4217 currencies
iso_list 639-3 languages


# -- configuration -----------------------------------------------------------

# Two lines: the key itself, and what the configuration says of it.
if [ ! -s "$dir/key" ]; then
    (umask 077 && build/profile-loader key >"$dir/key.new")
    mv "$dir/key.new" "$dir/key"
fi
key=$(sed -n 1p "$dir/key")

cat >"$dir/profile.json" <<END
{
  "store": "$store",
  $group_member
  "workspaces": [
    {
      "id": 1,
      "name": "Demonstration",
      "keys": [
        $(sed -n 2p "$dir/key")
      ],
      "entities": [
        { "id": 1, "name": "Users", "primary_key": "id",
          "source": { "file": "users.ndjson" }, "format": "ndjson" },
        { "id": 2, "name": "Countries", "primary_key": "alpha_2",
          "source": { "file": "countries.ndjson" }, "format": "ndjson" },
        { "id": 3, "name": "Currencies", "primary_key": "alpha_3",
          "source": { "file": "currencies.ndjson" }, "format": "ndjson" },
        { "id": 4, "name": "Languages", "primary_key": "alpha_3",
          "source": { "file": "languages.ndjson" }, "format": "ndjson" }
      ]
    }
  ]
}
END

cat >"$dir/nginx.conf" <<END
load_module "$top/build/ngx_http_profile_module.so";
${user:+
user $user $group;}
worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr warn;

events {
    worker_connections 512;
}

http {
    access_log off;

    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;

    server {
        listen $host:$port;

        location /api/v1/ {
            profile_store "$store";
            profile_api;
            add_header X-Data-Age \$profile_age always;
        }

        location = /api/v1/entities.html {
            alias "${store%/store}/entities.html";
            default_type text/html;
            add_header Content-Security-Policy "frame-ancestors 'none'";
            add_header Referrer-Policy no-referrer;
            add_header Cache-Control no-cache;
        }
    }
}
END

cp share/entities.html "${store%/store}"
chmod 644 "${store%/store}/entities.html"

echo "\$ build/profile-loader -c build/run/profile.json sync"
build/profile-loader -c "$dir/profile.json" sync


# -- nginx, and what to ask it -----------------------------------------------

api=http://$host:$port/api/v1
authorization="Authorization: Bearer $key"

# ask URL [CURL'S ARGUMENTS, READY TO PASTE]
ask() {
    command="curl -H '$authorization' ${2:-}${2:+ }'$1'"
    printf '\n%s\n' "$command"
    sh -c "$command -sS"
    [ -n "${2:-}" ] || echo
}

# shellcheck disable=SC2317 # called in the background
show_answers() {
    tries=100
    until etag=$(curl -sSI -H "$authorization" \
                      "$api/entities/1/record?record_id=478060" 2>/dev/null)
    do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
    etag=$(echo "$etag" | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')

    echo
    echo "nginx listens on $host:$port; Ctrl-C ends it.  To paste, with the"
    echo "answers:"

    ask "$api/entities"
    ask "$api/entities/1/record?record_id=478060"
    ask "$api/entities/2/record?record_id=DE"
    ask "$api/entities/3/record?record_id=EUR"
    ask "$api/entities/4/record?record_id=epo"
    ask "$api/entities/1/record?record_id=478060" \
        "-H 'If-None-Match: $etag' -s -o /dev/null -w '%{http_code}\n'"
    ask "$api/entities/1/record?record_id=nobody"

    printf '\nThe same in a browser, with the key %s:\n%s\n\n' \
        "$key" "$api/entities.html"
}

show_answers &
answers=$!

# nginx gets a process group of its own and, where there is a terminal, makes
# it the terminal's foreground: Ctrl-C then ends nginx, not make, and the
# command as a whole succeeds.

perl -MPOSIX=tcgetpgrp,tcsetpgrp -e '
    my $mine = getpgrp;
    open my $fh, "<", "/dev/tty";
    my $tty = fileno $fh;
    undef $tty if defined $tty && tcgetpgrp($tty) != $mine;

    my $pid = fork // die "fork: $!\n";
    $SIG{TTOU} = "IGNORE";

    if (!$pid) {
        setpgrp;
        tcsetpgrp($tty, $$) if defined $tty;
        $SIG{TTOU} = $SIG{INT} = $SIG{QUIT} = "DEFAULT";
        exec { $ARGV[0] } @ARGV;
        die "$ARGV[0]: $!\n";
    }

    $SIG{$_} = sub { kill TERM => $pid } for qw(INT TERM HUP QUIT);
    1 until waitpid($pid, 0) == $pid;
    my $status = $?;
    tcsetpgrp($tty, $mine) if defined $tty;
    exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
' "$nginx" -p "$dir/" -c "$dir/nginx.conf" -e stderr &
nginx_pid=$!

# A signal ends wait, not nginx.
status=0
while
    wait "$nginx_pid" || status=$?
    kill -0 "$nginx_pid" 2>/dev/null
do
    status=0
done

exit "$status"
