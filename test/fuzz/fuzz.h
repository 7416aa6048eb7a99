/*
 * fuzz.h - what each fuzz_<x>.c defines, for libFuzzer and for replay.c.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; aborts when something that must hold does not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
