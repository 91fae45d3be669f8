/* SPDX-License-Identifier: Apache-2.0
 *
 * tiny_guest.S - a PVH kernel that says hello, then echoes in capitals until it is told how to end
 *
 * "o" powers the machine off, "r" resets it, "f" makes a fault that cannot be handled, "p" says by
 * the panic port that it gives up.
 */
	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long _start
	.text
	.code32
	.globl _start
_start:
	mov	$0x9000, %esp
	mov	$hello, %esi
1:	lodsb
	test	%al, %al
	jz	read
	call	put
	jmp	1b
read:	mov	$0x3fd, %dx
	in	%dx, %al
	test	$1, %al
	jz	read
	mov	$0x3f8, %dx
	in	%dx, %al
	cmp	$'o', %al
	je	off
	cmp	$'r', %al
	je	reset
	cmp	$'f', %al
	je	fault
	cmp	$'p', %al
	je	panic
	and	$0xdf, %al
	call	put
	jmp	read
	/* Sleep control of hull-vmm's ACPI, then that of QEMU's q35. */
off:	mov	$0x600, %dx
	mov	$0x34, %al
	out	%al, %dx
	mov	$0x604, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
	jmp	.
reset:	mov	$0xcf9, %dx
	mov	$2, %al
	out	%al, %dx
	mov	$6, %al
	out	%al, %dx
	jmp	.
fault:	lidt	none
	ud2
	/* That of hull-vmm, then QEMU's pvpanic. */
panic:	mov	$1, %al
	mov	$0x603, %dx
	out	%al, %dx
	mov	$0x505, %dx
	out	%al, %dx
	jmp	.
put:	mov	%al, %ah
2:	mov	$0x3fd, %dx
	in	%dx, %al
	test	$0x20, %al
	jz	2b
	mov	$0x3f8, %dx
	mov	%ah, %al
	out	%al, %dx
	ret
hello:	.asciz "hello\n"
none:	.word 0
	.long 0
	.section .note.GNU-stack, "", @progbits
