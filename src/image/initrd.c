/* SPDX-License-Identifier: Apache-2.0
 *
 * initrd.c - cpio archives in the "newc" form (Documentation/driver-api/early-userspace)
 */
#include "image/initrd.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define HEADER_BYTES 110
#define MAX_LIST_BYTES (256 * KIB)

struct cpio {
	int fd;
	uint32_t inode;
};

/* Name and data are each padded to four bytes. */
static int pad(struct cpio *cpio, size_t len)
{
	static const char zeroes[3];

	return fd_write_all(cpio->fd, zeroes, -len & 3);
}

static int put(struct cpio *cpio, const char *name, mode_t mode, dev_t dev, struct slice data)
{
	size_t name_bytes = strlen(name) + 1;
	char header[HEADER_BYTES + 1];
	int r;

	if (data.len > UINT32_MAX)
		return -EFBIG;
	(void)snprintf(header, sizeof(header),
		       "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", cpio->inode++,
		       mode, 0, 0, 1, 0, (unsigned)data.len, 0, 0, major(dev), minor(dev),
		       (unsigned)name_bytes, 0);
	r = fd_write_all(cpio->fd, header, HEADER_BYTES);
	if (r == 0)
		r = fd_write_all(cpio->fd, name, name_bytes);
	if (r == 0)
		r = pad(cpio, HEADER_BYTES + name_bytes);
	if (r == 0)
		r = fd_write_all(cpio->fd, data.at, data.len);
	if (r == 0)
		r = pad(cpio, data.len);

	return r;
}

static int put_modules(struct cpio *cpio, const struct kmod_list *modules)
{
	auto_done(strbuf) list = STRBUF_INIT(MAX_LIST_BYTES);
	int r = 0;

	for (size_t i = 0; r == 0 && i < modules->len; i++) {
		const struct kmod *m = &modules->items[i];
		size_t at = list.len;

		strbuf_addf(&list, "/lib/modules/%s.ko", m->name);
		if (list.failed)
			return -E2BIG;
		r = put(cpio, list.text + at + 1, S_IFREG | 0444, 0,
			(struct slice){ m->data, m->data_len });
		strbuf_addc(&list, '\n');
	}
	if (r == 0)
		r = put(cpio, "modules", S_IFREG | 0444, 0,
			(struct slice){ strbuf_get(&list), list.len });

	return r;
}

int initrd_write(int out_fd, const void *agent, size_t agent_len, const struct kmod_list *modules,
		 struct err *err)
{
	static const char *const dirs[] = { "dev", "proc", "sys", "lib", "lib/modules" };
	const struct slice none = { "", 0 };
	struct cpio cpio = { .fd = out_fd, .inode = 1 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = put(&cpio, dirs[i], S_IFDIR | 0755, 0, none);
	/* The kernel opens the console for process 1 before that can mount anything. */
	if (r == 0)
		r = put(&cpio, "dev/console", S_IFCHR | 0600, makedev(5, 1), none);
	if (r == 0)
		r = put(&cpio, "init", S_IFREG | 0755, 0, (struct slice){ agent, agent_len });
	if (r == 0 && modules->len > 0)
		r = put_modules(&cpio, modules);
	if (r == 0)
		r = put(&cpio, "TRAILER!!!", 0, 0, none);

	return r < 0 ? err_wrap(err, r, "writing the initrd") : 0;
}
