/* SPDX-License-Identifier: Apache-2.0 */
/* One point is armed at a time, before there are threads; its passages are counted by all. */

#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

enum { NAME_MAX_LEN = 64 };

bool dv_fault_is_armed;

#ifdef DAVIT_FAULTS

/* The linker's: begin and end of what the macros put into the section. There may be none. */
extern const struct dv_fault_point points_begin[] __asm__("__start_dv_faults")
	__attribute__((weak, visibility("hidden")));
extern const struct dv_fault_point points_end[] __asm__("__stop_dv_faults")
	__attribute__((weak, visibility("hidden")));

static struct {
	char name[NAME_MAX_LEN + 1];
	unsigned at; /* which passage */
	int err; /* 0: kill */
} armed;
static atomic_uint passages;

static bool find_errno(const char *name, int *ret)
{
	for (int i = 1; i < 134; i++) { /* those that Linux has */
		const char *known = strerrorname_np(i);

		if (known && dv_streq(known, name)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool is_known(const char *name)
{
	for (const struct dv_fault_point *p = points_begin; p < points_end; p++) {
		if (dv_streq(p->name, name))
			return true;
	}
	return false;
}

struct dv_err *dv_fault_arm(const char *text)
{
	char copy[NAME_MAX_LEN + 32], *colon, *equals;
	uint32_t at = 1;
	int err = 0;

	dv_fault_is_armed = false;
	if (!text || !*text)
		return NULL;
	if (strlen(text) >= sizeof(copy))
		return dv_err_new(DV_INVALID, "fault point \"%.80s...\": too long", text);
	memcpy(copy, text, strlen(text) + 1);
	equals = strchr(copy, '=');
	if (equals) {
		*equals = '\0';
		if (!find_errno(equals + 1, &err))
			return dv_err_new(DV_INVALID, "fault point %s: \"%s\" is no errno", copy,
					  equals + 1);
	}
	colon = strchr(copy, ':');
	if (colon) {
		*colon = '\0';
		if (!dv_parse_u32(colon + 1, &at) || at == 0)
			return dv_err_new(DV_INVALID, "fault point %s: \"%s\" is no count", copy,
					  colon + 1);
	}
	if (!is_known(copy) || strlen(copy) > NAME_MAX_LEN)
		return dv_err_new(DV_INVALID, "there is no fault point \"%s\"", copy);
	memcpy(armed.name, copy, strlen(copy) + 1);
	armed.at = at;
	armed.err = err;
	atomic_store(&passages, 0);
	dv_fault_is_armed = true;
	return NULL;
}

void dv_fault_each(void (*fn)(void *arg, const char *name), void *arg)
{
	for (const struct dv_fault_point *p = points_begin; p < points_end; p++)
		fn(arg, p->name);
}

int dv_fault_pass(const char *name)
{
	if (!dv_streq(name, armed.name) || atomic_fetch_add(&passages, 1) + 1 != armed.at)
		return 0;
	if (armed.err)
		return -armed.err;
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause(); /* the signal may come to another thread first */
}

#else

struct dv_err *dv_fault_arm(const char *text)
{
	if (!text || !*text)
		return NULL;
	return dv_err_new(DV_UNIMPLEMENTED, "fault point \"%.80s\": built without (-Dfaults)",
			  text);
}

void dv_fault_each(void (*fn)(void *arg, const char *name), void *arg)
{
	(void)fn;
	(void)arg;
}

int dv_fault_pass(const char *name)
{
	(void)name;
	return 0;
}

#endif
