/* A short rest after a few polls in a row that neither wait nor find anything, for programs that poll without a time-out
 * until a timer is due: where time stands still while a processor works, the last part of a millisecond before each
 * timer would take a thousand turns. LD_PRELOAD (ld.so(8)). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

/* As many idle turns are a program's own affair; then each one costs 50 us. */
enum { ALLOWED = 2, REST_NS = 50 * 1000 };

int ppoll(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	static int (*next)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	static __thread int idle;
	const struct timespec rest = {.tv_nsec = REST_NS};
	int found;

	if (!next)
		next = (int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))dlsym(RTLD_NEXT, "ppoll");
	found = next(files, count, timeout, mask);
	if (found || !timeout || timeout->tv_sec || timeout->tv_nsec)
		idle = 0;
	else if (++idle > ALLOWED)
		nanosleep(&rest, NULL);
	return found;
}
