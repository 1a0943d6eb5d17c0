# ngx_http_profile_module: `make help` lists the commands.
#
# GNU make.  nginx builds the module from `config`; this file builds the
# loader and the unit tests, and calls the scripts in misc/ for the rest.

.DEFAULT_GOAL := all

# Where everything goes that is made, and with which compiler.  SANITIZE=1
# instruments it; BUILD keeps such a variant in a directory of its own.

BUILD    ?= build
SANITIZE ?=

# Modules go where the nginx that they are built for looks for them; units to
# where systemd looks for those of PREFIX.

PREFIX     ?= /usr/local
MODULESDIR ?= $(shell NGINX_SRC='$(NGINX_SRC)' misc/modules-dir.sh)
UNITDIR    ?= $(PREFIX)/lib/systemd/system

INSTALL_VARS = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' \
               MODULESDIR='$(MODULESDIR)' UNITDIR='$(UNITDIR)'

ifeq ($(origin CC),default)
CC := gcc
endif

SRC       := ngx_http_profile_module
MODULE    := $(BUILD)/ngx_http_profile_module.so
LOADER    := $(BUILD)/profile-loader
OBJ       := $(BUILD)/obj

STORE_SRC  := $(wildcard $(SRC)/store/*.c)
LOADER_SRC := $(wildcard $(SRC)/loader/*.c)
UNIT_SRC   := $(wildcard t/unit/*.c)
FUZZ_SRC   := $(wildcard t/fuzz/*.c)
FAULT_SRC  := $(wildcard t/fault/*.c)
MAIN_SRC   := $(shell grep -lsE '^(int +)?main\>' $(LOADER_SRC) /dev/null)

STORE_OBJ  := $(STORE_SRC:%.c=$(OBJ)/%.o)
LOADER_OBJ := $(LOADER_SRC:%.c=$(OBJ)/%.o)
UNIT_OBJ   := $(UNIT_SRC:%.c=$(OBJ)/%.o)
FUZZ_OBJ   := $(FUZZ_SRC:%.c=$(OBJ)/%.o)
FAULT_OBJ  := $(FAULT_SRC:%.c=$(OBJ)/%.o)
MAIN_OBJ   := $(MAIN_SRC:%.c=$(OBJ)/%.o)
UNITS      := $(UNIT_SRC:t/unit/%.c=$(BUILD)/unit/%) \
              $(FAULT_SRC:t/fault/%.c=$(BUILD)/fault/%)
FUZZERS    := $(FUZZ_SRC:t/fuzz/%.c=$(BUILD)/%)

# Fuzzers of the module's files: nginx's headers, and the objects that nginx's
# own Makefile has made of these files.

NGINX_FUZZ := condition credentials query route
NGINX_SUB  := core event event/modules event/quic os/unix http http/modules \
              http/v2 http/v3
NGINX_INCS := $(NGINX_SUB:%=-isystem $(BUILD)/nginx-src/src/%) \
              -isystem $(BUILD)/nginx -I$(SRC)/module
NGINX_OBJ  := $(addprefix $(BUILD)/nginx/addon/module/ngx_http_profile_, \
              condition.o credentials.o route.o)

# The module and the loader share their flags.  Debian's hardening flags as
# dpkg-buildflags gives them; _FORTIFY_SOURCE would hide from the sanitizer
# the very calls that it is there to check.

WARN_FLAGS := -Wall -Wextra -Werror

# A fuzzer's rows are small: what is too long has to be found, too.

ifdef FUZZ
C_FLAGS  := -g -O1 -fsanitize=fuzzer-no-link,address,undefined \
            -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
            -DPROFILE_ROW_MAX=1200 -DPROFILE_INPUT_SIZE=4096
LD_FLAGS := -fsanitize=fuzzer,address,undefined
SO_FLAGS := -fsanitize=address,undefined
else ifdef COVERAGE
# gcc's own execve() would write counters in a child of a process with threads.
C_FLAGS  := -g -O0 --coverage -fprofile-update=atomic -fno-builtin-execve
LD_FLAGS := --coverage -Wl,--wrap=_exit -Wl,--wrap=raise
SO_FLAGS := --coverage
COUNTERS := $(OBJ)/t/lib/coverage.o
else ifdef SANITIZE
C_FLAGS  := -g -O1 -fsanitize=address,undefined \
            -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LD_FLAGS := -fsanitize=address,undefined
else
C_FLAGS  := -g -O2 -fstack-protector-strong -Wformat \
            -Werror=format-security -D_FORTIFY_SOURCE=2
LD_FLAGS := -Wl,-z,relro -Wl,-z,now
endif

C_FLAGS  += $(WARN_FLAGS) $(EXTRA_CFLAGS)
LD_FLAGS += $(EXTRA_LDFLAGS)
SO_FLAGS ?= $(LD_FLAGS)
COUNTERS ?=

# The release is the newest that CHANGES has.

VERSION := $(shell sed -n '/^[0-9]/{p;q}' CHANGES)

CPPFLAGS_ALL := -D_FILE_OFFSET_BITS=64 -DPROFILE_VERSION='"$(VERSION)"' \
                -I$(SRC)/store -I$(SRC)/loader
LIBS         := -ljansson -llmdb -lz -lcrypto -lm -pthread

# V=1 shows the commands.

V   ?=
Q   := $(if $(V),,@)
SAY := @$(if $(V),:,echo)

export CC FUZZ_SECONDS NGINX_SRC NGINX_CONFIGURE V
export SUITES COMPILERS T


## all: build build/ngx_http_profile_module.so and build/profile-loader
##      (NGINX_SRC=/path/to/nginx builds against that source tree, and
##      NGINX_CONFIGURE="..." adds arguments for its configure)
.PHONY: all
all: $(MODULE) $(LOADER)

## run: load demonstration data and serve it on 127.0.0.1:8080 (PORT=...)
.PHONY: run
run:
	+@misc/run.sh

## test: what a change must pass first; .ci/run has all of it (T="t/auth.t"
##      runs only that)
.PHONY: test
test: all units
	@misc/test.sh plain $(T)
	@misc/test.sh hup $(T)

## install: copy the module, the loader, its manual page, the entities page,
##      examples and units for systemd (DESTDIR, PREFIX, MODULESDIR, UNITDIR)
.PHONY: install
install: all
	@$(INSTALL_VARS) misc/install.sh install $(BUILD)

## uninstall: remove what install has copied, with the same variables; the
##      configuration and the store stay
.PHONY: uninstall
uninstall:
	@$(INSTALL_VARS) misc/install.sh uninstall $(BUILD)

## deb: build the Debian packages, unsigned, into build/deb (DEB_SUFFIX=+2)
.PHONY: deb
deb:
	@misc/deb.sh $(VERSION)

## check-deb: build the packages, and try them on a bare Debian, as root
.PHONY: check-deb
check-deb: all
	@misc/deb-test.sh $(VERSION)

## clean: remove what was built
.PHONY: clean
clean:
	rm -rf --one-file-system $(BUILD)

## lint: warnings as errors with gcc and clang, cppcheck, form, shellcheck
.PHONY: lint
lint:
	@misc/deps.sh lint
	+@misc/lint.sh

## bench: measure, 20 minutes (BENCH="peers sizes" runs only these programs of
##      t/bench, which RECORDS, ROUNDS, DURATION and STORES make shorter)
BENCH ?= peers kinds sizes refresh protocols workers memory loader \
         instructions

.PHONY: bench
bench: all
	@misc/deps.sh bench
	@misc/bench.sh $(BENCH)

## check-asan: the tests under AddressSanitizer and UBSan (T=...)
.PHONY: check-asan
check-asan:
	@$(MAKE) --no-print-directory BUILD=build/asan SANITIZE=1 all units
	@misc/test.sh asan $(T)

## check-api: docs/openapi.yaml and the Postman collection, against a server;
##      fetches packages from npm's registry once (T=...)
.PHONY: check-api
check-api: all
	@misc/test.sh api $(T)

## check-proxies: docs/proxies.md, with nginx, HAProxy, Varnish and Apache httpd
##      in front of the module (T=...)
.PHONY: check-proxies
check-proxies: all
	@misc/test.sh proxies $(T)

## check-browser: the pages that people see, in Chromium; pictures:
##      build/browser (T=...)
.PHONY: check-browser
check-browser: all
	@misc/test.sh browser $(T)

## check-valgrind: a subset of the tests under valgrind's memcheck, and a bound
##      of instructions for a request (T=...)
.PHONY: check-valgrind
check-valgrind: all units
	@misc/test.sh valgrind $(T)

## check-matrix: make test on other Debian releases, as root (T=...,
##      SUITES="bookworm trixie forky" COMPILERS="gcc clang")
.PHONY: check-matrix
check-matrix:
	@misc/matrix.sh

## check-faults: the tests of failures under load, in full (T=...)
.PHONY: check-faults
check-faults: all units
	@misc/test.sh long $(T)

## coverage: which lines and branches of the module and of the store the tests
##      reach (T=...)
.PHONY: coverage
coverage:
	@misc/deps.sh coverage
	@$(MAKE) --no-print-directory BUILD=build/coverage CC=gcc COVERAGE=1 \
	    all units
	@misc/coverage.sh $(T)

## fuzz: feed what reads rows, requests and the store's bytes with anything,
##      each for FUZZ_SECONDS (60)
.PHONY: fuzz
fuzz:
	@misc/deps.sh fuzz
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang FUZZ=1 fuzzers
	@misc/fuzz.sh $(FUZZERS:$(BUILD)/%=%)

.PHONY: fuzzers
fuzzers: $(FUZZERS)

## units: build the unit tests, build/unit/*, and what others call
.PHONY: units
units: $(UNITS)

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' Makefile


# Packages come before anything is compiled, and only then.

.PHONY: deps
deps:
	@misc/deps.sh build

# nginx's Makefile knows when the module is out of date.  Handlers have
# the signatures that nginx wants, parameters they do not need included.

.PHONY: FORCE
$(MODULE): FORCE | deps
	+@CC_OPT='$(C_FLAGS) -Wno-unused-parameter' LD_OPT='$(SO_FLAGS)' \
	    misc/module.sh $(BUILD)

# Everything is made again when the compiler or a flag changes.

FLAGS := $(CC) $(subst ',,$(CPPFLAGS_ALL)) $(C_FLAGS) $(LD_FLAGS)

$(OBJ)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@

$(OBJ)/%.o: %.c $(OBJ)/flags | deps
	@mkdir -p $(@D)
	$(SAY) "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(C_FLAGS) -fPIE -MMD -MP -c -o $@ $<

# The loader may use all of glibc; the store has to do without in nginx, too.

$(LOADER_OBJ) $(UNIT_OBJ) $(FUZZ_OBJ) $(FAULT_OBJ): \
    CPPFLAGS_ALL += -D_GNU_SOURCE

$(LOADER): $(LOADER_OBJ) $(STORE_OBJ) $(COUNTERS)
	@mkdir -p $(@D)
	$(SAY) "  LINK  $@"
	$(Q)$(CC) -pie $(LD_FLAGS) -o $@ $^ $(LIBS)

# A unit test takes from the archive what it calls, the library likewise.

$(OBJ)/parts.a: $(filter-out $(MAIN_OBJ),$(LOADER_OBJ)) $(STORE_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/unit/%: $(OBJ)/t/unit/%.o $(OBJ)/parts.a $(COUNTERS)
	@mkdir -p $(@D)
	$(SAY) "  LINK  $@"
	$(Q)$(CC) -pie $(LD_FLAGS) -o $@ $^ -Wl,--as-needed $(LIBS)

# So do the programs that tests of failures call.

$(BUILD)/fault/%: $(OBJ)/t/fault/%.o $(OBJ)/parts.a $(COUNTERS)
	@mkdir -p $(@D)
	$(SAY) "  LINK  $@"
	$(Q)$(CC) -pie $(LD_FLAGS) -o $@ $^ -Wl,--as-needed $(LIBS)

$(FUZZERS): $(BUILD)/%: $(OBJ)/t/fuzz/%.o $(OBJ)/parts.a
	$(SAY) "  LINK  $@"
	$(Q)$(CC) $(LD_FLAGS) -o $@ $^ $(LIBS)

# nginx's configure has to run before its headers can be read.

$(NGINX_FUZZ:%=$(OBJ)/t/fuzz/%.o): $(MODULE)
$(NGINX_FUZZ:%=$(OBJ)/t/fuzz/%.o): CPPFLAGS_ALL += $(NGINX_INCS)
$(NGINX_FUZZ:%=$(BUILD)/%): $(OBJ)/module.a

$(OBJ)/module.a: $(MODULE)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(NGINX_OBJ)

.SECONDARY: $(UNIT_OBJ) $(FUZZ_OBJ) $(FAULT_OBJ)

-include $(STORE_OBJ:.o=.d) $(LOADER_OBJ:.o=.d) $(UNIT_OBJ:.o=.d) \
    $(FUZZ_OBJ:.o=.d) $(FAULT_OBJ:.o=.d)
