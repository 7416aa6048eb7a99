/*
 * segment.c - makes the shared memory.  Run by the supervisor before it
 * forks; MAP_SHARED, so parent and children see one state.
 */
#include "loaded/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGN 4096U
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static uint64_t
align_up(uint64_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static struct segment_head
plan(uint32_t nworkers, uint32_t flows_max)
{
	struct segment_head h = {
		.magic = SEGMENT_MAGIC,
		.version = SEGMENT_VERSION,
		.nworkers = nworkers,
		.flows_max = flows_max,
	};

	h.stats_off = align_up(sizeof(h));
	h.backends_off = align_up(h.stats_off +
	    nworkers * sizeof(struct stats));
	h.health_off = align_up(h.backends_off +
	    BACKEND_SLOTS * sizeof(struct backend_state));
	/* There may be as many pools as backends: conf_schema.c. */
	h.pools_off = align_up(h.health_off +
	    BACKEND_SLOTS * sizeof(struct health));
	h.flows_off = align_up(h.pools_off +
	    BACKEND_SLOTS * sizeof(struct pool_state));
	h.size = align_up(h.flows_off + flow_size(flows_max));
	return h;
}

/*
 * Huge pages where the administrator lets shared memory have them; else the
 * flow table's random accesses miss the TLB, which costs, but works.
 */
static int
populate(void *mem, size_t size)
{
	(void)madvise(mem, size, MADV_HUGEPAGE);
	if (madvise(mem, size, MADV_POPULATE_WRITE) == 0)
		return 0;
	/* Linux before 5.14 does not know it; pages then come when used. */
	return errno == EINVAL ? 0 : -errno;
}

static int
map(struct segment *seg, const struct segment_head *plan)
{
	void *mem;
	int error;

	if (ftruncate(seg->fd, (off_t)plan->size) < 0)
		return -errno;
	mem = mmap(NULL, plan->size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    seg->fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	seg->head = mem;
	error = populate(mem, plan->size);
	if (error == 0)
		*seg->head = *plan;
	return error;
}

int
segment_create(struct segment *seg, uint32_t nworkers, uint32_t flows_max,
    const uint8_t flow_key[static SIPHASH_KEY_LEN])
{
	const struct segment_head h = plan(nworkers, flows_max);
	int error;

	*seg = (struct segment){ .fd = memfd_create("loaded-segment",
				     MFD_CLOEXEC) };
	if (seg->fd < 0)
		return -errno;
	error = map(seg, &h);
	if (error != 0) {
		if (seg->head != NULL)
			munmap(seg->head, h.size);
		seg->head = NULL;
		segment_close(seg);
		return error;
	}
	flow_format(segment_flows(seg), flows_max, flow_key);
	return 0;
}

void
segment_close(struct segment *seg)
{
	if (seg->head != NULL)
		munmap(seg->head, seg->head->size);
	if (seg->fd >= 0)
		close(seg->fd);
	*seg = (struct segment){ .fd = -1 };
}

static void *
at(const struct segment *seg, uint64_t off)
{
	return (uint8_t *)seg->head + off;
}

struct stats *
segment_stats(const struct segment *seg, uint32_t worker)
{
	struct stats *stats = at(seg, seg->head->stats_off);

	return &stats[worker];
}

struct backend_state *
segment_backends(const struct segment *seg)
{
	return at(seg, seg->head->backends_off);
}

struct health *
segment_health(const struct segment *seg)
{
	return at(seg, seg->head->health_off);
}

struct pool_state *
segment_pools(const struct segment *seg)
{
	return at(seg, seg->head->pools_off);
}

void *
segment_flows(const struct segment *seg)
{
	return at(seg, seg->head->flows_off);
}

/* Copies through a mapping of its own: write() may stop short. */
static int
fill(int fd, const void *data, size_t size)
{
	void *mem;

	if (ftruncate(fd, (off_t)size) < 0)
		return -1;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -1;
	memcpy(mem, data, size);
	munmap(mem, size);
	return fcntl(fd, F_ADD_SEALS, SEALS);
}

const void *
segment_seal(const void *data, size_t size, const char *name, int *fd)
{
	const void *mem = NULL;
	size_t mapped;

	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	if (fill(*fd, data, size) == 0)
		mem = segment_map_sealed(*fd, &mapped);
	if (mem != NULL)
		return mem;
	close(*fd);
	*fd = -1;
	return NULL;
}

/*
 * Private, though nothing is ever written: Linux before 6.7 refuses a shared
 * mapping of what is sealed, and the pages are the same ones.
 */
const void *
segment_map_sealed(int fd, size_t *size)
{
	const int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *mem;

	*size = 0;
	if (seals < 0 || (seals & SEALS) != SEALS) {
		errno = EPERM;
		return NULL;
	}
	if (fstat(fd, &st) < 0)
		return NULL;
	mem = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		return NULL;
	*size = (size_t)st.st_size;
	return mem;
}

const struct table *
segment_map_table(int fd)
{
	size_t size;
	const struct table *t = segment_map_sealed(fd, &size);

	if (t == NULL)
		return NULL;
	if (size >= sizeof(*t) && t->magic == TABLE_MAGIC &&
	    t->version == TABLE_VERSION && t->size == size)
		return t;
	segment_unmap(t, size);
	errno = EPROTO;
	return NULL;
}

void
segment_unmap(const void *mem, size_t size)
{
	munmap((void *)(uintptr_t)mem, size);
}
