/* SPDX-License-Identifier: Apache-2.0 */

/*
 * probe NUMBER [ARG...]: makes one system call inside a container and prints what came of it:
 * "ok VALUE" or "errno NUMBER". An argument is a number, or a text after "s:".
 * Several calls are separated by "--".
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long value(const char *arg)
{
	if (strncmp(arg, "s:", 2) == 0)
		return (long)(arg + 2);
	return (long)strtoull(arg, NULL, 0);
}

static void call(char **argv, int n)
{
	long a[7] = { 0 };
	long r;

	for (int i = 0; i < n && i < 7; i++)
		a[i] = value(argv[i]);
	r = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	if (r == -1)
		printf("errno %d\n", errno);
	else
		printf("ok %ld\n", r);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int first = 1;

	for (int i = 1; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], "--") != 0)
			continue;
		if (i > first)
			call(argv + first, i - first);
		first = i + 1;
	}
	return 0;
}
