# bk: one Makefile, non-recursive.  Objects go to $(B), programs to $(B)/bin.
#
#   make                 programs        make check          build and test
#   make check-unit      C tests only    make lint           headers, pages, scripts
#   make install         PREFIX, DESTDIR honoured
#
# DEV=1 adds warnings and -Werror; SANITIZE=address,undefined instruments.
# Programs ({cmd,supervisor}/bk*.c), modules and unit tests are found by their
# place.

PROG_SRC := $(wildcard cmd/bk.c cmd/bk-*.c supervisor/bk-*.c)
PROGS := $(notdir $(PROG_SRC:.c=))

VERSION = 0.1
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPDIR ?= $(PREFIX)/share/bash-completion/completions
CC ?= cc
AR ?= ar
PKG_CONFIG ?= pkg-config
INSTALL ?= install
CFLAGS ?= -O2 -g
B ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(COVERAGE),-coverage)
comma := ,

PKGS = jansson libssl libcrypto libdeflate zlib libzstd libcurl expat libpcre2-8 sqlite3 libconfuse libpq
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS))
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS))

ROOMS = base sched stream codec store engine backup
std = -std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -D_GNU_SOURCE \
	-D_FILE_OFFSET_BITS=64 -DBK_VERSION='"$(VERSION)"'
warn = -Wall -Wextra $(if $(DEV),-Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wvla -Wundef -Wformat=2 -Wno-format-nonliteral)
harden = -fstack-protector-strong -fPIE $(if $(SANITIZE)$(COVERAGE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
inst = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer) $(if $(COVERAGE),--coverage -O0)
quote = $(foreach r,$(ROOMS),-iquote lib/$(r)) -iquote supervisor -iquote cmd \
	-iquote tests/unit
ALL_CFLAGS = $(std) $(warn) $(harden) -pthread $(quote) $(PKG_CFLAGS) $(CFLAGS) $(inst)
ALL_LDFLAGS = -pie -pthread -Wl,--as-needed -Wl,-z,relro,-z,now $(LDFLAGS) $(inst)

LIB_SRC := $(wildcard $(foreach r,$(ROOMS),lib/$(r)/*.c)) \
	$(filter-out $(PROG_SRC),$(wildcard supervisor/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
SHARED_OBJ := $(patsubst cmd/%.c,$(B)/cmd/%.o,$(filter-out cmd/bk.c cmd/bk-%,$(wildcard cmd/*.c)))
PROG_BIN := $(PROGS:%=$(B)/bin/%)
TEST_SRC := $(wildcard tests/unit/test_*.c)
TEST_BIN := $(TEST_SRC:tests/unit/%.c=$(B)/unit/%)
HELP_SRC := $(filter-out $(TEST_SRC),$(wildcard tests/unit/*.c))
HELP_OBJ := $(HELP_SRC:%.c=$(B)/%.o)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
HEADERS := $(wildcard lib/*/*.h supervisor/*.h cmd/*.h)
MAN := $(wildcard man/*.[1-8])
DEPS := $(LIB_OBJ:.o=.d) $(HELP_OBJ:.o=.d) $(PROG_SRC:%.c=$(B)/%.d) $(SHARED_OBJ:.o=.d) \
	$(TEST_SRC:%.c=$(B)/%.d) $(FUZZ_SRC:%.c=$(B)/%.d) $(B)/tests/fuzz/fuzz.d

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all check check-unit check-headers lint coverage fuzz fuzz-programs bench install \
	uninstall dist clean

all: $(PROG_BIN)

$(B)/libbk.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

# What the programs share; each links what it calls.
$(B)/libprog.a: $(SHARED_OBJ)
	rm -f $@
	$(AR) rcs $@ $(SHARED_OBJ)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

link = $(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libprog.a $(B)/libbk.a $(PKG_LIBS) $(LIBS)

$(B)/bin/%: $(B)/cmd/%.o $(B)/libprog.a $(B)/libbk.a
	@mkdir -p $(@D)
	$(link)

$(B)/bin/%: $(B)/supervisor/%.o $(B)/libprog.a $(B)/libbk.a
	@mkdir -p $(@D)
	$(link)

# GPL-2 only: this program alone links it, and nothing of OpenSSL (DESIGN, 12).
$(B)/bin/bk-watch: LIBS = -linotifytools

$(B)/unit/%: $(B)/tests/unit/%.o $(HELP_OBJ) $(B)/libbk.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(HELP_OBJ) $(B)/libbk.a $(PKG_LIBS)

# What the benchmarks want: tests/bench/X.c.
$(B)/bench/%: $(B)/tests/bench/%.o $(B)/libbk.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libbk.a $(PKG_LIBS)

# What the extended tests want: tests/extended/X.c.
$(B)/extended/%: $(B)/tests/extended/%.o $(HELP_OBJ) $(B)/libbk.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(HELP_OBJ) $(B)/libbk.a $(PKG_LIBS)

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/fuzz.o $(B)/libbk.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

fuzz-programs: $(FUZZ_BIN)

check:
	sh tests/run --no-install

check-unit: $(PROG_BIN) $(TEST_BIN)
	B=$(B) sh tests/unit/run $(TEST_BIN)

check-headers:
	@for h in $(HEADERS); do \
		$(CC) $(ALL_CFLAGS) -Werror -Wno-unused-macros -fsyntax-only -x c $$h || exit 1; done

lint: all
	sh tests/lint

coverage:
	sh tests/coverage

fuzz:
	sh tests/fuzz/run

bench: all
	sh tests/bench/run $(BENCH)

# Written beside the target and renamed, so that a running program is never
# overwritten.
install: all
	mkdir -p $(DESTDIR)$(BINDIR) $(DESTDIR)$(COMPDIR)
	for p in $(PROGS); do \
		$(INSTALL) -m 755 $(B)/bin/$$p $(DESTDIR)$(BINDIR)/.$$p.new && \
		mv -f $(DESTDIR)$(BINDIR)/.$$p.new $(DESTDIR)$(BINDIR)/$$p || exit 1; done
	for m in $(MAN); do d=$(DESTDIR)$(MANDIR)/man$${m##*.}; mkdir -p $$d && \
		$(INSTALL) -m 644 $$m $$d/.$${m##*/}.new && \
		mv -f $$d/.$${m##*/}.new $$d/$${m##*/} || exit 1; done
	$(INSTALL) -m 644 examples/completion.bash $(DESTDIR)$(COMPDIR)/bk
	for p in $(PROGS); do test $$p = bk || ln -sf bk $(DESTDIR)$(COMPDIR)/$$p; done

uninstall:
	for p in $(PROGS); do rm -f $(DESTDIR)$(BINDIR)/$$p $(DESTDIR)$(COMPDIR)/$$p; done
	for m in $(MAN); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done

dist:
	mkdir -p $(B)
	git archive --format=tar.gz --prefix=bk-$(VERSION)/ -o $(B)/bk-$(VERSION).tar.gz HEAD

clean:
	rm -rf build build-*

-include $(DEPS)
