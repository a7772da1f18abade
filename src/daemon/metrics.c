/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers. Names are containerd's and Prometheus' own where there are any. */

#include "metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "davit-commit.h"
#include "davit-version.h"
#include "observe.h"
#include "sys/file.h"
#include "tasks.h"

static void add(struct dv_strbuf *out, const char *name, const char *kind, const char *help,
		double value)
{
	dv_strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, kind, name,
		       value);
}

static double resident(void)
{
	unsigned long long size, pages;
	char text[128];

	if (sys_read_file_at(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%llu %llu", &size, &pages) != 2)
		return 0;
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -3; /* ".", ".." and its own */

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void add_process(struct dv_strbuf *out)
{
	struct rusage usage = { 0 };

	(void)getrusage(RUSAGE_SELF, &usage);
	add(out, "process_resident_memory_bytes", "gauge", "Memory that is in RAM.", resident());
	add(out, "process_open_fds", "gauge", "Open descriptors.", open_files());
	add(out, "process_cpu_seconds_total", "counter", "Time of the processors.",
	    seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
}

void metrics_add(const struct daemon *d, struct dv_strbuf *out)
{
	struct grpc_server_stats s;

	grpc_server_stats(d->server, &s);
	dv_strbuf_addf(out,
		       "# HELP containerd_build_info_total Which program this is.\n"
		       "# TYPE containerd_build_info_total counter\n"
		       "containerd_build_info_total{revision=\"%s\",version=\"%s\"} 1\n",
		       DAVIT_COMMIT, DAVIT_VERSION);
	observations_add(d->observations, out);
	add(out, "davit_grpc_connections", "gauge", "Open connections.", (double)s.connections);
	add(out, "davit_grpc_connections_total", "counter", "Connections that were made.",
	    (double)s.connections_total);
	add(out, "davit_grpc_refused_total", "counter", "Connections that were refused.",
	    (double)s.refused_total);
	add(out, "davit_grpc_calls", "gauge", "Calls that are being answered.", (double)s.calls);
	add(out, "davit_grpc_memory_bytes", "gauge", "Requests and replies in memory.",
	    (double)s.memory);
	add(out, "davit_tasks", "gauge", "Tasks, of all namespaces.",
	    (double)tasks_count(d->tasks));
	dv_strbuf_addf(out,
		       "# HELP davit_work Work for threads that waits or is being done.\n"
		       "# TYPE davit_work gauge\n"
		       "davit_work{lane=\"fast\"} %zu\ndavit_work{lane=\"slow\"} %zu\n",
		       io_work_pending(d->fast), io_work_pending(d->slow));
	add_process(out);
}
