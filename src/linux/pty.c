/* SPDX-License-Identifier: Apache-2.0
 *
 * pty.c - terminals
 */
#include "linux/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

int pty_resize(int fd, uint16_t rows, uint16_t cols)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };

	return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int pty_open(int devpts_fd, uint16_t rows, uint16_t cols, struct pty *ret, struct err *err)
{
	auto_close int master_fd =
		openat(devpts_fd, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	int unlocked = 0, slave_fd, r;

	if (master_fd < 0)
		return err_sys(err, "open ptmx");
	if (ioctl(master_fd, TIOCSPTLCK, &unlocked) < 0)
		return err_sys(err, "unlock the terminal");
	if (rows || cols) {
		r = pty_resize(master_fd, rows, cols);
		if (r < 0)
			return err_wrap(err, r, "set the size of the terminal");
	}
	slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave_fd < 0)
		return err_sys(err, "open the terminal");
	ret->master_fd = take_fd(master_fd);
	ret->slave_fd = slave_fd;

	return 0;
}

int pty_make_controlling(int slave_fd, struct err *err)
{
	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, "start a session");
	if (ioctl(slave_fd, TIOCSCTTY, 0) < 0)
		return err_sys(err, "make the terminal the controlling one");

	return 0;
}
