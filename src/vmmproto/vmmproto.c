/* SPDX-License-Identifier: Apache-2.0
 *
 * vmmproto.c - write and read control messages
 *
 * One walk over the fields serves both directions: a cursor either writes a field or reads it.
 */
#include "vmmproto/vmmproto.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* @failed stays set: one check at the end is enough. */
struct cursor {
	const uint8_t *in; /* NULL while writing */
	uint8_t *out;
	size_t at, bytes;
	bool failed;
};

static void field(struct cursor *c, void *value, size_t bytes)
{
	if (c->failed || bytes > c->bytes - c->at) {
		c->failed = true;
		return;
	}
	if (c->in)
		memcpy(value, c->in + c->at, bytes);
	else
		memcpy(c->out + c->at, value, bytes);
	c->at += bytes;
}

static void field_u64(struct cursor *c, uint64_t *value)
{
	uint64_t le = htole64(*value);

	field(c, &le, sizeof(le));
	*value = le64toh(le);
}

static void field_u32(struct cursor *c, uint32_t *value)
{
	uint32_t le = htole32(*value);

	field(c, &le, sizeof(le));
	*value = le32toh(le);
}

static void field_fd(struct cursor *c, int32_t *fd)
{
	uint32_t value = (uint32_t)*fd;

	field_u32(c, &value);
	*fd = (int32_t)value;
	if (*fd < -1)
		c->failed = true;
}

/* A descriptor that must be there. */
static void field_open_fd(struct cursor *c, int32_t *fd)
{
	field_fd(c, fd);
	if (*fd < 0)
		c->failed = true;
}

static void field_u16(struct cursor *c, uint16_t *value)
{
	uint16_t le = htole16(*value);

	field(c, &le, sizeof(le));
	*value = le16toh(le);
}

static void field_text(struct cursor *c, char *text, size_t max)
{
	uint16_t le = htole16((uint16_t)strnlen(text, max));
	size_t len;

	field(c, &le, sizeof(le));
	len = le16toh(le);
	if (len > max)
		c->failed = true;
	if (c->failed)
		return;
	field(c, text, len);
	if (!c->in || c->failed)
		return;
	text[len] = '\0';
	if (strlen(text) != len)
		c->failed = true;
}

static void field_count(struct cursor *c, size_t *count, size_t max)
{
	uint32_t value = (uint32_t)*count;

	field_u32(c, &value);
	if (value > max)
		c->failed = true;
	*count = c->failed ? 0 : value;
}

static void field_disk(struct cursor *c, struct vmmproto_disk *disk)
{
	uint32_t readonly = disk->readonly;

	field_open_fd(c, &disk->fd);
	field_u32(c, &readonly);
	if (readonly > 1)
		c->failed = true;
	disk->readonly = readonly == 1;
	field_text(c, disk->serial, VMMPROTO_NAME_MAX);
}

static void field_net(struct cursor *c, struct vmmproto_net *net)
{
	field_count(c, &net->fds_len, VMMPROTO_NET_PAIRS_MAX);
	if (net->fds_len == 0)
		c->failed = true;
	for (size_t i = 0; i < net->fds_len && !c->failed; i++)
		field_open_fd(c, &net->fds[i]);
	field(c, net->mac, sizeof(net->mac));
	if (!c->failed && (net->mac[0] & 1))
		c->failed = true;
	field_u16(c, &net->mtu);
}

static void field_vsock(struct cursor *c, struct vmmproto_vsock *vsock)
{
	field_u32(c, &vsock->cid);
	if (vsock->cid == UINT32_MAX || (vsock->cid > 0 && vsock->cid < VMMPROTO_CID_MIN))
		c->failed = true;
	if (vsock->cid > 0)
		field_open_fd(c, &vsock->fd);
}

static void field_devices(struct cursor *c, struct vmmproto_config *config)
{
	field_count(c, &config->ports_len, VMMPROTO_PORTS_MAX);
	for (size_t i = 0; i < config->ports_len && !c->failed; i++) {
		field_open_fd(c, &config->ports[i].fd);
		field_text(c, config->ports[i].name, VMMPROTO_NAME_MAX);
	}
	field_count(c, &config->disks_len, VMMPROTO_DISKS_MAX);
	for (size_t i = 0; i < config->disks_len && !c->failed; i++)
		field_disk(c, &config->disks[i]);
	field_count(c, &config->pmems_len, VMMPROTO_PMEMS_MAX);
	for (size_t i = 0; i < config->pmems_len && !c->failed; i++)
		field_open_fd(c, &config->pmems[i].fd);
	field_count(c, &config->nets_len, VMMPROTO_NETS_MAX);
	for (size_t i = 0; i < config->nets_len && !c->failed; i++)
		field_net(c, &config->nets[i]);
	field_vsock(c, &config->vsock);
	field_count(c, &config->shares_len, VMMPROTO_SHARES_MAX);
	for (size_t i = 0; i < config->shares_len && !c->failed; i++) {
		field_open_fd(c, &config->shares[i].fd);
		field_text(c, config->shares[i].tag, VMMPROTO_NAME_MAX);
	}
}

static void field_config(struct cursor *c, struct vmmproto_config *config)
{
	uint32_t version = VMMPROTO_VERSION;

	field_u32(c, &version);
	if (version != VMMPROTO_VERSION)
		c->failed = true;
	field_u64(c, &config->memory_bytes);
	field_u32(c, &config->cpus);
	if (config->cpus < 1 || config->cpus > VMMPROTO_CPUS_MAX)
		c->failed = true;
	field_fd(c, &config->kvm_fd);
	field_fd(c, &config->kernel_fd);
	field_fd(c, &config->initrd_fd);
	field_fd(c, &config->console_fd);
	field_text(c, config->cmdline, VMMPROTO_CMDLINE_MAX);
	field_devices(c, config);
}

static void field_msg(struct cursor *c, struct vmmproto_msg *msg)
{
	uint32_t type = msg->type, end = msg->end;

	field_u32(c, &type);
	field_u32(c, &msg->seq);
	msg->type = type;
	switch (type) {
	case VMMPROTO_CONFIG:
		if (msg->config)
			field_config(c, msg->config);
		else
			c->failed = true;
		break;
	case VMMPROTO_START:
	case VMMPROTO_PAUSE:
	case VMMPROTO_RESUME:
	case VMMPROTO_STATS:
	case VMMPROTO_POWER_BUTTON:
	case VMMPROTO_NEW_GENERATION:
	case VMMPROTO_QUIT:
		break;
	case VMMPROTO_BALLOON:
		field_u64(c, &msg->bytes);
		break;
	case VMMPROTO_REPLY:
		field_u32(c, &msg->code);
		field_text(c, msg->text, VMMPROTO_TEXT_MAX);
		field_u64(c, &msg->stats.port_exits);
		field_u64(c, &msg->stats.mmio_exits);
		break;
	case VMMPROTO_END:
		field_u32(c, &end);
		msg->end = end;
		if (end < VMMPROTO_END_POWER_OFF || end > VMMPROTO_END_FAILED)
			c->failed = true;
		field_text(c, msg->text, VMMPROTO_TEXT_MAX);
		break;
	default:
		c->failed = true;
		break;
	}
}

int vmmproto_encode(const struct vmmproto_msg *msg, uint8_t *buf, size_t buf_bytes)
{
	struct cursor c = { .out = buf, .bytes = buf_bytes };
	struct vmmproto_msg copy = *msg;

	field_msg(&c, &copy);

	return c.failed ? -EMSGSIZE : (int)c.at;
}

int vmmproto_decode(const uint8_t *buf, size_t buf_bytes, struct vmmproto_msg *ret)
{
	struct cursor c = { .in = buf, .bytes = buf_bytes };

	field_msg(&c, ret);

	return c.failed || c.at != buf_bytes ? -EPROTO : 0;
}

const char *vmmproto_end_name(enum vmmproto_end end)
{
	switch (end) {
	case VMMPROTO_END_POWER_OFF:
		return "power-off";
	case VMMPROTO_END_RESET:
		return "reset";
	case VMMPROTO_END_TRIPLE_FAULT:
		return "triple fault";
	case VMMPROTO_END_PANIC:
		return "guest panic";
	default:
		return "failure";
	}
}
