# packages.sh - sourced by demo and check: what they need of Debian's archive.
# shellcheck shell=bash

# To build the daemon, and to run a lab of network namespaces.
# shellcheck disable=SC2034
build_packages=(cmake make gcc libc6-dev pkg-config libconfig-dev libmnl-dev
    libcap-dev libsystemd-dev libev-dev libcurl4-openssl-dev libssl-dev)
# shellcheck disable=SC2034
lab_packages=(iproute2 iptables nftables nginx-light curl procps)

# To run every test.
# shellcheck disable=SC2034
check_packages=(check clang-format universal-ctags pmccabe shellcheck
    mandoc git python3-pytest python3-pytest-timeout python3-scapy iperf3
    dnsmasq-base bind9-dnsutils ethtool openssl ca-certificates
    qemu-system-x86 busybox-static kmod cpio)

# Installs those of its arguments that are missing.  Services that come with
# them are not started: the labs run their own.
packages_need() {
	local missing=() name policy=/usr/sbin/policy-rc.d made=no status=0

	for name in "$@"; do
		dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null |
		    grep -q '^install ok installed$' || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}"
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		made=yes
	fi
	{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq \
	    install -y --no-install-recommends "${missing[@]}"; } >/dev/null ||
	    status=$?
	[ "$made" = no ] || rm -f "$policy"
	return "$status"
}
