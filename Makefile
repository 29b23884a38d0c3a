# belay: build, test, install. GNU make.
#
#   ./configure && make            build/belay
#   make check                     packages, configure, build, every test
#   make demo                      packages, configure, build, the console on a throwaway fleet
#
#   make unit                      the cmocka programs only
#   make e2e                       the tests on real servers only
#   make torture | fuzz | bench    long runs
#   make truth                     the truth table against the real programs, drivers in full
#   make install | uninstall       PREFIX, BINDIR, MANDIR from configure; DESTDIR in front
#   make clean | distclean
#
#   SAN=1                          address and undefined-behaviour sanitizers, in build-san
#   WERROR=1                       warnings are errors
#   V=1                            show the commands
#   BUILD=DIR                      where everything made goes
#   CFLAGS=…                       the user's flags; they come last
#
# No recursion into directories, no lists found by wildcard: what is built is
# written here, one file a line. Each line of a list ends in a backslash and
# the list ends in $(END), so that adding a line never changes another one.

VERSION = 0.1.0

# ---------------------------------------------------------------------------
# Sources, one list for each layer (layers point strictly downward)

# core: pure; libyaml and utf8proc only
CORE_SRC = \
	src/core/mem.c \
	src/core/err.c \
	src/core/buf.c \
	src/core/text.c \
	src/core/yaml.c \
	src/core/reader.c \
	src/core/reader_values.c \
	src/core/reader_for.c \
	src/core/names.c \
	src/core/trust.c \
	src/core/fleet.c \
	src/core/fleet_read.c \
	src/core/fleet_host.c \
	src/core/fleet_cert.c \
	src/core/fleet_link.c \
	src/core/fleet_part.c \
	src/core/fleet_bind.c \
	src/core/fleet_facet.c \
	src/core/fleet_edit.c \
	src/core/fleet_check.c \
	src/core/fleet_overlap.c \
	src/core/canary.c \
	src/core/canary_read.c \
	src/core/batch.c \
	src/core/plan.c \
	src/core/plan_batch.c \
	src/core/plan_read.c \
	src/core/plan_move.c \
	src/core/plan_own.c \
	src/core/plan_select.c \
	src/core/plan_check.c \
	src/core/plan_imply.c \
	src/core/plan_earlier.c \
	src/core/plan_print.c \
	src/core/step_units.c \
	src/core/blob.c \
	src/core/reading.c \
	src/core/reading_codec.c \
	src/core/census.c \
	src/core/revoked.c \
	src/core/certs.c \
	src/core/loginlog.c \
	src/core/logins.c \
	src/core/logtime.c \
	src/core/fill.c \
	src/core/setting.c \
	src/core/settings_seen.c \
	src/core/op.c \
	src/core/op_codec.c \
	src/core/op_edit.c \
	src/core/attempt.c \
	src/core/posture.c \
	src/core/proof.c \
	src/core/proof_step.c \
	src/core/proof_way.c \
	src/core/proof_order.c \
	src/core/proof_text.c \
	src/core/board.c \
	src/core/board_link.c \
	src/core/board_endpoint.c \
	src/core/board_posture.c \
	src/core/board_rehearsed.c \
	src/core/impact.c \
	src/core/gate.c \
	src/core/gate_census.c \
	src/core/rollout.c \
	src/core/rollout_words.c \
	src/core/rollout_may.c \
	src/core/rollout_undo.c \
	src/core/rollout_replay.c \
	src/core/wayback.c \
	src/core/depth.c \
	src/core/causes.c \
	src/core/diagnose.c \
	src/core/explain.c \
	src/core/expiry.c \
	src/core/complaints.c \
	src/core/peers.c \
	src/core/diff.c \
	src/core/keyfile.c \
	src/core/envfile.c \
	src/core/conffile.c \
	src/core/hba.c \
	src/core/hba_token.c \
	src/core/hba_read.c \
	src/core/hba_redact.c \
	src/core/hba_match.c \
	src/core/hba_step.c \
	src/core/blockfile.c \
	src/core/connurl.c \
	src/core/connstring.c \
	src/core/strings_seen.c \
	src/core/urlfile.c \
	src/core/edittext.c \
	src/core/facets.c \
	src/core/dialling.c \
	src/core/rehearsed.c \
	src/core/lint.c \
	src/core/lint_fleet.c \
	src/core/lint_plan.c \
	src/core/lint_restarts.c \
	src/core/standing.c \
	$(END)

# wire: messages between console and workers
WIRE_SRC = \
	src/wire/wire.c \
	src/wire/blobs.c \
	$(END)

# pki: certificates and keys
PKI_SRC = \
	src/pki/digest.c \
	src/pki/openssl.c \
	src/pki/key.c \
	src/pki/certificate.c \
	src/pki/brief.c \
	src/pki/signer.c \
	src/pki/vault.c \
	src/pki/revoked.c \
	src/pki/authority.c \
	$(END)

# store: journal and local lock
STORE_SRC = \
	src/store/journal.c \
	src/store/journal_db.c \
	src/store/journal_read.c \
	src/store/chain.c \
	src/store/lock.c \
	src/store/state_dir.c \
	$(END)

# remote: the worker, sessions, streams, probes, edits
REMOTE_SRC = \
	src/remote/worker.c \
	src/remote/worker_hosts.c \
	src/remote/worker_jobs.c \
	src/remote/addresses.c \
	src/remote/stream.c \
	src/remote/session.c \
	src/remote/session_chan.c \
	src/remote/session_libssh2.c \
	src/remote/session_socket.c \
	src/remote/session_lanes.c \
	src/remote/session_auth.c \
	src/remote/session_system.c \
	src/remote/session_local.c \
	src/remote/session_process.c \
	src/remote/ssh_config.c \
	src/remote/known_hosts.c \
	src/remote/keyring.c \
	src/remote/opensshkey.c \
	src/remote/sshdata.c \
	src/remote/agent.c \
	src/remote/tls.c \
	src/remote/forward.c \
	src/remote/memfile.c \
	src/remote/pq.c \
	src/remote/resp.c \
	src/remote/look.c \
	src/remote/environ.c \
	src/remote/errand.c \
	src/remote/follow.c \
	src/remote/loginwatch.c \
	src/remote/probe.c \
	src/remote/probe_served.c \
	src/remote/probe_back.c \
	src/remote/probe_sql.c \
	src/remote/probe_postgres.c \
	src/remote/probe_pgbouncer.c \
	src/remote/persisted.c \
	src/remote/probe_redis.c \
	src/remote/probe_check.c \
	src/remote/probe_depth.c \
	src/remote/statement.c \
	src/remote/rehearse.c \
	src/remote/rehearse_client.c \
	src/remote/settings.c \
	src/remote/hostproto.c \
	src/remote/become.c \
	src/remote/hostcall.c \
	src/remote/hostops.c \
	src/remote/hostops_edit.c \
	src/remote/hostops_file.c \
	src/remote/hostops_lease.c \
	src/remote/hostops_look.c \
	src/remote/hostops_read.c \
	src/remote/hostops_run.c \
	src/remote/activate.c \
	src/remote/held.c \
	src/remote/canary.c \
	src/remote/canary_held.c \
	src/remote/reload.c \
	src/remote/drain.c \
	src/remote/drain_list.c \
	src/remote/pooler.c \
	src/remote/hostops_setting.c \
	src/remote/hostops_sudo.c \
	$(END)

# engine: the loop around the rollout
ENGINE_SRC = \
	src/engine/workers.c \
	src/engine/workers_table.c \
	src/engine/workers_answers.c \
	src/engine/workers_process.c \
	src/engine/engine.c \
	src/engine/life.c \
	src/engine/answers.c \
	src/engine/watch.c \
	src/engine/sight.c \
	src/engine/leaves.c \
	src/engine/insist.c \
	src/engine/judge.c \
	src/engine/canaries.c \
	src/engine/prove.c \
	src/engine/lease.c \
	src/engine/adopt.c \
	src/engine/secrets.c \
	src/engine/material.c \
	src/engine/own.c \
	src/engine/leak.c \
	src/engine/past.c \
	src/engine/queue.c \
	src/engine/thread.c \
	src/engine/journaling.c \
	$(END)

# verbs: the headless face
VERBS_SRC = \
	src/verbs/out.c \
	src/verbs/run.c \
	src/verbs/json.c \
	src/verbs/json_status.c \
	src/verbs/json_certs.c \
	src/verbs/json_step.c \
	src/verbs/json_check.c \
	src/verbs/status.c \
	src/verbs/explain.c \
	src/verbs/certs.c \
	src/verbs/check.c \
	src/verbs/lint.c \
	src/verbs/drive.c \
	src/verbs/undo.c \
	src/verbs/history.c \
	src/verbs/unlock.c \
	src/verbs/script.c \
	src/verbs/show.c \
	src/verbs/adopt.c \
	$(END)

# ui: the curses face
UI_SRC = \
	ui/command.c \
	ui/field.c \
	ui/glyph.c \
	ui/grid.c \
	ui/input.c \
	ui/keys.c \
	ui/look.c \
	ui/page.c \
	ui/pane_dashboard.c \
	ui/pane_explain.c \
	ui/pane_fleet.c \
	ui/pane_proof.c \
	ui/pane_step.c \
	ui/pane_canary.c \
	ui/pane_trouble.c \
	ui/pane_words.c \
	ui/proven.c \
	ui/question.c \
	ui/render.c \
	ui/scene.c \
	ui/scene_engine.c \
	ui/steps.c \
	ui/term.c \
	ui/theme.c \
	ui/ui.c \
	ui/view.c \
	ui/view_act.c \
	ui/view_change.c \
	ui/view_proof.c \
	$(END)

# The program itself, on top of all layers
MAIN_SRC = \
	src/main.c \
	$(END)

# ---------------------------------------------------------------------------
# Tests

# cmocka programs: LAYER/NAME is tests/LAYER/NAME_test.c, linked with the
# archives of LAYER and of the layers below it. EXTRA_LAYER/NAME = FILE.c …
# adds sources of its own to one of them.
TESTS = \
	core/mem \
	core/text \
	core/yaml \
	core/attempt \
	core/fleet \
	core/certs \
	core/rotation \
	core/plan \
	core/batch \
	core/lint \
	core/lint_restarts \
	core/standing \
	core/impact \
	core/canary \
	core/badfiles \
	core/blob \
	core/census \
	core/loginlog \
	core/reading \
	core/rollout \
	core/board \
	wire/wire \
	store/journal \
	engine/engine \
	engine/thread \
	engine/workers \
	core/diff \
	core/envfile \
	core/conffile \
	core/blockfile \
	core/hba \
	core/diagnose \
	core/explain \
	core/expiry \
	core/complaints \
	core/peers \
	core/connurl \
	core/connstring \
	core/setting \
	remote/session \
	remote/known_hosts \
	remote/opensshkey \
	remote/login \
	remote/agent \
	remote/stream \
	remote/probe \
	remote/probe_check \
	remote/logins \
	remote/environ \
	remote/probe_hostile \
	remote/matrix \
	remote/statement \
	remote/rehearse \
	remote/canary \
	remote/pooler \
	remote/setting \
	pki/authority \
	pki/brief \
	pki/issuer \
	pki/revoked \
	ui/grid \
	ui/keys \
	ui/input \
	ui/view \
	ui/render \
	remote/host_sh \
	remote/quoting \
	fuzz/sample \
	remote/hostops \
	remote/edits \
	remote/become \
	remote/kills \
	core/op \
	core/op_edits \
	core/place \
	core/proof \
	core/proof_sim \
	remote/hostproto \
	truth/hba \
	truth/causes \
	truth/truth \
	$(END)

SERVERS = tests/remote/servers.c tests/remote/port.c
SSHD = tests/remote/sshd_fixture.c tests/remote/port.c
EXTRA_core/op = tests/core/op_fixture.c
EXTRA_core/op_edits = tests/core/op_fixture.c
EXTRA_core/place = tests/core/op_fixture.c
EXTRA_pki/authority = tests/pki/pki_fixture.c tests/pki/disk_calls.c
EXTRA_pki/brief = tests/pki/pki_fixture.c
EXTRA_pki/issuer = tests/pki/pki_fixture.c
EXTRA_pki/revoked = tests/pki/pki_fixture.c tests/pki/disk_calls.c
EXTRA_core/rotation = tests/core/op_fixture.c
EXTRA_remote/session = $(SSHD) tests/remote/client.c
EXTRA_remote/known_hosts = $(SSHD)
EXTRA_remote/opensshkey = $(SSHD)
EXTRA_remote/login = $(SSHD) tests/remote/client.c
EXTRA_remote/agent = $(SSHD) tests/remote/client.c
EXTRA_remote/host_sh = tests/remote/killer.c
EXTRA_remote/edits = tests/remote/killer.c tests/remote/ops_fixture.c
EXTRA_remote/kills = tests/remote/killer.c tests/remote/ops_fixture.c
EXTRA_remote/become = tests/remote/killer.c tests/remote/ops_fixture.c
EXTRA_remote/hostops = tests/remote/killer.c tests/remote/ops_fixture.c
EXTRA_remote/probe = tests/remote/probe_fixture.c $(SERVERS)
EXTRA_remote/probe_check = tests/remote/probe_fixture.c $(SERVERS)
EXTRA_remote/logins = tests/remote/probe_fixture.c $(SERVERS)
EXTRA_remote/probe_hostile = tests/remote/probe_fixture.c $(SERVERS)
EXTRA_remote/rehearse = tests/remote/dial_fixture.c $(SERVERS)
EXTRA_remote/canary = tests/remote/dial_fixture.c $(SERVERS)
EXTRA_remote/matrix = tests/remote/probe_fixture.c $(SERVERS)
EXTRA_remote/statement = tests/remote/probe_fixture.c $(SERVERS)
EXTRA_remote/setting = tests/remote/killer.c tests/remote/ops_fixture.c $(SERVERS)

EXTRA_truth/truth = tests/truth/posts.c tests/truth/bouncers.c tests/truth/dialler.c \
	tests/truth/drivers.c $(SERVERS)

EXTRA_truth/hba = $(SERVERS)
EXTRA_truth/causes = $(SERVERS)

FUZZ_TARGETS = tests/fuzz/targets.c tests/fuzz/targets_core.c tests/fuzz/targets_wire.c \
	tests/fuzz/targets_remote.c
EXTRA_fuzz/sample = $(FUZZ_TARGETS)

EXTRA_ui/view = tests/ui/fixture.c
EXTRA_ui/render = tests/ui/fixture.c tests/ui/screens.c

# Shell tests that need no server (TAP)
SHELL_TESTS = \
	tests/layers.sh \
	tests/configure.sh \
	tests/runner.sh \
	tests/clang.sh \
	tests/install.sh \
	tests/manual.sh \
	tests/store/killed.sh \
	tests/torture/sample \
	tests/ui/tmux.sh \
	$(END)

# The real program on real servers (TAP)
E2E = \
	tests/lab/test-lab.sh \
	tests/e2e/walk.sh \
	tests/e2e/proof.sh \
	tests/e2e/console.sh \
	tests/e2e/kill.sh \
	tests/e2e/faults.sh \
	tests/e2e/faults-here.sh \
	tests/e2e/breach.sh \
	tests/e2e/rotation.sh \
	tests/e2e/rotation-ca.sh \
	tests/e2e/misrotation.sh \
	tests/e2e/mutual.sh \
	tests/e2e/own.sh \
	tests/e2e/mutual-traffic.sh \
	tests/e2e/leak.sh \
	tests/e2e/lands.sh \
	tests/e2e/secrets.sh \
	tests/e2e/turns.sh \
	tests/e2e/box.sh \
	tests/e2e/become.sh \
	tests/e2e/activate.sh \
	tests/e2e/drain.sh \
	tests/e2e/pooler.sh \
	tests/e2e/reload.sh \
	tests/e2e/silent.sh \
	tests/e2e/conf.sh \
	tests/e2e/setting.sh \
	tests/e2e/explain.sh \
	tests/e2e/rehearse.sh \
	tests/e2e/scan.sh \
	tests/e2e/surprises.sh \
	tests/e2e/command.sh \
	tests/e2e/container.sh \
	tests/e2e/two.sh \
	tests/e2e/certs.sh \
	tests/e2e/adopt.sh \
	tests/e2e/canary.sh \
	tests/e2e/batch.sh \
	tests/e2e/drift.sh \
	$(END)

# Programs that the tests run: NAME is tests/NAME.c -> $(BUILD)/tests/NAME.
# LIBS_tool_NAME has their libraries.
TOOLS = \
	bench/sshbench \
	bench/proofbench \
	lab/labclient \
	lab/labpool \
	lab/labproc \
	lab/conftool \
	ui/mdoc \
	torture/tripwire \
	$(END)

LIBS_tool_bench/sshbench = $(call archives,$(BELOW_remote)) $(LIBS_remote)
LIBS_tool_bench/proofbench = $(BUILD)/core.a $(LIBS_core)
LIBS_tool_lab/conftool = $(BUILD)/core.a $(LIBS_core)
LIBS_tool_lab/labclient = $(LIBPQ_LIBS) $(HIREDIS_LIBS) $(OPENSSL_LIBS)
LIBS_tool_lab/labpool = $(LIBPQ_LIBS)
LIBS_tool_ui/mdoc = $(BUILD)/ui.a $(BUILD)/core.a $(LIBS_core)

# Manuals, by section
MANUALS = \
	doc/belay.1 \
	doc/belay-fleet.5 \
	doc/belay-plan.5 \
	doc/belay-explain.7 \
	doc/belay-internals.7 \
	$(END)

# ---------------------------------------------------------------------------
# What each layer may link with: archives (itself and below) and libraries

BELOW_core   = core
BELOW_wire   = wire core
BELOW_pki    = pki core
BELOW_store  = store core
BELOW_remote = remote pki wire core
BELOW_engine = engine remote store pki wire core
BELOW_fuzz   = remote pki wire core
BELOW_truth  = core
BELOW_verbs  = verbs engine remote store pki wire core
BELOW_ui     = ui engine remote store pki wire core
LAYERS       = ui verbs engine remote store pki wire core

LIBS_core   = $(YAML_LIBS) $(UTF8PROC_LIBS)
LIBS_wire   = $(JANSSON_LIBS) $(OPENSSL_LIBS) $(LIBS_core)
LIBS_pki    = $(OPENSSL_LIBS) $(LIBS_core)
LIBS_store  = $(SQLITE3_LIBS) $(OPENSSL_LIBS) $(LIBS_core)
LIBS_remote = $(LIBSSH2_LIBS) $(LIBPQ_LIBS) $(HIREDIS_LIBS) $(LIBUV_LIBS) $(LIBS_wire)
LIBS_engine = $(SQLITE3_LIBS) $(LIBS_remote)
LIBS_fuzz   = $(LIBS_remote)
LIBS_truth  = $(LIBPQ_LIBS) $(OPENSSL_LIBS) $(LIBS_core)
LIBS_verbs  = $(LIBS_engine)
LIBS_ui     = $(NCURSESW_LIBS) $(LIBS_engine)
LIBS_all    = $(LIBS_ui)

# ---------------------------------------------------------------------------
# Configuration. The targets named here do without one, or make it themselves.

SELF_MADE = check demo setup clean distclean help
ifneq ($(filter-out $(SELF_MADE),$(or $(MAKECMDGOALS),all)),)
include config.mk
endif

config.mk:
	./configure

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
CC     ?= cc
AR     ?= ar

# SAN=1: address and undefined-behaviour sanitizers, in a tree of their own.
# Fortify is left out: it hides what the sanitizer would see.
ifeq ($(SAN),1)
BUILD ?= build-san
MODE_CFLAGS = -O1 -g -fno-omit-frame-pointer -fPIE -fsanitize=address,undefined -fno-sanitize-recover=all
MODE_LDFLAGS = -pie -fsanitize=address,undefined
SLOW_TESTS = -x 3
else
BUILD ?= build
MODE_CFLAGS = -O2 -g $(HARDEN_CFLAGS)
MODE_LDFLAGS = $(HARDEN_LDFLAGS)
endif

ifeq ($(WERROR),1)
WERROR_CFLAGS = -Werror
endif

WARN_CFLAGS = -Wall -Wextra -Wpedantic -Wmissing-prototypes -Wstrict-prototypes \
	-Wshadow -Wconversion -Wformat=2

# A file that needs more of the C library than this says so itself
# (#define _GNU_SOURCE on its first line, and why).
OUR_CPPFLAGS = -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE -Isrc -I. -I$(BUILD)/gen $(LIB_CFLAGS)
OUR_CFLAGS = -std=c11 -pthread $(WARN_CFLAGS) $(MODE_CFLAGS) $(WERROR_CFLAGS)

# The user's flags come last, so that they win.
COMPILE = $(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS)
LINK = $(CC) -pthread $(MODE_LDFLAGS) $(CFLAGS) $(LDFLAGS)

# V=1 shows the commands themselves, instead of a word and a file.
ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),@:,@printf "  %-5s %s\n" "$(1)" "$(2)")
endif

# ---------------------------------------------------------------------------
# Derived names

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
archives = $(patsubst %,$(BUILD)/%.a,$(1))

GEN = $(BUILD)/gen/version.h
GEN += $(if $(wildcard src/remote/host.sh),$(BUILD)/gen/host_sh.h)

ALL_SRC = $(CORE_SRC) $(WIRE_SRC) $(PKI_SRC) $(STORE_SRC) $(REMOTE_SRC) $(ENGINE_SRC) \
	$(VERBS_SRC) $(UI_SRC) $(MAIN_SRC)
TEST_SRC = $(patsubst %,tests/%_test.c,$(TESTS)) $(foreach t,$(TESTS),$(EXTRA_$(t)))
TOOL_SRC = $(patsubst %,tests/%.c,$(TOOLS))
FUZZ_SRC = tests/fuzz/fuzz.c $(FUZZ_TARGETS)
TEST_BIN = $(patsubst %,$(BUILD)/tests/%_test,$(TESTS))
TOOL_BIN = $(patsubst %,$(BUILD)/tests/%,$(TOOLS))

# ---------------------------------------------------------------------------
# Build

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all objects tools tests unit check demo setup install uninstall clean distclean help \
	torture truth fuzz bench e2e check-built have-cmocka install-built always

all: $(BUILD)/belay
tools: $(TOOL_BIN) $(BUILD)/tests/lab/labfrom.so
tests: $(TEST_BIN) $(TOOL_BIN) $(BUILD)/tests/lab/labfrom.so
objects: $(call obj,$(ALL_SRC) $(TEST_SRC) $(TOOL_SRC) $(FUZZ_SRC))

$(BUILD)/belay: $(call obj,$(MAIN_SRC)) $(call archives,$(LAYERS))
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(LIBS_all) $(LIBS)

$(BUILD)/%.o: %.c $(BUILD)/gen/flags | $(GEN)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(call obj,$(TEST_SRC)): | have-cmocka

# An archive is made anew each time, so that a file taken off the list is gone.
define layer_rule
$(BUILD)/$(1).a: $(call obj,$(2))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)$$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(eval $(call layer_rule,core,$(CORE_SRC)))
$(eval $(call layer_rule,wire,$(WIRE_SRC)))
$(eval $(call layer_rule,pki,$(PKI_SRC)))
$(eval $(call layer_rule,store,$(STORE_SRC)))
$(eval $(call layer_rule,remote,$(REMOTE_SRC)))
$(eval $(call layer_rule,engine,$(ENGINE_SRC)))
$(eval $(call layer_rule,verbs,$(VERBS_SRC)))
$(eval $(call layer_rule,ui,$(UI_SRC)))

define test_rule
$(BUILD)/tests/$(1)_test: $(call obj,tests/$(1)_test.c $(EXTRA_$(1))) $(call archives,$(BELOW_$(2)))
	$$(call say,LINK,$$@)
	$$(Q)$$(LINK) -o $$@ $$^ $$(CMOCKA_LIBS) $$(LIBS_$(2)) $$(LIBS)
endef
$(foreach t,$(TESTS),$(eval $(call test_rule,$(t),$(firstword $(subst /, ,$(t))))))

define tool_rule
$(BUILD)/tests/$(1): $(BUILD)/tests/$(1).o
	$$(call say,LINK,$$@)
	$$(Q)$$(LINK) -o $$@ $$< $$(LIBS_tool_$(1)) $$(LIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$(t))))
$(BUILD)/tests/bench/sshbench: $(call archives,$(BELOW_remote))
$(BUILD)/tests/bench/proofbench: $(BUILD)/core.a
$(BUILD)/tests/lab/conftool: $(BUILD)/core.a
$(BUILD)/tests/ui/mdoc: $(BUILD)/ui.a $(BUILD)/core.a

# Preloaded into programs of the system, so without sanitizers.
$(BUILD)/tests/lab/labfrom.so: tests/lab/labfrom.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra -O2 -fPIC -shared -o $@ $< -ldl

# libFuzzer has the main(): tests/fuzz/run builds it, with clang, in a tree of its own.
$(BUILD)/tests/fuzz/fuzz: $(call obj,$(FUZZ_SRC)) $(call archives,$(BELOW_fuzz))
	$(call say,LINK,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS_fuzz) $(LIBS)

# Other flags than last time: everything is compiled again.
$(BUILD)/gen/flags: export FLAGS = $(CC) $(CPPFLAGS) $(MODE_CFLAGS) $(CFLAGS) $(LIB_CFLAGS)
$(BUILD)/gen/flags: always
	@mkdir -p $(@D)
	@echo "$$FLAGS" | cmp -s - $@ || echo "$$FLAGS" >$@
always:

$(BUILD)/gen/version.h: Makefile
	@mkdir -p $(@D)
	@printf '#define BELAY_VERSION "%s"\n' '$(VERSION)' >$@.new
	@cmp -s $@.new $@ 2>/dev/null && rm $@.new || mv $@.new $@
	@touch $@

# The host-side program as bytes (a string literal may not be that long in
# ISO C), ending in a NUL, and the SHA-256 of its text for the journal. Comments
# and indentation stay here: the program travels with every request.
$(BUILD)/gen/host_sh.h: src/remote/host.sh src/remote/box.sh src/remote/value.sh
	@mkdir -p $(@D)
	@if LC_ALL=C grep -n '[^	-~]' $^; then echo '$^: only ASCII, please' >&2; exit 1; fi
	$(call say,GEN,$@)
	$(Q)for f in host box value; do \
	  sed -e '/^[[:space:]]*#/d' -e '/^$$/d' -e 's/^[[:space:]]*//' src/remote/$$f.sh >$(@D)/$$f.sh; \
	done
	$(Q){ echo '/* made from $^: do not edit */'; \
	  echo "#define HOST_SH_SHA256 \"$$(cat $(@D)/host.sh $(@D)/box.sh $(@D)/value.sh | sha256sum | cut -d' ' -f1)\""; \
	  for f in host box value; do \
	    echo "static const char $${f}_sh[] = {"; \
	    od -An -v -tu1 $(@D)/$$f.sh | sed 's/[0-9][0-9]*/&,/g'; \
	    echo '0 };'; \
	  done; } >$@

# ---------------------------------------------------------------------------
# Targets that do the whole set-up themselves: packages, configure, build.
# They call make again once config.mk is there for it to read.

JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))
AGAIN = $(MAKE) --no-print-directory $(JOBS)
CONFIGURED = if [ ! -f config.mk ] || [ -n "$$(find configure -newer config.mk)" ]; then \
	./configure --again; fi

check:
	@tests/setup build lab check drivers
	@$(CONFIGURED)
	+@$(AGAIN) all tests
	+@$(AGAIN) check-built

demo:
	@tests/setup build lab
	@$(CONFIGURED)
	+@$(AGAIN) all tools
	@tests/demo $(BUILD)

setup:
	tests/setup

# ---------------------------------------------------------------------------
# Tests

check-built: all tests
	@tests/run $(SLOW_TESTS) -b $(BUILD) $(TEST_BIN) $(SHELL_TESTS) $(E2E)

unit: $(TEST_BIN)
	@tests/run $(SLOW_TESTS) -b $(BUILD) $(TEST_BIN)

e2e: all tools
	@tests/run $(SLOW_TESTS) -b $(BUILD) $(E2E)

have-cmocka:
	@[ "$(HAVE_CMOCKA)" = yes ] || { echo 'the tests need cmocka (Debian libcmocka-dev,' \
	    'Fedora libcmocka-devel): install it, then ./configure' >&2; exit 1; }

# Long runs, by scripts of their own; each takes its time from its own options
# (make fuzz ARGS=…).
torture: all tools
	@$(call script,tests/torture/run)
truth: $(BUILD)/tests/truth/truth_test
	@BUILD=$(BUILD) $< --all
fuzz: all
	@$(call script,tests/fuzz/run)
bench: all tools
	@$(call script,tests/bench/run)
script = [ -x $(1) ] || { echo 'make $@: there is no $(1) yet' >&2; exit 1; }; \
	BUILD=$(BUILD) BELAY=$(BUILD)/belay $(1) $(ARGS)

# ---------------------------------------------------------------------------
# Install. DESTDIR goes in front, for packagers.

MAN = $(MANUALS)
man_dir = $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))

install: all
	@$(MAKE) --no-print-directory install-built

install-built:
	mkdir -p $(DESTDIR)$(BINDIR)
	install -m 755 $(BUILD)/belay $(DESTDIR)$(BINDIR)/belay
	$(foreach m,$(MAN),mkdir -p $(call man_dir,$(m)) && \
	    install -m 644 $(m) $(call man_dir,$(m))/$(notdir $(m)) &&) :

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/belay
	rm -f $(foreach m,$(MANUALS),$(call man_dir,$(m))/$(notdir $(m)))

clean:
	rm -rf build build-san

distclean: clean
	rm -f config.mk config.log

help:
	@sed -n '1,/^$$/s/^#[ ]\{0,1\}//p' Makefile

-include $(patsubst %.c,$(BUILD)/%.d,$(ALL_SRC) $(TEST_SRC) $(TOOL_SRC) tests/fuzz/fuzz.c)
