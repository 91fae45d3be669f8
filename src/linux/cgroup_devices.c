/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup_devices.c - which devices a control group may use
 *
 * v1 keeps a list of exceptions. v2 asks a BPF program on every open and mknod: ours compares
 * with one rule after the other and answers 0 (no) in the end.
 */
#include "linux/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Per rule at most: type, access (2), major, minor, verdict (2). */
#define INSNS_PER_RULE 8
#define INSNS_FRAME 12

static int set_v1(const struct cgroup_dir *dir, const struct cgroup_device *allow, size_t allow_len,
		  struct err *err)
{
	int r = cgroup_write(dir, "devices.deny", "a", err);

	for (size_t i = 0; r == 0 && i < allow_len; i++) {
		const struct cgroup_device *d = &allow[i];
		char text[64], major[16] = "*", minor[16] = "*";

		if (d->major >= 0)
			(void)snprintf(major, sizeof(major), "%d", d->major);
		if (d->minor >= 0)
			(void)snprintf(minor, sizeof(minor), "%d", d->minor);
		(void)snprintf(text, sizeof(text), "%c %s:%s %s%s%s", d->type, major, minor,
			       d->read ? "r" : "", d->write ? "w" : "", d->mknod ? "m" : "");
		r = cgroup_write(dir, "devices.allow", text, err);
	}

	return r;
}

static struct bpf_insn insn(uint8_t code, int dst, int src, int off, int32_t imm)
{
	return (struct bpf_insn){
		.code = code,
		.dst_reg = (uint8_t)(dst & 0xf),
		.src_reg = (uint8_t)(src & 0xf),
		.off = (int16_t)off,
		.imm = imm,
	};
}

/* r2: type, r3: access wanted, r4: major, r5: minor; r1, r0 are free. */
static size_t emit_rule(struct bpf_insn *at, const struct cgroup_device *d)
{
	int type = d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
	int access = (d->read ? BPF_DEVCG_ACC_READ : 0) | (d->write ? BPF_DEVCG_ACC_WRITE : 0) |
		     (d->mknod ? BPF_DEVCG_ACC_MKNOD : 0);
	size_t n = 0;

	at[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0, type);
	at[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 1, 3, 0, 0);
	at[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, ~access & 7);
	at[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 0, 0);
	if (d->major >= 0)
		at[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, d->major);
	if (d->minor >= 0)
		at[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, d->minor);
	at[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
	at[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	/* What does not match goes on behind this rule. */
	for (size_t i = 0; i < n; i++)
		if (at[i].code == (BPF_JMP | BPF_JNE | BPF_K))
			at[i].off = (int16_t)(n - i - 1);

	return n;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int load_program(const struct cgroup_device *allow, size_t allow_len, struct err *err)
{
	auto_free struct bpf_insn *code =
		calloc(INSNS_FRAME + INSNS_PER_RULE * allow_len, sizeof(*code));
	union bpf_attr attr = { 0 };
	size_t n = 0;
	int r;

	if (!code)
		return err_set(err, ENOMEM, "out of memory");
	/* struct bpf_cgroup_dev_ctx: access_type (type | access << 16), major, minor. */
	code[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	code[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	code[n++] = insn(BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16);
	code[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	code[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
	for (size_t i = 0; i < allow_len; i++)
		n += emit_rule(code + n, &allow[i]);
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	code[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	r = bpf(BPF_PROG_LOAD, &attr);

	return r < 0 ? err_wrap(err, r, "load the device filter") : r;
}

static int set_v2(const struct cgroup_dir *dir, const struct cgroup_device *allow, size_t allow_len,
		  struct err *err)
{
	auto_close int dir_fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int prog_fd = -1;
	union bpf_attr attr = { 0 };
	int r;

	if (dir_fd < 0)
		return err_sys(err, "open cgroup '%s'", dir->path);
	prog_fd = load_program(allow, allow_len, err);
	if (prog_fd < 0)
		return prog_fd;
	attr.target_fd = (uint32_t)dir_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	r = bpf(BPF_PROG_ATTACH, &attr);

	return r < 0 ? err_wrap(err, r, "attach the device filter") : 0;
}

int cgroup_set_devices(const struct cgroup *cg, const struct cgroup_device *allow, size_t allow_len,
		       struct err *err)
{
	const struct cgroup_dir *v1 = cgroup_dir_of(cg, CGROUP_DEVICES);
	int r;

	if (!v1 && !cgroup_v2(cg))
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"this host has no cgroup controller for devices");
	r = v1 ? set_v1(v1, allow, allow_len, err) : set_v2(cgroup_v2(cg), allow, allow_len, err);

	return r < 0 ? err_wrap(err, r, "choose the devices of the workload") : 0;
}
