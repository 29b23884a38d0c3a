/*
 * scene: everything that a screen can show, as borrowed pointers into core,
 * and a few questions that only an engine can answer.  The panes draw from
 * this and from nothing else, so a test can put a scene together without an
 * engine, a network or a terminal.
 *
 * A scene is looked at, never kept: it is put together anew for each key and each
 * paint.
 */
#ifndef BELAY_UI_SCENE_H
#define BELAY_UI_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/impact.h"
#include "engine/engine.h"

struct proven;

struct scene {
	const struct fleet *fleet;
	const struct plan *plan;	/* or NULL */
	const struct board *board;
	const struct rollout *rollout;	/* NULL exactly where plan is */
	const char *who;
	const char *lock_holder;	/* somebody else, or NULL */
	bool	 read_only;
	int64_t	 now_ms;		/* since 1970 */
	int64_t	 stale_ms[READING_COUNT];
	const struct proven *proven;	/* NULL: nobody has looked */

	/* As in engine.h; arg is theirs. */
	void	*arg;
	const char *(*op_text)(void *arg, int step, int op);
	const struct ops *(*ops)(void *arg, int step);
	int	(*op_since)(void *arg, int step, int op);
	const char *(*waiver)(void *arg, int step, const char *check);
	const char *(*kept)(void *arg, int step, int op);
	bool	(*waiting)(void *arg, int step);
	bool	(*judging)(void *arg, int step);
	bool	(*running)(void *arg, struct running *ret);
	const struct check_result *(*results)(void *arg, int step, bool gate, size_t *ret_n);
	size_t	(*canaries)(void *arg, int step, struct canary_view *ret, size_t max);
	const struct cert_files *(*cert_files)(void *arg, int cert);	/* or NULL: nobody knows */
	size_t	(*history)(void *arg, const struct history_line **ret);
};

void	scene_of_engine(struct scene *, struct engine *, bool read_only);

/* The environment that is protected: its name has to be typed. */
bool	scene_protected(const struct scene *);
/* What a link is doing now; wraps board_link() with this scene's clock. */
void	scene_link(const struct scene *, int link, struct link_view *ret);
void	scene_endpoint(const struct scene *, int endpoint, struct endpoint_view *ret);
/* What it presents, as `belay certs` has it. */
void	scene_cert(const struct scene *, int endpoint, struct cert_row *ret);
/* Sessions still on plaintext at an endpoint, over its links; and how many links are not even counted. */
uint32_t scene_plain_at(const struct scene *, int endpoint, size_t *ret_unknown);
/* The step that undo would take back now, or NONE. */
int	scene_undo_step(const struct scene *);

/* What carrying out the activations of a step does to those who are connected. */
void	scene_impact(const struct scene *, int step, struct impact *ret);
/* What one activation of a step does besides; as impact_besides(). */
void	scene_besides(const struct scene *, int step, int unit, struct strings *ret_takes_up, struct strings *ret_loses);
/* The sessions that one activation cuts. */
uint32_t scene_unit_sessions(const struct scene *, int unit, bool *ret_uncounted);

#endif
