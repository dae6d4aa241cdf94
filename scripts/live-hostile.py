#!/usr/bin/env python3
"""Slow heads and thousands of streams against `restage up`: who behaves must not notice.

    scripts/live-hostile.py [--heads 200] [--streams 5000]

Starts the release build on free ports of the loopback address, opens connections that send their head byte
by byte, and streams of as many visitors, one of which never reads. Meanwhile new browsers send an event and
wait for its decision. Prints what it saw as JSON; exit code 1 if a bound does not hold.
"""
import argparse, asyncio, json, pathlib, re, resource, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent


async def ask(address, text, until=None, limit=10.0):
    """Sends a request; the answer up to a text, or to its end, and the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(text.encode())
    got = b""
    end = time.monotonic() + limit
    while until is None or until.encode() not in got:
        piece = await asyncio.wait_for(reader.read(65536), max(0.01, end - time.monotonic()))
        if not piece:
            break
        got += piece
    return got.decode(), reader, writer


def post(path, body):
    body = json.dumps(body)
    return (f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/plain\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}")


async def token(address):
    answer, _, writer = await ask(address, post("/v1/session", {"key": "wk_demo"}))
    writer.close()
    return re.search(r'"token":"([^"]+)"', answer).group(1)


def stream_of(text):
    return f"GET /v1/stream?token={text} HTTP/1.1\r\nhost: x\r\n\r\n"


async def probe(address):
    """A new browser's first event to its first decision, in ms."""
    text = await token(address)
    _, reader, writer = await ask(address, stream_of(text), until="beat")
    begin, now = time.monotonic(), int(time.time() * 1000)
    event = {"event_ms": now, "kind": "item_view", "item": "i3"}
    sent = asyncio.create_task(ask(address, post("/v1/events", {"key": "wk_demo", "token": text, "sent_at": now, "events": [event]})))
    got = b""
    while b"event: decision" not in got:
        piece = await asyncio.wait_for(reader.read(65536), 5)
        if not piece:
            raise RuntimeError("the stream ended")
        got += piece
    took = (time.monotonic() - begin) * 1000
    (await sent)[2].close()
    writer.close()
    return took


async def slow_head(address):
    """Seconds until a connection that never ends its head is closed."""
    reader, writer = await asyncio.open_connection(*address)
    begin = time.monotonic()
    text = b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-slow: " + b"a" * 60
    try:
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            done = await asyncio.wait_for(reader.read(1), 0.5)
            if done is not None:
                return time.monotonic() - begin
    except asyncio.TimeoutError:
        pass
    except (ConnectionError, OSError):
        return time.monotonic() - begin
    for _ in range(40):
        try:
            writer.write(b"a")
            await writer.drain()
            await asyncio.wait_for(reader.read(1), 0.5)
            return time.monotonic() - begin
        except asyncio.TimeoutError:
            continue
        except (ConnectionError, OSError):
            return time.monotonic() - begin
    return None


async def run(address, heads, streams):
    tokens = [await token(address) for _ in range(streams)]
    quiet = sorted([await probe(address) for _ in range(40)])
    opened = []
    for text in tokens:
        _, reader, writer = await ask(address, stream_of(text), until="beat")
        opened.append((reader, writer))
    # The first never reads, though its visitor goes on; all others are only open.
    never = tokens[0]
    slow = [asyncio.create_task(slow_head(address)) for _ in range(heads)]
    busy = []
    for turn in range(40):
        now = int(time.time() * 1000)
        events = [{"event_ms": now, "kind": "item_view", "item": f"i{(turn + n) % 60}", "price": 20} for n in range(5)]
        await ask(address, post("/v1/events", {"key": "wk_demo", "token": never, "sent_at": now, "events": events}))
        busy.append(await probe(address))
    busy.sort()
    closed = [one for one in await asyncio.gather(*slow) if one is not None]
    for _, writer in opened:
        writer.close()
    return {"streams": len(opened), "slow_heads": heads, "slow_heads_closed": len(closed),
            "closed_after_s_max": round(max(closed), 1) if closed else None,
            "event_to_decision_ms": {"before": round(quiet[20], 1), "meanwhile_p50": round(busy[20], 1), "meanwhile_max": round(busy[-1], 1)}}


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--heads", type=int, default=200)
    flags.add_argument("--streams", type=int, default=5000)
    flags = flags.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "collect.toml")
        config.write_text('[keys]\nwrite = ["wk_demo"]\n[limits]\nbrowser_events_per_second = 100000\n')
        up = subprocess.Popen([ROOT / "target/release/restage", "up", "--dir", f"{folder}/data", "--config", config,
                               "--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        try:
            line = up.stderr.readline()
            host, port = line.strip().rsplit("http://", 1)[1].split(":")
            said = asyncio.run(asyncio.wait_for(run((host, int(port)), flags.heads, flags.streams), 240))
        finally:
            up.terminate()
            up.wait(10)
    print(json.dumps(said))
    held = said["slow_heads_closed"] == flags.heads and said["event_to_decision_ms"]["meanwhile_max"] < 1000
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
