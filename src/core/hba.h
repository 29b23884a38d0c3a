/*
 * hba: records of pg_hba.conf.  Pure.
 *
 * In pg_hba.conf the first record that matches a connection decides, and none
 * behind it is asked.  So lines of ours mean something only before each record
 * that could match the same connection.
 *
 * Sources: src/backend/libpq/hba.c (PostgreSQL 15: tokens, lists, quotes,
 * lines continued by a backslash; 16: include).
 */
#ifndef BELAY_CORE_HBA_H
#define BELAY_CORE_HBA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;

enum hba_form {
	HBA_TRANSITION,	/* TLS and plaintext, both by the method */
	HBA_HARDEN	/* TLS by the method; plaintext is rejected */
};
#define HBA_FORM_COUNT 2

struct hba_rule {
	enum hba_form form;
	const struct strings *roles;		/* names, +GROUP, all */
	const struct strings *databases;	/* names and pg_hba's words; empty: all */
	const struct strings *from;		/* addresses, ranges, host names, all, samehost, samenet */
	const char *method;			/* one word; NULL: scram-sha-256 */
};

/*
 * Appends the records: for each address
 *
 *	transition	hostssl … METHOD, then host … METHOD
 *	harden		hostssl … METHOD, then hostnossl … reject
 *
 * all hostssl first.  -1: something cannot stand in a record; err names it.
 */
int	hba_lines(struct buf *out, const struct hba_rule *, struct err *);

/*
 * Could this line (continued lines joined or not, without its end) decide
 * about a connection that one of `ours` is for?  Comments and `local` cannot;
 * what cannot be read (an include, a host name, @file) could.
 */
bool	hba_could_decide(const char *line, size_t len_bytes, const char *ours, size_t ours_len);

#endif
