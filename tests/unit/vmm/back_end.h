/* SPDX-License-Identifier: Apache-2.0
 *
 * back_end.h - a vhost-user back end in a thread: it copies what it reads to where it may write
 */
#ifndef TESTS_VMM_BACK_END_H
#define TESTS_VMM_BACK_END_H

struct back_end;

/* Serve on one end of a socket pair; @ret_fd is the other one, for the front end. */
struct back_end *back_end_start(int *ret_fd);
/* Have it go, as if it had crashed. */
void back_end_crash(struct back_end *b);
/* Once the front end has closed its end. */
void back_end_join(struct back_end *b);

#endif
