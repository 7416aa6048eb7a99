"""What is measured: each function takes one sample of one contender and
returns a number, the more the better (a latency: the less)."""

import json
import re

import lab
from lab import BenchError

ARRIVED = 0.999      # of the datagrams, within 10 ms of the last one sent
FLOWS = 256
_STEP = 0.02         # the search stops when the bounds are this close
_FLOOD = 5000000     # datagrams a second, more than any sender here can do


class Bench:
    def __init__(self, the_lab, udpgen, seconds):
        self.lab = the_lab
        self.udpgen = udpgen
        self.seconds = seconds

    def udp64(self, contender):
        """The highest rate of datagrams at which nothing is lost. A flood gives
        the upper bound; then bisection with short trials, each repeated once
        before it counts as failed, because another job on the machine can only
        make a trial worse. Two trials of full length confirm the result."""
        flood = self._send(contender, _FLOOD, 1.0)
        low, high = 0.0, flood["sent"] / flood["seconds"] * (1 + _STEP)
        while high - low > _STEP * high:
            rate = (low + high) / 2
            if self._clean(contender, rate, min(1.0, self.seconds), 2):
                low = rate
            else:
                high = rate
        while low > 1000:
            if all(self._clean(contender, low, self.seconds, 2)
                   for _ in range(2)):
                return low
            low *= 1 - _STEP
        raise BenchError("%s: no rate without loss" % contender.name)

    def http_new(self, contender):
        """Connections a second, one request on each."""
        return self._wrk(contender, "-c32", "-H", "Connection: close")[0]

    def http_keepalive(self, contender):
        """Requests a second on 64 connections that stay."""
        return self._wrk(contender, "-c64")[0]

    def bulk_up(self, contender):
        return self._iperf(contender)

    def bulk_down(self, contender):
        return self._iperf(contender, "-R")

    def latency_p50(self, contender):
        return self._wrk(contender, "-c1", "--latency")[1]["50"]

    def latency_p99(self, contender):
        return self._wrk(contender, "-c1", "--latency")[1]["99"]

    def _clean(self, contender, rate, seconds, attempts):
        for _ in range(attempts):
            got = self._send(contender, rate, seconds)
            if sum(got["received"]) >= ARRIVED * got["asked"]:
                return True
        return False

    def _send(self, contender, rate, seconds):
        sinks = self.lab.backend_netns()
        got = json.loads(lab.run(
            "taskset", "-c", str(lab.LOAD_CORE), self.udpgen,
            "-n", self.lab.netns("client"), "-m", lab.PUBLIC_MAC,
            "-s", lab.CLIENT, "-d", contender.target, "-f", str(FLOWS),
            "-r", str(int(rate)), "-t", str(int(seconds * 1000)), *sinks,
            nice=self.lab.nice))
        if contender.spreads and min(got["received"]) == 0:
            raise BenchError("%s: a backend got nothing: %s" % (
                contender.name, got))
        return got

    def _wrk(self, contender, *options):
        text = self.lab.load(
            "client", "wrk", "-t1", "-d%d" % self.seconds, *options,
            "http://%s/" % contender.target, timeout=self.seconds + 30)
        requests = int(re.search(r"(\d+) requests in", text)[1])
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), "
                           r"write (\d+), timeout (\d+)", text)
        wrong = sum(map(int, errors.groups())) if errors else 0
        if "Non-2xx" in text or wrong > requests / 1000:
            raise BenchError("%s: errors in HTTP:\n%s" % (
                contender.name, text))
        return float(re.search(r"Requests/sec: +([\d.]+)", text)[1]), \
            _percentiles(text)

    def _iperf(self, contender, *options):
        """Gbit/s that one stream brought to its receiver, first second left
        out."""
        out = json.loads(self.lab.load(
            "client", "iperf3", "-J", "-c", contender.target, "-p", "5201",
            "-t", str(self.seconds), "-O", "1", *options,
            timeout=self.seconds + 30))
        return out["end"]["sum_received"]["bits_per_second"] / 1e9


def _percentiles(text):
    """wrk --latency: {"50": microseconds, ...}"""
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    return {percent: float(value) * unit[name] for percent, value, name in
            re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s)$", text, re.M)}
