"""Sends requests for some seconds, in a process of its own: `python -m bench.ingest.load` prints what was answered."""

import argparse
import asyncio
import io
import json
import time

import aiohttp

from bench.ingest.bodies import FORMS


async def load(options: argparse.Namespace) -> dict[str, object]:
    build, media_type = FORMS[options.form]
    make = build(options.batch, text_bytes=options.text_bytes)
    headers = {"Authorization": f"Bearer {options.token}", "Content-Type": media_type}
    url = f"http://127.0.0.1:{options.port}/v1/traces"
    seconds: list[float] = []
    statuses: dict[int, int] = {}
    until = time.monotonic() + options.seconds
    interval = options.connections / options.rate if options.rate else 0.0

    async def send(session: aiohttp.ClientSession) -> None:
        due = time.monotonic()
        while due < until and time.monotonic() < until:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            body = make()
            started = due if interval else time.monotonic()
            async with session.post(url, data=io.BytesIO(body), headers=headers) as response:
                await response.read()
            seconds.append(time.monotonic() - started)
            statuses[response.status] = statuses.get(response.status, 0) + 1
            due = due + interval if interval else time.monotonic()

    began = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(send(session) for _ in range(options.connections)))
    return {
        "seconds": time.monotonic() - began,
        "requests": statuses.get(200, 0),
        "other": {status: count for status, count in statuses.items() if status != 200},
        "latencies": sorted(seconds),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("port", "batch", "connections", "text-bytes"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, default=0, help="requests a second; 0 for as many as are answered")
    parser.add_argument("--form", choices=tuple(FORMS), required=True)
    parser.add_argument("--token", required=True)
    print(json.dumps(asyncio.run(load(parser.parse_args()))))
