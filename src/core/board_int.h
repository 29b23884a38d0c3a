/*
 * board_int: what the files of the board share; for board*.c only.
 */
#ifndef BELAY_CORE_BOARD_INT_H
#define BELAY_CORE_BOARD_INT_H

#include "core/board.h"

const struct fleet *board_fleet(const struct board *);

/* "WORD: DETAIL", or the word alone. */
void	board_say(char *to, size_t size, const char *word, const char *detail);

/* What the pooler that dials this link says of its settings, or NULL. */
const struct reading *board_pooler_settings(const struct board *, int link);

/*
 * How the link dials by what its client's host has written, or by what else is known of it;
 * *declared: by the fleet's word alone.
 */
enum dial board_dial(const struct board *, int link, bool *declared);

/*
 * Is the path to the endpoint proven (board_endpoint.c has what that is)?  Else why not.  Its
 * handshake may be older than stale_ms: such are made seldomer than a census.
 */
bool	board_path_proven(const struct board *, int endpoint, int64_t now_ms, int64_t stale_ms, char *why, size_t size);

#endif
