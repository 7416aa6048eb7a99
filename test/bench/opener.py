"""Run in the client's namespace: opens connections to TARGET:80 without pause,
and holds some that ask again and again. Says "ready" when every server of the
NAMES has answered, and at the end of its input, in JSON, what happened when.

usage: opener.py TARGET NAME ..."""

import asyncio
import collections
import json
import sys
import time

LANES = 8           # connections that are being opened at a time
LIVE = 40
PAUSE = 0.02        # of a live one between two requests
PATIENCE = 1.0


class Opener:
    def __init__(self, target, names):
        self._target, self._names = target, set(names)
        self.opened = 0
        self.failed = []            # [time, what]
        self.served = collections.Counter()
        self.live = {name: {"held": 0, "lost": 0} for name in names}

    async def _open(self):
        return await asyncio.open_connection(self._target, 80)

    async def once(self):
        """One connection with one request; the server's name."""
        writer = None
        try:
            reader, writer = await self._open()
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.read(-1)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError("closed without an answer")
            return answer.split()[-1].decode()
        finally:
            if writer:
                writer.transport.abort()

    async def lane(self):
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    name = await self.once()
                self.served[name] += 1
                self.opened += 1
            except OSError as error:
                self.failed.append([time.monotonic(), repr(error)])
                await asyncio.sleep(0.001)

    async def hold(self):
        """One connection that stays."""
        reader, writer = await self._open()
        name = None
        try:
            while True:
                writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    page = (await reader.readexactly(3)).decode().strip()
                if not head.startswith(b"HTTP/1.1 200 "):
                    raise ConnectionError("no answer")
                if name is None:
                    name = page
                    self.live[name]["held"] += 1
                if page != name:
                    raise ConnectionError("another server")
                await asyncio.sleep(PAUSE)
        except (OSError, EOFError):
            self.live.setdefault(name or "nobody", {"held": 0, "lost": 0})
            self.live[name or "nobody"]["lost"] += 1

    async def run(self):
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(self.lane()) for _ in range(LANES)]
        while set(self.served) != self._names:
            await asyncio.sleep(0.01)
        tasks += [asyncio.create_task(self.hold()) for _ in range(LIVE)]
        while sum(one["held"] for one in self.live.values()) < LIVE:
            await asyncio.sleep(0.01)
        del self.failed[:]
        started, before = time.monotonic(), self.opened
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        print(json.dumps({
            "rate": (self.opened - before) / (time.monotonic() - started),
            "failed": self.failed, "live": self.live}), flush=True)
        for lane in tasks[:LANES]:
            if lane.done():         # it never does; this says why
                lane.result()


if __name__ == "__main__":
    asyncio.run(Opener(sys.argv[1], sys.argv[2:]).run())
