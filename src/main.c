/*
 * main: argv to one verb, and its exit code.  Owns the process's entry and
 * nothing else; it does no work of its own.
 */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "engine/engine.h"
#include "remote/worker.h"
#include "ui/ui.h"
#include "core/err.h"
#include "verbs/out.h"
#include "verbs/verbs.h"
#include "version.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define UNDER_ASAN
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN
#endif

#define WAIVES_MAX 32

static const struct {
	const char *word;
	int	 (*verb)(const struct verb_options *);
	const char *takes;	/* what stands behind it, or NULL */
	const char *help;
} verbs[] = {
	{ "status", verb_status, NULL, "live TLS status of every link (no plan needed)" },
	{ "check", verb_check, NULL, "read both files and prove the plan's order" },
	{ "diff", verb_diff, "STEP", "what a step would change, on which host" },
	{ "apply", verb_apply, "STEP", "apply the next step, a step, or all" },
	{ "undo", verb_undo, "STEP", "take the last step back, or several" },
	{ "verify", verb_verify, "STEP", "run the gates of what is in place, change nothing" },
	{ "explain", verb_explain, "NAME", "what is wrong, why, and what to do" },
	{ "certs", verb_certs, "revoke NAME", "every certificate: who issued it, how long it is good for, who trusts it" },
	{ "history", verb_history, NULL, "the journal" },
	{ "adopt", verb_adopt, NULL, "take a run over that another bastion began" },
	{ "unlock", verb_unlock, NULL, "who else holds hosts; take them over by the owner's name" },
};

static const char *const not_yet[] = { "doctor", NULL };

enum { OPT_YES = 256, OPT_ALL, OPT_TO, OPT_JSON, OPT_METRICS, OPT_WATCH, OPT_CHECK, OPT_EXPANDED, OPT_PRINT,
	OPT_REASON, OPT_WAIVE, OPT_ATTEST, OPT_KEEP, OPT_READ_ONLY, OPT_VERSION, OPT_SSH_CONFIG, OPT_SKIP_OPTIONAL, OPT_DEEP };

static const struct option long_options[] = {
	{ "fleet", required_argument, NULL, 'f' },
	{ "plan", required_argument, NULL, 'p' },
	{ "ssh-config", required_argument, NULL, OPT_SSH_CONFIG },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "yes", optional_argument, NULL, OPT_YES },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "print", no_argument, NULL, OPT_PRINT },
	{ "to", required_argument, NULL, OPT_TO },
	{ "skip-optional", no_argument, NULL, OPT_SKIP_OPTIONAL },
	{ "reason", required_argument, NULL, OPT_REASON },
	{ "waive", required_argument, NULL, OPT_WAIVE },
	{ "attest", required_argument, NULL, OPT_ATTEST },
	{ "keep", required_argument, NULL, OPT_KEEP },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "metrics", no_argument, NULL, OPT_METRICS },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "deep", no_argument, NULL, OPT_DEEP },
	{ "expanded", no_argument, NULL, OPT_EXPANDED },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

static void
usage(FILE *to)
{
	size_t i;

	(void)fputs("usage: belay [-f FLEET] [-p PLAN] [VERB] [options]\n"
	    "without a verb: the console\n", to);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		(void)fprintf(to, "  %-8s %s%s%s %s\n", verbs[i].word, verbs[i].takes == NULL ? " " : "[",
		    verbs[i].takes == NULL ? "    " : verbs[i].takes, verbs[i].takes == NULL ? " " : "]", verbs[i].help);
	(void)fputs("options:\n"
	    "  -f, --fleet FILE     the fleet (default: fleet.yaml)\n"
	    "  -p, --plan FILE      the plan (default: plan.yaml where there is one)\n"
	    "      --ssh-config F   the ssh_config to use (default: $BELAY_SSH_CONFIG, else your own)\n"
	    "      --read-only      console: look, never change\n"
	    "      --yes[=ENV]      apply, undo: do not ask; a production environment by its name\n"
	    "      --to STEP, --all apply, undo: up to a step, or all of them\n"
	    "      --skip-optional  apply: pass over optional steps\n"
	    "      --waive CHECK --reason TEXT   apply, undo STEP: go on without a check\n"
	    "      --attest CHECK|CLIENT --reason TEXT   apply: vouch for what nothing can see\n"
	    "      --keep HOST:PATH|ENDPOINT --reason TEXT   undo: leave what somebody else made of it\n"
	    "      --reason TEXT    apply, certs revoke: why, where a key leaked\n"
	    "      --json           status, check, diff, verify, explain, history, certs: as data\n"
	    "      --metrics        certs: as a textfile for Prometheus\n"
	    "      --watch          status: again and again\n"
	    "      --check          status: exit 2 where not every link is on TLS\n"
	    "      --deep           status: try which versions and ciphers each endpoint takes, too\n"
	    "      --print          undo: as plain sh for each host, and do nothing\n"
	    "      --expanded       check: print the plan after expansion\n"
	    "exit: 0 done, 1 error, 2 changes pending or not all TLS, 3 needs a person,\n"
	    "      4 undone after a fault, 5 in doubt, 6 locked by somebody else,\n"
	    "      certs: 7 a certificate ends within 90 days, 8 within 30, 9 within 7 or was revoked\n", to);
}

static int
wrong(const char *what, const char *word)
{
	out_err("belay: %s%s%s%s; try 'belay --help'\n", what, word == NULL ? "" : " '",
	    word == NULL ? "" : word, word == NULL ? "" : "'");
	return EXIT_ERROR;
}

static bool
exists(const char *path)
{
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return false;
	(void)fclose(f);
	return true;
}

static int
run_verb(const char *word, const struct verb_options *o)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].word, word) == 0) {
			if (o->step != NULL && verbs[i].takes == NULL)
				return wrong("this verb takes no step:", o->step);
			return verbs[i].verb(o);
		}
	for (i = 0; not_yet[i] != NULL; i++)
		if (strcmp(not_yet[i], word) == 0) {
			out_err("belay: '%s': not yet\n", word);
			return EXIT_ERROR;
		}
	return wrong("there is no verb", word);
}

/* The console, which looks only where another belay is at work. */
static int
console(const struct verb_options *o, bool read_only)
{
	struct engine_options eo = {
		.fleet_path = o->fleet, .plan_path = o->plan, .ssh_config = o->ssh_config,
		.program = o->program, .read_only = read_only, .probe = true,
	};
	struct ui_options uo = {
		.fleet_path = o->fleet, .plan_path = o->plan, .read_only = read_only,
	};
	struct engine *e;
	struct err err;
	int rc;

	if (engine_new(&e, &eo, &err) != 0)
		return out_fail(&err);
	rc = ui_run(&uo, e);
	if (!engine_close_journal(e) && rc == EXIT_DONE) {
		out_err("belay: the end of it is not in the journal; the next start finds out by the hosts' own records\n");
		rc = EXIT_ERROR;
	}
	engine_free(e);
	/* The message names who holds the lock; it is on the screen again there, and in the shell afterwards. */
	if (rc == EXIT_LOCKED && !read_only)
		return console(o, true);
	return rc;
}

/*
 * Passphrases and keys of the CA pass through this process: it leaves no core,
 * and nobody else of the same user looks into it.  The soft limit only, so that
 * what a fleet's command starts can have its own.
 */
static void
harden(void)
{
	struct rlimit r;

#ifndef UNDER_ASAN	/* which looks into itself as a debugger does */
	(void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
#endif
	if (getrlimit(RLIMIT_CORE, &r) == 0) {
		r.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &r);
	}
}

int
main(int argc, char **argv)
{
	struct verb_options o = { .program = "/proc/self/exe", .ssh_config = getenv("BELAY_SSH_CONFIG") };
	const char *waive[WAIVES_MAX + 1] = { NULL }, *keep[WAIVES_MAX + 1] = { NULL }, *attest[WAIVES_MAX + 1] = { NULL };
	size_t nwaive = 0, nkeep = 0, nattest = 0;
	bool read_only = false;
	int c;

	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return worker_main();
	harden();
	(void)setlocale(LC_ALL, "");
	(void)setlocale(LC_NUMERIC, "C");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);	/* a journal that may not grow is an error like another */
	o.waive = waive;
	o.attest = attest;
	o.keep = keep;
	while ((c = getopt_long(argc, argv, "f:p:h", long_options, NULL)) != -1)
		switch (c) {
		case 'f':
			o.fleet = optarg;
			break;
		case 'p':
			o.plan = optarg;
			break;
		case OPT_SSH_CONFIG:
			o.ssh_config = optarg;
			break;
		case OPT_READ_ONLY:
			read_only = true;
			break;
		case OPT_YES:
			o.yes = true;
			o.yes_environment = optarg;
			break;
		case OPT_PRINT:
			o.print = true;
			break;
		case OPT_ALL:
			o.all = true;
			break;
		case OPT_TO:
			o.to = optarg;
			break;
		case OPT_SKIP_OPTIONAL:
			o.skip_optional = true;
			break;
		case OPT_REASON:
			o.reason = optarg;
			break;
		case OPT_WAIVE:
			if (nwaive == WAIVES_MAX)
				return wrong("too many checks waived at once", NULL);
			waive[nwaive++] = optarg;
			break;
		case OPT_ATTEST:
			if (nattest == WAIVES_MAX)
				return wrong("too much vouched for at once", NULL);
			attest[nattest++] = optarg;
			break;
		case OPT_KEEP:
			if (nkeep == WAIVES_MAX)
				return wrong("too many files kept at once", NULL);
			keep[nkeep++] = optarg;
			break;
		case OPT_JSON:
			o.json = true;
			break;
		case OPT_METRICS:
			o.metrics = true;
			break;
		case OPT_WATCH:
			o.watch = true;
			break;
		case OPT_DEEP:
			o.deep = true;
			break;
		case OPT_CHECK:
			o.check = true;
			break;
		case OPT_EXPANDED:
			o.expanded = true;
			break;
		case OPT_VERSION:
			(void)puts("belay " BELAY_VERSION);
			return EXIT_DONE;
		case 'h':
			usage(stdout);
			return EXIT_DONE;
		default:
			return EXIT_ERROR;	/* getopt_long(3) has said what is wrong */
		}
	if (o.fleet == NULL)
		o.fleet = "fleet.yaml";
	if (o.plan == NULL && exists("plan.yaml"))
		o.plan = "plan.yaml";
	if (optind + 2 < argc && strcmp(argv[optind], "certs") == 0 && strcmp(argv[optind + 1], "revoke") == 0)
		o.name = argv[optind + 2];
	if (optind < argc && optind + (o.name == NULL ? 2 : 3) < argc)
		return wrong("one verb and at most one step; what is", argv[optind + (o.name == NULL ? 2 : 3)]);
	if (optind + 1 < argc)
		o.step = argv[optind + 1];
	if (nwaive > 0 && o.reason == NULL)
		return wrong("a check is waived only with a reason (--reason TEXT)", NULL);
	if (nattest > 0 && o.reason == NULL)
		return wrong("something is vouched for only with a reason (--reason TEXT)", NULL);
	if (nkeep > 0 && o.reason == NULL)
		return wrong("what somebody else wrote is kept only with a reason (--reason TEXT)", NULL);
	if (optind < argc)
		return run_verb(argv[optind], &o);
	return console(&o, read_only);
}
