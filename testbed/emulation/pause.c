/* A short rest before each netlink message that a program sends, for programs that answer every answer with the next
 * request: where time stands still while a processor works, such a conversation would never end. LD_PRELOAD (ld.so(8)). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>
#include <time.h>

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags)
{
	static ssize_t (*next)(int, const struct msghdr *, int);
	const struct timespec rest = {.tv_sec = 0, .tv_nsec = 500 * 1000};

	if (!next)
		next = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
	nanosleep(&rest, NULL);
	return next(descriptor, message, flags);
}
