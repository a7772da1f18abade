/* SPDX-License-Identifier: Apache-2.0 */
/* The probe (test-exeseal-probe.c) under different conditions. $SEAL_PROBE is its path. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

static char dir[] = "/tmp/test-exeseal-XXXXXX", probe[64], out[16384];
static uid_t uid; /* to run the probe as */
static int exe = -1; /* executed by descriptor instead of the path */
static int kept = -1; /* what the probe inherits */

static void copy_file(const char *from, const char *to)
{
	static char buf[1 << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t n;

	cr_assert(in >= 0 && fd >= 0, "%s", from);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		cr_assert_eq(write(fd, buf, (size_t)n), n);
	close(in);
	close(fd);
}

static void set_up(void)
{
	const char *path = getenv("SEAL_PROBE");

	if (!path)
		cr_skip_test("SEAL_PROBE is not set");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chmod(dir, 0755), 0);
	snprintf(probe, sizeof(probe), "%s/the-probe", dir);
	copy_file(path, probe);
}

static void tear_down(void)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)sys_remove_tree(tmp, dir + 5);
}

TestSuite(exeseal, .init = set_up, .fini = tear_down, .timeout = 20);

/* Runs it; what it prints and logs is in `out`. */
static int run(void)
{
	char *argv[] = { (char[]){ "name-of-it" }, (char[]){ "one" }, (char[]){ "" }, NULL };
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		/* Criterion has descriptors of its own. */
		(void)sys_close_range(3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
		if (kept >= 0)
			(void)sys_set_cloexec(kept, false);
		if (uid && sys_setresuid(uid) < 0)
			_exit(99);
		if (exe >= 0)
			fexecve(exe, argv, environ);
		else
			execv(probe, argv);
		_exit(98);
	}
	close(fds[1]);
	while ((n = read(fds[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void says(const char *text)
{
	cr_assert_not_null(strstr(out, text), "no \"%s\" in:\n%s", text, out);
}

static void says_not(const char *text)
{
	cr_assert_null(strstr(out, text), "\"%s\" in:\n%s", text, out);
}

static size_t count(const char *text)
{
	size_t n = 0;

	for (const char *p = out; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static bool has_overlay(void)
{
	int fs = sys_fsopen("overlay");

	sys_close(fs);
	return fs >= 0;
}

static void is_safe_and_itself(void)
{
	says_not("write works");
	says("comm name-of-it\n");
	says("arg name-of-it\narg one\narg \n");
	says_not("leak");
}

Test(exeseal, overlay_with_privilege)
{
	if (!has_overlay())
		cr_skip_test("no overlay for us");
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /the-probe\n");
	says("write EROFS");
	says("runc exeseal: using overlayfs for sealed /proc/self/exe");
	says("protected by a detached overlay");
	cr_assert_eq(count("runc exeseal: using /proc/self/exe clone"), 1);
}

Test(exeseal, memory_file_without_privilege)
{
	uid = 65534;
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:runc_cloned:/proc/self/exe (deleted)\n");
	says("protected by a sealed memory file");
	cr_assert_eq(count("runc exeseal: using /proc/self/exe clone"), 1);
}

Test(exeseal, a_sealed_program_stays)
{
	exe = memfd_create("somebody", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	cr_assert_geq(exe, 0);
	snprintf(out, sizeof(out), "/proc/self/fd/%d", exe);
	copy_file(probe, out);
	cr_assert_eq(
		fcntl(exe, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
		0);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:somebody (deleted)");
	says_not("runc exeseal");
}

/* All seals or none. */
Test(exeseal, a_half_sealed_program_is_replaced)
{
	exe = memfd_create("somebody", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	snprintf(out, sizeof(out), "/proc/self/fd/%d", exe);
	copy_file(probe, out);
	cr_assert_eq(fcntl(exe, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:runc_cloned");
}

/* What the second process looks at, faked as far as a caller can. */
Test(exeseal, execution_by_descriptor_alone_is_not_believed)
{
	exe = open(probe, O_PATH | O_CLOEXEC);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:runc_cloned");
}

static int mount_overlay(bool is_readonly)
{
	char upper[80], work[80];
	int fs = sys_fsopen("overlay"), tree;

	snprintf(upper, sizeof(upper), "%s/upper", dir);
	snprintf(work, sizeof(work), "%s/work", dir);
	cr_assert(mkdir(upper, 0755) == 0 && mkdir(work, 0755) == 0);
	cr_assert_eq(sys_fsconfig_string(fs, "lowerdir", "/sys"), 0);
	if (sys_fsconfig_string(fs, "upperdir", upper) < 0 ||
	    sys_fsconfig_string(fs, "workdir", work) < 0 || sys_fsconfig_create(fs) < 0)
		cr_skip_test("no overlay on this file system");
	snprintf(upper, sizeof(upper), "%s/upper/the-probe", dir);
	copy_file(probe, upper);
	tree = sys_fsmount(fs, is_readonly ? MOUNT_ATTR_RDONLY : 0);
	sys_close(fs);
	cr_assert_geq(tree, 0);
	return tree;
}

/* An overlay that is mounted, even read-only, can be writable elsewhere. */
Test(exeseal, an_attached_overlay_is_not_believed)
{
	char place[80];
	int tree;

	if (!has_overlay() || unshare(CLONE_NEWNS) < 0)
		cr_skip_test("no overlay for us");
	(void)sys_mount("", "/", NULL, 1 << 18 | 1 << 14 /* MS_PRIVATE | MS_REC */, NULL);
	tree = mount_overlay(true);
	snprintf(place, sizeof(place), "%s/place", dir);
	cr_assert_eq(mkdir(place, 0755), 0);
	cr_assert_eq(sys_move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH), 0);
	exe = openat(tree, "the-probe", O_PATH | O_CLOEXEC);
	cr_assert_geq(exe, 0);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:runc_cloned");
	close(exe);
	close(tree);
	cr_assert_eq(sys_umount2(place, 2 /* MNT_DETACH */), 0);
}

Test(exeseal, a_detached_writable_overlay_is_not_believed)
{
	int tree;

	if (!has_overlay())
		cr_skip_test("no overlay for us");
	tree = mount_overlay(false);
	exe = openat(tree, "the-probe", O_PATH | O_CLOEXEC);
	close(tree);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:runc_cloned");
}

Test(exeseal, inherited_descriptors_stay)
{
	char text[16];

	kept = open("/dev/null", O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", kept);
	setenv("PROBE_FD", text, 1);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("fd open\n");
}

Test(exeseal, names_with_colons_and_backslashes)
{
	char odd[40];

	if (!has_overlay())
		cr_skip_test("no overlay for us");
	snprintf(odd, sizeof(odd), "%s/a:b\\c", dir);
	cr_assert_eq(mkdir(odd, 0755), 0);
	snprintf(probe, sizeof(probe), "%s/p", odd);
	copy_file(getenv("SEAL_PROBE"), probe);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /p\n");
}

/* Replaced on disk between its start and its look: what runs is what is protected. */
Test(exeseal, a_deleted_program_is_copied)
{
	exe = open(probe, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(unlink(probe), 0);
	cr_assert_eq(run(), 0, "%s", out);
	is_safe_and_itself();
	says("exe /memfd:runc_cloned");
}
