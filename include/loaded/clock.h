/*
 * clock.h - the monotonic clock; its only reader.
 */
#ifndef LOADED_CLOCK_H
#define LOADED_CLOCK_H

#include <stdint.h>

/* Nanoseconds, CLOCK_MONOTONIC; through the vDSO, no system call. */
uint64_t clock_now_ns(void);

#endif
