/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A method is known by its row in a service's table, so that nothing that a client sends makes a new
 * name. A line has who asked for what, how long it took and what was said; never what was in it.
 */

#include "observe.h"

#include <stdlib.h>

enum { CODES = DV_UNAUTHENTICATED + 1 };

struct method_row {
	const struct grpc_method *method;
	const char *service;
	uint64_t codes[CODES];
	uint64_t ns; /* of all together */
};

struct observations {
	struct daemon *d;
	struct method_row *rows; /* in the order in which they were called first */
	size_t n_rows, size;
};

static const char *const code_names[CODES] = {
	"OK",
	[DV_CANCELLED] = "Canceled",
	[DV_UNKNOWN] = "Unknown",
	[DV_INVALID] = "InvalidArgument",
	[DV_DEADLINE] = "DeadlineExceeded",
	[DV_NOT_FOUND] = "NotFound",
	[DV_EXISTS] = "AlreadyExists",
	[DV_PERMISSION] = "PermissionDenied",
	[DV_EXHAUSTED] = "ResourceExhausted",
	[DV_PRECONDITION] = "FailedPrecondition",
	[DV_ABORTED] = "Aborted",
	[DV_OUT_OF_RANGE] = "OutOfRange",
	[DV_UNIMPLEMENTED] = "Unimplemented",
	[DV_INTERNAL] = "Internal",
	[DV_UNAVAILABLE] = "Unavailable",
	[DV_DATA_LOSS] = "DataLoss",
	[DV_UNAUTHENTICATED] = "Unauthenticated",
};

static struct method_row *row_of(struct observations *o, const struct grpc_call *call)
{
	const struct grpc_method *method = grpc_call_method_table(call);
	struct method_row *row;

	for (size_t i = 0; i < o->n_rows; i++) {
		if (o->rows[i].method == method)
			return &o->rows[i];
	}
	if (o->n_rows == o->size) {
		o->size = o->size ? 2 * o->size : 16;
		o->rows = dv_realloc_n(o->rows, o->size, sizeof(*o->rows));
	}
	row = &o->rows[o->n_rows++];
	*row = (struct method_row){ .method = method, .service = grpc_call_service(call) };
	return row;
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void on_call(void *arg, const struct grpc_call *call, int code, uint64_t duration_ns)
{
	struct observations *o = arg;
	struct method_row *row = row_of(o, call);

	if (code < 0 || code >= CODES)
		code = DV_UNKNOWN;
	row->codes[code]++;
	row->ns += duration_ns;
	if (code == 0 || !dv_log_enabled(o->d->log, DV_DEBUG))
		return;
	dv_log(o->d->log, DV_DEBUG, "%s/%s failed: %s after %.1f ms, namespace %s, pid %d: %s",
	       row->service, row->method->name, code_names[code], (double)duration_ns / 1e6,
	       or_dash(grpc_call_metadata(call, "containerd-namespace")),
	       (int)grpc_call_peer_pid(call), or_dash(grpc_call_message(call)));
}

struct observations *observations_new(struct daemon *d)
{
	struct observations *o = dv_new(struct observations);

	o->d = d;
	grpc_server_observe(d->server, on_call, o);
	return o;
}

struct observations *observations_free(struct observations *o)
{
	if (o)
		free(o->rows);
	free(o);
	return NULL;
}

static const char *kind(const struct grpc_method *m)
{
	if (m->is_client_stream)
		return m->is_server_stream ? "bidi_stream" : "client_stream";
	return m->is_server_stream ? "server_stream" : "unary";
}

static void add_labels(const struct method_row *row, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "grpc_method=\"%s\",grpc_service=\"%s\",grpc_type=\"%s\"",
		       row->method->name, row->service, kind(row->method));
}

void observations_add(const struct observations *o, struct dv_strbuf *out)
{
	dv_strbuf_add(out, "# HELP grpc_server_handled_total Calls that have ended.\n"
			   "# TYPE grpc_server_handled_total counter\n");
	for (const struct method_row *row = o->rows; row < o->rows + o->n_rows; row++) {
		for (int code = 0; code < CODES; code++) {
			if (row->codes[code] == 0)
				continue;
			dv_strbuf_addf(out, "grpc_server_handled_total{grpc_code=\"%s\",",
				       code_names[code]);
			add_labels(row, out);
			dv_strbuf_addf(out, "} %llu\n", (unsigned long long)row->codes[code]);
		}
	}
	dv_strbuf_add(out, "# HELP davit_grpc_seconds_total Time from a call to its end.\n"
			   "# TYPE davit_grpc_seconds_total counter\n");
	for (const struct method_row *row = o->rows; row < o->rows + o->n_rows; row++) {
		dv_strbuf_add(out, "davit_grpc_seconds_total{");
		add_labels(row, out);
		dv_strbuf_addf(out, "} %.6f\n", (double)row->ns / 1e9);
	}
}
