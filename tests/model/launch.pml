/*
 * launch - the claims of one job's attempts (doc/remote-tree.md, "Claims"), for spin.
 *
 * Two clients launch, look, fence and begin the next attempt; each may be killed at any step and comes back knowing
 * only what the database holds.  Workers call the launcher, which starts run.sh; workers and run.sh die at any step.
 * The launcher may start run.sh twice.  ln(1) is atomic; what it says is not to be trusted (a file server may have
 * done what it reports as failed, and the other way round), so who won is told by the content.
 *
 *	spin -a launch.pml && cc -O2 -o pan pan.c && ./pan -m100000
 *
 * The ways to get it wrong, each of which spin must find: -DTRUST_LN decides by what ln says; -DNO_FENCE begins the next
 * attempt because nothing is seen of this one; -DNO_CLAIM lets run.sh start without claiming `go`.
 */
#define ATTEMPTS 2
#define SENDS 2     /* launches sent, of all attempts: sending again is harmless */
#ifndef RUNS
#define RUNS 2      /* run.sh started, of all attempts */
#endif

#define NONE 0
#define FENCE 1
#define RUN 2       /* and above: run.sh number `go - RUN` */

/* The cluster's files. */
byte go[ATTEMPTS];
bool launch[ATTEMPTS];

/* The database: one row, changed by compare-and-set.  The intent is there before the first byte is sent. */
byte attempt = 0;

/* What happened. */
bool started[ATTEMPTS], living[ATTEMPTS];
byte sends = 0, runs = 0;

/* ln(2) of `mine` to go: who won by what it said, or by what is there. */
#ifdef TRUST_LN
#define DECIDE(a, mine, said) said
#else
#define DECIDE(a, mine, said) (go[a] == mine)
#endif
inline link_go(a, mine, said)
{
	atomic {
		said = (go[a] == NONE);
		if
		:: said -> go[a] = mine
		:: else
		fi;
#ifdef TRUST_LN
		if
		:: true
		:: said = !said
		fi
#else
		said = false /* nobody asks it */
#endif
	}
}

proctype run_sh(byte a; byte mine)
{
	bool said;

	if
	:: true
	:: goto gone /* killed */
	fi;
#ifndef NO_CLAIM
	link_go(a, mine, said);
	if
	:: atomic { DECIDE(a, mine, said) -> said = false }
	:: atomic { !DECIDE(a, mine, said) -> said = false }; goto gone /* 75: fenced, or started already */
	:: atomic { true -> said = false }; goto gone /* killed */
	fi;
#endif
	atomic {
		assert(!started[a]);                  /* I1 */
		assert(a == attempt);                 /* I2: there is no newer attempt */
		assert(!living[1 - a]);
		started[a] = true;
		living[a] = true
	};
	living[a] = false;
gone:	skip
}

proctype worker(byte a)
{
	if
	:: atomic { !launch[a] -> launch[a] = true }
	:: atomic { launch[a] -> goto gone }
	fi;
	/* gpu-run refuses, or starts run.sh, or does so twice; its worker may be dead by then */
	do
	:: atomic { runs < RUNS -> run run_sh(a, RUN + runs); runs++ }
	:: break
	od;
gone:	skip
}

/* Between any two steps a client may be killed: the next one begins at the top, with the database alone. */
active [2] proctype client()
{
	byte a;
	bool said;

	do
	:: atomic { a = attempt };                    /* the row, perhaps long before what comes of it */
		if
		:: atomic { sends < SENDS -> run worker(a); sends++ }
		:: go[a] >= RUN -> break              /* it runs, or ran: adopted */
		:: true ->                            /* in doubt */
#ifdef NO_FENCE
			if
			:: go[a] == NONE -> said = true
			:: else
			fi;
			if
			:: said
#else
			link_go(a, FENCE, said);
			if
			:: DECIDE(a, FENCE, said)
#endif
				-> atomic {
					if
					:: attempt == a && a + 1 < ATTEMPTS -> attempt = a + 1
					:: else               /* another client was first; or held: a human is asked */
					fi
				}
			:: true                       /* lost, or killed */
			fi;
			said = false
		fi
	:: break
	od
}
