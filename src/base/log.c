/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines in runc's two forms. See base/log.h. */

#include "base/log.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

static const char *const level_name[] = {
	[DV_DEBUG] = "debug",
	[DV_INFO] = "info",
	[DV_WARN] = "warning",
	[DV_ERROR] = "error",
};

static void add_time(struct dv_strbuf *b)
{
	char text[DV_CLOCK_SIZE];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	dv_clock_format(&ts, DV_CLOCK_SECONDS, text);
	dv_strbuf_add(b, text);
}

bool dv_log_enabled(const struct dv_log *log, enum dv_level level)
{
	/* A daemon's changes while other threads write lines. */
	return log && log->fd >= 0 && level >= __atomic_load_n(&log->level, __ATOMIC_RELAXED);
}

void dv_log(const struct dv_log *log, enum dv_level level, const char *fmt, ...)
{
	struct dv_strbuf line = DV_STRBUF_INIT, text = DV_STRBUF_INIT;
	va_list ap;

	if (!dv_log_enabled(log, level))
		return;

	va_start(ap, fmt);
	dv_strbuf_addv(&text, fmt, ap);
	va_end(ap);

	if (__atomic_load_n(&log->format, __ATOMIC_RELAXED) == DV_LOG_JSON) {
		dv_strbuf_addf(&line, "{\"level\":\"%s\",\"msg\":", level_name[level]);
		dv_strbuf_add_json(&line, text.data);
		dv_strbuf_add(&line, ",\"time\":\"");
		add_time(&line);
		dv_strbuf_add(&line, "\"}\n");
	} else {
		dv_strbuf_add(&line, "time=\"");
		add_time(&line);
		dv_strbuf_addf(&line, "\" level=%s msg=", level_name[level]);
		dv_strbuf_add_json(&line, text.data);
		dv_strbuf_addc(&line, '\n');
	}
	(void)!write(log->fd, line.data, line.len);
	dv_strbuf_fini(&text);
	dv_strbuf_fini(&line);
}
