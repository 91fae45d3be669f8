/* SPDX-License-Identifier: Apache-2.0
 *
 * request.h - what the monitor does for a client
 */
#ifndef MONITOR_REQUEST_H
#define MONITOR_REQUEST_H

struct client;
struct proto_reader;

/**
 * request_serve() - Carry out one frame and reply
 * @client:	its sender
 * @frame:	whole frame; descriptors that are used are taken out of it
 *
 * Return: 0, or a negative errno when the client must be dropped: it broke the protocol, or does
 *	   not read its replies.
 */
int request_serve(struct client *client, struct proto_reader *frame);

#endif
