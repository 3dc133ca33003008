/*
 * proc - who a process is: (host, boot, pid, start), never a bare pid.  Linux:
 * /proc/PID/stat field 22 (raw clock ticks since boot, read after the last ')')
 * and /proc/sys/kernel/random/boot_id.
 */
#ifndef UTIL_PROC_H
#define UTIL_PROC_H

#include <stdint.h>

#include "util/error.h"

struct proc {
	char host[256];
	char boot[40];
	int64_t pid;
	int64_t start; /* raw ticks */
};

void proc_self(struct proc *out);

/* Is it alive?  UNKNOWN when it belongs to another host or when /proc cannot be read;
   NO when its boot is over, or the pid is free, a zombie, or started at another time.  err is not needed. */
enum answer proc_alive(const struct proc *p);

#endif
