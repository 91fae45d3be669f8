/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c - hull-vmm's end of the control descriptor
 *
 * Requests are answered in order. A starter that sends what is no request, or closes its end, is
 * taken as gone, and the machine ends at once.
 */
#include "vmm/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "vmm/virtio/balloon.h"

static const struct confine_list control_calls = CONFINE_LIST(
	CONFINE_ALLOW(SYS_recvfrom), CONFINE_ALLOW(SYS_sendto), CONFINE_ALLOW(SYS_getrandom));

static void send_msg(const struct control *control, const struct vmmproto_msg *msg)
{
	uint8_t packet[VMMPROTO_TEXT_MAX + 64];
	int n = vmmproto_encode(msg, packet, sizeof(packet));

	/* A starter that does not read is not waited for: it waits for nothing then. */
	if (n > 0)
		(void)send(control->fd, packet, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void reply(const struct control *control, uint32_t seq, int result, const struct err *err)
{
	struct vmmproto_msg msg = { .type = VMMPROTO_REPLY,
				    .seq = seq,
				    .code = (uint32_t)(result < 0 ? -result : 0) };

	if (result < 0 && err)
		(void)err_text(err, msg.text, sizeof(msg.text));
	if (control->configured)
		vmm_get_stats(&control->vmm, &msg.stats);
	send_msg(control, &msg);
}

static void on_parked(void *ctx)
{
	struct control *control = ctx;

	control->pausing = false;
	reply(control, control->pause_seq, 0, NULL);
}

/* The machine goes on: whoever waits for it to pause need not. */
static void cancel_pause(struct control *control)
{
	struct err err = ERR_INIT;

	if (!control->pausing)
		return;
	control->pausing = false;
	reply(control, control->pause_seq,
	      err_set(&err, ECANCELED, "the machine was resumed before it had paused"), &err);
}

static int configure(struct control *control, struct vmmproto_config *config, struct err *err)
{
	if (control->configured)
		return err_set(err, EBUSY, "there is a machine already");
	control->configured = true;

	return vmm_init(&control->vmm, config, err);
}

/* 1 when the answer comes later. */
static int handle(struct control *control, const struct vmmproto_msg *msg, struct err *err)
{
	struct vmm *vmm = &control->vmm;

	if (msg->type == VMMPROTO_CONFIG)
		return configure(control, msg->config, err);
	if (msg->type == VMMPROTO_QUIT)
		return 0;
	if (!control->configured || (msg->type != VMMPROTO_START && !vmm->started))
		return err_set(err, EINVAL, "the machine has not been started");
	switch (msg->type) {
	case VMMPROTO_START:
		return vmm->started ? err_set(err, EBUSY, "the machine has been started")
				    : vmm_start(vmm, &control_calls, err);
	case VMMPROTO_PAUSE:
		if (control->pausing)
			return err_set(err, EBUSY, "the machine is being paused");
		control->pausing = true;
		control->pause_seq = msg->seq;
		vmm_pause(vmm, on_parked, control);
		return 1;
	case VMMPROTO_RESUME:
		vmm_resume(vmm);
		cancel_pause(control);
		return 0;
	case VMMPROTO_STATS:
		return 0;
	case VMMPROTO_POWER_BUTTON:
		chipset_press_button(&vmm->chipset);
		return 0;
	case VMMPROTO_NEW_GENERATION:
		return vmm_new_generation(vmm, err);
	case VMMPROTO_BALLOON:
		virtio_balloon_set_target(vmm->devices.balloon, msg->bytes);
		return 0;
	default:
		return err_set(err, EPROTO, "this is no request");
	}
}

/*
 * Take one packet, with MSG_DONTWAIT in @flags if there is one. 0, 1 when there is none, or a
 * negative errno when the starter has gone. Large packets, which only come before the start, have
 * heap memory.
 */
static int receive(struct control *control, uint8_t *packet, struct vmmproto_config *config,
		   int flags)
{
	struct vmmproto_msg msg = { .config = config };
	struct err err = ERR_INIT;
	ssize_t n = recv(control->fd, packet, VMMPROTO_PACKET_MAX_BYTES, flags | MSG_TRUNC);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	if (n == 0)
		return -EPIPE;
	if (n > VMMPROTO_PACKET_MAX_BYTES || vmmproto_decode(packet, (size_t)n, &msg) < 0)
		return -EPROTO;
	r = handle(control, &msg, &err);
	if (r <= 0)
		reply(control, msg.seq, r, &err);
	/* A machine that could not be made or started is of no use. */
	if (r < 0 && (msg.type == VMMPROTO_CONFIG || msg.type == VMMPROTO_START))
		return r;

	return msg.type == VMMPROTO_QUIT ? -ESHUTDOWN : 0;
}

static void on_readable(void *ctx, uint32_t events)
{
	struct control *control = ctx;
	uint8_t packet[VMMPROTO_PACKET_MAX_BYTES];

	(void)events;
	if (receive(control, packet, NULL, MSG_DONTWAIT) < 0)
		vmm_end(&control->vmm, VMMPROTO_END_FAILED, "its starter wants its end");
}

/* Before the start there is nothing to do but to wait for orders. */
static int serve_set_up(struct control *control)
{
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	auto_free struct vmmproto_config *config = calloc(1, sizeof(*config));
	int r = 0;

	if (!packet || !config)
		return -ENOMEM;
	while (r >= 0 && !control->vmm.started)
		r = receive(control, packet, config, 0);

	return MIN(r, 0);
}

int control_serve(struct control *control, int fd, struct err *err)
{
	struct vmm *vmm = &control->vmm;
	struct vmmproto_msg end = { .type = VMMPROTO_END };
	int r = loop_init(&vmm->loop, err);

	control->fd = fd;
	if (r < 0)
		return r;
	control->source = (struct loop_source){ .fd = fd, .fn = on_readable, .ctx = control };
	r = loop_add(&vmm->loop, &control->source, EPOLLIN);
	if (r < 0)
		return err_set(err, -r, "watch the control descriptor");
	r = serve_set_up(control);
	if (r < 0)
		return r == -ESHUTDOWN ? 0 : err_set(err, -r, "the machine was not started");
	r = vmm_run(vmm, err);
	if (r < 0)
		vmm_end(vmm, VMMPROTO_END_FAILED, "the event loop has failed");
	end.end = vmm->end;
	(void)err_text(&vmm->end_text, end.text, sizeof(end.text));
	send_msg(control, &end);

	return r;
}
