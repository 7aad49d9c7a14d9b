/*
 * Putting a finished file where it belongs: what restores of single files
 * share.
 */
#ifndef BK_PLACE_H
#define BK_PLACE_H

#include "fault.h"

/*
 * Rename ${tmp} to ${place}, which must not be there: 73 for a file that came
 * meanwhile, it is somebody's.  0, or -1 with ${f} set.
 */
int bk_place_new(const char *tmp, const char *place, struct bk_fault *f);

#endif
