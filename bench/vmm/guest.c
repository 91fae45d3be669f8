/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.c - process 1 of a guest that measures its machine: one command a line, one figure a line
 *
 * Commands come through the console port that the starter (start.c) holds the other end of, figures
 * go back the same way as "NAME VALUE UNIT"; a line with a dot ends the answer. Everything is timed
 * here, by the guest's monotonic clock.
 *
 *	random DEVICE BYTES DEPTH COUNT
 *		reads at random places, DEPTH at a time, past the cache
 *	sequential DEVICE BYTES DEPTH COUNT
 *		reads one after the other, the same way
 *	tree DEVICE OPTIONS read|map
 *		mounts erofs, reads or maps every file once
 *	console-out BYTES, console-in BYTES
 *		sends so many bytes before the figures, takes so many bytes first
 *	hold BYTES, release
 *		takes memory and writes to all of it, gives it back
 *	wait MS
 *		does nothing
 *	born
 *		tells when the first instructions of process 1 ran, by the kernel's clock
 *
 * Before all else it writes FIRST_WORDS to the serial port, where there is one: what sees them
 * knows when the first instructions of process 1 ran.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 64
#define WORDS_MAX 5
#define LINE_MAX_BYTES 256
#define CHUNK_BYTES 65536
#define PATH_MAX_BYTES 4096
#define PORT_NAME "bench"
#define MOUNT_POINT "/m"
#define FIRST_WORDS "guest: first words\n"

static int port_fd = -1;
static int64_t born_ns;

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, ": %s\n", strerror(errno));
	if (port_fd >= 0)
		(void)dprintf(port_fd, "failed 1 times\n.\n");
	(void)sync();
	(void)reboot(RB_AUTOBOOT);
	_exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);

	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void figure(const char *name, double value, const char *unit)
{
	(void)dprintf(port_fd, "%s %.3f %s\n", name, value, unit);
}

/* ---- start ---- */

static void load_modules(void)
{
	FILE *list = fopen("/modules", "re");
	char path[PATH_MAX_BYTES];

	while (list && fgets(path, sizeof(path), list)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			die("%s", path);
		if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
			(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		(void)close(fd);
	}
	if (list)
		(void)fclose(list);
}

/* The port by its name, or -1 while there is none. */
static int find_port(void)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int found = -1;

	while (dir && found < 0 && (entry = readdir(dir))) {
		char path[PATH_MAX_BYTES], name[LINE_MAX_BYTES] = "";
		FILE *file;

		(void)snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
			       entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		(void)!fgets(name, sizeof(name), file);
		(void)fclose(file);
		name[strcspn(name, "\n")] = '\0';
		if (strcmp(name, PORT_NAME) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		found = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		(void)closedir(dir);

	return found;
}

static void set_up(void)
{
	(void)mkdir("/proc", 0755);
	(void)mkdir("/sys", 0755);
	(void)mkdir("/dev", 0755);
	(void)mkdir(MOUNT_POINT, 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 ||
	    (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0 && errno != EBUSY))
		die("mount");
	load_modules();
	for (int i = 0; i < 1000 && port_fd < 0; i++) {
		port_fd = find_port();
		if (port_fd < 0)
			(void)usleep(5000);
	}
	if (port_fd < 0)
		die("no port");
}

/* ---- a disk, past the page cache ---- */

struct job {
	int fd;
	bool random;
	size_t bytes; /* of a read */
	unsigned depth;
	uint64_t count, blocks, next;
	aio_context_t ring;
	struct iocb cbs[DEPTH_MAX];
};

static uint64_t next_block(struct job *job)
{
	/* The same places each time: a linear congruence with the full period of 2^64. */
	static uint64_t seed = 1;

	if (!job->random)
		return job->next++ % job->blocks;
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;

	return (seed >> 20) % job->blocks;
}

static void submit(struct job *job, struct iocb *cb)
{
	cb->aio_offset = (int64_t)(next_block(job) * job->bytes);
	if (syscall(SYS_io_submit, job->ring, 1, &cb) != 1)
		die("io_submit");
}

static void run_job(struct job *job)
{
	struct io_event events[DEPTH_MAX];
	uint64_t begun = 0, done = 0;

	for (; begun < job->depth && begun < job->count; begun++)
		submit(job, &job->cbs[begun]);
	while (done < job->count) {
		long n = syscall(SYS_io_getevents, job->ring, 1, DEPTH_MAX, events, NULL);

		if (n < 1)
			die("io_getevents");
		for (long i = 0; i < n; i++) {
			if (events[i].res != (int64_t)job->bytes) {
				errno = EIO;
				die("read");
			}
			done++;
			if (begun < job->count) {
				begun++;
				submit(job, (struct iocb *)(uintptr_t)events[i].obj);
			}
		}
	}
}

static void disk(const char *name, char *const *words, bool random)
{
	struct job job = { .fd = open(words[0], O_RDONLY | O_DIRECT | O_CLOEXEC),
			   .random = random,
			   .bytes = strtoul(words[1], NULL, 0),
			   .depth = (unsigned)strtoul(words[2], NULL, 0),
			   .count = strtoull(words[3], NULL, 0) };
	uint64_t size = 0;
	char title[LINE_MAX_BYTES];
	int64_t start_ns, took_ns;
	char *memory;

	if (job.fd < 0 || ioctl(job.fd, BLKGETSIZE64, &size) < 0)
		die("%s", words[0]);
	if (job.bytes == 0 || job.depth < 1 || job.depth > DEPTH_MAX || size < job.bytes) {
		errno = EINVAL;
		die("%s", name);
	}
	job.blocks = size / job.bytes;
	memory = mmap(NULL, job.bytes * job.depth, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED || syscall(SYS_io_setup, DEPTH_MAX, &job.ring) < 0)
		die("io_setup");
	for (unsigned i = 0; i < job.depth; i++)
		job.cbs[i] = (struct iocb){ .aio_data = i,
					    .aio_lio_opcode = IOCB_CMD_PREAD,
					    .aio_fildes = (uint32_t)job.fd,
					    .aio_buf = (uintptr_t)(memory + i * job.bytes),
					    .aio_nbytes = job.bytes };
	start_ns = now_ns();
	run_job(&job);
	took_ns = now_ns() - start_ns;
	(void)snprintf(title, sizeof(title), "%s-%zu-q%u", name, job.bytes, job.depth);
	if (random)
		figure(title, (double)job.count * 1e9 / (double)took_ns, "reads/s");
	else
		figure(title, (double)(job.count * job.bytes) * 1e3 / (double)took_ns, "MB/s");
	(void)syscall(SYS_io_destroy, job.ring);
	(void)munmap(memory, job.bytes * job.depth);
	(void)close(job.fd);
}

/* ---- a file system ---- */

struct tree {
	bool map;
	uint64_t files, bytes;
};

static void visit_file(struct tree *tree, int dir_fd, const char *name, uint64_t size)
{
	static char buf[CHUNK_BYTES];
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	volatile const char *at;
	ssize_t n = 0;

	if (fd < 0)
		die("%s", name);
	tree->files++;
	tree->bytes += size;
	if (tree->map && size > 0) {
		at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
		if (at == MAP_FAILED)
			die("map %s", name);
		for (uint64_t i = 0; i < size; i += 4096)
			(void)at[i];
		(void)munmap((void *)(uintptr_t)at, size);
	} else {
		do
			n = read(fd, buf, sizeof(buf));
		while (n > 0);
	}
	if (n < 0)
		die("read %s", name);
	(void)close(fd);
}

static void visit(struct tree *tree, int dir_fd)
{
	DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;
	struct stat st;

	if (!dir)
		die("folder");
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			die("%s", entry->d_name);
		if (S_ISDIR(st.st_mode)) {
			int fd = openat(dirfd(dir), entry->d_name,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			visit(tree, fd);
		} else if (S_ISREG(st.st_mode)) {
			visit_file(tree, dirfd(dir), entry->d_name, (uint64_t)st.st_size);
		}
	}
	(void)closedir(dir);
}

/* A line of /proc/meminfo, in KiB. */
static double meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[LINE_MAX_BYTES];
	double kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			kib = strtod(line + strlen(key) + 1, NULL);
	if (file)
		(void)fclose(file);

	return kib;
}

static void read_tree(char *const *words)
{
	struct tree tree = { .map = strcmp(words[2], "map") == 0 };
	double cached = meminfo("Cached"), free_kib = meminfo("MemFree"), total_ns;
	int64_t start_ns = now_ns();

	if (mount(words[0], MOUNT_POINT, "erofs", MS_RDONLY,
		  strcmp(words[1], "-") == 0 ? NULL : words[1]) < 0)
		die("mount %s", words[0]);
	figure("tree-mount", (double)(now_ns() - start_ns) / 1e6, "ms");
	start_ns = now_ns();
	visit(&tree, open(MOUNT_POINT, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	total_ns = (double)(now_ns() - start_ns);
	figure("tree-files", (double)tree.files, "files");
	figure("tree-bytes", (double)tree.bytes / 1e6, "MB");
	figure("tree-first", total_ns / 1e6, "ms");
	figure("tree-cached", meminfo("Cached") - cached, "KiB");
	figure("tree-memory", free_kib - meminfo("MemFree"), "KiB");
	start_ns = now_ns();
	visit(&tree, open(MOUNT_POINT, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	figure("tree-again", (double)(now_ns() - start_ns) / 1e6, "ms");
	(void)umount(MOUNT_POINT);
}

/* ---- memory ---- */

static char *held;
static uint64_t held_bytes;

static void release(void)
{
	if (held)
		(void)munmap(held, held_bytes);
	held = NULL;
}

static void hold(uint64_t bytes)
{
	release();
	held = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED)
		die("memory");
	held_bytes = bytes;
	/* Bytes of which no page is like another, so that none is shared or left out. */
	for (uint64_t i = 0; i < bytes; i += 4096)
		memcpy(held + i, &(uint64_t){ i + 1 }, sizeof(uint64_t));
	figure("held", (double)bytes / 1e6, "MB");
}

/* ---- the port ---- */

static void console_out(uint64_t bytes)
{
	static char buf[CHUNK_BYTES];
	int64_t start_ns = now_ns();

	for (uint64_t left = bytes; left > 0;) {
		ssize_t n = write(port_fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n <= 0)
			die("write to the port");
		left -= (uint64_t)n;
	}
	figure("console-out", (double)bytes * 1e3 / (double)(now_ns() - start_ns), "MB/s");
}

static void console_in(uint64_t bytes)
{
	static char buf[CHUNK_BYTES];
	int64_t start_ns = now_ns();

	for (uint64_t left = bytes; left > 0;) {
		ssize_t n = read(port_fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n <= 0)
			die("read from the port");
		left -= (uint64_t)n;
	}
	figure("console-in", (double)bytes * 1e3 / (double)(now_ns() - start_ns), "MB/s");
}

/* A line, byte by byte: what follows it belongs to the command. */
static bool read_line(char *line)
{
	for (size_t len = 0; len < LINE_MAX_BYTES - 1; len++) {
		if (read(port_fd, &line[len], 1) != 1)
			return false;
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
	}

	return false;
}

static void obey(char *line)
{
	char *words[WORDS_MAX + 1] = { 0 }, *rest = line;
	size_t n = 0;

	for (char *word = strsep(&rest, " "); word && n < WORDS_MAX; word = strsep(&rest, " "))
		words[n++] = word;
	if (strcmp(words[0], "random") == 0 && n == 5)
		disk("random", words + 1, true);
	else if (strcmp(words[0], "sequential") == 0 && n == 5)
		disk("sequential", words + 1, false);
	else if (strcmp(words[0], "tree") == 0 && n == 4)
		read_tree(words + 1);
	else if (strcmp(words[0], "console-out") == 0 && n == 2)
		console_out(strtoull(words[1], NULL, 0));
	else if (strcmp(words[0], "console-in") == 0 && n == 2)
		console_in(strtoull(words[1], NULL, 0));
	else if (strcmp(words[0], "hold") == 0 && n == 2)
		hold(strtoull(words[1], NULL, 0));
	else if (strcmp(words[0], "release") == 0 && n == 1)
		release();
	else if (strcmp(words[0], "born") == 0 && n == 1)
		figure("born", (double)born_ns / 1e6, "ms");
	else if (strcmp(words[0], "wait") == 0 && n == 2)
		(void)poll(NULL, 0, (int)strtol(words[1], NULL, 0));
	else
		figure("unknown-command", 1, "times");
	(void)dprintf(port_fd, ".\n");
}

int main(void)
{
	char line[LINE_MAX_BYTES];

	born_ns = now_ns();
	(void)!write(STDOUT_FILENO, FIRST_WORDS, sizeof(FIRST_WORDS) - 1);
	set_up();
	(void)dprintf(port_fd, ".\n");
	while (read_line(line))
		obey(line);
	(void)reboot(RB_POWER_OFF);

	return 1;
}
