/*
 * wayback: see wayback.h.
 *
 * Owns the script's text.  Which ops stand in it, and in which order, is what an
 * undo would do: rollout_way_back().
 */
#include "core/wayback.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

static const char head[] =
    "set -u\n"
    "failed=0\n"
    "say() { echo \"$1\" >&2; failed=1; }\n"
    "said_ok() { said=$(\"$@\" 2>&1 </dev/null) && [ \"$said\" = OK ] || { say \"$said\"; return 1; }; }\n"
    "of() { sed -n \"s/^$2 //p\" \"$1\"; }\n"
    "sha() { if [ -e \"$1\" ]; then sha256sum <\"$1\" | cut -d\" \" -f1; else echo -; fi; }\n"
    "# has RECORD: is there one, so that something was begun?\n"
    "has() {\n"
    "    r=$state/runs/$1\n"
    "    [ ! -f \"$r/state\" ] || return 0\n"
    "    [ -d \"$state/runs/${1%%/*}\" ] || say \"there are no records in $state/runs/${1%%/*}\"\n"
    "    return 1\n"
    "}\n"
    "# part FILE HOW: is what stands in $path a beginning of it, a write in place that was cut?\n"
    "part() { [ -e \"$path\" ] && [ -f \"$2\" ] && head -c \"$(wc -c <\"$path\")\" \"$1\" 2>/dev/null | cmp -s - \"$path\"; }\n"
    "# put CONTENT SHA MODE OWNER LEFT-MODE LEFT-OWNER: into $path, which has SHA $now; \"-\" is no file\n"
    "put() {\n"
    "    if [ \"$2\" = - ]; then rm -f \"$path\" || failed=1; return; fi\n"
    "    [ \"$now\" != - ] || mkdir -p \"${path%/*}/\"\n"
    "    # Opened once: whoever owns the directory may put something else under the name.\n"
    "    (\n"
    "        umask 077\n"
    "        if [ \"$now\" = - ]; then set -C; exec 8>\"$path\"; else exec 8<\"$path\"; fi || exit 1\n"
    "        set +C\n"
    "        f=/proc/self/fd/8 is_mode=- is_owner=-\n"
    "        [ -e $f ] || f=$path\n"
    "        if [ \"$now\" != - ]; then\n"
    "            [ \"$(sha256sum <&8 | cut -d\" \" -f1)\" = \"$now\" ] || { echo \"$path: keeps changing\" >&2; exit 1; }\n"
    "            is_mode=$(stat -L -c %a \"$f\") is_owner=$(stat -L -c %u:%g \"$f\")\n"
    "        fi\n"
    "        rc=0\n"
    "        [ \"$now\" = \"$2\" ] || cat \"$1\" >\"$f\" || exit 1\n"
    "        case $is_owner in \"${6:-$is_owner}\"|-)\n"
    "            if [ \"$(id -u)\" = 0 ]; then chown \"$4\" \"$f\" || rc=1; fi ;;\n"
    "        esac\n"
    "        case $is_mode in \"${5:-$is_mode}\"|-) chmod \"$3\" \"$f\" || rc=1 ;; esac\n"
    "        exit $rc\n"
    "    ) || failed=1\n"
    "}\n"
    "gone() { if [ -f \"$1\" ]; then while IFS= read -r d; do rmdir \"$d\" 2>/dev/null; done <\"$1\"; fi; }\n"
    "# back FILE RECORD: as it was before, where nobody has changed it since\n"
    "back() {\n"
    "    has \"$2\" && [ \"$(cat \"$r/state\")\" != undone ] || return 0\n"
    "    path=$1 now=$(sha \"$1\") before=$(of \"$r/meta\" before)\n"
    "    case $now in\n"
    "    \"$before\"|\"$(of \"$r/meta\" after)\") ;;\n"
    "    *) part \"$r/after\" \"$r/how\" || part \"$r/before\" \"$r/how\" || {\n"
    "        say \"$path: changed since, not touched; before: $r/before, ours: $r/after\"\n"
    "        return\n"
    "    } ;;\n"
    "    esac\n"
    "    left=$(of \"$r/attr\" after-attr 2>/dev/null)\n"
    "    put \"$r/before\" \"$before\" \"$(of \"$r/meta\" mode)\" \"$(of \"$r/meta\" uid):$(of \"$r/meta\" gid)\" \\\n"
    "        \"${left%% *}\" \"${left##* }\"\n"
    "    [ \"$before\" != - ] || gone \"$r/dirs\"\n"
    "}\n"
    "# begun RECORD: was the command begun, and not undone?\n"
    "begun() { has \"$1\" && case $(cat \"$r/state\") in undone|\"undo-ended 0\") false ;; esac; }\n"
    "# again RECORD: was its undo run, and only the files are left?\n"
    "again() { [ \"$(cat \"$state/runs/$1/state\")\" = putting-back ]; }\n"
    "# each FUNCTION: of every file that the command of $r touched: n path mode owner before now left\n"
    "each() {\n"
    "    [ -f \"$r/touched\" ] || return 0\n"
    "    while IFS=\" \" read -r n mode owner before path; do\n"
    "        path=${path%/} now=$(sha \"${path%/}\")\n"
    "        left=$(cat \"$r/left\" \"$r/left-undo\" 2>/dev/null | sed -n \"s/^$n \\([^ ]* [^ ]* [^ ]*\\) .*/\\1/p\")\n"
    "        $1\n"
    "    done <\"$r/touched\"\n"
    "}\n"
    "# still RECORD: is every file that the command touched as before, or as it left it?\n"
    "still() { has \"$1\" || return 1; same=yes; each still_one; [ $same = yes ]; }\n"
    "still_one() {\n"
    "    case \"$before $now \" in \"$now $now \") return ;; esac\n"
    "    case \"${left:-* * $now} \" in *\" $now\"[!0-9a-f]*) return ;; esac\n"
    "    ! part \"$r/$n.before\" \"$r/$n.how\" || return 0\n"
    "    say \"$path: changed since, nothing of $r is undone; before: $r/$n.before\"\n"
    "    same=no\n"
    "}\n"
    "# kept RECORD: the files that a command touched, as they were; then it is undone\n"
    "kept() {\n"
    "    has \"$1\" || return 0\n"
    "    all=$failed failed=0\n"
    "    each kept_one\n"
    "    [ $failed = 1 ] || echo undone >\"$r/state\" || failed=1\n"
    "    [ $all = 0 ] || failed=1\n"
    "}\n"
    "kept_one() {\n"
    "    left=$(echo \"$left\" | tail -n 1)\n"
    "    l_owner=${left#* }\n"
    "    put \"$r/$n.before\" \"$before\" \"$mode\" \"$owner\" \"${left%% *}\" \"${l_owner%% *}\"\n"
    "    [ \"$before\" != - ] || gone \"$r/$n.dirs\"\n"
    "}\n";

static const char box_head[] =
    "# box_back RUNTIME CONTAINER FILE RECORD: likewise in a container, written in place\n"
    "in_box() { $rt exec -i \"$name\" \"$@\"; }\n"
    "box_back() {\n"
    "    has \"$4\" && [ \"$(cat \"$r/state\")\" != undone ] || return 0\n"
    "    rt=$1 name=$2 path=$3 before=$(of \"$r/meta\" before)\n"
    "    now=$(in_box sh -c 'if [ -e \"$1\" ]; then sha256sum <\"$1\" | cut -d\" \" -f1; else echo -; fi' sh \"$path\" </dev/null) || {\n"
    "        say \"$2: cannot be looked into\"\n"
    "        return\n"
    "    }\n"
    "    case $now in\n"
    "    \"$before\") return ;;\n"
    "    \"$(of \"$r/meta\" after)\") ;;\n"
    "    *) say \"$2:$path: changed since, not touched; before: $r/before, ours: $r/after\"; return ;;\n"
    "    esac\n"
    "    if [ \"$before\" = - ]; then in_box rm -f \"$path\" </dev/null; else in_box sh -c 'cat >\"$1\"' sh \"$path\" <\"$r/before\"; fi ||\n"
    "        failed=1\n"
    "}\n";

static const char value_head[] =
    "# like WHAT: does `observe` say that?\n"
    "like() { [ \"$(observe </dev/null 2>/dev/null)\" = \"$1\" ]; }\n"
    "# value RECORD [WANTED]: what set_back sets goes back to what was observed before, where nobody has changed it since\n"
    "value() {\n"
    "    has \"$1\" && [ -f \"$r/version-before\" ] || return 0\n"
    "    BELAY_VALUE=$(cat \"$r/version-before\")\n"
    "    export BELAY_VALUE\n"
    "    if ! like \"$BELAY_VALUE\"; then\n"
    "        [ ! -f \"$r/version-after\" ] || like \"$(cat \"$r/version-after\")\" || { [ \"${2-}\" ] && like \"$2\"; } || {\n"
    "            say \"$(observe </dev/null 2>&1): changed since, nothing of $r is undone\"\n"
    "            return\n"
    "        }\n"
    "        set_back </dev/null >&2 && like \"$BELAY_VALUE\" || { say \"it is not $BELAY_VALUE, as it was before: $r\"; return; }\n"
    "    fi\n"
    "    echo undone >\"$r/state\" || failed=1\n"
    "}\n";

static const char version_head[] =
    "# ours RECORD: is the version as before ($was is yes then), or as the command left it?\n"
    "ours() {\n"
    "    has \"$1\" || return 1\n"
    "    was=no\n"
    "    [ -f \"$r/version-before\" ] || return 0\n"
    "    now=$(version </dev/null 2>/dev/null) || { say \"$r: its version cannot be told, nothing of it is undone\"; return 1; }\n"
    "    [ -f \"$r/version-after\" ] || printf \"%s\\n\" \"$now\" >\"$r/version-after\"\n"
    "    if [ \"$now\" = \"$(cat \"$r/version-before\")\" ]; then was=yes; return 0; fi\n"
    "    for f in \"$r/version-after\" \"$r/version-undone\"; do\n"
    "        [ ! -f \"$f\" ] || [ \"$now\" != \"$(cat \"$f\")\" ] || return 0\n"
    "    done\n"
    "    say \"$now: another version since, nothing of $r is undone\"\n"
    "    return 1\n"
    "}\n";

static const char settings_head[] =
    "# settings RECORD KIND KEEP CLIENT…: the values that a server had, where nobody has set others since\n"
    "settings() {\n"
    "    has \"$1\" || return 0\n"
    "    case $(cat \"$r/state\") in undone|failed) return 0 ;; esac\n"
    "    kind=$2 keep=$3\n"
    "    shift 3\n"
    "    while IFS= read -r line; do\n"
    "        rest=${line#* } was=${line%% *}\n"
    "        name=${rest%% *}\n"
    "        before=$was${line#\"$was $name\"}\n"
    "        after=$(sed -n \"s/^unset $name\\$/unset/p;s/^set $name /set /p\" \"$r/after\")\n"
    "        now=$(value_now \"$@\" </dev/null) || { say \"$name: $1 cannot tell what it is\"; return; }\n"
    "        case $kind:$now in\n"
    "        \"$kind:$before\"|\"$kind:$after\") continue ;;\n"
    "        # It says a number of bytes where it was told megabytes.\n"
    "        redis:*) case $after in *[0-9][kKmMgGbB]*) continue ;; esac ;;\n"
    "        esac\n"
    "        say \"$name: changed since ($now), nothing of $r is undone\"\n"
    "        return\n"
    "    done <\"$r/before\"\n"
    "    if [ \"$kind\" = redis ]; then\n"
    "        redis_back \"$@\" || return 0\n"
    "        # What was set may have closed the port by which it came.\n"
    "        [ \"$keep\" = no ] || [ \"$(\"$@\" CONFIG REWRITE 2>/dev/null </dev/null)\" = OK ] || said_ok other CONFIG REWRITE\n"
    "        return\n"
    "    fi\n"
    "    while IFS= read -r line; do\n"
    "        rest=${line#* }\n"
    "        name=${rest%% *} value=$(printf \"%s\\n\" \"${rest#* }\" | sed \"s/'/''/g\")\n"
    "        case $kind:${line%% *} in\n"
    "        postgres:set) \"$@\" -c \"ALTER SYSTEM SET $name = '$value'\" ;;\n"
    "        postgres:*) \"$@\" -c \"ALTER SYSTEM RESET $name\" ;;\n"
    "        pgbouncer:*) \"$@\" -c \"SET $name = '$value'\" ;;\n"
    "        esac </dev/null >&2 || failed=1\n"
    "    done <\"$r/before\"\n"
    "}\n"
    "# One command for all of them, since one may not stand without the other.\n"
    "redis_back() {\n"
    "    set -- \"$@\" CONFIG SET\n"
    "    while IFS= read -r line; do\n"
    "        rest=${line#* }\n"
    "        set -- \"$@\" \"${rest%% *}\" \"${rest#* }\"\n"
    "    done <\"$r/before\"\n"
    "    said_ok \"$@\"\n"
    "}\n"
    "value_now() {\n"
    "    case $kind in\n"
    "    postgres)\n"
    "        is=$(\"$@\" -c \"SELECT 'set ' || setting FROM pg_file_settings WHERE lower(name) = lower('$name') AND \\\n"
    "sourcefile ~ '(^|/)postgresql[.]auto[.]conf\\$' ORDER BY seqno DESC LIMIT 1\") && echo \"${is:-unset}\" ;;\n"
    "    pgbouncer) is=$(\"$@\" -c \"SHOW CONFIG\") && printf \"%s\\n\" \"$is\" | sed -n \"s/^$name|\\([^|]*\\)|.*/set \\1/p\" ;;\n"
    "    redis) is=$(\"$@\" CONFIG GET \"$name\") && printf \"%s\\n\" \"$is\" | sed -n \"2s/^/set /p\" ;;\n"
    "    esac\n"
    "}\n";

static void
command(struct buf *out, const struct op *op, const char *run, const char *then)
{
	(void)buf_puts(out, "(");
	/* What its undo calls $(before) and $(after); $r is the record. */
	if (op->version != NULL && !op->by_value)
		(void)buf_puts(out, "before() { cat \"$r/version-before\"; }\nafter() { cat \"$r/version-after\"; }\n");
	if (op->in != NULL) {
		(void)buf_puts(out, "cd ");
		text_shell_quote(out, op->in);
		(void)buf_puts(out, " && ");
	}
	/* On a line of its own: the command may end in a comment. */
	(void)buf_printf(out, "%s\n)%s", run, then);
}

/* The server's own client, and how it is told where; of a Redis, by one of its ports. */
static void
client(struct buf *out, const struct endpoint *e, bool tls)
{
	bool redis = e->kind == KIND_REDIS;

	(void)buf_puts(out, redis ? "redis-cli" : "psql -XqAt -v ON_ERROR_STOP=1");
	if (redis && tls)
		(void)buf_printf(out, " --tls ${REDIS_CA:+--cacert \"$REDIS_CA\"}%s",
		    e->probe_cert == NONE ? "" : " ${REDIS_CERT:+--cert \"$REDIS_CERT\" --key \"$REDIS_KEY\"}");
	(void)buf_puts(out, " -h ");
	text_shell_quote(out, e->at != NULL ? e->at : e->names.n > 0 ? e->names.v[0] : "localhost");
	(void)buf_printf(out, " -p %d", tls ? e->port_tls : e->port_plain);
	if (e->admin_user != NULL) {
		(void)buf_puts(out, redis ? " --user " : " -U ");
		text_shell_quote(out, e->admin_user);
	}
	if (redis)
		return;
	(void)buf_puts(out, " -d ");
	text_shell_quote(out, e->kind == KIND_PGBOUNCER ? "pgbouncer" :
	    e->admin_database != NULL ? e->admin_database : "postgres");
}

/* A Redis has two ports as a rule, and what is set may close the one and open the other. */
static void
other(struct buf *out, const struct endpoint *e, bool tls)
{
	(void)buf_puts(out, "other() { ");
	client(out, e, tls);
	(void)buf_puts(out, " \"$@\"; }\n");
}

typedef void by_client(struct buf *out, const struct endpoint *, bool tls, const void *arg);

/* By that client; its password is the person's to bring.  A Redis may have either of its ports open. */
static void
by_its_client(struct buf *out, const struct endpoint *e, by_client *line, const void *arg)
{
	bool redis = e->kind == KIND_REDIS, either = redis && e->port_plain != 0 && e->port_tls != 0 && e->port_plain != e->port_tls;

	(void)buf_printf(out, "# The password%s%s is not in here: give it in %s%s%s\n", e->admin_user == NULL ? "" : " of ",
	    e->admin_user == NULL ? "" : e->admin_user, redis ? "REDISCLI_AUTH" : "PGPASSFILE",
	    redis && e->port_tls != 0 ? ", and the file of its CA in REDIS_CA" : "",
	    e->probe_cert == NONE ? "" : redis ? ", of a client certificate and its key in REDIS_CERT and REDIS_KEY" :
	    ", and the files of a client certificate and its key in PGSSLCERT and PGSSLKEY");
	if (either) {
		(void)buf_puts(out, "if ");
		client(out, e, false);
		(void)buf_puts(out, " PING </dev/null >/dev/null 2>&1; then\n");
	}
	if (redis)
		other(out, e, either || e->port_plain == 0);
	line(out, e, e->port_plain == 0, arg);
	if (either) {
		(void)buf_puts(out, "else\n");
		other(out, e, false);
		line(out, e, true, arg);
		(void)buf_puts(out, "fi\n");
	}
}

struct kept {			/* what the record has of a server's settings */
	const char *run, *tail;
	bool	 persist;
};

static void
settings(struct buf *out, const struct endpoint *e, bool tls, const void *arg)
{
	const struct kept *k = arg;

	(void)buf_printf(out, "settings '%s%s' %s %s ", k->run, k->tail, kind_word(e->kind), k->persist ? "yes" : "no");
	client(out, e, tls);
	(void)buf_putc(out, '\n');
}

/* What a unit's own server is told, so that it takes up what stands on its disk. */
static void
reload(struct buf *out, const struct endpoint *e, bool tls, const void *arg)
{
	(void)arg;
	if (e->kind != KIND_REDIS) {
		client(out, e, tls);
		(void)buf_puts(out, " -c ");
		text_shell_quote(out, e->kind == KIND_PGBOUNCER ? "RELOAD" : "SELECT pg_reload_conf()");
		(void)buf_puts(out, " </dev/null >&2 || failed=1\n");
		return;
	}
	/* The same words twice: to ask for the path, and to give it back. */
	(void)buf_puts(out, "path=$(");
	client(out, e, tls);
	(void)buf_puts(out, " CONFIG GET tls-cert-file </dev/null | sed -n 2p)\nsaid_ok ");
	client(out, e, tls);
	(void)buf_puts(out, " CONFIG SET tls-cert-file \"$path\"\n");
}

static void
op_back(struct buf *out, const struct fleet *fleet, const char *run, const struct op *op)
{
	const char *tail = strchr(op->id, '/');

	if (tail == NULL)
		tail = "";
	if (op->path != NULL && path_in_container(op->path) != NULL) {
		const char *inside = path_in_container(op->path), *name = strchr(op->path, ':') + 1;

		(void)buf_printf(out, "box_back %.*s %.*s ", (int)(name - 1 - op->path), op->path, (int)(inside - 1 - name), name);
		text_shell_quote(out, inside);
		(void)buf_printf(out, " '%s%s'\n", run, tail);
	} else if (op_kind_of_file(op->kind)) {
		(void)buf_puts(out, "back ");
		text_shell_quote(out, op->path == NULL ? "" : op->path);
		(void)buf_printf(out, " '%s%s'\n", run, tail);
	} else if (op->kind == OP_SETTING)
		by_its_client(out, &fleet->endpoints[op->endpoint], settings,
		    &(const struct kept){ run, tail, op->persist });
	else if (op->kind == OP_ACTIVATE && op->native)
		by_its_client(out, &fleet->endpoints[op->endpoint], reload, NULL);
	else if (op->kind == OP_ACTIVATE)
		command(out, op, op->run, " || failed=1\n");
	else if (op->kind == OP_DRAIN)
		(void)buf_printf(out, "# %s: ended sessions do not come back\n", op->run);
	else if (op->kind == OP_RUN && op->by_value) {
		(void)buf_puts(out, "observe() ");
		command(out, op, op->observe, "\n");
		(void)buf_puts(out, "set_back() ");
		command(out, op, op->value != NULL ? op->run : op->undo, "\n");
		(void)buf_printf(out, "if begun '%s%s'; then value '%s%s'", run, tail, run, tail);
		if (op->value != NULL) {
			(void)buf_putc(out, ' ');
			text_shell_quote(out, op->value);
		}
		(void)buf_puts(out, "; fi\n");
	} else if (op->kind == OP_RUN && !op->read_only) {
		if (op->version != NULL) {
			(void)buf_puts(out, "version() ");
			command(out, op, op->version, "\n");
		}
		(void)buf_printf(out, "if begun '%s%s' && still '%s%s'", run, tail, run, tail);
		if (op->version != NULL)
			(void)buf_printf(out, " && ours '%s%s'", run, tail);
		(void)buf_puts(out, "; then\n");
		if (op->undo != NULL) {
			(void)buf_printf(out, "again '%s%s' || ", run, tail);
			if (op->version != NULL)
				(void)buf_puts(out, "[ $was = yes ] || ");
			command(out, op, op->undo, " && ");
		}
		(void)buf_printf(out, "kept '%s%s' || failed=1\nfi\n", run, tail);
	}
}

/* One op whose state is not the rollout's, but this. */
struct other {
	int	 step, op;
	enum op_state as;
};

/* Whoever runs this by hand is told what belay would have to be insisted on for. */
static void
tell_leaked(struct buf *out, const struct wayback *w, int step)
{
	const struct step *s = &w->plan->steps[step];
	size_t i;

	for (i = 0; i < s->nmoves; i++)
		if (s->moves[i].facet == FACET_CERT && s->moves[i].replace)
			(void)buf_printf(out, "# it replaced the certificate '%s', whose key leaked: this puts that key back\n",
			    w->fleet->certs[s->moves[i].subject].name);
}

static bool
step_back(struct buf *out, const struct wayback *w, int step, int host, const struct other *other)
{
	const struct step_view *v = rollout_step(w->rollout, step);
	const struct ops *ops = w->ops(w->arg, step);
	bool is_other = other != NULL && other->step == step, any = false;
	int *back = mem_array(v->nops, sizeof(*back));
	size_t i, n = rollout_way_back(w->rollout, step, is_other ? other->op : NONE,
	    is_other ? other->as : OPS_WAITING, back);

	for (i = 0; i < n; i++) {
		if ((size_t)back[i] >= ops->n || ops->v[back[i]].host != host)
			continue;
		if (!any) {
			(void)buf_printf(out, "# step '%s'\n", w->plan->steps[step].id);
			tell_leaked(out, w, step);
		}
		any = true;
		op_back(out, w->fleet, w->run_id, &ops->v[back[i]]);
	}
	free(back);
	return any;
}

static void
put_head(struct buf *out, const struct fleet *f, int at, const char *run_id)
{
	const struct host *host = &f->hosts[at];
	const char *state = host->state;
	size_t i;

	(void)buf_printf(out, "#!/bin/sh\n# The way back on host '%s', of run %s, as the user that belay works as there.\n",
	    host->name, run_id);
	for (i = 0; i < f->nhosts; i++)
		if (f->hosts[i].base == at)
			(void)buf_printf(out, "# Before it the one of user '%s', if there is one: %s/runs/%s/undo.sh\n",
			    f->hosts[i].become, f->hosts[i].state == NULL ? "~/.local/state/belay" : f->hosts[i].state, run_id);
	if (state == NULL)
		(void)buf_puts(out, "state=${HOME}/.local/state/belay");
	else if (strncmp(state, "~/", 2) == 0) {
		(void)buf_puts(out, "state=${HOME}/");
		text_shell_quote(out, state + 2);
	} else {
		(void)buf_puts(out, "state=");
		text_shell_quote(out, state);
	}
	(void)buf_putc(out, '\n');
}

static bool
script(struct buf *out, const struct wayback *w, int host, int from, int until, const struct other *other)
{
	struct buf steps;
	bool any = false;
	int step;

	buf_init(&steps, 0);
	for (step = from; step >= until && step >= 0; step--)
		any = step_back(&steps, w, step, host, other) || any;
	if (any) {
		put_head(out, w->fleet, host, w->run_id);
		(void)buf_puts(out, head);
		if (strstr(buf_str(&steps), "\nsettings '") != NULL)
			(void)buf_puts(out, settings_head);
		if (strstr(buf_str(&steps), "\nset_back() ") != NULL)
			(void)buf_puts(out, value_head);
		if (strstr(buf_str(&steps), "\nversion() ") != NULL)
			(void)buf_puts(out, version_head);
		if (strstr(buf_str(&steps), "\nbox_back ") != NULL)
			(void)buf_puts(out, box_head);
		(void)buf_put(out, steps.data, steps.len);
		(void)buf_puts(out, "exit $failed\n");
	}
	buf_release(&steps);
	return any;
}

bool
wayback_script(struct buf *out, const struct wayback *w, int host, int from, int until)
{
	return script(out, w, host, from, until, NULL);
}

void
wayback_kept(struct buf *out, const struct wayback *w, int step, int op, bool undone)
{
	struct other other = { step, op, undone ? OPS_UNDONE : OPS_APPLIED };
	int host = w->ops(w->arg, step)->v[op].host;
	size_t was = out->len;

	(void)script(out, w, host, (int)w->plan->nsteps - 1, 0, &other);
	if (out->len - was <= WAYBACK_MAX)
		return;
	out->len = was;
	put_head(out, w->fleet, host, w->run_id);
	(void)buf_printf(out, "echo 'longer than %zu bytes: print it by belay undo --all --print' >&2\nexit 1\n",
	    WAYBACK_MAX);
}

void
wayback_of_ops(struct buf *out, const struct fleet *fleet, int host, const char *run_id, const struct op *ops,
    size_t n)
{
	size_t i;

	put_head(out, fleet, host, run_id);
	(void)buf_puts(out, head);
	(void)buf_puts(out, settings_head);
	(void)buf_puts(out, value_head);
	(void)buf_puts(out, version_head);
	(void)buf_puts(out, box_head);
	for (i = n; i > 0; i--)
		op_back(out, fleet, run_id, &ops[i - 1]);
	(void)buf_puts(out, "exit $failed\n");
}
