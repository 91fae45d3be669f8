/* SPDX-License-Identifier: Apache-2.0
 *
 * fs.c - virtio file system (virtio 1.2, section 5.11), whose queues a vhost-user back end serves
 *
 * The driver's registers are written on a vCPU thread, which may not send messages: activate() and
 * reset() only note what is wanted and wake the loop. A reset ends when the back end has let go of
 * all queues, or has gone. A back end that is lost leaves a device that needs a reset and does
 * nothing after one.
 *
 * While the device is paused the back end has no queue either: each goes back with the place where
 * it ended, once what was in flight is done, and is handed out again from there. Whatever is wanted
 * while the back end is starting or stopping is looked at when it has done so.
 *
 * A back end looks into a queue when its doorbell rings, and while it starts it may hear that and
 * not look: so each is rung once more when all are served. Nor need it have interrupted for the
 * last chains that it gave back before it stopped: so the driver is interrupted then.
 */
#include "vmm/virtio/fs.h"

#include <errno.h>
#include <endian.h>
#include <linux/virtio_fs.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "vmm/virtio/vhost_user.h"

#define QUEUES 2 /* urgent requests, and the others */
#define QUEUE_SIZE 128
#define PCI_CLASS_OTHER_STORAGE 0x018000

struct virtio_fs {
	struct virtio_device dev; /* first, so that the device is the file system */
	struct virtio_fs_config config;
	struct vhost_user back_end;
	struct loop_source wake;    /* the driver wants something else */
	struct loop_source answers; /* of the back end */
	bool served[QUEUES];	    /* by the back end */
	bool starting, stopping;    /* it was told to serve them, or to let go of them */
};

static struct virtio_fs *fs_of(struct virtio_device *dev)
{
	return (struct virtio_fs *)dev;
}

static bool is_served(const struct virtio_fs *fs)
{
	return fs->served[0] || fs->served[1];
}

static void wake(const struct virtio_fs *fs)
{
	fd_raise(fs->wake.fd);
}

static int activate(struct virtio_device *dev)
{
	wake(fs_of(dev));

	return 0;
}

static bool reset(struct virtio_device *dev)
{
	struct virtio_fs *fs = fs_of(dev);

	if (!is_served(fs))
		return true;
	wake(fs);

	return false;
}

static void changed(struct virtio_device *dev)
{
	wake(fs_of(dev));
}

/* Queues are not ours to look at. */
static bool kick(struct virtio_device *dev UNUSED, unsigned queue UNUSED)
{
	return false;
}

static void lost(struct virtio_fs *fs, int r)
{
	if (fs->back_end.fd >= 0) /* not each time that the guest tries again */
		log_warn("device=fs the file system daemon is lost: %s", strerror(-r));
	loop_del(fs->dev.env.loop, &fs->answers);
	vhost_user_done(&fs->back_end);
	fs->starting = fs->stopping = false;
	for (unsigned i = 0; i < QUEUES; i++) {
		fs->served[i] = false;
		virtq_break(&fs->dev.queues[i], "the file system daemon is lost");
	}
	virtio_reset_done(&fs->dev);
	virtio_check(&fs->dev);
}

static int start(struct virtio_fs *fs)
{
	struct virtio_device *dev = &fs->dev;
	int r = vhost_user_share(&fs->back_end, dev->state.driver_features, dev->env.memory);

	for (unsigned i = 0; i < QUEUES && r == 0; i++) {
		const struct virtq *q = &dev->queues[i];

		if (!virtq_running(q))
			continue;
		fs->served[i] = true;
		r = vhost_user_start(&fs->back_end, i, q, dev->direct_bells[i],
				     pci_vector_fd(dev->fn, q->state.vector));
	}
	fs->starting = is_served(fs);

	return r == 0 && fs->starting ? vhost_user_ask_started(&fs->back_end) : r;
}

static int stop(struct virtio_fs *fs)
{
	int r = 0;

	fs->stopping = true;
	for (unsigned i = 0; i < QUEUES && r == 0; i++)
		if (fs->served[i])
			r = vhost_user_stop(&fs->back_end, i);

	return r;
}

/* Have the back end do what is wanted now. */
static void follow(struct virtio_fs *fs)
{
	bool running = virtio_running(&fs->dev);
	int r = 0;

	if (fs->starting || fs->stopping)
		return;
	if (is_served(fs) && !running)
		r = stop(fs);
	else if (running && !is_served(fs))
		r = fs->back_end.fd < 0 ? -EPIPE : start(fs);
	if (r < 0)
		lost(fs, r);
}

static void on_wake(void *ctx, uint32_t events UNUSED)
{
	struct virtio_fs *fs = ctx;
	uint64_t count;

	(void)!read(fs->wake.fd, &count, sizeof(count));
	follow(fs);
}

/* Each of the two: 0 when there was an answer, -EAGAIN when there is none or not all of one. */
static int take_started(struct virtio_fs *fs)
{
	int r = vhost_user_started(&fs->back_end);

	if (r < 0)
		return r;
	fs->starting = false;
	for (unsigned i = 0; i < QUEUES; i++)
		if (fs->served[i])
			virtio_ring(&fs->dev, i);
	follow(fs);

	return 0;
}

static int take_stopped(struct virtio_fs *fs)
{
	uint16_t avail_next;
	unsigned index;
	int r = vhost_user_stopped(&fs->back_end, &index, &avail_next);

	if (r < 0)
		return r;
	/* It is asked for nothing else, so an answer out of turn is nonsense. */
	if (index >= QUEUES || !fs->served[index] || !fs->stopping)
		return -EPROTO;
	fs->served[index] = false;
	fs->dev.queues[index].state.avail_next = avail_next;
	virtio_interrupt(&fs->dev, index);
	if (is_served(fs))
		return 0;
	fs->stopping = false;
	virtio_reset_done(&fs->dev);
	follow(fs);

	return 0;
}

static void on_answer(void *ctx, uint32_t events)
{
	struct virtio_fs *fs = ctx;
	int r;

	do
		r = fs->starting ? take_started(fs) : take_stopped(fs);
	while (r == 0);
	/* A daemon that goes in the middle of an answer is not seen by reading. */
	if (r == -EAGAIN && (events & (EPOLLHUP | EPOLLRDHUP)))
		r = -EPIPE;
	if (r != -EAGAIN)
		lost(fs, r);
}

static const struct virtio_ops ops = {
	.activate = activate,
	.reset = reset,
	.kick = kick,
	.changed = changed,
};

static int init(struct virtio_fs *fs, const struct virtio_env *env, const char *tag,
		struct err *err)
{
	static const uint16_t sizes[QUEUES] = { QUEUE_SIZE, QUEUE_SIZE };
	struct virtio_spec spec = {
		.name = "fs",
		.ops = &ops,
		.type = VIRTIO_ID_FS,
		.class_code = PCI_CLASS_OTHER_STORAGE,
		.queue_sizes = sizes,
		.queues_len = QUEUES,
		.config = &fs->config,
		.config_bytes = sizeof(fs->config),
		.direct = true,
	};
	size_t tag_len = strlen(tag);
	int r;

	if (tag_len == 0 || tag_len > sizeof(fs->config.tag))
		return err_set(err, EINVAL, "fs: tag '%s'", tag);
	memcpy(fs->config.tag, tag, tag_len);
	fs->config.num_request_queues = htole32(1);
	if ((fs->back_end.features & VIRTIO_QUEUE_FEATURES) != VIRTIO_QUEUE_FEATURES)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "fs: the daemon is too simple");
	if (env->memory->backing != MEMORY_SHARED)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "fs: the memory is not shared");
	fs->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->wake.fd < 0)
		return err_sys(err, "fs: make an eventfd");
	fs->answers.fd = fs->back_end.fd;
	r = loop_add(env->loop, &fs->wake, EPOLLIN);
	/* Half an answer stays where it is: only what comes next is worth another look. */
	if (r == 0)
		r = loop_add(env->loop, &fs->answers, EPOLLIN | EPOLLRDHUP | EPOLLET);
	if (r < 0)
		return err_set(err, -r, "fs: watch the daemon");

	return virtio_init(&fs->dev, &spec, env, err);
}

int virtio_fs_new(const struct virtio_env *env, const char *tag, int fd, struct virtio_fs **ret,
		  struct err *err)
{
	struct virtio_fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs) {
		fd_close(fd);
		return err_set(err, ENOMEM, "fs: no memory");
	}
	fs->wake = (struct loop_source){ .fd = -1, .fn = on_wake, .ctx = fs };
	fs->answers = (struct loop_source){ .fd = -1, .fn = on_answer, .ctx = fs };
	fs->dev.env = *env;
	r = vhost_user_init(&fs->back_end, fd, err);
	if (r == 0)
		r = init(fs, env, tag, err);
	if (r < 0) {
		virtio_fs_free(fs);
		return r;
	}
	*ret = fs;

	return 0;
}

void virtio_fs_free(struct virtio_fs *fs)
{
	if (!fs)
		return;
	loop_del(fs->dev.env.loop, &fs->wake);
	loop_del(fs->dev.env.loop, &fs->answers);
	fd_close(fs->wake.fd);
	vhost_user_done(&fs->back_end);
	virtio_done(&fs->dev);
	free(fs);
}

bool virtio_fs_quiet(const struct virtio_fs *fs)
{
	return !is_served(fs);
}

struct virtio_device *virtio_fs_device(struct virtio_fs *fs)
{
	return &fs->dev;
}
