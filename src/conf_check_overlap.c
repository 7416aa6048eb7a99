/*
 * conf_check_overlap.c - no packet may belong to two services: on one address
 * and protocol, no port is in two of them.  conf_check.c calls this.
 *
 * Services are brought together by address; the ports of those that share one
 * are sorted, and each range is held against the one before it.  Inside one
 * service, reading has refused overlaps.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "loaded/conf_check.h"

struct vip {
	const struct addr *addr;
	const struct conf_service *service;
};

struct range {
	const struct conf_ports *ports;
	const struct conf_service *service;
};

static int
compare_vips(const void *a, const void *b)
{
	const struct vip *va = a, *vb = b;

	return addr_compare(va->addr, vb->addr);
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct range *ra = a, *rb = b;
	const int order = ra->service->proto - rb->service->proto;

	return order != 0 ? order : ra->ports->low - rb->ports->low;
}

static void
report_overlap(struct conf_report *r, const struct addr *addr,
    const struct range *a, const struct range *b)
{
	/* The one that the file has later is wrong. */
	const struct range *late = a->service > b->service ? a : b;
	const struct range *early = late == a ? b : a;
	char text[ADDR_STRLEN], where[CONF_WHERE_LEN];

	conf_report_format(early->service->where, where);
	conf_report_error(r, conf_report_where(r, late->ports),
	    "services \"%s\" overlaps \"%s\" of %s: both have %s port %u of %s",
	    late->service->name, early->service->name, where,
	    late->service->proto == IPPROTO_TCP ? "tcp" : "udp", b->ports->low,
	    addr_format(addr, text));
}

/* At most one line an address: one mistake often repeats in other ports. */
static void
sweep(struct conf_report *r, const struct addr *addr,
    const struct range *ranges, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct range *a = &ranges[i - 1], *b = &ranges[i];

		if (a->service->proto != b->service->proto ||
		    a->ports->high < b->ports->low)
			continue;
		report_overlap(r, addr, a, b);
		return;
	}
}

/* The services of one address. */
static void
check_shared(struct conf_report *r, const struct vip *vips, size_t count)
{
	struct range *ranges;
	size_t nranges = 0;

	for (size_t i = 0; i < count; i++)
		nranges += vips[i].service->nports;
	ranges = calloc(nranges, sizeof(*ranges));
	if (ranges == NULL) {
		conf_report_out_of_memory(r);
		return;
	}
	nranges = 0;
	for (size_t i = 0; i < count; i++) {
		const struct conf_service *service = vips[i].service;

		for (uint32_t k = 0; k < service->nports; k++)
			ranges[nranges++] = (struct range){ &service->ports[k],
				service };
	}
	qsort(ranges, nranges, sizeof(*ranges), compare_ranges);
	sweep(r, vips[0].addr, ranges, nranges);
	free(ranges);
}

/* One for each address of each service, sorted by address; NULL: no memory. */
static struct vip *
collect_vips(const struct conf *conf, size_t *count)
{
	struct vip *vips;

	*count = 0;
	for (uint32_t i = 0; i < conf->nservices; i++)
		*count += conf->services[i].naddresses;
	vips = calloc(*count + 1, sizeof(*vips));
	if (vips == NULL)
		return NULL;
	*count = 0;
	for (uint32_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *service = &conf->services[i];

		for (uint32_t k = 0; k < service->naddresses; k++)
			vips[(*count)++] = (struct vip){ &service->addresses[k],
				service };
	}
	qsort(vips, *count, sizeof(*vips), compare_vips);
	return vips;
}

void
conf_check_overlaps(struct conf_report *r)
{
	size_t count, first, end;
	struct vip *vips = collect_vips(r->conf, &count);

	if (vips == NULL) {
		conf_report_out_of_memory(r);
		return;
	}
	for (first = 0; first < count; first = end) {
		for (end = first + 1; end < count; end++) {
			if (!addr_equal(vips[first].addr, vips[end].addr))
				break;
		}
		if (end - first > 1)
			check_shared(r, &vips[first], end - first);
	}
	free(vips);
}
