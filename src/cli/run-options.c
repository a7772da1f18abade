/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `run` and `create`, in docker's words. */

#include <stddef.h>

#include "run.h"

#define ROW(opt_name, opt_letter, opt_type, field, opt_arg, opt_help) \
	{ \
		.name = (opt_name), .letter = (opt_letter), .type = (opt_type), \
		.offset = offsetof(struct run_opts, field), .arg = (opt_arg), .help = (opt_help) \
	}
#define FLAG(name, letter, field, help)	       ROW(name, letter, DV_OPT_FLAG, field, NULL, help)
#define TEXT(name, letter, field, arg, help)   ROW(name, letter, DV_OPT_STRING, field, arg, help)
#define NUMBER(name, letter, field, arg, help) ROW(name, letter, DV_OPT_INT, field, arg, help)
#define LIST(name, letter, field, arg, help)   ROW(name, letter, DV_OPT_LIST, field, arg, help)

#define SHARED_OPTIONS \
	LIST("add-host", 0, hosts, "name:address", "a line for /etc/hosts"), \
		LIST("annotation", 0, annotations, "key=value", "an annotation for the runtime"), \
		NUMBER("blkio-weight", 0, blkio_weight, "weight", \
		       "share of block devices, 10 to 1000"), \
		LIST("cap-add", 0, caps_added, "capability", "allow a capability, or ALL"), \
		LIST("cap-drop", 0, caps_dropped, "capability", "forbid a capability, or ALL"), \
		TEXT("cgroupns", 0, cgroupns, "mode", "cgroup namespace: private or host"), \
		TEXT("cidfile", 0, cidfile, "path", "write the container's id to a new file"), \
		NUMBER("cpu-period", 0, cpu_period, "us", "period of --cpu-quota"), \
		NUMBER("cpu-quota", 0, cpu_quota, "us", "processor time in each period"), \
		NUMBER("cpu-shares", 'c', cpu_shares, "shares", "weight of processor time"), \
		TEXT("cpus", 0, cpus, "number", "processors' worth of time: 1.5"), \
		TEXT("cpuset-cpus", 0, cpuset_cpus, "list", \
		     "processors that it may run on: 0-3,8"), \
		TEXT("cpuset-mems", 0, cpuset_mems, "list", "memory nodes that it may use"), \
		LIST("device", 0, devices, "path[:inside[:rwm]]", "a device of the host's"), \
		LIST("device-cgroup-rule", 0, device_rules, "rule", \
		     "devices that it may use: 'c 10:* rw'"), \
		TEXT("entrypoint", 0, entrypoint, "command", "in place of the image's"), \
		LIST("env", 'e', env, "name[=value]", "an environment variable"), \
		LIST("env-file", 0, env_files, "path", "environment variables, one a line"), \
		LIST("group-add", 0, groups, "group", "one more group of the user's"), \
		TEXT("hostname", 'h', hostname, "name", "host name inside"), \
		FLAG("interactive", 'i', has_stdin, "keep standard input open"), \
		TEXT("ipc", 0, ipc, "mode", "IPC namespace: private, host or container:NAME"), \
		LIST("label", 'l', labels, "key[=value]", "a label of the container's"), \
		TEXT("log-driver", 0, log_driver, "driver", "json-file or none"), \
		TEXT("memory", 'm', memory, "bytes", "memory that it may use: 512m"), \
		TEXT("memory-reservation", 0, memory_reservation, "bytes", \
		     "memory that it gets first"), \
		TEXT("memory-swap", 0, memory_swap, "bytes", \
		     "memory and swap together; -1: any amount of swap"), \
		NUMBER("memory-swappiness", 0, memory_swappiness, "percent", \
		       "how readily it is swapped out, 0 to 100"), \
		LIST("mount", 0, mounts, "options", \
		     "type=bind|tmpfs,source=...,target=...,readonly"), \
		TEXT("name", 0, name, "name", "name of the container"), \
		TEXT("network", 0, network, "mode", \
		     "none (the default), host or container:NAME; others are not there yet"), \
		TEXT("net", 0, network, "mode", "the same as --network"), \
		FLAG("oom-kill-disable", 0, is_oom_kill_disabled, \
		     "wait in place of being killed (cgroup v1)"), \
		NUMBER("oom-score-adj", 0, oom_score_adj, "score", \
		       "how readily the kernel kills it, -1000 to 1000"), \
		TEXT("pid", 0, pid, "mode", "PID namespace: private, host or container:NAME"), \
		NUMBER("pids-limit", 0, pids_limit, "number", "processes; -1: any number"), \
		TEXT("platform", 0, platform, "os/arch[/variant]", "the image's variant"), \
		FLAG("privileged", 0, is_privileged, "all rights and devices of the host's root"), \
		TEXT("pull", 0, pull, "when", "never; fetching images is not there yet"), \
		FLAG("read-only", 0, is_read_only, "its root file system cannot be written"), \
		FLAG("rm", 0, is_removed, "remove it when it has ended"), \
		FLAG("rootfs", 0, is_rootfs, "the first argument is a directory, not an image"), \
		TEXT("runtime", 0, runtime, "name", \
		     "an OCI runtime (runc, /path) or containerd's name of a shim (io....)"), \
		LIST("security-opt", 0, security, "option", \
		     "no-new-privileges, seccomp=PATH|unconfined, apparmor=PROFILE, " \
		     "systempaths=unconfined"), \
		TEXT("shm-size", 0, shm_size, "bytes", "size of /dev/shm (default: 64m)"), \
		TEXT("snapshotter", 0, snapshotter, "name", "in place of davitd's default"), \
		TEXT("stop-signal", 0, stop_signal, "signal", "what `stop` sends"), \
		NUMBER("stop-timeout", 0, stop_timeout, "seconds", "how long `stop` waits"), \
		LIST("sysctl", 0, sysctls, "key=value", "a kernel parameter of its namespaces"), \
		LIST("tmpfs", 0, tmpfs, "path[:options]", "an empty tmpfs"), \
		FLAG("tty", 't', has_tty, "give it a terminal"), \
		LIST("ulimit", 0, ulimits, "type=soft[:hard]", "a resource limit: nofile=1024"), \
		TEXT("user", 'u', user, "user[:group]", "names or ids, by the image's files"), \
		TEXT("uts", 0, uts, "mode", "UTS namespace: private or host"), \
		LIST("volume", 'v', volumes, "source:target[:options]", \
		     "a directory or file of the host's"), \
		TEXT("workdir", 'w', working_dir, "path", "working directory inside")

const struct dv_opt create_options[] = { SHARED_OPTIONS, DV_OPT_END };

const struct dv_opt run_options[] = {
	SHARED_OPTIONS,
	FLAG("detach", 'd', is_detached, "print the id and leave it in the background"),
	TEXT("detach-keys", 0, detach_keys, "keys", "keys to leave it (default: ctrl-p,ctrl-q)"),
	TEXT("pidfile", 0, pidfile, "path", "write the number of its process"),
	{ .name = "sig-proxy",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct run_opts, has_sig_proxy),
	  .help = "pass signals on to the process",
	  .preset = "true" },
	DV_OPT_END,
};
