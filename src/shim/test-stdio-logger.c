/* SPDX-License-Identifier: Apache-2.0 */
/* Loggers: ready, not ready, gone, and what they get. */

#include "test-stdio.h"

TestSuite(logger, .init = set_up, .fini = tear_down);

/* ---- loggers ----------------------------------------------------------------------------------- */

Test(logger, gets_both_streams)
{
	DV_CLEANUP(dv_freep)
	char *uri = make_logger(
		"binary",
		"echo $CONTAINER_ID $CONTAINER_NAMESPACE $* >what\nls /proc/self/fd >fds\n"
		"exec 5>&-\ncat <&3 >out\ncat <&4 >err\ntouch ended\n");
	DV_CLEANUP(dv_freep) char *ended = path_of("ended");
	int out, err;

	open_stdio((struct shim_stdio_spec){ .out = uri });
	T_STR(content("what"), "c1 ns key value\n");
	T_STR(content("fds"), "0\n1\n2\n3\n4\n5\n6\n"); /* 6: what ls reads */
	out = take_end(1);
	err = take_end(2);
	shim_stdio_started(io);
	say(out, "one");
	say(err, "two");
	sys_close(out);
	sys_close(err);
	exit_and_drain();
	io = shim_stdio_free(io);
	/* It may write what it has read before it gets a signal. */
	RUN_UNTIL(access(ended, F_OK) == 0);
	T_STR(content("out"), "one");
	T_STR(content("err"), "two");
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, of_the_second_kind)
{
	DV_CLEANUP(dv_freep)
	char *uri = make_logger("binary-v2", "echo >&5\nexec cat <&3 >out\n");

	open_stdio((struct shim_stdio_spec){ .out = uri });
	io = shim_stdio_free(io);
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, that_is_not_ready)
{
	DV_CLEANUP(dv_freep) char *uri = make_logger("binary-v2", "exec 5>&-\nsleep 1000\n");

	check_fails((struct shim_stdio_spec){ .out = uri }, DV_UNAVAILABLE);
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

/* Whatever is seen first: the end of it, or that it is ready, the process is not held up. */
Test(logger, that_is_gone_at_once)
{
	DV_CLEANUP(dv_freep) char *uri = make_logger("binary", "exit 1\n");
	DV_CLEANUP(dv_freep) char *text = dv_alloc(BIG + 1);
	int out;

	memset(text, 'x', BIG);
	for (int i = 0; i < 5; i++) {
		size_t done = 0;

		open_stdio((struct shim_stdio_spec){ .out = uri });
		out = take_end(1);
		shim_stdio_started(io);
		T_INT(fcntl(out, F_SETFL, O_NONBLOCK), ==, 0);
		while (done < BIG) {
			ssize_t n = sys_write(out, text + done, BIG - done);

			cr_assert(n > 0 || n == -EAGAIN);
			done += n > 0 ? (size_t)n : 0;
			uv_run(&loop, UV_RUN_NOWAIT);
		}
		sys_close(out);
		exit_and_drain();
		io = shim_stdio_free(io);
	}
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, that_cannot_be)
{
	DV_CLEANUP(dv_freep) char *uri = make_logger("binary", "exec 5>&-\ncat <&3\n");

	check_fails((struct shim_stdio_spec){ .out = "binary:///no/such/logger" }, DV_NOT_FOUND);
	check_fails((struct shim_stdio_spec){ .err = uri }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = uri, .err = "/no/such/fifo" }, DV_NOT_FOUND);
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, of_a_terminal)
{
	DV_CLEANUP(dv_freep)
	char *uri = make_logger("binary", "exec 5>&-\ncat <&4 >err\n"
					  "cat <&3 >out\ntouch ended\n"),
	     *ended = path_of("ended");
	int master, slave = make_terminal(&master);

	open_stdio((struct shim_stdio_spec){ .out = uri, .is_terminal = true });
	shim_stdio_set_console(io, master);
	say(slave, "one\n");
	sys_close(slave);
	exit_and_drain();
	io = shim_stdio_free(io);
	RUN_UNTIL(access(ended, F_OK) == 0);
	T_STR(content("out"), "one\n");
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}
