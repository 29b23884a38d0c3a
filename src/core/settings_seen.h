/*
 * settings_seen: what a server's settings, as a probe read them (READING_SETTINGS), say
 * together: what it accepts, and what of it will not last.  Pure.
 */
#ifndef BELAY_CORE_SETTINGS_SEEN_H
#define BELAY_CORE_SETTINGS_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"
#include "core/reading.h"

struct buf;

/*
 * Where what runs is not what the server's own file says (KEY@persisted), or waits for a
 * restart: words for each, parted by "; ".  Returns how many.
 */
size_t	settings_seen_drift(enum kind, const struct reading *, struct buf *out);

/*
 * What the server accepts by its own settings as they run, or as they will after a restart
 * (ACCEPT_UNKNOWN where its file was not read).  Of a Postgres they say only whether TLS is on:
 * ACCEPT_BOTH then, whatever pg_hba.conf makes of it.
 */
enum accept settings_seen_accept(enum kind, const struct reading *, bool after_restart);
/* The settings that say so, as the server spells them: "client_tls_sslmode allow". */
void	settings_seen_accept_words(enum kind, const struct reading *, struct buf *out);

#endif
