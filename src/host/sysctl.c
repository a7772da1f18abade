/* SPDX-License-Identifier: Apache-2.0 */
/* Sysctls by name. See host/sysctl.h. */

#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>

#include "sys/file.h"

enum { KEY_MAX = 512 };

static bool is_bad_component(const char *s, size_t n)
{
	return n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
}

static bool has_bad_component(const char *path)
{
	for (const char *p = path;;) {
		size_t n = strcspn(p, "/");

		if (is_bad_component(p, n))
			return true;
		if (p[n] == '\0')
			return false;
		p += n + 1;
	}
}

int host_sysctl_path(const char *key, char *buf, size_t size)
{
	static const char prefix[] = "sys/";
	size_t n = strlen(key), first = strcspn(key, "./");
	bool swaps = key[first] == '.';
	char *p;

	if (n + sizeof(prefix) > size)
		return -ENAMETOOLONG;
	memcpy(buf, prefix, sizeof(prefix));
	p = buf + sizeof(prefix) - 1;
	memcpy(p, key, n + 1);
	for (char *c = p; swaps && *c; c++) {
		if (*c == '.')
			*c = '/';
		else if (*c == '/')
			*c = '.';
	}
	return has_bad_component(p) ? -EINVAL : 0;
}

int host_sysctl_write(int procfd, const char *key, const char *value)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	size_t n = strlen(value);
	char path[KEY_MAX];
	ssize_t done;
	int r;

	r = host_sysctl_path(key, path, sizeof(path));
	if (r < 0)
		return r;
	fd = sys_openat2(procfd, path, O_WRONLY | O_NOCTTY, 0,
			 RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS |
				 RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	/* One write: the kernel takes each as a value of its own. */
	done = sys_write(fd, value, n);
	if (done < 0)
		return (int)done;
	return (size_t)done == n ? 0 : -EIO;
}
