/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping of its own and not heap: it must go back to the system as a whole. */

#include "io/scratch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { IDLE_MS = 1000 };

struct io_scratch {
	uv_timer_t timer; /* runs while there is memory */
	void *memory; /* NULL: given back */
	size_t size;
	bool is_used; /* since the timer was started */
};

static void drop(struct io_scratch *s)
{
	if (s->memory)
		(void)munmap(s->memory, s->size);
	s->memory = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct io_scratch *s = dv_container_of(timer, struct io_scratch, timer);

	if (s->is_used) {
		s->is_used = false;
		return;
	}
	uv_timer_stop(timer);
	drop(s);
}

struct io_scratch *io_scratch_new(uv_loop_t *loop, size_t size)
{
	struct io_scratch *s = dv_new(struct io_scratch);

	s->size = size;
	(void)uv_timer_init(loop, &s->timer);
	/* Memory alone keeps no loop running. */
	uv_unref((uv_handle_t *)&s->timer);
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	free(dv_container_of((uv_timer_t *)(void *)handle, struct io_scratch, timer));
}

struct io_scratch *io_scratch_free(struct io_scratch *s)
{
	if (!s)
		return NULL;
	drop(s);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	return NULL;
}

void *io_scratch_get(struct io_scratch *s)
{
	s->is_used = true;
	if (s->memory)
		return s->memory;
	s->memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* As with any other small allocation. */
	dv_assert(s->memory != MAP_FAILED);
	(void)uv_timer_start(&s->timer, on_timer, IDLE_MS, IDLE_MS);
	return s->memory;
}

size_t io_scratch_size(const struct io_scratch *s)
{
	return s->size;
}
