/*
 * op_fixture: see op_fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "op_fixture.h"

struct fleet *fleet;

int
fleet_of(const char *text)
{
	struct err err;

	if (fleet_parse(&fleet, "fleet.yaml", text, strlen(text), &err) == 0)
		return 0;
	print_error("%s\n", err.msg);
	return -1;
}

int
fleet_gone(void **state)
{
	(void)state;
	fleet_free(fleet);
	return 0;
}

int
link_of(const char *name)
{
	int i = fleet_link(fleet, name);

	assert_true(i != NONE);
	return i;
}

void
print_names(const struct op *op, struct buf *out)
{
	size_t k;

	for (k = 0; k < op->set.n; k++)
		(void)buf_printf(out, " +%s=%s", op->set.v[k].key, op->set.v[k].value);
	for (k = 0; k < op->unset.n; k++)
		(void)buf_printf(out, " -%s", op->unset.v[k]);
	for (k = 0; k < op->touches.n; k++)
		(void)buf_printf(out, " ~%s", op->touches.v[k]);
}

void
print_unit(const struct op *op, struct buf *out)
{
	if (op->unit != NONE)
		(void)buf_printf(out, " [%s]", fleet->units[op->unit].name);
}
