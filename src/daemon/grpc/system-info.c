/* SPDX-License-Identifier: Apache-2.0 */
/*
 * davit.system.v1, Info. What runs is the loop's knowledge and is counted there; a worker adds what
 * is in files and in the store.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/davit/system.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "davit-commit.h"
#include "davit-version.h"
#include "host/cgroup.h"
#include "host/lsm.h"
#include "store-tx.h"
#include "store/meta-container.h"
#include "store/meta-image.h"
#include "store/meta-namespace.h"
#include "store/snapshot.h"
#include "sys/file.h"
#include "system-private.h"
#include "task-private.h"
#include "uuid.h"

#define TYPE(name)	Davit__System__V1__##name
#define DEFAULT_RUNTIME "io.containerd.davit.v2"

enum { SECURITY_MAX = 3, SNAPSHOTTERS_MAX = 32, OS_RELEASE_MAX = 4096 };

/* In the call's arena. */
struct informing {
	struct daemon_call c;
	const char *ns; /* "": all */
	TYPE(InfoResponse) reply;
	struct dv_err *e;
};

/* ---- the machine -------------------------------------------------------------------------------- */

/* PRETTY_NAME of os-release(5), whose quotes are a shell's. */
static char *pretty_name(const char *text, struct dv_arena *arena)
{
	static const char key[] = "PRETTY_NAME=";
	const char *at = text;
	size_t n;

	while (at && strncmp(at, key, strlen(key)) != 0) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return NULL;
	at += strlen(key);
	at += *at == '"' || *at == '\'';
	n = strcspn(at, "\n\"'");
	return n ? dv_arena_strndup(arena, at, n) : NULL;
}

static char *os_name(struct dv_arena *arena)
{
	static const char *const files[] = { "/etc/os-release", "/usr/lib/os-release" };
	char text[OS_RELEASE_MAX];
	char *name = NULL;

	for (size_t i = 0; i < DV_ARRAY_SIZE(files) && !name; i++) {
		if (sys_read_file_at(AT_FDCWD, files[i], text, sizeof(text)) > 0)
			name = pretty_name(text, arena);
	}
	return name ? name : dv_arena_strdup(arena, "linux");
}

static char *cgroup_mode(void)
{
	static const char *const names[] = { [HOST_CGROUP_V1] = "v1",
					     [HOST_CGROUP_HYBRID] = "hybrid",
					     [HOST_CGROUP_V2] = "unified" };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct host_cgroup_opts opts = { .id = "davitd", .is_rootless = geteuid() != 0 };
	struct dv_err *e = host_cgroup_new(&opts, &cg);

	if (!e)
		return (char *)names[host_cgroup_mode(cg)];
	dv_err_free(e);
	return (char *)"";
}

static void add_security(struct informing *inf)
{
	DV_CLEANUP(sys_closep) int root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	DV_CLEANUP(sys_closep) int proc = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	TYPE(InfoResponse) *r = &inf->reply;

	r->security = dv_arena_new_n(inf->c.arena, char *, SECURITY_MAX);
	if (root >= 0 && host_apparmor_is_enabled(root))
		r->security[r->n_security++] = (char *)"apparmor";
	if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0)
		r->security[r->n_security++] = (char *)"seccomp";
	if (root >= 0 && proc >= 0 && host_selinux_is_enabled(root, proc))
		r->security[r->n_security++] = (char *)"selinux";
}

static void add_machine(struct informing *inf)
{
	struct dv_arena *arena = inf->c.arena;
	TYPE(InfoResponse) *r = &inf->reply;
	struct utsname name;
	struct sysinfo memory;
	cpu_set_t cpus;

	if (uname(&name) == 0) {
		r->hostname = dv_arena_strdup(arena, name.nodename);
		r->kernel = dv_arena_strdup(arena, name.release);
		r->architecture = dv_arena_strdup(arena, name.machine);
	}
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		r->cpus = (uint32_t)CPU_COUNT(&cpus);
	else /* more of them than the set can hold */
		r->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	if (sysinfo(&memory) == 0) {
		r->memory = (uint64_t)memory.totalram * memory.mem_unit;
		r->swap = (uint64_t)memory.totalswap * memory.mem_unit;
	}
	r->os = os_name(arena);
	r->cgroup_mode = cgroup_mode();
	add_security(inf);
}

/* ---- the daemon ----------------------------------------------------------------------------------- */

static void add_snapshotters(struct informing *inf)
{
	TYPE(InfoResponse) *r = &inf->reply;
	const char *first = snapshots_default(inf->c.d->snapshots);
	struct snapshot_driver_info info;

	if (first)
		r->default_snapshotter = (char *)first;
	r->snapshotters = dv_arena_new_n(inf->c.arena, TYPE(Snapshotter) *, SNAPSHOTTERS_MAX);
	for (size_t i = 0; i < SNAPSHOTTERS_MAX; i++) {
		TYPE(Snapshotter) * s;

		if (!snapshots_driver_info(inf->c.d->snapshots, i, &info))
			break;
		s = dv_arena_new(inf->c.arena, TYPE(Snapshotter));
		davit__system__v1__snapshotter__init(s);
		s->name = (char *)info.name;
		if (info.problem)
			s->problem = (char *)info.problem;
		r->snapshotters[r->n_snapshotters++] = s;
	}
}

static void add_daemon(struct informing *inf)
{
	const struct daemon *d = inf->c.d;
	const struct daemon_config *c = d->config;
	TYPE(InfoResponse) *r = &inf->reply;

	r->version = (char *)DAVIT_VERSION;
	r->revision = (char *)DAVIT_COMMIT;
	r->pid = (uint64_t)getpid();
	r->started_at = convert_time_out(&d->started_at, inf->c.arena);
	r->root = (char *)c->root;
	r->state = (char *)c->state;
	r->address = (char *)c->address;
	r->ttrpc_address = d->ttrpc_address;
	r->read_only_address = (char *)c->read_only_address;
	r->metrics_address = (char *)c->metrics_address;
	r->default_runtime = (char *)DEFAULT_RUNTIME;
}

/* ---- what there is of a namespace ----------------------------------------------------------------- */

static struct dv_err *count_ns(struct informing *inf, struct meta_tx *tx, const char *ns)
{
	struct meta_list brief = { .is_brief = true };
	struct meta_container *containers = NULL;
	struct meta_image *images = NULL;
	size_t n_containers = 0, n_images = 0;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = meta_container_list(tx, ns, &brief, &arena, &containers, &n_containers);
	if (!e)
		e = meta_image_list(tx, ns, NULL, &arena, &images, &n_images);
	dv_arena_fini(&arena);
	inf->reply.containers += n_containers;
	inf->reply.images += n_images;
	return e;
}

static struct dv_err *count(struct informing *inf, struct meta_tx *tx)
{
	struct meta_namespace *namespaces = NULL;
	struct dv_err *e;
	size_t n = 0;

	e = meta_namespace_list(tx, inf->c.arena, &namespaces, &n);
	inf->reply.namespaces = n;
	for (size_t i = 0; i < n && !e; i++) {
		if (!*inf->ns || dv_streq(inf->ns, namespaces[i].name))
			e = count_ns(inf, tx, namespaces[i].name);
	}
	return e;
}

static void run(void *arg)
{
	struct informing *inf = arg;
	TYPE(InfoResponse) *r = &inf->reply;
	uint64_t busy = r->running + r->paused;
	struct meta_tx *tx;

	r->uuid = dv_arena_alloc(inf->c.arena, DAEMON_UUID_SIZE);
	inf->e = daemon_uuid(inf->c.d->config->root, r->uuid);
	if (!inf->e)
		inf->e = store_begin(&inf->c, META_READ, &tx);
	if (!inf->e)
		inf->e = store_end(tx, count(inf, tx));
	if (inf->e)
		return;
	/* A record may have been deleted while its task runs, by a client other than ours. */
	r->stopped = r->containers > busy ? r->containers - busy : 0;
	add_daemon(inf);
	add_machine(inf);
	add_snapshotters(inf);
}

static void done(void *arg)
{
	struct informing *inf = arg;

	if (inf->e)
		grpc_fail(inf->c.grpc, dv_err_wrap(inf->e, "system info"));
	else
		grpc_reply(inf->c.grpc, &inf->reply.base);
}

/* ---- the loop's part ------------------------------------------------------------------------------ */

static void count_task(void *arg, struct task *t)
{
	struct informing *inf = arg;

	if (*inf->ns && !dv_streq(inf->ns, t->ns))
		return;
	inf->reply.running += t->last.status == CONTAINERD__V1__TYPES__STATUS__RUNNING;
	inf->reply.paused += t->last.status == CONTAINERD__V1__TYPES__STATUS__PAUSED ||
			     t->last.status == CONTAINERD__V1__TYPES__STATUS__PAUSING;
}

void system_info(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	static const char *const levels[] = {
		[DV_DEBUG] = "debug", [DV_INFO] = "info", [DV_WARN] = "warn", [DV_ERROR] = "error"
	};
	struct informing *inf = dv_arena_new(grpc_call_arena(call), struct informing);
	struct daemon *d = arg;
	struct dv_err *e = daemon_call_begin(call, d, false, &inf->c);

	inf->ns = ((const TYPE(InfoRequest) *)msg)->namespace_;
	if (!e && *inf->ns)
		e = meta_id_check("namespace", inf->ns);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	davit__system__v1__info_response__init(&inf->reply);
	inf->reply.log_level = (char *)levels[d->config->log_level]; /* it changes while we run */
	tasks_each(d->tasks, count_task, inf);
	io_work_submit(d->fast, run, done, inf);
}
