/*
 * op_fixture: a fleet, moves of it by name, and an op as words.
 */
#ifndef BELAY_TESTS_CORE_OP_FIXTURE_H
#define BELAY_TESTS_CORE_OP_FIXTURE_H

#include "core/buf.h"
#include "core/op.h"

extern struct fleet *fleet;

int	fleet_of(const char *text);		/* for a set-up: 0, or -1 with words */
int	fleet_gone(void **state);		/* the tear-down */
int	link_of(const char *name);		/* it has to be there */
/* " +NAME=VALUE -NAME": what an op sets and unsets; " ~FILE": what it touches. */
void	print_names(const struct op *, struct buf *out);
/* " [UNIT]", or nothing. */
void	print_unit(const struct op *, struct buf *out);

#define MOVES(...) (const struct move []){ __VA_ARGS__ }, \
	sizeof((const struct move []){ __VA_ARGS__ }) / sizeof(struct move)
#define ACCEPT(name, v) { .facet = FACET_ACCEPT, .subject = fleet_endpoint(fleet, name), .value = v }
#define DIAL(name, v) { .facet = FACET_DIAL, .subject = link_of(name), .value = v }
#define TRUST(name, c) { .facet = FACET_TRUST, .subject = link_of(name), .value = fleet_cert(fleet, c) }
#define CERT(name) { .facet = FACET_CERT, .subject = fleet_cert(fleet, name), .value = fleet_cert(fleet, name) }

#endif
