/*
 * standing: would a server come up with what stands on its host now?  Pure:
 * which files its own texts name, whether they are such that it can use them,
 * and the names of the checks that go before an activation and behind it.
 *
 *	files E	where the texts turn TLS on: key and certificate belong together; the key's mode and owner are such
 *		as Postgres takes; what the texts of E name is there, and can be
 *		read by the user of the server; no certificate has expired
 *	hba E	pg_hba.conf has no line that Postgres cannot read
 *	conf E	postgresql.conf and what it includes likewise; and what belay wrote
 *		is included at all
 *	back E	it answers again, behind the activation
 *
 * They are waived by these names, as others are.
 */
#ifndef BELAY_CORE_STANDING_H
#define BELAY_CORE_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"
#include "core/gate.h"
#include "core/op.h"

struct buf;

enum standing_kind { STANDING_FILES, STANDING_HBA, STANDING_CONF, STANDING_BACK };
#define STANDING_COUNT 4
/* "files postgres"; the caller frees it. */
char	*standing_name(const struct fleet *, enum standing_kind, int endpoint);
bool	standing_is_name(const struct fleet *, const char *name, size_t len_bytes);

/* What an activation of the unit brings up: its endpoints, and those that its `restarts` names. */
void	standing_endpoints(struct indices *ret, const struct fleet *, int unit);
/* Does a binding of the endpoint write into a text of this syntax? */
bool	standing_writes(const struct fleet *, int endpoint, enum text_syntax);

/* A text of the endpoint's own that bindings edit by name, on its host. */
struct standing_text {
	const char *path;	/* the fleet's */
	enum text_syntax syntax;
};
#define STANDING_TEXTS_MAX 16
size_t	standing_texts(const struct fleet *, int endpoint, struct standing_text ret[STANDING_TEXTS_MAX]);
/* Does the text, as it is, hold a key that a binding of the endpoint sets there? */
bool	standing_holds(const struct fleet *, int endpoint, const char *path, const char *text, size_t len_bytes);

enum standing_role { STANDING_KEY, STANDING_CERT, STANDING_CA };
struct standing_file {
	enum standing_role role;
	int	 pair;		/* key and certificate of one number belong together */
	char	*path;
	bool	 named;		/* by the server's text: it has to be there */
};
struct standing_files {
	struct standing_file *v;
	size_t	 n;
};
/*
 * The files that the endpoint would read, by its texts as they stand
 * (`lookup`, see op.h); where no binding edits a text, those that its certificate's
 * install writes for it alone.  notes: what cannot be looked at, and why.
 */
void	standing_files(struct standing_files *ret, const struct fleet *, int endpoint, op_lookup *,
	    void *arg, struct strings *notes);
void	standing_files_release(struct standing_files *);

#define STANDING_WAYS_MAX 64
#define STANDING_GROUPS_MAX 128
struct standing_way {		/* the file, then what leads to it */
	char	*path;
	unsigned mode, uid, gid;
};
struct standing_facts {		/* of one file */
	bool	 there;
	char	*unseen;		/* it could not be looked at: why; or NULL */
	struct standing_way ways[STANDING_WAYS_MAX];
	size_t	 nways;
	bool	 read;			/* its bytes were read */
	/* Of its bytes, where they were understood. */
	char	 public_sha[65];	/* of the public key; "" not known */
	char	*not_understood;	/* why; or NULL */
	int64_t	 not_before_s, not_after_s;	/* CERT */
};
void	standing_facts_release(struct standing_facts *);

struct standing_user {		/* who runs the server, by its listening socket */
	bool	 known;
	bool	 declared;		/* by the fleet file alone: a container may see other files */
	unsigned uid;
	char	 name[64];		/* for words; may hold remote bytes */
	unsigned groups[STANDING_GROUPS_MAX];
	size_t	 ngroups;
};

/*
 * PASS, FAIL or INCONCLUSIVE (never a pass), with what is wrong: the subject
 * first, then what to do.  n facts for n files.
 */
enum judgement standing_judge(enum kind, const struct standing_file *, const struct standing_facts *,
	    size_t n, const struct standing_user *, int64_t now_s, struct buf *why);

#endif
