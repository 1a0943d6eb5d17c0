
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What every fuzzer needs.
 */


#ifndef _PROFILE_TARGET_H_INCLUDED_
#define _PROFILE_TARGET_H_INCLUDED_


#include <stdint.h>
#include <stdlib.h>
#include <string.h>


#define fuzz_assert(condition)                                                \
    do {                                                                      \
        if (!(condition)) {                                                   \
            __builtin_trap();                                                 \
        }                                                                     \
    } while (0)


/* An input, taken from its beginning. */

typedef struct {
    const uint8_t  *data;
    size_t          size;
} fuzz_input_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* The next byte, 0 where there is none. */

static inline uint8_t
fuzz_byte(fuzz_input_t *input)
{
    if (input->size == 0) {
        return 0;
    }

    input->size--;

    return *input->data++;
}


/* The sanitizer sees what is read or written beyond an allocation's end. */

static inline void *
fuzz_copy(const void *data, size_t size)
{
    void  *copy;

    copy = malloc(size);
    fuzz_assert(copy != NULL || size == 0);

    if (size != 0) {
        memcpy(copy, data, size);
    }

    return copy;
}


#endif /* _PROFILE_TARGET_H_INCLUDED_ */
