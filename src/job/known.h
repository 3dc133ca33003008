/*
 * known - the hashes of local files, as stage/ asks for them and as the store remembers them (store/filehash.h).
 */
#ifndef JOB_KNOWN_H
#define JOB_KNOWN_H

struct stage_memory;
struct store;

/* What is not known, or cannot be kept, costs a file sent again, and no more: failures are logged. */
void known_init(struct stage_memory *memory, struct store *store);

#endif
