#include "job/reach.h"

#include "launch/launcher.h"
#include "stage/site.h"
#include "stage/stage.h"

const struct reach reach_real = {
	.open = site_open,
	.close = site_close,
	.stage = stage_jobs,
	.launcher = launcher_find,
};
