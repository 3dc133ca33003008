#!/bin/sh
# run.sh - job {{job_name}} ({{job_id}}), rendered by kedge.
# A template of your own may replace this file: kedge-job(5), TEMPLATES.
JOB_ID={{job_id}}
JOB_NAME={{job_name}}
TRACE_ID={{trace_id}}
KEDGE_CLUSTER={{cluster}}
KEDGE_GPUS={{gpus}}
KEDGE_TIME={{time}}
KEDGE_KILL_WAIT={{kill_wait}}

{{{kedge_lib}}}

kedge_begin

# CUDA_VISIBLE_DEVICES is the launcher's choice and is never set here.
kedge_main() {
	# the cluster's environment
	{
		:
{{{cluster_setup}}}
	} || kedge_fail setup
	# the job's environment
{{{env}}}
	cd "$CODE_DIR" || kedge_fail setup
	{
		:
{{{job_setup}}}
	} || kedge_fail setup
{{{requirements}}}
	# the program
{{{kedge_command}}}
}

kedge_run kedge_main
exit $?
