/*
 * fuzz: the libFuzzer driver, built with clang by tests/fuzz/run.
 *
 *   fuzz list               the targets: name, longest input
 *   fuzz seeds NAME DIR     writes the seeds that are made, one a file
 *   fuzz --target=NAME ...  libFuzzer's own arguments follow
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/targets.h"

int	LLVMFuzzerInitialize(int *argc, char ***argv);
int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct target *target;

struct writing {
	const char *dir;
	size_t	 n;
};

static void
write_seed(void *arg, const void *p, size_t len)
{
	struct writing *w = arg;
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/made-%zu", w->dir, w->n++);
	if ((f = fopen(path, "we")) == NULL || fwrite(p, 1, len, f) != len || fclose(f) != 0)
		broken("cannot write '%s'", path);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char option[] = "--target=";
	struct writing w = { NULL, 0 };
	size_t i;
	int k;

	if (*argc == 2 && strcmp((*argv)[1], "list") == 0) {
		for (i = 0; i < target_count(); i++)
			(void)printf("%s %zu\n", target_at(i)->name, target_at(i)->max_bytes);
		exit(0);
	}
	if (*argc == 4 && strcmp((*argv)[1], "seeds") == 0) {
		if ((target = target_named((*argv)[2])) == NULL)
			broken("there is no target '%s'", (*argv)[2]);
		w.dir = (*argv)[3];
		if (target->seeds != NULL)
			target->seeds(write_seed, &w);
		exit(0);
	}
	for (k = 1; k < *argc; k++)
		if (strncmp((*argv)[k], option, sizeof(option) - 1) == 0)
			target = target_named((*argv)[k] + sizeof(option) - 1);
	if (target == NULL)
		broken("say which: --target=NAME, of 'fuzz list'");
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	(void)target->feed((const char *)p, len);
	return 0;
}
