#!/bin/sh
#
# misc/lint.sh - what can be said about the sources without running them: both
# compilers with warnings as errors, cppcheck, form, shellcheck, perl -c,
# Python's compiler, mandoc, and that config lists what the folders hold.  Every
# check runs; any finding fails.

set -u

src=ngx_http_profile_module
failed=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/profile-lint.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# check NAME COMMAND...
check() {
    name=$1
    shift
    if "$@" >"$scratch/out" 2>&1; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        sed 's/^/        /' "$scratch/out"
        failed="$failed $name"
    fi
}

# none COMMAND...: a search that is to find nothing.
none() {
    found=$("$@")
    [ -z "$found" ] || { echo "$found"; return 1; }
}

build() {
    "${MAKE:-make}" --no-print-directory BUILD="build/lint-$1" CC="$1" \
        all units
}

# The files of the project, whether or not git already knows them.  What
# fuzzers begin with is no text.
files() {
    find . \( -name .git -o -path ./build -o -name 'servroot*' \
        -o -path ./t/fuzz/corpus \) -prune \
        -o -type f \( "$@" \) -print | sort
}

c_files=$(files -name '*.c' -o -name '*.h')
text_files=$(files -name '*' | xargs grep -lI '')
sh_files=$(printf '%s\n' "$text_files" | xargs awk '
    FNR == 1 && /^#!\/bin\/(ba)?sh/ { print FILENAME }')
py_files=$(files -name '*.py')
wide_files="$c_files $sh_files $py_files Makefile config"
perl_files=$(printf '%s\n' "$text_files" | xargs awk '
    FNR == 1 && (/^#!\/usr\/bin\/perl/ || FILENAME ~ /\.(t|pm)$/) {
        print FILENAME
    }')
pod_files=$(printf '%s\n' "$perl_files" | xargs grep -l '^=head1' /dev/null)

# No file here has white space in its name.  A test's bytes may end in blanks.
# shellcheck disable=SC2016,SC2086
whitespace() {
    narrow=$(printf '%s\n' $text_files | grep -v '\.t$')
    none grep -nP '\r$' $text_files
    one=$?
    none grep -nP ' \t|\h$' $narrow
    two=$?
    none sh -c 'for file; do
        [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at its end"
    done' sh $text_files
    [ $one$two$? = 000 ]
}

columns() {
    # shellcheck disable=SC2086
    LC_ALL=C.UTF-8 none grep -nE '^.{81}' $wide_files
}

# Strings and block comments go first, as both may hold "//"; newlines stay.
c_form() {
    # shellcheck disable=SC2016,SC2086
    none perl -0777 -ne '
        my $n = 0;
        for (split /\n/) { $n++; print "$ARGV:$n: tab\n" if /\t/ }
        s{("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)|/\*.*?\*/}
         { my $t = $&; defined $1 ? q("") : $t =~ s/[^\n]//gr }egs;
        $n = 0;
        for (split /\n/) { $n++; print "$ARGV:$n: // comment\n" if m{//} }
    ' $c_files
}

# The parts' dependency rule: the store knows neither nginx nor jansson nor
# OpenSSL, the module not jansson, the loader not nginx.
parts() {
    none grep -nE '#include [<"](ngx_|jansson|openssl)' "$src"/store/*.[ch] \
    && none grep -nE '#include [<"]jansson' "$src"/module/*.[ch] \
    && none grep -nE '#include [<"]ngx_' "$src"/loader/*.[ch]
}

# What config tells nginx, by running it with stand-ins for nginx's scripts.
config_lists() {
    mkdir -p "$scratch/auto" "$scratch/src/core"
    echo '#define nginx_version 1022000' >"$scratch/src/core/nginx.h"
    echo 'ngx_found=yes' >"$scratch/auto/feature"
    cat >"$scratch/auto/module" <<'END'
printf '%s\n' $ngx_module_srcs >srcs
printf '%s\n' $ngx_module_deps >deps
END
    (cd "$scratch" && ngx_addon_dir=. sh "$OLDPWD/config") || return 1

    find $src/module $src/store -name '*.h' | sed 's|^|./|' | sort \
        >"$scratch/headers"
    sort "$scratch/deps" | diff - "$scratch/headers" || return 1

    # The store's sources that only the loader needs are named in a comment,
    # so that no new file is in neither place.
    for file in "$src"/module/*.c "$src"/store/*.c; do
        grep -qx "./$file" "$scratch/srcs" \
        || { [ "${file#"$src"/store/}" != "$file" ] \
             && grep -q "^# .*\b${file##*/}" config; } \
        || { echo "config does not name $file"; return 1; }
    done
    while read -r file; do
        [ -f "$file" ] || { echo "config lists $file"; return 1; }
    done <"$scratch/srcs"
}

perl_syntax() {
    lib=$(misc/test-nginx.sh) || return 1
    bad=0
    for file in $perl_files; do
        TMPDIR=$scratch PERL5LIB="$lib:${PERL5LIB:-}" \
            perl -It/lib -It/bench/lib -c "$file" >"$scratch/perl" 2>&1 \
        || { cat "$scratch/perl"; bad=1; }
    done
    return $bad
}

# The shell examples of the documentation: ```sh blocks.
sh_blocks() {
    bad=0
    for file in $(files -name '*.md'); do
        awk '/^ *```/ { if (!on && $1 == "```sh") { on = 1; next } on = 0 }
             on' "$file" >"$scratch/blocks.sh"
        if [ -s "$scratch/blocks.sh" ]; then
            shellcheck -s sh -S warning "$scratch/blocks.sh" \
            || { echo "in $file"; bad=1; }
        fi
    done
    return $bad
}

check "gcc, warnings as errors" build gcc
check "clang, warnings as errors" build clang
# nginx's macros stay unexpanded: its headers would be checked, too.
# ctuuninitvar takes a structure filled member by member for uninitialized;
# valgrind knows better.
check "cppcheck" cppcheck --quiet --error-exitcode=1 --inline-suppr \
    --enable=warning,performance,portability --std=c11 \
    --suppress=missingIncludeSystem --suppress=ctuuninitvar \
    -I "$src/store" -I "$src/module" \
    -I "$src/loader" "$src" t/unit t/fuzz
check "white space" whitespace
check "80 columns" columns
check "C without tabs and // comments" c_form
check "parts do not know what they must not" parts
check "config lists what the folders hold" config_lists
# shellcheck disable=SC2086
check "shellcheck" shellcheck $sh_files
check "shellcheck of the documentation's blocks" sh_blocks
check "perl -c" perl_syntax
# shellcheck disable=SC2086
check "python3, warnings as errors" \
    env PYTHONPYCACHEPREFIX="$scratch/pycache" \
    python3 -W error -m py_compile $py_files
check "mandoc" mandoc -T lint -W warning man/*.8
# shellcheck disable=SC2086
[ -z "$pod_files" ] \
|| check "podchecker" podchecker -warnings $pod_files

if [ -n "$failed" ]; then
    echo "Result: FAIL"
    exit 1
fi
