#include "launch/launcher.h"

#include <string.h>

static const struct launcher *const launchers[] = {
	&launcher_gpurun,
	NULL,
};

const struct launcher *launcher_find(const char *name)
{
	for (size_t i = 0; launchers[i]; i++)
		if (!strcmp(launchers[i]->name, name))
			return launchers[i];
	return NULL;
}
