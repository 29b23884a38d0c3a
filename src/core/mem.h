/*
 * mem: allocation that does not fail.
 *
 * Running out of memory ends the process (the journal makes dying safe), so
 * no caller has a branch for it.  All of these abort() on exhaustion and on
 * arithmetic overflow.
 */
#ifndef BELAY_CORE_MEM_H
#define BELAY_CORE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void	*mem_alloc(size_t len_bytes);			/* zeroed */
void	*mem_array(size_t n, size_t size_bytes);	/* zeroed */
/* Grows (or shrinks) to n elements; new elements are NOT zeroed. */
void	*mem_resize(void *, size_t n, size_t size_bytes);
char	*mem_strdup(const char *);			/* NULL gives NULL */
char	*mem_strndup(const char *, size_t len_bytes);
char	*mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char	*mem_vprintf(const char *fmt, va_list) __attribute__((format(printf, 1, 0)));
/* Overwrites and frees; the compiler cannot drop the overwrite.  NULL is fine. */
void	 mem_wipe(void *, size_t len_bytes);
void	 mem_wipe_free(void *, size_t len_bytes);

/*
 * Makes room for one more element behind n elements of *array, doubling;
 * the new element is zeroed and its address returned.
 */
void	*mem_push(void *array_ptr, size_t *n, size_t size_bytes);

#endif
