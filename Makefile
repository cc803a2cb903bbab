# tocsin -- build, test, install. `make help` lists the targets.
#
# Everything is built under build/; a sanitizer or another compiler gets a folder of its own, so
# that switching costs nothing. Sources are found by wildcard: a new file needs no line here.

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
SANITIZE ?=
WERROR  ?=
V       ?=
Q       := $(if $(V),,@)
VERSION := 0.1.0

comma := ,
variant := $(filter-out cc gcc,$(notdir $(CC)))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
BUILD   ?= build$(if $(variant),/$(patsubst -%,%,$(variant)))

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wundef -Wwrite-strings -Wpointer-arith \
	-Wcast-qual -Wformat=2 -Wno-format-zero-length -Wdouble-promotion -Wimplicit-fallthrough -fno-common \
	$(if $(WERROR),-Werror)

OPTIMIZE ?= -O2
HARDEN  := -fPIE -fstack-protector-strong $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

CFLAGS  ?= -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -I. -I$(BUILD) $(OPTIMIZE) $(WARNINGS) $(HARDEN) $(SANFLAGS) \
	-DTOCSIN_VERSION='"$(VERSION)"' $(CFLAGS)
LDLIBS  := -lmicrohttpd -lcurl -llmdb -lpcre2-8 -lz -lzstd -lsnappy -lyaml -ljansson -lxxhash \
	-lcrypt -lgnutls -lpthread -lm
ALL_LDFLAGS = $(HARDEN_LD) -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)

FOLDERS := core tsdb tsdb/promql collector rules exporters agent
SOURCES := $(filter-out agent/main.c,$(wildcard $(addsuffix /*.c,$(FOLDERS))))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/assets.o
LIBRARY := $(BUILD)/libtocsin.a
BINARY  := $(BUILD)/tocsin
ASSETS  := $(filter-out %.sh %.md,$(wildcard dashboards/*.* dashboards/grafana/*.json))

UNIT    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bench/bench_*.c tests/crash/crash_*.c))

.PHONY: all
all: $(BINARY)

$(BINARY): $(BUILD)/agent/main.o $(LIBRARY)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/compiler
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# carried by .incbin, which no dependency file sees
$(BUILD)/rules/builtin.o: $(wildcard rules/builtin/*.yml)

# A changed compiler or flag line rebuilds everything.
.PHONY: force
$(BUILD)/compiler: force
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@

# The web pages, compressed, inside the binary.
$(BUILD)/assets.c: dashboards/embed.sh $(ASSETS)
	@mkdir -p $(@D)
	sh dashboards/embed.sh $(BUILD)/assets > $@.tmp && mv $@.tmp $@
$(BUILD)/assets.o: $(BUILD)/assets.c agent/assets.h
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# --- tests ---------------------------------------------------------------------------------------

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS) -lcmocka

# Every fuzz target is also a plain program that replays its corpus.
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< tests/fuzz/replay.c $(LIBRARY) $(LDLIBS)

$(BUILD)/tests/bench/%: tests/bench/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)
$(BUILD)/tests/crash/%: tests/crash/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

.PHONY: build-tests test test-built test-peers compliance bench fuzz
build-tests: $(BINARY) $(UNIT) $(FUZZ) $(TOOLS)

# Self-contained: starts nothing but programs of this build. Installs what is missing first.
test: deps
	+@$(MAKE) --no-print-directory build-tests
	@BUILD=$(BUILD) SANITIZE=$(SANITIZE) tests/run.sh

# Against real foreign servers and a browser, which it installs.
test-peers: deps
	@packaging/deps.sh peers
	+@$(MAKE) --no-print-directory $(BINARY)
	@BUILD=$(BUILD) tests/peers.sh

COMPLIANCE ?=
compliance: deps
	+@$(MAKE) --no-print-directory $(BINARY) $(filter $(BUILD)/tests/unit/test_compliance%,$(UNIT))
	@BUILD=$(BUILD) tests/compliance.sh "$(COMPLIANCE)"

bench: deps
	+@$(MAKE) --no-print-directory $(BINARY) $(TOOLS)
	@BUILD=$(BUILD) tests/bench/run.sh

# libFuzzer builds with address and undefined sanitizers: make fuzz SECONDS=30 [ONLY=name]
SECONDS ?= 30
ONLY    ?=
fuzz:
	@packaging/deps.sh lint
	@SECONDS_EACH=$(SECONDS) ONLY=$(ONLY) tests/fuzz/run.sh

# --- everyday ------------------------------------------------------------------------------------

.PHONY: deps run lint format docs install uninstall clean help
deps:
	@packaging/deps.sh build

run: deps
	+@$(MAKE) --no-print-directory $(BINARY)
	exec $(BINARY) run --data ./data

lint: deps
	@packaging/deps.sh lint
	@BUILD=$(BUILD) tests/lint.sh

format:
	@tests/format.sh fix

# What the tables of the code say, written into docs/; the tests compare.
docs: $(BINARY) $(BUILD)/tests/unit/test_promql_doc $(BUILD)/tests/unit/test_http_doc
	$(BUILD)/tests/unit/test_promql_doc write
	$(BUILD)/tests/unit/test_http_doc update
	$(BINARY) man --markdown > docs/CLI.md

SHARE = $(DESTDIR)$(PREFIX)/share

install: $(BINARY)
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/tocsin
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/bin|$(PREFIX)/bin|' packaging/tocsin.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/tocsin.service
	install -d $(addprefix $(SHARE)/,man/man1 bash-completion/completions zsh/site-functions \
		fish/vendor_completions.d)
	$(BINARY) man > $(SHARE)/man/man1/tocsin.1
	$(BINARY) completion bash > $(SHARE)/bash-completion/completions/tocsin
	$(BINARY) completion zsh > $(SHARE)/zsh/site-functions/_tocsin
	$(BINARY) completion fish > $(SHARE)/fish/vendor_completions.d/tocsin.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/tocsin $(DESTDIR)$(PREFIX)/lib/systemd/system/tocsin.service \
		$(SHARE)/man/man1/tocsin.1 $(SHARE)/bash-completion/completions/tocsin \
		$(SHARE)/zsh/site-functions/_tocsin $(SHARE)/fish/vendor_completions.d/tocsin.fish

clean:
	rm -rf build

help:
	@sed -n 's/^\(all\|deps\|run\|test\|test-peers\|compliance\|bench\|lint\|format\|docs\|fuzz\|install\|uninstall\|clean\):.*/make \1/p' Makefile

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
.SECONDARY:
