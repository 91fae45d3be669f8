/* SPDX-License-Identifier: Apache-2.0
 *
 * layout.h - where things are in the guest's physical address space and among its ports
 */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

/* Below 1 MiB: what is needed to start, and the ACPI tables where the kernel looks for them. */
#define LAYOUT_GDT 0x500
#define LAYOUT_START_INFO 0x1000
#define LAYOUT_ZERO_PAGE 0x7000
#define LAYOUT_PAGE_TABLES 0x9000 /* six pages */
#define LAYOUT_STACK 0x8ff0
#define LAYOUT_CMDLINE 0x20000
#define LAYOUT_LOW_END 0x9fc00
#define LAYOUT_ACPI 0xe0000
#define LAYOUT_ACPI_END 0xf0000
#define LAYOUT_GENERATION 0xf0000   /* who the machine is: 16 bytes in a page of their own */
#define LAYOUT_RESET_VECTOR 0xffff0 /* where a PC goes on after a reset, in real mode */
#define LAYOUT_KERNEL 0x100000

/* In the hole between MEMORY_HOLE_START and MEMORY_HOLE_END. */
#define LAYOUT_BARS 0xc0000000ULL
#define LAYOUT_BARS_END 0xe0000000ULL
#define LAYOUT_ECAM 0xe0000000ULL
#define LAYOUT_ECAM_BYTES 0x100000ULL /* bus 0 alone */
#define LAYOUT_IOAPIC 0xfec00000ULL
#define LAYOUT_LAPIC 0xfee00000ULL
/* Three pages for KVM on Intel, which has one more at 0xfffbc000. */
#define LAYOUT_TSS 0xfeffd000ULL

/*
 * The PCI segment of our bus. The ports reach segment 0 alone, so Linux goes by them there when
 * they answer; in another one it reads ECAM, which costs no exit.
 */
#define LAYOUT_PCI_SEGMENT 1

/* Ports. */
#define LAYOUT_COM1 0x3f8
#define LAYOUT_COM1_IRQ 4
#define LAYOUT_RTC_INDEX 0x70
#define LAYOUT_RTC_DATA 0x71
#define LAYOUT_SLEEP_CONTROL 0x600
#define LAYOUT_SLEEP_STATUS 0x601
#define LAYOUT_RESET 0x602
#define LAYOUT_PANIC 0x603
#define LAYOUT_PCI_ADDRESS 0xcf8
#define LAYOUT_PCI_DATA 0xcfc
#define LAYOUT_BUTTON_IRQ 9
#define LAYOUT_GENERATION_IRQ 10

#endif
