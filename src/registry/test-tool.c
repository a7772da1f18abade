/* SPDX-License-Identifier: Apache-2.0 */
/* registry-tool [options] verb NAME [args]; see the table of verbs. */

#include "test-tool.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "registry/docker-config.h"

struct creds {
	struct tool *tool;
	struct registry_cred cred;
	struct registry_docker_config *config;
};

static const struct option options[] = {
	{ "hosts-dir", 1, NULL, 'd' },
	{ "scheme", 1, NULL, 's' },
	{ "user", 1, NULL, 'u' },
	{ "identity", 1, NULL, 'i' },
	{ "bearer", 1, NULL, 'b' },
	{ "header", 1, NULL, 'H' },
	{ "docker-config", 1, NULL, 'c' },
	{ "max-per-host", 1, NULL, 'm' },
	{ "attempts", 1, NULL, 'a' },
	{ "progress-ms", 1, NULL, 'p' },
	{ "offset", 1, NULL, 'o' },
	{ "chunk", 1, NULL, 'k' },
	{ "slow", 0, NULL, 'w' },
	{ "mount-from", 1, NULL, 'f' },
	{ "stop-at", 1, NULL, 'x' },
	{ "parallel", 1, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

void tool_fail(struct tool *t, struct dv_err *take_error)
{
	static const char *const names[] = {
		"OK",	     "CANCELLED",	"UNKNOWN",	 "INVALID",   "DEADLINE",
		"NOT_FOUND", "EXISTS",		"PERMISSION",	 "EXHAUSTED", "PRECONDITION",
		"ABORTED",   "OUT_OF_RANGE",	"UNIMPLEMENTED", "INTERNAL",  "UNAVAILABLE",
		"DATA_LOSS", "UNAUTHENTICATED",
	};

	if (!take_error)
		return;
	fprintf(stderr, "%s: %s\n", names[dv_err_code(take_error)], dv_err_message(take_error));
	dv_err_free(take_error);
	t->status = 1;
}

static void give_fixed(void *arg, struct registry_ask *ask)
{
	const struct creds *c = arg;

	fprintf(stderr, "asked: %s\n", registry_ask_question(ask)->host);
	registry_ask_answer(ask, NULL, &c->cred);
}

static void set_user(struct creds *c, char *text)
{
	char *colon = strchr(text, ':');

	*colon = '\0';
	c->cred = (struct registry_cred){ .kind = REGISTRY_CRED_PASSWORD,
					  .username = text,
					  .secret = colon + 1 };
}

struct setup {
	struct registry_opts registry;
	struct registry_repo_opts repo;
	struct registry_header header;
	struct creds creds;
};

static void on_changed(void *arg, const struct registry_cred *cred, struct dv_err *take_error)
{
	(void)cred;
	tool_fail(arg, take_error);
}

static struct dv_err *run_verb(struct setup *s, struct tool *t, char **args, int n)
{
	const char *verb = args[0];

	if (dv_streq(verb, "resolve"))
		tool_resolve(t);
	else if (dv_streq(verb, "document"))
		tool_document(t);
	else if (dv_streq(verb, "ping"))
		tool_ping(t);
	else if (dv_streq(verb, "referrers"))
		tool_referrers(t, n > 2 ? args[2] : NULL);
	else if (dv_streq(verb, "blob") && n == 3)
		tool_blob(t, args[2]);
	else if (dv_streq(verb, "pull") && n == 3)
		tool_pull(t, args[2]);
	else if (dv_streq(verb, "push-blob") && n == 3)
		tool_push_blob(t, args[2]);
	else if (dv_streq(verb, "store"))
		registry_docker_config_store(s->creds.config, t->ref.host, &s->creds.cred,
					     on_changed, t);
	else if (dv_streq(verb, "erase"))
		registry_docker_config_erase(s->creds.config, t->ref.host, on_changed, t);
	else if (dv_streq(verb, "session-pull") && n == 3)
		tool_session(t, &s->repo, args[2], false);
	else if (dv_streq(verb, "session-push") && n == 3)
		tool_session(t, &s->repo, args[2], true);
	else if (dv_streq(verb, "verify") && n == 3)
		tool_verify(t, args[2]);
	else if (dv_streq(verb, "push-document") && n == 4)
		tool_push_document(t, args[2], args[3]);
	else
		return dv_err_new(DV_INVALID, "no such verb: %s", verb);
	return NULL;
}

static long number(const char *text)
{
	return strtol(text, NULL, 10);
}

static void take_option(struct setup *s, struct tool *t, int c)
{
	switch (c) {
	case 'd':
		s->repo.hosts.directories = optarg;
		return;
	case 's':
		s->repo.hosts.default_scheme = optarg;
		return;
	case 'u':
		set_user(&s->creds, optarg);
		return;
	case 'i':
	case 'b':
		s->creds.cred.kind = c == 'i' ? REGISTRY_CRED_IDENTITY : REGISTRY_CRED_BEARER;
		s->creds.cred.secret = optarg;
		return;
	case 'H':
		s->header.name = optarg;
		s->header.value = strchr(optarg, ':') + 1;
		*strchr(optarg, ':') = '\0';
		s->repo.headers = &s->header;
		s->repo.n_headers = 1;
		return;
	case 'c':
		s->creds.config =
			registry_docker_config_new(&t->loop, optarg, (const char *const *)environ);
		return;
	case 'm':
		s->registry.max_per_host = (unsigned)number(optarg);
		return;
	case 'a':
		s->registry.max_attempts = (unsigned)number(optarg);
		return;
	case 'p':
		s->registry.progress_timeout_ms = (uint64_t)number(optarg);
		return;
	case 'o':
		t->offset = number(optarg);
		return;
	case 'k':
		t->chunk_size = number(optarg);
		return;
	case 'x':
		t->stop_at = number(optarg);
		return;
	case 'n':
		t->n_parallel = (unsigned)number(optarg);
		return;
	case 'w':
		t->is_slow = true;
		return;
	case 'f':
		t->mount_from = optarg;
		return;
	default:
		exit(2);
	}
}

static struct dv_err *open_repo(struct setup *s, struct tool *t, const char *name)
{
	struct dv_err *e = spec_ref_parse(&t->arena, name, SPEC_REF_FAMILIAR, &t->ref);

	if (e)
		return e;
	s->repo.host = t->ref.host;
	s->repo.path = t->ref.path;
	if (s->creds.config)
		s->repo.credentials = registry_docker_config_source(s->creds.config);
	else if (s->creds.cred.kind != REGISTRY_CRED_NONE)
		s->repo.credentials =
			(struct registry_cred_source){ .get = give_fixed, .arg = &s->creds };
	e = registry_new(&s->registry, &t->registry);
	return e ? e : registry_repo_open(t->registry, &s->repo, &t->repo);
}

int main(int argc, char **argv)
{
	struct tool t = { .stop_at = -1 };
	struct setup s = { 0 };
	struct dv_err *e;
	int c;

	uv_loop_init(&t.loop);
	dv_arena_init(&t.arena);
	s.registry = (struct registry_opts){
		.loop = &t.loop,
		.backoff_ms = 20,
		.retry_after_max_ms = 3000,
		.http_proxy = getenv("http_proxy"),
		.https_proxy = getenv("https_proxy"),
		.no_proxy = getenv("no_proxy"),
	};
	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(&s, &t, c);
	if (argc - optind < 2) {
		fputs("usage: registry-tool [options] verb NAME [args]\n", stderr);
		return 2;
	}
	e = open_repo(&s, &t, argv[optind + 1]);
	if (!e)
		e = run_verb(&s, &t, argv + optind, argc - optind);
	tool_fail(&t, e);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	io_work_pool_free(t.pool);
	registry_repo_close(t.repo);
	registry_free(t.registry);
	registry_docker_config_free(s.creds.config);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	dv_arena_fini(&t.arena);
	/* Nothing may be left. */
	if (uv_loop_close(&t.loop) != 0) {
		fputs("handles are left in the loop\n", stderr);
		return 3;
	}
	return t.status;
}
