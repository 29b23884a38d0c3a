/*
 * life: how an engine comes to be and how it ends.  The order of ending is
 * an invariant: workers first (nothing is carried out any more), then the
 * thread (what was handed to the journal is written), then the journal.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/secrets.h"
#include "engine/thread.h"
#include "pki/digest.h"

#define PASSPHRASE_MAX 4096	/* bytes that an inherited descriptor may give */

static int
read_file(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	struct buf b;
	char chunk[8192];
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1)
		return err_set(err, "cannot open '%s': %s", path, strerror(errno));
	buf_init(&b, FLEET_FILE_MAX + 1);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_put(&b, chunk, (size_t)n) != 0)
			break;
	(void)close(fd);
	if (n == -1) {
		buf_release(&b);
		return err_set(err, "cannot read '%s': %s", path, strerror(errno));
	}
	*ret = buf_take(&b, ret_len);
	return 0;
}

static char *
who_am_i(void)
{
	const struct passwd *pw = getpwuid(getuid());
	char host[256];

	if (gethostname(host, sizeof(host)) != 0)
		(void)snprintf(host, sizeof(host), "?");
	host[sizeof(host) - 1] = '\0';
	if (pw != NULL)
		return mem_printf("%s@%s", pw->pw_name, host);
	return mem_printf("%ld@%s", (long)getuid(), host);
}

static int
memory_init(struct engine *e, struct err *err)
{
	const struct op_shape **shapes = mem_array(e->plan->nsteps, sizeof(*shapes));
	size_t *nops = mem_array(e->plan->nsteps, sizeof(*nops));
	struct op_shape *all;
	size_t i, k;
	int rc = 0;

	e->memory = mem_array(e->plan->nsteps, sizeof(*e->memory));
	for (i = 0; i < e->plan->nsteps; i++) {
		const struct step *s = &e->plan->steps[i];
		struct step_memory *m = &e->memory[i];
		struct err step_err;

		m->guards = mem_array(s->nrequires, sizeof(*m->guards));
		m->gates = mem_array(s->ngates, sizeof(*m->gates));
		m->waived_guards = mem_array(s->nrequires, sizeof(*m->waived_guards));
		m->waived_gates = mem_array(s->ngates, sizeof(*m->waived_gates));
		/* A step that needs what is not built has no ops; the rollout refuses it. */
		if (s->not_yet == NULL && engine_fill_ops(e, (int)i, ENGINE_PREVIEW_RUN, false, &step_err) != 0) {
			rc = err_set(err, "step '%s': %s", s->id, step_err.msg);
			break;
		}
		m->texts = mem_array(m->ops.n, sizeof(*m->texts));
		m->keeps = mem_array(m->ops.n, sizeof(*m->keeps));
		all = mem_array(m->ops.n, sizeof(*all));
		for (k = 0; k < m->ops.n; k++) {
			const struct op *op = &m->ops.v[k];

			all[k].host = fleet_base(e->fleet, op->host);
			all[k].unit = op->unit;
			all[k].mixed = op->mixed;
			all[k].activates = op->kind == OP_ACTIVATE;
			all[k].back_last = op->back_last;
			all[k].command = op->kind == OP_ACTIVATE || op->kind == OP_RUN || op->kind == OP_DRAIN;
			all[k].idempotent = op->idempotent;
		}
		shapes[i] = all;
		nops[i] = m->ops.n;
	}
	if (rc == 0) {
		e->rollout = rollout_new(e->plan, shapes, nops);
		rollout_ask_turns(e->rollout, prove_turn, e);
	}
	for (i = 0; i < e->plan->nsteps; i++) {
		union { const struct op_shape *c; struct op_shape *m; } cast = { .c = shapes[i] };

		free(cast.m);
	}
	free(shapes);
	free(nops);
	return rc;
}

int
engine_new(struct engine **ret, const struct engine_options *options, struct err *err)
{
	struct engine *e = mem_alloc(sizeof(*e));
	char *text = NULL;
	size_t len, i;

	e->options = *options;
	e->fleet_path = mem_strdup(options->fleet_path);
	e->plan_path = mem_strdup(options->plan_path);
	e->ssh_config = mem_strdup(options->ssh_config);
	e->program = mem_strdup(options->program);
	e->waiting_step = NONE;
	if (uv_loop_init(&e->loop) != 0) {
		(void)err_set(err, "cannot make an event loop");
		goto fail;
	}
	e->loop_open = true;
	(void)uv_timer_init(&e->loop, &e->timer);
	(void)uv_idle_init(&e->loop, &e->changed_idle);
	(void)uv_timer_init(&e->loop, &e->wake);
	(void)uv_signal_init(&e->loop, &e->on_int);
	(void)uv_signal_init(&e->loop, &e->on_term);
	(void)uv_signal_init(&e->loop, &e->on_hup);
	e->timer.data = e->changed_idle.data = e->wake.data = e;
	e->on_int.data = e->on_term.data = e->on_hup.data = e;
	if (read_file(e->fleet_path, &e->fleet_text, &e->fleet_len, err) != 0 ||
	    fleet_parse(&e->fleet, e->fleet_path, e->fleet_text, e->fleet_len, err) != 0)
		goto fail;
	if (e->plan_path != NULL) {
		if (read_file(e->plan_path, &text, &len, err) != 0 ||
		    plan_parse(&e->plan, e->fleet, e->plan_path, text, len, err) != 0)
			goto fail;
		digest_sha256_hex(text, len, e->plan->sha256);
		if (memory_init(e, err) != 0)
			goto fail;
	}
	free(text);
	e->who = who_am_i();
	e->board = board_new(e->fleet);
	e->sights = mem_array(e->fleet->nendpoints, sizeof(*e->sights));
	e->certs = mem_array(e->fleet->ncerts, sizeof(*e->certs));
	e->revoking = NONE;
	for (i = 0; i < e->fleet->ncerts; i++)
		e->certs[i].renewing = e->certs[i].renewed = e->certs[i].back = NONE;
	e->passphrases = mem_array(e->fleet->nsecrets, sizeof(*e->passphrases));
	for (i = 0; i < e->fleet->nsecrets; i++) {
		buf_init(&e->passphrases[i], PASSPHRASE_MAX);
		e->passphrases[i].secret = true;
	}
	watch_init(e);
	*ret = e;
	return 0;
fail:
	free(text);
	engine_free(e);
	return -1;
}

static void
on_signal(uv_signal_t *handle, int signal)
{
	struct engine *e = handle->data;

	if (++e->interrupts > 1 || e->events == NULL || e->events->interrupt == NULL)
		engine_stop(e);
	else
		e->events->interrupt(e->arg, signal);
}



int
engine_start(struct engine *e, const struct engine_events *events, void *arg, bool *ret_locked,
    struct err *err)
{
	struct workers_config wc = {
		.loop = &e->loop, .fleet = e->fleet, .fleet_text = e->fleet_text,
		.fleet_len = e->fleet_len, .ssh_config = e->ssh_config,
		.program = e->program, .events = &engine_worker_events, .arg = e,
	};
	struct effects fx = { 0 };
	struct sigaction hup;

	e->events = events;
	e->arg = arg;
	*ret_locked = false;
	if ((e->thread = thread_new(&e->loop, err)) == NULL || (e->making = thread_new(&e->loop, err)) == NULL)
		return -1;
	secrets_seal(e);
	if (past_open(e, ret_locked, err) != 0)
		return -1;
	lease_init(e);
	if (workers_start(&e->workers, &wc, err) != 0)
		return -1;
	e->started = true;
	if (events != NULL && events->interrupt != NULL) {
		(void)uv_signal_start(&e->on_int, on_signal, SIGINT);
		(void)uv_signal_start(&e->on_term, on_signal, SIGTERM);
		/* A terminal that goes away is no reason to leave an operation half-way; nohup says that it is none at all. */
		if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
			(void)uv_signal_start(&e->on_hup, on_signal, SIGHUP);
	}
	secrets_start(e);
	material_start(e);
	/* Who only looks sees an interrupted run as one, unless its holder is still at it; and settles nothing. */
	if (e->rollout != NULL && e->run_open && (!e->options.read_only || !e->run_held)) {
		rollout_resume(e->rollout, engine_now_ms(e), &fx);
		if (e->options.read_only)
			effects_release(&fx);
		else
			engine_carry_out(e, &fx);
	}
	engine_dirty(e);
	engine_arm(e);
	return 0;
}

void
engine_run(struct engine *e)
{
	(void)uv_run(&e->loop, UV_RUN_DEFAULT);
}

void
engine_stop(struct engine *e)
{
	uv_stop(&e->loop);
}

bool
engine_close_journal(struct engine *e)
{
	canaries_end(e);
	e->stopping = true;
	atomic_store(&e->making_stops, true);
	if (e->making != NULL)
		thread_drain(e->making);	/* what it has made is noted in the journal */
	if (e->thread != NULL)
		thread_drain(e->thread);
	return !e->journal_ails;
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
memory_release(struct engine *e)
{
	size_t i, k;

	for (i = 0; e->memory != NULL && i < e->plan->nsteps; i++) {
		struct step_memory *m = &e->memory[i];

		for (k = 0; m->texts != NULL && k < m->ops.n; k++)
			free(m->texts[k]);
		insist_release(e, (int)i);
		free(m->texts);
		free(m->guards);
		free(m->gates);
		ops_release(&m->ops);
	}
	free(e->memory);
}

void
engine_free(struct engine *e)
{
	size_t i;

	if (e == NULL)
		return;
	e->stopping = true;
	while (e->njudgings > 0)
		judge_end(e, e->judgings[0].step);
	e->events = NULL;	/* whoever had us is on the way out */
	lease_give_back(e);
	workers_stop(e->workers);
	atomic_store(&e->making_stops, true);
	thread_free(e->making);
	thread_free(e->thread);		/* what is queued for the journal is written first */
	past_release(e);
	if (e->loop_open) {
		uv_walk(&e->loop, close_handle, NULL);
		(void)uv_run(&e->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&e->loop);
	}
	for (i = 0; i < e->nerrands; i++)
		buf_release(&e->errands[i].output);
	for (i = 0; i < e->nasks; i++)
		free(e->asks[i].subject);
	material_release(e);
	if (e->plan != NULL)
		memory_release(e);
	proof_release(&e->proof);
	lease_free(e);
	adopt_free(e);
	rollout_free(e->rollout);
	board_free(e->board);
	free(e->sights);
	free(e->leaves);
	plan_free(e->plan);
	fleet_free(e->fleet);
	for (i = 0; i < e->nlater; i++) {
		union { const char *c; char *m; } why = { .c = e->later[i].why };

		free(why.m);
	}
	free(e->later);
	free(e->errands);
	free(e->asks);
	free(e->judgings);
	canaries_release(e);
	free(e->slots);
	free(e->fleet_text);
	free(e->fleet_path);
	free(e->plan_path);
	free(e->ssh_config);
	free(e->program);
	free(e->who);
	free(e->reason);
	free(e->lock_holder);
	free(e->state_dir);
	free(e);
}
