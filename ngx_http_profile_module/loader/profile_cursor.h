
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The order of cursor values, which sources write as text or as numbers.
 */


#ifndef _PROFILE_CURSOR_H_INCLUDED_
#define _PROFILE_CURSOR_H_INCLUDED_


#include "profile_codec.h"


/*
 * Less than, equal to or greater than zero.  As numbers, whatever their
 * length and precision, where both are numbers as JSON writes them; else by
 * their bytes.
 */

int profile_cursor_compare(const profile_bytes_t *one,
    const profile_bytes_t *two);


#endif /* _PROFILE_CURSOR_H_INCLUDED_ */
