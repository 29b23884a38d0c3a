/*
 * rehearse_int: what the two files of a rehearsal share.  Nobody else includes it.
 *
 * rehearse_client.c	a rehearsal's life, and what is read of the client: its settings, its CA file, and
 *			whether its certificate can be shown in its place
 * rehearse.c		the calls: each one's tries, and how they end
 */
#ifndef BELAY_REMOTE_REHEARSE_INT_H
#define BELAY_REMOTE_REHEARSE_INT_H

#include "remote/memfile.h"
#include "remote/rehearse.h"

struct tls_trust;

/* What verifies: the client's CA file, as it was read. */
struct ca_file {
	int	 refs;
	int	 fd;			/* -1: none */
	char	 path[MEMFILE_PATH_MAX];
	struct tls_trust *trust;	/* NULL: none, or `why` */
	struct tls_trust *blind;	/* trusts nothing, and looks */
	char	 why[256];		/* it is no CA file */
	int	 pair_fd;		/* -1: none */
	char	 pair_path[MEMFILE_PATH_MAX];
	bool	 shows;			/* a client's certificate, with both contexts and by pair_path */
	char	 bare[256];		/* why not, though it is set to show one */
};

struct rehearsal {
	const struct rehearsals *set;
	struct rehearsal_as as;
	struct hostop *reading;
	rehearsal_read_done *read_done;
	void	*read_arg;
	bool	 have;
	struct dialling says;
	struct ca_file *ca_file;
	struct rehearsal_call *calls;
};


/* Counted: a call keeps the one that was read when it began, whatever is read meanwhile.  NULL is fine. */
void	ca_file_drop(struct ca_file *);

static inline const struct link *
rehearsal_link(const struct rehearsal *r)
{
	return &r->set->fleet->links[r->as.link];
}

#endif
