/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests/e2e: the service of the tests as a program.
 *
 *	grpc-peer SOCKET [READ-ONLY SOCKET]
 *
 * SIGTERM closes it with a second of grace, SIGUSR1 toggles its health; it ends when the last
 * connection has.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/sock.h"
#include "test-grpc-service.h"

static struct peer peer;
static uv_signal_t term, usr1;

static void complain(struct dv_err *take_e)
{
	fprintf(stderr, "grpc-peer: %s\n", dv_err_message(take_e));
	dv_err_free(take_e);
}

static bool listen_at(const char *path, bool is_read_only)
{
	struct grpc_listen_opts o = { .take_fd = sys_unix_socket(), .is_read_only = is_read_only };
	struct dv_err *e;

	if (o.take_fd < 0 || sys_unix_bind(o.take_fd, path, 0600) < 0 ||
	    sys_listen(o.take_fd, 1024) < 0) {
		fprintf(stderr, "grpc-peer: cannot listen at %s\n", path);
		return false;
	}
	e = grpc_server_listen(peer.server, &o);
	if (e)
		complain(e);
	return !e;
}

static void closed(void *arg)
{
	(void)arg;
	uv_close((uv_handle_t *)&usr1, NULL);
}

static void on_term(uv_signal_t *s, int signo)
{
	(void)signo;
	grpc_server_close(peer.server, UINT64_C(1000000000), closed, NULL);
	uv_close((uv_handle_t *)s, NULL);
}

static void on_usr1(uv_signal_t *s, int signo)
{
	static bool is_sick;

	(void)s;
	(void)signo;
	is_sick = !is_sick;
	grpc_server_set_serving(peer.server, !is_sick);
}

int main(int argc, char **argv)
{
	struct grpc_server_opts opts = { .loop = uv_default_loop() };
	struct dv_err *e;

	if (argc < 2)
		return 2;
	e = grpc_server_new(&opts, &peer.server);
	if (e) {
		complain(e);
		return 1;
	}
	grpc_server_add(peer.server, &peer_service, &peer);
	if (!listen_at(argv[1], false) || (argc > 2 && !listen_at(argv[2], true)))
		return 1;
	uv_signal_init(opts.loop, &term);
	uv_signal_start(&term, on_term, SIGTERM);
	uv_signal_init(opts.loop, &usr1);
	uv_signal_start(&usr1, on_usr1, SIGUSR1);
	printf("ready\n");
	fflush(stdout);
	uv_run(opts.loop, UV_RUN_DEFAULT);
	return uv_loop_close(opts.loop) == 0 ? 0 : 1;
}
