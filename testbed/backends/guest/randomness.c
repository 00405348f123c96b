/*
 * Seeded randomness for the guest kernel.
 *
 * User-Mode Linux asks the host for entropy through one libc call, getrandom().
 * Preloaded into its process, this library answers that call from a generator
 * seeded by TESTBED_SEED, so that everything random inside the guest (hash
 * keys, TCP sequence numbers, ephemeral ports) follows from the seed alone.
 *
 * The generator is splitmix64 (Steele, Lea and Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014). It is not for secrets.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

static uint64_t state;
static int seeded;

static uint64_t next_word(void)
{
	uint64_t z;

	if (!seeded) {
		const char *seed = getenv("TESTBED_SEED");

		state = seed ? strtoull(seed, NULL, 10) : 0;
		seeded = 1;
	}
	state += 0x9e3779b97f4a7c15ULL;
	z = state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	unsigned char *octet = buffer;
	uint64_t word = 0;
	size_t i;

	(void)flags;
	for (i = 0; i < length; i++) {
		if (i % 8 == 0)
			word = next_word();
		octet[i] = (unsigned char)(word >> (8 * (i % 8)));
	}
	return (ssize_t)length;
}
